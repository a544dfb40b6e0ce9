import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skreg.data.matrices import as_rows
from skreg.losses import make_loss
from skreg.objectives.certificate import certify, evaluate
from skreg.objectives.problem import Problem
from skreg.solvers.working_set.newton import Newton
from skreg.solvers.working_set.subproblems import (
    FeatureSubset,
    Rotation,
    without_empty_features,
)


def make_problem(rng, X, l1=0.0, l2=0.1, name="squared_error"):
    n = X.shape[0]
    y = rng.normal(size=n)
    if name != "squared_error":
        y = np.sign(y)
    s = rng.random(n)
    return Problem(as_rows(X), y, s, np.arange(n), make_loss(name), l1, l2, True)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_columns_are_the_problem_with_zeros_elsewhere(rng, storage):
    X = rng.normal(size=(20, 7)) * (rng.random((20, 7)) < 0.6)
    problem = make_problem(rng, storage(X), l1=0.05)
    part = FeatureSubset(problem, np.array([1, 4, 5]))
    w = rng.normal(size=7)
    small = part.restrict(w)
    assert_array_equal(small, w[[1, 4, 5]])
    whole = part.expand(small)
    assert_array_equal(np.flatnonzero(whole), [1, 4, 5])
    assert_array_equal(part.restrict(whole), small)
    assert part.problem.n_features == 3
    seen = certify(part.problem, small, 0.3, None)
    expected = certify(problem, whole, 0.3, None)
    assert_allclose(seen[:3], expected[:3], rtol=1e-12)
    expected = naive.smooth_objective(
        "squared_error", X, problem.y, whole, 0.3, 0.05, 0.1, problem.sample_weight
    )
    assert_allclose(seen.objective, expected)
    evaluation = part.evaluation(evaluate(problem, whole, 0.3, None), whole)
    for one, other in zip(
        evaluation, evaluate(part.problem, small, 0.3, None), strict=True
    ):
        assert_allclose(one, other, rtol=1e-12)


def test_empty_features_are_left_out_if_they_are_many(rng):
    X = np.zeros((6, 9))
    X[:, [1, 3, 8]] = rng.normal(size=(6, 3))
    problem = make_problem(rng, sparse.csr_matrix(X), l1=0.05)
    part = without_empty_features(problem)
    assert part.problem.n_features == 3
    assert np.shares_memory(part.problem.X.data, problem.X.data)
    w = np.array([0.2, 0.0, -0.3])
    seen = certify(part.problem, w, 0.3, None)
    assert_allclose(seen[:3], certify(problem, part.expand(w), 0.3, None)[:3])
    assert_array_equal(part.restrict(np.arange(9.0)), [1.0, 3.0, 8.0])
    for other in (
        problem._replace(l1=0.0, l2=0.0),  # weights of empty features may stay
        make_problem(rng, X),
        make_problem(rng, sparse.csr_matrix(X[:, 1:5])),
    ):
        part = without_empty_features(other)
        assert part.problem is other
        w = rng.normal(size=other.n_features)
        assert part.expand(part.restrict(w)) is w


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_views_of_parts_and_wholes_need_no_predictions(rng, storage):
    X = np.where(rng.random((30, 8)) < 0.5, rng.normal(size=(30, 8)), 0.0)
    problem = make_problem(rng, storage(X))
    part = FeatureSubset(problem, np.array([1, 2, 5]))
    coef = part.expand(rng.normal(size=3))
    whole = evaluate(problem, coef, 0.3, None)
    of_part = evaluate(part.problem, part.restrict(coef), 0.3, None)
    for one, two in (
        (of_part.of_whole(problem, coef, None), whole),
        (part.evaluation(whole, coef), of_part),
    ):
        assert_allclose(one.certificate, two.certificate, rtol=1e-12)
        for mine, expected in zip(one[1:], two[1:], strict=True):
            assert_allclose(mine, expected, rtol=1e-12, atol=1e-15)


def wide(rng, kind):
    X = rng.normal(size=(15, 60))
    if kind == "low rank":
        X = rng.normal(size=(15, 3)) @ rng.normal(size=(3, 60))
    if kind == "repeated rows":
        X[8:] = X[:7]
    if kind == "float32":
        X = X.astype(np.float32)
    return X


KINDS = ["full rank", "low rank", "repeated rows", "float32"]


@pytest.mark.parametrize("kind", KINDS)
def test_rotation_keeps_predictions_and_lengths(rng, kind):
    X = wide(rng, kind)
    part = Rotation(make_problem(rng, X))
    Z = np.asarray(part.problem.X)
    rank = np.linalg.matrix_rank(X)
    assert Z.shape == (15, rank)
    X = X.astype(np.float64)
    assert_allclose(Z @ Z.T, X @ X.T, atol=1e-10 * (X**2).sum())
    small = rng.normal(size=rank)
    whole = part.expand(small)
    scale = np.abs(X).max() * np.abs(whole).max()
    assert_allclose(X @ whole, Z @ small, atol=1e-9 * scale)
    assert_allclose(whole @ whole, small @ small, rtol=1e-9)
    assert_allclose(part.restrict(whole), small, rtol=1e-7, atol=1e-9)
    # Weights that no combination of rows reaches lose what changes no prediction.
    anything = rng.normal(size=60)
    projected = np.linalg.pinv(X, rcond=1e-6) @ (X @ anything)
    assert_allclose(part.expand(part.restrict(anything)), projected, atol=1e-7)


def test_rotation_is_stored_like_other_matrices(rng):
    """Else kernels would be compiled once more."""
    Z = Rotation(make_problem(rng, wide(rng, "full rank"))).problem.X
    assert Z.flags.c_contiguous
    assert not Z.flags.writeable
    assert Z.dtype == np.float64


@pytest.mark.parametrize("kind", KINDS)
def test_rotated_ridge_is_that_of_the_normal_equations(rng, kind):
    X = wide(rng, kind)
    problem = make_problem(rng, X)
    part = Rotation(problem)
    newton = Newton(part.problem, np.zeros(part.problem.n_features), 0.0, True)
    newton.run(0.0)
    s = problem.sample_weight / problem.sample_weight.sum()
    A = np.column_stack([X.astype(np.float64), np.ones(15)])
    penalty = 0.1 * np.diag(np.append(np.ones(60), 0.0))
    exact = np.linalg.solve(A.T @ (s[:, np.newaxis] * A) + penalty, A.T @ (s * problem.y))
    assert_allclose(part.expand(newton.coef), exact[:-1], rtol=1e-7, atol=1e-9)
    assert_allclose(newton.intercept, exact[-1], rtol=1e-7, atol=1e-9)


def test_rotated_logistic_regression_is_at_the_optimum(rng):
    X = wide(rng, "full rank")
    problem = make_problem(rng, X, name="log_loss")
    part = Rotation(problem)
    newton = Newton(part.problem, np.zeros(part.problem.n_features), 0.0, True)
    newton.run(1e-12)
    violation = naive.kkt_violation(
        "log_loss", X, problem.y, part.expand(newton.coef), newton.intercept, 0.0, 0.1,
        problem.sample_weight,
    )  # fmt: skip
    assert violation < 1e-6
