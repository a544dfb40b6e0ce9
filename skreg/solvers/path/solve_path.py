"""The driver of paths: one problem under one penalty after the other.

Each fit goes on from the weights of the one before, or if that is better, from where the
last two lead, and begins with what is known of the rows. For the squared error of few
features the rows are read once, for their `Moments`. Under L2, many sparse rows serve
several penalties at a time, all from the last weights of those before. Solutions come one
by one, so that nobody has to hold all of them, and a path that has ended can go on later.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skreg.data.matrices import CSR, checked_row_norms, n_values
from skreg.kernels.vectors import LANES
from skreg.losses import HalfSquaredError
from skreg.objectives.certificate import evaluate
from skreg.objectives.columns import certify_columns
from skreg.objectives.problem import null_model
from skreg.solvers.driver import run
from skreg.solvers.monitor import Solution
from skreg.solvers.path.moments import Moments
from skreg.solvers.sgd.state import SGDSettings, SGDState
from skreg.solvers.working_set.row_steps import BlockRowSteps
from skreg.solvers.working_set.subproblems import without_empty_features
from skreg.solvers.working_set.svrg import SVRG

# Moments, of sparse rows that are made dense, cost as many passes over dense rows as there
# are features to twenty, a fit a few.
_MOST_FEATURES = 1000
_FEATURES_PER_FIT = 60
# Fewer penalties, or fewer rows, are not worth a block.
_FEW_PENALTIES = 4
_MANY_ROWS = 1000
# Epochs until a pass, the most that may seem needed for another outer iteration, with a
# margin, and the most outer iterations.
_EPOCHS = 3
_MOST_EPOCHS = 6
_MARGIN = 1.1
_ITERATIONS = 6
# Nearer penalties, in logarithms, tell nothing of those to come.
_SHORTEST_WAY = 1e-3
_SETTINGS = SGDSettings(
    subgradient=False,
    schedule="auto",
    eta0=None,
    power_t=0.5,
    shuffle=True,
    average=0,
    early_stopping=False,
)


class PathPoint(NamedTuple):
    """A point that a path has passed."""

    penalty: tuple
    coef: np.ndarray | sparse.csr_matrix
    intercept: float

    def packed(self):
        """Return the point with sparse weights if most are 0."""
        if 2 * np.count_nonzero(self.coef) >= len(self.coef):
            return self
        return self._replace(coef=sparse.csr_matrix(self.coef))

    def dense(self):
        """Return the point with an array of weights."""
        if not sparse.issparse(self.coef):
            return self
        return self._replace(coef=self.coef.toarray().ravel())


def solve_path(problem, penalties, stopping, generator, moments=None, points=()):
    """Yield a `Solution` for each of `penalties`, pairs (l1, l2), one after the other.

    `moments` are those of the rows of the problem, if they are known. `points` are the last
    two points of a path that goes on, or as many as there are.
    """
    points = [point.dense() for point in points]
    if moments is None and moments_pay(problem, len(penalties)):
        moments = Moments.of(*problem[:4])
    quadratic = None if moments is None else moments.objective(problem.fit_intercept)
    if quadratic is not None:
        # Without a penalty, which comes last, moments tell too little.
        penalized = [penalty for penalty in penalties if any(penalty)]
        yield from _solve_by_moments(quadratic, penalized, stopping, points)
        points, penalties = (), penalties[len(penalized) :]
    if not penalties:
        return
    null = null_model(problem)
    if all(map(any, penalties)):  # features that no row has may be left out from the start
        problem = problem._replace(l1=penalties[0][0], l2=penalties[0][1])
    together = _rows_serve_together(problem, penalties, stopping.tol * null.objective)
    solve = _solve_in_blocks if together else _solve_in_turn
    yield from solve(problem, penalties, stopping, null, generator, points)


def moments_pay(problem, n_penalties):
    """Return whether moments are worth the pass that they take."""
    n_rows, n_features = problem.X.shape
    density = n_values(problem.X) / max(n_rows * n_features, 1)
    most = min(_MOST_FEATURES, density * _FEATURES_PER_FIT * n_penalties, n_rows)
    return isinstance(problem.loss, HalfSquaredError) and n_features <= most


def _solve_by_moments(quadratic, penalties, stopping, points):
    coef = points[-1].coef if points else np.zeros(quadratic.n_features)
    target = stopping.tol * quadratic.null
    for l1, l2 in penalties:
        coef, certificate = quadratic.minimize(l1, l2, coef, target)
        intercept = quadratic.intercept(coef)
        converged = bool(certificate.suboptimality <= target)
        yield Solution(coef, intercept, 1, converged, certificate, {}, None, None)


def _solve_in_turn(problem, penalties, stopping, null, generator, points):
    start = points[-1][1:] if points else (np.zeros(problem.n_features), 0.0)
    descent = SVRG([problem], _SETTINGS, SGDState.start(*start, generator))
    for penalty in penalties:
        descent.set_penalty(*penalty)
        if len(points) > 1 and penalty[0] > 0.0:
            factor = extrapolation_factor(*(point.penalty for point in points), penalty)
            if factor > 0.0:
                descent.start([null])
                descent.try_weights(*extrapolate(*points, factor))
        (solution,) = run(descent, _SETTINGS, stopping, [null], [None], False)
        points = [*points[-1:], PathPoint(penalty, solution.coef, solution.intercept)]
        yield solution


def extrapolation_factor(first, second, third):
    """Return the way from the second penalty to the third in units of that before.

    It is measured in logarithms, and at most 1: further on, little is known.
    """
    first, second, third = (np.log(l1 + l2) for l1, l2 in (first, second, third))
    return min((second - third) / max(first - second, _SHORTEST_WAY), 1.0)


def extrapolate(before, last, factor):
    """Return the weights and the intercept on the line through two solutions.

    Along a path, weights are nearly linear in the logarithm of the penalty, as long as they
    do not come or go.
    """
    coef = last.coef + factor * (last.coef - before.coef)
    coef[coef * last.coef <= 0.0] = 0.0
    return coef, last.intercept + factor * (last.intercept - before.intercept)


def _rows_serve_together(problem, penalties, target):
    """Return whether steps on sparse rows may be taken for several penalties at once."""
    strong = min(l2 for _, l2 in penalties) > 0.0  # else steps on rows are slow
    many = len(penalties) >= _FEW_PENALTIES and len(problem.rows) >= _MANY_ROWS
    return strong and many and isinstance(problem.X, CSR) and 0.0 < target < np.inf


def _solve_in_blocks(problem, penalties, stopping, null, generator, points):
    """Take steps on rows for `LANES` penalties at once, and finish one by one.

    Each block starts from the last weights of the one before.
    """
    subproblem, norms = (
        without_empty_features(problem),
        checked_row_norms(problem.X, problem.rows),
    )
    coef, intercept, evaluation = (
        np.zeros(subproblem.problem.n_features),
        null.intercept,
        None,
    )
    if points:
        coef, intercept = subproblem.restrict(points[-1].coef), points[-1].intercept
    target = stopping.tol * null.objective
    for first in range(0, len(penalties), LANES):
        group = penalties[first : first + LANES]
        problems = [subproblem.problem._replace(l1=l1, l2=l2) for l1, l2 in group]
        if first > 0 or points:
            evaluation = evaluate(problems[0], coef, intercept, None)
        steps = BlockRowSteps(problems, coef, intercept, evaluation, norms, True, generator)
        n_iterations = min(_ITERATIONS, stopping.max_iter)
        found = _best_of_iterations(steps, problems, n_iterations, null.objective, target)
        for (l1, l2), (coef, intercept, certificate, n_iter) in zip(
            group, found, strict=True
        ):
            weights = subproblem.expand(coef), intercept
            solution = Solution(*weights, n_iter, True, certificate, {}, None, None)
            if not certificate.suboptimality <= target:  # NaN is no certificate
                state = SGDState.start(*weights, generator)
                descent = SVRG([problem._replace(l1=l1, l2=l2)], _SETTINGS, state)
                (solution,) = run(descent, _SETTINGS, stopping, [null], [None], False)
                coef, intercept = subproblem.restrict(solution.coef), solution.intercept
            yield solution


def _best_of_iterations(steps, problems, n_iterations, first_gap, target):
    """Take epochs as long as they are quick; return what each problem has found.

    That is the weights, the intercept, the certificate and the number of outer iterations,
    at most `n_iterations`. No problem starts from a gap larger than `first_gap`.
    """
    n_problems = len(problems)
    targets = np.repeat(steps.problem.y[:, np.newaxis], n_problems, axis=1)
    best, last, n_epochs = [None] * n_problems, np.full(n_problems, first_gap), _EPOCHS
    for iteration in range(1, n_iterations + 1):
        for _ in range(n_epochs):
            steps.epoch()
        seen = certify_columns(problems, targets, steps.coef, steps.intercept, None)
        for m, certificate in enumerate(seen):
            if best[m] is None or not best[m][2].objective <= certificate.objective:
                coef, intercept = steps.coef[:, m].copy(), float(steps.intercept[m])
                best[m] = coef, intercept, certificate, iteration
        left = np.array([certificate.suboptimality for _, _, certificate, _ in best])
        falling = (left > target) & (left < last)
        rates = np.log(last[falling] / left[falling]) / n_epochs
        needed = _MARGIN * np.log(left[falling] / target) / rates
        last, needed = left, needed[needed <= _MOST_EPOCHS]
        if len(needed) == 0:
            break
        n_epochs = max(1, int(np.ceil(needed.max())))
    return best
