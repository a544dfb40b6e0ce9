"""Some 200 small fits whose results are kept, so that a change shows what it changes.

``python tests/golden.py --write FILE`` fits them and keeps what they find; ``--against
FILE`` fits them and says how many find the same, to the bit or to rounding. Between two
commits in one environment nothing may differ but what is meant to. The file beside this
one holds on every machine, to the tolerance of each fit (see `test_golden`).
"""

import argparse
import functools
import json
import math
import warnings
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

import skreg

KEPT = Path(__file__).with_name("golden.json")
ROUNDING = 1e-12
MOST_WEIGHTS = 32  # that are kept of a fit

REGRESSION = [
    "squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"
]  # fmt: skip
CLASSIFICATION = ["log_loss", "hinge", "squared_hinge", "modified_huber"]
LOSSES = REGRESSION + CLASSIFICATION
TYPICAL = ["squared_error", "log_loss"]
KINKED = ["epsilon_insensitive", "hinge"]
PENALTIES = ["l1", "l2", "elasticnet"]
STORAGES = ["dense", "csr"]
SCHEDULES = {
    "constant": {"eta0": 0.02},
    "invscaling": {"eta0": 0.1},
    "adaptive": {"eta0": 0.1},
    "optimal": {},
}
PLAIN = {"solver": "sgd", "max_iter": 5, "tol": None}
# Rows and features, and the share of them that is not 0.
SHAPES = {
    "few": (60, 8, 0.4),
    "wide": (24, 60, 0.4),
    "wider": (30, 300, 0.4),
    "tall": (1100, 1200, 0.004),
}


class Fit(NamedTuple):
    """What finds numbers, and with what: a loss, a storage and options."""

    group: str
    loss: str
    storage: str
    options: dict

    @property
    def name(self):
        words = [f"{key}={value}" for key, value in self.options.items()]
        return " ".join([self.group, self.loss, self.storage, *words])

    @property
    def tolerance(self):
        """How near rounding on another machine lets it come, relative to its size.

        Smooth problems of this size are solved to rounding, those with kinks to a gap.
        """
        return 1e-3 if self.group == "exact" and self.loss in KINKED else 1e-6

    def find(self):
        """Return lists of numbers, by their names; some fits are meant to end early."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = GROUPS[self.group][0](self.loss, self.storage, **self.options)
        return {name: np.ravel(values).tolist() for name, values in found.items()}


@functools.cache
def data(loss, storage, shape="few", n_classes=2):
    """Return X and y: numbers for a regression, else labels."""
    n, p, density = SHAPES[shape]
    random = np.random.RandomState(p)
    X = random.randn(n, p) * (random.rand(n, p) < density)
    X[:, :2] += 0.5 * (X[:, :2] != 0.0)
    y = X[:, : p // 2] @ (2.0 * random.randn(p // 2)) + 2.0
    y += 0.5 * y.std() * random.randn(n)
    if loss not in REGRESSION:
        y = np.argsort(np.argsort(y)) * n_classes // n
    X = X.astype(np.float32 if storage.endswith("32") else np.float64)
    return (sparse.csr_matrix(X) if storage.startswith("csr") else X), y


def weights(shape):
    """Return weights of rows, some of them 0."""
    return np.random.RandomState(1).randint(4, size=SHAPES[shape][0]) / 2.0


def _estimator(loss, suffix="", **settings):
    kind = "Regressor" if loss in REGRESSION else "Classifier"
    kind = getattr(skreg, f"SGDRegularized{kind}{suffix}")
    return kind(loss, random_state=0, **settings)


def fit(loss, storage, shape="few", n_classes=2, weighted=False, **settings):
    """Return what a fit finds."""
    X, y = data(loss, storage, shape, n_classes)
    model = _estimator(loss, **{"alpha": 0.05, "epsilon": 0.5, **settings})
    return _found(model.fit(X, y, sample_weight=weights(shape) if weighted else None))


def steps(loss, storage, **settings):
    """Return what some epochs of plain steps find."""
    return fit(loss, storage, **{**PLAIN, **settings})


def stream(loss, storage, n_classes=2, weighted=False, **settings):
    """Return what steps on batches of 7 rows find."""
    X, y = data(loss, storage, "few", n_classes)
    model = _estimator(loss, alpha=0.01, **settings)
    first = {} if loss in REGRESSION else {"classes": np.unique(y)}
    for start in range(0, len(y), 7):
        rows = slice(start, start + 7)
        weight = weights("few")[rows] if weighted else None
        model.partial_fit(X[rows], y[rows], sample_weight=weight, **first)
    return _found(model)


def warm_start(loss, storage, **settings):
    """Return what a fit finds that goes on from the one before."""
    X, y = data(loss, storage)
    model = _estimator(loss, warm_start=True, **settings).fit(X, y)
    return _found(model.set_params(alpha=0.02).fit(X, y))


def path(loss, storage, shape="few", **settings):
    """Return what a path finds."""
    X, y = data(loss, storage, shape)
    settings = {"n_alphas": 5, "tol": 1e-10, "random_state": 0, **settings}
    found = skreg.regularization_path(X, y, loss=loss, **settings)
    return {
        "alphas": found.alphas,
        "coef": _shown(found.coefs),
        "intercept": found.intercepts,
        "objective": found.objectives,
    }


def search(loss, storage, **settings):
    """Return what a cross-validated search finds."""
    X, y = data(loss, storage, "few", 3)
    model = _estimator(loss, "CV", alphas=5, cv=3, tol=1e-10, **settings).fit(X, y)
    scores = model.cv_results_["mean_test_score"]
    return {**_found(model), "alphas": model.alpha_, "scores": scores}


def _found(model):
    found = {"coef": _shown(model.coef_), "intercept": model.intercept_}
    if hasattr(model, "objective_"):  # not after a stream
        found["objective"] = model.objective_
    return {**found, "n_iter": model.n_iter_}


def _shown(coef):
    """Return the weights, or if they are many, some of them and the norm of all."""
    coef = np.ravel(coef).astype(np.float64)
    step = -(-coef.size // MOST_WEIGHTS)
    return coef if step == 1 else [*coef[::step], math.sqrt(math.fsum(coef**2))]


def _exact():
    for loss, storage, penalty in product(LOSSES, STORAGES, [*PENALTIES, None]):
        if penalty or loss not in KINKED:
            yield loss, storage, {"penalty": penalty}
    for loss in LOSSES:
        yield loss, "csr", {"penalty": "elasticnet", "weighted": True}
    for loss, penalty in product(TYPICAL, ["l1", "l2"]):
        for shape, storage in product(["wide", "wider"], STORAGES):
            yield loss, storage, {"penalty": penalty, "shape": shape}
        yield loss, "csr", {"penalty": penalty, "shape": "tall", "alpha": 1e-3}
    for loss, storage in product(TYPICAL, STORAGES):
        yield loss, f"{storage}32", {"penalty": "l1"}
        yield loss, storage, {"penalty": "l1", "fit_intercept": False}


def _steps():
    for loss, storage, penalty in product(LOSSES, STORAGES, PENALTIES):
        yield loss, storage, {"penalty": penalty}
    for storage, penalty in product(STORAGES, [*PENALTIES, None]):
        yield "squared_error", storage, {"penalty": penalty, "mode": "subgradient"}
    for storage, schedule, average in product(STORAGES, SCHEDULES, [False, 20]):
        options = {"learning_rate": schedule, "average": average}
        yield (
            "log_loss",
            storage,
            {"penalty": "elasticnet", **options, **SCHEDULES[schedule]},
        )
    for storage, options in product(
        STORAGES,
        [
            {"weighted": True},
            {"average": True},
            {"fit_intercept": False},
            {"shuffle": False},
            {"learning_rate": "adagrad"},
            {"learning_rate": "adagrad", "weight_decay": "decoupled"},
            {"learning_rate": "adagrad", "mode": "subgradient"},
            {"early_stopping": True, "tol": 1e-3, "max_iter": 50},
            {"tol": 1e-2, "max_iter": 500},
        ],
    ):
        yield "squared_error", storage, {"penalty": "elasticnet", **options}
    for loss, storage in product(TYPICAL, STORAGES):
        yield loss, f"{storage}32", {"penalty": "l1"}


def _classes():
    for storage, penalty, options in product(
        STORAGES,
        PENALTIES,
        [
            {"solver": "svrg", "weighted": True, "max_iter": 100, "tol": 1e-4},
            {},
            {"average": True},
            {"learning_rate": "adagrad"},
            {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0, 3: 0.5}},
            {"early_stopping": True},
            {"tol": 1e-2, "max_iter": 200},
        ],
    ):
        yield "log_loss", storage, {"n_classes": 4, "penalty": penalty, **options}


def _paths():
    smooth = ["squared_error", "huber", "log_loss", "squared_hinge"]
    for loss, storage, ratio in product(smooth, STORAGES, [1.0, 0.5, 0.0]):
        yield loss, storage, {"l1_ratio": ratio}
    for loss in TYPICAL:
        yield loss, "csr", {"l1_ratio": 0.0, "shape": "tall", "eps": 0.1}


def _searches():
    for loss, storage, ratio in product(TYPICAL, STORAGES, [1.0, 0.0]):
        yield loss, storage, {"l1_ratio": ratio}


def _streams():
    for loss, storage, options in product(
        TYPICAL,
        STORAGES,
        [
            {"penalty": "l1"},
            {"penalty": "elasticnet", "weighted": True},
            {"penalty": "elasticnet", "average": 10},
            {"penalty": "l1", "learning_rate": "adagrad"},
        ],
    ):
        yield loss, storage, options
    for storage in STORAGES:
        yield "log_loss", storage, {"penalty": "l1", "n_classes": 4}


def _warm_starts():
    for loss, storage in product(["squared_error", "hinge"], STORAGES):
        yield loss, storage, PLAIN
        yield loss, storage, {"penalty": "l1"}


# What finds, and with which losses, storages and options.
GROUPS = {
    "exact": (fit, _exact),
    "steps": (steps, _steps),
    "classes": (steps, _classes),
    "path": (path, _paths),
    "search": (search, _searches),
    "stream": (stream, _streams),
    "warm_start": (warm_start, _warm_starts),
}


def fits():
    """Return every `Fit`."""
    return [Fit(group, *one) for group, (_, ones) in GROUPS.items() for one in ones()]


def difference(found, kept, ignored=()):
    """Return the largest difference, relative to the largest number of its kind."""
    if any(len(found.get(kind, ())) != len(kept[kind]) for kind in kept):
        return math.inf
    return max(_relative(found[kind], kept[kind]) for kind in kept if kind not in ignored)


def _relative(numbers, others):
    if numbers == others:
        return 0.0
    scale = max(np.abs(others).max(), np.finfo(np.float64).tiny)
    return float(np.abs(np.subtract(numbers, others)).max() / scale)


def write(file):
    """Fit, and write a line for each fit."""
    lines = [f"{json.dumps(fit.name)}: {json.dumps(fit.find())}" for fit in fits()]
    Path(file).write_text("{\n" + ",\n".join(lines) + "\n}\n")


def read(file):
    """Return what the fits of a file have found, by their names."""
    return json.loads(Path(file).read_text())


def compare(file):
    """Fit, and print how many fits find what is in the file, and those that do not."""
    kept = read(file)
    differences = {fit.name: difference(fit.find(), kept[fit.name]) for fit in fits()}
    same = sum(value == 0.0 for value in differences.values())
    near = sum(0.0 < value <= ROUNDING for value in differences.values())
    print(
        f"{same} of {len(differences)} fits are the same to the bit, {near} to {ROUNDING}"
    )
    for name, value in differences.items():
        if not value <= ROUNDING:  # NaN is none, either
            print(f"{value:.1e}  {name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", metavar="FILE")
    action.add_argument("--against", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.write)
    else:
        compare(arguments.against)
