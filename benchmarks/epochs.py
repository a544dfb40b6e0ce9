"""Time an epoch of skreg and of scikit-learn's SGDRegressor on the same data.

An epoch is the difference of a fit of several epochs and a fit of one, divided by the
number of epochs between: validation and compilation cancel. Both visit rows in random
order, with the same constant step, without looking at convergence; the last column compares
random order with storage order, for skreg.
"""

import argparse
import statistics
import time

import numpy as np
import problems
from scipy import sparse
from sklearn.linear_model import SGDRegressor

from skreg import SGDRegularizedRegressor

PENALTIES = {"l1": 1.0, "elasticnet": 0.5, "l2": 0.0}


def dense(n, p, dtype=np.float64):
    """Return independent normal features."""
    return np.random.default_rng(0).standard_normal((n, p)).astype(dtype)


def zipf(n, p, nonzeros):
    """Return rows of at most `nonzeros` values in log-uniform (Zipf) columns."""
    rng = np.random.default_rng(0)
    columns = np.minimum(p ** rng.random(n * nonzeros), p - 1).astype(np.int32)
    rows = np.arange(0, n * nonzeros + 1, nonzeros)
    X = sparse.csr_matrix((rng.random(n * nonzeros), columns, rows), shape=(n, p))
    X.sum_duplicates()
    return X


def spread(n, p, nonzeros):
    """Return rows of exactly `nonzeros` values, one in each of as many column ranges."""
    rng = np.random.default_rng(0)
    width = p // nonzeros
    columns = np.arange(nonzeros) * width + rng.integers(width, size=(n, nonzeros))
    rows = np.arange(0, n * nonzeros + 1, nonzeros)
    values = rng.random(n * nonzeros)
    return sparse.csr_matrix((values, columns.ravel().astype(np.int32), rows), shape=(n, p))


PROBLEMS = {
    "dense 200 000 x 100": lambda: dense(200_000, 100),
    "dense 100 000 x 100": lambda: dense(100_000, 100),
    "dense 100 000 x 100, float32": lambda: dense(100_000, 100, np.float32),
    "dense 1 000 000 x 20": lambda: dense(1_000_000, 20),
    "dense 20 000 x 1 000": lambda: dense(20_000, 1000),
    "CSR 100 000 x 10 000, 60 a row": lambda: spread(100_000, 10_000, 60),
    "CSR 100 000 x 1 000, 60 drawn a row": lambda: zipf(100_000, 1000, 60),
    "CSR 100 000 x 50 000, 60 drawn a row": lambda: zipf(100_000, 50_000, 60),
    "CSR 200 000 x 1 000 000, 19 drawn a row": lambda: zipf(200_000, 1_000_000, 19),
}


def seconds_per_epoch(kind, X, y, epochs, settings):
    """Return the seconds of one epoch."""
    times = []
    for max_iter in (1, 1 + epochs):
        model = kind(max_iter=max_iter, tol=None, random_state=0, **settings)
        start = time.perf_counter()
        model.fit(X, y)
        times.append(time.perf_counter() - start)
    return (times[1] - times[0]) / epochs


def main():
    """Print a table of nanoseconds per value and of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--only", default="", help="problems whose name contains this")
    parser.add_argument("--data", help="folder of the real data sets, for imdb")
    arguments = parser.parse_args()
    all_problems = dict(PROBLEMS)
    if arguments.data:
        all_problems["imdb"] = lambda: problems.make("imdb", arguments.data).X
    print("| problem | penalty | skreg ns/value | scikit-learn's | ratio | order |")
    print("|---|---|---:|---:|---:|---:|")
    for name, make in all_problems.items():
        if arguments.only not in name:
            continue
        X = make()
        n_values = X.nnz if sparse.issparse(X) else X.size
        y = np.asarray(X[:, :5].sum(axis=1)).ravel()
        y = (y + np.random.default_rng(1).standard_normal(len(y))).astype(X.dtype)
        for penalty, l1_ratio in PENALTIES.items():
            settings = {
                "penalty": penalty,
                "l1_ratio": l1_ratio,
                "alpha": 1e-3,
                "learning_rate": "constant",
                "eta0": 1e-2 if sparse.issparse(X) else 0.1 / X.shape[1],
            }
            SGDRegularizedRegressor(max_iter=1, tol=None, **settings).fit(X, y)
            in_order = settings | {"shuffle": False}
            turns = [
                [
                    seconds_per_epoch(kind, X, y, arguments.epochs, chosen)
                    for kind, chosen in (
                        (SGDRegularizedRegressor, settings),
                        (SGDRegressor, settings),
                        (SGDRegularizedRegressor, in_order),
                    )
                ]
                for _ in range(arguments.repeats)
            ]
            ours, theirs, ordered = map(statistics.median, zip(*turns, strict=True))
            print(
                f"| {name} | {penalty} | {ours / n_values * 1e9:.2f} "
                f"| {theirs / n_values * 1e9:.2f} | {theirs / ours:.1f} "
                f"| {ours / ordered:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
