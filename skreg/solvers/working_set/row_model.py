r"""A Newton step by an orthogonal factorization of the rows.

The matrix of a quadratic model has the square of the condition number that its rows have,
and beyond 1e8 loses what the rows still tell. So where few rows of few features depend on
each other, or nearly, the step is that of a least-squares problem in the rows themselves:

.. math::
    \min_{v, t} \; \tfrac12 \sum_i c_i (x_i^T v + t)^2 + \tfrac{l_2}2 \|v\|_2^2
    + g^T v + g_b t

with weighted curvatures c of the loss and the gradient g of all that is minimized. Columns
are centered and have length 1. Singular values that are rounding count as 0; of many steps
that are best without a penalty, the one to the shortest weights is taken.
"""

import numpy as np
from scipy.linalg import qr, solve_triangular, svd
from scipy.linalg.lapack import dtrcon

from skreg.data.matrices import dense_rows
from skreg.kernels.passes import curvature_pass
from skreg.objectives.certificate import evaluate
from skreg.objectives.optimality import kkt_violations, smooth_gradient

# Operations that a factorization may take.
_MOST_WORK = 3e8
# Slopes are moved so often at most.
_SHARPENINGS = 3
# Where squares around the mean are smaller than this, relative to those around 0, a feature
# is constant but for rounding.
_CONSTANT = 1e-26


def is_affordable(problem, n_features=None):
    """Return whether the rows are few enough to be factorized."""
    p = problem.n_features if n_features is None else n_features
    n = len(problem.rows) + (p if problem.l2 > 0.0 else 0)
    return n * p * min(n, p) <= _MOST_WORK


def weighted_curvatures(problem, evaluation):
    """Return the curvature of each row's part of the mean loss."""
    weights = problem.sample_weight[problem.rows] / problem.weight_sum
    curvatures = np.empty(len(problem.rows))
    curvature_pass(
        problem.y, problem.rows, evaluation.raw_predictions, problem.loss, curvatures
    )
    return weights * curvatures


def newton_step(problem, coef, evaluation, curvatures=None):
    """Return the best change of the weights and of the intercept for a quadratic model.

    Under L1, weights of 0 stay there unless the gradient wants to move them, and others are
    taken to keep their signs.
    """
    if curvatures is None:
        curvatures = weighted_curvatures(problem, evaluation)
    columns = np.arange(problem.n_features)
    if problem.l1 > 0.0:
        left = kkt_violations(problem, coef, evaluation)[:-1]
        columns = np.flatnonzero((coef != 0.0) | (left != 0.0))
    part, direction = coef[columns], np.zeros(problem.n_features)
    centered = dense_rows(problem.X, problem.rows)[:, columns].astype(np.float64)
    means, shift, total = np.zeros(len(columns)), 0.0, curvatures.sum()
    if problem.fit_intercept and total > 0.0:
        means, shift = curvatures @ centered / total, -evaluation.gradient[-1] / total
        squares = curvatures @ centered**2
        centered -= means
        centered[:, curvatures @ centered**2 <= _CONSTANT * squares] = 0.0
    # The gradient is A' d + rest; of d, it keeps digits that sums over the rows would lose.
    weights = problem.sample_weight[problem.rows] / problem.weight_sum
    slopes, roots, curved = (
        weights * evaluation.slopes,
        np.sqrt(curvatures),
        curvatures > 0.0,
    )
    A = roots[:, np.newaxis] * centered
    d = np.divide(slopes, roots, out=np.zeros_like(roots), where=curved)
    rest = slopes[~curved] @ centered[~curved]
    if problem.l1 > 0.0:
        slopes = smooth_gradient(problem, coef, evaluation)[columns]
        rest += problem.l1 * np.where(part != 0.0, np.sign(part), -np.sign(slopes))
    if problem.l2 > 0.0:
        root = np.sqrt(problem.l2)
        A, d = np.vstack([A, root * np.eye(len(columns))]), np.append(d, root * part)
    direction[columns] = _least_squares(A, d, rest, None if problem.is_penalized else part)
    return direction, float(shift - means @ direction[columns])


def sharpened(problem, coef, evaluation):
    """Return an evaluation with slopes that give a better bound, if there are any.

    Slopes at weights are as exact as predictions are, and where features are large a gap
    multiplies that. The slopes to which a Newton step leads are not bound to weights.
    """
    curvatures, best = weighted_curvatures(problem, evaluation), evaluation
    of_rows = np.empty(len(problem.rows))
    curvature_pass(
        problem.y, problem.rows, evaluation.raw_predictions, problem.loss, of_rows
    )
    for _ in range(_SHARPENINGS):
        step = newton_step(problem, coef, best, curvatures)
        slopes = best.slopes + of_rows * evaluate(problem, *step, None).raw_predictions
        new = evaluation.with_slopes(problem, coef, slopes)
        if not new.certificate.gap < best.certificate.gap:
            break
        best = new
    return evaluation._replace(certificate=best.certificate)


def _least_squares(A, d, rest, start):
    """Return the minimum of ``|A v + d|^2 / 2 + rest @ v``.

    Of many that are best, take the one for which ``start + v`` is shortest, or if `start`
    is None the shortest in the units of the columns' lengths.
    """
    units = np.sqrt(np.einsum("ij,ij->j", A, A))
    moving = units > 0.0
    if not moving.all():
        change = np.zeros(len(units)) if start is None else -start
        start = None if start is None else start[moving]
        if moving.any():
            change[moving] = _least_squares(A[:, moving], d, rest[moving], start)
        return change
    n, p = A.shape
    A, rest, smallest = A / units, rest / units, np.finfo(np.float64).eps * max(n, p)
    if n >= p:
        Q, R = qr(A, mode="economic", check_finite=False)
        reciprocal, _ = dtrcon(R)
        if reciprocal > p * smallest:
            image = Q.T @ d + solve_triangular(R, rest, trans=1, check_finite=False)
            return -solve_triangular(R, image, check_finite=False) / units
    U, lengths, directions = svd(A, full_matrices=False, check_finite=False)
    kept = lengths > smallest * lengths[0]
    image = U[:, kept].T @ d + directions[kept] @ rest / lengths[kept]
    change = -(directions[kept].T @ (image / lengths[kept])) / units
    if start is None:
        return change
    if n < p:  # the shortest weights are a combination of the rows
        basis, _ = qr((directions[kept] * units).T, mode="economic", check_finite=False)
        return basis @ (basis.T @ (start + change)) - start
    basis, _ = qr((directions[~kept] / units).T, mode="economic", check_finite=False)
    return change - basis @ (basis.T @ (start + change))
