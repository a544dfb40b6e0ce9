"""Choose alpha: 20 of them, five folds, by skreg, scikit-learn and celer.

All libraries get the same alphas (from alpha_max to a thousandth of it), the same folds and
one thread. The first line of a problem is the grid search that the others replace. The last
column is the largest difference between mean scores (R2, accuracy) and those of fits whose
certificate is 1e-9 of the null objective; searches that keep no such scores have none.
celer's own `LassoCV` does not work with scikit-learn 1.9: its path is computed and scored
on each fold here. `--limit` skips what would take longer than that many seconds, if all
fits took half as long as one with the smallest alpha. `--path` compares a path with a fit
instead.
"""

import argparse
import importlib.util
import time
import warnings

import numpy as np
import problems
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
)
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, check_cv
from threadpoolctl import threadpool_limits

import skreg

N_ALPHAS, N_FOLDS = 20, 5


def regressions(alphas, cv, l1_ratio, tol):
    """Return the contenders for the squared error: names of libraries, and models."""
    common = {"max_iter": 100_000, "tol": tol}
    peer, peer_cv = Lasso(**common), LassoCV(alphas=alphas, cv=cv, **common)
    if l1_ratio < 1.0:
        peer = ElasticNet(l1_ratio=l1_ratio, **common)
        peer_cv = ElasticNetCV(alphas=alphas, cv=cv, l1_ratio=l1_ratio, **common)
    ours = skreg.SGDRegularizedRegressor(penalty="elasticnet", l1_ratio=l1_ratio)
    yield type(peer).__name__, search(peer, {"alpha": alphas}, cv)
    yield "skreg", skreg.SGDRegularizedRegressorCV(alphas=alphas, cv=cv, l1_ratio=l1_ratio)
    yield "skreg", search(ours, {"alpha": alphas}, cv)
    yield "scikit-learn", peer_cv
    if l1_ratio == 1.0 and importlib.util.find_spec("celer"):
        yield "celer", CelerPaths(alphas, cv)


class CelerPaths(BaseEstimator):
    """celer's path on the centered rows of each fold."""

    def __init__(self, alphas, cv):
        self.alphas = alphas
        self.cv = cv

    def fit(self, X, y):
        """Compute all paths and their scores."""
        from celer import celer_path

        scores = []
        for train, test in check_cv(self.cv).split(X):
            means = np.ravel(X[train].mean(axis=0)), y[train].mean()
            rows, targets = X[train], y[train] - means[1]
            if not sparse.issparse(X):
                rows = np.asfortranarray(rows - means[0])
            else:
                rows = rows.tocsc()
            _, coefs, _ = celer_path(
                rows, targets, "lasso", alphas=self.alphas, X_offset=means[0],
                X_scale=np.ones(X.shape[1]),
            )  # fmt: skip
            predicted = X[test] @ coefs + (means[1] - means[0] @ coefs)
            targets = np.repeat(y[test][:, np.newaxis], len(self.alphas), axis=1)
            scores.append(r2_score(targets, predicted, multioutput="raw_values"))
        self.cv_results_ = {"mean_test_score": np.mean(scores, axis=0)}
        return self


def classifications(alphas, cv, l1_ratio, n_rows):
    """Return the contenders for the log loss."""
    strengths = 1.0 / (alphas * n_rows * (1.0 - 1.0 / N_FOLDS))  # C of a training fold
    settings = {"l1_ratio": l1_ratio, "max_iter": 1000}
    saga = LogisticRegression(solver="saga", tol=1e-4, **settings)
    ours = skreg.SGDRegularizedClassifier(penalty="elasticnet", l1_ratio=l1_ratio)
    if l1_ratio == 1.0:
        linear = LogisticRegression(
            solver="liblinear", tol=1e-5, intercept_scaling=100.0, **settings
        )
        yield "liblinear", search(linear, {"C": strengths}, cv)
    yield "skreg", skreg.SGDRegularizedClassifierCV(alphas=alphas, cv=cv, l1_ratio=l1_ratio)
    yield "skreg", search(ours, {"alpha": alphas}, cv)
    yield "saga", search(saga, {"C": strengths}, cv)
    common = {"Cs": strengths, "cv": cv, "max_iter": 1000, "l1_ratios": (l1_ratio,)}
    common["use_legacy_attributes"] = False
    if l1_ratio == 1.0:
        yield (
            "liblinear",
            LogisticRegressionCV(
                solver="liblinear", tol=1e-5, intercept_scaling=100.0, **common
            ),
        )
    yield "saga", LogisticRegressionCV(solver="saga", tol=1e-4, **common)


def search(model, grid, cv):
    """Return the grid search of a model."""
    return GridSearchCV(model, grid, cv=cv)


def mean_scores(model):
    """Return the mean score of each alpha, the largest alpha first, or None."""
    if hasattr(model, "cv_results_"):
        return model.cv_results_["mean_test_score"]
    return None


def trial(model, X, y):
    """Return the seconds of a peer's fit at the smallest alpha."""
    if isinstance(model, GridSearchCV):
        (name, values), *_ = model.param_grid.items()
        single = clone(model.estimator).set_params(**{name: values[-1]})
    elif isinstance(model, LogisticRegressionCV):
        single = LogisticRegression(
            solver=model.solver, C=model.Cs[-1], l1_ratio=model.l1_ratios[0],
            tol=model.tol, max_iter=model.max_iter, intercept_scaling=100.0,
        )  # fmt: skip
    else:
        return 0.0
    start = time.perf_counter()
    single.fit(X, y)
    return time.perf_counter() - start


def run(name, data, l1_ratio, limit, tol):
    """Race on one problem; print a line per contender."""
    problem = problems.make(name, data)
    X, y, n_rows = problem.X, problem.y, len(problem.y)
    regression = problem.loss == "squared_error"
    loss = "squared_error" if regression else "log_loss"
    alphas = skreg.alpha_grid(X, y, loss=loss, l1_ratio=l1_ratio, n_alphas=N_ALPHAS)
    cv = list(KFold(N_FOLDS, shuffle=True, random_state=0).split(X))
    contenders = (
        regressions(alphas, cv, l1_ratio, tol)
        if regression
        else classifications(alphas, cv, l1_ratio, n_rows)
    )
    exact = skreg.SGDRegularizedClassifierCV(alphas=alphas, cv=cv, l1_ratio=l1_ratio)
    if regression:
        exact = skreg.SGDRegularizedRegressorCV(alphas=alphas, cv=cv, l1_ratio=l1_ratio)
    reference, base = mean_scores(exact.set_params(tol=1e-9).fit(X, y)), None
    for library, model in contenders:
        small = slice(0, 500)
        clone(model).set_params(cv=2).fit(X[small], y[small])  # compile
        expected = trial(model, X, y) * N_ALPHAS * N_FOLDS / 2
        label = f"| {name} | {l1_ratio:g} | {library} {type(model).__name__} "
        if expected > limit:
            print(f"{label}| about {expected:.0f}, not run | | |", flush=True)
            continue
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
        base = base or seconds
        scores, difference = mean_scores(model), ""
        if scores is not None:
            difference = f"{np.abs(scores - reference).max():.1e}"
        ratio = f"{base / seconds:.1f}"
        print(f"{label}| {seconds:.2f} | {ratio} | {difference} |", flush=True)


def compare_path(name, data, l1_ratio):
    """Print what a path of 16 alphas costs, in fits of its smallest."""
    problem = problems.make(name, data)
    X, y, loss = problem.X, problem.y, problem.loss
    kind = skreg.SGDRegularizedClassifier
    if loss == "squared_error":
        kind = skreg.SGDRegularizedRegressor
    alphas = skreg.alpha_grid(X, y, loss=loss, l1_ratio=l1_ratio, n_alphas=16, eps=0.01)
    settings = {"loss": loss, "l1_ratio": l1_ratio, "tol": 1e-4}
    single = kind(penalty="elasticnet", alpha=alphas[-1], **settings)
    seconds = []
    for _ in range(2):  # the first time compiles
        start = time.perf_counter()
        skreg.regularization_path(X, y, alphas=alphas, **settings)
        middle = time.perf_counter()
        single.fit(X, y)
        seconds = middle - start, time.perf_counter() - middle
    path, fit = seconds
    print(
        f"| {name} | {l1_ratio:g} | {path:.2f} | {fit:.2f} | {path / fit:.1f} |", flush=True
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="folder of the real data sets")
    parser.add_argument("--problems", default="california_housing,bike_hour,adult,imdb")
    parser.add_argument("--l1-ratios", default="1")
    parser.add_argument("--limit", type=float, default=600.0)
    parser.add_argument("--tol", type=float, default=1e-4, help="of Lasso and ElasticNet")
    parser.add_argument("--path", action="store_true", help="only paths against fits")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    ratios = [float(ratio) for ratio in arguments.l1_ratios.split(",")]
    if arguments.path:
        print("| problem | l1_ratio | path of 16, s | fit of the last, s | ratio |")
        print("|---|---:|---:|---:|---:|")
        for name in arguments.problems.split(","):
            for l1_ratio in ratios:
                compare_path(name, arguments.data, l1_ratio)
        return
    print("| problem | l1_ratio | search | seconds | ratio to the first | scores differ |")
    print("|---|---:|---|---:|---:|---:|")
    for name in arguments.problems.split(","):
        for l1_ratio in ratios:
            with threadpool_limits(1):
                run(name, arguments.data, l1_ratio, arguments.limit, arguments.tol)


if __name__ == "__main__":
    main()
