import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skreg._compile import compiled
from skreg._rows import (
    CSR,
    as_rows,
    mean_squares,
    row_add,
    row_dot,
    row_norms_squared,
    without_features,
)


@compiled
def use_row(X, i, coef, threshold, out):
    row_add(X, i, 2.0, out)
    return row_dot(X, i, coef, threshold)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_row_functions(rng, storage, dtype):
    dense = (rng.normal(size=(5, 9)) * (rng.random((5, 9)) < 0.5)).astype(dtype)
    X, coef = as_rows(storage(dense)), rng.normal(size=9)
    settled = np.sign(coef) * np.maximum(np.abs(coef) - 0.3, 0.0)
    for i, row in enumerate(dense.astype(np.float64)):
        out = np.ones(9)
        dot = use_row(X, i, coef, 0.3, out)
        assert_allclose(dot, row @ settled, rtol=1e-12)
        assert_allclose(out, 1.0 + 2.0 * row, rtol=1e-12)


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
        assert form.indptr.dtype == np.int64
        assert not any(array.flags.writeable for array in form[:3])
    assert not as_rows(np.asfortranarray(np.eye(3))).flags.writeable


def test_squares(rng):
    dense = rng.normal(size=(6, 4)) * (rng.random((6, 4)) < 0.5)
    weights = rng.random(6)
    for X in (dense, sparse.csr_matrix(dense)):
        assert_allclose(mean_squares(as_rows(X), weights), weights @ dense**2)
        assert_allclose(row_norms_squared(as_rows(X)), (dense**2).sum(axis=1))
        assert without_features(as_rows(X), 3).shape == (3, 0)
