import pickle
from itertools import pairwise

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, make_loss

STORAGES = [np.asarray, sparse.csr_matrix]


def make_data(rng, loss="squared_error"):
    X = rng.normal(size=(80, 6)) * (rng.random((80, 6)) < 0.5)
    X[:, 5] = 0.0
    y = X @ [2.0, -1.0, 0.5, 0.0, 0.0, 3.0] + 0.3 + 0.1 * rng.normal(size=80)
    return X, np.where(y > 0, 1.0, -1.0) if loss in CLASSIFICATION_LOSSES else y


def make_model(loss="squared_error", **settings):
    kind = SGDRegularizedRegressor
    if loss in CLASSIFICATION_LOSSES:
        kind = SGDRegularizedClassifier
    defaults = {"learning_rate": "adagrad", "tol": None, "random_state": 0}
    return kind(loss, **{**defaults, **settings})


@pytest.mark.parametrize("weight_decay", ["coupled", "decoupled"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("name", LOSSES)
def test_given_steps_are_those_of_the_paper(
    rng, name, l1_ratio, fit_intercept, weight_decay
):
    X, y = make_data(rng, name)
    s = rng.random(80) + 0.1
    weights = s * np.arange(1.0, 81.0) / np.cumsum(s)  # relative to the mean so far
    coef = np.append(rng.normal(size=5), 0.0)
    decoupled = weight_decay == "decoupled"
    l1, l2 = 0.05 * l1_ratio, 0.05 * (1 - l1_ratio)
    decay = 0.3 * l2 if decoupled else 0.0
    w, b = naive.adagrad(
        X, y, make_loss(name), 0.3, weights, l1, 0.0 if decoupled else l2, decay, coef,
        fit_intercept,
    )  # fmt: skip
    for storage in STORAGES:
        model = make_model(
            name, penalty="elasticnet", alpha=0.05, l1_ratio=l1_ratio, eta0=0.3,
            fit_intercept=fit_intercept, weight_decay=weight_decay, max_iter=1,
            shuffle=False,
        )  # fmt: skip
        model.fit(storage(X), y, coef_init=coef, sample_weight=s)
        assert_allclose(np.ravel(model.coef_), w, rtol=1e-8, atol=1e-12)
        assert_allclose(model.intercept_[0], b, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(
    ("weight_decay", "expected"),
    [("coupled", [2.6, -0.9, 0.2]), ("decoupled", [2.5975, -0.8992, 0.1999])],
)
def test_coupled_decay_is_scaled_away(storage, weight_decay, expected):
    """One step with gradient [-0.2, 0.1, -0.05], as torch's Adagrad and AdamW take it."""
    start, X = np.array([2.5, -0.8, 0.1]), np.array([[-0.2, 0.1, -0.05]])
    model = make_model(
        alpha=0.01, eta0=0.1, mode="subgradient", weight_decay=weight_decay, max_iter=1,
        fit_intercept=False,
    )  # fmt: skip
    model.fit(storage(X), X @ start - 1.0, coef_init=start)
    assert_allclose(model.coef_, expected, rtol=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_subgradient_steps_equal_a_naive_loop(rng, fit_intercept):
    X, y = make_data(rng)
    w, b = np.append(rng.normal(size=5), 0.2), 0.0
    start, squares = w.copy(), np.zeros(7)
    for x, target in zip(X, y, strict=True):
        slope = x @ w + b - target
        g = np.append(slope * x + 0.02 * np.sign(w) + 0.03 * w, slope)
        squares += g**2
        step = 0.3 * g / np.sqrt(squares)
        w, b = w - step[:-1], (b - step[-1]) * fit_intercept
    for storage in STORAGES:
        model = make_model(
            penalty="elasticnet", alpha=0.05, l1_ratio=0.4, eta0=0.3, mode="subgradient",
            max_iter=1, shuffle=False, fit_intercept=fit_intercept,
        )  # fmt: skip
        model.fit(storage(X), y, coef_init=start)
        assert_allclose(model.coef_, w, rtol=1e-9)
        assert_allclose(model.intercept_[0], b, rtol=1e-9)


@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet", None])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "log_loss", "hinge"])
@pytest.mark.parametrize("storage", STORAGES)
def test_default_steps_come_near_the_optimum(rng, storage, loss, penalty):
    X, y = make_data(rng, loss)
    if loss in CLASSIFICATION_LOSSES:  # without noise there is no best model
        y[:15] *= -1.0
    settings = {"penalty": penalty, "alpha": 0.02}
    model = make_model(loss, max_iter=300, **settings).fit(storage(X), y)
    best = make_model(loss, learning_rate="auto", **settings)
    best.set_params(max_iter=3000).fit(X, y)
    assert model.objective_ <= 1.03 * best.objective_
    if penalty == "l1" and loss == "squared_error":
        assert_array_equal(model.coef_ != 0.0, best.coef_ != 0.0)


@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
def test_default_steps_do_not_depend_on_units(rng, mode):
    X, y = make_data(rng)
    model = make_model(penalty=None, mode=mode, max_iter=4).fit(X, y)
    scales = 2.0 ** np.array([-20, -3, 0, 5, 20, 0])
    for factor in (2.0**-12, 1.0, 2.0**12):
        other = clone(model).fit(X * scales, factor * y + 0.0)
        assert_allclose(other.coef_ * scales, factor * model.coef_, rtol=1e-9, atol=1e-15)


def test_default_steps_without_intercept_have_no_unit():
    model = make_model(fit_intercept=False, penalty=None, max_iter=50)
    coefs = [
        clone(model).fit([[1.0], [1.0]], [factor, factor]).coef_ / factor
        for factor in (1.0, 2.0**-30, 2.0**30)
    ]
    assert_allclose(coefs[0], 1.0, atol=0.2)
    assert_array_equal(coefs, [coefs[0]] * 3)


@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
@pytest.mark.parametrize("loss", ["squared_hinge", "log_loss", "squared_error"])
@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_rows_of_all_lengths_do_no_harm(rng, spread, loss, mode):
    """Norms that differ by 10^2 and 10^6, in any order."""
    for _ in range(5):
        X = rng.normal(size=(300, 10)) * 10.0 ** rng.uniform(-spread, spread, (300, 1))
        y = X @ rng.normal(size=10)
        y += 0.5 * np.linalg.norm(X, axis=1) * rng.normal(size=300)
        null = 0.5 * np.var(y)
        if loss in CLASSIFICATION_LOSSES:
            y, null = np.sign(y), {"squared_hinge": 1.0, "log_loss": np.log(2.0)}[loss]
        model = make_model(loss, mode=mode, max_iter=20).fit(X, y)
        assert model.objective_ < null


def test_sparse_features_of_uneven_size_come_near_the_optimum():
    X = sparse.random(2000, 2000, density=0.005, format="csr", random_state=0)
    y = np.ravel(X.sum(axis=1))
    model = make_model(penalty=None, max_iter=20).fit(X, y)
    assert model.score(X, y) > 0.95


@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
def test_many_features_do_not_carry_a_step_too_far(rng, mode):
    X = rng.normal(size=(300, 1000))
    y = np.sign(X[:, 0])
    model = make_model("log_loss", mode=mode, max_iter=5).fit(X, y)
    assert model.objective_ < 0.1


@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet"])
@pytest.mark.parametrize("storage", STORAGES)
def test_weights_stay_until_their_feature_comes(rng, storage, penalty):
    X, y = make_data(rng)
    model = make_model(penalty=penalty, solver="auto", learning_rate="auto").fit(X, y)
    before = model.coef_.copy()
    model.set_params(learning_rate="adagrad")
    model.partial_fit(storage(np.zeros((1, 6))), [1.0])
    assert_array_equal(model.coef_, before)
    row = np.array([[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    model.partial_fit(storage(row), [1.0])
    assert_array_equal(model.coef_[[0, 2, 3, 4, 5]], before[[0, 2, 3, 4, 5]])
    assert abs(model.coef_[1] - before[1]) < 1.0


def test_storage_of_unseen_features_stays_empty(rng):
    X = sparse.random(50, 10_000, density=1e-3, format="csr", random_state=0)
    model = make_model().partial_fit(X, rng.normal(size=50)).sparsify()
    assert model._states[0].adagrad.accumulators.nnz <= 4 * (len(np.unique(X.indices)) + 1)


def test_changed_options_settle_alike_for_dense_and_sparse_data(rng):
    X, y = make_data(rng)
    models = []
    for storage in STORAGES:
        model = make_model(
            eta0=0.5, alpha=0.05, penalty="elasticnet", l1_ratio=0.5, shuffle=False
        )
        model.partial_fit(storage(X), y).set_params(eta0=None, weight_decay="decoupled")
        models.append(model.partial_fit(storage(X[:7]), y[:7]))
    assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-12)
    nearly = clone(models[0]).set_params(eta0=0.5, weight_decay="coupled")
    nearly.partial_fit(X, y).set_params(eta0=None, weight_decay="decoupled")
    nearly.set_params(alpha=0.05 + 1e-12).partial_fit(X[:7], y[:7])
    assert_allclose(nearly.coef_, models[0].coef_, rtol=1e-6)


def test_badly_scaled_features_cost_nothing(rng):
    X = rng.normal(size=(300, 10)) * 10.0 ** rng.uniform(-4, 4, size=10)
    y = (X / X.std(axis=0)) @ rng.normal(size=10) + 100.0
    model = make_model(penalty=None, max_iter=50).fit(X, y)
    assert model.score(X, y) > 0.99
    plain = make_model(penalty=None, max_iter=50, solver="sgd", learning_rate="auto")
    assert plain.fit(X, y).score(X, y) < 0.9


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("eta0", [None, 0.2])
@pytest.mark.parametrize("storage", STORAGES)
def test_any_split_into_batches_is_bit_identical(rng, storage, eta0, loss, penalty):
    X, y = make_data(rng, loss)
    X, s = storage(X), 10.0 ** rng.uniform(-3, 3, size=80)
    model = make_model(loss, penalty=penalty, alpha=0.02, eta0=eta0, shuffle=False)
    model.set_params(max_iter=3).fit(X, y, sample_weight=s)
    for cuts in ([0, 80], [0, 1, 30, 31, 80]):
        stream = clone(model)
        classes = {"classes": [-1.0, 1.0]} if loss == "log_loss" else {}
        for _ in range(3):
            for start, stop in pairwise(cuts):
                part = slice(start, stop)
                stream.partial_fit(X[part], y[part], sample_weight=s[part], **classes)
            stream = pickle.loads(pickle.dumps(stream.sparsify())).densify()
        assert_array_equal(stream.coef_, model.coef_)
        assert_array_equal(stream.intercept_, model.intercept_)


def test_other_steps_go_on_from_its_weights_and_it_from_theirs(rng):
    X, y = make_data(rng)
    model = make_model(penalty="l1", alpha=0.02).partial_fit(X, y)
    start, intercept = model.coef_, model.intercept_[0]
    model.set_params(learning_rate="constant", eta0=1e-12).partial_fit(X, y)
    assert_allclose(model.coef_, start, atol=1e-9)
    assert_allclose(model.intercept_[0], intercept, atol=1e-9)
    model.set_params(learning_rate="adagrad", penalty=None).partial_fit(X, y)
    assert_allclose(model.coef_, start, atol=1e-9)
    warm = make_model(max_iter=3, warm_start=True).fit(X, y)
    warm.set_params(max_iter=2).fit(X, y)
    assert_array_equal(warm.coef_, make_model(max_iter=5).fit(X, y).coef_)


def test_what_cannot_be_is_refused(rng):
    X, y = make_data(rng)
    with pytest.raises(ValueError, match="'adagrad' has no average"):
        make_model(average=True).fit(X, y)
    with pytest.raises(ValueError, match="needs learning_rate='adagrad'"):
        make_model(learning_rate="auto", weight_decay="decoupled").fit(X, y)
    with pytest.raises(ValueError, match="decoupled decay times the step must be below 1"):
        make_model(mode="subgradient", weight_decay="decoupled", alpha=10.0, eta0=0.1).fit(
            X, y
        )
    with pytest.raises(ValueError, match="chooses its steps itself"):
        make_model(solver="svrg").fit(X, y)
