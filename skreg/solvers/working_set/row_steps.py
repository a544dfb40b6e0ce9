r"""Variance-reduced steps on the rows of a problem.

Of each row the slope :math:`u_i` of its loss is remembered. The weights are those that
would be best if each loss were its tangent, near a center c:

.. math::
    w = \arg\min_w \frac1S \sum_i s_i u_i x_i^T w + l_1 \|w\|_1
        + \frac{l_2}2 \|w\|_2^2 + \frac\mu2 \|w - c\|_2^2
      = \frac{\operatorname{soft}(v, l_1)}{l_2 + \mu},
    \qquad v = \mu c - \frac1S \sum_i s_i u_i x_i

A step replaces the slope of one row by the one at the prediction to which the step itself
leads, so that no step is too long, and what a row adds to the noise vanishes at the
optimum. This is stochastic dual coordinate ascent (Shalev-Shwartz and Zhang 2013), the
twin of SVRG (Johnson and Zhang 2013) that needs no pass between its epochs. The center,
which makes any problem well conditioned, follows the weights from epoch to epoch, with
momentum (Frostig et al. 2015; Lin, Mairal and Harchaoui 2015). A loss with kinks has no
curvature to weigh it by: there is no center then, and L2 must do without.
"""

import numpy as np

from skreg.data.order import Order
from skreg.kernels.block import block_svrg_epoch, move_center
from skreg.kernels.epochs import SlopeTable, svrg_epoch
from skreg.kernels.rows import settle
from skreg.kernels.vectors import aligned_copy, padded

_MOMENTUM = 0.8
# The intercept, which is not penalized, is held to a center of its own, this much more
# loosely than a feature of the rows' mean length.
_LOOSENESS = 0.02


def _shares(problem, norms):
    """Return the weights of the rows as parts of 1, a curvature and the mean of `norms`."""
    weights = np.zeros(len(problem.y))
    weights[problem.rows] = problem.sample_weight[problem.rows] / problem.weight_sum
    mean_norm = float(weights @ norms)
    # As many rows as the condition number: an epoch leaves a part of the distance.
    curvature = (problem.loss.max_curvature or 0.0) * mean_norm / len(problem.rows)
    return weights, curvature, mean_norm


class RowSteps:
    """Epochs from given weights.

    Without `evaluation`, all remembered slopes are 0 at first, which suits weights of 0.
    `norms` are those of the rows, squared; `unit` is that of predictions over slopes.
    """

    def __init__(
        self, problem, coef, intercept, evaluation, norms, shuffle, generator, unit=1.0
    ):
        self.problem = problem
        self._shuffle = shuffle
        self.set_rows(problem.rows)
        self._generator = generator
        weights, curvature, mean_norm = _shares(problem, norms)
        self._prox_weight = max(0.0, curvature - problem.l2)
        self._scale = 1.0 / (problem.l2 + self._prox_weight)
        self._intercept_scale = 0.0
        if problem.fit_intercept:
            self._intercept_scale = max(unit, _LOOSENESS * mean_norm * self._scale)
        self._slope_table = SlopeTable(np.zeros(len(weights)), weights, norms)
        self._center, self._last, self._intercept_center = coef, coef, intercept
        self._dual = np.append(self._prox_weight * coef, intercept)
        if evaluation is not None:
            self._slope_table.slopes[problem.rows] = evaluation.slopes
            self._dual[:-1] -= evaluation.gradient[:-1]
            self._dual[-1] -= self._intercept_scale * evaluation.gradient[-1]

    @property
    def slopes(self):
        """The remembered slopes of the rows of the problem."""
        return self._slope_table.slopes[self.problem.rows]

    def set_rows(self, rows):
        """Let the next epochs visit some of the rows only."""
        self._order = Order(self.problem.X, rows, self._shuffle)

    def epoch(self):
        """Take a step on each row; return the weights and the intercept."""
        problem = self.problem
        sequence = self._order.draw(self._generator)
        svrg_epoch(
            problem.X,
            problem.y,
            sequence,
            self._slope_table,
            self._dual,
            self._scale,
            problem.l1,
            self._intercept_scale,
            problem.loss,
        )
        dual, intercept = self._dual[:-1], float(self._dual[-1])
        coef = settle(dual, self._scale, problem.l1)
        if self._prox_weight > 0.0:
            center = coef + _MOMENTUM * (coef - self._last)
            dual += self._prox_weight * (center - self._center)
            self._center, self._last = center, coef
        self._dual[-1] += intercept - self._intercept_center
        self._intercept_center = intercept
        return coef, intercept


class BlockRowSteps:
    """Epochs for several problems at once, which differ in their strengths, on sparse rows.

    All start from the same weights. `coef` has a row for each feature, and in it a column
    for each problem; `intercept` has an element for each.
    """

    def __init__(self, problems, coef, intercept, evaluation, norms, shuffle, generator):
        problem, n_models = problems[0], len(problems)
        self.problem = problem
        self._order = Order(problem.X, problem.rows, shuffle)
        self._generator = generator
        n_spare = padded(n_models) - n_models
        l1, l2 = (
            np.pad([getattr(one, name) for one in problems], (0, n_spare), mode="edge")
            for name in ("l1", "l2")
        )
        weights, curvature, mean_norm = _shares(problem, norms)
        self._prox_weight = np.maximum(0.0, curvature - l2)
        scale = 1.0 / (l2 + self._prox_weight)
        intercept_scale = np.zeros(len(scale))
        if problem.fit_intercept:
            intercept_scale = np.maximum(1.0, _LOOSENESS * mean_norm * scale)
        self._numbers = scale, l1, intercept_scale
        slopes = np.zeros((len(weights), n_models))
        self._slope_table = SlopeTable(slopes, weights, norms)
        self.coef = aligned_copy(np.repeat(coef[:, np.newaxis], len(scale), axis=1))
        self.intercept = np.full(n_models, intercept)
        self._center, self._intercept_center = self.coef.copy(), self.intercept
        self._dual = aligned_copy(self._prox_weight * self.coef)
        self._intercept_dual = self.intercept.copy()
        if evaluation is not None:
            slopes[problem.rows] = evaluation.slopes[:, np.newaxis]
            self._dual -= evaluation.gradient[:-1, np.newaxis]
            self._intercept_dual -= intercept_scale[:n_models] * evaluation.gradient[-1]

    def epoch(self):
        """Take a step on each row."""
        problem, (scale, l1, _) = self.problem, self._numbers
        sequence = self._order.draw(self._generator)
        block_svrg_epoch(
            problem.X,
            problem.y,
            sequence,
            self._slope_table,
            self._dual,
            self._intercept_dual,
            self._numbers,
            problem.loss,
            np.zeros((2, len(scale))),
        )
        move_center(
            self._dual, self.coef, self._center, self._prox_weight, scale, l1, _MOMENTUM
        )
        self.intercept = self._intercept_dual.copy()
        self._intercept_dual += self.intercept - self._intercept_center
        self._intercept_center = self.intercept
