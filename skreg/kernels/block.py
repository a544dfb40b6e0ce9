"""The compiled loops over sparse rows for several models at once.

They do what their namesakes in `skreg.kernels.epochs` do, for rows of weights; steps are
the same to the bit. `skreg.solvers.sgd.block` says when that pays.
"""

import numpy as np

from skreg._compile import EXACTLY, IN_ORDER, compiled
from skreg.kernels.epochs import SMALLEST_SCALE, SMALLEST_SCALE_OF_SUMS
from skreg.kernels.rows import prefetch_item, prefetch_row, soft
from skreg.kernels.vectors import prefetch_each, row_add_each, row_dots
from skreg.losses import bounded_slope, derivative, implicit_slope, value


@compiled(fastmath=IN_ORDER)
def block_epoch(X, y, plan, iterate, sums, loss, strengths):
    """Do what `sgd_epoch` does, for models whose targets are columns of `y`.

    All arrays of the iterate and the sums are changed in place.
    """
    if iterate.threshold.max() > 0.0 or (strengths.l1 > 0.0 and not strengths.subgradient):
        _take_block_steps(X, y, plan, iterate, sums, loss, strengths, iterate.threshold)
    else:
        _take_block_steps(X, y, plan, iterate, sums, loss, strengths, None)


@compiled(fastmath=EXACTLY)
def _take_block_steps(X, y, plan, iterate, sums, loss, strengths, thresholds):
    """Do what `block_epoch` does; with None as thresholds, none is ever needed."""
    coef, scale, threshold, intercept = iterate
    smallest_scale = SMALLEST_SCALE
    if sums is not None:
        coef_sum, scale_sum, threshold_sum, intercept_sum = sums
        smallest_scale = SMALLEST_SCALE_OF_SUMS
    dots, steps = np.zeros(coef.shape[1]), np.zeros(coef.shape[1])
    n_steps = plan.order.shape[0]
    for k in range(n_steps):
        if k < plan.prefetch_rows.shape[0]:
            prefetch_row(X, plan.prefetch_rows[k])
            prefetch_item(y, plan.prefetch_rows[k])
        if k + 1 < n_steps:
            prefetch_each(X, plan.order[k + 1], coef)
        i, eta, penalty_eta = plan.order[k], plan.step_sizes[k], plan.penalty_steps[k]
        row_dots(X, i, coef, thresholds, dots)
        folds = False
        for m in range(y.shape[1]):
            raw_prediction = scale[m] * dots[m] + intercept[m]
            target = np.float64(y[i, m])
            slope = bounded_slope(loss, target, raw_prediction, plan.implicit_gains[k])
            slope *= plan.weights[k]
            if strengths.subgradient:
                scale[m] *= 1.0 - penalty_eta * strengths.l2
                steps[m] = -eta * slope / scale[m]
            else:
                steps[m] = -eta * slope / scale[m]
                threshold[m] += penalty_eta * strengths.l1 / scale[m]
                scale[m] /= 1.0 + penalty_eta * strengths.l2
            intercept[m] -= plan.intercept_steps[k] * slope
            folds = folds or scale[m] < smallest_scale
        row_add_each(X, i, steps, coef)
        if sums is not None:
            row_add_each(X, i, -steps * scale_sum, coef_sum)  # the change comes late
            scale_sum += scale
            threshold_sum += scale * threshold
            intercept_sum += intercept
        if folds:  # those that need it: no model depends on its neighbours
            small = scale < smallest_scale
            if sums is not None:
                coef_sum += np.where(small, scale_sum, 0.0) * coef
                scale_sum[small] = 0.0
            factors = np.where(small, scale, 1.0)
            coef *= factors
            threshold *= factors
            scale /= factors


@compiled(fastmath=IN_ORDER)
def block_slopes(X, y, weights, rows, coef, intercept, loss, losses, slopes, sums):
    """Set ``slopes[m, k]`` to the derivative of the loss of row ``rows[k]``.

    Times `weights`, the losses themselves are added to `losses`, positive slopes to
    ``sums[0]`` and the sizes of others to ``sums[1]``. Targets are columns of `y`, one for
    each model.
    """
    raw = np.zeros(coef.shape[1])
    for k in range(rows.shape[0]):
        i = rows[k]
        if k + 1 < rows.shape[0]:
            prefetch_each(X, rows[k + 1], coef)
        row_dots(X, i, coef, None, raw)
        for m in range(y.shape[1]):
            raw_prediction = raw[m] + intercept[m]
            target = np.float64(y[i, m])
            losses[m] += weights[i] * value(loss, target, raw_prediction)
            slope = derivative(loss, target, raw_prediction)
            slopes[m, k] = slope
            sums[0, m] += weights[i] * max(slope, 0.0)
            sums[1, m] -= weights[i] * min(slope, 0.0)


@compiled(fastmath=IN_ORDER)
def block_gradients(X, weights, rows, slopes, factors, out):
    """Add the weighted sum over rows of ``X[rows[k]]`` times ``slopes[m, k]`` to `out`.

    Positive slopes are multiplied by ``factors[m, 0]``, others by ``factors[m, 1]``.
    """
    scaled = np.zeros(out.shape[1])
    for k in range(rows.shape[0]):
        if k + 1 < rows.shape[0]:
            prefetch_each(X, rows[k + 1], out)
        for m in range(slopes.shape[0]):
            slope = slopes[m, k]
            factor = factors[m, 0] if slope > 0.0 else factors[m, 1]
            scaled[m] = weights[rows[k]] * factor * slope
        row_add_each(X, rows[k], scaled, out)


@compiled
def block_row_suits(X, y, i, iterate, factor, loss, out):
    """Set ``out[m]`` to whether weights times `factor` predict row `i` better."""
    dots = np.zeros(iterate.coef.shape[1])
    row_dots(X, i, iterate.coef, iterate.threshold, dots)
    for m in range(y.shape[1]):
        part, intercept = iterate.scale[m] * dots[m], iterate.intercept[m]
        target = np.float64(y[i, m])
        here = value(loss, target, part + intercept)
        out[m] = value(loss, target, factor * part + intercept) < here


@compiled(fastmath=IN_ORDER)
def block_svrg_epoch(X, y, sequence, slope_table, dual, intercept, numbers, loss):
    """Do what `svrg_epoch` does, for models that differ in their strengths.

    The slopes remembered have a column for each model, and so has `dual`; `numbers` holds
    arrays of scales, thresholds and scales of the intercept.
    """
    scale, thresholds, intercept_scale = numbers
    dots, changes = np.zeros(dual.shape[1]), np.zeros(dual.shape[1])
    n_steps = sequence.order.shape[0]
    for k in range(n_steps):
        if k < sequence.prefetch_rows.shape[0]:
            prefetch_row(X, sequence.prefetch_rows[k])
            prefetch_item(slope_table.slopes, sequence.prefetch_rows[k])
        if k + 1 < n_steps:
            prefetch_each(X, sequence.order[k + 1], dual)
        i = sequence.order[k]
        weight = slope_table.weights[i]
        row_dots(X, i, dual, thresholds, dots)
        for m in range(intercept.shape[0]):
            slope = slope_table.slopes[i, m]
            implicit_gain = weight * (scale[m] * slope_table.norms[i] + intercept_scale[m])
            end = scale[m] * dots[m] + intercept[m] + implicit_gain * slope
            new = implicit_slope(loss, y[i], end, implicit_gain, slope)
            changes[m] = weight * (slope - new)
            intercept[m] += intercept_scale[m] * changes[m]
            slope_table.slopes[i, m] = new
        row_add_each(X, i, changes, dual)


@compiled
def move_center(dual, last, center, strength, scale, thresholds, momentum):
    """Let the proximal center of each model follow its weights, which become `last`."""
    for j in range(dual.shape[0]):
        for m in range(dual.shape[1]):
            weight = scale[m] * soft(dual[j, m], thresholds[m])
            moved = weight + momentum * (weight - last[j, m])
            dual[j, m] += strength[m] * (moved - center[j, m])
            last[j, m], center[j, m] = weight, moved
