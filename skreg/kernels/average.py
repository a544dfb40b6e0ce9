"""The compiled loops of `skreg.solvers.sgd.average`, over features and models.

They keep the order of all operations, so that a model has the same weights to the bit in a
block and outside.
"""

from skreg._compile import EXACTLY, compiled
from skreg.kernels.rows import soft


@compiled(fastmath=EXACTLY)
def add_displacement_products(iterate, current, previous, unit, out):
    """Add products, of each model, to rows of `out`.

    The product of two displacements, to the iterate from the current mean, and there from
    the previous one; the squares of both, and of that from the latter to the iterate; the
    squares of the weights of the previous mean, and of the iterate.
    """
    coef, scale, threshold, intercept = iterate
    for m in range(coef.shape[1]):
        n_current, n_previous = max(current[2][m], 1.0), max(previous[2][m], 1.0)
        last = intercept[m] - current[1][m] / n_current
        before = current[1][m] / n_current - previous[1][m] / n_previous
        if current[2][m] > 0.0 and previous[2][m] > 0.0:
            add_products(last, before, 1.0, out[:, m])
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            n_current, n_previous = max(current[2][m], 1.0), max(previous[2][m], 1.0)
            weight = scale[m] * soft(coef[j, m], threshold[m])
            middle, mean = current[0][j, m] / n_current, previous[0][j, m] / n_previous
            if current[2][m] > 0.0 and previous[2][m] > 0.0:
                add_products(weight - middle, middle - mean, unit, out[:, m])
            out[4, m] += mean * mean
            out[5, m] += weight * weight


@compiled(fastmath=EXACTLY)
def add_products(last, before, unit, out):
    out[0] += unit * last * before
    out[1] += unit * last * last
    out[2] += unit * before * before
    out[3] += unit * (last + before) * (last + before)


@compiled(fastmath=EXACTLY)
def add_iterate(iterate, sums, keeps, adds, out):
    coef, scale, threshold, _ = iterate
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            weight = scale[m] * soft(coef[j, m], threshold[m])
            out[j, m] = keeps[m] * sums[j, m] + adds[m] * weight


@compiled(fastmath=EXACTLY)
def set_to_mean(iterate, current, previous, count, out):
    coef, scale, threshold, _ = iterate
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            weight = scale[m] * soft(coef[j, m], threshold[m])
            out[j, m] = (weight + (current[0][j, m] + previous[0][j, m])) / count[m]
