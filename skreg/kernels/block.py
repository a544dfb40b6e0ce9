"""The compiled loops over sparse rows for several models at once.

They do what their namesakes in `skreg.kernels.epochs` do, for rows of weights; steps are
the same to the bit. `skreg.solvers.sgd.columns` says when that pays.
"""

import numpy as np

from skreg._compile import EXACTLY, IN_ORDER, compiled, formula
from skreg.kernels.epochs import (
    SMALLEST_SCALE,
    SMALLEST_SCALE_OF_SUMS,
    add_numbers,
    dual_step,
    needs_thresholds,
    sgd_step,
    step_sizes,
)
from skreg.kernels.rows import prefetch_item, prefetch_row, soft
from skreg.kernels.vectors import prefetch_each, row_add_each, row_dots
from skreg.losses import derivative, value


def block_epoch(X, y, plan, iterate, sums, loss, strengths):
    """Do what `sgd_epoch` does, for models whose targets are columns of `y`.

    All arrays of the iterate and the sums are changed in place.
    """
    needed = needs_thresholds(iterate.threshold.max(), strengths)
    thresholds = iterate.threshold if needed else None
    scratch = np.zeros((3, iterate.coef.shape[1]))
    subgradient = True if strengths.subgradient else None
    step_on_block(
        X, y, plan, iterate, sums, loss, strengths, thresholds, subgradient, scratch
    )


@compiled(fastmath=EXACTLY)
def step_on_block(
    X, y, plan, iterate, sums, loss, strengths, thresholds, subgradient, scratch
):
    """Do what `block_epoch` does; what serves an argument that is None is left out."""
    coef, scale, threshold, intercept = iterate
    smallest_scale = SMALLEST_SCALE
    if sums is not None:
        coef_sum, scale_sum, threshold_sum, intercept_sum = sums
        smallest_scale = SMALLEST_SCALE_OF_SUMS
    dots, steps, late_steps = scratch[0], scratch[1], scratch[2]
    n_steps = plan.order.shape[0]
    for k in range(n_steps):
        if k < plan.prefetch_rows.shape[0]:
            prefetch_row(X, plan.prefetch_rows[k])
            prefetch_item(y, plan.prefetch_rows[k])
        if k + 1 < n_steps:
            prefetch_each(X, plan.order[k + 1], coef)
        i, sizes = plan.order[k], step_sizes(plan, k)
        row_dots(X, i, coef, thresholds, dots)
        folds = False
        for m in range(y.shape[1]):
            numbers, target = (scale[m], threshold[m], intercept[m]), np.float64(y[i, m])
            steps[m], scale[m], threshold[m], intercept[m] = sgd_step(
                loss, target, dots[m], sizes, numbers, strengths, subgradient
            )
            folds = folds or scale[m] < smallest_scale
            if sums is not None:
                late_steps[m] = -steps[m] * scale_sum[m]  # the change comes late
                numbers = scale_sum[m], threshold_sum[m], intercept_sum[m]
                scale_sum[m], threshold_sum[m], intercept_sum[m] = add_numbers(
                    numbers, scale[m], threshold[m], intercept[m]
                )
        row_add_each(X, i, steps, coef)
        if sums is not None:
            row_add_each(X, i, late_steps, coef_sum)
        if folds:  # those that need it: no model depends on its neighbours
            if sums is not None:
                _fold_sums(coef_sum, scale_sum, coef, scale, smallest_scale)
            _fold(coef, scale, threshold, smallest_scale)


@formula
def _fold_sums(coef_sum, scale_sum, coef, scale, smallest_scale):
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            if scale[m] < smallest_scale:
                coef_sum[j, m] += scale_sum[m] * coef[j, m]
    for m in range(scale.shape[0]):
        if scale[m] < smallest_scale:
            scale_sum[m] = 0.0


@formula
def _fold(coef, scale, threshold, smallest_scale):
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            if scale[m] < smallest_scale:
                coef[j, m] *= scale[m]
    for m in range(scale.shape[0]):
        if scale[m] < smallest_scale:
            threshold[m] *= scale[m]
            scale[m] = 1.0


@compiled(fastmath=IN_ORDER)
def block_slopes(X, y, weights, rows, coef, intercept, loss, slopes, sums, dots):
    """Set ``slopes[m, k]`` to the derivative of the loss of row ``rows[k]``.

    Times `weights`, the losses themselves are added to ``sums[0]``, positive slopes to
    ``sums[1]`` and the sizes of others to ``sums[2]``. Targets are columns of `y`, one for
    each model. Products with the rows pass through `dots`.
    """
    for k in range(rows.shape[0]):
        i = rows[k]
        if k + 1 < rows.shape[0]:
            prefetch_each(X, rows[k + 1], coef)
        row_dots(X, i, coef, None, dots)
        for m in range(y.shape[1]):
            raw_prediction = dots[m] + intercept[m]
            target = np.float64(y[i, m])
            sums[0, m] += weights[i] * value(loss, target, raw_prediction)
            slope = derivative(loss, target, raw_prediction)
            slopes[m, k] = slope
            if slope > 0.0:
                sums[1, m] += weights[i] * slope
            else:
                sums[2, m] -= weights[i] * slope


@compiled(fastmath=IN_ORDER)
def block_gradients(X, weights, rows, slopes, factors, out, scaled):
    """Add the weighted sum over rows of ``X[rows[k]]`` times ``slopes[m, k]`` to `out`.

    Positive slopes are multiplied by ``factors[m, 0]``, others by ``factors[m, 1]``; they
    pass through `scaled`, which holds zeros for columns of no model.
    """
    for k in range(rows.shape[0]):
        if k + 1 < rows.shape[0]:
            prefetch_each(X, rows[k + 1], out)
        for m in range(slopes.shape[0]):
            slope = slopes[m, k]
            factor = factors[m, 0] if slope > 0.0 else factors[m, 1]
            scaled[m] = weights[rows[k]] * factor * slope
        row_add_each(X, rows[k], scaled, out)


@compiled
def block_row_suits(X, y, i, iterate, factor, loss, out, dots):
    """Set ``out[m]`` to whether weights times `factor` predict row `i` better."""
    row_dots(X, i, iterate.coef, iterate.threshold, dots)
    for m in range(y.shape[1]):
        part, intercept = iterate.scale[m] * dots[m], iterate.intercept[m]
        target = np.float64(y[i, m])
        here = value(loss, target, part + intercept)
        out[m] = value(loss, target, factor * part + intercept) < here


@compiled(fastmath=IN_ORDER)
def block_svrg_epoch(X, y, sequence, slope_table, dual, intercept, numbers, loss, scratch):
    """Do what `svrg_epoch` does, for models that differ in their strengths.

    The slopes remembered have a column for each model, and so has `dual`; `numbers` holds
    arrays of scales, thresholds and scales of the intercept, `scratch` two rows of zeros.
    """
    scale, thresholds, intercept_scale = numbers
    dots, changes = scratch[0], scratch[1]
    n_steps = sequence.order.shape[0]
    for k in range(n_steps):
        if k < sequence.prefetch_rows.shape[0]:
            prefetch_row(X, sequence.prefetch_rows[k])
            prefetch_item(slope_table.slopes, sequence.prefetch_rows[k])
        if k + 1 < n_steps:
            prefetch_each(X, sequence.order[k + 1], dual)
        i = sequence.order[k]
        row_dots(X, i, dual, thresholds, dots)
        for m in range(intercept.shape[0]):
            entry = slope_table.slopes[i, m], slope_table.weights[i], slope_table.norms[i]
            slope_table.slopes[i, m], changes[m] = dual_step(
                loss, y[i], dots[m], intercept[m], entry, scale[m], intercept_scale[m]
            )
            intercept[m] += intercept_scale[m] * changes[m]
        row_add_each(X, i, changes, dual)


@compiled
def move_center(dual, last, center, prox_weight, scale, thresholds, momentum):
    """Let the proximal center of each model follow its weights, which become `last`."""
    for j in range(dual.shape[0]):
        for m in range(dual.shape[1]):
            weight = scale[m] * soft(dual[j, m], thresholds[m])
            moved = weight + momentum * (weight - last[j, m])
            dual[j, m] += prox_weight[m] * (moved - center[j, m])
            last[j, m], center[j, m] = weight, moved
