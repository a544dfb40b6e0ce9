import warnings

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

import skreg.solvers.working_set.newton
import skreg.solvers.working_set.svrg
from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, REGRESSION_LOSSES

SMOOTH = [name for name in LOSSES if LOSSES[name].max_curvature is not None]
PENALTIES = ["l1", "l2", "elasticnet", None]
STORAGES = [np.asarray, sparse.csr_matrix]


def make_model(loss, penalty="l2", alpha=0.05, **parameters):
    is_classifier = loss in CLASSIFICATION_LOSSES
    model = SGDRegularizedClassifier if is_classifier else SGDRegularizedRegressor
    settings = {"l1_ratio": 0.5, "solver": "svrg", "random_state": 0} | parameters
    return model(loss, penalty=penalty, alpha=alpha, **settings)


def strengths(model):
    ratio = {"l1": 1.0, "l2": 0.0, "elasticnet": model.l1_ratio, None: 0.0}[model.penalty]
    alpha = 0.0 if model.penalty is None else model.alpha
    return alpha * ratio, alpha * (1.0 - ratio)


def make_data(rng, loss, n=120, p=9):
    """Return numbers that float32 holds exactly, and targets (-1 and +1 for classes)."""
    X = (rng.normal(size=(n, p)) + 0.3) * (rng.random((n, p)) < 0.6)
    y = X @ (rng.normal(size=p) * (np.arange(p) < 5)) + 1.0 + rng.normal(size=n)
    if loss in CLASSIFICATION_LOSSES:
        y = np.where(y > np.median(y), 1.0, -1.0)
    return X.astype(np.float32).astype(np.float64), y


def weights_of(model):
    return np.ravel(model.coef_).astype(np.float64), float(model.intercept_[0])


def gap_of(model, X, y, s=None):
    w, b = weights_of(model)
    return naive.duality_gap(
        model.loss, X, y, w, b, *strengths(model), s, model.fit_intercept
    )


def violation_of(model, X, y, s=None):
    w, b = weights_of(model)
    return naive.kkt_violation(
        model.loss, X, y, w, b, *strengths(model), s, model.fit_intercept
    )


def objective_of(model, X, y, w, b):
    return naive.smooth_objective(model.loss, X, y, w, b, *strengths(model))


def null_objective(loss, y, fit_intercept):
    """The least mean loss of one number, on a fine grid."""
    grid = np.linspace(y.min() - 1, y.max() + 1, 4001) if fit_intercept else np.zeros(1)
    return min(naive.VALUES[loss](y, b, 0.1).mean() for b in grid)


def peer_of(model, n):
    """Return the model of scikit-learn for the same objective, or None."""
    alpha, common = model.alpha, {"fit_intercept": model.fit_intercept}
    exact = {"tol": 1e-12, "max_iter": 10**5}
    if model.loss == "squared_error":
        return {
            "l1": Lasso(alpha, **exact, **common),
            "l2": Ridge(n * alpha, **common),
            "elasticnet": ElasticNet(alpha=alpha, l1_ratio=0.5, **exact, **common),
            None: Ridge(0.0, **common),
        }[model.penalty]
    if model.loss == "log_loss" and model.penalty == "l2":
        return LogisticRegression(C=1 / (n * alpha), tol=1e-10, max_iter=10**4, **common)
    return None


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", SMOOTH)
def test_every_fit_ends_at_the_optimum(rng, loss, penalty, fit_intercept):
    X, y = make_data(rng, loss)
    model = make_model(loss, penalty, tol=1e-6, fit_intercept=fit_intercept)
    target = 1e-6 * null_objective(loss, y, fit_intercept)
    candidates = [naive.optimum(loss, X, y, *strengths(model), None, fit_intercept)]
    peer = peer_of(model, len(y))
    if peer is not None:
        peer.fit(X, y)
        candidates.append((np.ravel(peer.coef_), float(np.ravel(peer.intercept_)[0])))
    least = min(objective_of(model, X, y, *candidate) for candidate in candidates)
    expected = None
    for storage in STORAGES:
        for dtype in (np.float64, np.float32):
            model.fit(storage(X.astype(dtype)), y)
            assert model.converged_
            assert model.solver_ == "svrg"
            assert model.coef_.dtype == dtype
            w, b = weights_of(model)
            value = objective_of(model, X, y, w, b)
            assert model.objective_ == pytest.approx(value, rel=1e-6)
            assert value <= least + target
            assert value >= least - 1e-7 * max(1.0, least)
            rounding = 0.0 if dtype == np.float64 else 1e-6 * value
            if penalty is not None:
                assert model.dual_gap_ <= target
                assert gap_of(model, X, y) <= target + rounding
            if not fit_intercept:
                assert b == 0.0
            if expected is None:
                expected = w, b
            tolerance = 1e-6 if dtype == np.float64 else 1e-5
            assert_allclose(w, expected[0], atol=tolerance)
            assert_allclose(b, expected[1], atol=tolerance)
            assert_array_equal(w == 0.0, expected[0] == 0.0)


@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet"])
@pytest.mark.parametrize("loss", SMOOTH)
def test_weights_are_repetition_and_have_no_unit(rng, loss, penalty):
    X, y = make_data(rng, loss, n=60)
    s = rng.integers(0, 4, 60)
    repeated = np.repeat(X, s, axis=0), np.repeat(y, s)
    expected = weights_of(make_model(loss, penalty).fit(*repeated))
    for weights in (s.astype(float), 1e-3 * s, 1e6 * s):
        w, b = weights_of(make_model(loss, penalty).fit(X, y, sample_weight=weights))
        assert_allclose(w, expected[0], atol=1e-7)
        assert_allclose(b, expected[1], atol=1e-7)


@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet"])
@pytest.mark.parametrize("loss", SMOOTH)
def test_order_of_rows_and_visits_changes_nothing(rng, loss, penalty):
    X, y = make_data(rng, loss)
    expected = weights_of(make_model(loss, penalty).fit(X, y))
    order = rng.permutation(len(y))
    twins = [
        make_model(loss, penalty, shuffle=False).fit(X, y),
        make_model(loss, penalty, random_state=1).fit(X, y),
        make_model(loss, penalty).fit(X[order], y[order]),
    ]
    for w, b in map(weights_of, twins):
        assert_allclose(w, expected[0], atol=1e-7)
        assert_allclose(b, expected[1], atol=1e-7)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", SMOOTH)
def test_warm_start_from_the_solution_stays(rng, loss, penalty):
    X, y = make_data(rng, loss)
    model = make_model(loss, penalty, warm_start=True).fit(X, y)
    (w, b), n_iter = weights_of(model), model.n_iter_
    model.fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= n_iter
    assert_allclose(weights_of(model)[0], w, atol=1e-9)
    assert_allclose(weights_of(model)[1], b, atol=1e-9)


def test_warm_start_from_anywhere_ends_at_the_same_weights(rng):
    for loss in ("squared_error", "log_loss"):
        X, y = make_data(rng, loss)
        X[:, 8] = 0.0
        expected = make_model(loss, "l1").fit(X, y)
        start = {"coef_init": 3.0 * rng.normal(size=9), "intercept_init": -2.0}
        model = make_model(loss, "l1").fit(X, y, **start)
        assert_allclose(weights_of(model)[0], weights_of(expected)[0], atol=1e-7)
        assert model.coef_.flat[8] == 0.0


def test_ridge_equals_the_normal_equations(rng):
    X, y = make_data(rng, "squared_error")
    for fit_intercept in (True, False):
        A = np.column_stack([X, np.ones(len(y))]) if fit_intercept else X
        penalty = 0.05 * np.eye(A.shape[1])
        penalty[9:] = 0.0
        exact = np.linalg.solve(A.T @ A / len(y) + penalty, A.T @ y / len(y))
        for storage in STORAGES:
            model = make_model("squared_error", fit_intercept=fit_intercept)
            model.fit(storage(X), y)
            assert_allclose(model.coef_, exact[:9], rtol=1e-11)
            if fit_intercept:
                assert_allclose(model.intercept_, exact[9], rtol=1e-11)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_small_l1_problems_are_solved_to_rounding(rng, loss, storage):
    """At default settings the optimality conditions hold to 1e-10."""
    X, y = make_data(rng, loss)
    for alpha in (0.2, 0.05, 0.005):
        model = make_model(loss, "l1", alpha=alpha).fit(storage(X), y)
        assert violation_of(model, X, y) < 1e-10


@pytest.mark.parametrize(("penalty", "alpha"), [("l1", 0.5), ("l2", 0.01), ("l1", 0.01)])
def test_scikit_learns_data_are_solved_to_rounding(penalty, alpha):
    scale = StandardScaler()
    X, y = load_diabetes(return_X_y=True)
    X = scale.fit_transform(X)
    model = make_model("squared_error", penalty, alpha=alpha).fit(X, y)
    assert violation_of(model, X, y) < 1e-10 * np.abs(X.T @ y / len(y)).max()
    X, y = load_breast_cancer(return_X_y=True)
    X, y = scale.fit_transform(X), 2.0 * y - 1.0
    model = make_model("log_loss", penalty, alpha=alpha / 10).fit(X, y)
    assert violation_of(model, X, y) < 1e-10


def test_small_elastic_net_at_default_settings():
    X = np.array([[-1.0], [0.0], [1.0]])
    for solver in ("auto", "svrg"):
        model = SGDRegularizedRegressor(
            penalty="elasticnet", alpha=0.5, l1_ratio=0.3, solver=solver
        ).fit(X, X.ravel())
        assert model.coef_[0] == pytest.approx(0.50820, abs=5e-6)
        assert model.coef_[0] == pytest.approx((2 / 3 - 0.15) / (2 / 3 + 0.35), rel=1e-12)
        assert abs(model.intercept_[0]) < 1e-12


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet"])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "squared_hinge"])
def test_wide_data(rng, loss, penalty, storage):
    X = rng.normal(size=(40, 400)) * (rng.random((40, 400)) < 0.8)
    y = X[:, :5].sum(axis=1) + 0.3 * rng.normal(size=40)
    if loss in CLASSIFICATION_LOSSES:
        y = np.where(y > np.median(y), 1.0, -1.0)
    model = make_model(loss, penalty, alpha=0.02).fit(storage(X), y)
    assert model.converged_
    assert model.n_iter_ < 50
    assert gap_of(model, X, y) < 1e-9
    if loss == "squared_error":
        peer = peer_of(model, 40).fit(X, y)
        assert_allclose(model.coef_, peer.coef_, atol=1e-6)
        assert_allclose(model.intercept_[0], peer.intercept_, atol=1e-6)
    if penalty != "l2":
        assert 0 < np.count_nonzero(model.coef_) < 100


@pytest.mark.parametrize("storage", STORAGES)
def test_wide_data_without_penalty_are_interpolated(rng, storage):
    X, y = rng.normal(size=(40, 400)), rng.normal(size=40)
    model = make_model("squared_error", None).fit(storage(X), y)
    assert model.converged_
    assert_allclose(model.predict(X), y, atol=1e-8)
    # Classes that can be told apart have no best weights, only better and better ones.
    model = make_model("log_loss", None, max_iter=20)
    with pytest.warns(ConvergenceWarning, match="no minimum"):
        model.fit(storage(X[:10, :20]), y[:10] > 0.0)
    assert not model.converged_
    assert model.n_iter_ < 20
    assert np.isfinite(model.coef_).all()
    assert model.objective_ < 1e-3


def count_calls(monkeypatch, owner, name, calls):
    original = getattr(owner, name)

    def counted(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)


@pytest.mark.parametrize(("penalty", "alpha"), [("l1", 3e-5), ("l2", 1e-5)])
def test_many_rows_and_features(rng, monkeypatch, penalty, alpha):
    """Steps on rows, and Newton's method by conjugate gradients."""
    calls = []
    count_calls(monkeypatch, skreg.solvers.working_set.svrg, "RowSteps", calls)
    count_calls(monkeypatch, skreg.solvers.working_set.newton, "conjugate_gradients", calls)
    csr = sparse.random(
        3000, 3000, density=0.01, format="csr", random_state=0, data_rvs=rng.standard_normal
    )
    y = np.sign(csr @ rng.normal(size=3000) + rng.normal(size=3000))
    model = make_model("log_loss", penalty, alpha=alpha).fit(csr, y)
    assert model.converged_
    X, target = csr.toarray(), 1e-4 * np.log(2)
    assert gap_of(model, X, y) <= target
    # Small data are solved to rounding.
    assert violation_of(model, X, y) < 1e-8
    assert set(calls) == {"RowSteps", "conjugate_gradients"}


def test_rows_are_tried_where_products_do_not_serve(rng, monkeypatch):
    calls = []
    count_calls(monkeypatch, skreg.solvers.working_set.svrg, "RowSteps", calls)
    X = rng.normal(size=(3000, 1000))
    y = X[:, :20] @ rng.normal(size=20) / 4.0 + 0.5 * rng.normal(size=3000)
    assert make_model("huber", None, tol=1e-3).fit(X, y).converged_
    assert calls


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_hundreds_of_dense_features(rng, loss, penalty, correlated):
    """Where products with the matrix of a model serve, and where they do not."""
    X = rng.normal(size=(2000, 420))
    if correlated:
        X += 5.0 * rng.normal(size=(2000, 3)) @ rng.normal(size=(3, 420))
    y = X @ (rng.normal(size=420) * (rng.random(420) < 0.8)) + 9.0 * rng.normal(size=2000)
    if loss == "log_loss":
        y = np.where(y > 0.0, 1.0, -1.0)
    model = make_model(loss, penalty, alpha=0.002, tol=1e-6)
    if (loss, penalty) == ("log_loss", None):  # so many features tell classes apart
        with pytest.warns(ConvergenceWarning, match="no minimum"):
            model.fit(X, y)
        assert model.objective_ < 1e-6
        return
    model.fit(X, y)
    assert model.converged_
    null = null_objective(loss, y, True)
    if penalty is None:
        assert violation_of(model, X, y) <= 1e-2 * null
    else:
        assert gap_of(model, X, y) <= 1.01e-6 * null
    assert model.set_params(tol=None, max_iter=2).fit(X, y).n_iter_ == 2


def test_no_copy_of_the_parameters_or_data_is_changed(rng):
    X, y = make_data(rng, "squared_error")
    s = rng.random(len(y))
    for storage in STORAGES:
        data = storage(X)
        arrays = [data, y, s]
        if sparse.issparse(data):
            arrays = [data.data, data.indices, data.indptr, y, s]
        before = [array.copy() for array in arrays]
        for array in arrays:
            array.flags.writeable = False
        start = np.ones(9)
        make_model("squared_error", "l1").fit(data, y, coef_init=start, sample_weight=s)
        assert_array_equal(start, 1.0)
        for array, copy in zip(arrays, before, strict=True):
            assert_array_equal(array, copy)


OBSTACLES = [
    ({"mode": "subgradient"}, "mode='subgradient'"),
    ({"average": True}, "average"),
    ({"average": 7}, "average"),
    ({"eta0": 0.1}, "eta0"),
    ({"learning_rate": "constant"}, "learning_rate"),
    ({"learning_rate": "adaptive"}, "learning_rate"),
    ({"early_stopping": True}, "early_stopping"),
]


@pytest.mark.parametrize(("parameters", "word"), OBSTACLES)
def test_obstacles_are_named_and_auto_goes_round_them(rng, parameters, word):
    X, y = make_data(rng, "squared_error")
    model = SGDRegularizedRegressor(solver="svrg", random_state=0, tol=None, max_iter=3)
    model.set_params(**parameters)
    if "learning_rate" in parameters:
        model.set_params(power_t=0.25)
    with pytest.raises(ValueError, match=word) as caught:
        model.fit(X, y)
    assert "solver='svrg'" in str(caught.value)
    assert not hasattr(model, "coef_")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.set_params(solver="auto").fit(X, y)
    assert model.solver_ == "sgd"


@pytest.mark.parametrize("loss", SMOOTH)
def test_auto_is_svrg_for_smooth_losses(rng, loss):
    X, y = make_data(rng, loss)
    model = make_model(loss, "elasticnet").fit(X, y)
    auto = make_model(loss, "elasticnet", solver="auto").fit(X, y)
    assert model.solver_ == auto.solver_ == "svrg"
    assert_array_equal(auto.coef_, model.coef_)
    assert make_model(loss, solver="sgd", tol=None, max_iter=2).fit(X, y).solver_ == "sgd"


@pytest.mark.parametrize("loss", ["squared_error", "squared_hinge"])
def test_partial_fit_goes_on_from_the_weights(rng, loss):
    X, y = make_data(rng, loss)
    first = {"classes": [-1.0, 1.0]} if loss == "squared_hinge" else {}
    with pytest.raises(ValueError, match="solver='svrg' needs all rows at once"):
        make_model(loss).partial_fit(X, y, **first)
    model = make_model(loss, None, solver="auto").fit(X, y)
    (w, b), t = weights_of(model), model.t_
    assert model.solver_ == "svrg"
    # Rows without any loss, and without a penalty, give no reason to move.
    raw = X @ w + b
    clear = np.abs(raw) > 1e-3
    rows, targets = X[clear], raw[clear]
    if loss == "squared_hinge":
        targets = np.sign(targets)
        model.coef_, model.intercept_ = 1e4 * model.coef_, 1e4 * model.intercept_
        w, b = 1e4 * w, 1e4 * b
    model.partial_fit(rows, targets)
    assert model.solver_ == "sgd"
    assert model.t_ > len(rows)
    if loss == "squared_error":
        assert model.t_ == t + len(rows)
    assert not hasattr(model, "dual_gap_")
    assert_allclose(weights_of(model)[0], w, rtol=1e-9)
    assert_allclose(weights_of(model)[1], b, rtol=1e-9)
    # Rows with a loss do.
    model.partial_fit(X, -y)
    assert np.abs(weights_of(model)[0] - w).max() > 1e-3


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", SMOOTH)
def test_badly_scaled_data_reach_the_gap_or_warn(rng, loss, penalty):
    X, y = make_data(rng, loss)
    X = X * 10.0 ** np.linspace(-6, 6, 9)
    for storage in STORAGES:
        model = make_model(loss, penalty, alpha=1e-3)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(storage(X), y)
        assert {w.category for w in caught} <= {ConvergenceWarning}
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.intercept_).all()
        null = null_objective(loss, y, True)
        assert model.objective_ <= null * (1 + 1e-6)
        assert model.converged_ or caught
        if model.converged_ and penalty is not None:
            assert gap_of(model, X, y) <= 1.01e-4 * null


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", SMOOTH)
def test_constant_zero_and_repeated_columns(rng, loss, penalty):
    X, y = make_data(rng, loss)
    X[:, 1], X[:, 2], X[:, 4] = 0.0, 3.0, X[:, 3]
    for storage in STORAGES:
        for fit_intercept in (True, False):
            model = make_model(loss, penalty, fit_intercept=fit_intercept)
            w, _ = weights_of(model.fit(storage(X), y))
            assert model.converged_
            assert w[1] == 0.0
            assert violation_of(model, X, y) < 1e-6
            if penalty != "l1" and penalty is not None:  # L2 shares alike
                assert w[3] == pytest.approx(w[4], abs=1e-6)
            if penalty is not None and fit_intercept:  # the intercept costs nothing
                assert abs(w[2]) < 1e-6


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("shape", [(10, 5), (10, 50)])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_features_that_are_all_zero(rng, penalty, shape, storage):
    X, y = np.zeros(shape), rng.normal(size=10)
    model = make_model("squared_error", penalty).fit(storage(X), y)
    assert not model.coef_.any()
    assert model.intercept_[0] == pytest.approx(y.mean())
    labels = np.arange(10) < 7
    model = make_model("log_loss", penalty).fit(storage(X), labels)
    assert not model.coef_.any()
    assert model.intercept_[0] == pytest.approx(np.log(7 / 3))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", SMOOTH)
def test_single_feature(rng, loss, penalty):
    X, y = make_data(rng, loss, p=1)
    for storage in STORAGES:
        model = make_model(loss, penalty, alpha=0.01).fit(storage(X), y)
        assert violation_of(model, X, y) < 1e-6
        assert model.coef_[..., 0].any()


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("n_features", [1, 3, 30])
def test_single_row(penalty, n_features):
    """With an intercept nothing is left to fit; without, one equation is solved."""
    X = np.ones((1, n_features))
    for storage in STORAGES:
        model = make_model("squared_error", penalty).fit(storage(X), [2.0])
        assert not model.coef_.any()
        assert model.intercept_[0] == pytest.approx(2.0)
        model = make_model("squared_error", penalty, fit_intercept=False)
        w = model.fit(storage(X), [2.0]).coef_
        assert model.n_iter_ < 50
        l1, l2 = strengths(model)
        # The sum of the weights t minimizes (t - 2)^2 / 2 + l1 t + l2 t^2 / (2 p).
        assert w.sum() == pytest.approx((2.0 - l1) / (1.0 + l2 / n_features))


def test_two_rows_of_two_classes():
    for penalty in ("l1", "l2", "elasticnet"):
        model = make_model("log_loss", penalty, alpha=0.1).fit(np.eye(2), [0, 1])
        assert violation_of(model, np.eye(2), np.array([-1.0, 1.0])) < 1e-10


def test_targets_that_a_constant_fits(rng):
    X, _ = make_data(rng, "squared_error")
    for penalty in PENALTIES:
        for constant in (0.0, 0.1, -1e6):
            model = make_model("squared_error", penalty).fit(X, np.full(120, constant))
            assert model.converged_
            assert_allclose(model.coef_, 0.0, atol=1e-9 * max(1.0, abs(constant)))
            assert model.intercept_[0] == pytest.approx(constant)


def test_strong_penalty_leaves_the_intercept_only(rng):
    for loss in SMOOTH:
        X, y = make_data(rng, loss)
        model = make_model(loss, "l1", alpha=1e3).fit(X, y)
        assert not model.coef_.any()
        assert model.objective_ == pytest.approx(null_objective(loss, y, True), rel=1e-4)
        assert model.dual_gap_ < 1e-9


def test_several_classes_are_fitted_one_against_all(rng):
    X, _ = make_data(rng, "log_loss")
    labels = np.array(["a", "b", "c"])[rng.integers(0, 3, 120)]
    model = make_model("log_loss", "l1", alpha=0.01).fit(X, labels)
    assert model.coef_.shape == (3, 9)
    for k, label in enumerate("abc"):
        y = np.where(labels == label, 1.0, -1.0)
        one = model.coef_[k], model.intercept_[k], 0.01, 0.0
        assert naive.kkt_violation("log_loss", X, y, *one) < 1e-9


def test_gap_falls_below_the_target_for_every_tolerance(rng):
    X, y = make_data(rng, "log_loss", n=3000, p=40)  # too large to be solved to rounding
    for tol in (1e-2, 1e-4, 1e-6, 1e-8):
        model = make_model("log_loss", "elasticnet", alpha=0.01, tol=tol).fit(X, y)
        assert model.converged_
        assert gap_of(model, X, y) <= 1.001 * tol * null_objective("log_loss", y, True)


def test_too_few_turns_warn(rng):
    X, y = make_data(rng, "log_loss", n=60, p=2000)  # more than one working set is needed
    model = make_model("log_loss", "l1", alpha=0.001, tol=1e-10, max_iter=1)
    with pytest.warns(ConvergenceWarning, match="duality gap"):
        model.fit(X, y)
    assert not model.converged_
    assert model.n_iter_ == 1


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_weights_are_repetition_where_classes_are_nearly_apart(scale):
    for seed in range(6):
        rng = np.random.RandomState(seed)
        X, y = scale * rng.randn(15, 30), (rng.rand(15) < 0.5).astype(int)
        y[:2] = 0, 1
        weights = rng.randint(1, 4, 15)
        rows = np.repeat(np.arange(15), weights)
        one = SGDRegularizedClassifier().fit(X, y, sample_weight=weights)
        two = SGDRegularizedClassifier().fit(X[rows], y[rows])
        assert_allclose(
            one.decision_function(X), two.decision_function(X), rtol=1e-7, atol=1e-6
        )


def exact_signal(rng, n, p):
    X, w = rng.normal(size=(n, p)), np.zeros(p)
    w[rng.choice(p, n // 10, replace=False)] = rng.normal(size=n // 10)
    return X, X @ w


@pytest.mark.parametrize("alpha", [1e-6, 1e-7, 1e-8, 1e-10])
def test_weak_l1_on_an_exact_signal_takes_few_turns(alpha):
    X, y = exact_signal(np.random.default_rng(14), 100, 200)
    model = make_model("squared_error", "l1", alpha=alpha, fit_intercept=False)
    model.fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= 6
    assert model.objective_ == pytest.approx(11.32480 * alpha, rel=1e-4)


@pytest.mark.parametrize("alpha", [1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("loss", [name for name in SMOOTH if name in CLASSIFICATION_LOSSES])
def test_weak_l1_on_classes_apart_takes_few_turns(loss, alpha):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 100))
    y = np.where(X[:, 0] > 0.0, 1.0, -1.0)
    model = make_model(loss, "l1", alpha=alpha, tol=1e-6, max_iter=300).fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= 12
    assert gap_of(model, X, y) <= 1.01e-6 * null_objective(loss, y, True)


def test_log_loss_under_next_to_no_penalty():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 95))
    y = np.where(X[:, 0] + rng.normal(size=20) > 0.0, 1.0, -1.0)
    model = make_model("log_loss", "l1", alpha=1e-13, tol=1e-12, max_iter=300).fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= 12


def raw_polynomial(seed, degree):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 10, 200))
    y = 3 * np.sin(x) + 0.3 * x + 0.3 * rng.normal(size=200)
    return x[:, np.newaxis] ** np.arange(1, degree + 1), y


@pytest.mark.parametrize("penalty", PENALTIES[:3])
@pytest.mark.parametrize("loss", SMOOTH)
def test_raw_polynomials_are_certified_in_few_turns(loss, penalty):
    """Features are as large as 1e10: a gap multiplies what predictions round off."""
    for seed in range(3):
        for degree, alpha in [(10, 1e-4), (10, 1e-2), (7, 1e-5)]:
            P, y = raw_polynomial(seed, degree)
            y = (
                np.where(y > np.median(y), 1.0, -1.0)
                if loss in CLASSIFICATION_LOSSES
                else y
            )
            for storage in STORAGES:
                model = make_model(loss, penalty, alpha=alpha).fit(storage(P), y)
                assert model.converged_
                assert model.n_iter_ <= 6


@pytest.mark.parametrize("alpha", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("degree", [2, 6, 10])
def test_raw_polynomials_end_at_the_optimum_of_ridge(degree, alpha):
    for seed in range(3):
        P, y = raw_polynomial(seed, degree)
        A = np.vstack([P - P.mean(axis=0), np.sqrt(200 * alpha) * np.eye(degree)])
        b = np.append(y - y.mean(), np.zeros(degree))
        residual = b - A @ np.linalg.lstsq(A, b, rcond=None)[0]
        model = make_model("squared_error", alpha=alpha).fit(P, y)
        assert model.objective_ == pytest.approx(residual @ residual / 400, rel=1e-10)


@pytest.mark.parametrize("tol", [1e-8, 1e-10])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", [name for name in SMOOTH if name in REGRESSION_LOSSES])
def test_targets_far_from_0_lose_no_digits(loss, penalty, tol):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(100, 10))
        y = X @ rng.normal(size=10) + rng.normal(size=100)
        settings = {"alpha": 1e-2, "tol": tol}
        near = make_model(loss, penalty, **settings).fit(X, y)
        for offset in (1e8, -1e8, 1e5):
            for storage in STORAGES:
                far = make_model(loss, penalty, **settings).fit(storage(X), y + offset)
                assert far.converged_
                assert_allclose(far.coef_, near.coef_, atol=1e-6)
