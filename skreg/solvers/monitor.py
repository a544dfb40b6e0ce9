"""When a fit stops, what it keeps of its epochs, and how it has ended."""

from typing import NamedTuple

import numpy as np

from skreg.objectives.certificate import Certificate, certify, evaluate, feature_curvatures
from skreg.solvers.messages import STILL_RISING, WARNINGS, divergence, remedy
from skreg.solvers.working_set.unpenalized import (
    has_direction_of_recession,
    judge,
    may_be_separated,
    needs_judgement,
    separates,
)

_EVALUATED = ["objective", "loss", "penalty", "gap"]
_HISTORY = ["epoch", *_EVALUATED, "n_nonzero", "step_size", "seconds"]
# An objective this many times that of the start is on its way to infinity.
DIVERGED = 1e3
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
    state: object  # models of a block that end together share it; None along paths
    warning: str | None  # why the weights may not be good enough


class Evaluated(NamedTuple):
    """Weights and their certificate."""

    coef: np.ndarray
    intercept: float
    certificate: Certificate


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


class History:
    """A row for each epoch, printed if that is wanted."""

    def __init__(self, n_features, verbose):
        self._n_features = n_features
        self._verbose = verbose
        self._columns = {name: [] for name in _HISTORY}

    def add(self, epoch, certificate, n_nonzero, step_size, seconds):
        """Record an epoch, NaN where there is no certificate."""
        row = {"epoch": epoch, **dict.fromkeys(_EVALUATED, np.nan)}
        if certificate is not None:
            row |= {name: getattr(certificate, name) for name in _EVALUATED}
        row |= {"n_nonzero": n_nonzero, "step_size": step_size, "seconds": seconds}
        for name, value in row.items():
            self._columns[name].append(value)
        if self._verbose:
            print(
                "epoch {epoch:5d}  objective {objective:.8g}  gap {gap:.2g}  non-zeros "
                "{n_nonzero}/{n}  step {step_size:.2g}  {seconds:.2f} s".format(
                    n=self._n_features, **row
                )
            )

    def arrays(self):
        """Return an array for each column."""
        return {name: np.array(values) for name, values in self._columns.items()}


def reference(loss, objective):
    """Return what other objectives are compared with, given that of the start.

    Where a loss forgives all errors of the start, this is as much as it would see.
    """
    error = min(2.0 * loss.insensitivity, _LARGEST_ERROR)
    return max(objective, loss.value(0.0, error))


class Monitor:
    """What is known of a model from epoch to epoch, and when its descent has to end.

    `first` is the `Evaluated` that it starts from; it is None if all weights are 0.
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
            self._start = max(self._start, first.certificate.objective)
        self._reference = reference(problem.loss, self._start)
        # Decoupled decay minimizes another objective than that which is evaluated.
        scale_free = not descent.evaluates and descent.is_scale_free
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
        self._history = History(problem.n_features, stopping.verbose)
        self._plateau = Plateau(stopping.n_iter_no_change)
        # Plain steps come no nearer to some optima of a loss with kinks than others do.
        steps_on_kinks = problem.loss.max_curvature is None and not descent.evaluates
        self._standstill = Plateau(_PATIENCE) if steps_on_kinks and tol else None
        self._best = None
        self._least = first  # or later weights of a lower objective, if steps are safe
        self._next_evaluation = 1
        self._seconds = 0.0
        self._last = None  # the last `Evaluated`
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
        """Record an epoch; `evaluated` is None without an evaluation."""
        certificate = None if evaluated is None else evaluated.certificate
        most = np.inf if self._is_safe else DIVERGED * self._reference
        if certificate is not None and not certificate.objective <= most:
            raise divergence(self._settings)
        self.n_epochs += 1
        self._seconds += seconds
        step_size = self._descent.step_size
        self._history.add(self.n_epochs, certificate, n_nonzero, step_size, self._seconds)
        if evaluated is None:
            return
        # Beyond epoch 20, an evaluation waits until a tenth more epochs have passed.
        self._next_evaluation = self.n_epochs + max(1, self.n_epochs // 10)
        self._last = evaluated
        least = self._least
        lower = least is None or certificate.objective < least.certificate.objective
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
            separated = self._last.certificate.separated
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
        self._last = self._judged(self._last)
        return self._last.certificate.suboptimality <= self.target

    def _judged(self, evaluated):
        """Return weights with a certificate that can be trusted, if it matters."""
        coef, intercept, certificate = evaluated
        if needs_judgement(self._problem, certificate, self.target):
            certificate = judge(self._problem, coef, intercept, self.target)
        return Evaluated(coef, intercept, certificate)

    def _stands_still(self, certificate):
        """Return whether evaluations have long shown no gain that matters."""
        wait = self._next_evaluation - self.n_epochs
        if self._standstill is None or self._waits or wait < 2:
            return False
        least_fall = _LEAST_GAIN * self.target
        return self._standstill.reached(certificate.objective, least_fall)

    def solution(self, state):
        """Return the `Solution`, given the state in which the descent ended, or None."""
        found = self._last
        if self._best is not None:
            found = self._best[1]
        elif self.returns_best:
            found = self._judged(self._lowest())
            asked = self._stopping.tol is not None
            self._converged = asked and found.certificate.suboptimality <= self.target
        coef, intercept, certificate = found
        if self.returns_best and state is not None:
            state = state.moved_to(coef, intercept)
        return Solution(
            coef,
            intercept,
            self.n_epochs,
            self._converged,
            certificate,
            self._history.arrays(),
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
        return self._last.certificate.objective > self._start + margin

    def _lowest(self):
        """Return the best weights seen, or the intercept alone, with a certificate."""
        least = self._least
        if least is not None and least.certificate.objective <= self._null.objective:
            return least
        coef, intercept = np.zeros(self._problem.n_features), self._null.intercept
        curvatures = feature_curvatures(self._problem)
        certificate = certify(self._problem, coef, intercept, curvatures)
        return Evaluated(coef, intercept, certificate)

    def _warning(self, certificate):
        """Return why the weights with a certificate may not be good enough, or None."""
        stopping, epoch = self._stopping, self.n_epochs
        scored = self._score is not None
        last = (certificate if scored else self._last.certificate).objective
        flaw = self._flaw(certificate, last)
        if flaw is None:
            return None
        if flaw == "max_iter" and scored:
            return STILL_RISING.format(max_iter=stopping.max_iter)
        return f"After {epoch} epochs " + WARNINGS[flaw].format(
            last=last,
            start=self._start,
            measure="duality gap" if np.isfinite(certificate.gap) else "KKT residual",
            left=certificate.suboptimality,
            target=self.target,
            tol=stopping.tol,
            loss=type(self._problem.loss).__name__,
            remedy=remedy(self._settings),
        )

    def _flaw(self, certificate, last):
        """Return the key of `WARNINGS` that fits, or None."""
        stopping, descent, scored = self._stopping, self._descent, self._score is not None
        is_better = self.returns_best and not scored
        worse = last > (_SUSPECT if stopping.tol is None else 1.0) * self._reference
        if is_better:
            worse = certificate.suboptimality > self.target
        if self._converged or (stopping.tol is None and not worse):
            return None
        if self._is_separated():
            return "separated"
        if worse:
            return "noise" if is_better else "worse"
        if self._standstill is not None and not descent.adapts and not scored:
            return "kink"
        if self.n_epochs < stopping.max_iter:
            return "small steps" if descent.adapts else "stuck"
        return "max_iter"

    def _is_separated(self):
        coef, intercept, certificate = self._last
        if certificate.separated or not may_be_separated(self._problem):
            return certificate.separated
        evaluation = evaluate(self._problem, coef, intercept, None)
        return separates(self._problem, evaluation) or has_direction_of_recession(
            self._problem
        )
