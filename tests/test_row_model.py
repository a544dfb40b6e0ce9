import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skreg.data.matrices import as_rows
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, make_loss
from skreg.objectives.certificate import evaluate
from skreg.objectives.problem import Problem
from skreg.solvers.working_set.row_model import (
    is_affordable,
    newton_step,
    sharpened,
    weighted_curvatures,
)

SMOOTH = [name for name in LOSSES if LOSSES[name].max_curvature is not None]
PENALTIES = [(0.05, 0.0), (0.0, 0.1), (0.05, 0.1), (0.0, 0.0)]
STORAGES = [np.asarray, sparse.csr_matrix]


def make_problem(rng, name, l1=0.0, l2=0.0, fit_intercept=True, n=240, p=6):
    X = rng.normal(size=(n, p)) + 0.5
    y = X @ (rng.normal(size=p) * (np.arange(p) < 3)) + 1.0 + rng.normal(size=n)
    if name in CLASSIFICATION_LOSSES:
        y = np.where(y > np.median(y), 1.0, -1.0)
    s = rng.random(n)
    s[: n // 8] = 0.0
    loss = make_loss(name, 0.5)
    return Problem(as_rows(X), y, s, np.flatnonzero(s), loss, l1, l2, fit_intercept)


def naive_step(problem, name, w, b):
    """Return the step of the quadratic model by its matrix, that of the intercept last.

    Under L1, weights of 0 move if the gradient wants them to, and signs stay.
    """
    X, y = np.asarray(problem.X), problem.y
    s = problem.sample_weight / problem.sample_weight.sum()
    curvature = np.array(
        [problem.loss.curvature(*pair) for pair in zip(y, X @ w + b, strict=True)]
    )
    A = np.column_stack([X, np.ones(len(y)) * problem.fit_intercept])
    penalized = np.append(np.ones(len(w)), 0.0)
    H = A.T @ ((s * curvature)[:, np.newaxis] * A) + problem.l2 * np.diag(penalized)
    g = naive.gradient(name, X, y, w, b, problem.l2, s, 0.5)
    g[-1] *= problem.fit_intercept
    signs = np.where(w != 0.0, np.sign(w), -np.sign(g[:-1]))
    moves = np.append((w != 0.0) | (np.abs(g[:-1]) > problem.l1), True)
    g[:-1] += problem.l1 * signs
    step = np.zeros(len(g))
    step[moves] = -np.linalg.lstsq(H[np.ix_(moves, moves)], g[moves], rcond=None)[0]
    return step


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("l1", "l2"), PENALTIES)
@pytest.mark.parametrize("name", SMOOTH)
def test_steps_are_those_of_the_matrix(rng, name, l1, l2, fit_intercept, storage):
    problem = make_problem(rng, name, l1, l2, fit_intercept)
    stored = problem._replace(X=as_rows(storage(problem.X)))
    b = 0.2 * fit_intercept
    for w in (np.zeros(6), 0.3 * rng.normal(size=6) * (np.arange(6) < 4)):
        evaluation = evaluate(stored, w, b, None)
        expected = naive_step(problem, name, w, b)
        direction, change = newton_step(stored, w, evaluation)
        assert_allclose(np.append(direction, change), expected, rtol=1e-8, atol=1e-10)
        given = newton_step(stored, w, evaluation, weighted_curvatures(stored, evaluation))
        assert_allclose(given[0], direction, rtol=1e-12)


def test_curvatures_are_weighted_means(rng):
    problem = make_problem(rng, "log_loss")
    evaluation = evaluate(problem, np.ones(6), 0.1, None)
    q = 1.0 / (1.0 + np.exp(-evaluation.raw_predictions))
    s = problem.sample_weight[problem.rows]
    expected = s / s.sum() * q * (1.0 - q)
    assert_allclose(weighted_curvatures(problem, evaluation), expected, rtol=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", ["regular", "duplicates", "constants"])
@pytest.mark.parametrize("shape", [(6, 15), (40, 8)])
def test_without_penalty_steps_lead_to_the_shortest_weights(
    rng, shape, kind, fit_intercept
):
    n, p = shape
    X, y = rng.normal(size=shape) * 10.0 ** rng.integers(-2, 3, p), rng.normal(size=n)
    if kind == "duplicates":
        X[:, 3], X[:, 5] = 3.0 * X[:, 2], X[:, 0] - X[:, 1]
    if kind == "constants":
        X[:, 3], X[:, 4] = 0.0, 7.0
    parts = np.ones(n), np.arange(n), make_loss("squared_error"), 0.0, 0.0, fit_intercept
    problem = Problem(as_rows(X), y, *parts)
    centered = (X - X.mean(axis=0), y - y.mean()) if fit_intercept else (X, y)
    expected = np.linalg.lstsq(*centered, rcond=np.finfo(float).eps * max(shape))[0]
    for w in (np.zeros(p), rng.normal(size=p)):
        direction, change = newton_step(problem, w, evaluate(problem, w, 0.0, None))
        tolerance = 1e-9 * np.abs(expected).max()
        assert_allclose(w + direction, expected, atol=tolerance)
        intercept = (y - X @ expected).mean() * fit_intercept
        assert_allclose(change, intercept, atol=1e-8)


def test_steps_keep_digits_that_the_matrix_loses(rng):
    """The condition number of the rows is 1e9, that of the matrix its square."""
    X = rng.normal(size=(60, 4))
    X[:, 3] = X[:, 0] + 1e-9 * X[:, 3]
    y = X @ [1.0, 2.0, 3.0, 0.0] + 0.1 * rng.normal(size=60)
    parts = np.ones(60), np.arange(60), make_loss("squared_error"), 0.0, 0.0, False
    problem, w = Problem(as_rows(X), y, *parts), np.zeros(4)
    direction, _ = newton_step(problem, w, evaluate(problem, w, 0.0, None))
    best = np.linalg.lstsq(X, y, rcond=None)[0]
    residuals = y - X @ direction, y - X @ best
    assert_allclose(*(r @ r for r in residuals), rtol=1e-7)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sharpened_gaps_of_ridge_are_distances(rng, fit_intercept):
    """Slopes at the minimum of a quadratic objective are the best there are."""
    problem = make_problem(rng, "squared_error", 0.0, 0.1, fit_intercept)
    best = naive_step(problem, "squared_error", np.zeros(6), 0.0)
    least = evaluate(problem, best[:-1], best[-1], None).certificate.objective
    for suboptimality in (0.0, 1e-4, 1.0):
        w, b = best[:-1] + suboptimality * rng.normal(size=6), best[-1]
        evaluation = evaluate(problem, w, b, None)
        sharp = sharpened(problem, w, evaluation)
        assert_allclose(
            sharp.certificate.gap, evaluation.certificate.objective - least, atol=1e-12
        )
        assert sharp.certificate.objective == evaluation.certificate.objective
        assert sharp.slopes is evaluation.slopes


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("l1", "l2"), PENALTIES[:3])
@pytest.mark.parametrize("name", SMOOTH)
def test_sharpened_gaps_are_bounds(rng, name, l1, l2, fit_intercept):
    problem = make_problem(rng, name, l1, l2, fit_intercept)
    data, s = (name, np.asarray(problem.X), problem.y), problem.sample_weight
    w, b = naive.optimum(*data, l1, l2, s, fit_intercept, 0.5)
    least = naive.smooth_objective(*data, w, b, l1, l2, s, 0.5)
    for suboptimality in (1e-6, 1e-3, 1e-1):
        near = w + suboptimality * rng.normal(size=6) * (w != 0.0)
        evaluation = evaluate(problem, near, b, None)
        gap = sharpened(problem, near, evaluation).certificate.gap
        assert (
            evaluation.certificate.objective - least - 1e-9
            <= gap
            <= evaluation.certificate.gap
        )


@pytest.mark.parametrize("l1", [0.0, 1e-4])
def test_sharpened_gaps_do_not_grow_with_the_features(l1):
    """Weights of float32 are as exact as they can be, and their slopes are not."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 10, 200))
    y = 3 * np.sin(x) + 0.3 * x + 0.3 * rng.normal(size=200)
    P = x[:, np.newaxis] ** np.arange(1, 9)
    parts = np.ones(200), np.arange(200), make_loss("squared_error"), l1, 1e-4, True
    problem = Problem(as_rows(P), y, *parts)
    w, b = np.zeros(8), 0.0
    for _ in range(20):
        direction, change = newton_step(problem, w, evaluate(problem, w, b, None))
        w, b = w + direction, b + change
    rough = evaluate(problem, w * (1.0 + 1e-8 * rng.normal(size=8)), b, None)
    gap = sharpened(problem, w, rough).certificate.gap
    assert gap < 1e-2 * rough.certificate.gap
    assert gap < 1e-4 * rough.certificate.objective


def test_work_decides_what_is_affordable(rng):
    def of_shape(n, p, l2=0.0):
        rows = np.arange(n)
        parts = np.zeros(n), np.ones(n), rows, make_loss("squared_error"), 0.0, l2, True
        return Problem(np.empty((n, p)), *parts)

    assert is_affordable(of_shape(10_000, 100))
    assert not is_affordable(of_shape(100_000, 100))
    assert is_affordable(of_shape(100_000, 100), 10)
    assert is_affordable(of_shape(100, 10_000))
    assert not is_affordable(of_shape(100, 10_000, 1.0))  # a row more for each feature
