import warnings

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, Ridge
from sklearn.preprocessing import StandardScaler

import skreg
from skreg import SGDRegularizedRegressor
from skreg.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES
from skreg.model_selection.path import SMOOTH_LOSSES
from skreg.solvers.monitor import Solution
from skreg.solvers.path.solve_path import extrapolate, extrapolation_factor

STORAGES = [np.asarray, sparse.csr_matrix]


def make_data(rng, loss, n=150, p=8):
    X = (rng.normal(size=(n, p)) + 0.3) * (rng.random((n, p)) < 0.7)
    y = X @ (rng.normal(size=p) * (np.arange(p) < 5)) + 1.0 + rng.normal(size=n)
    if loss in CLASSIFICATION_LOSSES:
        y = np.where(y > np.median(y), 1.0, -1.0)
    return X, y


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
@pytest.mark.parametrize("loss", SMOOTH_LOSSES)
def test_alpha_max_is_where_weights_begin(rng, loss, l1_ratio, fit_intercept, storage):
    X, y = make_data(rng, loss)
    s = rng.random(150) * (rng.random(150) < 0.9)
    settings = {
        "loss": loss, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept,
        "sample_weight": s,
    }  # fmt: skip
    largest = skreg.alpha_max(storage(X), y, **settings)
    alphas = [largest, 0.999 * largest]
    path = skreg.regularization_path(storage(X), y, alphas=alphas, **settings)
    assert path.n_nonzero[0] == 0
    assert path.n_nonzero[1] > 0
    assert_array_equal(path.coefs[:, 0], 0.0)
    if l1_ratio == 1.0:
        grid = skreg.alpha_grid(storage(X), y, n_alphas=5, eps=0.01, **settings)
        assert_allclose(grid, largest * np.array([1, 10**-0.5, 0.1, 10**-1.5, 0.01]))


@pytest.mark.parametrize(("scale", "offset"), [(1e8, 0), (1, 1e8), (1e3, -1e8), (1e-6, 0)])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", [x for x in SMOOTH_LOSSES if x in REGRESSION_LOSSES])
def test_no_weight_is_left_at_alpha_max(loss, fit_intercept, scale, offset):
    """Also where it is below the rounding of the slopes of far targets."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(60, 8))
        y = offset + scale * (X[:, 0] + rng.normal(size=60))
        settings = {"fit_intercept": fit_intercept, "epsilon": min(0.1, 0.1 * scale)}
        largest = skreg.alpha_max(X, y, loss=loss, **settings)
        model = SGDRegularizedRegressor(loss, penalty="l1", **settings)
        assert not model.set_params(alpha=largest).fit(X, y).coef_.any()
        assert model.set_params(alpha=0.99 * largest).fit(X, y).coef_.any()


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("loss", SMOOTH_LOSSES)
def test_every_point_is_certified(rng, loss, l1_ratio, fit_intercept, storage):
    X, y = make_data(rng, loss)
    s = rng.random(150)
    path = skreg.regularization_path(
        storage(X), y, n_alphas=6, loss=loss, l1_ratio=l1_ratio, sample_weight=s,
        fit_intercept=fit_intercept, tol=1e-7,
    )  # fmt: skip
    assert path.converged.all()
    assert path.coefs.shape == (8, 6)
    assert (np.diff(path.alphas) < 0.0).all()
    for alpha, w, b, value, gap in zip(
        path.alphas, path.coefs.T, path.intercepts, path.objectives, path.gaps, strict=True
    ):
        l1, l2 = alpha * l1_ratio, alpha * (1.0 - l1_ratio)
        data = loss, X, y, w, b
        assert_allclose(naive.smooth_objective(*data, l1, l2, s), value, rtol=1e-10)
        assert naive.duality_gap(*data, l1, l2, s, fit_intercept) <= gap + 1e-9 * value
        assert gap <= 1e-6
        if not fit_intercept:
            assert b == 0.0


@pytest.mark.parametrize("tall", [True, False])
def test_path_equals_independent_fits(rng, tall):
    X = rng.normal(size=(120, 20) if tall else (30, 80))
    y = X[:, :4] @ [3.0, -2.0, 1.0, 0.5] + rng.normal(size=len(X))
    path = skreg.regularization_path(X, y, n_alphas=10, l1_ratio=0.7, eps=0.01)
    for alpha, value in zip(path.alphas, path.objectives, strict=True):
        model = skreg.SGDRegularizedRegressor(
            penalty="elasticnet", alpha=alpha, l1_ratio=0.7, tol=1e-9
        ).fit(X, y)
        assert_allclose(value, model.objective_, rtol=1e-6)


def test_a_path_leads_on(rng):
    def solution(*coef):
        return Solution(np.array(coef), coef[0], 1, True, None, {}, None, None)

    before, last = solution(1.0, -4.0, 0.0, 3.0), solution(2.0, -1.0, 0.0, 0.0)
    coef, intercept = extrapolate(before, last, 2.0)
    assert_allclose(coef, [4.0, 0.0, 0.0, 0.0])  # none crosses 0, or comes back
    assert_allclose(intercept, 4.0)


def test_a_path_leads_no_further_than_the_last_way():
    assert_allclose(extrapolation_factor((0.8, 0.0), (0.2, 0.2), (0.1, 0.1)), 1.0)
    assert_allclose(extrapolation_factor((0.8, 0.0), (0.2, 0.0), (0.1, 0.0)), 0.5)
    assert extrapolation_factor((0.8, 0.0), (0.4, 0.0), (1e-9, 0.0)) == 1.0
    assert extrapolation_factor((0.8, 0.0), (0.4, 0.0), (0.4, 0.0)) == 0.0
    nearly = np.nextafter(0.4, 0.0)
    assert 0.0 <= extrapolation_factor((0.4, 0.0), (nearly, 0.0), (0.2, 0.0)) <= 1.0


def test_alphas_may_be_equal_or_far_apart(rng):
    X = rng.normal(size=(60, 5))
    y = np.where(X[:, 0] - X[:, 1] + rng.normal(size=60) > 0.0, 1, 0)
    alphas = [0.1, 0.1, np.nextafter(0.1, 0.0), 1e-3, 1e-3, 0.0]
    path = skreg.regularization_path(X, y, loss="log_loss", alphas=alphas)
    assert path.converged.all()
    for near in (1, 2):
        assert_allclose(path.coefs[:, 0], path.coefs[:, near], rtol=1e-6)
    assert_allclose(path.coefs[:, 3], path.coefs[:, 4], rtol=1e-6)


def test_rows_without_values_and_no_penalty(rng):
    X = sparse.csr_matrix((50, 200))
    path = skreg.regularization_path(X, rng.normal(size=50), alphas=[0.1, 0.0])
    assert not path.coefs.any()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "huber"])
def test_wide_features_far_from_0_are_certified_as_they_are(rng, loss):
    """Rotated rows predict a little else than the rows themselves."""
    X = rng.normal(size=(50, 200)) + 1e5
    y = np.sign((X - X.mean(axis=0)) @ rng.normal(size=200))
    path = skreg.regularization_path(X, y, loss=loss, alphas=[0.1], l1_ratio=0.0, tol=1e-8)
    found = skreg.objective(X, y, path.coefs[:, 0], path.intercepts[0], loss=loss, l2=0.1)
    assert_allclose(path.objectives[0], found, rtol=1e-10)


@pytest.mark.parametrize("n_empty", [0, 60])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "huber"])
def test_penalties_that_share_passes_equal_independent_fits(rng, loss, n_empty):
    """Many sparse rows under L2, some of weight 0: eight alphas take steps together."""
    X = sparse.random(1500, 40, density=0.2, format="csr", random_state=0)
    y = X @ rng.normal(size=40) + 0.3 + 0.3 * rng.normal(size=1500)
    X = sparse.hstack([X, sparse.csr_matrix((1500, n_empty))], format="csr")
    if loss == "log_loss":
        y = np.where(y > y.mean(), 1.0, -1.0)
    weights = rng.integers(3, size=1500) * 1.0
    path = skreg.regularization_path(
        X, y, loss=loss, l1_ratio=0.5, n_alphas=11, eps=1e-3, sample_weight=weights
    )
    assert path.converged.all()
    for alpha, coef, intercept in zip(
        path.alphas, path.coefs.T, path.intercepts, strict=True
    ):
        l1 = l2 = alpha / 2.0
        w, b = naive.optimum(loss, X.toarray()[:, :40], y, l1, l2, weights)
        best = naive.smooth_objective(loss, X.toarray()[:, :40], y, w, b, 0.0, l2, weights)
        best += l1 * np.abs(w).sum()
        found = skreg.objective(
            X, y, coef, intercept, loss=loss, l1=l1, l2=l2, sample_weight=weights
        )
        assert found <= best * (1.0 + 2e-6)
    assert not path.coefs[:, 0].any()


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_features_that_no_row_has_are_left_out(rng, l1_ratio):
    X = sparse.random(1100, 20, density=0.2, format="csr", random_state=0)
    y = X @ rng.normal(size=20) + rng.normal(size=1100)
    wide = sparse.csr_matrix((X.data, 3 * X.indices, X.indptr), shape=(1100, 90))
    path = skreg.regularization_path(X, y, l1_ratio=l1_ratio, n_alphas=9)
    same = skreg.regularization_path(wide, y, l1_ratio=l1_ratio, n_alphas=9)
    assert_allclose(same.coefs[:60:3], path.coefs, atol=1e-3)
    assert not np.delete(same.coefs, np.arange(0, 60, 3), axis=0).any()
    assert same.converged.all()


def test_penalties_that_share_passes_at_the_edges(rng):
    X = sparse.random(1200, 30, density=0.2, format="csr", random_state=0)
    y = X @ rng.normal(size=30) + 2.0
    constant = skreg.regularization_path(X, np.full(1200, 3.0), l1_ratio=0.5, n_alphas=9)
    assert not constant.coefs.any()
    assert_allclose(constant.intercepts, 3.0)
    through_zero = skreg.regularization_path(
        X, y, l1_ratio=0.5, n_alphas=9, fit_intercept=False
    )
    assert not through_zero.intercepts.any()
    assert through_zero.converged.all()
    with pytest.raises(ValueError, match="targets are too large"):
        skreg.regularization_path(X, 1e160 * y, l1_ratio=0.5, n_alphas=9)
    single = skreg.regularization_path(X.astype(np.float32), y, l1_ratio=0.5, n_alphas=9)
    double = skreg.regularization_path(X, y, l1_ratio=0.5, n_alphas=9)
    assert_allclose(single.coefs, double.coefs, atol=0.01)


def test_zeros_are_those_of_lasso():
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    path = skreg.regularization_path(X, y, n_alphas=20, tol=1e-9)
    for alpha, w, b in zip(path.alphas, path.coefs.T, path.intercepts, strict=True):
        lasso = Lasso(alpha, tol=1e-12, max_iter=100_000).fit(X, y)
        assert_array_equal(w != 0.0, lasso.coef_ != 0.0)
        assert_allclose(w, lasso.coef_, atol=1e-3)
        assert_allclose(b, lasso.intercept_)


def test_strengths_without_l1_are_those_of_ridge(rng):
    X, y = make_data(rng, "squared_error")
    path = skreg.regularization_path(X, y, alphas=[0.01, 10.0, 0.0], l1_ratio=0.0)
    assert_array_equal(path.alphas, [10.0, 0.01, 0.0])
    for alpha, w in zip(path.alphas, path.coefs.T, strict=True):
        assert_allclose(w, Ridge(150 * alpha).fit(X, y).coef_, rtol=1e-6)
    assert path.converged.all()
    assert np.isinf(path.gaps[-1])


@pytest.mark.parametrize("storage", STORAGES)
def test_labels_may_be_anything_and_wide_data_too(rng, storage):
    X, y = load_breast_cancer(return_X_y=True)
    X = storage(StandardScaler().fit_transform(X))
    labels = np.array(["malignant", "benign"])[y]
    paths = [
        skreg.regularization_path(X, target, loss="log_loss", n_alphas=5)
        for target in (labels, 1 - 2 * y)
    ]
    assert_allclose(paths[0].coefs, paths[1].coefs, atol=1e-12)
    three = np.arange(569) % 3
    with pytest.raises(ValueError, match="two classes"):
        skreg.regularization_path(X, three, loss="log_loss")
    assert skreg.alpha_max(X, three, loss="log_loss") == max(
        skreg.alpha_max(X, three == k, loss="log_loss") for k in range(3)
    )


def test_features_far_from_zero_keep_their_digits(rng):
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, 0.0, -2.0] + 0.1 * rng.normal(size=200)
    far = X + np.array([1e6, -1e3, 0.0])
    paths = [skreg.regularization_path(M, y, alphas=[0.1]) for M in (X, far)]
    assert_allclose(paths[1].coefs, paths[0].coefs, rtol=1e-8)


@pytest.mark.parametrize("seed", [3219, 4662, 8177])
def test_features_that_depend_on_each_other_converge(seed):
    rng = np.random.RandomState(seed)
    X = np.tile(rng.randn(10, 50) * 10.0 ** rng.uniform(-3, 3, 50), (6, 1))
    y = np.tile(rng.randn(10), 6)
    path = skreg.regularization_path(X, y, n_alphas=4, l1_ratio=0.5)
    assert path.converged.all()


@pytest.mark.parametrize("factor", [1e160, 1e-160])
def test_squares_that_overflow_are_refused(rng, factor):
    X, y = make_data(rng, "squared_error")
    with pytest.raises(ValueError, match="Scale the features"):
        skreg.regularization_path(factor * X, y, n_alphas=3)


def test_targets_that_nothing_explains(rng):
    X = rng.normal(size=(20, 3))
    assert skreg.alpha_max(X, np.ones(20)) < 1e-12
    path = skreg.regularization_path(X, np.ones(20), n_alphas=3)
    assert_array_equal(path.n_nonzero, 0)
    assert_allclose(path.intercepts, 1.0)


def test_bad_arguments_are_named(rng):
    X, y = make_data(rng, "squared_error")
    with pytest.raises(ValueError, match="l1_ratio must be above 0"):
        skreg.alpha_max(X, y, l1_ratio=0.0)
    for alphas, name in [
        ([1.0, -1.0], r"alphas\[1\] is -1.0"), ([[1.0]], "one dimension"),
        ([np.nan], r"alphas\[0\] is nan"), ([0.0, 1.0, np.inf], r"alphas\[2\] is inf"),
        (["0.1"], r"alphas\[0\] is '0.1'"), ([], "at least one"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=name):
            skreg.regularization_path(X, y, alphas=alphas)
    for name, value in {
        "loss": "hinge", "l1_ratio": 2.0, "eps": 1.0, "n_alphas": 0, "tol": -1.0,
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=name):
            skreg.regularization_path(X, y, **{name: value})
    with pytest.raises(ValueError, match="two classes"):
        skreg.alpha_max(X, np.ones(150), loss="log_loss")


def test_poor_fits_are_told_of_once(rng):
    X, y = make_data(rng, "log_loss")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        path = skreg.regularization_path(
            X, y, loss="log_loss", n_alphas=4, max_iter=1, tol=0.0
        )
    assert not path.converged.all()
    (warning,) = [w for w in seen if issubclass(w.category, ConvergenceWarning)]
    assert "alphas did not come to tol" in str(warning.message)
    assert warning.filename == __file__


def test_arguments_are_left_alone(rng):
    X, y = make_data(rng, "squared_error")
    alphas = np.array([0.1, 1.0])
    copies = X.copy(), y.copy(), alphas.copy()
    skreg.regularization_path(X, y, alphas=alphas)
    for one, two in zip((X, y, alphas), copies, strict=True):
        assert_array_equal(one, two)
