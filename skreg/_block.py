"""Models side by side: one pass over sparse rows takes a plain step of each of them.

The models of one-against-all share rows, weights of rows and steps, and differ in their
targets. As long as their descents are in step, their weights are kept as a *block*: a
matrix with a row for each feature, whose elements are neighbours in memory. A sparse row
finds its weights scattered, one at a time for one model, and for a block all at once; the
arithmetic then takes eight models at a time (see `skreg._vectors`). Dense rows find the
weights of one model side by side as it is: their models are fitted one after the other.

Each column of a block is what its model would be alone, to rounding.
"""

from dataclasses import dataclass, fields

import numpy as np
from joblib import effective_n_jobs

from skreg._block_kernels import (
    block_epoch,
    block_gradients,
    block_row_suits,
    block_slopes,
)
from skreg._kernels import Iterate, Sums
from skreg._objective import balancing_factors, certificate_of, kkt_residual
from skreg._rows import CSR
from skreg._sgd import SGD
from skreg._state import SGDState
from skreg._vectors import (
    aligned_copy,
    aligned_zeros,
    count_nonzero_each,
    padded,
    settle_each,
    transposed,
)


def can_share(problems, settings):
    """Return whether problems that differ in their targets can be solved as a block."""
    first = problems[0]
    own_steps = settings.schedule in ("adaptive", "adagrad")
    all_weights = settings.subgradient and first.l1 > 0.0
    sparse = isinstance(first.X, CSR)
    return len(problems) > 1 and sparse and not own_steps and not all_weights


@dataclass
class BlockState(SGDState):
    """What `SGDState` is, for several models in step.

    The arrays of weights are matrices with a column for each model, and some of zeros; the
    other numbers of `iterate` and `sums` are arrays.
    """

    n_models: int = 0

    @classmethod
    def join(cls, states):
        """Return the block of states of single models that are in step."""
        for state in states:
            state.forget_memory()
        shared = _fields(states[0])
        shared["iterate"] = Iterate(*_side_by_side([state.iterate for state in states]))
        if states[0].sums is not None:
            shared["sums"] = Sums(*_side_by_side([state.sums for state in states]))
        return cls(**shared, n_models=len(states))

    def model(self, m):
        """Return the state of one model."""
        shared = _fields(self)
        shared["iterate"] = Iterate(*_column(self.iterate, m))
        if self.sums is not None:
            shared["sums"] = Sums(*_column(self.sums, m))
        return SGDState(**shared)

    def weights(self):
        """Return a row of weights for each model, and the intercepts."""
        coefs = transposed(self.settled(self.shown), self.n_models)
        return coefs, self.shown.intercept[: self.n_models]

    def no_sums(self):
        """Return the sums over no iterate."""
        coef, *numbers = self.iterate
        return Sums(aligned_zeros(coef.shape), *(0.0 * number for number in numbers))

    @staticmethod
    def settled(iterate):
        """Return the weights of an iterate, all that is pending settled."""
        coef, scale, threshold, _ = iterate
        out = aligned_zeros(coef.shape)
        settle_each(coef, scale + 0.0 * threshold, threshold, out)
        return out

    @staticmethod
    def _to_dense(coef):
        return aligned_copy(coef if isinstance(coef, np.ndarray) else coef.toarray())


def _fields(state):
    """Return what a state holds, with copies of what descents change in place."""
    values = {part.name: getattr(state, part.name) for part in fields(SGDState)}
    changed = ("generator", "target_range")
    return values | {name: values[name].copy() for name in changed}


def _side_by_side(parts):
    coefs, *numbers = zip(*parts, strict=True)
    width = padded(len(parts))
    block = aligned_zeros((len(coefs[0]), width))
    for m, coef in enumerate(coefs):
        block[:, m] = coef
    return block, *(np.pad(row, (0, width - len(row)), mode="edge") for row in numbers)


def _with_own_numbers(part):
    coef, *numbers = part
    return type(part)(coef, *(row.copy() for row in numbers))


def _column(part, m):
    coef, *numbers = part
    return coef[:, m].copy(), *(float(row[m]) for row in numbers)


def split(states):
    """Return the states of single models."""
    return [
        state.model(m) if isinstance(state, BlockState) else state
        for state in states
        for m in range(state.n_models)
    ]


def grouped(states, n_jobs):
    """Return the same models as blocks, one for each job where they are in step."""
    n_models = sum(state.n_models for state in states)
    n_groups = min(effective_n_jobs(n_jobs), n_models)
    sizes = [len(part) for part in np.array_split(np.arange(n_models), n_groups)]
    are_blocks = all(isinstance(state, BlockState) for state in states)
    if are_blocks and [state.n_models for state in states] == sizes:
        return states
    singles, blocks = split(states), []
    for size in sizes:
        group, singles = singles[:size], singles[size:]
        in_step = all(_clock(state) == _clock(group[0]) for state in group)
        parts = [group] if in_step else [[state] for state in group]
        blocks += [BlockState.join(part) for part in parts]
    return blocks


def _clock(state):
    """Return what must be the same for models that are to be in a block."""
    parts = _fields(state)
    parts["generator"] = parts["generator"].tolist()
    parts["sums"] = parts["sums"] is None
    for name in ("iterate", "target_range", "memory"):
        del parts[name]
    return parts


class BlockSGD(SGD):
    """The descents of several problems, which differ in their targets."""

    def __init__(self, problems, settings, state):
        super().__init__(problems[0], settings, state)
        self.problems = problems
        self._targets = np.stack([problem.y for problem in problems], axis=1)

    def certify(self):
        """Return the certificate of each model."""
        shown = self.state.shown
        coef = self.state.settled(shown)
        parts = self._targets, coef, shown.intercept, self._feature_curvatures
        return certify_block(self.problems, *parts)

    def census(self):
        """Return how many weights of each model are not 0, and whether all are finite."""
        coef, scale, threshold, intercept = self.state.shown
        counts = np.zeros(coef.shape[1], dtype=np.int64)
        finite = count_nonzero_each(coef, threshold, counts)
        finite = finite and np.isfinite(scale).all() and np.isfinite(intercept).all()
        return counts.tolist(), finite

    def keep(self, models):
        """Go on with some of the models."""
        self.state = BlockState.join([self.state.model(m) for m in models])
        self.problems = [self.problems[m] for m in models]
        self._targets = self._targets[:, models].copy()

    def _visit(self, plan):
        problem, state = self.problem, self.state
        state.iterate = _with_own_numbers(state.iterate)
        if state.sums is not None:
            state.sums = _with_own_numbers(state.sums)
        block_epoch(
            problem.X,
            self._targets,
            plan,
            state.iterate,
            state.sums,
            problem.loss,
            self._strengths,
        )

    def _suitable(self, factor, row):
        iterate, width = self.state.iterate, self.state.iterate.coef.shape[1]
        suits = np.zeros(width, dtype=bool)
        block_row_suits(
            self.problem.X, self._targets, row, iterate, factor, self.problem.loss, suits
        )
        return np.where(suits | ~self.state.settled(iterate).any(axis=0), factor, 1.0)


def certify_block(problems, targets, coef, intercept, curvatures):
    """Return the certificate of each model.

    The problems share their rows; `targets` and `coef` have a column for each of them.
    """
    problem, n_models = problems[0], len(problems)
    losses = np.zeros(n_models)
    slopes = aligned_zeros((len(problem.rows), coef.shape[1]))
    weights = problem.sample_weight / problem.weight_sum
    rows = problem.X, targets, weights, problem.rows
    block_slopes(*rows, coef, intercept, problem.loss, losses, slopes)
    # Slopes are scaled before their gradients are summed: one sum is enough.
    weighted = slopes * weights[problem.rows, np.newaxis]
    sums = np.maximum(weighted, 0.0).sum(axis=0), -np.minimum(weighted, 0.0).sum(axis=0)
    factors = np.ones((2, coef.shape[1]))
    if problem.is_penalized:
        for m, pair in enumerate(zip(*sums, strict=True)):
            factors[:, m] = balancing_factors(problem, *pair)
        weighted *= np.where(slopes > 0.0, *factors)
    gradients = aligned_zeros(coef.shape)
    block_gradients(problem.X, problem.rows, weighted, gradients)
    totals = weighted.sum(axis=0)

    coefs, slopes, gradients = (
        transposed(part, n_models) for part in (coef, slopes, gradients)
    )
    return [
        certificate_of(
            problems[m],
            coefs[m],
            float(losses[m]),
            slopes[m],
            tuple(factors[:, m].tolist()),
            np.abs(gradients[m]),
            kkt_residual(problem, np.append(gradients[m], totals[m]), curvatures),
        )
        for m in range(n_models)
    ]
