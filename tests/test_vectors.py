import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skreg._compile import IN_ORDER, compiled
from skreg.data.matrices import as_rows
from skreg.kernels.vectors import (
    LANES,
    aligned_copy,
    aligned_zeros,
    count_nonzero_each,
    padded,
    prefetch_each,
    row_add_each,
    row_dots,
    settle_each,
    settle_rows,
)


@compiled(fastmath=IN_ORDER)
def use_row(X, i, coef, factors, plain, thresholded, thresholds, out):
    prefetch_each(X, i, coef)
    row_dots(X, i, coef, None, plain)
    row_dots(X, i, coef, thresholds, thresholded)
    row_add_each(X, i, factors, out)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("width", [LANES, 3 * LANES])
def test_rows_of_weights(rng, width, dtype):
    dense = (rng.normal(size=(6, 9)) * (rng.random((6, 9)) < 0.5)).astype(dtype)
    dense[2] = 0.0
    X, coef = as_rows(sparse.csr_matrix(dense)), aligned_copy(rng.normal(size=(9, width)))
    thresholds, factors = rng.random(width), rng.normal(size=width)
    factors[:LANES] = 0.0  # left out as a whole
    for i, row in enumerate(dense.astype(np.float64)):
        plain, thresholded, out = np.ones(width), np.ones(width), np.ones((9, width))
        use_row(X, i, coef, factors, plain, thresholded, thresholds, out)
        assert_allclose(plain, row @ coef, rtol=1e-12)
        assert_allclose(thresholded, row @ naive.soft(coef, thresholds), rtol=1e-12)
        assert_allclose(out, 1.0 + np.outer(row, factors), rtol=1e-12)


def test_prefetching_many_weights_changes_nothing(rng):
    X = sparse.random(5, 20_000, density=0.01, format="csr", random_state=0)
    coef, one = aligned_copy(rng.normal(size=(20_000, 8))), np.ones(8)
    plain, same, out = np.zeros(8), np.zeros(8), np.zeros((20_000, 8))
    use_row(as_rows(X), 3, coef, one, plain, same, np.zeros(8), out)
    assert_allclose(plain, X[3].toarray()[0] @ coef, rtol=1e-12)
    assert_array_equal(plain, same)
    assert_allclose(out, np.repeat(X[3].toarray().T, 8, axis=1))


def test_whole_matrices(rng):
    coef, scales = rng.normal(size=(7, 8)), 1.0 + rng.random(8)
    thresholds, out = rng.random(8), np.empty((7, 8))
    settle_each(coef, scales, thresholds, out)
    expected = scales * naive.soft(coef, thresholds)
    assert_allclose(out, expected)
    rows = np.empty((5, 7))
    settle_rows(coef, scales, thresholds, rows)
    assert_array_equal(rows, out[:, :5].T)
    counts = np.zeros(8, dtype=np.int64)
    assert count_nonzero_each(coef, thresholds, counts)
    assert_array_equal(counts, np.count_nonzero(expected, axis=0))
    for bad in (np.nan, np.inf, -np.inf):
        coef[3, 2] = bad
        assert not count_nonzero_each(coef, thresholds, counts)


def test_memory_begins_with_a_line():
    assert [padded(n) for n in (1, 8, 9, 20)] == [8, 8, 16, 24]
    for shape in ((1, 8), (5, 16), (1001, 24)):
        zeros = aligned_zeros(shape)
        assert zeros.ctypes.data % 64 == 0
        assert zeros.shape == shape
        assert zeros.flags.c_contiguous
        assert not zeros.any()
    values = np.arange(24.0).reshape(3, 8)
    assert_array_equal(aligned_copy(values), values)
    assert aligned_copy(values).ctypes.data % 64 == 0
