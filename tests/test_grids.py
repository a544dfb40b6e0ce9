import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

import skreg
from skreg import SGDRegularizedClassifierCV, SGDRegularizedRegressorCV
from skreg.losses import CLASSIFICATION_LOSSES
from skreg.model_selection.grids import Extension, check_alphas, is_unfinished, warn_of_end
from skreg.model_selection.path import SMOOTH_LOSSES

RATIOS = [0.0, 0.1, 0.5, 0.9, 1.0]


def search(y, **settings):
    kind = SGDRegularizedRegressorCV
    if len(np.unique(y)) < 10:
        kind = SGDRegularizedClassifierCV
    return kind(**settings)


def least_loss(X, y, largest, **settings):
    """Return the least held-out loss over 14 decades of alphas."""
    alphas = 10.0 * largest * 10.0 ** -np.arange(0.0, 14.0, 0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the best alpha may be the smallest
        return -search(y, alphas=alphas, **settings).fit(X, y).best_score_


@pytest.mark.parametrize("l1_ratio", RATIOS)
@pytest.mark.parametrize("units", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("of", ["X", "y"])
def test_diabetes_is_learned_in_any_units(l1_ratio, units, of):
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    X, y = (units * X, y) if of == "X" else (X, units * y)
    model = SGDRegularizedRegressorCV(l1_ratio=l1_ratio, scoring="r2").fit(X, y)
    assert model.best_score_ > 0.481
    assert model.alphas_[-1] < model.alpha_ < model.alphas_[0]


@pytest.mark.parametrize("l1_ratio", RATIOS)
def test_a_search_with_nothing_but_defaults_ends_within_its_grid(l1_ratio):
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = SGDRegularizedRegressorCV(l1_ratio=l1_ratio).fit(X, y)
    assert model.alphas_[-1] < model.alpha_ < model.alphas_[0]
    peer = RidgeCV(np.geomspace(1e-3, 1e5, 100), cv=5, scoring="neg_mean_squared_error")
    assert 2.0 * model.best_score_ > 1.005 * peer.fit(X, y).best_score_


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "squared_epsilon_insensitive"])
def test_units_change_no_prediction(rng, loss, l1_ratio):
    X = rng.normal(size=(150, 6))
    y = 3.0 + X[:, 0] + 0.3 * X[:, 1] + rng.normal(size=150)

    def predicted(of_X, of_y):
        model = SGDRegularizedRegressorCV(
            loss, l1_ratio=l1_ratio, alphas=30, cv=3, epsilon=0.5 * of_y, random_state=0
        ).fit(of_X * X, of_y * y)
        return model.predict(of_X * X) / of_y

    expected = predicted(1.0, 1.0)
    for c in (1e-6, 1e-3, 1e6):
        assert_allclose(predicted(c, 1.0), expected, rtol=1e-6)
        assert_allclose(predicted(1.0, c), expected, rtol=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("data", [load_breast_cancer, load_wine, load_diabetes])
def test_features_may_have_units_of_their_own(data, l1_ratio):
    """The loss of raw breast cancer falls again below a plateau of two decades."""
    raw = {"scaled": False} if data is load_diabetes else {}
    X, y = data(return_X_y=True, **raw)
    y = y if data is load_diabetes else (y == 1) * 1
    settings = {"l1_ratio": l1_ratio, "cv": 3, "store_path": None}
    model = search(y, alphas=50, **settings).fit(X, y)
    best = least_loss(X, y, model.alphas_[0], **settings)
    assert -model.best_score_ < 1.005 * best


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", SMOOTH_LOSSES)
def test_default_grids_hold_the_best_alpha(rng, loss, fit_intercept, storage, l1_ratio):
    X = rng.normal(size=(120, 5)) * [1.0, 1e-3, 1e3, 1.0, 1.0] + (
        0.5 if fit_intercept else 0
    )
    y = X @ [1.0, 500.0, 1e-3, 0.0, 0.0] + 2.0 * rng.normal(size=120)
    if loss in CLASSIFICATION_LOSSES:
        y = np.where(y > np.median(y), "yes", "no")
    settings = {
        "loss": loss, "l1_ratio": l1_ratio, "cv": 3, "fit_intercept": fit_intercept,
        "store_path": None,
    }  # fmt: skip
    s = rng.integers(0, 3, size=120)
    model = search(y, alphas=40, **settings).fit(storage(X), y, sample_weight=s)
    alphas = 10.0 * model.alphas_[0] * 10.0 ** -np.arange(0.0, 14.0, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = search(y, alphas=alphas, **settings).fit(X, y, sample_weight=s)
    assert model.best_score_ > 1.005 * reference.best_score_


def test_ratios_share_the_length_of_their_grids():
    X, y = load_diabetes(return_X_y=True)
    model = SGDRegularizedRegressorCV(l1_ratio=RATIOS, alphas=50, cv=3).fit(X, y)
    assert model.alphas_.shape == (5, len(model.cv_results_["params"]) // 5)
    steps = np.diff(np.log(model.alphas_))
    assert_allclose(steps, np.repeat(steps[:, :1], steps.shape[1], axis=1), rtol=1e-6)
    assert model.coef_path_.shape == (10, model.alphas_.shape[1])
    plain = skreg.SGDRegularizedRegressor(
        penalty="elasticnet", alpha=model.alpha_, l1_ratio=model.l1_ratio_, tol=1e-9
    ).fit(X, y)
    assert_allclose(model.predict(X), plain.predict(X), rtol=1e-3)


def test_a_path_that_goes_on_is_that_of_the_whole_grid(rng):
    lengths = []
    for X in [
        rng.normal(size=(80, 6)),
        rng.normal(size=(40, 90)),
        sparse.random(1500, 40, density=0.2, format="csr", random_state=0),
    ]:
        w = rng.normal(size=X.shape[1])
        y = X @ w + 0.01 * rng.normal(size=X.shape[0])
        for l1_ratio in (0.0, 0.5, 1.0):
            settings = {"l1_ratio": l1_ratio, "cv": 3, "tol": 1e-9, "store_path": None}
            model = SGDRegularizedRegressorCV(alphas=12, eps=0.1, **settings).fit(X, y)
            lengths.append(len(model.alphas_))
            whole = SGDRegularizedRegressorCV(alphas=model.alphas_, **settings)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                whole.fit(X, y)
            name = "mean_test_score"
            assert_allclose(model.cv_results_[name], whole.cv_results_[name], rtol=1e-3)
    assert np.sum(np.array(lengths) > 12) >= 6


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_nothing_to_learn_is_no_reason_to_warn(rng, l1_ratio):
    X = rng.normal(size=(60, 4))
    for y in (np.full(60, 3.0), np.zeros(60)):
        model = SGDRegularizedRegressorCV(l1_ratio=l1_ratio, alphas=10).fit(X, y)
        assert_allclose(model.predict(X), y, atol=1e-9)
    model = SGDRegularizedRegressorCV(l1_ratio=l1_ratio, alphas=10)
    model.fit(np.zeros((60, 4)), rng.normal(size=60))
    assert not model.coef_.any()
    y = rng.normal(size=60)
    model = SGDRegularizedRegressorCV(l1_ratio=l1_ratio).fit(X, y)
    assert -model.best_score_ < 1.005 * least_loss(
        X, y, model.alphas_[0], l1_ratio=l1_ratio
    )


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_data_without_noise_end_where_fits_are_exact(rng, l1_ratio):
    X = rng.normal(size=(60, 4))
    y = X @ [1.0, -2.0, 0.0, 3.0] + 1.0
    model = SGDRegularizedRegressorCV(l1_ratio=l1_ratio, alphas=30, scoring="r2").fit(X, y)
    assert model.best_score_ > 0.9999
    assert len(model.alphas_) < 150


def test_grids_append_a_decade_at_their_own_spacing():
    grids = [np.geomspace(1.0, 1e-3, 31), np.geomspace(100.0, 1e-3, 31)]
    extension, parts = Extension(grids), []
    while (part := extension.after(grids)) is not None:
        parts.append(part)
        grids = [np.append(*pair) for pair in zip(grids, part, strict=True)]
    assert [len(part) for part in parts[0]] == [10, 10]
    assert len(parts) == 10
    assert_allclose(grids[0], 10.0 ** -(np.arange(131) / 10))
    assert_allclose(grids[1][-1], 1e-3 * 10.0 ** -(100 / 6))
    assert Extension([np.array([1.0])]).after([np.array([1.0])]) is None


def test_a_grid_is_unfinished_while_its_loss_falls():
    alphas = np.geomspace(1.0, 1e-3, 31)
    place = np.arange(31)

    def unfinished(losses, n_alphas=31):
        return is_unfinished(alphas[:n_alphas], 1.0, losses, np.ones(n_alphas), 1e-5)

    assert unfinished(2.0 - place / 31)
    assert unfinished(2.0 + (place - 20.0) ** 2)
    assert not unfinished(2.0 + (place - 14.0) ** 2)
    assert not unfinished(2.0 - 1e-3 * (place > 20))  # a plateau
    assert not unfinished(1e-6 * 10.0**-place + (place == 0))  # no noise
    assert unfinished(np.array([2.0, 1.0]), 2)


def test_a_grid_is_unfinished_while_there_is_much_to_learn():
    alphas = np.geomspace(1.0, 1e-3, 31)
    place, rising = np.arange(31), 2.0 + np.arange(31)
    assert is_unfinished(alphas, 1.0, rising, 2.0 - place / 31, 1e-5)
    learned, saturated = 2.0 * 0.8**place, 1.0 + 0.5**place
    assert not is_unfinished(alphas, 1.0, rising, learned, 1e-5)
    assert not is_unfinished(alphas, 1.0, rising, saturated, 1e-5)
    assert is_unfinished(alphas, 1e-4, rising, saturated, 1e-5)  # a fold has begun late


@pytest.mark.parametrize("l1_ratio", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("seed", [1, 3])
def test_an_outlier_does_not_hide_the_other_rows(seed, l1_ratio):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(100, 10))
    X[rng.integers(100)] *= 1e3
    y = X / X.std(axis=0) @ rng.normal(size=10) + 0.1 * rng.normal(size=100)
    assert skreg.SGDRegularizedRegressorCV(l1_ratio=l1_ratio).fit(X, y).best_score_ > -0.1


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_heavy_tails_are_waited_for(l1_ratio):
    """Held-out losses rise to twice that of no weights before they fall."""
    rng = np.random.default_rng(1)
    X = np.exp(3.0 * rng.normal(size=(100, 10)))
    y = X / X.std(axis=0) @ rng.normal(size=10) + 0.1 * rng.normal(size=100)
    model = skreg.SGDRegularizedClassifierCV(l1_ratio=l1_ratio)
    assert model.fit(X, y > np.median(y)).best_score_ > -0.32


@pytest.mark.parametrize(
    ("scores", "is_null", "end"),
    [
        ([3, 2, 1, 0, 0], False, "largest .* larger ones"),
        ([3, 2, 1, 0, 0], True, None),
        ([0, 0, 1, 2, 3], False, "smallest .* smaller ones"),
        ([0, 0, 3, 2, 3], False, None),
        ([0, 3, 3, 3, 3.001], False, None),
        ([0, 3, 2, 1, 0], False, None),
        ([np.nan, 3, 2, 1, 4], False, "smallest"),
    ],
)
def test_given_grids_that_end_at_the_best_score_are_told_of(scores, is_null, end):
    alphas = np.array([100.0, 10.0, 1.0, 0.1, 0.01])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warn_of_end(alphas, np.array(scores, dtype=float), is_null)
        warn_of_end(alphas[:2], np.array([0.0, 1.0]), is_null)
        warn_of_end(np.array([1.0, 0.1, 0.0]), np.array([0.0, 1.0, 2.0]), is_null)
    assert len(seen) == (end is not None)
    if end:
        with pytest.warns(ConvergenceWarning, match=end):
            warn_of_end(alphas, np.array(scores, dtype=float), is_null)


def test_searches_warn_once_and_point_to_the_caller(rng):
    X = rng.normal(size=(100, 5))
    y = X @ [1.0, 1.0, 0.0, 0.0, 0.0] + rng.normal(size=100)
    for alphas, end in [([1.0, 0.9, 0.8], "smallest"), ([1e-2, 1e-3, 1e-5], "largest")]:
        for scoring in (None, "r2"):
            model = SGDRegularizedRegressorCV(alphas=alphas, scoring=scoring)
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                model.fit(X, y)
            (warning,) = seen
            assert end in str(warning.message)
            assert warning.filename == __file__
            assert_array_equal(model.alphas_, alphas)
    SGDRegularizedRegressorCV(alphas=[10.0, 5.0, 3.0]).fit(X, rng.normal(size=100))


def test_alphas_are_sorted_and_checked():
    assert_array_equal(check_alphas((0.1, 2, np.float32(1.0))), [2.0, 1.0, 0.1])
    assert_array_equal(check_alphas(0.5), [0.5])
    with pytest.raises(ValueError, match=r"alphas\[1\] is 'b'"):
        check_alphas([0.1, "b"])


@pytest.mark.parametrize("loss", SMOOTH_LOSSES)
def test_public_grids_scale_with_the_data(rng, loss):
    X = rng.normal(size=(80, 4))
    y = X[:, 0] + rng.normal(size=80)
    y = (y > 0) * 1 if loss in CLASSIFICATION_LOSSES else y
    grid = skreg.alpha_grid(X, y, loss=loss, l1_ratio=0.0)
    for c in (1e-6, 1e6):
        assert_allclose(skreg.alpha_grid(c * X, y, loss=loss, l1_ratio=0.0), c**2 * grid)
        assert_allclose(
            skreg.alpha_grid(c * X, y, loss=loss),
            c * skreg.alpha_grid(X, y, loss=loss),
        )
    far = X + np.array([0.0, 1e4, 0.0, -1e3])
    assert_allclose(skreg.alpha_grid(far, y, loss=loss, l1_ratio=0.0), grid, rtol=1e-5)
    twice = skreg.alpha_grid(np.r_[X, X], np.r_[y, y], loss=loss, l1_ratio=0.3)
    assert_allclose(skreg.alpha_grid(X, y, loss=loss, l1_ratio=0.3), twice)
    assert_allclose(
        skreg.alpha_grid(sparse.csr_matrix(X), y, loss=loss, l1_ratio=0.0), grid
    )
    path = skreg.regularization_path(X, y, loss=loss, l1_ratio=0.0, n_alphas=5)
    assert path.alphas[0] == grid[0]


def test_features_out_of_all_scale_are_refused_in_words(rng):
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    for factor in (5e-324, 1e-170, 1e170):
        for l1_ratio in (0.0, 0.5, 1.0):
            for kind, target in (
                (SGDRegularizedRegressorCV, y),
                (SGDRegularizedClassifierCV, y > 0.0),
            ):
                with pytest.raises(ValueError, match="Scale the features"):
                    kind(l1_ratio=l1_ratio).fit(factor * X, target)
