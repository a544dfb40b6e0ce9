"""The problem that is solved, and the model without features."""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from skreg.kernels.passes import constant_pass
from skreg.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES, HalfSquaredError
from skreg.penalties.elastic_net import elastic_net_value

# Sums of slopes that are smaller than this part of the weights are 0.
_ROUNDING = 1e-12
# Beyond this raw prediction a classification loss does not change its mind.
_LARGEST_RAW_PREDICTION = 50.0
# Targets that differ by less than this part of them are moved to 0.
_SPREAD = 1e-3


class Problem(NamedTuple):
    """One objective: the data, the loss and the penalty's strengths.

    ``X`` comes from `skreg.data.matrices.as_rows`, ``y`` holds targets (-1 and +1 for
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
        return elastic_net_value(coef, self.l1, self.l2)


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
