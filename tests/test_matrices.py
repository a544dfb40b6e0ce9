import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skreg.data.matrices import (
    CSR,
    INDEX,
    add_gram,
    as_rows,
    check_squares,
    checked_row_norms,
    mean_squares,
    row_norms_squared,
    take_columns,
)


def test_data_are_not_copied(rng):
    dense = rng.normal(size=(4, 3))
    assert np.shares_memory(as_rows(dense), dense)
    csr = sparse.csr_matrix(dense)
    rows = as_rows(csr)
    assert np.shares_memory(rows.data, csr.data)
    assert np.shares_memory(rows.indices, csr.indices)


def test_forms_are_few():
    """Kernels are compiled once per storage and float type, whatever the index type."""
    csr = sparse.random(6, 4, density=0.5, format="csr", random_state=0)
    wide = csr.copy()
    wide.indices, wide.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    for form in (as_rows(csr), as_rows(wide)):
        assert isinstance(form, CSR)
        assert form.indices.dtype == np.uint32
        assert form.indptr.dtype == INDEX
        assert not any(array.flags.writeable for array in form[:3])
    assert not as_rows(np.asfortranarray(np.eye(3))).flags.writeable


def test_squares(rng):
    dense = rng.normal(size=(6, 4)) * (rng.random((6, 4)) < 0.5)
    weights = rng.random(6)
    for X in (dense, sparse.csr_matrix(dense)):
        assert_allclose(mean_squares(as_rows(X), weights), weights @ dense**2)
        assert_allclose(row_norms_squared(as_rows(X)), (dense**2).sum(axis=1))


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_add_gram(rng, storage, dtype):
    dense = (rng.normal(size=(30, 5)) * (rng.random((30, 5)) < 0.6)).astype(dtype)
    dense[:, 2] = 0.0
    rows, weights = rng.permutation(30)[:17], rng.random(17)
    weights[3] = 0.0
    before = rng.normal(size=(6, 6))
    out = before.copy()
    add_gram(as_rows(storage(dense)), rows, weights, out)
    expected = before.copy()
    for i, weight in zip(rows, weights, strict=True):
        x = np.append(dense[i].astype(np.float64), 1.0)
        expected += np.triu(weight * np.outer(x, x))
    assert_allclose(out, expected, rtol=1e-12, atol=1e-14)
    assert_array_equal(np.tril(out, -1), np.tril(before, -1))


def test_add_gram_of_many_rows(rng):
    """More rows than are multiplied at a time."""
    X, weights = rng.normal(size=(60_001, 3)), rng.random(60_001)
    with_ones = np.column_stack([X, np.ones(60_001)])
    expected = np.triu(with_ones.T @ (weights[:, np.newaxis] * with_ones))
    for storage in (np.asarray, sparse.csr_matrix):
        out = np.zeros((4, 4))
        add_gram(as_rows(storage(X)), np.arange(60_001), weights, out)
        assert_allclose(out, expected, rtol=1e-10)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("columns", [[0, 3, 4], [2], [], range(6)])
def test_take_columns(rng, storage, dtype, columns):
    dense = (rng.normal(size=(7, 6)) * (rng.random((7, 6)) < 0.5)).astype(dtype)
    original = storage(dense)
    X, columns = as_rows(original), np.array(columns, dtype=np.intp)
    part = take_columns(X, columns)
    assert part.shape == (7, len(columns))
    if isinstance(X, CSR):
        assert isinstance(part, CSR)
        assert (part.indices.dtype, part.indptr.dtype) == (np.uint32, INDEX)
        assert not any(np.shares_memory(a, b) for a, b in zip(part, X, strict=True))
        data = part.data
        part = sparse.csr_matrix(part[:3], shape=part.shape).toarray()
    else:
        assert part.flags.c_contiguous
        assert not part.flags.writeable
        assert not np.shares_memory(part, X)
        data = part
    assert data.dtype == dtype
    assert_array_equal(part, dense[:, columns])
    assert_array_equal(original.toarray() if sparse.issparse(original) else original, dense)


def test_squares_that_are_no_sound_numbers_are_refused():
    ones, zeros, rows = np.ones((2, 2)), np.zeros((2, 2)), np.arange(2)
    for X in (ones, as_rows(sparse.csr_matrix(ones))):
        check_squares(np.array([1.0, 0.0]), X, rows)
        for squares in ([1.0, np.inf], [np.nan, 1.0], [0.0, 0.0], [1e-300, 0.0]):
            with pytest.raises(ValueError, match="squares of the features are too"):
                check_squares(np.array(squares), X, rows)
    for X in (zeros, as_rows(sparse.csr_matrix(zeros))):
        check_squares(np.zeros(2), X, rows)
    for scale in (1e200, 1e-200):
        with pytest.raises(ValueError, match="Scale the features"):
            checked_row_norms(scale * ones, np.arange(2))
    # Rows that do not count may hold anything.
    mixed = np.array([[1.0, 2.0], [1e200, 0.0]])
    assert_allclose(checked_row_norms(mixed, np.array([0]))[0], 5.0)
