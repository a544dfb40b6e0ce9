"""What every door refuses and accepts, and that nothing of the caller's changes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score

import skreg
from skreg import (
    SGDRegularizedClassifier,
    SGDRegularizedClassifierCV,
    SGDRegularizedRegressor,
    SGDRegularizedRegressorCV,
)
from skreg.data.inputs import as_labels, unknown_labels

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:X has feature names:UserWarning",
)

FAST = {"max_iter": 3, "tol": None}
STOPPED = {"early_stopping": True, "max_iter": 3}
SEARCH = {"alphas": 2, "cv": 2}
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 5))
Y = X[:, 0] + rng.normal(size=40)
LABELS = (Y > 0) * 1
REGRESSOR = SGDRegularizedRegressor(**FAST).fit(X, Y)
CLASSIFIER = SGDRegularizedClassifier(**FAST).fit(X, LABELS)

REGRESSIONS = {
    "fit": lambda X, y: SGDRegularizedRegressor(**FAST).fit(X, y),
    "partial_fit": lambda X, y: SGDRegularizedRegressor().partial_fit(X, y),
    "score": lambda X, y: REGRESSOR.score(X, y),
    "search": lambda X, y: SGDRegularizedRegressorCV(**SEARCH).fit(X, y),
    "alpha_max": lambda X, y: skreg.alpha_max(X, y),
    "alpha_grid": lambda X, y: skreg.alpha_grid(X, y, n_alphas=2),
    "path": lambda X, y: skreg.regularization_path(X, y, n_alphas=2),
    "objective": lambda X, y: skreg.objective(X, y, np.ones(5)),
}
CLASSIFICATIONS = {
    "fit": lambda X, y: SGDRegularizedClassifier(**FAST).fit(X, y),
    "partial_fit": lambda X, y: SGDRegularizedClassifier().partial_fit(
        X, y, classes=[0, 1]
    ),
    "score": lambda X, y: CLASSIFIER.score(X, y),
    "search": lambda X, y: SGDRegularizedClassifierCV(**SEARCH).fit(X, y),
    "alpha_max": lambda X, y: skreg.alpha_max(X, y, loss="log_loss"),
    "path": lambda X, y: skreg.regularization_path(X, y, loss="log_loss", n_alphas=2),
}
PREDICTIONS = {
    "predict": lambda X, _: REGRESSOR.predict(X),
    "labels": lambda X, _: CLASSIFIER.predict(X),
    "decision_function": lambda X, _: CLASSIFIER.decision_function(X),
    "predict_proba": lambda X, _: CLASSIFIER.predict_proba(X),
}
VALIDATIONS = {
    "X_val": lambda A, y: SGDRegularizedRegressor(**STOPPED).fit(X, Y, X_val=A, y_val=y),
    "X_val of a search": lambda A, y: SGDRegularizedRegressorCV(alphas=2).fit(
        X, Y, X_val=A, y_val=y
    ),
}
LABELED_VALIDATIONS = {
    "X_val": lambda A, y: SGDRegularizedClassifier(**STOPPED).fit(
        X, LABELS, X_val=A, y_val=y
    ),
    "X_val of a search": lambda A, y: SGDRegularizedClassifierCV(alphas=2).fit(
        X, LABELS, X_val=A, y_val=y
    ),
}
DOORS = [
    *((door, Y) for door in REGRESSIONS.values()),
    *((door, LABELS) for door in CLASSIFICATIONS.values()),
    *((door, Y) for door in PREDICTIONS.values()),
    *((door, Y) for door in VALIDATIONS.values()),
    *((door, LABELS) for door in LABELED_VALIDATIONS.values()),
]


def bent(name, attribute, place, value):
    matrix = getattr(sparse, f"{name}_matrix")(X)
    getattr(matrix, attribute)[place] = value
    return matrix


@pytest.mark.parametrize(
    "matrix",
    [
        bent("csr", "indptr", -1, 0),
        bent("csr", "indptr", -1, -1),
        bent("csc", "indptr", -1, 0),
        bent("csc", "indices", 0, 10**8),
        bent("bsr", "indices", 0, -3),
        bent("coo", "row", 0, 10**8),
    ],
    ids=lambda matrix: matrix.format,
)
@pytest.mark.parametrize(("door", "y"), DOORS)
def test_malformed_matrices_go_nowhere(door, y, matrix):
    with pytest.raises(ValueError, match=r"X(_val)? is not a valid .*(indptr|ind|rows)"):
        door(matrix, y)


FRAME = pd.DataFrame(X, columns=list("abcde"))
MASKED = np.ma.masked_array(X, mask=X > 1.0)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(200).reshape(40, 5).astype("M8[D]"),
        np.arange(200).reshape(40, 5).astype("m8[D]"),
        MASKED,
        list(MASKED),
        X.astype(str),
        X.astype(str).astype(object),
        X.astype(str).tolist(),
        FRAME.assign(c=X[:, 0].astype(str)),
        FRAME.assign(c=pd.date_range("2020", periods=40)),
        FRAME.assign(c=pd.Series(list("uv") * 20, dtype="category")),
        X + 1j,
        sparse.csr_matrix(X + 1j),
    ],
    ids=lambda values: type(values).__name__,
)
@pytest.mark.parametrize(("door", "y"), DOORS)
def test_features_are_numbers_in_every_container(door, y, values):
    with pytest.raises(ValueError, match=r"X(_val)? (holds|is a masked)|column 'c' of X"):
        door(values, y)


BAD_TARGETS = [
    np.arange(40).astype("M8[D]"),
    np.arange(40).astype("m8[s]"),
    np.arange(40).astype("M8[D]").tolist(),
    pd.Series(pd.date_range("2020", periods=40)),
    pd.Series(pd.date_range("2020", periods=40, tz="UTC")),
    np.ma.masked_array(LABELS, mask=X[:, 0] > 0),
    list(np.ma.masked_array(LABELS, mask=X[:, 0] > 0)),
    LABELS + 1j,
    np.where(X[:, 0] > 0, np.nan, LABELS),
    np.where(X[:, 0] > 0, None, LABELS),
    pd.Series(LABELS, dtype="Int64").where(X[:, 0] > 0),
    np.zeros((40, 2, 2)),
    np.zeros((40, 2, 2)).tolist(),
    LABELS[:-1],
]


@pytest.mark.parametrize("y", BAD_TARGETS, ids=lambda y: type(y).__name__)
@pytest.mark.parametrize("door", [*REGRESSIONS.values(), *CLASSIFICATIONS.values()])
def test_targets_and_labels_are_named(door, y):
    with pytest.raises(ValueError, match=r"\by\b|inconsistent numbers"):
        door(X, y)


@pytest.mark.parametrize("y", BAD_TARGETS, ids=lambda y: type(y).__name__)
@pytest.mark.parametrize("door", [*VALIDATIONS.values(), *LABELED_VALIDATIONS.values()])
def test_targets_and_labels_to_validate_on_are_named(door, y):
    with pytest.raises(ValueError, match="y_val"):
        door(X, y)


@pytest.mark.parametrize("door", REGRESSIONS.values())
def test_text_is_no_target(door):
    text = Y.astype(str)
    for y in (text, text.tolist(), text.astype(object), pd.Series(text), [*Y[:-1], "1"]):
        with pytest.raises(ValueError, match="y holds text"):
            door(X, y)


def test_several_labels_ask_for_a_wrapper():
    for door in CLASSIFICATIONS.values():
        with pytest.raises(ValueError, match=r"MultiOutputClassifier.*OneVsRestClassifier"):
            door(X, np.c_[LABELS, LABELS])
    for door in [*VALIDATIONS.values(), *LABELED_VALIDATIONS.values()]:
        with pytest.raises(ValueError, match="y_val"):
            door(X, np.c_[LABELS, LABELS])
    with pytest.raises(ValueError, match="y is a sparse matrix"):
        REGRESSIONS["fit"](X, sparse.csr_matrix(Y[:, np.newaxis]))


@pytest.mark.parametrize(
    "y",
    [
        LABELS == 1,
        (LABELS == 1).astype(object),
        LABELS.astype(object),
        LABELS.astype(float).astype(object),
        LABELS.tolist(),
        pd.Series(LABELS, dtype="Int64"),
        pd.Series(LABELS == 1, dtype="boolean"),
        pd.Series(LABELS).astype("category"),
        LABELS.astype(">i4"),
    ],
)
def test_labels_in_every_container(y):
    model = CLASSIFICATIONS["fit"](X, y)
    assert_allclose(model.coef_, CLASSIFIER.coef_, rtol=1e-12)
    assert_array_equal(model.classes_, [0, 1])
    assert model.classes_.dtype.kind in "bif"
    assert_array_equal(model.predict(X), CLASSIFIER.predict(X))


def test_labels_of_text():
    text = np.where(LABELS, "yes", "no")
    for y in (text, text.tolist(), text.astype(object), pd.Series(text).astype("category")):
        model = CLASSIFICATIONS["fit"](X, y)
        assert_allclose(model.coef_, CLASSIFIER.coef_, rtol=1e-12)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", 1], dtype=object),
        ["a", 1],
        np.array([True, 1], dtype=object),
        [True, 2],
        np.array([(1,), {}], dtype=object),
    ],
)
def test_mixed_labels_are_refused(labels):
    with pytest.raises(ValueError, match=r"Unknown label type: y holds .* astype\(str\)"):
        as_labels(labels, "y")


def test_text_is_never_the_number_it_shows():
    assert_array_equal(unknown_labels(["0", "1"], np.array([0, 1])), ["0", "1"])
    assert_array_equal(unknown_labels([0, 1], np.array(["0", "1"])), [0, 1])
    assert_array_equal(unknown_labels([2, 1], np.array([0, 1])), [2])
    assert_array_equal(unknown_labels([True], np.array([0, 1])), [])
    for door in (CLASSIFICATIONS["partial_fit"], *LABELED_VALIDATIONS.values()):
        with pytest.raises(ValueError, match="'0', which is not among"):
            door(X, LABELS.astype(str))


@pytest.mark.parametrize("assume_finite", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("door", "y"), DOORS)
def test_columns_that_are_not_finite_are_named(door, y, bad, assume_finite):
    dirty = X.copy()
    dirty[3, 1] = bad
    with config_context(assume_finite=assume_finite):
        for values in (dirty, dirty.tolist(), sparse.csc_matrix(dirty)):
            with pytest.raises(ValueError, match=r"X(_val)? contains .* column 1"):
                door(values, y)


@pytest.mark.parametrize(
    "weights",
    [
        np.arange(40).astype("M8[D]"),
        np.ma.masked_array(np.ones(40), mask=LABELS == 1),
        np.ones(40).astype(str),
        np.ones(40) + 1j,
        sparse.csr_matrix(np.ones((40, 1))),
        np.full(40, np.nan),
    ],
)
def test_weights_are_numbers(weights):
    for call in (
        lambda: SGDRegularizedRegressor(**FAST).fit(X, Y, sample_weight=weights),
        lambda: SGDRegularizedClassifier(**FAST).fit(X, LABELS, sample_weight=weights),
        lambda: SGDRegularizedRegressor().partial_fit(X, Y, sample_weight=weights),
        lambda: SGDRegularizedRegressorCV(**SEARCH).fit(X, Y, sample_weight=weights),
        lambda: skreg.objective(X, Y, np.ones(5), sample_weight=weights),
        lambda: REGRESSOR.score(X, Y, weights),
        lambda: CLASSIFIER.score(X, LABELS, weights),
    ):
        with pytest.raises(ValueError, match="sample_weight"):
            call()


def test_weights_of_all_kinds():
    expected = SGDRegularizedRegressor(**FAST).fit(X, Y).coef_
    for weights in (2, np.float64(2.0), np.array(2.0), [2] * 40, np.full(40, 2, object)):
        model = SGDRegularizedRegressor(**FAST).fit(X, Y, sample_weight=weights)
        assert_allclose(model.coef_, expected, rtol=1e-12)


def test_scores_are_those_of_scikit_learn():
    weights = rng.random(40)
    for y in (Y, Y.tolist(), pd.Series(Y), Y[:, np.newaxis]):
        expected = r2_score(Y, REGRESSOR.predict(X), sample_weight=weights)
        assert_allclose(REGRESSOR.score(X, y, weights), expected)
    correct = CLASSIFIER.predict(X) == LABELS
    for y in (LABELS, (LABELS == 1).astype(object), LABELS.tolist()):
        assert_allclose(CLASSIFIER.score(X, y), correct.mean())
        assert_allclose(
            CLASSIFIER.score(X, y, weights), np.average(correct, weights=weights)
        )


def test_weights_and_intercepts_of_objectives_are_numbers():
    for coef in (["1"] * 5, np.arange(5).astype("M8[D]"), np.ma.masked_less(X[0], 0.0)):
        with pytest.raises(ValueError, match=r"^coef (holds|is a masked)"):
            skreg.objective(X, Y, coef)
    with pytest.raises(ValueError, match="intercept holds text"):
        skreg.objective(X, Y, np.ones(5), "1")
    with pytest.raises(ValueError, match="coef contains NaN"):
        skreg.objective(X, Y, np.full(5, np.nan))


@pytest.mark.parametrize(
    ("alphas", "words"),
    [
        ([1.0, -2.0], r"alphas\[1\] is -2"),
        ([1.0, 2.0, np.nan], r"alphas\[2\] is nan"),
        ([np.inf, 1.0], r"alphas\[0\] is inf"),
        (["a"], r"alphas\[0\] is 'a'"),
        ([[1.0, 2.0]], "one dimension"),
        ([], "one dimension"),
    ],
)
def test_bad_alphas_are_named(alphas, words):
    with pytest.raises(ValueError, match=words):
        skreg.regularization_path(X, Y, alphas=alphas)
    with pytest.raises(ValueError, match=words):
        SGDRegularizedRegressorCV(alphas=alphas).fit(X, Y)


def all_of(value):
    """Return the content of an array or a sparse matrix, and what it knows of itself."""
    if sparse.issparse(value):
        return {name: all_of(part) for name, part in vars(value).items()}
    if isinstance(value, np.ndarray):
        return id(value), value.dtype.str, value.shape, value.tobytes(), str(value.flags)
    return repr(value)


def unsorted():
    matrix = sparse.csr_matrix(X)
    matrix.indices = np.tile(np.arange(5, dtype=np.int32)[::-1], 40)
    return matrix


def mixed_places():
    matrix = sparse.csr_matrix(X)
    matrix.indices = matrix.indices.astype(np.int64)
    return matrix


def with_spare_room():
    matrix = sparse.csr_matrix(X)
    matrix.data = np.append(matrix.data, [np.nan] * 7)
    matrix.indices = np.append(matrix.indices, [10**6] * 7).astype(np.int32)
    return matrix


def of_other_bytes(dtype):
    matrix = sparse.csr_matrix(X)
    matrix.data = matrix.data.astype(dtype)
    return matrix


def locked():
    matrix = sparse.csr_matrix(X)
    for array in (matrix.data, matrix.indices, matrix.indptr):
        array.flags.writeable = False
    return matrix


# What can be passed, and the dense matrix that it means.
MATRICES = [
    (X, X),
    (X.astype(">f8"), X),
    (X.astype(">f4"), X),
    (X.astype(np.float32), X),
    (np.asfortranarray(X), X),
    (np.rint(X).astype(int), np.rint(X)),
    (unsorted(), X[:, ::-1]),
    (mixed_places(), X),
    (with_spare_room(), X),
    (locked(), X),
    (of_other_bytes(">f8"), X),
    (of_other_bytes(">f4"), X),
    (sparse.csc_matrix(X), X),
    (sparse.coo_array(X), X),
    (sparse.bsr_array(X), X),
]


@pytest.mark.parametrize("matrix", [matrix for matrix, _ in MATRICES])
def test_nothing_of_the_caller_changes(matrix):
    weights = rng.random(40)
    coef, alphas = np.ones(5), np.array([0.1, 1.0])
    given = [matrix, Y, LABELS, weights, coef, alphas]
    before = [all_of(value) for value in given]
    for door, y in DOORS:
        door(matrix, y)
    SGDRegularizedRegressor(penalty="l1", **FAST).fit(matrix, Y, coef, 1.0, weights)
    SGDRegularizedRegressor().partial_fit(matrix, Y, weights)
    SGDRegularizedClassifier().partial_fit(matrix, LABELS, [0, 1], weights)
    skreg.regularization_path(matrix, Y, alphas=alphas, sample_weight=weights)
    SGDRegularizedRegressorCV(alphas=alphas, cv=2).fit(matrix, Y, weights)
    assert [all_of(value) for value in given] == before


@pytest.mark.parametrize(("matrix", "dense"), MATRICES)
def test_the_same_fit_from_all_of_them(matrix, dense):
    single = matrix.dtype in (np.float32, np.dtype(">f4"))
    tolerance = 1e-5 if single else 1e-9
    expected = SGDRegularizedRegressor(alpha=0.1).fit(dense, Y)
    model = SGDRegularizedRegressor(alpha=0.1).fit(matrix, Y)
    assert model.coef_.dtype == (np.float32 if single else np.float64)
    assert_allclose(model.coef_, expected.coef_, rtol=tolerance, atol=tolerance)
    predictions = model.predict(matrix)
    assert_allclose(predictions, expected.predict(dense), rtol=tolerance, atol=tolerance)


def test_memory_maps_of_other_bytes(tmp_path):
    np.save(tmp_path / "X.npy", X.astype(">f8"))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_allclose(REGRESSIONS["fit"](mapped, Y).coef_, REGRESSOR.coef_, rtol=1e-12)


def test_warnings_of_convergence_are_the_only_ones():
    with pytest.warns(ConvergenceWarning):
        SGDRegularizedRegressor(solver="sgd", tol=1e-9, max_iter=2).fit(FRAME, Y)
