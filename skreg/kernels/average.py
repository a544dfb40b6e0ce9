"""The compiled loops of `skreg.solvers.sgd.average`, over features and models.

They keep the order of all operations, so that a model has the same weights to the bit in a
block and outside.
"""

from skreg._compile import EXACTLY, compiled
from skreg.kernels.rows import soft


@compiled(fastmath=EXACTLY)
def add_displacement_products(iterate, recent, former, unit, out):
    """Add products, of each model, to rows of `out`.

    The product of two ways, to the iterate from the mean of recent notes, and there from
    that of former ones; the squares of both, and of the way from the latter to the iterate;
    the squares of the weights of former notes, in the mean, and of the iterate.
    """
    coef, scale, threshold, intercept = iterate
    for m in range(coef.shape[1]):
        n_recent, n_former = max(recent[2][m], 1.0), max(former[2][m], 1.0)
        last = intercept[m] - recent[1][m] / n_recent
        before = recent[1][m] / n_recent - former[1][m] / n_former
        if recent[2][m] > 0.0 and former[2][m] > 0.0:
            add_products(last, before, 1.0, out[:, m])
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            n_recent, n_former = max(recent[2][m], 1.0), max(former[2][m], 1.0)
            weight = scale[m] * soft(coef[j, m], threshold[m])
            middle, mean = recent[0][j, m] / n_recent, former[0][j, m] / n_former
            if recent[2][m] > 0.0 and former[2][m] > 0.0:
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
def set_to_mean(iterate, recent, former, count, out):
    coef, scale, threshold, _ = iterate
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            weight = scale[m] * soft(coef[j, m], threshold[m])
            out[j, m] = (weight + (recent[0][j, m] + former[0][j, m])) / count[m]
