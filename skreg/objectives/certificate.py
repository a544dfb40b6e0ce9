r"""The objective, and the certificate that says how far weights are from its optimum.

.. math::
    F(w, b) = \frac1S \sum_i s_i\, \ell(y_i, x_i^T w + b)
              + \sum_j \left( l_1 |w_j| + \frac{l_2}2 w_j^2 \right),
    \qquad S = \sum_i s_i

Fenchel duality gives a lower bound of F for every vector u with
:math:`\sum_i s_i u_i = 0` (if there is an intercept):

.. math::
    F(w, b) \ge D(u) = -\frac1S \sum_i s_i\, \ell^*(y_i, u_i) - \sum_j \Omega^*(z_j),
    \qquad z = -\frac1S X^T (s \cdot u)

where :math:`\Omega^*(z) = \max(0, |z| - l_1)^2 / (2 l_2)`, or for ``l2 = 0`` 0 if
:math:`|z| \le l_1` and infinity else. At the optimum :math:`u_i = \ell'(y_i, p_i)` makes
this an equality, so slopes at the current weights, scaled into the domain, give the
*duality gap* F - D. Rows with positive and negative slopes are scaled apart, so that
their sums cancel; scaling towards 0 never leaves the domain of a conjugate.
"""

import math
from typing import NamedTuple

import numpy as np

from skreg.data.matrices import mean_squares
from skreg.kernels.passes import conjugate_sum, gradient_pass, loss_pass
from skreg.penalties.elastic_net import elastic_net_conjugate, shrinkages


class Certificate(NamedTuple):
    """What is known of fixed weights.

    ``gap`` bounds the distance of the objective from its optimum. Where nothing is
    penalized there is no bound, ``gap`` is infinite, and ``residual`` remains to judge by:
    ``sum_j gradient_j^2 / (2 * curvature_j)``, the decrease of the objective that the
    optimality (KKT) conditions leave open feature by feature. Features that depend on each
    other may leave more: only if it is ``judged`` is it to be trusted, see
    `skreg.solvers.working_set.unpenalized`. ``separated`` says that the objective is known
    to have no minimum.
    """

    objective: float
    loss: float
    penalty: float
    gap: float
    residual: float
    judged: bool = False
    separated: bool = False

    @property
    def suboptimality(self):
        """The gap, or where there is none the residual."""
        return self.gap if math.isfinite(self.gap) else self.residual


class Evaluation(NamedTuple):
    """What one pass over the rows shows of fixed weights.

    ``raw_predictions`` and ``slopes`` (derivatives of the loss) are arrays over
    ``problem.rows``, ``gradient`` is that of the mean loss, the intercept's part last, and
    ``gradients`` its two parts, due to positive and other slopes.
    """

    certificate: Certificate
    raw_predictions: np.ndarray
    slopes: np.ndarray
    gradient: np.ndarray
    gradients: np.ndarray

    def under(self, problem, coef, curvatures):
        """Return the same weights under another penalty, evaluated without a pass."""
        return self._with(problem, coef, self.gradients, curvatures)

    def of_columns(self, columns, problem, coef, curvatures):
        """Return what is known of some features only, where all others are 0."""
        kept = np.append(columns, self.gradients.shape[1] - 1)
        return self._with(problem, coef, self.gradients[:, kept], curvatures)

    def of_whole(self, problem, coef, curvatures):
        """Return the evaluation of a problem of which this one sees some features only.

        The weights of all others are 0, so the predictions are known.
        """
        gradients = _gradients_of(problem, self.slopes)
        return self._with(problem, coef, gradients, curvatures)

    def with_slopes(self, problem, coef, slopes):
        """Return the same weights with other slopes, if any is penalized."""
        evaluation = self._replace(slopes=slopes)
        return evaluation._with(problem, coef, _gradients_of(problem, slopes), None)

    def _with(self, problem, coef, gradients, curvatures):
        certificate = certificate_from(
            problem, coef, self.certificate.loss, self.slopes, gradients, curvatures
        )
        gradient = gradients.sum(axis=0)
        return Evaluation(
            certificate, self.raw_predictions, self.slopes, gradient, gradients
        )


def _gradients_of(problem, slopes):
    """Return the gradients that slopes of the rows lead to, positive and other ones."""
    gradients = np.zeros((2, problem.n_features + 1))
    gradient_pass(problem.X, problem.sample_weight, problem.rows, slopes, gradients)
    return gradients / problem.weight_sum


def certify(problem, coef, intercept, curvatures):
    """Return the `Certificate` of weights; `curvatures` come from `feature_curvatures`."""
    return evaluate(problem, coef, intercept, curvatures).certificate


class MeanSlopes:
    """The mean of the slopes that rows have at several weights.

    At a kink the slopes of single weights jump from one end of an interval to the other,
    and are no dual point however near the weights are; their mean becomes one. Each counts
    in proportion to its number, so that the first ones fade (Shamir and Zhang 2013).
    """

    def __init__(self):
        self._mean = None
        self._number = 0

    def add(self, slopes):
        """Record slopes; return their mean."""
        if self._mean is None:
            self._mean = np.zeros_like(slopes)
        self._number += 1
        self._mean += 2.0 / (self._number + 1.0) * (slopes - self._mean)
        return self._mean

    def keep(self, models):
        """Keep the slopes of some models, of which there are several."""
        if self._mean is not None:
            self._mean = self._mean[models if len(models) > 1 else models[0]]


def evaluate(problem, coef, intercept, curvatures):
    """Return the `Evaluation` of weights, by one pass over the rows."""
    X, y, sample_weight, rows, loss, *_ = problem
    seen = np.empty((2, len(rows)))
    gradients = np.zeros((2, len(coef) + 1))
    weight_sum = problem.weight_sum
    total = loss_pass(X, y, sample_weight, rows, coef, intercept, loss, seen, gradients)
    raw_predictions, slopes = seen
    gradients /= weight_sum
    certificate = certificate_from(
        problem, coef, float(total / weight_sum), slopes, gradients, curvatures
    )
    return Evaluation(
        certificate, raw_predictions, slopes, gradients.sum(axis=0), gradients
    )


def certificate_from(problem, coef, mean_loss, slopes, gradients, curvatures):
    positive, negative = gradients
    factors = balancing_factors(problem, positive[-1], -negative[-1])
    correlation = np.abs(factors[0] * positive[:-1] + factors[1] * negative[:-1])
    gradient = None if curvatures is None else positive + negative
    residual = kkt_residual(problem, gradient, curvatures)
    return certificate_of(problem, coef, mean_loss, slopes, factors, correlation, residual)


def certificate_of(problem, coef, mean_loss, slopes, factors, correlation, residual):
    """Return the `Certificate` of weights.

    `correlation` holds the sizes of the gradient that `slopes` have if positive and other
    ones are multiplied by `factors`, those of `balancing_factors`.
    """
    _, y, sample_weight, rows, loss, l1, l2, _ = problem
    weight_sum, penalty = problem.weight_sum, problem.penalty_of(coef)
    objective = mean_loss + penalty

    def dual(shrinkage):
        conjugates = conjugate_sum(
            y, sample_weight, rows, slopes, *(shrinkage * f for f in factors), loss
        )
        excess = elastic_net_conjugate(shrinkage * correlation, l1, l2)
        return -conjugates / weight_sum - excess

    gap = math.inf
    if problem.is_penalized or len(coef) == 0:
        bound = max(map(dual, shrinkages(correlation, l1, l2)))
        gap = max(objective - float(bound), 0.0)
    return Certificate(objective, mean_loss, penalty, gap, residual)


def balancing_factors(problem, positive, negative):
    """Return factors in [0, 1] that make two sums of slopes equal, if they have to be."""
    if not problem.fit_intercept:
        return 1.0, 1.0
    smaller = min(positive, negative)
    if smaller <= 0.0:
        return 0.0, 0.0
    return float(smaller / positive), float(smaller / negative)


def feature_curvatures(problem):
    """Return bounds of the objective's curvature per feature, None if penalized."""
    if problem.is_penalized:
        return None
    weights = np.zeros(len(problem.y))
    weights[problem.rows] = problem.sample_weight[problem.rows] / problem.weight_sum
    return (problem.loss.max_curvature or 1.0) * mean_squares(problem.X, weights)


def kkt_residual(problem, gradient, curvatures):
    """Return the residual of a `Certificate`; the intercept's part comes last."""
    if curvatures is None:
        return math.nan
    curved = curvatures > 0.0
    residual = (gradient[:-1][curved] ** 2 / (2.0 * curvatures[curved])).sum()
    if problem.fit_intercept:
        residual += gradient[-1] ** 2 / (2.0 * (problem.loss.max_curvature or 1.0))
    return float(residual)
