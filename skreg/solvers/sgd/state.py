"""The state of plain steps: what is carried from epoch to epoch and from call to call."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from skreg.data.matrices import row_norms_squared
from skreg.kernels.epochs import Iterate, Strengths, Sums
from skreg.kernels.passes import constant_pass
from skreg.kernels.rows import discount, settle
from skreg.solvers.sgd.average import Notes, mean_of, no_notes, noted

_FEATURES_AT_A_TIME = 1 << 14
# Weights that began at 0 are out of scale for no more steps than these.
_TENTATIVE = 100
# Of many rows, about so many tell how long they are.
_MEASURED_ROWS = 1000


class SGDSettings(NamedTuple):
    """What the user chose for the descent, independent of the objective."""

    subgradient: bool
    schedule: str
    eta0: float | None
    power_t: float
    shuffle: bool
    average: int  # number of the first step in the mean, counted from 1; 0 for no mean
    early_stopping: bool
    decoupled: bool = False  # whether L2 shrinks all weights alike


# The parts of a state that begin with an element, `coef`, for each weight.
WITH_WEIGHTS = ("iterate", "sums", "notes", "former_notes")


@dataclass
class SGDState:
    """All that a descent needs to go on later, in plain numbers and arrays."""

    iterate: Iterate
    generator: np.ndarray
    n_steps: int = 0
    plateau_factor: float = 1.0
    n_weighed: int = 0  # rows that the sums below are over
    first_weight: float = 0.0
    weight_sum: float = 0.0
    weight_square_sum: float = 0.0
    length_sum: float = 0.0
    unmeasured: float = 0.0  # the part of `weight_sum` that `length_sum` leaves out
    target_weight: float = 0.0  # what the next two sums are over
    target_sum: float = 0.0
    deviation_sum: float = 0.0
    target_range: np.ndarray = field(default_factory=lambda: np.array([np.inf, -np.inf]))
    from_zero: bool = False  # whether all was 0 at the start
    largest_null: float = 0.0  # objective of no weights, among those of all rows of a call
    longest_step: float = 0.0  # see `SGD._rescaled`
    strengths: Strengths | None = None  # of the steps taken so far
    sums: Sums | None = None
    n_averaged: int = 0
    notes: Notes | None = None  # since thresholds have last faded
    former_notes: Notes | None = None  # from fade to fade before
    adagrad: Any = None  # of AdaGrad steps, which have no iterate
    models: tuple = (0,)  # the places of the models among those of an estimator

    @classmethod
    def start(cls, coef, intercept, generator, model=0):
        """Return the state of a descent from given weights."""
        coef = np.array(coef, dtype=np.float64)
        iterate = Iterate(coef, 1.0, 0.0, float(intercept))
        generator = generator.copy()
        from_zero = not (coef.any() or intercept)
        return cls(iterate, generator, from_zero=from_zero, models=(model,))

    def has_seen(self, problem):
        """Record the scale of rows from which the weights were learned elsewhere.

        Steps on further rows then begin in that scale.
        """
        rows = problem.rows
        y, weights = problem.y[rows], problem.sample_weight[rows]
        every = max(1, len(rows) // _MEASURED_ROWS)
        lengths = np.sqrt(row_norms_squared(problem.X, rows[::every]))
        some = weights[::every]
        self.n_weighed = len(rows)
        self.first_weight = float(weights.max())  # others could be too small to divide by
        total, squares = weights.sum(), (weights / self.first_weight) ** 2
        self.weight_square_sum = float(squares.sum())
        self.weight_sum = self.target_weight = float(total / self.first_weight)
        self.length_sum = float(self.weight_sum * (some @ lengths / some.sum()))
        mean = weights @ y / total if problem.fit_intercept else 0.0
        self.target_sum = float(self.weight_sum * mean)
        deviation = weights @ np.abs(y - mean) / total
        self.deviation_sum = float(self.weight_sum * deviation)
        self.target_range[:] = y.min(), y.max()
        self.has_null(problem)
        self.from_zero = False

    def has_null(self, problem):
        """Record the objective without weights."""
        y, weights = problem.y[problem.rows], problem.sample_weight[problem.rows]
        total, _ = constant_pass(y, weights, 0.0, problem.loss)
        self.largest_null = max(self.largest_null, float(total / weights.sum()))

    def leave_adagrad(self):
        """Go on with plain steps from where AdaGrad steps have led."""
        if self.adagrad is not None:
            coef, intercept = self.adagrad.weights()
            self.iterate, self.adagrad = Iterate(coef, 1.0, 0.0, intercept), None

    def moved_to(self, coef, intercept):
        """Return the state at other weights; the clock is the same."""
        iterate = Iterate(np.array(coef, dtype=np.float64), 1.0, 0.0, float(intercept))
        return replace(
            self, iterate=iterate, sums=None, n_averaged=0, notes=None, former_notes=None,
            adagrad=None, from_zero=False,
        )  # fmt: skip

    def sparse(self):
        """Return the state with sparse arrays, which are smaller if most are 0."""
        return self._with(sparse.csr_matrix, sparse.csr_matrix)

    def dense(self):
        """Return the state, able to go on, with copies of the arrays that will change."""
        return self._with(lambda array: self._copy(self._to_dense(array)), self._to_dense)

    def _with(self, change, change_notes):
        changed = {
            "generator": self.generator.copy(),
            "target_range": self.target_range.copy(),
        }
        for name in WITH_WEIGHTS:
            part = getattr(self, name)
            if part is not None:
                function = change_notes if isinstance(part, Notes) else change
                changed[name] = part._replace(coef=function(part.coef))
        if self.adagrad is not None:
            accumulators = change(self.adagrad.accumulators)
            changed["adagrad"] = self.adagrad._replace(accumulators=accumulators)
        return replace(self, **changed)

    def no_sums(self):
        """Return the sums over no iterate."""
        return Sums(np.zeros_like(self.iterate.coef), 0.0, 0.0, 0.0)

    @staticmethod
    def _copy(array):
        return array.copy()

    @staticmethod
    def _to_dense(array):
        if not sparse.issparse(array):
            return array
        return array.toarray() if array.shape[0] > 1 else array.toarray().ravel()

    @property
    def n_tentative(self):
        """How many of the next steps still look for the scale of the data."""
        return max(0, _TENTATIVE - self.n_steps) if self.from_zero else 0

    def weights(self):
        """Return the weights and the intercept, all that is pending settled."""
        if self.adagrad is not None:
            return self.adagrad.weights()
        shown = self.shown()
        return self.settled(shown), shown.intercept

    def shown(self):
        """Return the iterate that `weights` settles: the last one, or a mean."""
        if self.notes is not None:
            coef, intercept = mean_of(self.iterate, self.notes, self.former_notes)
            none = 0.0 * self.iterate.threshold
            return Iterate(coef, 1.0 + none, none, intercept)
        if not self.n_averaged:
            return self.iterate
        coef_sum, scale_sum, threshold_sum, intercept_sum = self.sums
        return Iterate(
            coef_sum + scale_sum * self.iterate.coef,
            1.0 / self.n_averaged,
            threshold_sum,
            intercept_sum / self.n_averaged,
        )

    def note(self, unit):
        """Note the iterate for the mean that is shown: see `skreg.solvers.sgd.average`."""
        if self.notes is None:
            self.notes = self.former_notes = no_notes(self.iterate)
        notes = self.notes, self.former_notes
        self.notes, self.former_notes = noted(self.iterate, *notes, unit)

    def drop_intercept(self):
        """Set the intercept to 0."""
        none = 0.0 * self.iterate.intercept
        self.iterate = self.iterate._replace(intercept=none)
        if self.sums is not None:
            self.sums = self.sums._replace(intercept=none)
        if self.notes is not None:
            self.notes = self.notes.without_intercept()
            self.former_notes = self.former_notes.without_intercept()

    def forget_notes(self):
        """Show the iterate itself."""
        self.notes = self.former_notes = None

    def settle(self):
        """Forget what thresholds have left pending at weights of 0, and notes."""
        if self.sums is not None:
            coef_sum = self.settled(self.shown()) * self.n_averaged
            none = 0.0 * self.sums.scale
            self.sums = self.sums._replace(coef=coef_sum, scale=none, threshold=none)
        self.forget_notes()
        coef, none = self.settled(self.iterate), 0.0 * self.iterate.threshold
        self.iterate = self.iterate._replace(coef=coef, scale=1.0 + none, threshold=none)

    def discount(self, factor):
        """Keep this part of what the threshold has in store at weights of 0.

        The weights stay the same, and so do the sums over iterates. Those that overflow are
        for others to see. Many features take no memory of their size. Notes from before the
        last time are forgotten.
        """
        (coef, _, threshold, _), sums = self.iterate, self.sums
        if sums is not None:  # a part of the sums is still in the raw weights
            for start in range(0, len(coef), _FEATURES_AT_A_TIME):
                part = slice(start, start + _FEATURES_AT_A_TIME)
                with np.errstate(over="ignore", invalid="ignore"):
                    sums.coef[part] += sums.scale * coef[part]
            self.sums = sums._replace(scale=0.0 * sums.scale)
        discount(coef.reshape(len(coef), -1), np.atleast_1d(threshold), factor)
        self.iterate = self.iterate._replace(threshold=factor * threshold)
        if self.notes is not None:
            self.notes, self.former_notes = no_notes(self.iterate), self.notes

    @staticmethod
    def settled(iterate):
        """Return the weights of an iterate, all that is pending settled."""
        return settle(iterate.coef, iterate.scale, iterate.threshold)
