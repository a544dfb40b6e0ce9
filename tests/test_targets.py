"""Several targets: each column of y is what its model would be alone."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import ElasticNet, Ridge
from sklearn.metrics import r2_score

import skreg
from skreg import SGDRegularizedRegressor, SGDRegularizedRegressorCV
from skreg.losses import REGRESSION_LOSSES
from skreg.plotting import RegularizationPathDisplay

STORAGES = [np.asarray, sparse.csr_matrix]


@pytest.fixture
def data(rng):
    X = rng.normal(size=(120, 6)) * (rng.random((120, 6)) < 0.7)
    weights = [[1.0, 0.0, 0.3], [0.0, 0.0, 2.0], [0.0, 0.02, 0.0]]
    Y = X[:, :3] @ np.array(weights) + [0.0, 5.0, -1.0]
    return X, Y + 0.3 * rng.normal(size=Y.shape)


@pytest.mark.parametrize("storage", STORAGES)
def test_fits_are_those_of_scikit_learn(data, storage):
    X, Y = data
    model = SGDRegularizedRegressor(penalty="elasticnet", alpha=0.1, l1_ratio=0.5, tol=1e-9)
    other = ElasticNet(alpha=0.1, l1_ratio=0.5, tol=1e-10).fit(X, Y)
    model.fit(storage(X), Y)
    assert_allclose(model.coef_, other.coef_, atol=1e-7)
    assert_allclose(model.intercept_, other.intercept_, atol=1e-7)
    assert_allclose(model.predict(storage(X)), other.predict(X), atol=1e-6)
    assert model.score(storage(X), Y) == pytest.approx(r2_score(Y, other.predict(X)))
    ridge = Ridge(alpha=120 * 0.1).fit(X, Y)
    model.set_params(penalty="l2").fit(storage(X), Y)
    assert_allclose(model.coef_, ridge.coef_, atol=1e-7)
    assert model.objective_.shape == model.dual_gap_.shape == model.converged_.shape == (3,)
    assert len(model.history_) == 3


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("settings", [
    {}, {"solver": "sgd", "max_iter": 3, "tol": None, "penalty": "l1", "alpha": 0.01},
    {"solver": "sgd", "max_iter": 3, "tol": None, "average": True},
    {"solver": "sgd", "max_iter": 3, "tol": None, "learning_rate": "adagrad"},
    {"early_stopping": True, "max_iter": 5, "tol": None, "mode": "subgradient"},
])  # fmt: skip
@pytest.mark.parametrize("loss", REGRESSION_LOSSES)
def test_each_column_has_the_bits_of_its_own_fit(data, loss, settings, storage):
    X, Y = data
    model = SGDRegularizedRegressor(loss, random_state=0, **settings)
    together = clone(model).fit(storage(X), Y)
    for k in range(3):
        alone = clone(model).fit(storage(X), Y[:, k])
        assert_array_equal(together.coef_[k], alone.coef_)
        assert_array_equal(together.intercept_[k], alone.intercept_[0])


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", REGRESSION_LOSSES)
def test_streams_go_on_for_each_target(data, loss, storage):
    X, Y = data
    model = SGDRegularizedRegressor(loss, penalty="l1", alpha=0.01, random_state=0)
    alone = [clone(model) for _ in range(3)]
    for rows in np.array_split(np.arange(120), 7):
        model.partial_fit(storage(X[rows]), Y[rows])
        model = pickle.loads(pickle.dumps(model.sparsify())).densify()
        for k, other in enumerate(alone):
            other.partial_fit(storage(X[rows]), Y[rows, k])
    for k, other in enumerate(alone):
        assert_array_equal(model.coef_[k], other.coef_)
    assert model.predict(storage(X)).shape == (120, 3)


def test_sparse_rows_serve_all_targets_in_one_pass(data):
    X, Y = data
    model = SGDRegularizedRegressor(random_state=0).partial_fit(sparse.csr_matrix(X), Y)
    assert [state.n_models for state in model._states] == [3]


@pytest.mark.parametrize("storage", STORAGES)
def test_paths_and_searches(data, storage):
    X, Y = data
    path = skreg.regularization_path(storage(X), Y, n_alphas=7)
    assert path.coefs.shape == (3, 6, 7)
    for k in range(3):
        alone = skreg.regularization_path(storage(X), Y[:, k], alphas=path.alphas)
        assert_allclose(path.coefs[k], alone.coefs, atol=1e-9)
        assert_array_equal(path.n_nonzero[k], alone.n_nonzero)
    assert path.alphas[0] == max(skreg.alpha_max(X, Y[:, k]) for k in range(3))
    assert path.alphas[0] == skreg.alpha_max(X, Y)
    model = SGDRegularizedRegressorCV(alphas=9, cv=3).fit(storage(X), Y)
    assert model.coef_.shape == (3, 6)
    assert model.predict(storage(X)).shape == (120, 3)
    scored = clone(model).set_params(scoring="r2").fit(storage(X), Y)
    assert scored.best_score_ > 0.3
    with pytest.raises(ValueError, match="output must be one of"):
        RegularizationPathDisplay.from_estimator(model)
    with pytest.raises(ValueError, match="3 targets"):
        RegularizationPathDisplay.from_path(path)


def test_a_column_is_a_vector(data):
    X, Y = data
    model = SGDRegularizedRegressor(random_state=0)
    vector, column = clone(model).fit(X, Y[:, 0]), clone(model).fit(X, Y[:, :1])
    assert_array_equal(vector.coef_, column.coef_)
    assert column.predict(X).shape == (120,)


def test_starts_and_warm_starts(data):
    X, Y = data
    model = SGDRegularizedRegressor(tol=1e-9, warm_start=True).fit(X, Y)
    again = clone(model).fit(X, Y, coef_init=model.coef_, intercept_init=model.intercept_)
    assert_allclose(again.coef_, model.coef_, atol=1e-7)
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="2 targets, but the model goes on with 3"):
            method(X, Y[:, :2])
    coef = model.coef_.copy()
    with pytest.raises(ValueError, match="coef_init must hold finite numbers in shape"):
        model.set_params(warm_start=False).fit(X, Y, coef_init=np.zeros(6))
    assert_array_equal(model.coef_, coef)
    assert model.fit(X, Y[:, 0]).coef_.shape == (6,)


def test_targets_to_validate_on_are_as_many(data):
    X, Y = data
    model = SGDRegularizedRegressor(early_stopping=True, max_iter=3, tol=None)
    assert model.fit(X, Y, X_val=X, y_val=Y).coef_.shape == (3, 6)
    with pytest.raises(ValueError, match=r"y_val has shape \(120, 2\), but y has"):
        model.fit(X, Y, X_val=X, y_val=Y[:, :2])
    for y in (Y[:, :0], Y[:, :, np.newaxis]):
        with pytest.raises(ValueError, match="y should be a 1d array, or a 2d array"):
            model.fit(X, y)
    with pytest.raises(ValueError, match="y must be a vector"):
        skreg.objective(X, Y, np.zeros(6))


def test_each_target_has_a_scale_of_its_own(data):
    X, Y = data
    X, Y = sparse.csr_matrix(X), Y * [1e-6, 1.0, 100.0]
    for settings in ({"learning_rate": "constant", "eta0": 0.05}, {}):
        model = SGDRegularizedRegressor(random_state=0, **settings)
        alone = [clone(model) for _ in range(3)]
        changes = [{}, {"learning_rate": "adagrad"}, {}, {"loss": "huber"}]
        if "eta0" in settings:
            changes = [{}] * 3
        for changed in changes:
            for one in (model, *alone):
                one.set_params(loss="squared_error", learning_rate="auto")
                one.set_params(**settings | changed)
            model.partial_fit(X, Y)
            for k, one in enumerate(alone):
                one.partial_fit(X, Y[:, k])
                assert_array_equal(model.coef_[k], one.coef_)
