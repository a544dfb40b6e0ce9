"""Time plain steps for all classes against the rest, beside one class and SGDClassifier.

All fits visit the rows of sparse data in as many random epochs, and judge their weights at
the end only. The fits of a row take turns; seconds are medians.
"""

import argparse
import statistics
import time

import numpy as np
import problems
from epochs import zipf
from sklearn.linear_model import SGDClassifier

from skreg import SGDRegularizedClassifier

PENALTIES = {"l2": 1e-4, "l1": 1e-5, "elasticnet": 1e-5}
LOSSES = ["hinge", "log_loss"]


def data(folder):
    """Return newsgroups20 if there is a folder, else rows of as many words and classes."""
    if folder:
        return problems.loader(folder).matrix("newsgroups20")
    X = zipf(20_000, 75_000, 150)
    weights = np.random.default_rng(1).standard_normal((X.shape[1], 20))
    return X, (X @ weights).argmax(axis=1)


def seconds(model, X, y):
    """Return the seconds of a fit."""
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--data", help="folder of the real data sets, for newsgroups20")
    arguments = parser.parse_args()
    X, y = data(arguments.data)
    one = y == y[0]
    print(f"{X.shape[0]} x {X.shape[1]}, {X.nnz} values, {len(np.unique(y))} classes")
    print("| penalty | loss | all / one class | scikit-learn / ours | 2 threads |")
    print("|---|---|---:|---:|---:|")
    for penalty, alpha in PENALTIES.items():
        for loss in LOSSES:
            settings = {
                "loss": loss,
                "penalty": penalty,
                "alpha": alpha,
                "max_iter": arguments.epochs,
                "tol": None,
                "random_state": 0,
            }
            ours = SGDRegularizedClassifier(solver="sgd", **settings)
            threads = SGDRegularizedClassifier(solver="sgd", n_jobs=2, **settings)
            theirs = SGDClassifier(**settings)
            cells = [(ours, one), (ours, y), (threads, y), (theirs, y)]
            for model, labels in cells[:3]:
                model.fit(X, labels)  # compiles
            turns = [
                [seconds(model, X, labels) for model, labels in cells]
                for _ in range(arguments.repeats)
            ]
            single, block, parallel, peer = map(statistics.median, zip(*turns, strict=True))
            print(
                f"| {penalty} | {loss} | {block / single:.1f} | {peer / block:.1f} "
                f"| {block / parallel:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
