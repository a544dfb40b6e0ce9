import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skreg import SGDRegularizedRegressor
from skreg.data.matrices import as_rows
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, make_loss
from skreg.objectives.certificate import evaluate
from skreg.objectives.optimality import kkt_violations
from skreg.objectives.problem import Problem
from skreg.solvers.working_set.newton import Newton

SMOOTH = [name for name in LOSSES if LOSSES[name].max_curvature is not None]
PENALTIES = [(0.05, 0.0), (0.0, 0.1), (0.05, 0.1)]


def make_problem(rng, name, l1, l2, fit_intercept=True, n=200, p=8):
    X = rng.normal(size=(n, p)) + 0.5
    y = X @ (rng.normal(size=p) * (np.arange(p) < 4)) + 1.0 + rng.normal(size=n)
    if name in CLASSIFICATION_LOSSES:
        y = np.where(y > np.median(y), 1.0, -1.0)
    s = rng.random(n)
    s[:9] = 0.0
    return Problem(
        as_rows(X), y, s, np.flatnonzero(s), make_loss(name), l1, l2, fit_intercept
    )


def facts(problem, name):
    """Return the arguments of the naive functions between the weights and the rest."""
    return (name, np.asarray(problem.X), problem.y), (
        problem.l1, problem.l2, problem.sample_weight, problem.fit_intercept,
    )  # fmt: skip


def from_zero(problem, explicit):
    return Newton(problem, np.zeros(problem.n_features), 0.0, explicit)


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("l1", "l2"), PENALTIES)
@pytest.mark.parametrize("name", SMOOTH)
def test_newton_reaches_the_optimum(rng, name, l1, l2, fit_intercept, explicit):
    problem = make_problem(rng, name, l1, l2, fit_intercept)
    data, rest = facts(problem, name)
    target = 1e-9
    newton = from_zero(problem, explicit)
    for _ in range(20):  # each run has a limit, too
        newton.run(target)
        if newton.evaluation.certificate.suboptimality <= target:
            break
    w, b = newton.coef, newton.intercept
    assert naive.duality_gap(*data, w, b, *rest) <= 1.001 * target
    value = naive.smooth_objective(*data, w, b, *rest[:3])
    assert_allclose(newton.evaluation.certificate.objective, value, rtol=1e-12)
    best = naive.optimum(name, *data[1:], *rest)
    assert value <= naive.smooth_objective(*data, *best, *rest[:3]) + target
    if not fit_intercept:
        assert b == 0.0


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("name", SMOOTH)
def test_sparse_rows_give_the_same_weights(rng, name, explicit):
    problem = make_problem(rng, name, 0.02, 0.05)
    dense = from_zero(problem, explicit)
    csr = sparse.csr_matrix(np.asarray(problem.X))
    compressed = from_zero(problem._replace(X=as_rows(csr)), explicit)
    for newton in (dense, compressed):
        newton.run(1e-13)
    assert_allclose(compressed.coef, dense.coef, atol=1e-6)
    assert_allclose(compressed.intercept, dense.intercept, atol=1e-6)


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("name", SMOOTH)
def test_the_objective_never_rises(rng, name, explicit):
    problem = make_problem(rng, name, 0.02, 0.0)
    newton = Newton(problem, 5.0 * rng.normal(size=8), 3.0, explicit)
    values = [newton.evaluation.certificate.objective]
    for target in 10.0 ** -np.arange(0.0, 10.0):
        newton.run(target)
        values.append(newton.evaluation.certificate.objective)
    assert (np.diff(values) <= 1e-13 * values[0]).all()
    assert values[-1] < values[0]


def test_squared_error_takes_one_step(rng):
    """Without a penalty or with L2 the first step ends at the normal equations."""
    for l2 in (0.0, 0.3):
        problem = make_problem(rng, "squared_error", 0.0, l2)
        s = problem.sample_weight / problem.sample_weight.sum()
        A = np.column_stack([problem.X, np.ones(200)])
        penalty = l2 * np.diag(np.append(np.ones(8), 0.0))
        matrix = A.T @ (s[:, np.newaxis] * A) + penalty
        exact = np.linalg.solve(matrix, A.T @ (s * problem.y))
        newton = from_zero(problem, True)
        newton.run(1e-9)
        assert_allclose(np.append(newton.coef, newton.intercept), exact, rtol=1e-9)


def test_at_the_optimum_nothing_moves(rng):
    problem = make_problem(rng, "log_loss", 0.05, 0.1)
    first = from_zero(problem, True)
    first.run(1e-12)
    again = Newton(problem, first.coef, first.intercept, True)
    again.run(1e-11)
    assert_allclose(again.coef, first.coef, rtol=0)


def test_l1_leaves_exact_zeros(rng):
    for explicit in (True, False):
        problem = make_problem(rng, "log_loss", 0.05, 0.0)
        newton = from_zero(problem, explicit)
        newton.run(1e-10)
        (name, X, y), rest = facts(problem, "log_loss")
        w, _ = naive.optimum(name, X, y, *rest)
        assert_allclose(newton.coef, w, atol=1e-4)
        assert (newton.coef[np.abs(w) < 1e-6] == 0.0).all()
        assert 0 < np.count_nonzero(newton.coef) < 8


@pytest.mark.parametrize("explicit", [True, False])
def test_without_penalty_the_gradient_vanishes(rng, explicit):
    for name in ("squared_error", "log_loss", "huber"):
        problem = make_problem(rng, name, 0.0, 0.0)
        newton = from_zero(problem, explicit)
        newton.run(1e-14)
        (_, X, y), (_, _, s, _) = facts(problem, name)
        w, b = newton.coef, newton.intercept
        assert_allclose(naive.gradient(name, X, y, w, b, 0.0, s), 0.0, atol=1e-5)


def test_sampled_rows_suffice_where_there_are_many(rng):
    """With thousands of rows for few features, the model's matrix is that of a sample."""
    problem = make_problem(rng, "log_loss", 0.01, 0.01, n=20_000, p=5)
    newton = from_zero(problem, True)
    newton.run(1e-9)
    (name, X, y), rest = facts(problem, "log_loss")
    assert naive.duality_gap(name, X, y, newton.coef, newton.intercept, *rest) <= 1.001e-9


def test_a_sample_that_hides_a_feature_costs_few_passes(rng, monkeypatch):
    n, p = 2000, 60
    X = rng.normal(size=(n, p))
    X[::3, 0] *= 1e-6  # rows that the first sample takes
    y = np.where(X[:, 0] + rng.normal(size=n) > 0.0, 1.0, -1.0)
    problem = Problem(
        as_rows(X), y, np.ones(n), np.arange(n), make_loss("log_loss"), 0.01, 0.0, True
    )
    passes = []
    monkeypatch.setattr(
        "skreg.solvers.working_set.newton.evaluate",
        lambda *parts: passes.append(1) or evaluate(*parts),
    )
    newton = from_zero(problem, True)
    newton.run(1e-9)
    assert newton.coef[0] > 0.1
    assert newton.evaluation.certificate.suboptimality <= 1e-9
    assert len(passes) < 20


@pytest.mark.parametrize("shape", [(200, 8), (1800, 50)])  # the latter is sampled
@pytest.mark.parametrize("name", SMOOTH)
def test_the_last_step_leaves_nothing_but_rounding(rng, name, shape, monkeypatch):
    problem = make_problem(rng, name, 0.0, 0.5, n=shape[0], p=shape[1])
    newton = from_zero(problem, True)
    newton.run(0.0)
    (_, X, y), (_, l2, s, _) = facts(problem, name)
    gradient = naive.gradient(name, X, y, newton.coef, newton.intercept, l2, s)
    assert np.abs(gradient).max() < 5e-15
    if name == "squared_error":
        monkeypatch.setattr(
            "skreg.solvers.working_set.newton.evaluate", None
        )  # another step would evaluate
        newton.run(0.0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", [1e-155, 1e-160, 1e150])
def test_tiny_and_huge_targets_have_an_end(rng, scale):
    X = rng.normal(size=(71, 8))
    y = scale * (X[:, 0] + rng.normal(size=71))
    model = SGDRegularizedRegressor("huber", alpha=1e-3, epsilon=3.0 * scale).fit(X, y)
    assert np.isfinite(model.coef_).all()
    y[0] *= 1e5  # whose square may be infinite, but whose loss is not
    model = SGDRegularizedRegressor("huber", alpha=1e-3, epsilon=3.0 * scale).fit(X, y)
    assert np.isfinite(model.coef_).all()


def test_flat_losses_have_an_end(rng):
    """Far from the targets Huber and squared hinge losses have no curvature."""
    for name in ("huber", "squared_hinge", "modified_huber"):
        for explicit in (True, False):
            problem = make_problem(rng, name, 0.01, 0.01)
            newton = Newton(problem, np.full(8, 100.0), -50.0, explicit)
            for _ in range(20):
                newton.run(1e-7)
            (_, X, y), rest = facts(problem, name)
            gap = naive.duality_gap(name, X, y, newton.coef, newton.intercept, *rest)
            assert gap <= 1.001e-7, (name, explicit)


def test_squares_that_overflow_are_refused(rng):
    problem = make_problem(rng, "squared_error", 0.0, 0.1)
    problem = problem._replace(X=as_rows(1e160 * np.asarray(problem.X)))
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(ValueError, match="squares of the features are too large"),
    ):
        from_zero(problem, True).run(1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("l1", "l2"), PENALTIES)
def test_conjugate_gradients_solve_the_model_in_few_products(rng, l1, l2, fit_intercept):
    X = rng.normal(size=(300, 12))
    X[:, 3] = X[:, 2]  # a solution of many
    X += 100.0 * fit_intercept  # far from 0 it would be ill-conditioned
    y = np.where(X @ rng.normal(size=12) > 0.3, 1.0, -1.0)
    problem = Problem(
        as_rows(X), y, np.ones(300), np.arange(300),
        make_loss("log_loss"), l1 / 10, l2 / 10, fit_intercept,
    )  # fmt: skip
    newton = from_zero(problem, False)
    left = kkt_violations(problem, newton.coef, newton.evaluation)
    moves = left != 0.0
    curvatures = 0.25 / 300  # of the log loss where all predictions are 0
    Z = np.column_stack([X, np.ones(300)]) * moves
    hessian = curvatures * Z.T @ Z + np.diag(np.append(np.full(12, l2 / 10), 0.0)) * moves
    direction, shift, *_, n_products = newton._cg_direction(1e-6, 100, 100)
    rest = left + hessian @ np.append(direction, shift)
    assert np.abs(rest[moves]).max() < 1e-4 * np.abs(left).max()
    assert n_products <= 14
    assert fit_intercept or shift == 0.0


@pytest.mark.parametrize(("l1", "l2"), PENALTIES)
@pytest.mark.parametrize("name", SMOOTH)
def test_products_reach_the_optimum_or_their_budget(rng, name, l1, l2):
    problem = make_problem(rng, name, l1, l2)
    target = 1e-7
    newton = from_zero(problem, False)
    assert newton.run_products(target, 1000.0)
    data, rest = facts(problem, name)
    assert naive.duality_gap(*data, newton.coef, newton.intercept, *rest) <= target * 1.001
    lowest = newton.evaluation.certificate.objective
    poor = from_zero(problem, False)
    assert not poor.run_products(target, 3.0)
    assert poor.evaluation.certificate.objective >= lowest
