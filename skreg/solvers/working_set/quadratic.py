r"""Quadratic models with an elastic-net penalty, whose matrix is at hand.

.. math::
    \min_w \; g^T (w - w_0) + \tfrac12 (w - w_0)^T H (w - w_0)
    + l_1 \|w\|_1 + \tfrac{l_2}2 \|w\|_2^2

Sweeps over the coordinates find the signs of the weights; with the signs fixed, a Cholesky
factorization finds the weights. The two take turns until nothing is left to gain. Where
many weights fit equally well and L1 is weak, sweeps crawl: after some outer iterations, the
signs are found a few at a time, each with the weights that are best for them (feature-sign
search, Lee, Battle, Raina and Ng 2007), which takes as many steps whatever L1 is.
"""

import numpy as np
from scipy.linalg import eigh, qr
from scipy.linalg.lapack import dposv

from skreg.kernels.quadratic import coordinate_sweeps
from skreg.penalties.elastic_net import kkt_violation

_FIRST_SWEEPS = 10
# This many operations of sweeps are cheaper than what surrounds them.
_SMALL_WORK = 100_000
# Sweeps bring the objective this much nearer to its minimum than asked for. What remains,
# the Newton step finds: in a duality gap of badly scaled features it may still be much.
_SURPLUS = 1e-10
# So many Newton steps follow each other where one ends at a weight that becomes 0, and
# twice as many, up to the second number, as long as sweeps take up such weights again.
_NEWTON_STEPS = 2
_MOST_NEWTON_STEPS = 32
# After so many rounds of both, signs are searched a few at a time, for so many operations.
_ROUNDS = 5
MOST_WORK = 3e9
# What a step takes at least is worth so many operations.
_WORK_OF_A_CALL = 5e5
# A search takes up so many weights at a time, none that is less wanted than this part of
# the most wanted one. What is left of a slope is rounding if it is no more than so many
# units in the last place of what it is the sum of.
_TAKEN_UP = 8
_NEARLY_AS_WANTED = 0.5
_ROUNDING = 4.0 * np.finfo(np.float64).eps
# Added to the diagonal, relative to it, where rounding spoils a factorization.
_SMALLEST_SHIFT = 1e-14
# A step is sound if the way along it bends as it should, up to this factor.
_SOUND = 1.5
# A pivot or an eigenvalue that is smaller than this, relatively, is rounding.
SMALLEST_PIVOT = 1e-13


def minimize_quadratic(hessian, gradient, start, l1, l2, tolerance, work=MOST_WORK):
    """Return the weights of the minimum, up to `tolerance` in the objective.

    After some rounds and `work` more operations they are better than `start`, but maybe not
    the best.

    `hessian` is a symmetric, positive semidefinite array of shape (n, n), which is
    overwritten; `gradient` and `start` have shape (n,).
    """
    n = len(start)
    hessian.flat[:: n + 1] += l2
    coef, slopes = start.copy(), gradient + l2 * start
    if n == 0:
        return coef
    if l1 == 0.0:
        return coef - shortest_solution(hessian, slopes, coef)
    if not _take_rounds(hessian, coef, slopes, l1, tolerance):
        _search_signs(hessian, coef, slopes, l1, tolerance, work)
    return coef


def _take_rounds(hessian, coef, slopes, l1, tolerance):
    """Take sweeps and Newton steps in turn, in place; return whether they are at an end."""
    n = len(coef)
    curvatures = np.maximum(hessian.diagonal(), np.finfo(np.float64).tiny)
    last_decrease, last_signs = np.inf, np.sign(coef)
    least_sweeps = _SMALL_WORK // n**2
    n_sweeps, n_steps = max(_FIRST_SWEEPS, least_sweeps), _NEWTON_STEPS
    for _ in range(_ROUNDS):
        coordinate_sweeps(hessian, coef, slopes, l1, n_sweeps, _SURPLUS * tolerance)
        for _ in range(n_steps):
            support = np.flatnonzero(coef)
            if len(support) == 0:
                return True
            signs = np.sign(coef[support])
            new, settled = _newton_step(hessian, coef, slopes, l1, support, signs)
            slopes += (new - coef[support]) @ hessian[support]
            coef[support] = new
            if settled:
                break
        left = kkt_violation(coef, slopes, l1)
        decrease = 0.5 * (left**2 / curvatures).sum()
        if decrease <= (tolerance if settled else _SURPLUS * tolerance):
            return True
        signs = np.sign(coef)
        repeats = (signs == last_signs).all()
        if repeats and settled and decrease > 0.5 * last_decrease:
            return True
        again = repeats and not settled
        n_steps = min(2 * n_steps, _MOST_NEWTON_STEPS) if again else _NEWTON_STEPS
        last_decrease, last_signs = decrease if settled else np.inf, signs
        n_sweeps = max(2 + len(support) // 16, least_sweeps)  # as long as a factorization
    return False


def _search_signs(hessian, coef, slopes, l1, tolerance, work):
    """Take up the most wanted weights once all others are at their best, in place.

    A weight of 0 has the sign that it is wanted to have, or 0.
    """
    start, first_slopes = coef.copy(), slopes.copy()
    units = np.sqrt(np.maximum(hessian.diagonal(), np.finfo(np.float64).tiny))
    signs, unwilling = np.sign(coef), np.zeros(len(coef), dtype=bool)
    n_wanted = _TAKEN_UP
    while work > 0.0:
        support, settled = np.flatnonzero(signs), True
        if len(support):
            work -= len(support) ** 3 / 3.0 + hessian.size + _WORK_OF_A_CALL
            new, settled = _newton_step(hessian, coef, slopes, l1, support, signs[support])
            if new is None:  # some weights of 0 would get the other sign
                idle = support[settled]
                signs[idle] = 0.0
                unwilling[idle] |= n_wanted == 1  # else it may be due to others
                continue
            moved = (new != coef[support]).any()
            coef[support], signs[support] = new, np.sign(new)
            slopes[:] = first_slopes + (coef - start) @ hessian
            unwilling &= not moved
            n_wanted = _TAKEN_UP if moved else 1
        if not settled:
            continue
        left = np.abs(kkt_violation(coef, slopes, l1))
        sizes = np.abs(first_slopes) + l1 + units * (units @ np.abs(coef - start))
        left[(signs != 0.0) | unwilling | (left <= _ROUNDING * sizes)] = 0.0
        left /= units
        if 0.5 * (left @ left) <= tolerance:
            return
        wanted = np.argsort(-left)[:n_wanted]
        wanted = wanted[left[wanted] >= _NEARLY_AS_WANTED * left[wanted[0]]]
        signs[wanted] = -np.sign(slopes[wanted])


def _newton_step(hessian, coef, slopes, l1, support, signs):
    """Return the weights of the support after the best step towards their minimum.

    Also return whether they are at the minimum for their signs. If weights of 0 would get
    other signs than they are to have, return None and which these are.

    The direction is that of the minimum for fixed signs. Along it the objective is convex
    and quadratic between the points where a weight is 0, which gives the best step.
    """
    old, part = coef[support], hessian[np.ix_(support, support)]
    slope = slopes[support] + l1 * signs
    step = -_solve_shifted(part, slope)
    first_slope, bend = slope @ step, max(step @ (part @ step), 0.0)
    if not -np.inf < first_slope < 0.0:  # what is left is rounding
        return old, True
    idle = (old == 0.0) & (step * signs <= 0.0)
    if idle.any():
        return None, idle
    if bend <= _SOUND * -first_slope and (signs * (old + step) > 0.0).all():
        return old + step, True
    crosses = np.flatnonzero(old * step < 0.0)
    times = -old[crosses] / step[crosses]
    by_time = np.argsort(times)
    crosses, times = crosses[by_time], np.append(times[by_time], np.inf)
    bends = np.append(0.0, 2.0 * l1 * np.cumsum(np.abs(step[crosses])))
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest = -(first_slope + bends) / bend
    piece = int(np.argmax(lowest <= times))  # the first whose lowest point it reaches
    start = times[piece - 1] if piece else 0.0
    time = max(lowest[piece], start)
    if not np.isfinite(time):
        return old, False
    new = old + time * step
    if piece and time == start:
        new[crosses[piece - 1]] = 0.0
    return new, piece == 0


def regular_solution(matrix, right_side, smallest_pivot=SMALLEST_PIVOT):
    """Solve a symmetric, positive definite system; return None if it is nearly singular."""
    factor, solution, failed = dposv(matrix, right_side, lower=True)
    pivots = factor.diagonal() ** 2
    if failed or not (pivots > smallest_pivot * matrix.diagonal()).all():
        return None
    return solution


def shortest_solution(matrix, right_side, start):
    """Solve a symmetric, positive semidefinite system.

    Of many solutions, take the one that is nearest to `start`.
    """
    solution = regular_solution(matrix, right_side)
    if solution is not None:
        return solution
    roots = np.sqrt(np.maximum(matrix.diagonal(), 0.0))
    units = np.divide(1.0, roots, out=np.zeros_like(roots), where=roots > 0.0)
    lengths, directions = eigh(units[:, np.newaxis] * matrix * units)
    kept = lengths > SMALLEST_PIVOT * max(lengths[-1], 0.0)
    scaled = units[:, np.newaxis] * directions[:, kept]
    solution = scaled @ (scaled.T @ right_side / lengths[kept])
    units[roots == 0.0] = 1.0  # any number: they are alone
    basis, _ = qr(units[:, np.newaxis] * directions[:, ~kept], mode="economic")
    solution += basis @ (basis.T @ (start - solution))
    return np.where(roots > 0.0, solution, start)


def _solve_shifted(matrix, right_side):
    """Solve a symmetric, positive semidefinite system, shifted a little if singular."""
    shift = 0.0
    while shift < 1.0:
        shifted = matrix.copy()
        shifted.flat[:: len(matrix) + 1] *= 1.0 + shift
        _, solution, failed = dposv(shifted.T, right_side, overwrite_a=True)
        if not failed:
            return solution
        shift = max(_SMALLEST_SHIFT, 100.0 * shift)
    return np.full_like(right_side, np.nan)
