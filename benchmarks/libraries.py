"""One small adapter per solver: fit a task at a tolerance, return weights and intercept.

An adapter is a function of a `Task` and of a tolerance, entered in `SOLVERS` together
with the library it belongs to, the tasks it can do, and its ladder of tolerances. A
solver that cannot leave the intercept unpenalized is absent, unless a scaled bias column
makes the penalty negligible; the objective of its weights is judged like any other.
Here are `skreg` and scikit-learn; ``peers.py`` has the others.
"""

import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.svm import LinearSVC

LADDER = tuple(10.0**-k for k in range(1, 11))
DIRECT = (0.0,)  # one rung: there is no tolerance to choose
PLENTY = 1_000_000  # iterations, where the tolerance is to decide
# A bias column of this size is penalized, but hardly; one of size 1 is faster to fit.
BIAS = 1000.0
# Beyond so many rows and columns a Gram matrix is no sensible choice.
LARGEST_GRAM = 5000

# Libraries whose first fit in a process compiles.
COMPILING = {"skreg", "skglm"}

SOLVERS = {}


class Fitted(NamedTuple):
    """What a fit found; `gap` is the duality gap that the solver itself reports, if any."""

    coef: np.ndarray
    intercept: float
    gap: float | None = None


class Solver(NamedTuple):
    """One way in which one library fits."""

    name: str
    library: str
    fit: Callable
    can_fit: Callable
    ladder: tuple

    @property
    def package(self):
        """The module to import."""
        return {"scikit-learn": "sklearn"}.get(self.library, self.library)


def solver(library, variant, can_fit, ladder=LADDER, **options):
    """Enter a function in `SOLVERS`; `options` are passed on to it at each fit."""

    def enter(function):
        def fit(task, tol):
            return function(task, tol, **options)

        name = f"{library} {variant}".strip()
        SOLVERS[name] = Solver(name, library, fit, can_fit, ladder)
        return function

    return enter


def available(libraries=None):
    """Return the solvers of the libraries that are installed (and asked for)."""
    return {
        name: solver
        for name, solver in SOLVERS.items()
        if (not libraries or solver.library in libraries)
        and importlib.util.find_spec(solver.package)
    }


def finish(model, task):
    """Fit a model with scikit-learn's interface."""
    model.fit(task.X, task.y)
    return Fitted(np.ravel(model.coef_), float(np.ravel(model.intercept_)[0]))


def is_squared(task):
    """Return whether this is least squares."""
    return task.loss == "squared_error"


def is_squared_l1(task):
    """Return whether this is the lasso or the elastic net."""
    return is_squared(task) and task.l1_ratio > 0.0


def is_squared_l2(task):
    """Return whether this is ridge regression."""
    return is_squared(task) and task.l1_ratio == 0.0


def is_log(task):
    """Return whether this is logistic regression."""
    return task.loss == "log_loss"


def is_log_l1(task):
    """Return whether this is logistic regression with the L1 penalty alone."""
    return is_log(task) and task.l1_ratio == 1.0


def is_log_l2(task):
    """Return whether this is logistic regression with the L2 penalty alone."""
    return is_log(task) and task.l1_ratio == 0.0


def is_log_pure(task):
    """Return whether this is logistic regression with one penalty alone."""
    return is_log_l1(task) or is_log_l2(task)


def is_svm_pure(task):
    """Return whether this is a support vector machine with one penalty alone."""
    return task.loss == "squared_hinge" and task.l1_ratio in (0.0, 1.0)


def is_small_and_dense(task):
    """Return whether X is dense and its smaller Gram matrix small."""
    return not sparse.issparse(task.X) and min(task.X.shape) <= LARGEST_GRAM


def few_columns(task):
    """Return whether there are more rows than columns, and few columns."""
    return task.X.shape[1] <= min(LARGEST_GRAM, task.X.shape[0])


@solver("skreg", "", lambda task: True)
def skreg(task, tol):
    """Fit by variance-reduced stochastic gradient descent."""
    from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor

    kind = SGDRegularizedRegressor if is_squared(task) else SGDRegularizedClassifier
    model = kind(
        loss=task.loss,
        penalty="elasticnet",
        alpha=task.alpha,
        l1_ratio=task.l1_ratio,
        solver="svrg",
        tol=tol,
        max_iter=PLENTY,
        random_state=0,
    )
    return finish(model, task)._replace(gap=float(model.dual_gap_))


@solver("scikit-learn", "coordinate descent", is_squared_l1, precompute=False)
@solver(
    "scikit-learn",
    "coordinate descent on the Gram matrix",
    lambda task: is_squared_l1(task) and few_columns(task) and not sparse.issparse(task.X),
    precompute=True,
)
def sklearn_coordinate_descent(task, tol, precompute):
    """Fit by Lasso or ElasticNet."""
    settings = {"tol": tol, "max_iter": PLENTY, "precompute": precompute}
    if task.l1_ratio == 1.0:
        return finish(Lasso(task.alpha, **settings), task)
    return finish(ElasticNet(task.alpha, l1_ratio=task.l1_ratio, **settings), task)


@solver(
    "scikit-learn",
    "cholesky",
    lambda task: is_squared_l2(task) and is_small_and_dense(task),
    DIRECT,
    method="cholesky",
)
@solver("scikit-learn", "lsqr", is_squared_l2, method="lsqr")
@solver("scikit-learn", "sparse_cg", is_squared_l2, method="sparse_cg")
@solver("scikit-learn", "ridge sag", is_squared_l2, method="sag")
@solver(
    "scikit-learn",
    "ridge saga",
    lambda task: is_squared_l2(task) and not sparse.issparse(task.X),
    method="saga",
)
def sklearn_ridge(task, tol, method):
    """Fit by Ridge."""
    alpha = len(task.y) * task.alpha
    return finish(
        Ridge(alpha, solver=method, tol=tol, max_iter=PLENTY, random_state=0), task
    )


@solver("scikit-learn", "lbfgs", is_log_l2, method="lbfgs")
@solver("scikit-learn", "newton-cg", is_log_l2, method="newton-cg")
@solver(
    "scikit-learn",
    "newton-cholesky",
    lambda task: is_log_l2(task) and few_columns(task),
    method="newton-cholesky",
)
@solver("scikit-learn", "sag", is_log_l2, method="sag")
@solver("scikit-learn", "saga", is_log, method="saga")
@solver("scikit-learn", "liblinear", is_log_pure, method="liblinear")
@solver(
    "scikit-learn",
    "liblinear with a large bias",
    is_log_pure,
    method="liblinear",
    bias=BIAS,
)
def sklearn_logistic(task, tol, method, bias=1.0):
    """Fit by LogisticRegression."""
    model = LogisticRegression(
        C=1.0 / (len(task.y) * task.alpha),
        l1_ratio=task.l1_ratio,
        solver=method,
        tol=tol,
        max_iter=PLENTY,
        intercept_scaling=bias,
        random_state=0,
    )
    return finish(model, task)


@solver("scikit-learn", "LinearSVC", is_svm_pure, bias=1.0)
@solver("scikit-learn", "LinearSVC with a large bias", is_svm_pure, bias=BIAS)
def sklearn_svc(task, tol, bias):
    """Fit by LinearSVC."""
    model = LinearSVC(
        C=1.0 / (len(task.y) * task.alpha),
        penalty="l1" if task.l1_ratio else "l2",
        dual=False,
        tol=tol,
        max_iter=PLENTY,
        intercept_scaling=bias,
    )
    return finish(model, task)
