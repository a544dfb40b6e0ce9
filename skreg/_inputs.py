"""What users pass in, checked once and turned into what solvers take."""

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

# Every sparse format and array-like is accepted and converted once.
FORMAT = {"accept_sparse": "csr", "dtype": [np.float64, np.float32], "order": "C"}


def check_data(X, y):
    """Return `X` and a numeric `y`, checked outside of any estimator."""
    check_storage(X)
    X = check_array(X, input_name="X", **FORMAT)
    check_finite(X, "X")
    y = column_or_1d(y)
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    check_finite(y, "y")
    check_consistent_length(X, y)
    return X, y


def check_rows(estimator, X, *, reset):
    """Return the `X` of a method without targets, checked against the fitted features."""
    check_storage(X)
    X = validate_data(estimator, X, reset=reset, **FORMAT)
    check_finite(X, "X")
    return X


def check_storage(X):
    """Raise if a sparse matrix contradicts itself.

    scikit-learn and SciPy's conversions take its arrays on trust, and compiled code would
    read and write outside them.
    """
    if not sparse.issparse(X):
        return
    try:
        if X.format in ("csr", "csc", "bsr"):
            X.check_format(full_check=True)
        elif X.format == "lil":
            rows = [np.asarray(row, dtype=np.int64) for row in X.rows]
            if [len(row) for row in rows] != [len(values) for values in X.data]:
                raise ValueError("a row has not as many values as columns")
            _check_coordinates([np.concatenate([[], *rows])], X.shape[1:])
        elif X.format in ("coo", "dok"):
            coo = X.tocoo()
            if any(len(places) != len(coo.data) for places in coo.coords):
                raise ValueError("values and coordinates differ in number")
            _check_coordinates(coo.coords, X.shape)
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"X is not a valid {X.format.upper()} matrix: {error}. Build it anew from its "
            "values and coordinates."
        ) from error


def _check_coordinates(coordinates, shape):
    for places, length in zip(coordinates, shape, strict=True):
        if len(places) and not 0 <= places.min() <= places.max() < length:
            raise ValueError(f"a coordinate is not from 0 to {length - 1}")


def check_finite(array, name):
    """Raise if an array holds NaN or infinity, whatever ``assume_finite`` says.

    One such value would silently turn every weight into NaN.
    """
    values = array.data if sparse.issparse(array) else array
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(np.sum(values)) or np.isfinite(values).all()
    if not finite:
        raise ValueError(
            f"Input {name} contains NaN or infinity; impute or remove these values."
        )


def check_weights(sample_weight, X):
    """Return one float64 weight per row: none negative, not all 0; None means 1."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    weights = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    check_finite(weights, "sample_weight")
    if not weights.any():
        raise ValueError("sample_weight is 0 for every row; at least one must be positive.")
    return check_total(weights)


def check_total(weights):
    """Return weights of rows, whose sum must be a positive number."""
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not 0.0 < total < np.inf or weights.min() < 0.0:
        raise ValueError(
            "The weights of the rows (sample_weight times class_weight) must be finite, "
            f"none negative, and not all 0; their sum is {total:g}."
        )
    return weights
