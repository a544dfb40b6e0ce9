"""Compare plain SGD with exact solvers on the same objective and bundled data.

Plain SGD is run with each of a few settings, as somebody who tunes it would; the table
shows the best. "distance" is the objective minus the peer's, divided by the peer's.
"""

import itertools
import time
import warnings

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

import skreg
from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor

SETTINGS = [
    {"learning_rate": "auto"},
    *(
        {"learning_rate": "adaptive", "n_iter_no_change": patience, "eta0": eta0}
        for patience, eta0 in itertools.product((20, 100), (None, 0.003, 0.01, 0.03, 0.1))
    ),
]


def problems():
    """Yield name, standardized features and targets (-1 and +1 for classes)."""
    X, y = datasets.load_diabetes(return_X_y=True)
    yield "diabetes", StandardScaler().fit_transform(X), y
    named = {"breast_cancer": 1, "wine": 0, "iris": 1, "digits": 3}
    for name, positive in named.items():
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield name, StandardScaler().fit_transform(X), np.where(y == positive, 1.0, -1.0)


def exact(X, y, penalty, alpha):
    """Return weights and intercept of scikit-learn's solver for the objective."""
    n = len(y)
    if len(np.unique(y)) > 2:
        lasso = Lasso(alpha, tol=1e-12, max_iter=10**6)
        model = (lasso if penalty == "l1" else Ridge(n * alpha)).fit(X, y)
        return model.coef_, float(model.intercept_)
    # liblinear would penalize the intercept; saga and lbfgs do not.
    solver, max_iter = ("saga", 20_000) if penalty == "l1" else ("lbfgs", 10_000)
    model = LogisticRegression(
        C=1 / (n * alpha), l1_ratio=float(penalty == "l1"), solver=solver, tol=1e-8,
        max_iter=max_iter, random_state=0,
    ).fit(X, y)  # fmt: skip
    return model.coef_[0], float(model.intercept_[0])


def main():
    """Print the table."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| data | penalty | alpha | distance | gap | non-zeros | peer's | setting | s |")
    print("|---|---|---:|---:|---:|---:|---:|---|---:|")
    for (name, X, y), penalty, alpha in itertools.product(
        problems(), ("l1", "l2"), (0.1, 0.01, 0.001)
    ):
        regression = len(np.unique(y)) > 2
        loss = "squared_error" if regression else "log_loss"
        coef, intercept = exact(X, y, penalty, alpha)
        optimum = skreg.objective(X, y, coef, intercept, loss=loss, **{penalty: alpha})
        kind = SGDRegularizedRegressor if regression else SGDRegularizedClassifier
        best = None
        for setting in SETTINGS:
            model = kind(
                solver="sgd",
                penalty=penalty,
                alpha=alpha,
                max_iter=3000,
                tol=1e-6,
                random_state=0,
                **setting,
            )
            start = time.perf_counter()
            try:
                model.fit(X, y)
            except ValueError:  # this eta0 is too large
                continue
            seconds = time.perf_counter() - start
            if best is None or model.objective_ < best[0].objective_:
                best = model, setting, seconds
        model, setting, seconds = best
        words = ", ".join(str(value) for value in setting.values())
        print(
            f"| {name} | {penalty} | {alpha:g} | {model.objective_ / optimum - 1:.1e} "
            f"| {model.dual_gap_ / optimum:.1e} | {np.count_nonzero(model.coef_)} "
            f"| {np.count_nonzero(coef)} | {words} | {seconds:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
