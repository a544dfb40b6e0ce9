"""The compiled loops over rows.

Notation. The weights are kept as ``scale * soft(coef, threshold)`` with a raw vector and
two numbers (plus the intercept). In proximal mode, a step of size eta on row i with slope
``d = weight * derivative(loss)`` and strengths l1, l2 is

    coef      -= eta * d * x_i / scale        only the features of the row change
    threshold += eta * l1 / scale             soft-threshold every weight by eta * l1,
    scale     /= 1 + eta * l2                 then divide every weight by 1 + eta * l2

Where a weight keeps its sign, this is the proximal gradient step to the letter. Where a
weight stays at 0, the part of the threshold that it did not need is kept for later steps:
that is the cumulative penalty of Tsuruoka, Tsujii and Ananiadou (2009) and, without L2,
the dual averaging of Xiao (2010). It makes the iterates as sparse as the optimum, which
thresholding by one small step at a time does not, because the noise of one gradient is
larger than ``eta * l1``. And it makes sparse rows cheap: no feature has to be touched for
its penalty, so an epoch costs O(nonzeros) and equals the dense one to rounding.

The mean of the iterates is taken before the threshold: with v = ``scale * coef`` it is
``soft(mean(v), mean(scale * threshold))``. Where a weight keeps its sign, this is the mean
of the weights to the letter. Where it comes and goes, its noise averages out before it is
cut off, so that the mean is as sparse as the iterates; the mean of the weights themselves
hardly ever is. And it costs a sparse row no more than a second step: a raw weight changes
only with the features of a row, and what it adds to the sum until then is known.

In subgradient mode the threshold stays 0. L2 goes into the scale, too; L1 has no closed
form over many steps, so each step moves every weight, at O(features) a row.

On sparse rows, all that a step does but its sums keeps the order of operations, so that a
model has the same weights to the bit in a block (see `skreg.kernels.block`) and alone.
"""

from typing import NamedTuple

import numpy as np

from skreg._compile import EXACTLY, compiled, formula
from skreg.kernels.rows import (
    WEIGHTS_AHEAD,
    add_multiple,
    by_storage,
    multiply,
    prefetch_item,
    prefetch_row,
    prefetch_weights,
    row_add,
    row_dot,
)
from skreg.losses import bounded_slope, implicit_slope

# The scale is folded into the raw weights before these lose digits to its smallness.
SMALLEST_SCALE = 1e-9
# Sums lose them earlier: they are differences.
SMALLEST_SCALE_OF_SUMS = 1e-4


class Plan(NamedTuple):
    """What an epoch does at each of its steps.

    The row to step on, a row to ask the memory for (while there are any), the step size
    eta, the weight of the row (1 on average), the step size of the intercept, by how much a
    slope of 1 would move the prediction of the row, so that the step can be kept from going
    too far (0 lets it go as far as it will), and the step size of the penalty, which is
    shortened as typical slopes of the row are: else the penalty would outweigh the loss.
    """

    order: np.ndarray
    prefetch_rows: np.ndarray
    step_sizes: np.ndarray
    weights: np.ndarray
    intercept_steps: np.ndarray
    implicit_gains: np.ndarray
    penalty_steps: np.ndarray

    def part(self, start, stop):
        """Return what is done from step `start` to `stop`."""
        return Plan(*(array[start:stop] for array in self))


class SlopeTable(NamedTuple):
    """What is kept of each row from step to step: arrays over all rows.

    The slope of its loss at its last step, its weight (all weights add up to 1)
    and its squared norm.
    """

    slopes: np.ndarray
    weights: np.ndarray
    norms: np.ndarray


class Iterate(NamedTuple):
    """The weights ``scale * soft(coef, threshold)`` and the intercept."""

    coef: np.ndarray
    scale: float
    threshold: float
    intercept: float


class Sums(NamedTuple):
    """Sums over iterates, from which their mean follows.

    The sum of ``scale * coef`` is ``sums.coef + sums.scale * iterate.coef``; ``threshold``
    is the sum of ``scale * threshold``, ``intercept`` that of the intercepts.
    """

    coef: np.ndarray
    scale: float
    threshold: float
    intercept: float


class Strengths(NamedTuple):
    """The penalty ``l1 * |w| + l2 / 2 * w^2`` per weight, and how it enters a step.

    By its subgradient or its proximal operator, and L2 maybe decoupled from the gradient.
    """

    l1: float
    l2: float
    subgradient: bool
    decoupled: bool


@formula
def step_sizes(plan, k):
    """Return what `sgd_step` needs of a plan at step k."""
    of_row = plan.weights[k], plan.implicit_gains[k]
    return plan.step_sizes[k], plan.intercept_steps[k], plan.penalty_steps[k], of_row


@formula
def sgd_step(loss, y, dot, sizes, numbers, strengths, subgradient):
    """Return by what a step multiplies its row, and the numbers of the next iterate.

    `dot` is the product of the row with the weights before they are scaled.
    """
    eta, intercept_eta, penalty_eta, (weight, implicit_gain) = sizes
    scale, threshold, intercept = numbers
    slope = weight * bounded_slope(loss, y, scale * dot + intercept, implicit_gain)
    intercept -= intercept_eta * slope
    if subgradient is not None:
        scale *= 1.0 - penalty_eta * strengths.l2
        return -eta * slope / scale, scale, threshold, intercept
    step = -eta * slope / scale
    threshold += penalty_eta * strengths.l1 / scale
    scale /= 1.0 + penalty_eta * strengths.l2
    return step, scale, threshold, intercept


@formula
def add_numbers(sums, scale, threshold, intercept):
    """Return the numbers of sums over iterates, with those of one iterate more."""
    scale_sum, threshold_sum, intercept_sum = sums
    return scale_sum + scale, threshold_sum + scale * threshold, intercept_sum + intercept


def needs_thresholds(threshold, strengths):
    """Return whether weights are nearer to 0 than raw ones are, or will be."""
    return threshold > 0.0 or (strengths.l1 > 0.0 and not strengths.subgradient)


def sgd_epoch(X, y, plan, iterate, sums, loss, strengths):
    """Step on rows as `plan` says; return the numbers of the iterate and of the sums.

    The arrays ``iterate.coef`` and ``sums.coef`` are changed in place. What serves sums,
    thresholds or subgradient steps is compiled only when it is needed.
    """
    step = by_storage(X, step_on_full_rows, step_on_sparse_rows)
    needed = needs_thresholds(iterate.threshold, strengths)
    first_threshold = iterate.threshold if needed else None
    subgradient = True if strengths.subgradient else None
    return step(X, y, plan, iterate, sums, loss, strengths, first_threshold, subgradient)


@formula
def _take_steps(X, y, plan, iterate, sums, loss, strengths, first_threshold, subgradient):
    """Do what `sgd_epoch` does; what serves an argument that is None is left out."""
    coef, scale, threshold, intercept = iterate
    scale_sum, threshold_sum, intercept_sum = 0.0, 0.0, 0.0
    smallest_scale = SMALLEST_SCALE
    if sums is not None:
        coef_sum, scale_sum, threshold_sum, intercept_sum = sums
        smallest_scale = SMALLEST_SCALE_OF_SUMS
    n_steps = plan.order.shape[0]
    for k in range(n_steps):
        if k < plan.prefetch_rows.shape[0]:
            prefetch_row(X, plan.prefetch_rows[k])
            prefetch_item(y, plan.prefetch_rows[k])
        if k + WEIGHTS_AHEAD < n_steps:
            prefetch_weights(X, plan.order[k + WEIGHTS_AHEAD], coef)
        i, sizes = plan.order[k], step_sizes(plan, k)
        if first_threshold is None:
            dot = row_dot(X, i, coef, None)
        else:
            dot = row_dot(X, i, coef, threshold)
        numbers = scale, threshold, intercept
        step, scale, threshold, intercept = sgd_step(
            loss, y[i], dot, sizes, numbers, strengths, subgradient
        )
        if subgradient is not None and strengths.l1 > 0.0:
            length = plan.penalty_steps[k] * strengths.l1 / scale
            if sums is not None:
                _move_towards_zero(coef, -length * scale_sum, coef_sum)
            _move_towards_zero(coef, length, coef)
        row_add(X, i, step, coef)
        if sums is not None:
            row_add(X, i, -step * scale_sum, coef_sum)  # the change comes late
            numbers = scale_sum, threshold_sum, intercept_sum
            scale_sum, threshold_sum, intercept_sum = add_numbers(
                numbers, scale, threshold, intercept
            )
        if scale < smallest_scale:
            if sums is not None:
                add_multiple(coef, scale_sum, coef_sum)
                scale_sum = 0.0
            multiply(coef, scale)
            threshold *= scale
            scale = 1.0
    return (scale, threshold, intercept), (scale_sum, threshold_sum, intercept_sum)


@compiled
def step_on_full_rows(
    X, y, plan, iterate, sums, loss, strengths, first_threshold, subgradient
):
    return _take_steps(
        X, y, plan, iterate, sums, loss, strengths, first_threshold, subgradient
    )


@compiled(fastmath=EXACTLY)
def step_on_sparse_rows(
    X, y, plan, iterate, sums, loss, strengths, first_threshold, subgradient
):
    return _take_steps(
        X, y, plan, iterate, sums, loss, strengths, first_threshold, subgradient
    )


@compiled
def _move_towards_zero(coef, length, out):
    """Add the L1 subgradient step of `coef`, which may cross 0, to `out`."""
    for j in range(coef.shape[0]):
        out[j] -= length * np.sign(coef[j])


@formula
def dual_step(loss, y, dot, intercept, entry, scale, intercept_scale):
    """Return the slope where a step on a row ends, and by what it multiplies the row.

    What the slope table holds of the row is its slope, its weight and its squared norm.
    """
    slope, weight, norm = entry
    implicit_gain = weight * (scale * norm + intercept_scale)
    raw_prediction = scale * dot + intercept
    end = implicit_slope(
        loss, y, raw_prediction + implicit_gain * slope, implicit_gain, slope
    )
    return end, weight * (slope - end)


@compiled
def svrg_epoch(X, y, sequence, slope_table, coef, scale, threshold, intercept_scale, loss):
    """Take a variance-reduced step on each row of `sequence`.

    The weights are ``scale * soft(coef, threshold)``, the last element of `coef` is the
    intercept. A step replaces the slope that is remembered of a row by the slope where
    the step ends, so that it can not be too long and its noise vanishes at the optimum.
    """
    last = coef.shape[0] - 1
    weights = coef[:last]
    intercept = coef[last]
    n_steps = sequence.order.shape[0]
    for k in range(n_steps):
        if k < sequence.prefetch_rows.shape[0]:
            prefetch_row(X, sequence.prefetch_rows[k])
            prefetch_item(y, sequence.prefetch_rows[k])
            for array in slope_table:
                prefetch_item(array, sequence.prefetch_rows[k])
        if k + WEIGHTS_AHEAD < n_steps:
            prefetch_weights(X, sequence.order[k + WEIGHTS_AHEAD], weights)
        i = sequence.order[k]
        entry = slope_table.slopes[i], slope_table.weights[i], slope_table.norms[i]
        dot = row_dot(X, i, weights, threshold)
        slope, change = dual_step(loss, y[i], dot, intercept, entry, scale, intercept_scale)
        if change != 0.0:
            row_add(X, i, change, weights)
            intercept += intercept_scale * change
            slope_table.slopes[i] = slope
    coef[last] = intercept
