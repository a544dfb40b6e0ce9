"""The compiled steps of AdaGrad: see `skreg.solvers.sgd.adagrad` for the formulas."""

from typing import NamedTuple

import numpy as np

from skreg._compile import IN_ORDER, compiled
from skreg.kernels.rows import (
    prefetch_item,
    prefetch_row,
    row_add,
    row_bounds,
    row_item,
    soft,
)
from skreg.losses import bounded_slope, derivative, value

_SMALLEST_SCALE = 1e-9
# What is kept of each feature.
DUAL, STRENGTH, SQUARES, LARGEST = range(4)


class Memory(NamedTuple):
    """What is carried from step to step.

    A row of ``features`` holds v, s, G and m of a feature, the last row those of the
    intercept; weights are ``scale * soft(v, threshold) / (s + ridge)``, the intercept is
    ``v / s``. Where s is 0, no step has been taken: the weight is ``scale * v``.
    """

    features: np.ndarray
    scale: float
    threshold: float
    ridge: float
    eta: float

    def weights(self):
        """Return the weights and the intercept."""
        coef = _weights(self.features[:-1], self.scale, self.threshold, self.ridge)
        return coef, float(_weights(self.features[-1:], 1.0, 0.0, 0.0)[0])


class Penalty(NamedTuple):
    """What a step does to all weights: l1 and l2 by the formulas, a part by decay."""

    l1: float
    l2: float
    decay: float


class Options(NamedTuple):
    """How steps are taken.

    Without a unit or not, with an intercept or not, by slopes up to what size, how many of
    them while the scale of the data is not known, and where the penalty joins the gradients
    as if features had at least what size.
    """

    scale_free: bool
    fit_intercept: bool
    largest_slope: float
    n_tentative: int
    least_size: float


@compiled
def _weights(features, scale, threshold, ridge):
    out = np.empty(features.shape[0])
    for j in range(features.shape[0]):
        out[j] = _weight(features, j, scale, threshold, ridge)
    return out


@compiled
def _weight(features, j, scale, threshold, ridge):
    strength = features[j, STRENGTH]
    if strength == 0.0:
        return scale * features[j, DUAL]
    return scale * soft(features[j, DUAL], threshold) / (strength + ridge)


@compiled
def change_strengths(memory, factor):
    features, _, threshold, ridge, _ = memory
    last = features.shape[0] - 1
    for j in range(features.shape[0]):
        weight = _weight(features, j, 1.0, threshold, ridge)
        if j == last:
            weight = _weight(features, j, 1.0, 0.0, 0.0)
        change = (factor - 1.0) * features[j, STRENGTH]
        features[j, STRENGTH] += change
        features[j, DUAL] += change * weight


@compiled
def _strength(features, j, x, gradient, eta, scale_free):
    """Return the strength of feature j after a gradient."""
    root = np.sqrt(features[j, SQUARES] + gradient * gradient)
    if scale_free:
        root *= max(features[j, LARGEST], abs(x))
    return root / eta


@compiled
def _move(features, j, x, slope, bounded, strength, threshold, ridge):
    """Take the step of one feature, in units of the scale."""
    if x == 0.0 or strength == 0.0:
        return
    weight = _weight(features, j, 1.0, threshold, ridge)
    old = features[j, STRENGTH]
    if old > 0.0:
        dual = features[j, DUAL] + (strength - old) * weight
    elif weight == 0.0:
        dual = 0.0
    else:  # the first step away from where the descent began
        dual = (strength + ridge) * weight + np.copysign(threshold, weight)
    features[j, DUAL] = dual - bounded * x
    features[j, STRENGTH] = strength
    features[j, SQUARES] += (slope * x) ** 2
    features[j, LARGEST] = max(features[j, LARGEST], abs(x))


@compiled
def _shrinkage(features, j, x):
    """Return by which factor the weight of a feature shrinks that is larger than ever."""
    largest = features[j, LARGEST]
    return largest / abs(x) if 0.0 < largest < abs(x) else 1.0


@compiled(fastmath=IN_ORDER)
def _predict(X, i, y, memory, loss, scale_free, tentative):
    """Return the raw prediction of a row, whose weights shrink if that does it good.

    Or anyway, if they are tentative.
    """
    features, scale, threshold, ridge, _ = memory
    intercept = _weight(features, features.shape[0] - 1, 1.0, 0.0, 0.0)
    raw, shrunk = intercept, intercept
    start, stop = row_bounds(X, i)
    for k in range(start, stop):
        j, x = row_item(X, i, k)
        part = x * _weight(features, j, scale, threshold, ridge)
        raw += part
        shrunk += part * _shrinkage(features, j, x)
    if not scale_free:
        return raw
    if not tentative and not value(loss, y, shrunk) < value(loss, y, raw):
        return raw
    for k in range(start, stop):
        j, x = row_item(X, i, k)
        excess = 1.0 - _shrinkage(features, j, x)
        if excess > 0.0:
            features[j, DUAL] -= excess * soft(features[j, DUAL], threshold)
    return shrunk


@compiled(fastmath=IN_ORDER)
def _slopes(X, i, y, raw, row_weight, memory, loss, options):
    """Return the slope of a row, and the part of it that a step can bear."""
    features, _, _, ridge, eta = memory
    slope = row_weight * derivative(loss, y, raw)
    if not options.scale_free or slope == 0.0:
        return slope, slope
    largest = row_weight * options.largest_slope
    slope = min(max(slope, -largest), largest)
    reach = 0.0
    if options.fit_intercept:
        last = features.shape[0] - 1
        reach = 1.0 / _strength(features, last, 1.0, slope, eta, True)
    start, stop = row_bounds(X, i)
    for k in range(start, stop):
        j, x = row_item(X, i, k)
        strength = _strength(features, j, x, slope * x, eta, True) + ridge
        if strength > 0.0:
            reach += x * x / strength
    return slope, row_weight * bounded_slope(loss, y, raw, row_weight * reach)


@compiled(fastmath=IN_ORDER)
def adagrad_epoch(X, y, order, arrivals, row_weights, memory, loss, penalty, options):
    """Take a proximal step on each row; return the scale, the threshold and the ridge."""
    features, scale, threshold, ridge, eta = memory
    last = features.shape[0] - 1
    for n in range(order.shape[0]):
        if n < arrivals.shape[0]:
            prefetch_row(X, arrivals[n])
            prefetch_item(y, arrivals[n])
        i = order[n]
        now = Memory(features, scale, threshold, ridge, eta)
        raw = _predict(X, i, y[i], now, loss, options.scale_free, n < options.n_tentative)
        slope, bounded = _slopes(X, i, y[i], raw, row_weights[n], now, loss, options)
        start, stop = row_bounds(X, i)
        for k in range(start, stop):
            j, x = row_item(X, i, k)
            strength = _strength(features, j, x, slope * x, eta, options.scale_free)
            _move(features, j, x, slope, bounded / scale, strength, threshold, ridge)
        if options.fit_intercept:
            strength = _strength(features, last, 1.0, slope, eta, options.scale_free)
            _move(features, last, 1.0, slope, bounded, strength, 0.0, 0.0)
        threshold += penalty.l1 / scale
        ridge += penalty.l2
        scale /= 1.0 + penalty.decay
        if scale < _SMALLEST_SCALE:
            features[:last, DUAL] *= scale
            threshold *= scale
            scale = 1.0
    return scale, threshold, ridge


@compiled(fastmath=IN_ORDER)
def adagrad_subgradient_epoch(
    X, y, order, arrivals, row_weights, memory, loss, penalty, options
):
    """Take a subgradient step of all weights on each row, as `adagrad_epoch` returns."""
    features, eta = memory.features, memory.eta
    last = features.shape[0] - 1
    gradient, seen = np.empty(last), np.empty(last)
    now = Memory(features, 1.0, 0.0, 0.0, eta)
    for n in range(order.shape[0]):
        i = order[n]
        raw = _predict(X, i, y[i], now, loss, options.scale_free, n < options.n_tentative)
        slope, bounded = _slopes(X, i, y[i], raw, row_weights[n], now, loss, options)
        start, stop = row_bounds(X, i)
        for k in range(start, stop):
            j, x = row_item(X, i, k)
            features[j, LARGEST] = max(features[j, LARGEST], abs(x))
        for j in range(last):
            weight = _weight(features, j, 1.0, 0.0, 0.0)
            gradient[j] = penalty.l1 * np.sign(weight) + penalty.l2 * weight
        seen[:] = gradient
        row_add(X, i, bounded, gradient)
        row_add(X, i, slope, seen)
        for j in range(last):
            weight = _weight(features, j, 1.0, 0.0, 0.0)
            size = options.least_size
            strength = _strength(features, j, size, seen[j], eta, options.scale_free)
            features[j, SQUARES] += seen[j] ** 2
            weight -= penalty.decay * weight
            if strength > 0.0:
                weight = strength * weight - gradient[j]
            features[j, DUAL], features[j, STRENGTH] = weight, strength
        if options.fit_intercept:
            strength = _strength(features, last, 1.0, slope, eta, options.scale_free)
            _move(features, last, 1.0, slope, bounded, strength, 0.0, 0.0)
    return 1.0, 0.0, 0.0
