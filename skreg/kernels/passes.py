"""The compiled passes over rows at fixed weights."""

from skreg._compile import compiled
from skreg.kernels.rows import row_add, row_dot
from skreg.losses import conjugate, curvature, derivative, value


@compiled
def loss_pass(X, y, sample_weight, rows, coef, intercept, loss, seen, gradients):
    """Return the weighted sum of losses over `rows` at fixed weights.

    ``seen[0, k]`` becomes the raw prediction of row ``rows[k]``, ``seen[1, k]`` the
    derivative of its loss. Gradients with respect to the weights and the intercept (the
    last column) are summed apart for rows with positive slope (into ``gradients[0]``)
    and others (into ``gradients[1]``).
    """
    n_features = coef.shape[0]
    total = 0.0
    for k in range(rows.shape[0]):
        i = rows[k]
        raw_prediction = row_dot(X, i, coef, None) + intercept
        total += sample_weight[i] * value(loss, y[i], raw_prediction)
        seen[0, k] = raw_prediction
        seen[1, k] = derivative(loss, y[i], raw_prediction)
        slope = sample_weight[i] * seen[1, k]
        part = gradients[0] if slope > 0.0 else gradients[1]
        row_add(X, i, slope, part)
        part[n_features] += slope
    return total


@compiled
def gradient_pass(X, sample_weight, rows, slopes, gradients):
    """Sum gradients as `loss_pass` does, where the derivatives are known.

    ``slopes[k]`` belongs to row ``rows[k]``.
    """
    last = gradients.shape[1] - 1
    for k in range(rows.shape[0]):
        slope = sample_weight[rows[k]] * slopes[k]
        part = gradients[0] if slope > 0.0 else gradients[1]
        row_add(X, rows[k], slope, part)
        part[last] += slope


@compiled
def dual_pass(X, sample_weight, rows, coef, intercept, slopes, raw, gradients):
    """Set ``raw[k]`` to the prediction of row ``rows[k]``; sum as `gradient_pass` does."""
    last = gradients.shape[1] - 1
    for k in range(rows.shape[0]):
        raw[k] = row_dot(X, rows[k], coef, None) + intercept
        slope = sample_weight[rows[k]] * slopes[k]
        if slope != 0.0:
            part = gradients[0] if slope > 0.0 else gradients[1]
            row_add(X, rows[k], slope, part)
            part[last] += slope


@compiled
def row_loss(X, y, i, coef, intercept, loss):
    """Return the loss of row `i` at fixed weights."""
    return value(loss, y[i], row_dot(X, i, coef, None) + intercept)


@compiled
def loss_of_rows(X, y, sample_weight, rows, coef, intercept, loss):
    """Return the weighted sum of the losses of some rows at fixed weights."""
    total = 0.0
    for k in range(rows.shape[0]):
        i = rows[k]
        total += sample_weight[i] * row_loss(X, y, i, coef, intercept, loss)
    return total


@compiled
def loss_sum(y, sample_weight, raw, loss):
    """Return the weighted sum of the losses of raw predictions."""
    total = 0.0
    for i in range(y.shape[0]):
        total += sample_weight[i] * value(loss, y[i], raw[i])
    return total


@compiled
def constant_pass(y, sample_weight, raw_prediction, loss):
    """Return the weighted sums of losses and of slopes where all predictions are one."""
    total, slope = 0.0, 0.0
    for i in range(y.shape[0]):
        total += sample_weight[i] * value(loss, y[i], raw_prediction)
        slope += sample_weight[i] * derivative(loss, y[i], raw_prediction)
    return total, slope


@compiled
def conjugate_sum(y, sample_weight, rows, slopes, positive_factor, factor, loss):
    """Return the weighted sum of conjugates at slopes scaled by sign.

    Positive slopes are multiplied by `positive_factor`, others by `factor`.
    """
    total = 0.0
    for k in range(rows.shape[0]):
        i = rows[k]
        u = slopes[k] * (positive_factor if slopes[k] > 0.0 else factor)
        total += sample_weight[i] * conjugate(loss, y[i], u)
    return total


@compiled
def curvature_pass(y, rows, raw, loss, out):
    """Set ``out[k]`` to the second derivative of the loss of row ``rows[k]``."""
    for k in range(rows.shape[0]):
        out[k] = curvature(loss, y[rows[k]], raw[k])


@compiled
def hessian_product(X, rows, curvatures, vector, out):
    """Add the Hessian of the loss times `vector` to `out`; the intercept comes last."""
    last = vector.shape[0] - 1
    weights = vector[:last]
    for k in range(rows.shape[0]):
        i = rows[k]
        factor = curvatures[k] * (row_dot(X, i, weights, None) + vector[last])
        row_add(X, i, factor, out)
        out[last] += factor
