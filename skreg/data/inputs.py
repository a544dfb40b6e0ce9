"""What users pass in, checked once and turned into what solvers take.

Nothing of theirs is changed. What is accepted does not depend on the container.
"""

from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from skreg.data.numbers import as_array, as_numbers, check_columns, check_finite, is_missing
from skreg.data.storage import as_csr

# Every sparse format and array-like is accepted and converted once.
FORMAT = {
    "accept_sparse": "csr",
    "dtype": [np.float64, np.float32],
    "order": "C",
    "ensure_all_finite": False,  # `check_finite` looks, whatever ``assume_finite`` says
}
_ONE_LABEL = (
    "wrap the estimator in sklearn.multioutput.MultiOutputClassifier or, for columns of 0 "
    "and 1, in sklearn.multiclass.OneVsRestClassifier"
)


def check_data(X, y):
    """Return `X` and a numeric `y`, checked outside of any estimator."""
    X = _check_matrix(X)
    y = _check_targets(y, "y")
    _check_lengths(X, y)
    return X, y


def check_labeled_data(X, y):
    """Return `X` and the labels `y`, checked outside of any estimator."""
    X = _check_matrix(X)
    y = column_or_1d(as_labels(y, "y"))
    _check_lengths(X, y)
    check_classification_targets(y)
    return X, y


def check_held_out(estimator, X_val, y_val, y, *, numeric):
    """Return rows to validate on, and their targets or labels, as many as `y` has."""
    X_val = check_rows(estimator, X_val, reset=False, name="X_val")
    if numeric:
        y_val = _check_targets(y_val, "y_val")
    else:
        y_val = column_or_1d(as_labels(y_val, "y_val"))
    _check_lengths(X_val, y_val, "X_val", "y_val")
    if y_val.shape[1:] != y.shape[1:]:
        raise ValueError(
            f"y_val has shape {y_val.shape}, but y has {y.shape}. Pass as many targets."
        )
    return X_val, y_val


def _check_targets(y, name):
    if y is None:
        raise ValueError(f"{name} must be given, not None.")
    return _float_targets(as_targets(y, name))


def _float_targets(y):
    """Return numbers as float64; a single column is as good as a vector."""
    y = y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
    return y.astype(np.float64, copy=False)


def columns_of(y):
    """Return the targets of each output, contiguous."""
    return list(np.ascontiguousarray(y.T)) if y.ndim == 2 else [y]


def _check_matrix(X):
    given, X = X, _as_matrix(X, "X")
    X = check_array(X, input_name="X", **FORMAT)
    check_finite(X, "X", given)
    return X


def check_rows(estimator, X, *, reset, name="X"):
    """Return the `X` of a method without targets, checked against the fitted features."""
    given, X = X, _as_matrix(X, name)
    X = validate_data(estimator, X, reset=reset, **FORMAT)
    check_finite(X, name, given)
    return X


def check_rows_and_targets(estimator, X, y, *, reset):
    """Return the rows and the numeric targets of a regression."""
    given, X, y = X, _as_matrix(X, "X"), as_targets(y, "y")
    _check_lengths(X, y)
    X, y = validate_data(
        estimator, X, y, reset=reset, y_numeric=True, multi_output=True, **FORMAT
    )
    check_finite(X, "X", given)
    return X, _float_targets(y)


def check_rows_and_labels(estimator, X, y, *, reset):
    """Return the rows and the labels of a classification."""
    given, X, y = X, _as_matrix(X, "X"), as_labels(y, "y")
    _check_lengths(X, y)
    X, y = validate_data(estimator, X, y, reset=reset, **FORMAT)
    check_finite(X, "X", given)
    check_classification_targets(y)
    return X, y


def _as_matrix(X, name):
    """Return features that scikit-learn reads as the numbers they are."""
    if sparse.issparse(X):
        return as_csr(X, name)
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        check_columns(X, name)
        return X  # scikit-learn reads its names
    return X if isinstance(X, np.matrix) else as_numbers(X, name)


def as_targets(y, name):
    """Return numbers to predict, for each row one or as many as there are outputs.

    None is for scikit-learn to refuse.
    """
    if y is None:
        return y
    y = as_numbers(y, name)
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] == 0):
        raise ValueError(
            f"{name} should be a 1d array, or a 2d array with a column for each target, "
            f"not of shape {y.shape}."
        )
    check_finite(y, name)
    return y


def as_labels(y, name):
    """Return labels that are all text, all numbers or all truth values."""
    if y is None:
        return y
    given, y = y, as_array(y, name)
    if y.ndim > 1 and (y.ndim > 2 or y.shape[1] > 1):
        raise ValueError(
            f"{name} should be a 1d array, got an array of shape {y.shape} instead. For "
            f"several targets {_ONE_LABEL}."
        )
    if y.dtype.kind in "MmcV":
        raise ValueError(
            f"{name} holds {y.dtype}, which is no type of labels. Convert it with "
            "astype(str)."
        )
    if y.dtype.kind == "f":
        check_finite(y, name)
    if y.dtype.kind == "O":
        return y if _family_of(y, name) == "text" else np.array(y.tolist())
    if isinstance(given, list | tuple):  # NumPy makes labels of several types text
        _family_of(np.array(given, dtype=object), name)
    return y


def _family_of(y, name):
    """Return what all labels of an array of objects are: text, numbers or truth values."""
    if any(is_missing(label) for label in y.flat):
        raise ValueError(f"{name} has missing labels (None or NaN); leave out their rows.")
    kinds = {type(label) for label in y.flat}
    families = {_family(kind) for kind in kinds}
    if len(families) > 1 or "objects" in families:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(
            f"Unknown label type: {name} holds labels of the types {names}. Make them all "
            "text or all numbers, as with astype(str)."
        )
    return families.pop() if families else "numbers"


def _family(kind):
    families = {"text": str, "truth values": (bool, np.bool_), "numbers": (Real, np.number)}
    of_kind = (name for name, types in families.items() if issubclass(kind, types))
    return next(of_kind, "objects")


def _check_lengths(X, y, X_name="X", y_name="y"):
    if y is not None and X.ndim == 2 and y.ndim > 0 and X.shape[0] != y.shape[0]:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {X_name} has "
            f"{X.shape[0]}, {y_name} has {y.shape[0]}."
        )


def unknown_labels(labels, classes):
    """Return those labels that are no classes; text is never the number that it shows."""
    labels, classes = np.unique(labels), np.asarray(classes)
    if (labels.dtype.kind in "fiub") != (classes.dtype.kind in "fiub"):
        return labels
    return np.setdiff1d(labels, classes)


def check_weights(sample_weight, X):
    """Return one float64 weight per row: none negative, not all 0; None means 1."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    sample_weight = as_numbers(sample_weight, "sample_weight")
    if sample_weight.ndim == 0:  # the same for all rows
        sample_weight = sample_weight.item()
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
