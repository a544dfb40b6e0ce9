"""The fits that `compare` times, and the process that takes them.

The process answers a request a line, in JSON: ``[group]`` with the names of the fits of a
group, ``[group, name, repeats]`` with the least seconds of some repeats of a fit.
"""

import functools
import json
import sys
import time
import warnings
from itertools import product

import numpy as np
import problems
from scipy import sparse

import skreg

REGRESSION = ("squared_error", "huber", "epsilon_insensitive")
MIXES = {"l1": 1.0, "elasticnet": 0.5, "l2": 0.0}


@functools.lru_cache(maxsize=1)
def load(name):
    """Return a problem: "wide" has few rows of many columns, "tiny" hardly any."""
    if name.startswith("tiny"):
        X, noise = np.split(np.random.default_rng(0).standard_normal((200, 20)), 2, axis=1)
        y, X = X[:, 0] + noise[:, 0], sparse.csr_matrix(X) if name == "tiny_csr" else X
        return problems.Problem(name, "squared_error", X, y)
    if name.startswith("wide"):
        whole = problems.make(name.replace("wide", "correlated_20000x1000"))
        return whole._replace(X=whole.X[:150].copy(), y=whole.y[:150])
    return problems.make(name)


def data(name, loss=None, n_classes=None, n_rows=None, n_columns=None, dtype=None):
    """Return the loss, X and y of a problem, or of its first rows and columns."""
    problem = load(name)
    X, y = problem.X[:n_rows, :n_columns], problem.y[:n_rows]
    X = X.astype(dtype or X.dtype)
    if n_classes is not None:
        y = np.argsort(np.argsort(y)) * n_classes // len(y)
    return loss or problem.loss, X, y


def estimator(loss, suffix="", **settings):
    """Return an estimator for a loss."""
    kind = "Regressor" if loss in REGRESSION else "Classifier"
    return getattr(skreg, f"SGDRegularized{kind}{suffix}")(loss, random_state=0, **settings)


def fit(loss, X, y, **settings):
    """Return a fit."""
    return functools.partial(estimator(loss, **settings).fit, X, y)


def optimum(loss, X, y, fraction, penalty):
    """Return a fit at a fraction of the largest alpha."""
    alpha = skreg.alpha_max(X, y, loss=loss) / fraction
    return fit(loss, X, y, alpha=alpha, penalty=penalty, l1_ratio=MIXES[penalty])


def epochs(loss, X, y, n=2, **settings):
    """Return epochs of plain steps."""
    return fit(loss, X, y, solver="sgd", max_iter=n, tol=None, **settings)


def path(loss, X, y, **settings):
    """Return a path."""
    return functools.partial(skreg.regularization_path, X, y, loss=loss, **settings)


def search(loss, X, y, **settings):
    """Return a search for alpha."""
    return functools.partial(estimator(loss, "CV", **settings).fit, X, y)


def stream(loss, X, y, size=10, **settings):
    """Return a stream of small batches."""
    batches = [(X[k : k + size], y[k : k + size]) for k in range(0, len(y), size)]
    first = {} if loss in REGRESSION else {"classes": np.unique(y)}

    def visit_all():
        model = estimator(loss, **settings)
        for batch in batches:
            model.partial_fit(*batch, **first)

    return visit_all


def _small():
    for penalty, fraction in product(MIXES, [10, 1000]):
        yield optimum, "diabetes", {}, {"penalty": penalty, "fraction": fraction}
    for name, penalty in product(["breast_cancer", "breast_cancer_svm"], ["l1", "l2"]):
        yield optimum, name, {}, {"penalty": penalty, "fraction": 100}
    yield optimum, "digits", {}, {"penalty": "l1", "fraction": 100}
    yield fit, "diabetes", {"dtype": "float32"}, {"penalty": "l1", "alpha": 0.1}
    yield fit, "diabetes", {"loss": "huber"}, {"epsilon": 20.0}
    yield fit, "diabetes", {"loss": "epsilon_insensitive"}, {"alpha": 0.1}
    yield fit, "breast_cancer", {"loss": "hinge"}, {"alpha": 0.01}
    yield fit, "tiny_csr", {"loss": "log_loss", "n_classes": 4}, {}
    for penalty in MIXES:
        yield epochs, "diabetes", {}, {"penalty": penalty, "n": 20}
    yield epochs, "digits", {"loss": "log_loss", "n_classes": 10}, {}


def _rows():
    for name, fraction in product(["wide_squared", "wide_log"], [10, 1000]):
        for penalty in ["l1", "l2"]:
            yield optimum, name, {}, {"penalty": penalty, "fraction": fraction}
    yield optimum, "dense_100000x100_squared", {}, {"penalty": "l1", "fraction": 100}
    yield optimum, "dense_20000x1000_squared", {}, {"penalty": "l2", "fraction": 100}
    for penalty in ["l1", "l2"]:
        options = {"penalty": penalty, "fraction": 100}
        yield optimum, "correlated_20000x1000_log", {"n_rows": 5000}, options
    for loss, penalty in product(["squared", "log"], ["l1", "l2"]):
        options = {"penalty": penalty, "fraction": 10}
        yield optimum, f"zipf_200000x1000000_{loss}", {"n_rows": 50_000}, options


def _epochs():
    some = {"n_rows": 50_000}
    for name in ["dense_100000x100", "zipf_200000x1000000"]:
        for penalty in MIXES:
            yield epochs, f"{name}_squared", some, {"penalty": penalty}
        yield epochs, f"{name}_squared", some, {"learning_rate": "adagrad"}
        of_classes = {"n_rows": 5000, "n_columns": 20_000, "n_classes": 20}
        for penalty in ["l1", "l2"]:
            yield epochs, f"{name}_log", of_classes, {"penalty": penalty}


def _paths():
    for ratio in [1.0, 0.0]:
        yield path, "diabetes", {}, {"l1_ratio": ratio}
        yield path, "breast_cancer", {}, {"l1_ratio": ratio, "n_alphas": 30}
    yield path, "wide_squared", {}, {"n_alphas": 30}
    for ratio in [1.0, 0.0]:
        options = {"l1_ratio": ratio, "n_alphas": 10, "eps": 0.1}
        yield path, "zipf_200000x1000000_log", {"n_rows": 10_000}, options


def _searches():
    yield search, "diabetes", {}, {"alphas": 30}
    yield search, "breast_cancer", {}, {"alphas": 10}
    some = {"n_rows": 2000, "n_columns": 2000}
    yield search, "zipf_200000x1000000_log", some, {"alphas": 5, "eps": 0.1, "cv": 3}


def _streams():
    for name, loss in product(["diabetes", "digits"], ["squared_error", "log_loss"]):
        yield stream, name, {"loss": loss, "n_classes": 2}, {"penalty": "l1"}
    yield stream, "tiny", {}, {"learning_rate": "adagrad"}
    many = {"n_rows": 500, "n_columns": 100_000}
    for options in [{"penalty": "l1"}, {"penalty": "l2"}, {"learning_rate": "adagrad"}]:
        yield stream, "zipf_200000x1000000_squared", many, options
    of_classes = {"n_rows": 500, "n_columns": 5000, "n_classes": 20}
    yield stream, "zipf_200000x1000000_log", of_classes, {"penalty": "l1"}
    yield stream, "digits", {"loss": "log_loss", "n_classes": 10}, {"penalty": "l1"}


def _first():
    yield fit, "tiny", {}, {}
    yield fit, "tiny", {"loss": "log_loss", "n_classes": 2}, {}
    yield fit, "tiny_csr", {"loss": "log_loss", "n_classes": 2}, {"penalty": "l1"}
    for solver in ["svrg", "sgd"]:
        yield fit, "tiny_csr", {"loss": "log_loss", "n_classes": 4}, {"solver": solver}
    yield epochs, "tiny_csr", {}, {"learning_rate": "adagrad"}
    yield stream, "tiny_csr", {}, {"size": 200}


GROUPS = {
    "small": _small,
    "rows": _rows,
    "epochs": _epochs,
    "path": _paths,
    "search": _searches,
    "stream": _streams,
    "first": _first,
}


def fits(group):
    """Return what makes the data and returns what is timed, by its name."""
    named = {}
    for make, problem, of_rows, settings in GROUPS[group]():
        words = [f"{key}={value}" for key, value in (of_rows | settings).items()]
        call = functools.partial(_prepare, make, problem, of_rows, settings)
        named[" ".join([make.__name__, problem, *words])] = call
    return named


def _prepare(make, problem, of_rows, settings):
    return make(*data(problem, **of_rows), **settings)


def least_seconds(call, repeats):
    """Return the least seconds of some calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main():
    """Answer until there are no more requests."""
    warnings.simplefilter("ignore")
    ready = functools.lru_cache(maxsize=1)(lambda group, name: fits(group)[name]())
    for line in sys.stdin:
        group, *request = json.loads(line)
        if request:
            name, repeats = request
            answer = least_seconds(ready(group, name), repeats)
        else:
            answer = list(fits(group))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
