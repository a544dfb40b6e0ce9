"""Whether arrays of users hold numbers: dates, text and masked elements are none.

NumPy and scikit-learn read most of these as numbers, some only in some containers.
"""

import datetime

import numpy as np
from scipy import sparse

# By NumPy's kinds of types: what is no real number, and what to do about it.
_OTHERS = {
    "M": ("dates", "Pass numbers, as the days since some date"),
    "m": ("durations", "Pass numbers, as so many seconds"),
    "c": ("complex numbers", "Complex data not supported"),
    "U": ("text", "Turn it into numbers, as with astype(float)"),
    "V": ("records", "Pass an array of plain numbers"),
}
_OTHERS["S"] = _OTHERS["U"]
# The same for objects.
_KINDS = {
    (np.datetime64, datetime.date): "M",
    (np.timedelta64, datetime.timedelta): "m",
    (complex, np.complexfloating): "c",
    (str, bytes): "U",
}


def as_numbers(values, name):
    """Return an array-like of numbers as floats, of 4 bytes if they are such already."""
    array = as_array(values, name)
    kind = array.dtype.kind
    if kind == "O":
        return _numbers_of(array, name)
    if kind in _OTHERS:
        raise _no_numbers(kind, array.dtype, array.flat, name)
    single = kind == "f" and array.dtype.itemsize == 4
    with np.errstate(all="ignore"):  # infinity is refused by others
        return array.astype(np.float32 if single else np.float64, copy=False)


def as_array(values, name):
    """Return an array-like as an array; raise if elements of it are masked."""
    if sparse.issparse(values):
        raise ValueError(f"{name} is a sparse matrix; pass an array, as by toarray().")
    parts = values if isinstance(values, list | tuple) else (values,)
    if any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in parts):
        raise ValueError(
            f"{name} is a masked array, and its mask hides elements. Fill them, or leave "
            "out their rows."
        )
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} cannot be read as an array: {error}") from error


def check_columns(frame, name):
    """Raise if a column of a data frame holds anything but numbers."""
    for place, dtype in enumerate(frame.dtypes):
        if getattr(dtype, "kind", "O") not in "fiub":
            label = frame.columns[place]
            by_place = hasattr(frame, "iloc")
            column = frame.iloc[:, place] if by_place else frame[label]
            full_name = f"column {label!r} of {name}"
            check_finite(as_numbers(column, full_name), full_name)


def check_finite(array, name, given=None):
    """Raise if an array holds NaN or infinity, whatever ``assume_finite`` says.

    One such value would silently turn every weight into NaN. The columns of a matrix have
    the names that `given` has, what the user passed.
    """
    values = array.data if sparse.issparse(array) else array
    with np.errstate(all="ignore"):
        finite = np.isfinite(np.sum(values)) or np.isfinite(values).all()
    if not finite:
        what = "infinity or a value too large for dtype('float64')"
        what = "NaN" if np.isnan(values).any() else what
        raise ValueError(
            f"Input {name} contains {what}{_first_place(array, given)}; impute or remove "
            "these values."
        )


def _first_place(array, given):
    if array.ndim < 2:
        return ""
    if sparse.issparse(array):
        column = array.indices[~np.isfinite(array.data)].min()
    else:
        column = np.flatnonzero(~np.isfinite(array).all(axis=0))[0]
    return f", first in column {getattr(given, 'columns', range(array.shape[1]))[column]!r}"


def is_missing(value):
    """Return whether an object stands for no value, as None, NaN and pandas' NA do."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _numbers_of(objects, name):
    for kind in {type(value) for value in objects.flat}:
        for types, code in _KINDS.items():
            if issubclass(kind, types):
                examples = (value for value in objects.flat if type(value) is kind)
                raise _no_numbers(code, kind.__name__, examples, name)
    try:
        missing = [is_missing(value) for value in objects.flat]
        return np.where(np.reshape(missing, objects.shape), np.nan, objects).astype(float)
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name} holds what is no number: {error}") from error


def _no_numbers(code, dtype, values, name):
    what, advice = _OTHERS[code]
    example = next(iter(values), None)
    shown = str(example) if isinstance(example, np.generic) else repr(example)
    return ValueError(f"{name} holds {what} ({dtype}), such as {shown:.50}. {advice}.")
