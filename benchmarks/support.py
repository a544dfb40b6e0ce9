"""Compare the support and the objective of plain steps with those of the optimum.

First on 500 rows with 50 features of which 5 matter, alpha = 0.15, 100 epochs, over 20
seeds: default steps, whose weights are the mean of recent iterates, the mean of all, that
of the second half, and steps that fall where the objective does no more. Then, with a
folder of data, on real ones: 20 epochs of default steps.
"""

import argparse

import numpy as np
import problems
from sklearn.linear_model import Lasso

import skreg

KINDS = {
    "default": {},
    "mean": {"average": True},
    "mean of half": {"average": 25_000},
    "adaptive": {"learning_rate": "adaptive", "n_iter_no_change": 3},
}
SEEDS = range(20)
DATA = ["california_housing", "adult", "usps", "imdb", "imdb_rating", "newsgroups20"]


def made(noise, seed):
    """Return data of which 5 features matter."""
    rng = np.random.default_rng(seed)
    X, coef = rng.standard_normal((500, 50)), np.zeros(50)
    coef[:5] = 3.0, -2.0, 1.5, 1.0, -1.0
    return X, X @ coef + noise * rng.standard_normal(500)


def compare(noise, settings):
    """Return what differs from `Lasso`, a row for each seed.

    Features more, fewer, the largest weight missed and the distance of the objective.
    """
    rows = []
    for seed in SEEDS:
        X, y = made(noise, seed)
        lasso = Lasso(0.15, tol=1e-10).fit(X, y)
        best = skreg.objective(X, y, lasso.coef_, lasso.intercept_, l1=0.15)
        model = skreg.SGDRegularizedRegressor(
            penalty="l1", alpha=0.15, solver="sgd", max_iter=100, tol=None,
            random_state=0, **settings,
        ).fit(X, y)  # fmt: skip
        support, kept = lasso.coef_ != 0.0, model.coef_ != 0.0
        missed = np.abs(lasso.coef_[support & ~kept])
        more, distance = (kept & ~support).sum(), model.objective_ / best - 1.0
        rows.append((more, len(missed), missed.max(initial=0.0), distance))
    return np.array(rows)


def compare_on(name, data):
    """Return the numbers of weights at the optimum, more and fewer, and the distance."""
    problem = problems.make(name, data)
    regression = problem.loss == "squared_error"
    kind = skreg.SGDRegularizedRegressor if regression else skreg.SGDRegularizedClassifier
    alpha = skreg.alpha_max(problem.X, problem.y, loss=problem.loss) / 100
    model = kind(problem.loss, penalty="l1", alpha=alpha, random_state=0)
    optimum = model.set_params(tol=1e-7).fit(problem.X, problem.y)
    support, best = optimum.coef_ != 0.0, optimum.objective_
    model.set_params(solver="sgd", max_iter=20, tol=None).fit(problem.X, problem.y)
    kept = model.coef_ != 0.0
    more, fewer = (kept & ~support).sum(), (support & ~kept).sum()
    return support.sum(), more, fewer, model.objective_ / best - 1.0


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the real data sets")
    arguments = parser.parse_args()
    print(f"| noise | weights | same support, of {len(SEEDS)} | most more | most fewer "
          "| largest missed | largest distance |")  # fmt: skip
    print("|---:|---|---:|---:|---:|---:|---:|")
    for noise in (0.1, 2.0):
        for kind, settings in KINDS.items():
            rows = compare(noise, settings)
            more, fewer, missed, distance = rows.max(axis=0)
            same = (rows[:, :2] == 0).all(axis=1).sum()
            print(f"| {noise} | {kind} | {same} | {more:.0f} | {fewer:.0f} | {missed:.3f} "
                  f"| {distance:.1e} |")  # fmt: skip
    if arguments.data:
        print("\n| data | weights of the optimum | more | fewer | distance |")
        print("|---|---:|---:|---:|---:|")
        for name in DATA:
            *numbers, distance = compare_on(name, arguments.data)
            print("|", name, *(f"| {n}" for n in numbers), f"| {distance:.1e} |")


if __name__ == "__main__":
    main()
