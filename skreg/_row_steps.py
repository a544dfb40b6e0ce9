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
momentum (Frostig et al. 2015; Lin, Mairal and Harchaoui 2015).
"""

import numpy as np

from skreg._kernels import Remembered, svrg_epoch
from skreg._order import block_length, draw_visits, visits_in_order
from skreg._rows import checked_row_norms

_MOMENTUM = 0.8
# The intercept, which is not penalized, is held to a center of its own, this much more
# loosely than a feature of the rows' mean length.
_LOOSENESS = 0.02


class RowSteps:
    """Epochs from given weights.

    Without `view`, all remembered slopes are 0 at first, which suits weights of 0.
    """

    def __init__(self, problem, coef, intercept, view, shuffle, generator):
        self.problem = problem
        self._shuffle = shuffle
        self._generator = generator
        self._block = block_length(problem.X)
        norms = checked_row_norms(problem.X, problem.rows)
        weights = np.zeros(len(problem.y))
        weights[problem.rows] = problem.sample_weight[problem.rows] / problem.weight_sum
        mean_norm = float(weights @ norms)
        # As many rows as the condition number: an epoch leaves a part of the distance.
        curvature = problem.loss.max_curvature * mean_norm / len(problem.rows)
        self._strength = max(0.0, curvature - problem.l2)
        self._scale = 1.0 / (problem.l2 + self._strength)
        self._intercept_scale = 0.0
        if problem.fit_intercept:
            self._intercept_scale = max(1.0, _LOOSENESS * mean_norm * self._scale)
        self._remembered = Remembered(np.zeros(len(weights)), weights, norms)
        self._center, self._last, self._intercept_center = coef, coef, intercept
        self._dual = np.append(self._strength * coef, intercept)
        if view is not None:
            self._remembered.slopes[problem.rows] = view.slopes
            self._dual[:-1] -= view.gradient[:-1]
            self._dual[-1] -= self._intercept_scale * view.gradient[-1]

    def epoch(self):
        """Take a step on each row; return the weights and the intercept."""
        problem = self.problem
        visits = visits_in_order(problem.rows)
        if self._shuffle:
            visits = draw_visits(problem.rows, self._block, self._generator)
        svrg_epoch(
            problem.X,
            problem.y,
            visits,
            self._remembered,
            self._dual,
            self._scale,
            problem.l1,
            self._intercept_scale,
            problem.loss,
        )
        dual, intercept = self._dual[:-1], float(self._dual[-1])
        shrunk = np.maximum(np.abs(dual) - problem.l1, 0.0)
        coef = self._scale * np.copysign(shrunk, dual)
        if self._strength > 0.0:
            center = coef + _MOMENTUM * (coef - self._last)
            dual += self._strength * (center - self._center)
            self._center, self._last = center, coef
        self._dual[-1] += intercept - self._intercept_center
        self._intercept_center = intercept
        return coef, intercept
