"""Rows of weights: what several models have for one feature, side by side in memory.

Such weights are a matrix with a row for each feature. Its rows are padded to a multiple of
`LANES` numbers and aligned with the lines of a cache, so that a processor reads, multiplies
and adds `LANES` of them at a time. A sparse row then asks the memory once for all models.

Numba would not vectorize loops as short as these, because it can't exclude that arrays
overlap, so the two innermost loops are written in LLVM's own terms. Without compilation
they are plain NumPy.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError

from skreg._compile import compiled, emitted, formula
from skreg.kernels.rows import CACHED_WEIGHTS, prefetch, soft

LANES = 8
_LINE_BYTES = 64
_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


def padded(n):
    """Return the length of a row of weights of `n` models."""
    return -(-n // LANES) * LANES


def aligned_empty(shape, new=np.empty):
    """Return an array that begins with a line of a cache."""
    size = int(np.prod(shape))
    memory = new(size + _LINE_BYTES // 8)
    start = -memory.ctypes.data % _LINE_BYTES // 8
    return memory[start : start + size].reshape(shape)


def aligned_zeros(shape):
    """Return an array of zeros that begins with a line of a cache."""
    return aligned_empty(shape, np.zeros)


def aligned_copy(array):
    """Return a copy of an array that begins with a line of a cache."""
    copy = aligned_empty(array.shape)
    copy[...] = array
    return copy


def _numpy_dot(data, indices, start, stop, coef, lane, thresholds, out):
    rows, lanes = coef[indices[start:stop]], slice(lane, lane + LANES)
    if thresholds is not None:
        rows = np.copysign(np.maximum(np.abs(rows) - thresholds, 0.0), rows)
    out[lanes] = data[start:stop] @ rows[:, lanes]


def _numpy_add(data, indices, start, stop, factors, lane, out):
    lanes = slice(lane, lane + LANES)
    for k in range(start, stop):
        out[indices[k], lanes] += factors[lanes] * data[k]


@compiled
def settle_each(coef, scales, thresholds, out):
    """Set `out` to ``scale * soft(coef, threshold)``."""
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            out[j, m] = scales[m] * soft(coef[j, m], thresholds[m])


@compiled
def settle_rows(coef, scales, thresholds, out):
    """Set `out` to what `settle_each` does, transposed, without columns beyond its rows."""
    for j in range(coef.shape[0]):
        for m in range(out.shape[0]):
            out[m, j] = scales[m] * soft(coef[j, m], thresholds[m])


@compiled
def count_nonzero_each(coef, thresholds, out):
    """Add the non-zeros of ``soft(coef, thresholds)``; return whether all is finite."""
    n_finite = 0
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            out[m] += abs(coef[j, m]) > thresholds[m]
            n_finite += abs(coef[j, m]) < np.inf
    return n_finite == coef.size


@emitted(_numpy_dot)
def _dot(typingctx, data, indices, start, stop, coef, lane, thresholds, out):
    """Set `LANES` elements of `out` to products of a sparse row with columns of `coef`."""

    def codegen(context, builder, signature, arguments):
        arrays = _Arrays(context, builder, signature, arguments)
        start, stop, lane = arguments[2], arguments[3], arguments[5]
        zeros = ir.Constant(_VECTOR, [0.0] * LANES)
        totals = [cgutils.alloca_once_value(builder, zeros) for _ in range(4)]
        if not isinstance(thresholds, types.NoneType):
            threshold = arrays.vector(6, lane)

        def add_product(k, total):
            weights = arrays.vector(4, arrays.place(1, k, 4, lane))
            if not isinstance(thresholds, types.NoneType):
                size = builder.fsub(_call(builder, "fabs", weights), threshold)
                weights = _call(
                    builder, "copysign", _call(builder, "maxnum", size, zeros), weights
                )
            product = builder.fmul(arrays.spread(0, k), weights, flags=["contract"])
            builder.store(
                builder.fadd(builder.load(total), product, flags=["contract"]), total
            )

        # Four sums, as those of a single model have.
        rest = builder.and_(builder.sub(stop, start), _INT64(3))
        middle = builder.sub(stop, rest)
        with cgutils.for_range_slice(builder, start, middle, _INT64(4)) as (k, _):
            for place, total in enumerate(totals):
                add_product(builder.add(k, _INT64(place)), total)
        with cgutils.for_range_slice(builder, middle, stop, _INT64(1)) as (k, _):
            add_product(k, totals[0])
        a, b, c, d = map(builder.load, totals)
        total = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
        builder.store(total, arrays.vector_pointer(7, lane), align=8)
        return context.get_dummy_value()

    arguments = data, indices, types.intp, types.intp, coef, types.intp, thresholds, out
    return _signature(*arguments), codegen


@emitted(_numpy_add)
def _add(typingctx, data, indices, start, stop, factors, lane, out):
    """Add a sparse row times `LANES` factors, unless all are 0, to columns of `out`."""

    def codegen(context, builder, signature, arguments):
        arrays = _Arrays(context, builder, signature, arguments)
        start, stop, lane = arguments[2], arguments[3], arguments[5]
        factor = arrays.vector(4, lane)

        def add_product(k):
            pointer = arrays.vector_pointer(6, arrays.place(1, k, 6, lane))
            product = builder.fmul(arrays.spread(0, k), factor, flags=["contract"])
            old = builder.load(pointer, align=8)
            builder.store(builder.fadd(old, product, flags=["contract"]), pointer, align=8)

        differ = builder.fcmp_unordered("!=", factor, ir.Constant(_VECTOR, [0.0] * LANES))
        mask = builder.bitcast(differ, ir.IntType(LANES))
        with (
            builder.if_then(builder.icmp_unsigned("!=", mask, mask.type(0))),
            cgutils.for_range_slice(builder, start, stop, _INT64(1)) as (k, _),
        ):
            add_product(k)
        return context.get_dummy_value()

    arguments = data, indices, types.intp, types.intp, factors, types.intp, out
    return _signature(*arguments), codegen


def _signature(*kinds):
    if any(isinstance(kind, types.Array) and kind.layout != "C" for kind in kinds):
        raise TypingError("Rows of weights must be C-ordered.")
    return types.void(*kinds)


class _Arrays:
    """The arguments of an intrinsic that are arrays, named by their number."""

    def __init__(self, context, builder, signature, arguments):
        self._builder = builder
        self._arrays = {
            number: context.make_array(kind)(context, builder, argument)
            for number, (kind, argument) in enumerate(
                zip(signature.args, arguments, strict=True)
            )
            if isinstance(kind, types.Array)
        }

    def place(self, indices, k, matrix, lane):
        """Return where in a flat matrix the row begins that an index names, at a lane."""
        row = self._builder.zext(self._element(indices, k), _INT64)
        width = cgutils.unpack_tuple(self._builder, self._arrays[matrix].shape)[1]
        return self._builder.add(self._builder.mul(row, width), lane)

    def spread(self, array, k):
        """Return a vector that holds an element `LANES` times."""
        element = self._element(array, k)
        if element.type != _DOUBLE:
            element = self._builder.fpext(element, _DOUBLE)
        none = ir.Constant(_VECTOR, ir.Undefined)
        first = self._builder.insert_element(none, element, _INT32(0))
        return self._builder.shuffle_vector(
            first, none, ir.Constant(ir.VectorType(_INT32, LANES), None)
        )

    def vector(self, array, place):
        """Return `LANES` elements."""
        return self._builder.load(self.vector_pointer(array, place), align=8)

    def vector_pointer(self, array, place):
        """Return the address of `LANES` elements."""
        pointer = self._builder.gep(self._arrays[array].data, [place])
        return self._builder.bitcast(pointer, _VECTOR.as_pointer())

    def _element(self, array, k):
        return self._builder.load(self._builder.gep(self._arrays[array].data, [k]))


def _call(builder, name, *vectors):
    """Call one of LLVM's own functions on vectors."""
    name = f"llvm.{name}.v{LANES}f64"
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(vectors))
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, vectors)


@formula
def row_dots(X, i, coef, thresholds, out):
    """Set ``out`` to ``X[i] @ soft(coef, thresholds)``, for a `CSR` and rows of weights.

    With None as thresholds, which is known when a kernel is compiled, weights stay as they
    are.
    """
    start, stop = X.indptr[i], X.indptr[i + 1]
    for lane in range(0, coef.shape[1], LANES):
        _dot(X.data, X.indices, start, stop, coef, lane, thresholds, out)


@formula
def row_add_each(X, i, factors, out):
    """Add ``X[i]`` times each of the factors to a column of `out`, for a `CSR`."""
    start, stop = X.indptr[i], X.indptr[i + 1]
    for lane in range(0, out.shape[1], LANES):
        _add(X.data, X.indices, start, stop, factors, lane, out)


@formula
def prefetch_each(X, i, coef):
    """Ask the memory for the weights of row `i`; this has no effect but on speed."""
    if coef.size <= CACHED_WEIGHTS:
        return
    width = coef.shape[1]
    for k in range(X.indptr[i], X.indptr[i + 1]):
        for lane in range(0, width, LANES):
            prefetch(coef, np.int64(X.indices[k]) * width + lane)
