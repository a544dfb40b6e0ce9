"""Rows of a matrix: what compiled loops do to one of them, dense or sparse.

Kernels touch a row only through `row_dot`, `row_add`, `row_bounds`, `row_item` and
`prefetch_row`. Each is written once per storage (see `skreg.data.matrices`) and chosen by
the type of the matrix: when a kernel is compiled, by the ``overload`` below it; without
compilation, by the function's own body. Sums and updates of sparse rows have flags of their
own, so that they are the same to the bit whatever flags the kernel around them has.
"""

import functools

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import overload

from skreg._compile import EXACTLY, IN_ORDER, compiled, emitted, formula
from skreg.data.matrices import CSR, INDEX

# The weights of a row are asked for this many steps ahead, when its column indices have
# come, and only if there are more weights than a processor's cache holds.
WEIGHTS_AHEAD = 2
CACHED_WEIGHTS = 1 << 17
_ONE, _TWO, _THREE, _FOUR = map(INDEX, (1, 2, 3, 4))

_overload_in_order = functools.partial(overload, jit_options={"fastmath": set(IN_ORDER)})


@formula
def soft(x, threshold):
    """Return `x` moved towards 0 by `threshold`, and 0 where it is nearer than that.

    With None, which is known when a kernel is compiled, it stays as it is.
    """
    if threshold is None:
        return x
    size = abs(x) - threshold
    return np.copysign(0.0 if size < 0.0 else size, x)


def settle(coef, scale, threshold):
    """Return ``scale * soft(coef, threshold)``."""
    out = np.empty_like(coef)
    _settle(coef, scale, threshold, out)
    return out


@compiled
def _settle(coef, scale, threshold, out):
    for j in range(coef.shape[0]):
        out[j] = scale * soft(coef[j], threshold)


@compiled(fastmath=EXACTLY)
def discount(coef, thresholds, factor):
    """Let each column keep a part of what it is nearer to 0 than its threshold allows.

    Times `factor`, the thresholds leave the same weights then.
    """
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            settled = soft(coef[j, m], thresholds[m])
            coef[j, m] = factor * coef[j, m] + (1.0 - factor) * settled


@formula
def multiply(coef, factor):
    """Multiply all weights by a factor, in place."""
    for j in range(coef.shape[0]):
        coef[j] *= factor


@formula
def add_multiple(coef, factor, out):
    """Add `factor` times all weights to `out`."""
    for j in range(coef.shape[0]):
        out[j] += factor * coef[j]


def by_storage(X, dense, sparse):
    """Return what is for the storage of a matrix."""
    return sparse if isinstance(X, CSR) else dense


def row_dot(X, i, coef, threshold):
    """Return ``X[i] @ soft(coef, threshold)``."""
    return by_storage(X, _dot_dense, _dot_csr)(X, i, coef, threshold)


@overload(row_dot)
def _compiled_dot_dense(X, i, coef, threshold):
    return _dot_dense if isinstance(X, types.Array) else None


@_overload_in_order(row_dot)
def _compiled_dot_csr(X, i, coef, threshold):
    return None if isinstance(X, types.Array) else _dot_csr


def _dot_dense(X, i, coef, threshold):
    total = 0.0
    for j in range(X.shape[1]):
        total += X[i, j] * soft(coef[j], threshold)
    return total


def _dot_csr(X, i, coef, threshold):
    data, indices, start, stop = X.data, X.indices, X.indptr[i], X.indptr[i + 1]
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
    by_storage(X, _add_dense, _add_csr)(X, i, factor, out)


@overload(row_add)
def _compiled_add_dense(X, i, factor, out):
    return _add_dense if isinstance(X, types.Array) else None


@_overload_in_order(row_add)
def _compiled_add_csr(X, i, factor, out):
    return None if isinstance(X, types.Array) else _add_csr


def _add_dense(X, i, factor, out):
    for j in range(X.shape[1]):
        out[j] += factor * X[i, j]


def _add_csr(X, i, factor, out):
    data, indices = X.data, X.indices
    for j in range(X.indptr[i], X.indptr[i + 1]):
        out[indices[j]] += factor * data[j]


def row_bounds(X, i):
    """Return the first place of row `i` and the one after its last, for `row_item`."""
    return (X.indptr[i], X.indptr[i + 1]) if isinstance(X, CSR) else (0, X.shape[1])


@overload(row_bounds)
def _compiled_row_bounds(X, i):
    if isinstance(X, types.Array):
        return lambda X, i: (0, X.shape[1])
    return lambda X, i: (X.indptr[i], X.indptr[i + 1])


def row_item(X, i, k):
    """Return the column and the value at place `k` of row `i`.

    They have the same types for all matrices: what they are given to is compiled once.
    """
    return by_storage(X, _item_dense, _item_csr)(X, i, k)


@overload(row_item)
def _compiled_row_item(X, i, k):
    return _item_dense if isinstance(X, types.Array) else _item_csr


def _item_dense(X, i, k):
    return np.int64(k), np.float64(X[i, k])


def _item_csr(X, i, k):
    return np.int64(X.indices[k]), np.float64(X.data[k])


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


def _no_prefetch(array, index):
    pass


@emitted(_no_prefetch)
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
