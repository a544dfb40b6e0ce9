"""The state of plain steps: what is carried from epoch to epoch and from call to call."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
from scipy import sparse

from skreg.kernels.adagrad import AdaGradState
from skreg.kernels.epochs import Iterate, Strengths, Sums
from skreg.kernels.passes import constant_pass
from skreg.kernels.rows import discount, settle
from skreg.kernels.vectors import (
    aligned_copy,
    aligned_empty,
    aligned_zeros,
    padded,
    settle_each,
    settle_rows,
)
from skreg.solvers.sgd.average import TailAverage
from skreg.solvers.sgd.statistics import (
    NO_ROWS,
    NO_TARGETS,
    RowStatistics,
    TargetStatistics,
)

_FEATURES_AT_A_TIME = 1 << 14
# What a state holds of each model, beside its columns.
_OF_EACH_MODEL = ("models", "largest_nulls", "targets")
# Weights that began at 0 are out of scale for no more steps than these.
_TENTATIVE = 100


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


@dataclass
class SGDState:
    """All that a descent needs to go on later, in plain numbers and arrays.

    Models that are in step share a state, see `skreg.solvers.sgd.columns`. Each has a
    column in what has weights: a matrix with a row for each feature, and in arrays beside
    it. Several columns are followed by some of zeros.
    """

    iterate: Iterate
    generator: np.ndarray
    models: tuple = (0,)  # the indices of the models among those of an estimator
    n_steps: int = 0
    plateau_factor: float = 1.0
    longest_step: float = 0.0  # see `SGD._rescaled`
    strengths: Strengths | None = None  # of the steps taken so far
    from_zero: bool = False  # whether all was 0 at the start
    # For each model the largest objective of no weights, on all rows of a call.
    largest_nulls: tuple = (0.0,)
    rows: RowStatistics = NO_ROWS
    targets: tuple[TargetStatistics, ...] = (NO_TARGETS,)  # of each model
    sums: Sums | None = None
    n_averaged: int = 0
    tail: TailAverage | None = None
    adagrad: AdaGradState | None = None  # which takes the place of the iterate

    @classmethod
    def start(cls, coef, intercept, generator, model=0):
        """Return the state of a descent of one model from given weights."""
        iterate = _iterate_at(np.array(coef, dtype=np.float64)[:, np.newaxis], intercept)
        from_zero = not (iterate.coef.any() or intercept)
        return cls(iterate, generator.copy(), (model,), from_zero=from_zero)

    @classmethod
    def elsewhere(cls, weights, problem, generator, models, n_epochs):
        """Return the state from which plain steps go on where another method has ended."""
        (coef,), (intercept,) = weights
        state = cls.start(coef, intercept, generator, *models)
        state.n_steps = n_epochs * len(problem.rows)
        state.has_seen(problem)
        return state

    @classmethod
    def join(cls, states):
        """Return the state of models that are in step, from those of single models."""
        first = states[0]
        if len(states) == 1:
            return first
        for state in states:
            state.leave_adagrad()
        tail = first.tail
        if tail is not None:
            pairs = zip(*(state.tail for state in states), strict=True)
            tail = TailAverage(*map(_side_by_side, pairs))
        return replace(
            first,
            iterate=_side_by_side([state.iterate for state in states]),
            sums=first.sums and _side_by_side([state.sums for state in states]),
            tail=tail,
            **{
                name: tuple(chain.from_iterable(getattr(state, name) for state in states))
                for name in _OF_EACH_MODEL
            },
            generator=first.generator.copy(),
        )

    def column(self, m):
        """Return the state of one model."""
        if self.n_models == 1:
            return self
        columns = self._with(partial(_column, m=m), partial(_column, m=m))
        of_model = {name: getattr(self, name)[m : m + 1] for name in _OF_EACH_MODEL}
        return replace(columns, **of_model)

    @property
    def n_models(self):
        """The number of models."""
        return len(self.models)

    def has_seen(self, problem):
        """Record the scale of rows from which the weights were learned elsewhere.

        Steps on further rows then begin in that scale.
        """
        y, weights = problem.y[problem.rows], problem.sample_weight[problem.rows]
        self.rows = RowStatistics.of(problem, weights)
        self.targets = (TargetStatistics.of(y, weights, problem.fit_intercept),)
        self.has_nulls([y], weights, problem.loss)
        self.from_zero = False

    def has_nulls(self, targets, weights, loss):
        """Record the objectives without weights, of the weighted targets of each model."""
        totals = [constant_pass(y, weights, 0.0, loss)[0] for y in targets]
        nulls = [float(total / weights.sum()) for total in totals]
        self.largest_nulls = tuple(map(max, self.largest_nulls, nulls))

    def leave_adagrad(self):
        """Go on with plain steps from where AdaGrad steps have led."""
        if self.adagrad is not None:
            coef, intercept = self.adagrad.weights()
            self.iterate, self.adagrad = _iterate_at(coef[:, np.newaxis], intercept), None

    def moved_to(self, coef, intercept):
        """Return the state of one model at other weights; the clock is the same."""
        coef = np.array(coef, dtype=np.float64)[:, np.newaxis]
        return replace(
            self, iterate=_iterate_at(coef, intercept), sums=None, n_averaged=0, tail=None,
            adagrad=None, from_zero=False,
        )  # fmt: skip

    def sparse(self):
        """Return the state with sparse arrays, which are smaller if most are 0."""
        state = self._with(_sparse, _sparse)
        if self.adagrad is not None:
            accumulators = sparse.csc_matrix(self.adagrad.accumulators)
            state.adagrad = self.adagrad._replace(accumulators=accumulators)
        return state

    def dense(self):
        """Return the state, able to go on, with copies of the arrays that will change."""
        state = self._with(_dense_copy, _dense)
        if self.adagrad is not None:
            accumulators = _dense_array(self.adagrad.accumulators).copy()
            state.adagrad = self.adagrad._replace(accumulators=accumulators)
        return state

    def _with(self, change, change_tail):
        """Return a state whose parts that have weights are changed."""
        return replace(
            self,
            iterate=change(self.iterate),
            sums=self.sums and change(self.sums),
            tail=self.tail and TailAverage(*map(change_tail, self.tail)),
            generator=self.generator.copy(),
        )

    def no_sums(self):
        """Return the sums over no iterate."""
        coef, scale, *_ = self.iterate
        return Sums(aligned_zeros(coef.shape), *np.zeros((3, len(scale))))

    @property
    def n_tentative(self):
        """How many of the next steps still look for the scale of the data."""
        return max(0, _TENTATIVE - self.n_steps) if self.from_zero else 0

    def weights(self):
        """Return a row of weights for each model, and the intercepts.

        All that is pending is settled.
        """
        shown = self.shown()
        if self.n_models == 1:
            return self.settled(shown).T, shown.intercept
        out = np.empty((self.n_models, len(shown.coef)))
        settle_rows(shown.coef, shown.scale, shown.threshold, out)
        return out, shown.intercept[: self.n_models]

    def shown(self):
        """Return the iterate that `weights` settles: the last one, or a mean."""
        if self.adagrad is not None:
            coef, intercept = self.adagrad.weights()
            return _iterate_at(coef[:, np.newaxis], intercept)
        if self.tail is not None:
            coef, intercept = self.tail.mean(self.iterate)
            return _iterate_at(coef, intercept)
        if not self.n_averaged:
            return self.iterate
        coef_sum, scale_sum, threshold_sum, intercept_sum = self.sums
        return Iterate(
            coef_sum + scale_sum * self.iterate.coef,
            np.full(len(scale_sum), 1.0 / self.n_averaged),
            threshold_sum,
            intercept_sum / self.n_averaged,
        )

    def update_tail(self, unit):
        """Update the tail average: see `skreg.solvers.sgd.average`."""
        tail = self.tail or TailAverage.begin(self.iterate)
        self.tail = tail.update(self.iterate, unit)

    def drop_intercept(self):
        """Set the intercept to 0."""
        zeros = np.zeros_like(self.iterate.intercept)
        self.iterate = self.iterate._replace(intercept=zeros)
        if self.sums is not None:
            self.sums = self.sums._replace(intercept=zeros.copy())
        if self.tail is not None:
            self.tail = self.tail.without_intercept()

    def settle(self):
        """Drop the penalty backlog, and the tail average."""
        if self.sums is not None:
            coef_sum = self.settled(self.shown()) * self.n_averaged
            zeros = np.zeros((2, len(self.sums.scale)))
            sums = self.sums._replace(coef=coef_sum, scale=zeros[0], threshold=zeros[1])
            self.sums = sums
        self.tail = None
        coef = self.settled(self.iterate)
        self.iterate = _iterate_at(coef, self.iterate.intercept)

    def discount_backlog(self, factor):
        """Keep this part of the penalty backlog of weights of 0.

        The weights stay the same, and so do the sums over iterates. Those that overflow are
        for others to see. Many features take no memory of their size. The current part of
        the tail average becomes the previous one.
        """
        (coef, _, threshold, _), sums = self.iterate, self.sums
        if sums is not None:  # a part of the sums is still in the raw weights
            for start in range(0, len(coef), _FEATURES_AT_A_TIME):
                part = slice(start, start + _FEATURES_AT_A_TIME)
                with np.errstate(over="ignore", invalid="ignore"):
                    sums.coef[part] += sums.scale * coef[part]
            self.sums = sums._replace(scale=np.zeros_like(sums.scale))
        discount(coef, threshold, factor)
        self.iterate = self.iterate._replace(threshold=factor * threshold)
        if self.tail is not None:
            self.tail = self.tail.advance(self.iterate)

    def settled(self, iterate):
        """Return the weights of an iterate, all that is pending settled."""
        coef, scale, threshold, _ = iterate
        if self.n_models == 1:
            if scale[0] == 1.0 and threshold[0] == 0.0:
                return coef.copy() if coef is self.iterate.coef else coef
            weights = settle(coef.ravel(), float(scale[0]), float(threshold[0]))
            return weights[:, np.newaxis]
        out = aligned_empty(coef.shape)
        settle_each(coef, scale, threshold, out)
        return out


def _iterate_at(coef, intercept):
    """Return an iterate without anything pending."""
    intercept = np.array(intercept, dtype=np.float64, ndmin=1)
    n_models = len(intercept)
    return Iterate(coef, np.ones(n_models), np.zeros(n_models), intercept)


def _side_by_side(parts):
    """Return what has weights with columns from several parts, padded."""
    coefs, *numbers = zip(*parts, strict=True)
    n_spare = padded(len(parts)) - len(parts)
    block = aligned_zeros((len(coefs[0]), len(parts) + n_spare))
    for m, coef in enumerate(coefs):
        block[:, m] = coef[:, 0]
    rows = (np.pad(np.concatenate(row), (0, n_spare), mode="edge") for row in numbers)
    return type(parts[0])(block, *rows)


def _column(part, m):
    coef, *numbers = part
    return type(part)(coef[:, [m]], *(row[[m]] for row in numbers))


def _sparse(part):
    return part._replace(coef=sparse.csc_matrix(part.coef))


def _dense(part):
    return part._replace(coef=_dense_array(part.coef))


def _dense_copy(part):
    coef, *numbers = part
    coef = _dense_array(coef)
    coef = coef.copy() if coef.shape[1] == 1 else aligned_copy(coef)
    return type(part)(coef, *(row.copy() for row in numbers))


def _dense_array(array):
    return array.toarray(order="C") if sparse.issparse(array) else array
