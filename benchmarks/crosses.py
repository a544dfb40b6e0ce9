"""Fit a cross of two features that no dense matrix can hold, and shrink the model.

Each row has one of 10 000 values of a feature, one of 20 000 of another, and the pair of
both: 200 030 000 columns, of which the rows occupy about two million. The label depends on
the values and on some pairs.
"""

import argparse
import pickle
import resource
import time

import numpy as np
from scipy import sparse

from skreg import SGDRegularizedClassifier

N_FIRST, N_SECOND = 10_000, 20_000


def make_rows(n):
    """Return float32 rows of three ones each, and labels."""
    rng = np.random.default_rng(0)
    first = (N_FIRST * rng.random(n) ** 2).astype(np.int64)
    second = (N_SECOND * rng.random(n) ** 2).astype(np.int64)
    pairs = N_FIRST * N_SECOND
    columns = np.stack([first * N_SECOND + second, pairs + first, pairs + N_FIRST + second])
    X = sparse.csr_matrix(
        (
            np.ones(3 * n, dtype=np.float32),
            columns.T.ravel().astype(np.int32),
            np.arange(0, 3 * n + 1, 3),
        ),
        shape=(n, pairs + N_FIRST + N_SECOND),
    )
    special = np.where((first * 7 + second * 13) % 50 == 0, 3.0, 0.0)
    signal = np.cos(first) + np.sin(second) + special - 0.5
    return X, (signal + rng.logistic(size=n) > 0.0).astype(int)


def main():
    """Print a line per solver."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_050_000)
    parser.add_argument("--alpha", type=float, default=3e-7)
    arguments = parser.parse_args()
    X, y = make_rows(arguments.rows)
    occupied = len(np.unique(X.indices))
    print(f"{X.shape[0]:,} x {X.shape[1]:,}, {occupied:,} columns occupied, {X.dtype}\n")
    print(
        "| solver | s | accuracy | non-zeros | model MB | sparsified MB | coef_ MB | peak |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for settings in ({"solver": "sgd", "max_iter": 5, "tol": None}, {"tol": 1e-3}):
        model = SGDRegularizedClassifier(
            penalty="l1", alpha=arguments.alpha, random_state=0, **settings
        )
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
        raw = model.decision_function(X[:100_000])
        dense = len(pickle.dumps(model)) / 2**20
        model.sparsify()
        assert np.allclose(model.decision_function(X[:100_000]), raw, atol=1e-5)
        small = len(pickle.dumps(model)) / 2**20
        coef = len(pickle.dumps(model.coef_)) / 2**20
        accuracy = np.mean((raw > 0.0) == y[:100_000])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"| {model.solver_} | {seconds:.1f} | {accuracy:.4f} | {model.coef_.nnz:,} "
            f"| {dense:,.0f} | {small:.1f} | {coef:.1f} | {peak:.1f} GB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
