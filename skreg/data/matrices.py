"""Matrices: how rows are stored, and what is done to a matrix as a whole.

A dense matrix is a C-ordered array, a sparse one the tuple `CSR`. Together with
`skreg.kernels.rows`, which does the same for a single row, this is the only code that knows
dense storage from sparse.
"""

from typing import NamedTuple

import numpy as np
from numba import config
from scipy import sparse
from scipy.linalg.blas import dsyrk

from skreg._compile import IN_ORDER, compiled

# The type of row pointers, and of what is added to them: mixed sums would be floats.
# Without compilation it is signed, because of NumPy 1: there int and unsigned are mixed.
INDEX = np.int64 if config.DISABLE_JIT else np.uint64  # type: ignore[attr-defined]
# Sums of squares below this have lost digits or are 0 by underflow.
_TINY = 1e-290
# Dense rows are scaled and multiplied in chunks that a cache holds.
_CHUNK_BYTES = 1 << 19


class CSR(NamedTuple):
    """A compressed sparse row matrix.

    ``indices`` and ``indptr`` are unsigned, which spares compiled code the tests for
    negative places.
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple


def as_rows(X):
    """Return a checked matrix in the form that kernels take.

    Kernels are compiled once per storage and float type: arrays are read-only, C-ordered
    and aligned, column indices are uint32 and row pointers `INDEX`, whatever `X` has. The
    data are not copied, unless a sparse matrix is unsorted or holds several values for one
    element, which are added.
    """
    if not sparse.issparse(X):
        return _read_only(X)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    same_width = X.indices.dtype.itemsize == 4
    indices = X.indices.view(np.uint32) if same_width else X.indices.astype(np.uint32)
    indptr = X.indptr.astype(np.int64, copy=False).view(INDEX)
    return CSR(*map(_read_only, (X.data, indices, indptr)), X.shape)


def _read_only(array):
    view = np.require(array, requirements=["C", "A"]).view(np.ndarray)
    view.flags.writeable = False
    return view


def bytes_per_row(X):
    """Return how many bytes of memory a row takes on average."""
    arrays = X[:2] if isinstance(X, CSR) else (X,)
    return sum(array.nbytes for array in arrays) / max(X.shape[0], 1)


def n_values(X):
    """Return how many elements are stored."""
    return X.data.size if isinstance(X, CSR) else X.size


def has_values(X, rows):
    """Return whether any element of some rows is not 0."""
    if not isinstance(X, CSR):
        return bool(np.any(X[rows]))
    counts = np.zeros(X.shape[0], dtype=bool)
    counts[rows] = True
    lengths = np.diff(X.indptr).astype(np.int64)
    return bool(np.any(X.data[np.repeat(counts, lengths)]))


def occupied_columns(X, limit):
    """Return the columns of a `CSR` that hold any element, None if `limit` or more do."""
    occupied = np.zeros(X.shape[1], dtype=bool)
    return np.flatnonzero(occupied) if _mark(X.indices, occupied, limit) else None


@compiled
def _mark(indices, occupied, limit):
    """Set `occupied` at `indices`; return False as soon as `limit` of them are."""
    count = 0
    for k in range(indices.shape[0]):
        count += not occupied[indices[k]]
        occupied[indices[k]] = True
        if count >= limit:
            return False
    return True


def take_occupied_columns(X, columns):
    """Return the columns of a `CSR` that `occupied_columns` names; values are shared."""
    places = np.zeros(X.shape[1], dtype=np.uint32)
    places[columns] = np.arange(len(columns))
    shape = (X.shape[0], len(columns))
    return CSR(X.data, _read_only(places[X.indices]), X.indptr, shape)


def column_counts(X):
    """Return how many elements each column of a `CSR` holds, None for dense storage."""
    if not isinstance(X, CSR):
        return None
    counts = np.zeros(X.shape[1], dtype=np.int64)
    _count(X.indices, counts)
    return counts


@compiled
def _count(indices, out):
    for k in range(indices.shape[0]):
        out[indices[k]] += 1


def take_columns(X, columns, counts=None):
    """Return a copy of some columns, given in increasing order, in the same storage.

    `counts` are those of `column_counts`, if they are known.
    """
    if not isinstance(X, CSR):
        return _read_only(np.take(X, columns, axis=1))
    places = np.full(X.shape[1], len(columns), dtype=np.uint32)  # for none
    places[columns] = np.arange(len(columns))
    n_taken = int((column_counts(X) if counts is None else counts)[columns].sum())
    data = np.empty(n_taken + 1, dtype=X.data.dtype)
    indices = np.empty(n_taken + 1, dtype=np.uint32)
    indptr = np.zeros(X.shape[0] + 1, dtype=INDEX)
    _take(*X[:3], places, len(columns), data, indices, indptr)
    taken = data[:n_taken], indices[:n_taken], indptr
    return CSR(*map(_read_only, taken), (X.shape[0], len(columns)))


@compiled
def _take(data, indices, indptr, places, none, out_data, out_indices, out_indptr):
    n = 0
    for i in range(out_indptr.shape[0] - 1):
        for j in range(indptr[i], indptr[i + 1]):
            place = places[indices[j]]
            out_data[n] = data[j]  # for good only if it is counted; there is one to spare
            out_indices[n] = place
            n += place < none
        out_indptr[i + 1] = n


def dense_rows(X, rows):
    """Return a copy of some rows in dense storage."""
    if not isinstance(X, CSR):
        return X[rows]
    out = np.zeros((len(rows), X.shape[1]), dtype=X.data.dtype)
    _scatter(X.data, X.indices, X.indptr, rows, out)
    return out


@compiled
def _scatter(data, indices, indptr, rows, out):
    for k in range(rows.shape[0]):
        for j in range(indptr[rows[k]], indptr[rows[k] + 1]):
            out[k, indices[j]] = data[j]


def mean_squares(X, weights):
    """Return the sums of ``weights * X^2`` over the rows, per feature."""
    if not isinstance(X, CSR):
        return np.einsum("i,ij,ij->j", weights, X, X)
    squares = np.zeros(X.shape[1])
    _add_squares_of_csr(X.data, X.indices, X.indptr, weights, squares)
    return squares


@compiled(fastmath=IN_ORDER)
def _add_squares_of_csr(data, indices, indptr, weights, out):
    for i in range(weights.shape[0]):
        for j in range(indptr[i], indptr[i + 1]):
            out[indices[j]] += weights[i] * np.float64(data[j]) * np.float64(data[j])


def row_norms_squared(X, rows=None):
    """Return the squared norm of each row, or of `rows`."""
    if not isinstance(X, CSR):
        block = X if rows is None else X[rows]
        return np.einsum("ij,ij->i", block, block, dtype=np.float64)
    rows = np.arange(X.shape[0]) if rows is None else rows
    norms = np.empty(len(rows))
    _norms_of_csr(X.data, X.indptr, rows, norms)
    return norms


@compiled
def _norms_of_csr(data, indptr, rows, out):
    for k in range(rows.shape[0]):
        total = 0.0
        for j in range(indptr[rows[k]], indptr[rows[k] + 1]):
            total += np.float64(data[j]) * np.float64(data[j])
        out[k] = total


def checked_row_norms(X, rows):
    """Return the squared norm of each row; those of `rows` must be sound numbers."""
    with np.errstate(over="ignore", under="ignore"):
        norms = row_norms_squared(X)
    check_squares(norms[rows], X, rows)
    return norms


def check_squares(squares, X, rows):
    """Refuse sums of squares, of some rows, that over- or underflow."""
    largest = np.max(squares, initial=0.0)
    if not largest < np.inf or (largest < _TINY and has_values(X, rows)):
        raise ValueError(
            "The squares of the features are too large or too small for floating-point "
            "numbers. Scale the features (StandardScaler, MaxAbsScaler)."
        )


def add_gram(X, rows, weights, out):
    """Add ``sum_i weights[i] * x_i x_i^T`` to `out`, where ``x_i`` ends with a 1.

    The sum goes over `rows`, ``weights[k]`` belongs to ``rows[k]``. Only the upper
    triangle of `out`, a C-ordered square, is touched.
    """
    if isinstance(X, CSR):
        _add_gram_csr(X, rows, weights, out)
        return
    whole = len(rows) == X.shape[0]
    if whole and X.size > 0 and X.dtype == np.float64 and np.ptp(weights) == 0.0:
        _add_products(X, weights[0], out)  # rows of one weight need not be copied
        return
    length = max(1, _CHUNK_BYTES // (8 * (X.shape[1] + 1)))
    for start in range(0, len(rows), length):
        chunk = slice(start, start + length)
        scaled = np.empty((len(rows[chunk]), X.shape[1] + 1))
        roots = np.sqrt(weights[chunk])
        block = X[chunk] if whole else X[rows[chunk]]
        np.multiply(block, roots[:, np.newaxis], out=scaled[:, :-1])
        scaled[:, -1] = roots
        # In Fortran order, C-ordered arrays are their own transposes.
        dsyrk(1.0, scaled.T, beta=1.0, c=out.T, lower=True, overwrite_c=True)


def _add_products(X, weight, out):
    out[:-1, :-1] += dsyrk(weight, X.T, lower=True).T
    out[:-1, -1] += weight * X.sum(axis=0)
    out[-1, -1] += weight * len(X)


@compiled(fastmath=IN_ORDER)
def _add_gram_csr(X, rows, weights, out):
    last = out.shape[0] - 1
    for k in range(rows.shape[0]):
        start, stop = X.indptr[rows[k]], X.indptr[rows[k] + 1]
        for a in range(start, stop):
            factor = weights[k] * X.data[a]
            row = out[X.indices[a]]
            for b in range(a, stop):
                row[X.indices[b]] += factor * X.data[b]
            row[last] += factor
        out[last, last] += weights[k]
