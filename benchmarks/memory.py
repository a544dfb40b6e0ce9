"""Measure the memory that a fit takes beyond its data.

The largest sum of all arrays that are alive at once during `fit` (as `tracemalloc` counts
them), beside the size of X. Fits come twice; the first one compiles.
"""

import argparse
import tracemalloc

import problems
from objectives import Task, alpha_max
from scipy import sparse

from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor

NAMES = [
    "dense_100000x100_squared",
    "dense_100000x100_log",
    "correlated_20000x1000_log",
    "zipf_200000x1000000_log",
]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the real data sets")
    data = parser.parse_args().data
    print("| problem | penalty | solver | X, MB | more, MB | part of X |")
    print("|---|---|---|---:|---:|---:|")
    for name in NAMES + (["imdb", "leukemia", "usps"] if data else []):
        problem = problems.make(name, data)
        X = problem.X
        parts = (X.data, X.indices, X.indptr) if sparse.issparse(X) else (X,)
        size = sum(part.nbytes for part in parts)
        largest = alpha_max(Task(X, problem.y, problem.loss, 0.0, 0.0))
        regression = problem.loss == "squared_error"
        kind = SGDRegularizedRegressor if regression else SGDRegularizedClassifier
        for penalty in ("l1", "l2"):
            for solver in ("svrg", "sgd"):
                model = kind(
                    problem.loss, penalty=penalty, alpha=largest / 100, solver=solver,
                    max_iter=20, tol=1e-6 if solver == "svrg" else None, random_state=0,
                )  # fmt: skip
                model.fit(X, problem.y)
                tracemalloc.start()
                model.fit(X, problem.y)
                more = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                print(
                    f"| {name} | {penalty} | {solver} | {size / 2**20:.1f} "
                    f"| {more / 2**20:.1f} | {more / size:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
