"""The driver of all solvers, and when they stop.

A descent advances by ``epoch(target)``, shows its weights by ``weights()`` and what is
known of them by ``certify()``, and may say that it ``ends``. The driver decides when to
stop, keeps the history and says how the fit ended.

What over- or underflows on the way is for the driver to see: NumPy's warnings, and what a
caller made of them by `numpy.errstate`, are off in here.
"""

import time
import warnings
from itertools import chain
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.exceptions import ConvergenceWarning

from skreg.objectives.certificate import Certificate, certify, evaluate, feature_curvatures
from skreg.objectives.problem import null_model
from skreg.solvers.kinked.descent import KinkedDescent
from skreg.solvers.sgd.adagrad import AdaGrad
from skreg.solvers.sgd.block import BlockSGD, BlockState, can_share, grouped, split
from skreg.solvers.sgd.schedules import SCHEDULES
from skreg.solvers.sgd.steps import SGD
from skreg.solvers.threads import single_threaded_blas
from skreg.solvers.working_set.svrg import SVRG
from skreg.solvers.working_set.unpenalized import (
    has_direction_of_recession,
    judge,
    may_be_separated,
    needs_judgement,
    separates,
)


def plain_descent(problem, settings, state):
    """Return the descent of plain steps that the settings ask for."""
    kind = AdaGrad if settings.schedule == "adagrad" else SGD
    return kind(problem, settings, state)


def exact_descent(problem, settings, state):
    """Return the descent that finds the optimum of a smooth loss, or of one with kinks."""
    kind = KinkedDescent if problem.loss.max_curvature is None else SVRG
    return kind(problem, settings, state)


# The descent that each value of ``solver`` stands for; "auto" means one of the others.
SOLVERS = {"sgd": plain_descent, "svrg": exact_descent}
SOLVER_OPTIONS = ["auto", *SOLVERS]
LEARNING_RATES = [*SCHEDULES, "adagrad"]
_EVALUATED = ["objective", "loss", "penalty", "gap"]
_HISTORY = ["epoch", *_EVALUATED, "n_nonzero", "step_size", "seconds"]
# An objective this many times that of the start is on its way to infinity.
_DIVERGED = 1e3
# Whose square is still a number.
_LARGEST_ERROR = 1e150
# A fit that ends after fewer epochs, because of max_iter, may be on its way down.
_FEW_EPOCHS = 50
# What is above the start by less than this part of it is there by rounding.
_LEAST_TOL = 1e-9
# Plain steps on a loss with kinks end after so many evaluations, in which the number of
# epochs doubles, if each has gained at most this part of the target.
_PATIENCE = 8
_LEAST_GAIN = 0.02
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
    state: object  # models of a block that end together share its state
    warning: str | None  # why the weights may not be good enough


class DivergenceError(ValueError):
    """The steps were too large for the data."""


def divergence(settings):
    """Return the error of steps that were too large."""
    return DivergenceError(
        "The weights diverged: the steps are too large for the scale of the features. "
        + _remedy(settings)
    )


def _remedy(settings):
    """Return the sentence that says what to do against steps that are too large."""
    scale = "Scale the features (StandardScaler, MaxAbsScaler)"
    if settings.schedule == "optimal":
        return (
            f"{scale}, raise alpha, by which learning_rate='optimal' divides its steps, or "
            "use learning_rate='auto'."
        )
    if settings.eta0 is not None:
        return f"{scale}, lower eta0, or leave eta0=None, which reads steps from the rows."
    return f"{scale} or the rows (Normalizer), or raise max_iter."


def _reference(loss, objective):
    """Return what other objectives are compared with, given that of the start.

    Where a loss forgives all errors of the start, this is as much as it would see.
    """
    error = min(2.0 * loss.insensitivity, _LARGEST_ERROR)
    return max(objective, loss.value(0.0, error))


def solver_for(name, settings):
    """Return the key of `SOLVERS` that a value of ``solver`` stands for.

    Raises ValueError where the exact solver is asked for what it cannot do.
    """
    obstacle = SVRG.obstacle(settings)
    if name == "auto":
        return "sgd" if obstacle else "svrg"
    if name == "svrg" and obstacle:
        raise ValueError(f"solver='svrg' {obstacle}. Use solver='sgd' or 'auto'.")
    return name


def minimize(problems, name, settings, states, stopping, scores, n_jobs=None):
    """Run descents until their weights are good enough; return a `Solution` per problem.

    The problems differ in their targets only. With scores, functions of the weights and
    the intercept, a fit stops when its score no longer rises by ``tol``, and returns the
    weights of the best epoch. Otherwise it stops when the duality gap is at most ``tol``
    times the objective of the intercept-only model.

    Matrices are multiplied on one thread: those of a model are small.
    """

    def solve(descent, models):
        nulls = [null_model(problems[k]) for k in models]
        own_scores = [scores[k] for k in models]
        if isinstance(descent, BlockSGD):
            found = run_block(descent, settings, stopping, nulls, own_scores)
        else:
            found = [run(descent, settings, stopping, *nulls, *own_scores)]
        return zip(models, found, strict=True)

    with single_threaded_blas():
        groups = _descents(problems, name, settings, states, n_jobs)
        solutions = dict(chain.from_iterable(_in_threads(solve, groups, n_jobs)))
    for _, solution in sorted(solutions.items()):
        if solution.warning:
            warnings.warn(solution.warning, ConvergenceWarning, stacklevel=3)
    return [solutions[k] for k in range(len(problems))]


def take_epoch(problems, settings, states, n_jobs=None):
    """Take one epoch of plain steps; return the states of the descents.

    Whether the weights are finite is for others to see. Finite ones have diverged where
    their losses are as large as those that `Monitor` refuses, and larger than before.
    """

    def visit(descent, _):
        before = descent.sampled_losses()
        descent.epoch()
        after = descent.sampled_losses()
        most = _DIVERGED * _reference(descent.problem.loss, descent.state.largest_null)
        if not ((after <= most) | (after <= before)).all():
            raise divergence(settings)
        return descent.state

    groups = _descents(problems, "sgd", settings, states, n_jobs)
    return list(_in_threads(visit, groups, n_jobs))


def _descents(problems, name, settings, states, n_jobs):
    """Yield descents, and the numbers of the problems that are theirs."""
    share = name == "sgd" and can_share(problems, settings)
    for state in grouped(states, n_jobs) if share else split(states):
        own = [problems[k] for k in state.models]
        with np.errstate(all="ignore"):
            if isinstance(state, BlockState):
                descent = BlockSGD(own, settings, state)
            else:
                descent = SOLVERS[name](*own, settings, state)
        yield descent, state.models


def _in_threads(function, groups, n_jobs):
    """Call a function with each of `groups`, and return what it returns in order."""

    def call(*group):
        with np.errstate(all="ignore"):  # each thread has its own
            return function(*group)

    if effective_n_jobs(n_jobs) == 1:
        return [call(*group) for group in groups]
    jobs = (delayed(call)(*group) for group in groups)
    return Parallel(n_jobs=n_jobs, require="sharedmem")(jobs)


def run(descent, settings, stopping, null, score=None):
    """Do what `minimize` does, for one descent and a known `NullModel`."""
    descent.start(null)
    first = (*descent.weights(), descent.certify()) if _has_begun(descent) else None
    monitor = Monitor(descent, descent.problem, settings, stopping, null, first, score)
    while not monitor.ended:
        started = time.perf_counter()
        descent.epoch(monitor.target)
        coef, intercept = descent.weights()
        n_nonzero = np.count_nonzero(coef)
        if not (np.isfinite(coef).all() and np.isfinite(intercept)):
            raise divergence(settings)
        evaluated = None
        if monitor.evaluates_next():
            evaluated = coef, intercept, descent.certify()
        monitor.advance(int(n_nonzero), evaluated, time.perf_counter() - started)
    return monitor.solution(descent.state)


def run_block(block, settings, stopping, nulls, scores):
    """Do what `run` does for the models of a block; each of them ends when it may."""
    firsts = [None] * len(nulls)
    if _has_begun(block):
        firsts = list(zip(*block.weights(), block.certify(), strict=True))
    monitors = [
        Monitor(block, problem, settings, stopping, *parts)
        for problem, *parts in zip(block.problems, nulls, firsts, scores, strict=True)
    ]
    solutions = {}
    active = list(range(len(monitors)))
    while active:
        started = time.perf_counter()
        block.epoch()
        n_nonzero, finite = block.count_nonzero()
        if not finite:
            raise divergence(settings)
        evaluated = [None] * len(active)
        if monitors[active[0]].evaluates_next():  # at the same epochs for all
            evaluated = list(zip(*block.weights(), block.certify(), strict=True))
        seconds = time.perf_counter() - started
        for m, k in enumerate(active):
            monitors[k].advance(n_nonzero[m], evaluated[m], seconds)
        remaining = [m for m, k in enumerate(active) if not monitors[k].ended]
        together = not remaining and len(active) == len(monitors)
        together = together and not any(monitors[k].returns_best for k in active)
        for m, k in enumerate(active):
            if m not in remaining:
                state = block.state if together else block.state.model(m)
                solutions[k] = monitors[k].solution(state)
        if remaining and len(remaining) < len(active):
            block.keep(remaining)
        active = [active[m] for m in remaining]
    return [solutions[k] for k in range(len(monitors))]


def _has_begun(descent):
    """Return whether weights are not all 0, where the objective is known."""
    return any(map(np.any, descent.weights()))


class Monitor:
    """What is known of a descent from epoch to epoch, and when it has to end.

    `first` holds the weights and the intercept that it starts from and their certificate;
    it is None if all are 0.
    """

    def __init__(self, descent, problem, settings, stopping, null, first, score):
        self._descent = descent
        self._problem = problem
        self._settings = settings
        self._stopping = stopping
        self._score = score
        self._null = null
        self._start = null.objective_at_zero
        if first is not None:
            self._start = max(self._start, first[-1].objective)
        self._reference = _reference(problem.loss, self._start)
        # Decoupled decay minimizes another objective than that which is evaluated.
        scale_free = isinstance(descent, SGD) and descent.is_scale_free
        self._is_safe = scale_free and not settings.decoupled
        # A perfect intercept-only model leaves nothing to compare with but rounding: the
        # objective of predictions that are right to a thousand units in the last place.
        rounding = (1e3 * np.finfo(np.float64).eps) ** 2 * null.objective_at_zero
        tol = stopping.tol
        self.target = 0.0 if tol is None else max(tol * null.objective, rounding)
        self._waits = descent.adapts or (score is not None and tol is not None)
        self._always_evaluates = (
            stopping.verbose or descent.adapts or descent.evaluates or score is not None
        )
        self._history = {name: [] for name in _HISTORY}
        self._plateau = Plateau(stopping.n_iter_no_change)
        # Plain steps come no nearer to some optima of a loss with kinks than others do.
        steps_on_kinks = problem.loss.max_curvature is None and not descent.evaluates
        self._standstill = Plateau(_PATIENCE) if steps_on_kinks and tol else None
        self._best = None
        self._least = first  # or later ones of a lower objective, if steps are safe
        self._next_evaluation = 1
        self._seconds = 0.0
        self._last = None  # what the last evaluation found
        self._converged = False
        self.n_epochs = 0
        self.ended = False

    def evaluates_next(self):
        """Return whether the next epoch is to end with an evaluation."""
        epoch = self.n_epochs + 1
        if epoch == self._stopping.max_iter or self._always_evaluates:
            return True
        return self._stopping.tol is not None and epoch >= self._next_evaluation

    def advance(self, n_nonzero, evaluated, seconds):
        """Record an epoch.

        After an evaluation, `evaluated` holds the weights, the intercept and the
        certificate.
        """
        most = np.inf if self._is_safe else _DIVERGED * self._reference
        if evaluated is not None and not evaluated[-1].objective <= most:
            raise divergence(self._settings)
        self.n_epochs += 1
        self._seconds += seconds
        self._record(n_nonzero, evaluated)
        if evaluated is None:
            return
        # Beyond epoch 20, an evaluation waits until a tenth more epochs have passed.
        self._next_evaluation = self.n_epochs + max(1, self.n_epochs // 10)
        self._last = evaluated
        lower = self._least is None or evaluated[-1].objective < self._least[-1].objective
        if self._is_safe and lower:
            self._least = evaluated
        self.ended = self._is_last()

    def _is_last(self):
        """Judge the last weights; return whether no further epoch is due, or of use."""
        coef, intercept, certificate = self._last
        tol, scored = self._stopping.tol, self._score is not None
        if scored:
            value, least_fall = -self._score(coef, intercept), tol or 0.0
            if self._best is None or value < self._best[0]:
                self._best = value, self._last
        else:
            value, least_fall = certificate.objective, 0.0
            good = tol is not None and self._is_good_enough()
            separated = self._last[-1].separated
            self._converged = good and not separated
            if good and separated:
                return True
        if self._descent.ends(self._converged) or self._stands_still(certificate):
            self._converged = self._converged or scored
            return True
        stuck = self._waits and self._plateau.reached(value, least_fall)
        if self.n_epochs == self._stopping.max_iter:
            return True
        if stuck and not self._descent.reduce_step():
            self._converged = scored
            return True
        return False

    def _is_good_enough(self):
        self._last = self._judged(*self._last)
        return self._last[-1].suboptimality <= self.target

    def _judged(self, coef, intercept, certificate):
        """Return weights with a certificate that can be trusted, if it matters."""
        if needs_judgement(self._problem, certificate, self.target):
            certificate = judge(self._problem, coef, intercept, self.target)
        return coef, intercept, certificate

    def _stands_still(self, certificate):
        """Return whether evaluations have long shown no gain that matters."""
        if (
            self._standstill is None
            or self._waits
            or self._next_evaluation - self.n_epochs < 2
        ):
            return False
        least_fall = _LEAST_GAIN * self.target
        return self._standstill.reached(certificate.objective, least_fall)

    def _record(self, n_nonzero, evaluated):
        row = {"epoch": self.n_epochs, **dict.fromkeys(_EVALUATED, np.nan)}
        if evaluated is not None:
            row |= {name: getattr(evaluated[-1], name) for name in _EVALUATED}
        row["n_nonzero"] = n_nonzero
        row |= {"step_size": self._descent.step_size, "seconds": self._seconds}
        for name, value in row.items():
            self._history[name].append(value)
        if self._stopping.verbose:
            print(
                "epoch {epoch:5d}  objective {objective:.8g}  gap {gap:.2g}  non-zeros "
                "{n_nonzero}/{n}  step {step_size:.2g}  {seconds:.2f} s".format(
                    n=self._descent.problem.n_features, **row
                )
            )

    def solution(self, state):
        """Return the `Solution`, given the state in which the descent has ended."""
        coef, intercept, certificate = self._last
        if self._best is not None:
            coef, intercept, certificate = self._best[1]
        elif self.returns_best:
            coef, intercept, certificate = self._judged(*self._lowest())
            asked = self._stopping.tol is not None
            self._converged = asked and certificate.suboptimality <= self.target
        if self.returns_best:
            state = state.moved_to(coef, intercept)
        return Solution(
            coef,
            intercept,
            self.n_epochs,
            self._converged,
            certificate,
            {name: np.array(values) for name, values in self._history.items()},
            state,
            self._warning(certificate),
        )

    @property
    def returns_best(self):
        """Whether the weights returned are not the last ones.

        Those of the best score are, and where steps that come from the rows have led above
        the start, those of the least objective. Such steps cannot diverge, but where rows
        differ much in length or weight their noise may outweigh what they have learned.
        """
        cut_short = self.n_epochs == self._stopping.max_iter < _FEW_EPOCHS
        if self._score is not None or cut_short or not self._is_safe:
            return self._score is not None
        margin = max(self.target, _LEAST_TOL * self._start) + self._descent.plateau
        return self._last[-1].objective > self._start + margin

    def _lowest(self):
        """Return the best weights seen, or the intercept alone, with a certificate."""
        if self._least is not None and self._least[-1].objective <= self._null.objective:
            return self._least
        coef, intercept = np.zeros(self._problem.n_features), self._null.intercept
        curvatures = feature_curvatures(self._problem)
        return coef, intercept, certify(self._problem, coef, intercept, curvatures)

    def _warning(self, certificate):
        stopping, descent, start = self._stopping, self._descent, self._start
        epoch, target = self.n_epochs, self.target
        suspect = _SUSPECT if stopping.tol is None else 1.0
        last = (certificate if self._score is not None else self._last[-1]).objective
        worse = last > suspect * self._reference
        is_better = self.returns_best and self._score is None
        if is_better:
            worse = certificate.suboptimality > target
        if self._converged or (stopping.tol is None and not worse):
            return None
        if self._is_separated():
            return (
                f"After {epoch} epochs the weights still grow: a plane separates the "
                "classes, and without a penalty the log loss then has no minimum. Set "
                "penalty='l2' or 'l1' and an alpha above 0."
            )
        measure = "duality gap" if np.isfinite(certificate.gap) else "KKT residual"
        left = certificate.suboptimality
        if worse:
            reason = "the steps are too large."
            if is_better:
                reason = "it is noise. The best weights seen are returned."
            return (
                f"After {epoch} epochs the objective is {last:.4g}, more than the "
                f"{start:.4g} it started from: {reason} {_remedy(self._settings)}"
            )
        if self._standstill is not None and not descent.adapts and self._score is None:
            return (
                f"After {epoch} epochs the {measure} is {left:.3g}, above "
                f"the target {target:.3g}. {type(self._problem.loss).__name__} has a kink, "
                "near which plain steps gain little. Use solver='auto' in proximal mode, "
                "which solves such losses exactly, or raise tol."
            )
        if epoch < stopping.max_iter and not descent.adapts:
            return (
                f"After {epoch} epochs no step lowers the objective any more, with a "
                f"{measure} of {left:.3g} above the target {target:.3g}. "
                "Raise tol, or scale the features (StandardScaler, MaxAbsScaler)."
            )
        if epoch < stopping.max_iter:
            return (
                f"After {epoch} epochs learning_rate='adaptive' has made the steps too "
                f"small to matter, with a {measure} of {left:.3g} above "
                f"the target {target:.3g}. Raise n_iter_no_change, so that they fall later."
            )
        if self._score is not None:
            return (
                f"The validation score was still rising after max_iter={stopping.max_iter} "
                "epochs. Raise max_iter."
            )
        return (
            f"After {epoch} epochs the {measure} is {left:.3g}, above the "
            f"target {target:.3g} (tol={stopping.tol:g} times the objective of the "
            "intercept-only model). Raise max_iter or tol, or scale the features."
        )

    def _is_separated(self):
        coef, intercept, certificate = self._last
        if certificate.separated or not may_be_separated(self._problem):
            return certificate.separated
        evaluation = evaluate(self._problem, coef, intercept, None)
        return separates(self._problem, evaluation) or has_direction_of_recession(
            self._problem
        )


class Plateau:
    """Tell when a value has not fallen by a tolerance for some evaluations in a row."""

    def __init__(self, patience):
        self.patience = patience
        self.best = np.inf
        self.waited = 0

    def reached(self, value, tolerance):
        """Record a value; return whether this ends the patience."""
        self.waited = self.waited + 1 if value >= self.best - tolerance else 0
        self.best = min(self.best, value)
        if self.waited < self.patience:
            return False
        self.waited = 0
        return True
