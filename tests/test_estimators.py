import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import (
    SGDRegularizedClassifier,
    SGDRegularizedClassifierCV,
    SGDRegularizedRegressor,
)

BOTH = [SGDRegularizedRegressor, SGDRegularizedClassifier]
FAST = {"max_iter": 5, "tol": None, "random_state": 0}


@pytest.fixture
def data(rng):
    X = rng.normal(size=(60, 4))
    return X, X @ [1.0, -2.0, 0.0, 0.5] + 0.3 * rng.normal(size=60)


def labels(y):
    return np.where(y > 0, "yes", "no")


@pytest.mark.parametrize(
    ("ours", "peer"),
    [(SGDRegularizedRegressor, SGDRegressor), (SGDRegularizedClassifier, SGDClassifier)],
)
def test_parameters_and_shapes_are_those_of_scikit_learn(data, ours, peer):
    extra = {"mode", "solver", "weight_decay"}
    assert set(peer().get_params()) == set(ours().get_params()) - extra
    X, y = data
    for targets in [y] if ours is BOTH[0] else [labels(y), np.arange(60) % 3]:
        theirs = peer(tol=None, max_iter=5).fit(X, targets)
        model = ours(solver="sgd", **FAST).fit(X, targets)
        assert model.coef_.shape == theirs.coef_.shape
        assert model.intercept_.shape == theirs.intercept_.shape
        assert model.predict(X).dtype == theirs.predict(X).dtype
        assert model.t_ == theirs.t_
        model.sparsify().densify()
        assert isinstance(model.coef_, np.ndarray)


def test_predictions_are_the_linear_model(data):
    X, y = data
    model = SGDRegularizedRegressor(**FAST).fit(X, y)
    assert_allclose(model.predict(X), X @ model.coef_ + model.intercept_)
    classifier = SGDRegularizedClassifier(alpha=0.01, **FAST).fit(X, labels(y))
    raw = classifier.decision_function(X)
    assert_allclose(raw, X @ classifier.coef_[0] + classifier.intercept_)
    assert_array_equal(classifier.predict(X), np.where(raw > 0, "yes", "no"))
    assert_allclose(classifier.predict_proba(X)[:, 1], 1 / (1 + np.exp(-raw)))
    assert_allclose(classifier.predict_log_proba(X), np.log(classifier.predict_proba(X)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", BOTH)
def test_sparsify_changes_no_prediction(data, kind, dtype):
    X, y = data
    X = X.astype(dtype)
    model = kind(penalty="l1", alpha=0.05, **FAST)
    model.fit(X, y if kind is BOTH[0] else labels(y))
    assert model.coef_.dtype == dtype
    before = model.predict(X)
    assert sparse.issparse(model.sparsify().coef_)
    for matrix in (X, sparse.csr_matrix(X)):
        if kind is BOTH[0]:
            assert_allclose(model.predict(matrix), before, rtol=1e-5)
        else:
            assert_array_equal(model.predict(matrix), before)
    model.partial_fit(X, y if kind is BOTH[0] else labels(y))
    assert isinstance(model.coef_, np.ndarray)


def test_float32_agrees_with_float64(data):
    X, y = data
    for storage in (np.asarray, sparse.csr_matrix):
        single, double = (
            SGDRegularizedRegressor(penalty="l1", alpha=0.05, **FAST).fit(
                storage(X.astype(np.float32).astype(dtype)), y
            )
            for dtype in (np.float32, np.float64)
        )
        assert_allclose(single.coef_, double.coef_, rtol=1e-6)


def test_read_only_and_memory_mapped_data(data, tmp_path):
    X, y = data
    np.save(tmp_path / "X.npy", X)
    expected = SGDRegularizedRegressor(**FAST).fit(X, y).coef_
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_array_equal(SGDRegularizedRegressor(**FAST).fit(mapped, y).coef_, expected)
    csr = sparse.csr_matrix(X)
    for array in (csr.data, csr.indices, csr.indptr):
        array.flags.writeable = False
    assert_allclose(SGDRegularizedRegressor(**FAST).fit(csr, y).coef_, expected, rtol=1e-10)


def test_inputs_are_not_changed(data, rng):
    X, y = data
    weights = rng.random(60)
    copies = X.copy(), y.copy(), weights.copy()
    SGDRegularizedRegressor(penalty="l1", **FAST).fit(X, y, sample_weight=weights)
    for original, copied in zip((X, y, weights), copies, strict=True):
        assert_array_equal(original, copied)


def test_pickles_hold_plain_data_and_stream_on(data):
    X, y = data
    model = SGDRegularizedRegressor(penalty="l1", alpha=0.1, random_state=0)
    model.partial_fit(X[:30], y[:30])
    revived = pickle.loads(pickle.dumps(model))
    model.partial_fit(X[30:], y[30:])
    revived.partial_fit(X[30:], y[30:])
    assert_array_equal(model.coef_, revived.coef_)
    fitted = SGDRegularizedRegressor(**FAST).fit(X, y)
    for name, value in vars(fitted).items():
        if name.endswith("_"):
            assert type(value) in (np.ndarray, float, int, bool, str, dict), name


def test_warm_start_and_given_weights(data):
    X, y = data
    exact = np.linalg.lstsq(np.c_[X, np.ones(60)], y, rcond=None)[0]
    at_optimum = SGDRegularizedRegressor(
        penalty=None, max_iter=1, tol=None, eta0=1e-9, learning_rate="constant"
    )
    at_optimum.fit(X, y, coef_init=exact[:4], intercept_init=exact[4])
    assert_allclose(at_optimum.coef_, exact[:4], atol=1e-6)
    again = at_optimum.set_params(warm_start=True).fit(X, y)
    assert_allclose(again.coef_, exact[:4], atol=1e-6)
    assert np.abs(at_optimum.set_params(warm_start=False).fit(X, y).coef_).max() < 1e-3
    with pytest.raises(ValueError, match="coef_init must hold finite numbers in shape"):
        at_optimum.fit(X, y, coef_init=[1.0])
    three = SGDRegularizedClassifier(warm_start=True, **FAST).fit(X, np.arange(60) % 3)
    three.fit(X, np.arange(60) % 3)
    assert three.coef_.shape == (3, 4)


def test_partial_fit_notices_changed_weights(data):
    X, y = data
    model = SGDRegularizedRegressor(eta0=1e-9, learning_rate="constant")
    model.partial_fit(X, y)
    model.coef_ = np.array([1.0, 2.0, 3.0, 4.0])
    assert_allclose(model.partial_fit(X, y).coef_, [1, 2, 3, 4], atol=1e-5)


def test_partial_fit_after_fit_drops_what_it_does_not_know(data):
    X, y = data
    model = SGDRegularizedRegressor(**FAST).fit(X, y)
    model.partial_fit(X, y)
    assert model.n_iter_ == 1
    assert not hasattr(model, "dual_gap_")


def test_multiclass(rng):
    X = rng.normal(size=(150, 2)) + np.repeat([[0, 3], [3, 0], [-3, -3]], 50, axis=0)
    y = np.repeat(["a", "b", "c"], 50)
    for loss in ("log_loss", "modified_huber", "hinge", "squared_hinge"):
        model = SGDRegularizedClassifier(loss, max_iter=30, tol=None, random_state=0).fit(
            X, y
        )
        assert model.score(X, y) > 0.97
        assert (
            model.objective_.shape
            == model.dual_gap_.shape
            == model.converged_.shape
            == (3,)
        )
        assert len(model.history_) == 3


@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
def test_probabilities_are_never_made_up(rng, loss):
    """No row gets equal probabilities because all one-against-all ones were 0."""
    X, y = rng.normal(size=(200, 4)), rng.integers(0, 4, 200)
    model = SGDRegularizedClassifier(loss, max_iter=20, tol=None, random_state=0).fit(
        3 * X, y
    )
    far = np.vstack([X, 20 * X])
    probabilities = model.predict_proba(far)
    assert_allclose(probabilities.sum(axis=1), 1)
    assert not (np.ptp(probabilities, axis=1) == 0).any()
    of_predicted = probabilities[np.arange(400), model.predict(far)]
    assert_array_equal(of_predicted, probabilities.max(axis=1))


def test_losses_without_probabilities_say_so(data):
    X, y = data
    model = SGDRegularizedClassifier("hinge", **FAST).fit(X, labels(y))
    assert not hasattr(model, "predict_proba")
    for name in ("predict_proba", "predict_log_proba"):
        with pytest.raises(AttributeError, match=f"{name}.*loss='hinge' has no probab"):
            getattr(model, name)
    search = SGDRegularizedClassifierCV("squared_hinge", alphas=2, cv=2)
    for searched in (search, search.fit(X, labels(y))):
        assert not hasattr(searched, "predict_proba")
        with pytest.raises(AttributeError, match="loss='squared_hinge' has no probab"):
            searched.predict_log_proba(X)


def test_probabilities_are_those_of_the_fitted_loss(data):
    X, y = data
    search = SGDRegularizedClassifierCV(alphas=2, cv=2)
    for model in (SGDRegularizedClassifier(**FAST), search):
        expected = model.fit(X, labels(y)).predict_proba(X)
        for loss in ("modified_huber", "squared_hinge"):
            model.set_params(loss=loss)
            assert_array_equal(model.predict_proba(X), expected)
            assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)
        model.fit(X, labels(y))
        assert not hasattr(model, "predict_proba")
    streamed = SGDRegularizedClassifier().partial_fit(X, labels(y), ["no", "yes"])
    streamed.set_params(loss="modified_huber").partial_fit(X, labels(y))
    del streamed._loss_of_fit  # as in pickles of earlier versions
    clipped = np.clip(streamed.decision_function(X), -1, 1)
    assert_allclose(streamed.predict_proba(X)[:, 1], (clipped + 1) / 2)


@pytest.mark.parametrize("other", [["a", "b"], [1, 2], [0, 1, 2], ["0", "1"]])
def test_a_warm_start_keeps_its_labels(data, other):
    X, y = data
    codes = (y > 0) * 1
    model = SGDRegularizedClassifier(warm_start=True, **FAST).fit(X, codes)
    before = model.coef_.copy()
    others = np.array(other)[np.arange(60) % len(other)]
    with pytest.raises(ValueError, match=r"labels .*\[0, 1\].*warm_start=False"):
        model.fit(X, others)
    assert_array_equal(model.coef_, before)
    model.fit(X, codes.astype(float)).fit(X, codes == 1)  # these are the same
    given = (
        np.zeros((1 if len(other) == 2 else 3, 4)),
        np.zeros(1 if len(other) == 2 else 3),
    )
    assert_array_equal(model.fit(X, others, *given).classes_, np.unique(other))


@pytest.mark.parametrize("kind", BOTH)
def test_a_warm_start_keeps_its_features(data, kind):
    pd = pytest.importorskip("pandas")
    X, y = data
    y = y if kind is BOTH[0] else labels(y)
    model = kind(warm_start=True, **FAST).fit(X, y)
    with pytest.raises(ValueError, match=r"go on from coef_ .* with X of 3 features"):
        model.fit(X[:, :3], y)
    frame = pd.DataFrame(X, columns=list("abcd"))
    named = kind(warm_start=True, **FAST).fit(frame, y)
    with pytest.raises(ValueError, match=r"go on from the features \['a', 'b', 'c', 'd'\]"):
        named.fit(frame[list("dcba")], y)
    named.fit(frame, y).fit(X, y)  # without names
    assert named.set_params(warm_start=False).fit(X[:, :3], y).n_features_in_ == 3


def test_weights_of_rows_given_by_place(data):
    X, y = data
    weights = np.ones(60)
    for kind, targets in zip(BOTH, (y, labels(y)), strict=True):
        with pytest.raises(ValueError, match=r"coef_init .*\(60,\).*sample_weight="):
            kind(**FAST).fit(X, targets, weights)
    for odd in (weights, np.linspace(0.5, 1.5, 60)):
        with pytest.raises(ValueError, match="sample_weight="):
            SGDRegularizedClassifier().partial_fit(X, labels(y), odd)


def test_given_weights_may_be_sparse(data):
    X, y = data
    fitted = SGDRegularizedRegressor(**FAST).fit(X, y).sparsify()
    model = SGDRegularizedRegressor(solver="sgd", **FAST)
    from_sparse = model.fit(X, y, fitted.coef_, fitted.intercept_).coef_
    dense = fitted.densify().coef_
    assert_array_equal(model.fit(X, y, dense, fitted.intercept_).coef_, from_sparse)
    broken = sparse.csr_matrix(dense)
    broken.indptr[-1] = -1
    with pytest.raises(ValueError, match="coef_init is not a valid CSR matrix"):
        model.fit(X, y, broken)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    "wrong",
    [
        [np.nan] * 4, [np.inf, 0, 0, 0], [1.0], 1.0, ["1"] * 4, [1j] * 4, np.ones(9),
        np.ones((2, 4)), np.ones((4, 1)), sparse.csr_matrix(np.full((1, 4), np.nan)),
    ],
    ids=repr,
)  # fmt: skip
def test_changed_weights_predict_nothing_where_they_cannot_be(data, kind, wrong):
    X, y = data
    model = kind(**FAST).fit(X, y if kind is BOTH[0] else labels(y))
    model.coef_ = wrong
    for call in (model.predict, getattr(model, "predict_proba", model.predict)):
        with pytest.raises(ValueError, match="coef_"):
            call(X)


def test_changed_weights_predict(data):
    X, y = data
    for kind, targets in zip(BOTH, (y, labels(y)), strict=True):
        model = kind(**FAST).fit(X, targets)
        for weights in (np.arange(4), [0, 1, 2, 3], sparse.csr_matrix(np.arange(4.0))):
            model.coef_, model.intercept_ = weights, 1
            assert_allclose(model._raw_predictions(X)[:, 0], X @ np.arange(4) + 1)
        model.intercept_ = np.nan
        with pytest.raises(ValueError, match="intercept_"):
            model.predict(X)


def test_predictions_that_overflow_are_refused(data):
    X, y = data
    for kind, targets in zip(BOTH, (y, labels(y)), strict=True):
        model = kind(**FAST).fit(X, targets)
        model.coef_ = model.coef_ * 1e10
        huge, tiny = X * 1e305, X * 1e-310
        with np.errstate(all="raise"):
            for matrix in (huge, sparse.csr_matrix(huge)):
                with pytest.raises(ValueError, match="X leads to predictions that are too"):
                    model.predict(matrix)
            model.predict(tiny)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_an_l1_ratio_that_nothing_reads_is_told_of(data, kind, l1_ratio):
    X, y = data
    y = y if kind is BOTH[0] else labels(y)
    model = kind(l1_ratio=l1_ratio, **FAST)
    message = "ignored unless penalty='elasticnet', but penalty='l2'"
    for twin in (model, clone(model), kind(**FAST).set_params(l1_ratio=l1_ratio)):
        with pytest.warns(UserWarning, match=message) as seen:
            twin.fit(X, y)
        assert len(seen) == 1
        assert seen[0].filename == __file__
    classes = {} if kind is BOTH[0] else {"classes": np.unique(y)}
    streamed = clone(model)
    with pytest.warns(UserWarning, match=message):
        streamed.partial_fit(X, y, **classes)
    streamed.partial_fit(X, y)  # once is enough
    with pytest.warns(UserWarning, match=message):
        GridSearchCV(kind(**FAST), {"l1_ratio": [l1_ratio]}, cv=2).fit(X, y)


@pytest.mark.parametrize("kind", BOTH)
def test_an_l1_ratio_beside_a_penalty_is_no_surprise(data, kind):
    X, y = data
    y = y if kind is BOTH[0] else labels(y)
    for settings in (
        {"l1_ratio": 0.15}, {"l1_ratio": 0.0}, {"l1_ratio": 1, "alpha": 0},
        {"penalty": "elasticnet", "l1_ratio": 0.7}, {"penalty": "l2", "l1_ratio": 0.7},
    ):  # fmt: skip
        kind(**FAST, **settings).fit(X, y)
    kind(l1_ratio=0.7, **FAST).set_params(penalty="l1").fit(X, y)
    grid = {"penalty": ["l1", "l2", "elasticnet"]}
    GridSearchCV(kind(l1_ratio=0.7, **FAST), grid, cv=2).fit(X, y)


def test_the_number_of_epochs_of_a_stream_is_one(data):
    X, y = data
    model = SGDRegularizedRegressor()
    for n_calls in range(1, 61):
        assert model.partial_fit(X, y).n_iter_ == 1
        assert model.t_ == 1 + 60 * n_calls


def test_intercepts_are_numbers_by_item(data):
    X, y = data
    for kind, targets in zip(BOTH, (y, labels(y)), strict=True):
        intercept = kind(**FAST).fit(X, targets).intercept_
        assert f"{intercept.item():.3f}" == f"{intercept[0]:.3f}"
        assert "``intercept_.item()`` is the number" in " ".join(kind.__doc__.split())


def test_class_weights_multiply_sample_weights(data, rng):
    X, y = data
    y, weights = labels(y), rng.random(60)
    by_class = SGDRegularizedClassifier(class_weight={"yes": 3.0, "no": 0.5}, **FAST)
    by_row = SGDRegularizedClassifier(**FAST)
    by_class.fit(X, y, sample_weight=weights)
    by_row.fit(X, y, sample_weight=weights * np.where(y == "yes", 3.0, 0.5))
    assert_allclose(by_class.coef_, by_row.coef_, rtol=1e-10)
    balanced = SGDRegularizedClassifier(class_weight="balanced", **FAST).fit(X, y)
    share = np.where(y == "yes", 1 / (y == "yes").sum(), 1 / (y == "no").sum())
    assert_allclose(balanced.coef_, by_row.fit(X, y, sample_weight=share).coef_, rtol=1e-10)
    with pytest.raises(ValueError, match="not defined for partial_fit"):
        balanced.partial_fit(X, y, classes=["no", "yes"])


def test_unpenalized_intercept_of_rare_classes(rng):
    X = rng.normal(size=(1000, 3))
    y = rng.random(1000) < 0.95
    model = SGDRegularizedClassifier(alpha=10.0, tol=1e-3, random_state=0).fit(X, y)
    assert_allclose(model.intercept_, np.log(y.mean() / (1 - y.mean())), atol=0.1)


def test_pure_mixtures_equal_their_names(data):
    X, y = data
    for l1_ratio, penalty in ((1.0, "l1"), (0.0, "l2")):
        mixed = SGDRegularizedRegressor(
            penalty="elasticnet", l1_ratio=l1_ratio, alpha=0.1, **FAST
        ).fit(X, y)
        pure = SGDRegularizedRegressor(penalty=penalty, alpha=0.1, **FAST).fit(X, y)
        assert_array_equal(mixed.coef_, pure.coef_)


def test_small_shapes(rng):
    one_row = SGDRegularizedRegressor(**FAST).fit([[1.0, 2.0]], [3.0])
    assert np.isfinite(one_row.coef_).all()
    one_column = SGDRegularizedRegressor(**FAST).fit([[1.0], [2.0]], [3.0, 4.0])
    assert one_column.coef_.shape == (1,)
    empty_columns = np.zeros((5, 3))
    empty_columns[:, 1] = 1.0
    for X in (empty_columns, sparse.csr_matrix(empty_columns)):
        for kind, y in zip(BOTH, (np.arange(5.0), [0, 1, 0, 1, 1]), strict=True):
            model = kind(penalty="l1", **FAST).fit(X, y)
            coef = model.coef_.ravel()
            assert coef[0] == coef[2] == 0.0


def test_explicit_zeros_unsorted_and_duplicate_indices(data):
    X, y = data
    reference = SGDRegularizedRegressor(**FAST).fit(X, y).coef_
    csr = sparse.csr_matrix(X)
    order = np.r_[3, 0, 2, 1]
    unsorted = sparse.csr_matrix(
        (X[:, order].ravel(), np.tile(order, 60), csr.indptr), shape=X.shape
    )
    halves = sparse.csr_matrix(
        (np.repeat(X.ravel() / 2, 2), np.repeat(csr.indices, 2), 2 * csr.indptr),
        shape=X.shape,
    )
    zeros = sparse.csr_matrix(
        (np.c_[X, np.zeros(60)].ravel(), np.tile([0, 1, 2, 3, 1], 60), 5 * np.arange(61)),
        shape=X.shape,
    )
    for twin in (unsorted, halves, zeros):
        assert_allclose(
            SGDRegularizedRegressor(**FAST).fit(twin, y).coef_, reference, rtol=1e-9
        )


def broken_csr(**changes):
    matrix = sparse.csr_matrix(np.eye(4))
    for name, value in changes.items():
        setattr(matrix, name, value)
    return matrix


@pytest.mark.parametrize(
    "changes",
    [
        {"indices": np.array([0, 1, 2, 1000], dtype=np.int32)},
        {"indices": np.array([0, 1, -7, 3], dtype=np.int32)},
        {"indptr": np.array([0, 3, 1, 3, 4], dtype=np.int32)},
        {"indptr": np.array([0, 1, 2, 3, 400], dtype=np.int32)},
        {"indptr": np.array([1, 1, 2, 3, 4], dtype=np.int32)},
    ],
)
def test_malformed_csr_is_refused(changes):
    y = np.arange(4.0)
    model = SGDRegularizedRegressor(**FAST).fit(np.eye(4), y)
    for call in (model.fit, model.partial_fit, lambda X, y: model.predict(X)):
        with pytest.raises(ValueError, match="X is not a valid CSR matrix"):
            call(broken_csr(**changes), y)


@pytest.mark.parametrize("assume_finite", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", BOTH)
def test_not_finite_input_is_refused(data, kind, bad, assume_finite):
    X, y = data
    y = y if kind is BOTH[0] else labels(y)
    dirty, weights = X.copy(), np.ones(60)
    dirty[3, 1] = weights[3] = bad
    model = kind(**FAST).fit(X, y)
    with config_context(assume_finite=assume_finite):
        for matrix in (dirty, dirty.astype(np.float32), sparse.csr_matrix(dirty)):
            for call in (model.fit, model.partial_fit, lambda X, y: model.predict(X)):
                with pytest.raises(ValueError, match=r"NaN|infinity"):
                    call(matrix, y)
        with pytest.raises(ValueError, match=r"NaN|infinity|[Nn]egative"):
            model.fit(X, y, sample_weight=weights)
        if kind is BOTH[0]:
            with pytest.raises(ValueError, match=r"NaN|infinity"):
                model.fit(X, np.where(np.arange(60) == 5, bad, y))


def broken(kind, attribute, place, value):
    matrix = getattr(sparse, f"{kind}_matrix")(np.eye(4))
    array = getattr(matrix, attribute)
    array[place] = value
    return matrix


@pytest.mark.parametrize(
    "matrix",
    [
        broken("coo", "row", 0, 10**8),
        broken("coo", "col", 0, -5),
        broken("lil", "rows", 0, [10**8]),
        broken("lil", "rows", 0, [0, 1]),
        broken("csc", "indices", 0, 10**8),
        broken("bsr", "indices", 0, 10**8),
    ],
    ids=lambda matrix: matrix.format,
)
def test_other_malformed_matrices_are_refused(matrix):
    with pytest.raises(ValueError, match=f"not a valid {matrix.format.upper()} matrix"):
        SGDRegularizedRegressor(**FAST).fit(matrix, np.arange(4.0))


def test_failed_fits_leave_the_model_as_it_was(data):
    X, y = data
    for kind, targets in zip(BOTH, (y, labels(y)), strict=True):
        model = kind(**FAST).fit(X, targets)
        before = model.predict(X)
        for bad in (
            {"sample_weight": -np.ones(60)},
            {"coef_init": [np.nan] * 2},
            {"coef_init": [1.0] * 7},
        ):
            with pytest.raises(ValueError, match=r"weight|coef_init"):
                model.fit(X[:, :2], targets, **bad)
            assert_array_equal(model.predict(X), before)


def test_large_offsets_do_not_count_as_converged(data):
    X, y = data
    model = SGDRegularizedRegressor(random_state=0, tol=1e-2).fit(X, y + 1e6)
    reference = SGDRegularizedRegressor(random_state=0, tol=1e-2).fit(X, y)
    assert_allclose(model.coef_, reference.coef_, atol=0.2)
    with pytest.warns(ConvergenceWarning):
        SGDRegularizedRegressor(solver="sgd", tol=1e-9, max_iter=3).fit(X, y + 1e9)


def test_no_intercept_after_one_with(data):
    X, y = data
    model = SGDRegularizedRegressor(warm_start=True, **FAST).fit(X, y + 3)
    model.set_params(fit_intercept=False).fit(X, y + 3)
    assert model.intercept_ == 0.0
    model.set_params(fit_intercept=True).fit(X, y + 3)
    assert model.set_params(fit_intercept=False).partial_fit(X, y).intercept_ == 0.0


def test_weights_too_large_for_float32_are_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="too large for float32"):
        SGDRegularizedRegressor(**FAST).fit(X.astype(np.float32), y * 1e39)


@pytest.mark.parametrize("factor", [1e-170, 1e160])
def test_features_beyond_floating_point_are_refused(data, factor):
    X, y = data
    for matrix in (X * factor, sparse.csr_matrix(X * factor)):
        with pytest.raises(ValueError, match="Scale the features"):
            SGDRegularizedRegressor(**FAST).fit(matrix, y)


@pytest.mark.parametrize("weight", ["2", np.datetime64(3, "D"), 1j, np.ma.masked])
def test_class_weights_are_numbers(data, weight):
    X, y = data
    model = SGDRegularizedClassifier(class_weight={"yes": weight, "no": 1.0}, **FAST)
    with pytest.raises(ValueError, match=r"class_weight (holds|has|is)"):
        model.fit(X, labels(y))
    with pytest.raises(ValueError, match=r"class_weight (holds|has|is)"):
        model.partial_fit(X, labels(y), classes=["no", "yes"])


def test_models_made_by_hand_predict(data):
    X, _ = data
    model = SGDRegularizedRegressor()
    model.coef_, model.intercept_ = np.arange(4.0), 1.0
    assert_allclose(model.predict(X), X @ np.arange(4.0) + 1.0)


@pytest.mark.parametrize("weight", [-0.5, np.nan, np.inf])
def test_impossible_class_weights_are_refused(data, weight):
    X, y = data
    model = SGDRegularizedClassifier(class_weight={"yes": weight}, **FAST)
    with pytest.raises(ValueError, match="sample_weight times class_weight"):
        model.fit(X, labels(y))
    with pytest.raises(ValueError, match="sample_weight times class_weight"):
        model.partial_fit(X, labels(y), classes=["no", "yes"])
    with pytest.raises(ValueError, match="sample_weight times class_weight"):
        model.set_params(class_weight={"yes": 0.0, "no": 0.0}).fit(X, labels(y))


def test_weights_whose_sum_overflows_are_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="their sum is inf"):
        SGDRegularizedRegressor(**FAST).fit(X, y, sample_weight=np.full(60, 1e307))


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_classes_of_weight_zero_do_not_exist(data, class_weight):
    X, _ = data
    y, keep = np.arange(60) % 3, np.arange(60) % 3 != 1
    model = SGDRegularizedClassifier(class_weight=class_weight, **FAST)
    twin = clone(model).fit(X[keep], y[keep])
    model.fit(X, y, sample_weight=keep.astype(float))
    assert_array_equal(model.classes_, [0, 2])
    assert_allclose(model.coef_, twin.coef_, rtol=1e-10)


def test_weights_that_cannot_be_are_refused(data):
    X, y = data
    for kind, targets in zip(BOTH, (y, labels(y)), strict=True):
        with pytest.raises(ValueError, match="sample_weight"):
            kind(**FAST).fit(X, targets, sample_weight=np.r_[-1.0, np.ones(59)])
        with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
            kind(**FAST).fit(X, targets, sample_weight=np.zeros(60))


def test_one_class_is_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="at least two classes"):
        SGDRegularizedClassifier(**FAST).fit(X, np.ones(60))
    with pytest.raises(ValueError, match="at least two classes with positive weight"):
        SGDRegularizedClassifier(**FAST).fit(X, labels(y), sample_weight=(y > 0) * 1.0)


def test_partial_fit_checks_classes(data):
    X, y = data
    model = SGDRegularizedClassifier()
    with pytest.raises(ValueError, match="classes must be passed"):
        model.partial_fit(X, labels(y))
    model.partial_fit(X, np.full(60, "yes"), classes=["no", "yes"])
    with pytest.raises(ValueError, match="not the same as in earlier calls"):
        model.partial_fit(X, labels(y), classes=["a", "b"])
    with pytest.raises(ValueError, match="'maybe', which is not among"):
        model.partial_fit(X, np.full(60, "maybe"))
    weights = np.append(np.ones(59), 0.0)  # rows of weight 0 do not exist
    model.partial_fit(X, np.append(np.full(59, "no"), "maybe"), sample_weight=weights)
    with pytest.raises(ValueError, match="at least two labels"):
        clone(model).partial_fit(X, np.full(60, "no"), classes=["no"])


@pytest.mark.parametrize(
    "bad",
    [
        {"alpha": -1.0}, {"l1_ratio": 1.1}, {"penalty": "l3"}, {"mode": "prox"},
        {"solver": "adam"}, {"loss": "poisson"}, {"learning_rate": "fast"}, {"eta0": 0.0},
        {"tol": -1.0}, {"max_iter": 0}, {"average": -1}, {"epsilon": -1.0},
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", BOTH)
def test_parameters_are_validated(data, kind, bad):
    with pytest.raises(ValueError, match=f"'{next(iter(bad))}' parameter"):
        kind(**bad).fit(*data)


def test_at_home_in_scikit_learn(data):
    X, y = data
    name = "sgdregularizedregressor"
    grid = {f"{name}__alpha": [0.01, 0.1], f"{name}__mode": ["proximal", "subgradient"]}
    pipeline = make_pipeline(
        StandardScaler(), SGDRegularizedRegressor(penalty="l1", **FAST)
    )
    search = GridSearchCV(pipeline, grid, n_jobs=2).fit(X, y)
    assert search.best_score_ > 0.9
    assert cross_val_score(SGDRegularizedClassifier(**FAST), X, labels(y)).mean() > 0.8
    selector = SelectFromModel(SGDRegularizedRegressor(penalty="l1", alpha=0.3, **FAST))
    assert selector.fit(X, y).transform(X).shape[1] < 4
    assert clone(pipeline).get_params()["sgdregularizedregressor__penalty"] == "l1"


@pytest.mark.parametrize("average", [False, 10])
def test_sparsified_models_stream_on(data, average):
    X, y = data
    wide = np.hstack([X, np.zeros((60, 500))])
    model = SGDRegularizedRegressor(penalty="l1", random_state=0, average=average)
    twin = clone(model)
    for _ in range(2):
        model.partial_fit(wide, y)
        twin.partial_fit(wide, y)
        dense = len(pickle.dumps(model))
        model.sparsify()
        assert len(pickle.dumps(model)) < dense / 2
        model = pickle.loads(pickle.dumps(model))
    assert_array_equal(model.densify().coef_, twin.coef_)
    model.partial_fit(wide, y)
    twin.partial_fit(wide, y)
    assert_array_equal(model.coef_, twin.coef_)


def test_impossible_changes_of_weights_are_refused(data):
    X, y = data
    for wrong in ([1.0], np.ones(9), np.full(4, np.nan)):
        model = SGDRegularizedRegressor().partial_fit(X, y)
        model.coef_ = np.array(wrong)
        with pytest.raises(ValueError, match="coef_"):
            model.partial_fit(X, y)
    model = SGDRegularizedRegressor(eta0=1e-12, learning_rate="constant")
    model.partial_fit(X, y).coef_ = np.arange(4)
    assert_allclose(model.partial_fit(X, y).coef_, np.arange(4), atol=1e-9)


def test_early_stopping_keeps_the_clock(data):
    X, y = data
    model = SGDRegularizedRegressor(early_stopping=True, random_state=0).fit(X, y)
    n_steps = model.t_
    assert n_steps > 50
    model.set_params(early_stopping=False).partial_fit(X[:3], y[:3])
    assert model.t_ == n_steps + 3


def test_rows_of_weight_zero_may_hold_anything(data):
    X, y = np.zeros((10, 3)), np.arange(10.0)
    X[0] = 1.0
    for solver in ("sgd", "svrg"):
        model = SGDRegularizedRegressor(solver=solver, max_iter=5, tol=None)
        model.fit(X, y, sample_weight=np.arange(10) > 0)
        assert not model.coef_.any()


def test_names_of_parameters_are_those_of_the_class():
    class Named(SGDRegularizedRegressor):
        def __init__(self, alpha=1.0):
            super().__init__(alpha=alpha)

    def other_init(self, alpha=1.0, beta=2.0):
        self.alpha, self.beta = alpha, beta

    assert list(Named().get_params()) == ["alpha"]
    Named._get_param_names().clear()
    assert list(Named().get_params()) == ["alpha"]
    Named.__init__ = other_init
    assert list(Named().get_params()) == ["alpha", "beta"]
    assert "loss" in SGDRegularizedRegressor().get_params()
