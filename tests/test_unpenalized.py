import warnings

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import PolynomialFeatures

import skreg
from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor
from skreg.data.matrices import as_rows
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, make_loss
from skreg.objectives.problem import Problem, null_model
from skreg.solvers.working_set.unpenalized import judge

SMOOTH = [name for name in LOSSES if LOSSES[name].max_curvature is not None]
STORAGES = [np.asarray, sparse.csr_matrix]
NO_MINIMUM = "no minimum"


def make_model(loss, **parameters):
    is_classifier = loss in CLASSIFICATION_LOSSES
    model = SGDRegularizedClassifier if is_classifier else SGDRegularizedRegressor
    return model(loss, **{"penalty": None, "random_state": 0} | parameters)


def fit(model, X, y):
    """Fit a model; return it and whether it warned, of what."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert {w.category for w in caught} <= {ConvergenceWarning}
    assert model.converged_ == (not caught)
    return model, " ".join(str(w.message) for w in caught)


APART = [
    ([[0.0], [0.0], [2.0], [1.0]], [1, 1, 0, 0]),
    ([[0.0, 1.0], [1.0, 2.0], [1.0, 3.0], [2.0, 5.0]], [0, 1, 1, 1]),
]
# Some rows lie on the plane between the classes.
NEARLY_APART = [
    ([[0.0], [0.0], [1.0], [1.0], [2.0]], [0, 1, 1, 1, 1]),
    ([[0.0], [1.0], [1.0], [1.0], [2.0]], [0, 0, 1, 1, 1]),
    ([[0, 1.0], [0, 2.0], [0, 3.0], [0, 4.0], [1, 5.0], [1, 1.5]], [0, 1, 0, 1, 1, 1]),
]


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("solver", ["auto", "sgd"])
@pytest.mark.parametrize(("X", "y"), APART + NEARLY_APART)
def test_classes_apart_have_no_minimum(X, y, solver, storage):
    for scale in (1.0, 1e-3, 1e3):
        model = make_model("log_loss", solver=solver)
        model, words = fit(model, storage(scale * np.array(X)), y)
        assert not model.converged_
        assert NO_MINIMUM in words
        assert "penalty='l2'" in words
        assert np.isfinite(model.coef_).all()
        assert (model.predict(scale * np.array(X)) == y).mean() >= 0.5


@pytest.mark.parametrize("loss", ["squared_hinge", "modified_huber"])
@pytest.mark.parametrize(("X", "y"), APART)
def test_other_losses_have_a_minimum_where_classes_are_apart(X, y, loss):
    model, words = fit(make_model(loss), np.array(X), y)
    assert model.converged_
    assert not words
    assert model.objective_ < 1e-4


@pytest.mark.parametrize("seed", range(4))
def test_one_class_of_several_is_apart(seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat(["a", "b", "c"], 30)
    X = rng.normal(size=(90, 2))
    X[labels == "c"] += 20.0
    model = make_model("log_loss")
    with pytest.warns(ConvergenceWarning, match=NO_MINIMUM) as caught:
        model.fit(X, labels)
    assert len(caught) == 1
    assert model.converged_.tolist() == [True, True, False]


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_very_different_lengths(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(50, 2))
    y = X @ [1.0, 0.5] > 0
    X *= (10.0 ** rng.uniform(-3, 3, 50) / np.linalg.norm(X, axis=1))[:, np.newaxis]
    for solver in ("auto", "sgd"):
        model, words = fit(make_model("log_loss", tol=1e-3, solver=solver), X, y)
        assert not model.converged_
        assert NO_MINIMUM in words
        assert model.objective_ < (0.05 if solver == "auto" else np.log(2))
    y[:5] ^= True  # now there is a minimum
    target = 1e-3 * np.log(2)
    w, b = naive.optimum("log_loss", X, 2.0 * y - 1.0, 0.0, 0.0)
    least = naive.smooth_objective("log_loss", X, 2.0 * y - 1.0, w, b, 0.0, 0.0)
    exact, _ = fit(make_model("log_loss", tol=1e-3), X, y)
    assert exact.converged_
    assert exact.objective_ <= least + target
    plain, _ = fit(make_model("log_loss", tol=1e-3, solver="sgd"), X, y)
    assert not plain.converged_ or plain.objective_ <= exact.objective_ + target


def test_a_curve_that_tells_classes_apart_is_found_or_warned_of():
    r = np.random.default_rng(0)
    x = r.uniform(0, 1, 200)
    y = (np.sin(6 * x) + 0.1 * r.standard_normal(200) > 0) * 1
    P = PolynomialFeatures(6, include_bias=False).fit_transform(x[:, np.newaxis])
    model, words = fit(make_model("log_loss", tol=1e-8), P, y)
    assert NO_MINIMUM in words or model.objective_ < 1e-8


@pytest.mark.parametrize("solver", ["auto", "sgd"])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("loss", SMOOTH)
def test_converged_is_near_the_optimum(rng, loss, scale, solver):
    """Features that nearly depend on each other, and targets on any scale."""
    X = rng.normal(size=(150, 4))
    X = np.column_stack([X, X @ rng.normal(size=(4, 2)) + 1e-3 * rng.normal(size=(150, 2))])
    y = X @ rng.normal(size=6) + 2.0 * rng.standard_t(3, size=150)
    if loss in CLASSIFICATION_LOSSES:
        y, X = np.where(y > 0.0, 1.0, -1.0), scale * X
    else:
        y = scale * y
    epsilon = min(scale, 1.0)
    model = make_model(loss, epsilon=epsilon, tol=1e-3, solver=solver, max_iter=300)
    model, _ = fit(model, X, y)
    problem = Problem(
        as_rows(X), y, np.ones(150), np.arange(150), make_loss(loss, epsilon), 0, 0, True
    )
    null = null_model(problem).objective
    unit = 1.0 if loss in CLASSIFICATION_LOSSES else scale
    w, b = naive.optimum(loss, X / unit if unit != scale else X, y, 0, 0, epsilon=epsilon)
    least = naive.smooth_objective(loss, X, y, w, b, 0, 0, epsilon=epsilon)
    assert solver == "sgd" or model.converged_
    if model.converged_:
        assert model.objective_ <= least + 1e-3 * null


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", SMOOTH)
def test_the_residual_is_no_less_than_the_distance(rng, loss, storage):
    X = rng.normal(size=(80, 3))
    X = np.column_stack([X, X[:, 0] + 1e-2 * rng.normal(size=80)]) + 0.5
    y = X @ [1.0, -1.0, 0.0, 2.0] + 2.0 * rng.normal(size=80)
    if loss in CLASSIFICATION_LOSSES:
        y = np.where(y > np.median(y), 1.0, -1.0)
    s = rng.random(80)
    loss_of_rows = make_loss(loss, 0.5)
    rows = as_rows(storage(X))
    problem = Problem(rows, y, s, np.arange(80), loss_of_rows, 0, 0, True)
    model = make_model(loss, epsilon=0.5, tol=1e-10).fit(X, y, sample_weight=s)
    w, b = np.ravel(model.coef_), model.intercept_[0]
    reference = naive.optimum(loss, X, y, 0, 0, s, epsilon=0.5)
    best = naive.smooth_objective(loss, X, y, *reference, 0, 0, s, epsilon=0.5)
    assert model.objective_ <= best + 1e-9
    for suboptimality in (0.0, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0):
        near = w + suboptimality * rng.normal(size=4)
        seen = judge(problem, near, b, 0.0)
        assert seen.residual >= 0.999 * (seen.objective - model.objective_) - 1e-12
        if suboptimality <= 1e-6:
            assert seen.residual <= 2.0 * (seen.objective - model.objective_) + 1e-12


@pytest.mark.parametrize("degree", [3, 9, 15])
def test_polynomials_are_fitted_as_by_an_orthogonal_factorization(degree):
    rng = np.random.default_rng(32)
    x = np.sort(rng.uniform(0, 10, 200))
    y = 3 * np.sin(x) + 0.3 * x + 0.3 * rng.normal(size=200)
    P = x[:, np.newaxis] ** np.arange(1, degree + 1)
    P = (P - P.mean(0)) / P.std(0)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(200), P]))
    least = 0.5 * np.mean((y - basis @ (basis.T @ y)) ** 2)
    for storage in STORAGES:
        model, words = fit(make_model("squared_error", tol=1e-12), storage(P), y)
        assert not words
        assert model.objective_ == pytest.approx(least, rel=1e-7)


def wide_or_tall(rng, shape, kind):
    X = rng.normal(size=shape) * 10.0 ** rng.integers(-2, 3, shape[1]) + rng.normal()
    if kind == "duplicates":
        X[:, 3], X[:, 5] = 3.0 * X[:, 2], X[:, 0] - X[:, 1]
    if kind == "constants":
        X[:, 3], X[:, 4] = 0.0, 7.0
    return X


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", ["regular", "duplicates", "constants"])
@pytest.mark.parametrize("shape", [(5, 12), (8, 60), (60, 8)])
def test_of_many_solutions_the_shortest_is_found(rng, shape, kind, fit_intercept):
    X, y = wide_or_tall(rng, shape, kind), rng.normal(size=shape[0])
    centered = (X - X.mean(0), y - y.mean()) if fit_intercept else (X, y)
    cut = np.finfo(float).eps * max(shape)
    expected = np.linalg.lstsq(*centered, rcond=cut)[0]
    size = np.abs(expected).max()
    for storage in STORAGES:
        for alpha in (0.0, 1e-12):
            model = make_model(
                "squared_error", penalty="l2", alpha=alpha, fit_intercept=fit_intercept
            )
            w = fit(model, storage(X), y)[0].coef_
            assert np.linalg.norm(w) == pytest.approx(np.linalg.norm(expected), rel=1e-4)
            if alpha == 0.0:
                assert_allclose(w, expected, atol=1e-9 * size)
        path = skreg.regularization_path(
            storage(X), y, alphas=[0.0], l1_ratio=0.0, fit_intercept=fit_intercept
        )
        assert path.converged.all()
        assert_allclose(path.coefs[:, 0], expected, atol=1e-9 * size)


def test_no_penalty_and_hardly_any_agree_as_in_ridge():
    rng = np.random.RandomState(0)
    X, y = rng.randn(5, 12), rng.randn(5)
    X[:, 0] *= 100
    for alpha in (0.0, 1e-12):
        w = make_model("squared_error", penalty="l2", alpha=alpha).fit(X, y).coef_
        assert np.linalg.norm(w) == pytest.approx(0.2650, abs=1e-4)


def test_far_targets_of_a_loss_with_a_flat_part_are_reached(rng):
    """At the start all slopes are alike, whatever a step would gain."""
    X = rng.normal(size=(100, 3))
    y = 1e6 * (X @ [1.0, 2.0, 0.0] + 0.1 * rng.normal(size=100))
    model, _ = fit(make_model("huber", epsilon=1.35), X, y)
    assert model.converged_
    near = make_model("huber", epsilon=1.35e-6).fit(X, 1e-6 * y)
    assert_allclose(model.coef_, 1e6 * near.coef_, rtol=1e-3)
