import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skreg._compile import compiled
from skreg.data.matrices import as_rows
from skreg.kernels.rows import row_add, row_dot, settle


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
    assert_allclose(settle(coef, 1.7, 0.3), 1.7 * settled)
    for i, row in enumerate(dense.astype(np.float64)):
        out = np.ones(9)
        dot = use_row(X, i, coef, 0.3, out)
        assert_allclose(dot, row @ settled, rtol=1e-12)
        assert_allclose(out, 1.0 + 2.0 * row, rtol=1e-12)
