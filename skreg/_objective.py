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
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from skreg._inputs import check_data, check_weights
from skreg._kernels import conjugate_sum, constant_pass, gradient_pass, loss_pass
from skreg._losses import (
    CLASSIFICATION_LOSSES,
    LOSSES,
    REGRESSION_LOSSES,
    HalfSquaredError,
    make_loss,
)
from skreg._matrices import as_rows, mean_squares
from skreg._numbers import as_numbers, check_finite
from skreg.penalties import ElasticNet, check_number

# Sums of slopes that are smaller than this part of the weights are 0.
_ROUNDING = 1e-12
# Beyond this raw prediction a classification loss does not change its mind.
_LARGEST_RAW_PREDICTION = 50.0
# Targets that differ by less than this part of them are moved to 0.
_SPREAD = 1e-3


class Problem(NamedTuple):
    """One objective: the data, the loss and the penalty's strengths.

    ``X`` comes from `skreg._matrices.as_rows`, ``y`` holds targets (-1 and +1 for
    classification), ``rows`` are the rows that count, all of positive weight.
    """

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray
    rows: np.ndarray
    loss: Any
    l1: float
    l2: float
    fit_intercept: bool

    @property
    def n_features(self):
        return self.X.shape[1]

    @property
    def weight_sum(self):
        weights = self.sample_weight
        return (weights if len(self.rows) == len(weights) else weights[self.rows]).sum()

    @property
    def is_penalized(self):
        return self.l1 > 0.0 or self.l2 > 0.0

    def penalty_of(self, coef):
        """Return the penalty of weights."""
        with np.errstate(over="ignore"):
            return float(self.l1 * np.abs(coef).sum() + 0.5 * self.l2 * (coef @ coef))


class Certificate(NamedTuple):
    """What is known of fixed weights.

    ``gap`` bounds the distance of the objective from its optimum. Where nothing is
    penalized there is no bound, ``gap`` is infinite, and ``residual`` remains to judge by:
    ``sum_j gradient_j^2 / (2 * curvature_j)``, the decrease of the objective that the
    optimality (KKT) conditions leave open feature by feature. Features that depend on each
    other may leave more: only if it is ``judged`` is it to be trusted, see
    `skreg._unpenalized`. ``separated`` says that the objective is known to have no minimum.
    """

    objective: float
    loss: float
    penalty: float
    gap: float
    residual: float
    judged: bool = False
    separated: bool = False

    @property
    def distance(self):
        """The gap, or where there is none the residual."""
        return self.gap if math.isfinite(self.gap) else self.residual


class View(NamedTuple):
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
        """Return the view of the same weights under another penalty, without a pass."""
        return self._with(problem, coef, self.gradients, curvatures)

    def of_columns(self, columns, problem, coef, curvatures):
        """Return the view of a problem of some features only, where all others are 0."""
        kept = np.append(columns, self.gradients.shape[1] - 1)
        return self._with(problem, coef, self.gradients[:, kept], curvatures)

    def of_whole(self, problem, coef, curvatures):
        """Return the view of a problem of which this one sees some features only.

        The weights of all others are 0, so the predictions are known.
        """
        gradients = _gradients_of(problem, self.slopes)
        return self._with(problem, coef, gradients, curvatures)

    def with_slopes(self, problem, coef, slopes):
        """Return the view of the same weights with other slopes, if any is penalized."""
        view = self._replace(slopes=slopes)
        return view._with(problem, coef, _gradients_of(problem, slopes), None)

    def _with(self, problem, coef, gradients, curvatures):
        certificate = certificate_from(
            problem, coef, self.certificate.loss, self.slopes, gradients, curvatures
        )
        gradient = gradients.sum(axis=0)
        return View(certificate, self.raw_predictions, self.slopes, gradient, gradients)


def _gradients_of(problem, slopes):
    """Return the gradients that slopes of the rows lead to, positive and other ones."""
    gradients = np.zeros((2, problem.n_features + 1))
    gradient_pass(problem.X, problem.sample_weight, problem.rows, slopes, gradients)
    return gradients / problem.weight_sum


def certify(problem, coef, intercept, curvatures):
    """Return the `Certificate` of weights; `curvatures` come from `feature_curvatures`."""
    return look(problem, coef, intercept, curvatures).certificate


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
        """Take note of slopes; return their mean."""
        if self._mean is None:
            self._mean = np.zeros_like(slopes)
        self._number += 1
        self._mean += 2.0 / (self._number + 1.0) * (slopes - self._mean)
        return self._mean

    def keep(self, models):
        """Keep the rows of some models."""
        if self._mean is not None:
            self._mean = self._mean[models]


def look(problem, coef, intercept, curvatures):
    """Return the `View` of weights, by one pass over the rows."""
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
    return View(certificate, raw_predictions, slopes, gradients.sum(axis=0), gradients)


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
        excess = penalty_conjugate(shrinkage * correlation, l1, l2)
        return -conjugates / weight_sum - excess

    gap = math.inf
    if problem.is_penalized or len(coef) == 0:
        bound = max(map(dual, shrinkages(correlation, l1, l2)))
        gap = max(objective - float(bound), 0.0)
    return Certificate(objective, mean_loss, penalty, gap, residual)


def penalty_conjugate(correlation, l1, l2):
    """Return the sum of the penalty's conjugates inside its domain."""
    if l2 == 0.0:
        return 0.0
    excess = np.maximum(correlation - l1, 0.0)
    with np.errstate(over="ignore"):
        return (excess @ excess) / (2.0 * l2)


def shrinkages(correlation, l1, l2):
    """Return the factors of slopes that are worth trying: they lead into the domain."""
    largest = correlation.max(initial=0.0)
    into_domain = min(1.0, l1 / largest) if largest > 0.0 else 1.0
    return [into_domain, 1.0] if l2 > 0.0 else [into_domain]


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


def without_offset(problem):
    """Return a problem whose targets are around 0, and by how much they were moved.

    Where targets are much further from 0 than from each other, predictions would lose to
    the intercept the digits that tell them apart. Others stay as they are.
    """
    regression = type(problem.loss) in REGRESSION_LOSSES.values()
    if not (regression and problem.fit_intercept):
        return problem, 0.0
    y = problem.y[problem.rows]
    low, high = float(y.min()), float(y.max())
    if not high - low < _SPREAD * max(abs(low), abs(high)) < np.inf:
        return problem, 0.0
    return problem._replace(y=problem.y - low), low


class NullModel(NamedTuple):
    """The model without features, and the objective where its intercept is 0."""

    intercept: float
    objective: float
    objective_at_zero: float


def null_model(problem):
    """Return the `NullModel` of a problem.

    The intercept is the root of the derivative of the mean loss, which does not decrease.
    Targets whose losses over- or underflow are refused.
    """
    loss = problem.loss
    y, weights = problem.y[problem.rows], problem.sample_weight[problem.rows]
    low, high = y.min(), y.max()
    if type(loss) in CLASSIFICATION_LOSSES.values():
        low, high = -_LARGEST_RAW_PREDICTION, _LARGEST_RAW_PREDICTION
        weights = np.bincount(y > 0.0, weights, minlength=2)
        y = np.array([-1.0, 1.0])
    intercept = 0.0
    if problem.fit_intercept and isinstance(loss, HalfSquaredError):
        intercept = float(weights @ y / weights.sum())
    elif problem.fit_intercept and loss.max_curvature is None:
        intercept = best_intercept(loss, y, weights, 0.0)
    elif problem.fit_intercept:
        intercept = _root(
            lambda b: constant_pass(y, weights, b, loss)[1], float(low), float(high)
        )
    totals = (constant_pass(y, weights, b, loss)[0] for b in (intercept, 0.0))
    null = NullModel(intercept, *(float(total / weights.sum()) for total in totals))
    largest = float(y[np.abs(y).argmax()])
    lost = abs(largest) < 1.0 and loss.value(largest, 0.0) == 0.0
    lost = lost and loss.derivative(largest, 0.0) != 0.0
    if lost or not null.objective_at_zero < np.inf:
        raise ValueError(
            f"The targets are too {'small' if lost else 'large'} for the loss: it is "
            f"{null.objective_at_zero:g} where all predictions are 0. Scale the targets."
        )
    return null


def best_intercept(loss, y, weights, raw):
    """Return the best intercept beside raw predictions, for a loss with kinks.

    The mean loss is linear between kinks. Where it is flat at its minimum, all of an
    interval is best, and its middle is returned.
    """
    kinks = loss.kinks(y)
    places = np.concatenate([kink - raw for kink in kinks])
    order = np.argsort(places)
    slopes = np.cumsum(np.tile(weights, len(kinks))[order])
    slopes += constant_pass(y, weights, -np.inf, loss)[1]
    flat = _ROUNDING * weights.sum()
    ends = np.searchsorted(slopes, [-flat, flat], side="left")
    low, high = places[order[np.minimum(ends, len(order) - 1)]]
    return float(0.5 * low + 0.5 * high)


def _root(increasing, low, high):
    if increasing(low) >= 0.0:
        return low
    if increasing(high) <= 0.0:
        return high
    xtol = max(1e-14 * max(abs(low), abs(high)), np.finfo(np.float64).tiny)
    return float(brentq(increasing, low, high, xtol=xtol, disp=False))


@np.errstate(all="ignore")
def objective(
    X,
    y,
    coef,
    intercept=0.0,
    *,
    loss="squared_error",
    l1=0.0,
    l2=0.0,
    epsilon=0.1,
    sample_weight=None,
):
    r"""Return the penalized objective of a linear model.

    .. math::
        \frac1S \sum_i s_i\, \ell(y_i, x_i^T w + b)
        + l_1 \|w\|_1 + \frac{l_2}2 \|w\|_2^2, \qquad S = \sum_i s_i

    With ``l1 = alpha * l1_ratio`` and ``l2 = alpha * (1 - l1_ratio)`` this is what the
    estimators minimize, and so do scikit-learn's `Lasso` and `ElasticNet`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Targets; -1 and +1 for a classification loss.
    coef : array-like of shape (n_features,)
        Weights w.
    intercept : float, default=0.0
        Intercept b, which is not penalized.
    loss : str, default="squared_error"
        Name of the loss, one of those of the two estimators.
    l1, l2 : float, default=0.0
        Strengths of the penalty, at least 0.
    epsilon : float, default=0.1
        Parameter of the losses that have one.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights s of the rows, at least 0 and not all 0; None means equal ones.

    Returns
    -------
    float
        The objective, in the units of the loss.

    Raises
    ------
    ValueError
        If an array has a wrong shape, is not finite, or the loss is unknown.

    Examples
    --------
    >>> import skreg
    >>> X, y = [[1.0, 0.0], [0.0, 2.0]], [1.0, 3.0]
    >>> skreg.objective(X, y, [1.0, 1.0], l1=0.5)  # (0^2 + 1^2) / 2 / 2 + 0.5 * 2
    1.25
    """
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {sorted(LOSSES)}, not {loss!r}.")
    X, y = check_data(X, y)
    coef = as_numbers(coef, "coef").astype(np.float64, copy=False)
    check_finite(coef, "coef")
    if coef.shape != (X.shape[1],):
        raise ValueError(
            f"coef must have shape ({X.shape[1]},), one weight per feature of X, not "
            f"{coef.shape}."
        )
    y = np.asarray(y, dtype=np.float64)
    if loss in CLASSIFICATION_LOSSES and not np.isin(y, (-1.0, 1.0)).all():
        raise ValueError(f"y must hold only -1 and +1 for loss={loss!r}.")
    weights = check_weights(sample_weight, X)
    penalty = ElasticNet(l1, l2).value(coef)
    check_number("epsilon", epsilon, minimum=0.0)
    intercept = np.atleast_1d(as_numbers(intercept, "intercept"))
    check_finite(intercept, "intercept")
    if intercept.size != 1:
        raise ValueError(f"intercept must be one number, not {intercept.size}.")
    total = loss_pass(
        as_rows(X),
        y,
        weights,
        np.flatnonzero(weights),
        coef,
        float(intercept[0]),
        make_loss(loss, epsilon),
        np.empty((2, len(y))),
        np.zeros((2, len(coef) + 1)),
    )
    return float(total / weights.sum() + penalty)
