import math

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.optimize import minimize as scipy_minimize
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge

import skreg
from skreg.data.matrices import as_rows
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, make_loss
from skreg.objectives.certificate import certify, evaluate, feature_curvatures
from skreg.objectives.problem import Problem, best_intercept, null_model


def make_problem(rng, name="squared_error", l1=0.05, l2=0.1, fit_intercept=True, n=40):
    X = rng.normal(size=(n, 6)) + 0.5
    y = X @ rng.normal(size=6) + 1.0 + rng.normal(size=n)
    if name in CLASSIFICATION_LOSSES:
        y = np.where(y > 1.0, 1.0, -1.0)
    weights = rng.random(n)
    weights[:5] = 0.0
    rows = np.flatnonzero(weights)
    return Problem(as_rows(X), y, weights, rows, make_loss(name), l1, l2, fit_intercept)


def naive_objective(problem, w, b):
    return naive.objective(
        problem.X, problem.y, w, b, problem.loss, problem.l1, problem.l2,
        problem.sample_weight,
    )  # fmt: skip


def reference_optimum(problem):
    """Minimize a smooth reformulation (w = u - v with u, v >= 0) with L-BFGS-B."""
    p = problem.n_features

    def smooth(z):
        w, b = z[:p] - z[p : 2 * p], z[-1] if problem.fit_intercept else 0.0
        raw = problem.X @ w + b
        slopes = np.array(
            [problem.loss.derivative(t, q) for t, q in zip(problem.y, raw, strict=True)]
        )
        s = problem.sample_weight / problem.sample_weight.sum()
        g = problem.X.T @ (s * slopes) + problem.l2 * w
        value = (
            naive.objective(problem.X, problem.y, w, b, problem.loss, 0.0, problem.l2, s)
            + problem.l1 * z[: 2 * p].sum()
        )
        slope = s @ slopes if problem.fit_intercept else 0.0
        return value, np.r_[g + problem.l1, -g + problem.l1, slope]

    bounds = [(0, None)] * (2 * p) + [(None, None)]
    options = {"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10}
    z = scipy_minimize(
        smooth, np.zeros(2 * p + 1), jac=True, bounds=bounds, options=options
    ).x
    return z[:p] - z[p : 2 * p], (z[-1] if problem.fit_intercept else 0.0)


SMOOTH = [name for name in LOSSES if LOSSES[name].max_curvature is not None]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("l1", "l2"), [(0.05, 0.0), (0.0, 0.1), (0.05, 0.1)])
@pytest.mark.parametrize("name", LOSSES)
def test_gap_bounds_the_distance_from_the_optimum(rng, name, l1, l2, fit_intercept):
    problem = make_problem(rng, name, l1, l2, fit_intercept)
    w, b = reference_optimum(problem)
    optimum = naive_objective(problem, w, b)
    for suboptimality in (0.0, 0.01, 1.0):
        near = w + suboptimality * rng.normal(size=6)
        seen = certify(problem, near, b, None)
        assert_allclose(seen.objective, naive_objective(problem, near, b), rtol=1e-12)
        assert_allclose(seen.loss + seen.penalty, seen.objective)
        assert seen.gap >= seen.objective - optimum - 1e-10
        assert math.isfinite(seen.gap)
        if suboptimality == 0.0 and name in SMOOTH:
            assert seen.gap < 1e-4 * optimum


def independent_gap(problem, w, b):
    """The duality gap of squared error, written once more with other words."""
    rows = problem.rows
    X, y, s = problem.X[rows], problem.y[rows], problem.sample_weight[rows]
    s = s / s.sum()
    r = X @ w + b - y
    if problem.fit_intercept:
        up, down = s[r > 0] @ r[r > 0], -s[r <= 0] @ r[r <= 0]
        r = np.where(r > 0, r * min(1, down / up), r * min(1, up / down))
    bounds = []
    for c in (1.0, min(1.0, problem.l1 / np.abs(X.T @ (s * r)).max())):
        z = X.T @ (s * c * r)
        over = np.maximum(np.abs(z) - problem.l1, 0)
        if problem.l2 > 0:
            penalty = (over**2).sum() / (2 * problem.l2)
        else:
            penalty = 0.0 if over.max() < 1e-15 else np.inf
        bounds.append(-s @ (c * r * y + (c * r) ** 2 / 2) - penalty)
    return naive_objective(problem, w, b) - max(bounds)


@pytest.mark.parametrize(("l1", "l2"), [(0.05, 0.0), (0.05, 0.1)])
def test_gap_equals_an_independent_computation(rng, l1, l2):
    problem = make_problem(rng, l1=l1, l2=l2)
    w = rng.normal(size=6)
    assert_allclose(certify(problem, w, 0.3, None).gap, independent_gap(problem, w, 0.3))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("l1", "l2"), [(0.05, 0.0), (0.0, 0.1), (0.05, 0.1)])
@pytest.mark.parametrize("name", SMOOTH)
def test_gap_equals_the_naive_one_for_every_loss(rng, name, l1, l2, fit_intercept):
    problem = make_problem(rng, name, l1, l2, fit_intercept)
    X, y, s = problem.X, problem.y, problem.sample_weight
    near, b = reference_optimum(problem)
    for w in (near, near + 0.1 * rng.normal(size=6), rng.normal(size=6)):
        gap = naive.duality_gap(name, X, y, w, b, l1, l2, s, fit_intercept)
        assert_allclose(certify(problem, w, b, None).gap, gap, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("name", LOSSES)
def test_view(rng, name, storage):
    problem = make_problem(rng, name)
    X, y, rows, loss = problem.X, problem.y, problem.rows, problem.loss
    w, b = rng.normal(size=6), 0.3
    evaluation = evaluate(problem._replace(X=as_rows(storage(X))), w, b, None)
    raw = X[rows] @ w + b
    slopes = [loss.derivative(t, p) for t, p in zip(y[rows], raw, strict=True)]
    assert_allclose(evaluation.raw_predictions, raw, rtol=1e-12)
    assert_allclose(evaluation.slopes, slopes, rtol=1e-11, atol=1e-13)
    s = problem.sample_weight[rows] / problem.sample_weight.sum()
    gradient = np.append(X[rows].T @ (s * slopes), s @ slopes)
    assert_allclose(evaluation.gradient, gradient, rtol=1e-11, atol=1e-13)
    assert_allclose(evaluation.certificate, certify(problem, w, b, None), rtol=1e-11)
    objective = naive_objective(problem, w, b)
    assert_allclose(evaluation.certificate.objective, objective, rtol=1e-12)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_of_the_view_is_that_of_the_loss(rng, name):
    problem = make_problem(rng, name)
    w, b = rng.normal(size=6), 0.3
    curvatures, h = feature_curvatures(problem), 1e-6

    def mean_loss(z):
        return evaluate(problem, z[:-1], z[-1], curvatures).certificate.loss

    z = np.append(w, b)
    numeric = [(mean_loss(z + h * e) - mean_loss(z - h * e)) / (2 * h) for e in np.eye(7)]
    assert_allclose(evaluate(problem, w, b, curvatures).gradient, numeric, atol=1e-7)


def test_certificate_is_the_same_for_sparse_and_float32(rng):
    problem = make_problem(rng)
    problem = problem._replace(X=as_rows(problem.X.astype(np.float32)))
    w = rng.normal(size=6)
    twin = problem._replace(X=as_rows(sparse.csr_matrix(problem.X)))
    assert_allclose(certify(twin, w, 0.3, None)[:4], certify(problem, w, 0.3, None)[:4])


def test_without_penalty_the_residual_judges(rng):
    problem = make_problem(rng, l1=0.0, l2=0.0)
    w, b = reference_optimum(problem)
    curvatures = feature_curvatures(problem)
    at_optimum, away = (certify(problem, w + d, b, curvatures) for d in (0.0, 0.5))
    assert at_optimum.gap == math.inf
    assert at_optimum.suboptimality < 1e-8
    assert away.suboptimality > 1e-3
    assert feature_curvatures(make_problem(rng)) is None


@pytest.mark.parametrize("name", LOSSES)
def test_null_model(rng, name):
    problem = make_problem(rng, name)
    intercept, objective, at_zero = null_model(problem)
    zeros = np.zeros(6)
    assert_allclose(objective, naive_objective(problem, zeros, intercept))
    assert_allclose(at_zero, naive_objective(problem, zeros, 0.0))
    for other in (intercept - 0.01, intercept + 0.01):
        assert naive_objective(problem, zeros, other) >= objective - 1e-12
    without = problem._replace(fit_intercept=False)
    assert null_model(without)[0] == 0.0
    assert_allclose(null_model(without)[1], naive_objective(problem, zeros, 0.0))


@pytest.mark.parametrize(
    ("peer", "l1", "l2"),
    [
        (Lasso(0.1, tol=1e-10), 0.1, 0.0),
        (ElasticNet(alpha=0.2, l1_ratio=0.5, tol=1e-10), 0.1, 0.1),
        (Ridge(0.3 * 50), 0.0, 0.3),
    ],
)
def test_peers_minimize_this_objective(rng, peer, l1, l2):
    """How others scale it: their fit has the smallest objective among its neighbours."""
    X, y = rng.normal(size=(50, 4)), rng.normal(size=50)
    peer.fit(X, y)

    def value(w):
        return skreg.objective(X, y, w, peer.intercept_, l1=l1, l2=l2)

    least = value(peer.coef_)
    for direction in np.vstack([np.eye(4), -np.eye(4)]):
        assert value(peer.coef_ + 1e-3 * direction) > least


def test_logistic_regression_minimizes_this_objective(rng):
    X, y = rng.normal(size=(50, 4)), rng.integers(0, 2, 50)
    peer = LogisticRegression(C=1 / (50 * 0.3), tol=1e-10).fit(X, y)

    def value(w):
        return skreg.objective(
            X, 2.0 * y - 1, w, peer.intercept_[0], loss="log_loss", l2=0.3
        )

    least = value(peer.coef_[0])
    for direction in np.vstack([np.eye(4), -np.eye(4)]):
        assert value(peer.coef_[0] + 1e-3 * direction) > least


def test_objective_function(rng):
    X, y, w = rng.normal(size=(9, 3)), rng.normal(size=9), rng.normal(size=3)
    s = rng.random(9)
    for loss in ("squared_error", "huber"):
        expected = naive.objective(X, y, w, 0.5, make_loss(loss, 0.2), 0.1, 0.3, s)
        for storage in (np.asarray, sparse.csc_matrix, list):
            got = skreg.objective(
                storage(X), y, w, 0.5, loss=loss, l1=0.1, l2=0.3, epsilon=0.2,
                sample_weight=s,
            )  # fmt: skip
            assert_allclose(got, expected)


def test_objective_names_mistakes():
    X, y = [[1.0], [2.0]], [1.0, -1.0]
    with pytest.raises(ValueError, match="loss must be one of"):
        skreg.objective(X, y, [1.0], loss="logistic")
    with pytest.raises(ValueError, match="coef must have shape"):
        skreg.objective(X, y, [1.0, 2.0])
    with pytest.raises(ValueError, match="only -1 and"):
        skreg.objective(X, [0.0, 1.0], [1.0], loss="hinge")
    with pytest.raises(ValueError, match="l1 must be"):
        skreg.objective(X, y, [1.0], l1=-1.0)
    with pytest.raises(ValueError, match="NaN"):
        skreg.objective([[np.nan], [1.0]], y, [1.0])


@pytest.mark.parametrize("name", ["hinge", "epsilon_insensitive"])
def test_the_best_intercept_beside_predictions_is_the_middle_of_the_best(rng, name):
    loss = make_loss(name, 0.3)
    for n in (1, 2, 7, 40):
        y = rng.normal(size=n) if name != "hinge" else rng.choice([-1.0, 1.0], n)
        s, raw = rng.integers(1, 4, n).astype(float), rng.normal(size=n)

        def mean_loss(b, y=y, s=s, raw=raw):
            losses = [loss.value(t, p + b) for t, p in zip(y, raw, strict=True)]
            return s @ losses / s.sum()

        kinks = np.concatenate([kink - raw for kink in loss.kinks(y)])
        values = np.array([mean_loss(kink) for kink in kinks])
        best = kinks[values <= values.min() + 1e-12]
        found = best_intercept(loss, y, s, raw)
        if len(np.unique(y)) > 1:  # else no intercept on one side is the largest
            assert_allclose(found, 0.5 * (best.min() + best.max()), atol=1e-12)
        assert mean_loss(found) <= values.min() + 1e-12
