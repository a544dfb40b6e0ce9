"""Malformed sparse matrices are refused, sound ones give our own twin."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skreg.data.storage import as_csr

FORMATS = ["csr", "csc", "bsr", "coo", "lil", "dok", "dia"]
KINDS = ["matrix", "array"]


@pytest.fixture
def dense(rng):
    return rng.normal(size=(8, 6)) * (rng.random((8, 6)) < 0.6)


def stored(dense, name, kind="matrix"):
    return getattr(sparse, f"{name}_{kind}")(sparse.csr_matrix(dense))


def fingerprint(matrix):
    """Return all that a matrix holds, which arrays and caches these are included."""
    return {
        name: (id(value), value.dtype.str, value.tobytes(), str(value.flags))
        if isinstance(value, np.ndarray) and value.dtype != object
        else repr(value)
        for name, value in vars(matrix).items()
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMATS)
def test_twins_are_equal_and_apart(dense, name, kind):
    matrix = stored(dense, name, kind)
    before = fingerprint(matrix)
    twin = as_csr(matrix, "X")
    assert twin.has_canonical_format  # a cache is written
    assert twin.format == "csr"
    assert isinstance(twin, sparse.sparray) == (kind == "array")
    assert_array_equal(twin.toarray(), dense)
    assert fingerprint(matrix) == before


def test_arrays_are_shared_where_they_fit(dense):
    matrix = sparse.csr_matrix(dense)
    twin = as_csr(matrix, "X")
    for name in ("data", "indices", "indptr"):
        assert np.shares_memory(getattr(twin, name), getattr(matrix, name))


def set_at(place, value):
    def change(array):
        array[place] = value
        return array

    return change


BROKEN = {
    "the last pointer 0": {"indptr": set_at(-1, 0)},
    "the last pointer -1": {"indptr": set_at(-1, -1)},
    "the last pointer huge": {"indptr": set_at(-1, 10**6)},
    "the first pointer 1": {"indptr": set_at(0, 1)},
    "the first pointer -1": {"indptr": set_at(0, -1)},
    "a pointer falls": {"indptr": set_at(3, 0)},
    "a pointer is huge": {"indptr": set_at(3, 10**8)},
    "a pointer is negative": {"indptr": set_at(3, -(10**8))},
    "too few pointers": {"indptr": lambda array: array[:-1]},
    "too many pointers": {"indptr": lambda array: np.append(array, array[-1])},
    "no pointers": {"indptr": lambda array: array[:0]},
    "pointers in two dimensions": {"indptr": lambda array: array[np.newaxis]},
    "pointers that are floats": {"indptr": lambda array: array.astype(float)},
    "pointers that fall, unsigned": {
        "indptr": lambda array: set_at(3, 0)(array.astype(np.uint32))
    },
    "an index huge": {"indices": set_at(0, 10**8)},
    "an index of the width": {"indices": set_at(0, 8)},
    "an index negative": {"indices": set_at(0, -1)},
    "indices that are floats": {"indices": lambda array: array.astype(float)},
    "indices that are text": {"indices": lambda array: array.astype(str)},
    "too few indices": {"indices": lambda array: array[:-1]},
    "no indices": {"indices": lambda array: array[:0]},
    "more indices than data": {"indices": lambda array: np.append(array, array)},
    "too few data": {"data": lambda array: array[:-1]},
    "no data": {"data": lambda array: array[:0]},
    "more data than indices": {"data": lambda array: np.concatenate([array, array])},
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
@pytest.mark.parametrize("kind", KINDS)
def test_malformed_compressed_matrices_are_refused(dense, name, kind, what):
    matrix = stored(dense, name, kind)
    ((attribute, change),) = BROKEN[what].items()
    setattr(matrix, attribute, change(getattr(matrix, attribute).copy()))
    with pytest.raises(ValueError, match=f"X is not a valid {name.upper()} matrix") as info:
        as_csr(matrix, "X")
    assert attribute in str(info.value) or "indices" in str(info.value)


def lists(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        ("coo", "row", np.array([0, 10**8])),
        ("coo", "row", np.array([0, -1])),
        ("coo", "col", np.array([2, 1])),
        ("coo", "data", np.ones(3)),
        ("coo", "data", np.ones(0)),
        ("lil", "rows", lists([0], [10**8])),
        ("lil", "rows", lists([0], [-7])),
        ("lil", "rows", lists([0, 1], [1])),
        ("lil", "rows", lists([0], [0.5])),
        ("lil", "rows", lists([0], 5)),
        ("lil", "rows", lists([0])),
        ("lil", "data", lists([1.0], [])),
        ("dia", "offsets", np.array([0, 1])),
        ("dia", "offsets", np.array([0.5])),
        ("dia", "data", np.ones(2)),
        ("dok", "_dict", {(0, 10**8): 1.0}),
        ("dok", "_dict", {(-1, 0): 1.0}),
    ],
)
def test_other_malformed_matrices_are_refused(name, attribute, value):
    matrix = stored(np.eye(2), name)
    setattr(matrix, attribute, value)
    with pytest.raises(ValueError, match=f"X is not a valid {name.upper()} matrix"):
        as_csr(matrix, "X")


@pytest.mark.parametrize("name", ["csr", "csc"])
def test_shapes_that_do_not_fit_are_refused(dense, name):
    for shape in ((8, 3), (5, 6)):
        matrix = stored(dense, name)
        matrix._shape = shape
        with pytest.raises(ValueError, match="is not a valid"):
            as_csr(matrix, "X")


def test_other_dimensions_are_refused(dense):
    arrays = sparse.coo_array(dense[0]), sparse.csr_array(dense[0])
    for matrix in (array for array in arrays if array.ndim == 1):  # two in old SciPy
        with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
            as_csr(matrix, "X")


@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
@pytest.mark.parametrize(
    "changes",
    [
        {"indices": lambda array: array.astype(np.int64)},
        {"indptr": lambda array: array.astype(np.int64)},
        {"indices": lambda array: array.astype(">i4")},
        {"indptr": lambda array: array.astype(">i8")},
        {"indices": lambda array: array.astype(np.int8)},
        {"data": lambda array: array.astype(">f8")},
        {"data": lambda array: array.astype(np.longdouble)},
        {"data": lambda array: array.astype(object)},
        {
            "indices": lambda array: np.append(array, 10**8 + array),
            "data": lambda array: np.concatenate([array, np.nan * array]),
        },
    ],
)
def test_unusual_but_sound_matrices_are_read_and_left_alone(dense, name, changes):
    matrix = stored(dense, name)
    for attribute, change in changes.items():
        setattr(matrix, attribute, change(getattr(matrix, attribute)))
    before = fingerprint(matrix)
    twin = as_csr(matrix, "X")
    assert_array_equal(twin.toarray(), dense)
    assert twin.data.dtype == np.float64
    assert fingerprint(matrix) == before


@pytest.mark.parametrize("dtype", [np.float32, ">f4"])
@pytest.mark.parametrize("name", FORMATS)
def test_single_precision_stays(dense, name, dtype):
    matrix = stored(dense.astype(np.float32), name)
    if name in ("csr", "csc", "coo"):
        matrix.data = matrix.data.astype(dtype)
    twin = as_csr(matrix, "X")
    assert twin.data.dtype == np.float32
    assert twin.data.dtype.isnative
    assert_allclose(twin.toarray(), dense, rtol=1e-6)


def test_caches_that_are_out_of_date_are_not_believed():
    matrix = sparse.csr_matrix(np.ones((2, 3)))
    assert matrix.has_canonical_format
    matrix.indices = np.array([2, 1, 0, 1, 1, 0], dtype=np.int32)
    copied = copy.copy(matrix)
    twin = as_csr(matrix, "X")
    assert not twin.has_canonical_format
    assert_array_equal(twin.toarray(), copied.toarray())


def test_diagonals_reach_beyond_the_matrix():
    matrix = sparse.dia_matrix((np.ones((3, 9)), [-2, 0, 10**6]), shape=(4, 3))
    expected = np.eye(4, 3) + np.eye(4, 3, -2)
    assert_array_equal(as_csr(matrix, "X").toarray(), expected)
