"""The compiled loops of `skreg.solvers.working_set.quadratic`, over a matrix."""

import numpy as np

from skreg._compile import compiled
from skreg.kernels.rows import soft

# Sweeps end early if each gains at most this part of what the last one did.
_FAST = 0.5


@compiled
def mirror(matrix):
    """Make a matrix symmetric whose upper triangle is known."""
    for i in range(matrix.shape[0]):
        for j in range(i):
            matrix[i, j] = matrix[j, i]


@compiled
def coordinate_sweeps(hessian, coef, slopes, l1, n_sweeps, tolerance):
    """Minimize over one weight after the other, in place; a zero stays cheap.

    Sweeps end early when what is left to gain seems to be at most `tolerance`.
    """
    last_gain = np.inf
    for _ in range(n_sweeps):
        gain = 0.0
        for j in range(coef.shape[0]):
            curvature = hessian[j, j]
            if curvature <= 0.0:  # the feature is 0 in all rows
                coef[j] = 0.0
                continue
            new = soft(coef[j] - slopes[j] / curvature, l1 / curvature)
            step = new - coef[j]
            if step != 0.0:
                coef[j] = new
                gain += 0.5 * curvature * step * step
                row = hessian[j]
                for k in range(coef.shape[0]):
                    slopes[k] += step * row[k]
        if gain <= min(_FAST * last_gain, tolerance):
            break
        last_gain = gain
