"""Rows of a matrix: the only code that knows dense storage from sparse.

A dense matrix is a C-ordered array, a sparse one the tuple `CSR`. Kernels touch a row only
through `row_dot`, `row_add`, `row_bounds`, `row_item` and `prefetch_row`. Each is written
once per storage and chosen by the type of the matrix: when a kernel is compiled, by the
``overload`` below it; without compilation, by the function's own body.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic, overload
from scipy import sparse
from scipy.linalg.blas import dsyrk

from skreg._compile import IN_ORDER, compiled

# The weights of a row are asked for this many visits ahead, when its column indices have
# come, and only if there are more weights than a processor's cache holds.
WEIGHTS_AHEAD = 2
CACHED_WEIGHTS = 1 << 17
# The type of row pointers, and of what is added to them: mixed sums would be floats.
# Without compilation it is signed, because of NumPy 1: there int and unsigned are mixed.
PLACE = np.int64 if config.DISABLE_JIT else np.uint64  # type: ignore[attr-defined]
_ONE, _TWO, _THREE, _FOUR = map(PLACE, (1, 2, 3, 4))
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
    and aligned, column indices are uint32 and row pointers `PLACE`, whatever `X` has. The
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
    indptr = X.indptr.astype(np.int64, copy=False).view(PLACE)
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
    indptr = np.zeros(X.shape[0] + 1, dtype=PLACE)
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


@compiled
def soft(x, threshold):
    """Return `x` moved towards 0 by `threshold`, and 0 where it is nearer than that.

    With None, which is known when a kernel is compiled, it stays as it is.
    """
    if threshold is None:
        return x
    return np.copysign(max(abs(x) - threshold, 0.0), x)


@compiled
def settle(coef, scale, threshold):
    """Return ``scale * soft(coef, threshold)``."""
    out = np.empty_like(coef)
    for j in range(coef.shape[0]):
        out[j] = scale * soft(coef[j], threshold)
    return out


@compiled
def settle_into_mean(coef, scale, threshold, sums, more_sums, count):
    """Return ``(sums + more_sums + scale * soft(coef, threshold)) / count``."""
    out = np.empty_like(coef)
    for j in range(coef.shape[0]):
        weight = scale * soft(coef[j], threshold)
        out[j] = (weight + (sums[j] + more_sums[j])) / count
    return out


def row_dot(X, i, coef, threshold):
    """Return ``X[i] @ soft(coef, threshold)``."""
    dot = _dot_csr if isinstance(X, CSR) else _dot_dense
    return dot(X, i, coef, threshold)


@overload(row_dot)
def _compiled_row_dot(X, i, coef, threshold):
    return _dot_dense if isinstance(X, types.Array) else _dot_csr


def _dot_dense(X, i, coef, threshold):
    total = 0.0
    for j in range(X.shape[1]):
        total += X[i, j] * soft(coef[j], threshold)
    return total


def _dot_csr(X, i, coef, threshold):
    return _indexed_dot(X.data, X.indices, X.indptr[i], X.indptr[i + 1], coef, threshold)


@compiled(fastmath=IN_ORDER)
def _indexed_dot(data, indices, start, stop, coef, threshold):
    a, b, c, d = 0.0, 0.0, 0.0, 0.0  # one sum would have to wait for itself
    rest = (stop - start) & _THREE
    for j in range(start, stop - rest, _FOUR):
        a += data[j] * soft(coef[indices[j]], threshold)
        b += data[j + _ONE] * soft(coef[indices[j + _ONE]], threshold)
        c += data[j + _TWO] * soft(coef[indices[j + _TWO]], threshold)
        d += data[j + _THREE] * soft(coef[indices[j + _THREE]], threshold)
    for j in range(stop - rest, stop):
        a += data[j] * soft(coef[indices[j]], threshold)
    return (a + b) + (c + d)


def row_add(X, i, factor, out):
    """Add ``factor * X[i]`` to `out`."""
    add = _add_csr if isinstance(X, CSR) else _add_dense
    add(X, i, factor, out)


@overload(row_add)
def _compiled_row_add(X, i, factor, out):
    return _add_dense if isinstance(X, types.Array) else _add_csr


def _add_dense(X, i, factor, out):
    for j in range(X.shape[1]):
        out[j] += factor * X[i, j]


def _add_csr(X, i, factor, out):
    for j in range(X.indptr[i], X.indptr[i + 1]):
        out[X.indices[j]] += factor * X.data[j]


def row_bounds(X, i):
    """Return the first place of row `i` and the one after its last, for `row_item`."""
    return (X.indptr[i], X.indptr[i + 1]) if isinstance(X, CSR) else (0, X.shape[1])


@overload(row_bounds)
def _compiled_row_bounds(X, i):
    if isinstance(X, types.Array):
        return lambda X, i: (0, X.shape[1])
    return lambda X, i: (X.indptr[i], X.indptr[i + 1])


def row_item(X, i, k):
    """Return the column and the value at place `k` of row `i`."""
    return (X.indices[k], X.data[k]) if isinstance(X, CSR) else (k, X[i, k])


@overload(row_item)
def _compiled_row_item(X, i, k):
    if isinstance(X, types.Array):
        return lambda X, i, k: (k, X[i, k])
    return lambda X, i, k: (X.indices[k], X.data[k])


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


def prefetch_row(X, i):
    """Ask the memory for row `i`; this has no effect but on speed."""


@overload(prefetch_row)
def _compiled_prefetch_row(X, i):
    return _prefetch_dense if isinstance(X, types.Array) else _prefetch_csr


def _prefetch_dense(X, i):
    for j in range(0, X.shape[1], 8):  # 8 doubles are a cache line
        prefetch(X, i * X.shape[1] + j)


def _prefetch_csr(X, i):
    for j in range(X.indptr[i], X.indptr[i + 1], 8):
        prefetch(X.data, j)
        prefetch(X.indices, j)


def prefetch_item(array, i):
    """Ask the memory for what belongs to row `i` in an array; this is for speed alone."""


@overload(prefetch_item)
def _compiled_prefetch_item(array, i):
    if array.ndim == 1:
        return lambda array, i: prefetch(array, i)
    return lambda array, i: prefetch(array, i * array.shape[1])


def prefetch_weights(X, i, coef):
    """Ask the memory for the weights of row `i`, which sparse rows find scattered."""


@overload(prefetch_weights)
def _compiled_prefetch_weights(X, i, coef):
    return _prefetch_no_weights if isinstance(X, types.Array) else _prefetch_weights_csr


def _prefetch_no_weights(X, i, coef):
    pass


def _prefetch_weights_csr(X, i, coef):
    if coef.shape[0] <= CACHED_WEIGHTS:
        return
    for j in range(X.indptr[i], X.indptr[i + 1]):
        prefetch(coef, X.indices[j])


@intrinsic
def prefetch(typingctx, array, index):
    """Emit ``llvm.prefetch`` for the element `index` of the flat `array`."""

    def codegen(context, builder, signature, arguments):
        struct = context.make_array(signature.args[0])(context, builder, arguments[0])
        element = builder.gep(struct.data, [arguments[1]])
        address = builder.bitcast(element, ir.IntType(8).as_pointer())
        int32 = ir.IntType(32)
        function = builder.module.globals.get("llvm.prefetch.p0") or ir.Function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [address.type, int32, int32, int32]),
            "llvm.prefetch.p0",
        )
        read, into_second_level_cache, data = int32(0), int32(2), int32(1)
        builder.call(function, [address, read, into_second_level_cache, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen
