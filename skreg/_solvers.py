"""The driver of all solvers: one turn per epoch.

A descent advances by ``epoch(target)``, shows its weights by ``weights()`` and what is
known of them by ``certify()``, and may say that it ``ends``. The driver decides when to
stop, keeps the history and says how the fit ended.
"""

import time
import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skreg._adagrad import AdaGrad
from skreg._objective import Certificate, null_model
from skreg._schedules import SCHEDULES
from skreg._sgd import SGD
from skreg._svrg import SVRG
from skreg._threads import single_threaded_blas


def plain_descent(problem, settings, state):
    """Return the descent of plain steps that the settings ask for."""
    kind = AdaGrad if settings.schedule == "adagrad" else SGD
    return kind(problem, settings, state)


# The descent that each value of ``solver`` stands for; "auto" means one of the others.
SOLVERS = {"sgd": plain_descent, "svrg": SVRG}
SOLVER_OPTIONS = ["auto", *SOLVERS]
LEARNING_RATES = [*SCHEDULES, "adagrad"]

_SEEN = ["objective", "loss", "penalty", "gap"]
_HISTORY = ["epoch", *_SEEN, "n_nonzero", "step_size", "seconds"]
# An objective this many times that of the start is on its way to infinity.
_DIVERGED = 1e3
# With tol=None nobody asked for a judgement; this many times the start is worth a word.
_SUSPECT = 10.0


class Stopping(NamedTuple):
    """When to stop; `tol` is None for all `max_iter` epochs."""

    max_iter: int
    tol: float | None
    n_iter_no_change: int
    verbose: int


class Solution(NamedTuple):
    """What a fit found."""

    coef: np.ndarray
    intercept: float
    n_iter: int
    converged: bool
    certificate: Certificate
    history: dict
    state: object
    warning: str | None  # why the weights may not be good enough


class DivergenceError(ValueError):
    """The steps were too large for the data."""

    def __init__(self):
        super().__init__(
            "The weights diverged: the steps are too large for the scale of the features. "
            "Scale the features (StandardScaler, MaxAbsScaler), lower eta0, or leave "
            "eta0=None with learning_rate='auto'."
        )


def solver_for(name, loss, settings):
    """Return the key of `SOLVERS` that a value of ``solver`` stands for.

    Raises ValueError where variance reduction is asked for what it cannot do.
    """
    obstacle = SVRG.obstacle(loss, settings)
    if name == "auto":
        return "sgd" if obstacle else "svrg"
    if name == "svrg" and obstacle:
        raise ValueError(f"solver='svrg' {obstacle}. Use solver='sgd' or 'auto'.")
    return name


def minimize(problem, descent, stopping, score=None):
    """Run a descent until its weights are good enough; return the `Solution`.

    With `score`, a function of the weights and the intercept, the fit stops when the score
    no longer rises by ``tol``, and returns the weights of the best epoch. Otherwise it
    stops when the duality gap is at most ``tol`` times the objective of the
    intercept-only model.

    Matrices are multiplied on one thread: those of a model are small.
    """
    with single_threaded_blas():
        solution = run(descent, stopping, null_model(problem), score)
    if solution.warning:
        warnings.warn(solution.warning, ConvergenceWarning, stacklevel=3)
    return solution


def run(descent, stopping, null, score=None):
    """Do what `minimize` does, for a known `NullModel` and without a warning."""
    max_iter, tol, patience, verbose = stopping
    descent.start(null.intercept)
    worst_start = max(descent.certify().objective, null.objective_at_zero)
    limit = _DIVERGED * worst_start
    # A perfect intercept-only model leaves nothing to compare with but rounding: the
    # objective of predictions that are right to a thousand units in the last place.
    rounding = (1e3 * np.finfo(np.float64).eps) ** 2 * null.objective_at_zero
    target = 0.0 if tol is None else max(tol * null.objective, rounding)
    waits = descent.adapts or (score is not None and tol is not None)
    look_always = verbose or descent.adapts or descent.looks or score is not None
    history = {name: [] for name in _HISTORY}
    plateau = Plateau(patience)
    best, converged, next_look, seconds = None, False, 1, 0.0

    for epoch in range(1, max_iter + 1):
        started = time.perf_counter()
        descent.epoch(target)
        coef, intercept = descent.weights()
        if not (np.isfinite(coef).all() and np.isfinite(intercept)):
            raise DivergenceError
        certificate = None
        if epoch == max_iter or look_always or (tol is not None and epoch >= next_look):
            # Beyond epoch 20, a look waits until a tenth more epochs have passed.
            next_look = epoch + max(1, epoch // 10)
            certificate = descent.certify()
            if not certificate.objective <= limit:
                raise DivergenceError
        seconds += time.perf_counter() - started
        _record(history, epoch, coef, certificate, descent.step_size, seconds, verbose)
        if certificate is None:
            continue
        if score is None:
            value, least_fall = certificate.objective, 0.0
            converged = tol is not None and certificate.distance <= target
        else:
            value, least_fall = -score(coef, intercept), tol or 0.0
            if best is None or value < best[0]:
                best = value, coef, intercept, certificate
        if descent.ends(converged):
            converged = converged or score is not None
            break
        if waits and plateau.reached(value, least_fall) and not descent.reduce_step():
            converged = score is not None
            break
    state = descent.state
    if best is not None:
        _, coef, intercept, certificate = best
        state = state.moved_to(coef, intercept)
    history = {name: np.array(values) for name, values in history.items()}
    warning = _warning(
        descent, epoch, converged, certificate, worst_start, target, stopping, score
    )
    return Solution(coef, intercept, epoch, converged, certificate, history, state, warning)


class Plateau:
    """Tell when a value has not fallen by a tolerance for some looks in a row."""

    def __init__(self, patience):
        self.patience = patience
        self.best = np.inf
        self.waited = 0

    def reached(self, value, tolerance):
        """Take note of a value; return whether this ends the patience."""
        self.waited = self.waited + 1 if value >= self.best - tolerance else 0
        self.best = min(self.best, value)
        if self.waited < self.patience:
            return False
        self.waited = 0
        return True


def _record(history, epoch, coef, certificate, step_size, seconds, verbose):
    row = {"epoch": epoch, **dict.fromkeys(_SEEN, np.nan)}
    if certificate is not None:
        row |= {name: getattr(certificate, name) for name in _SEEN}
    n_nonzero = int(np.count_nonzero(coef))
    row |= {"n_nonzero": n_nonzero, "step_size": step_size, "seconds": seconds}
    for name, value in row.items():
        history[name].append(value)
    if verbose:
        print(
            "epoch {epoch:5d}  objective {objective:.8g}  gap {gap:.2g}  non-zeros "
            "{n_nonzero}/{n}  step {step_size:.2g}  {seconds:.2f} s".format(
                n=len(coef), **row
            )
        )


def _warning(descent, epoch, converged, certificate, start, target, stopping, score):
    worse = certificate.objective > start * (_SUSPECT if stopping.tol is None else 1.0)
    if converged or (stopping.tol is None and not worse):
        return None
    measure = "duality gap" if np.isfinite(certificate.gap) else "KKT residual"
    if worse:
        return (
            f"After {epoch} epochs the objective is {certificate.objective:.4g}, more than "
            f"the {start:.4g} it started from: the steps are too large. Scale the "
            "features, lower eta0, or raise max_iter."
        )
    if epoch < stopping.max_iter and not descent.adapts:
        return (
            f"After {epoch} epochs no step lowers the objective any more, with a {measure} "
            f"of {certificate.distance:.3g} above the target {target:.3g}. Raise tol, or "
            "scale the features (StandardScaler, MaxAbsScaler)."
        )
    if epoch < stopping.max_iter:
        return (
            f"After {epoch} epochs learning_rate='adaptive' has made the steps too small "
            f"to matter, with a {measure} of {certificate.distance:.3g} above the target "
            f"{target:.3g}. Raise n_iter_no_change, so that they fall later."
        )
    if score is not None:
        return (
            f"The validation score was still rising after max_iter={stopping.max_iter} "
            "epochs. Raise max_iter."
        )
    return (
        f"After {epoch} epochs the {measure} is {certificate.distance:.3g}, above the "
        f"target {target:.3g} (tol={stopping.tol:g} times the objective of the "
        "intercept-only model). Raise max_iter or tol, or scale the features."
    )
