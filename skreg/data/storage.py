"""Sparse matrices of users: checked, and turned into CSR matrices of our own.

SciPy's conversions and compiled code take places on trust: wrong ones would make them read
and write outside of arrays. SciPy's own check passes over some, and changes the matrix.
"""

import numpy as np
from scipy import sparse

from skreg.data.numbers import as_numbers


def as_csr(X, name):
    """Return a sound CSR twin of a sparse matrix, which may share its arrays.

    Sorting the twin, or taking note of its order, does not touch the original.
    """
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead: {name} has shape {X.shape}."
        )
    try:
        compressed = X.format in ("csr", "csc", "bsr")
        return _from_compressed(X, name) if compressed else _from_coordinates(X, name)
    except (IndexError, AttributeError, TypeError, _Malformed) as error:
        raise ValueError(
            f"{name} is not a valid {X.format.upper()} matrix: {error}. Build it anew from "
            "its values and coordinates."
        ) from error


class _Malformed(ValueError):
    """A sparse matrix contradicts itself."""


def _from_compressed(X, name):
    block = X.data.shape[1:] if X.format == "bsr" else (1, 1)
    if len(block) != 2 or 0 in block or X.shape[0] % block[0] or X.shape[1] % block[1]:
        raise _Malformed("data does not hold blocks that divide the shape")
    n_outer, n_inner = X.shape[0] // block[0], X.shape[1] // block[1]
    if X.format == "csc":
        n_outer, n_inner = n_inner, n_outer
    indptr, indices = _places(X.indptr, "indptr"), _places(X.indices, "indices")
    n_stored = _checked_pointers(indptr, n_outer, len(indices), len(X.data))
    indices = indices[:n_stored]  # arrays may be longer than what they hold
    _check_range(indices, n_inner, "indices")
    data = as_numbers(X.data[:n_stored], name)
    twin = _container(X, X.format)((data, indices, indptr), shape=X.shape)
    return twin.tocsr()


def _checked_pointers(indptr, n_outer, *lengths):
    """Return how many elements are stored; row pointers must be in order."""
    if len(indptr) != n_outer + 1:
        raise _Malformed(f"indptr has {len(indptr)} elements, not {n_outer + 1}")
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise _Malformed("indptr does not rise from 0")
    if len(set(lengths)) > 1:
        raise _Malformed("data and indices differ in length")
    if indptr[-1] > lengths[0]:
        raise _Malformed(f"indptr ends at {indptr[-1]}, indices at {lengths[0]}")
    return int(indptr[-1])


def _from_coordinates(X, name):
    data, rows, columns = _READERS.get(X.format, _read_coo)(X)
    rows, columns = _places(rows, "rows"), _places(columns, "columns")
    if not len(data) == len(rows) == len(columns):
        raise _Malformed("values and coordinates differ in number")
    _check_range(rows, X.shape[0], "rows")
    _check_range(columns, X.shape[1], "columns")
    coordinates = as_numbers(data, name), (rows, columns)
    return _container(X, "coo")(coordinates, shape=X.shape).tocsr()


def _read_coo(X):
    try:
        coo = X if X.format == "coo" else X.tocoo()
    except ValueError as error:
        raise _Malformed(str(error)) from error
    return coo.data, coo.row, coo.col


def _read_lil(X):
    lengths = [len(row) for row in X.rows]
    if lengths != [len(values) for values in X.data] or len(lengths) != X.shape[0]:
        raise _Malformed("a row has not as many values as columns")
    columns = [column for row in X.rows for column in row]
    values = [value for values in X.data for value in values]
    columns = np.array(columns, dtype=None if columns else np.intp)
    return np.array(values, X.dtype), np.repeat(np.arange(len(lengths)), lengths), columns


def _read_dia(X):
    offsets = _places(X.offsets, "offsets")
    if X.data.ndim != 2 or len(X.data) != len(offsets):
        raise _Malformed("there are not as many offsets as diagonals")
    if len(np.unique(offsets)) < len(offsets):
        raise _Malformed("offsets are not unique")
    columns = np.broadcast_to(np.arange(X.data.shape[1]), X.data.shape)
    rows = columns - offsets.astype(np.int64)[:, np.newaxis]
    inside = (rows >= 0) & (rows < X.shape[0]) & (columns < X.shape[1]) & (X.data != 0)
    return X.data[inside], rows[inside], columns[inside]


_READERS = {"lil": _read_lil, "dia": _read_dia}


def _places(array, name):
    """Return the places that a sparse matrix holds, in the machine's order of bytes."""
    array = np.asarray(array)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise _Malformed(f"{name} is not a list of integers, but of {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_range(places, length, name):
    unsigned = places.view(f"u{places.itemsize}")  # negative ones are huge
    if len(places) and unsigned.max() >= length:
        raise _Malformed(f"{name} are not all from 0 to {length - 1}")


def _container(X, kind):
    """Return the class of a format, of arrays or matrices as `X` is."""
    suffix = "array" if isinstance(X, sparse.sparray) else "matrix"
    return getattr(sparse, f"{kind}_{suffix}")
