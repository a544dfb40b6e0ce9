"""The data that the suite fits: bundled with scikit-learn, synthetic, and real.

A problem is one matrix, one target and one loss. Dense matrices are C-ordered float64,
sparse ones CSR with 32-bit indices; targets of classification are -1 and +1. The real
data sets live in a folder with a ``load.py`` whose ``matrix(name)`` returns them.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn import datasets
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

CORRELATION = 0.9  # between neighbouring columns of the correlated problems


class Problem(NamedTuple):
    """One data set and the loss to fit."""

    name: str
    loss: str
    X: Any
    y: np.ndarray

    @property
    def group(self):
        """The kind of data: "sparse", "wide" (dense) or "dense" (and tall)."""
        if sparse.issparse(self.X):
            return "sparse"
        return "wide" if self.X.shape[1] > self.X.shape[0] else "dense"

    def slice(self):
        """Return the problem with fewer rows and columns, in the same proportion."""
        n, p = self.X.shape
        rows = np.linspace(0, n - 1, min(n, 500)).astype(int)
        columns = min(p, max(10, p * len(rows) // n), 2000)
        return self._replace(X=self.X[rows][:, :columns].copy(), y=self.y[rows])


def make(name, data=None):
    """Return the problem of that name; `data` is the folder of the real ones."""
    if name in SYNTHETIC:
        loss, function = SYNTHETIC[name]
        X, y = function(loss)
    elif name in BUNDLED:
        loss, file, positive = BUNDLED[name]
        X, y = getattr(datasets, f"load_{file}")(return_X_y=True)
        X = StandardScaler().fit_transform(X)
        y = y if positive is None else np.isin(y, positive)
    else:
        loss, file, positive = REAL[name]
        X, y = loader(data).matrix(file)
        y = y if positive is None else np.isin(y, positive)
        if name == "california_housing":
            X = PolynomialFeatures(2, include_bias=False).fit_transform(X)
            X = StandardScaler().fit_transform(X[:, X.std(axis=0) > 0.0])
    if loss != "squared_error":
        y = np.where(y > 0, 1.0, -1.0)
    return Problem(name, loss, _normalize(X), np.ascontiguousarray(y, dtype=np.float64))


def names(data=None):
    """Return the names of all problems that can be made."""
    return [*BUNDLED, *SYNTHETIC, *(REAL if data else ())]


def _normalize(X):
    if not sparse.issparse(X):
        return np.ascontiguousarray(X, dtype=np.float64)
    X = sparse.csr_matrix(X, dtype=np.float64)
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    X.sort_indices()
    return X


@functools.cache
def loader(data):
    """Return the module that reads the real data sets."""
    path = Path(data) / "load.py"
    spec = importlib.util.spec_from_file_location("load", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _target(X, loss, rng, n_relevant):
    """Return targets of a linear model whose noise explains half of the variance."""
    coef = np.zeros(X.shape[1])
    coef[:: X.shape[1] // n_relevant][:n_relevant] = rng.standard_normal(n_relevant)
    signal = X @ coef
    noise = rng.standard_normal(len(signal)) * signal.std()
    return signal + noise if loss == "squared_error" else signal - signal.mean() + noise


def _dense(n, p, correlation, loss):
    """Return normal features, of which neighbours are correlated, and their targets."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    for j in range(1, p if correlation else 0):
        X[:, j] *= np.sqrt(1.0 - correlation**2)
        X[:, j] += correlation * X[:, j - 1]
    return X, _target(X, loss, rng, max(5, p // 10))


def _zipf(n, p, nonzeros, loss):
    """Return sparse rows in log-uniform (Zipf) columns, and their targets."""
    rng = np.random.default_rng(0)
    columns = np.minimum(p ** rng.random(n * nonzeros), p - 1).astype(np.int32)
    rows = np.arange(0, n * nonzeros + 1, nonzeros)
    X = sparse.csr_matrix((rng.random(n * nonzeros), columns, rows), shape=(n, p))
    X.sum_duplicates()
    coef = rng.standard_normal(p) / np.sqrt(np.arange(1, p + 1))
    signal = X @ coef
    signal -= signal.mean()
    return X, signal + rng.standard_normal(n) * signal.std()


def _synthetic():
    """Return name: (loss, function of the loss that makes X and y)."""
    kinds = {
        "dense_100000x100": functools.partial(_dense, 100_000, 100, 0.0),
        "correlated_100000x100": functools.partial(_dense, 100_000, 100, CORRELATION),
        "dense_20000x1000": functools.partial(_dense, 20_000, 1000, 0.0),
        "correlated_20000x1000": functools.partial(_dense, 20_000, 1000, CORRELATION),
        "zipf_200000x1000000": functools.partial(_zipf, 200_000, 1_000_000, 21),
    }
    losses = {"squared": "squared_error", "log": "log_loss"}
    return {
        f"{kind}_{suffix}": (loss, function)
        for kind, function in kinds.items()
        for suffix, loss in losses.items()
    }


# name: (loss, function of the loss)
SYNTHETIC = _synthetic()
# name: (loss, data set, labels of the positive class or None for a regression)
BUNDLED = {
    "diabetes": ("squared_error", "diabetes", None),
    "breast_cancer": ("log_loss", "breast_cancer", [1]),
    "breast_cancer_svm": ("squared_hinge", "breast_cancer", [1]),
    "digits": ("log_loss", "digits", [0, 2, 4, 6, 8]),
}
REAL = {
    "california_housing": ("squared_error", "california_housing", None),
    "bike_hour": ("squared_error", "bike_hour", None),
    "prostate": ("squared_error", "prostate", None),
    "adult": ("log_loss", "adult", [">50K"]),
    "usps": ("log_loss", "usps", [0, 2, 4, 6, 8]),
    "leukemia": ("log_loss", "leukemia", ["AML"]),
    "riboflavin": ("squared_error", "riboflavin", None),
    "imdb": ("log_loss", "imdb", [1]),
    "imdb_rating": ("squared_error", "imdb_rating", None),
    "rcv1_small": ("log_loss", "rcv1_small", [1]),
    "newsgroups20": ("log_loss", "newsgroups20", ["comp.graphics"]),
}
