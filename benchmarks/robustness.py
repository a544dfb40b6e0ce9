"""Fit random problems of all scales, and look for models that are not what they claim.

Every problem is drawn from its seed: loss, penalty, mode, solver, steps, storage, weights
of rows, a fit or a stream of batches, and the scales of features, rows, targets and
`epsilon`. At default steps no fit may diverge, none may end above the objective of the
start (by more than ``tol`` times that of the intercept-only model, in subgradient mode by
the width of its plateau), none may call itself converged farther from the optimum than its
tolerance, and none of at most 1e5 values may take more than a second. Each offender is
printed with its seed, so that ``--seeds 17,42`` runs it again; a table counts them all.
"""

import argparse
import sys
import time
import warnings
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numba import config
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor

EPOCHS = 100
MOST_SECONDS = 1.0
FAULTS = ["diverged", "failed", "noise", "worse", "not converged", "slow"]
REGRESSION = [
    "squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"
]  # fmt: skip
CLASSIFICATION = ["log_loss", "hinge", "squared_hinge", "modified_huber"]
KINKED = ["epsilon_insensitive", "hinge"]
LEARNING_RATES = ["auto", "auto", "constant", "invscaling", "adaptive", "adagrad"]


def losses(name, y, p, epsilon, width=0.0):
    """Return losses and slopes; kinks are rounded within a width."""
    if name in CLASSIFICATION:
        margin, sign = y * p, -y
    else:
        margin, sign = np.abs(p - y), np.sign(p - y)
    if name == "squared_error":
        return 0.5 * margin**2, p - y
    if name == "huber":
        flat = margin > epsilon
        values = np.where(flat, epsilon * (margin - 0.5 * epsilon), 0.5 * margin**2)
        return values, sign * np.minimum(margin, epsilon)
    if name == "log_loss":
        return np.logaddexp(0.0, -margin), sign * expit(-margin)
    excess = np.maximum(1.0 - margin if name in CLASSIFICATION else margin - epsilon, 0.0)
    if name == "modified_huber":
        near = np.minimum(excess, 2.0)
        return near**2 + 4.0 * (excess - near), 2.0 * sign * near
    if name in KINKED:
        if width == 0.0:
            return excess, sign * (excess > 0.0)
        near = np.minimum(excess, width)
        return near**2 / (2.0 * width) + excess - near, sign * near / width
    return excess**2, 2.0 * sign * excess


class Problem(NamedTuple):
    """A model to fit, the data, and in how many batches they come (0 for a `fit`)."""

    model: Any
    X: Any
    y: np.ndarray
    weights: np.ndarray | None
    n_batches: int

    @property
    def signs(self):
        """Return the targets of each model: those of a class against the rest."""
        if self.model.loss in REGRESSION:
            return [self.y]
        classes = np.unique(self.y)
        kept = classes[1:] if len(classes) == 2 else classes
        return [np.where(self.y == label, 1.0, -1.0) for label in kept]

    @property
    def strengths(self):
        """Return the strengths of L1 and L2."""
        model = self.model
        ratio = {"l1": 1.0, "l2": 0.0, "elasticnet": model.l1_ratio, None: 0.0}
        l1 = model.alpha * ratio[model.penalty]
        return l1, (model.alpha - l1) * (model.penalty is not None)

    def objective(self, y, coef, intercept):
        """Return the objective of weights for the targets of a model."""
        l1, l2 = self.strengths
        values, _ = losses(self.model.loss, y, self.X @ coef + intercept, self.epsilon)
        penalty = l1 * np.abs(coef).sum() + 0.5 * l2 * (coef @ coef)
        return float(np.average(values, weights=self.weights) + penalty)

    @property
    def epsilon(self):
        """Return the width of a regression loss."""
        return getattr(self.model, "epsilon", 0.0)


def _magnitude(rng, low, high):
    return 10.0 ** rng.uniform(low, high)


def _features(rng, n, p):
    X = rng.standard_normal((n, p)) + rng.choice([0.0, 0.0, 3.0]) * rng.standard_normal(p)
    X *= 10.0 ** (rng.choice([0.0, 0.0, 1.0, 3.0]) * rng.uniform(-1.0, 1.0, p))
    X *= 10.0 ** (rng.choice([0.0, 0.0, 0.0, 1.0, 3.0]) * rng.uniform(-1.0, 1.0, (n, 1)))
    if rng.random() < 0.4:
        X *= rng.random((n, p)) < rng.uniform(0.1, 0.9)
    if rng.random() < 0.2:
        X[:, 0] = 0.0
    return X * _magnitude(rng, -6.0, 6.0)


def _targets(rng, X, loss):
    coef = rng.standard_normal(X.shape[1]) * (rng.random(X.shape[1]) < 0.5)
    y = (X / (np.abs(X).max(axis=0) + 1e-300)) @ coef
    y = y / (y.std() or 1.0) + rng.choice([0.0, 0.1, 1.0, 10.0]) * rng.standard_normal(
        len(y)
    )
    if loss in CLASSIFICATION:
        n_classes = rng.choice([2, 2, 3, 5])
        inner = np.sort(rng.uniform(0.02, 0.98, n_classes - 1))
        labels = np.searchsorted(np.quantile(y, inner), y)
        labels[:n_classes] = np.arange(n_classes)
        return labels
    y[rng.random(len(y)) < rng.choice([0.0, 0.0, 0.05])] *= 1e3
    return (y + rng.choice([0.0, 0.0, 10.0, 1e3])) * _magnitude(rng, -6.0, 8.0)


def _weights(rng, n):
    kind = rng.integers(5)
    if kind < 2:
        return None
    weights = rng.random(n) if kind < 4 else 10.0 ** rng.uniform(-3.0, 3.0, n)
    weights[rng.random(n) < rng.choice([0.0, 0.2])] = 0.0
    weights[:10] += 0.1
    return weights


def _settings(rng, loss, has_batches):
    """Return parameters that a user may choose without knowing the data."""
    settings = {
        "loss": loss,
        "penalty": rng.choice(["l1", "l1", "l2", "elasticnet", None]),
        "l1_ratio": rng.choice([0.1, 0.5, 0.9]),
        "mode": str(rng.choice(["proximal", "proximal", "subgradient"])),
        "solver": str(rng.choice(["auto", "sgd", "sgd", "svrg"])),
        "fit_intercept": bool(rng.random() < 0.8),
        "tol": rng.choice([1e-4, 1e-4, 1e-2, 1e-6, None]),
        "shuffle": bool(rng.random() < 0.8),
        "max_iter": EPOCHS,
    }
    plain = settings["mode"] == "subgradient" or has_batches
    if plain and settings["solver"] == "svrg":
        settings["solver"] = "auto"
    if has_batches or settings["solver"] == "sgd":
        settings["learning_rate"] = str(rng.choice(LEARNING_RATES))
        can_average = settings["learning_rate"] != "adagrad"
        settings["average"] = bool(can_average and rng.random() < 0.2)
    return settings


def draw(seed, most_values):
    """Return the `Problem` of a seed, of about at most so many values."""
    rng = np.random.default_rng(seed)
    loss = str(rng.choice(REGRESSION + CLASSIFICATION))
    n, p = int(_magnitude(rng, 1.0, 3.0)), int(_magnitude(rng, 0.0, 2.3))
    n, p = max(10, min(n, most_values // p)), min(p, most_values // 10)
    X = _features(rng, n, p)
    y = _targets(rng, X, loss)
    weights = _weights(rng, n)
    n_batches = int(rng.choice([0, 0, 0, 1, 5]))
    settings = _settings(rng, loss, n_batches > 0) | {"random_state": seed}
    if loss in REGRESSION:
        width = float(np.abs(y - np.median(y)).mean()) or 1.0
        settings["epsilon"] = rng.choice([0.1, 1.35, 0.0, width * _magnitude(rng, -4, 1)])
        if loss == "huber" and settings["epsilon"] == 0.0:  # the loss itself would be 0
            settings["epsilon"] = width * _magnitude(rng, -8.0, -4.0)
    kind = SGDRegularizedRegressor if loss in REGRESSION else SGDRegularizedClassifier
    fraction = float(rng.choice([0.0, _magnitude(rng, -4.0, 0.0), rng.uniform(1.0, 3.0)]))
    X = sparse.csr_matrix(X) if rng.random() < 0.5 else X
    X = X.astype(np.float32) if rng.random() < 0.2 else X
    problem = Problem(kind(**settings), X, y, weights, n_batches)
    problem.model.set_params(alpha=fraction * _largest_slope(problem))
    return problem


def _null_intercept(problem, y):
    if not problem.model.fit_intercept:
        return 0.0
    weights = np.ones(len(y)) if problem.weights is None else problem.weights
    low, high = (y.min(), y.max()) if problem.model.loss in REGRESSION else (-50.0, 50.0)
    for _ in range(200):  # the slope of the mean loss does not decrease
        middle = 0.5 * (low + high)
        slopes = losses(problem.model.loss, y, np.full(len(y), middle), problem.epsilon)[1]
        low, high = (middle, high) if weights @ slopes < 0.0 else (low, middle)
    return 0.5 * (low + high)


def _largest_slope(problem):
    """Return the strength of L1 that leaves no weight."""
    weights = np.ones(len(problem.y)) if problem.weights is None else problem.weights
    largest = 0.0
    for y in problem.signs:
        p = np.full(len(y), _null_intercept(problem, y))
        slopes = losses(problem.model.loss, y, p, problem.epsilon)[1]
        gradient = problem.X.T @ (weights / weights.sum() * slopes)
        largest = max(largest, float(np.abs(gradient).max()))
    return largest


def optimum(problem, y, null):
    """Return the least objective that L-BFGS finds, an upper bound of the optimum.

    Weights are differences of two parts that are at least 0, in units in which features and
    targets have size 1; kinks are rounded ever less.
    """
    X, model, p = problem.X.astype(np.float64), problem.model, problem.X.shape[1]
    (l1, l2), size = problem.strengths, 1.0
    if model.loss in REGRESSION:
        size = float(np.abs(y - null[0]).mean()) or 1.0
    squares = X.multiply(X) if sparse.issparse(X) else X * X
    units = np.sqrt(np.ravel(squares.mean(axis=0)))
    units = size / np.where(units > 0.0, units, 1.0)
    weights = np.ones(len(y)) if problem.weights is None else problem.weights
    weights = weights / weights.sum()

    def smoothed(v, width):
        coef, b = units * (v[:p] - v[p:-1]), null[0] + size * v[-1] * model.fit_intercept
        values, slopes = losses(model.loss, y, X @ coef + b, problem.epsilon, width)
        slopes = weights * slopes
        gradient = units * (X.T @ slopes + l2 * coef)
        parts = gradient + l1 * units, l1 * units - gradient
        last = size * slopes.sum() * model.fit_intercept
        value = (
            weights @ values + l1 * (units @ (v[:p] + v[p:-1])) + 0.5 * l2 * (coef @ coef)
        )
        return value / null[1], np.concatenate([*parts, [last]]) / null[1]

    v, least = np.zeros(2 * p + 1), np.inf
    for width in (0.1, 1e-3, 1e-5) if model.loss in KINKED else (0.0,):
        bounds = [(0.0, None)] * (2 * p) + [(None, None)]
        options = {"maxiter": 1000, "maxfun": 2000, "ftol": 1e-14, "gtol": 1e-10}
        v = minimize(
            smoothed, v, (width * null[1],), jac=True, bounds=bounds, options=options
        ).x
        coef, b = units * (v[:p] - v[p:-1]), null[0] + size * v[-1] * model.fit_intercept
        least = min(least, problem.objective(y, coef, b))
    return least


def _run(problem):
    """Fit the model, or let the batches come for as many epochs."""
    model, X, y, weights = problem.model, problem.X, problem.y, problem.weights
    if problem.n_batches == 0:
        return model.fit(X, y, sample_weight=weights)
    kept = np.arange(len(y)) if weights is None else np.flatnonzero(weights)
    classes = {} if model.loss in REGRESSION else {"classes": np.unique(y)}
    for _ in range(EPOCHS):
        for rows in np.array_split(kept, problem.n_batches):
            part = None if weights is None else weights[rows]
            model.partial_fit(X[rows], y[rows], sample_weight=part, **classes)
    return model


def _plateau(problem, y, step_size):
    """Return by how much weights that go to and fro across 0 raise the objective."""
    l1, _ = problem.strengths
    if problem.model.mode == "proximal" or l1 == 0.0:
        return 0.0
    ways = np.full(problem.X.shape[1], step_size * l1)
    if problem.model.learning_rate == "adagrad":
        largest = np.abs(problem.X.toarray() if sparse.issparse(problem.X) else problem.X)
        ways = step_size / np.maximum(largest.max(axis=0), 1e-300)
    p = np.abs(problem.X) @ ways
    rise = max(
        losses(problem.model.loss, y, sign * p, problem.epsilon)[0].mean()
        - losses(problem.model.loss, y, 0.0 * p, problem.epsilon)[0].mean()
        for sign in (-1.0, 1.0)
    )
    return l1 * ways.sum() + max(rise, 0.0)


def _step_size(problem):
    model = problem.model
    if hasattr(model, "history_"):
        history = model.history_
        history = history if isinstance(history, list) else [history]
        return max(one["step_size"][-1] for one in history)
    twin = clone(model).set_params(max_iter=1, tol=None, solver="sgd")
    twin.fit(problem.X, problem.y, sample_weight=problem.weights)
    return _step_size(problem._replace(model=twin))


def judge(problem):
    """Return the faults of a problem, by name, with a word on each."""
    faults, started = {}, time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _run(problem)
            seconds = time.perf_counter() - started
            if seconds > MOST_SECONDS and not problem.n_batches and not config.DISABLE_JIT:
                started = time.perf_counter()  # without compilation
                _run(problem)
                seconds = time.perf_counter() - started
                if seconds > MOST_SECONDS:
                    faults["slow"] = f"{seconds:.1f} s"
            for k, y in enumerate(problem.signs):
                faults |= _judge_model(problem, k, y)
        except Exception as error:
            kind = "diverged" if type(error).__name__ == "DivergenceError" else "failed"
            faults[kind] = f"{type(error).__name__}: {error}"
    for warning in caught:
        if not issubclass(warning.category, ConvergenceWarning):
            faults["noise"] = f"{warning.category.__name__}: {warning.message}"
    return faults


def _judge_model(problem, k, y):
    """Return the faults of the model of some targets."""
    model, none = problem.model, np.zeros(problem.X.shape[1])
    at_zero, intercept = problem.objective(y, none, 0.0), _null_intercept(problem, y)
    null = intercept, problem.objective(y, none, intercept)
    coef = np.atleast_2d(model.coef_)[k].astype(np.float64)
    found = problem.objective(y, coef, float(np.ravel(model.intercept_)[k]))
    converged, tol, faults = False, model.tol or 1e-4, {}
    if hasattr(model, "objective_"):  # of weights that were not rounded to float32
        found = float(np.ravel(model.objective_)[k])
        converged = bool(np.ravel(model.converged_)[k])
    # Streams never look at their objective: it may be noise, if it is in scale.
    noise = 2.0 if problem.n_batches else 1.0 + 1e-12
    most = noise * at_zero + tol * null[1]
    if found > most and found > most + _plateau(problem, y, _step_size(problem)):
        faults["worse"] = f"{found:.6g} from {at_zero:.6g}"
    if converged and null[1] > 0.0:
        distance = (found - optimum(problem, y, null)) / null[1]
        if distance > tol + 1e-9:
            faults["not converged"] = f"{distance:.2g} above tol={tol:g}"
    return faults


def describe(problem):
    """Return what is not default in a problem, on a line."""
    X = problem.X
    kind = "CSR" if sparse.issparse(X) else "dense"
    words = [f"{X.shape[0]} x {X.shape[1]} {kind} {X.dtype}"]
    if problem.n_batches:
        words.append(f"{problem.n_batches} batches")
    if problem.weights is not None:
        words.append("weights")
    default = type(problem.model)().get_params()
    for name, value in problem.model.get_params().items():
        if value != default[name] and name not in ("max_iter", "random_state"):
            words.append(
                f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
            )
    return ", ".join(words)


def main():
    """Print the table, and the offenders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--seeds", help="run these only, such as 17,42")
    parser.add_argument("--values", type=int, default=100_000, help="at most, in X")
    arguments = parser.parse_args()
    seeds = range(arguments.problems)
    if arguments.seeds:
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
    counts, offenders = Counter(), []
    for seed in seeds:
        problem = draw(seed, arguments.values)
        for fault, words in judge(problem).items():
            counts[fault] += 1
            offenders.append(f"seed {seed}: {fault}, {words}\n    {describe(problem)}")
            print(offenders[-1], flush=True)
    print("| " + " | ".join(["problems", *FAULTS]) + " |")
    print("|---" * (len(FAULTS) + 1) + "|")
    row = [len(seeds), *(counts[name] for name in FAULTS)]
    print("| " + " | ".join(map(str, row)) + " |")
    sys.exit(len(offenders) > 0)


if __name__ == "__main__":
    main()
