"""The compiled steps of AdaGrad: see `skreg.solvers.sgd.adagrad` for the formulas."""

from typing import NamedTuple

import numpy as np

from skreg._compile import IN_ORDER, compiled, formula
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
DUAL, INVERSE_STEP, SQUARES, LARGEST = range(4)


class AdaGradState(NamedTuple):
    """What is carried from step to step.

    A row of ``accumulators`` holds v, s, G and m of a feature, the last row those of the
    intercept; weights are ``scale * soft(v, threshold) / (s + ridge)``, the intercept is
    ``v / s``. Where s is 0, no step has been taken: the weight is ``scale * v``.
    """

    accumulators: np.ndarray
    scale: float
    threshold: float
    ridge: float
    eta: float

    def weights(self):
        """Return the weights and the intercept."""
        out = np.empty(len(self.accumulators))
        _settle(self.accumulators[:-1], self.scale, self.threshold, self.ridge, out)
        _settle(self.accumulators[-1:], 1.0, 0.0, 0.0, out[-1:])
        return out[:-1], float(out[-1])


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
def _settle(accumulators, scale, threshold, ridge, out):
    for j in range(accumulators.shape[0]):
        out[j] = _weight(accumulators, j, scale, threshold, ridge)


@compiled
def _weight(accumulators, j, scale, threshold, ridge):
    inverse_step = accumulators[j, INVERSE_STEP]
    if inverse_step == 0.0:
        return scale * accumulators[j, DUAL]
    return scale * soft(accumulators[j, DUAL], threshold) / (inverse_step + ridge)


@compiled
def change_inverse_steps(state, factor):
    accumulators, _, threshold, ridge, _ = state
    last = accumulators.shape[0] - 1
    for j in range(accumulators.shape[0]):
        weight = _weight(accumulators, j, 1.0, threshold, ridge)
        if j == last:
            weight = _weight(accumulators, j, 1.0, 0.0, 0.0)
        change = (factor - 1.0) * accumulators[j, INVERSE_STEP]
        accumulators[j, INVERSE_STEP] += change
        accumulators[j, DUAL] += change * weight


@compiled
def _inverse_step(accumulators, j, x, gradient, eta, scale_free):
    """Return the strength of feature j after a gradient."""
    root = np.sqrt(accumulators[j, SQUARES] + gradient * gradient)
    if scale_free:
        root *= max(accumulators[j, LARGEST], abs(x))
    return root / eta


@compiled
def _move(accumulators, j, x, slope, bounded, inverse_step, threshold, ridge):
    """Take the step of one feature, in units of the scale."""
    if x == 0.0 or inverse_step == 0.0:
        return
    weight = _weight(accumulators, j, 1.0, threshold, ridge)
    old = accumulators[j, INVERSE_STEP]
    if old > 0.0:
        dual = accumulators[j, DUAL] + (inverse_step - old) * weight
    elif weight == 0.0:
        dual = 0.0
    else:  # the first step away from where the descent began
        dual = (inverse_step + ridge) * weight + np.copysign(threshold, weight)
    accumulators[j, DUAL] = dual - bounded * x
    accumulators[j, INVERSE_STEP] = inverse_step
    accumulators[j, SQUARES] += (slope * x) ** 2
    accumulators[j, LARGEST] = max(accumulators[j, LARGEST], abs(x))


@formula
def _shrinkage(accumulators, j, x):
    """Return by which factor the weight of a feature shrinks that is larger than ever."""
    largest = accumulators[j, LARGEST]
    return largest / abs(x) if 0.0 < largest < abs(x) else 1.0


@formula
def _predict(X, i, y, state, loss, scale_free, tentative):
    """Return the raw prediction of a row, whose weights shrink if that does it good.

    Or anyway, if they are tentative.
    """
    accumulators, scale, threshold, ridge, _ = state
    intercept = _weight(accumulators, accumulators.shape[0] - 1, 1.0, 0.0, 0.0)
    raw, shrunk = intercept, intercept
    start, stop = row_bounds(X, i)
    for k in range(start, stop):
        j, x = row_item(X, i, k)
        part = x * _weight(accumulators, j, scale, threshold, ridge)
        raw += part
        shrunk += part * _shrinkage(accumulators, j, x)
    if not scale_free:
        return raw
    if not tentative and not value(loss, y, shrunk) < value(loss, y, raw):
        return raw
    for k in range(start, stop):
        j, x = row_item(X, i, k)
        excess = 1.0 - _shrinkage(accumulators, j, x)
        if excess > 0.0:
            accumulators[j, DUAL] -= excess * soft(accumulators[j, DUAL], threshold)
    return shrunk


@compiled(fastmath=IN_ORDER)
def _slopes(X, i, y, raw, row_weight, state, loss, options):
    """Return the slope of a row, and the part of it that a step can bear."""
    accumulators, _, _, ridge, eta = state
    slope = row_weight * derivative(loss, y, raw)
    if not options.scale_free or slope == 0.0:
        return slope, slope
    largest = row_weight * options.largest_slope
    slope = min(max(slope, -largest), largest)
    implicit_gain = 0.0
    if options.fit_intercept:
        last = accumulators.shape[0] - 1
        implicit_gain = 1.0 / _inverse_step(
            accumulators, last, 1.0, slope, eta, options.scale_free
        )
    start, stop = row_bounds(X, i)
    for k in range(start, stop):
        j, x = row_item(X, i, k)
        inverse_step = _inverse_step(accumulators, j, x, slope * x, eta, options.scale_free)
        inverse_step += ridge
        if inverse_step > 0.0:
            implicit_gain += x * x / inverse_step
    return slope, row_weight * bounded_slope(loss, y, raw, row_weight * implicit_gain)


@compiled(fastmath=IN_ORDER)
def adagrad_epoch(X, y, order, prefetch_rows, row_weights, state, loss, penalty, options):
    """Take a proximal step on each row; return the scale, the threshold and the ridge."""
    accumulators, scale, threshold, ridge, eta = state
    last = accumulators.shape[0] - 1
    for n in range(order.shape[0]):
        if n < prefetch_rows.shape[0]:
            prefetch_row(X, prefetch_rows[n])
            prefetch_item(y, prefetch_rows[n])
        i = order[n]
        now = AdaGradState(accumulators, scale, threshold, ridge, eta)
        raw = _predict(X, i, y[i], now, loss, options.scale_free, n < options.n_tentative)
        slope, bounded = _slopes(X, i, y[i], raw, row_weights[n], now, loss, options)
        start, stop = row_bounds(X, i)
        for k in range(start, stop):
            j, x = row_item(X, i, k)
            inverse_step = _inverse_step(
                accumulators, j, x, slope * x, eta, options.scale_free
            )
            _move(
                accumulators, j, x, slope, bounded / scale, inverse_step, threshold, ridge
            )
        if options.fit_intercept:
            inverse_step = _inverse_step(
                accumulators, last, 1.0, slope, eta, options.scale_free
            )
            _move(accumulators, last, 1.0, slope, bounded, inverse_step, 0.0, 0.0)
        threshold += penalty.l1 / scale
        ridge += penalty.l2
        scale /= 1.0 + penalty.decay
        if scale < _SMALLEST_SCALE:
            for j in range(last):
                accumulators[j, DUAL] *= scale
            threshold *= scale
            scale = 1.0
    return scale, threshold, ridge


@compiled(fastmath=IN_ORDER)
def adagrad_subgradient_epoch(
    X, y, order, prefetch_rows, row_weights, state, loss, penalty, options
):
    """Take a subgradient step of all weights on each row, as `adagrad_epoch` returns."""
    accumulators, eta = state.accumulators, state.eta
    last = accumulators.shape[0] - 1
    gradient, full_gradient = np.empty(last), np.empty(last)
    now = AdaGradState(accumulators, 1.0, 0.0, 0.0, eta)
    for n in range(order.shape[0]):
        i = order[n]
        raw = _predict(X, i, y[i], now, loss, options.scale_free, n < options.n_tentative)
        slope, bounded = _slopes(X, i, y[i], raw, row_weights[n], now, loss, options)
        start, stop = row_bounds(X, i)
        for k in range(start, stop):
            j, x = row_item(X, i, k)
            accumulators[j, LARGEST] = max(accumulators[j, LARGEST], abs(x))
        for j in range(last):
            weight = _weight(accumulators, j, 1.0, 0.0, 0.0)
            gradient[j] = penalty.l1 * np.sign(weight) + penalty.l2 * weight
            full_gradient[j] = gradient[j]
        row_add(X, i, bounded, gradient)
        row_add(X, i, slope, full_gradient)
        for j in range(last):
            weight = _weight(accumulators, j, 1.0, 0.0, 0.0)
            size = options.least_size
            inverse_step = _inverse_step(
                accumulators, j, size, full_gradient[j], eta, options.scale_free
            )
            accumulators[j, SQUARES] += full_gradient[j] ** 2
            weight -= penalty.decay * weight
            if inverse_step > 0.0:
                weight = inverse_step * weight - gradient[j]
            accumulators[j, DUAL], accumulators[j, INVERSE_STEP] = weight, inverse_step
        if options.fit_intercept:
            inverse_step = _inverse_step(
                accumulators, last, 1.0, slope, eta, options.scale_free
            )
            _move(accumulators, last, 1.0, slope, bounded, inverse_step, 0.0, 0.0)
    return 1.0, 0.0, 0.0
