"""Models side by side: one pass over sparse rows takes a plain step of each of them.

The models of one-against-all share rows, weights of rows and steps, and differ in their
targets. As long as their descents are in step, their weights are kept as a *block*: a
matrix with a row for each feature, whose elements are neighbours in memory. A sparse row
finds its weights scattered, one at a time for one model, and for a block all at once; the
arithmetic then takes eight models at a time (see `skreg.kernels.vectors`). Dense rows find
the weights of one model side by side as it is: their models are fitted one after the other.

Each column of a block is what its model would be alone, to the bit. `certify_block`, right
to rounding, also serves models that differ in their penalties: see
`skreg.solvers.path.solve_path`.
"""

from dataclasses import dataclass, fields

import numpy as np
from joblib import effective_n_jobs

from skreg.data.matrices import CSR
from skreg.kernels.block import block_epoch, block_gradients, block_row_suits, block_slopes
from skreg.kernels.epochs import Sums
from skreg.kernels.vectors import (
    aligned_copy,
    aligned_empty,
    aligned_zeros,
    count_nonzero_each,
    padded,
    settle_each,
    settle_rows,
)
from skreg.objectives.certificate import balancing_factors, certificate_of, kkt_residual
from skreg.solvers.sgd.state import WITH_WEIGHTS, SGDState
from skreg.solvers.sgd.steps import SGD


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
    other numbers of what has weights are arrays.
    """

    @classmethod
    def join(cls, states):
        """Return the block of states of single models that are in step."""
        for state in states:
            state.leave_adagrad()
        shared = _fields(states[0])
        for name in WITH_WEIGHTS:
            if shared[name] is not None:
                parts = [getattr(state, name) for state in states]
                shared[name] = type(parts[0])(*_side_by_side(parts))
        shared["models"] = tuple(model for state in states for model in state.models)
        return cls(**shared)

    @property
    def n_models(self):
        """The number of models."""
        return len(self.models)

    def model(self, m):
        """Return the state of one model."""
        shared = _fields(self)
        for name in WITH_WEIGHTS:
            if shared[name] is not None:
                shared[name] = type(shared[name])(*_column(shared[name], m))
        return SGDState(**shared | {"models": self.models[m : m + 1]})

    def weights(self):
        """Return a row of weights for each model, and the intercepts."""
        shown = self.shown()
        coef, scale, threshold, intercept = shown
        out = np.empty((self.n_models, len(coef)))
        settle_rows(coef, scale + 0.0 * threshold, threshold, out)
        return out, intercept[: self.n_models]

    def no_sums(self):
        """Return the sums over no iterate."""
        coef, *numbers = self.iterate
        return Sums(aligned_zeros(coef.shape), *(0.0 * number for number in numbers))

    @staticmethod
    def settled(iterate):
        """Return the weights of an iterate as a matrix like its own."""
        coef, scale, threshold, _ = iterate
        out = aligned_empty(coef.shape)
        settle_each(coef, scale + 0.0 * threshold, threshold, out)
        return out

    @staticmethod
    def _copy(array):
        return aligned_copy(array)

    @staticmethod
    def _to_dense(array):
        return array if isinstance(array, np.ndarray) else array.toarray()


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
    """Return the states of single models, in the order of the models."""
    singles = {}
    for state in states:
        for m, model in enumerate(state.models):
            singles[model] = state.model(m) if isinstance(state, BlockState) else state
    return [singles[model] for model in sorted(singles)]


def grouped(states, n_jobs):
    """Return states of the same models: for each job, a block of all that are in step."""
    n_models = sum(len(state.models) for state in states)
    job_of = np.arange(n_models) * min(effective_n_jobs(n_jobs), n_models) // n_models
    wanted = {}
    for state in states:
        clock = _clock(state)
        for model in state.models:
            wanted.setdefault((int(job_of[model]), clock), []).append(model)
    groups = sorted(tuple(sorted(models)) for models in wanted.values())
    if groups == sorted(state.models for state in states):
        return states
    singles = split(states)
    parts = [[singles[model] for model in models] for models in groups]
    return [BlockState.join(part) if len(part) > 1 else part[0] for part in parts]


def _clock(state):
    """Return what must be the same for models that are to be in a block."""
    names = (
        "n_steps",
        "plateau_factor",
        "n_weighed",
        "first_weight",
        "weight_sum",
        "weight_square_sum",
        "length_sum",
        "unmeasured",
        "longest_step",
        "strengths",
        "n_averaged",
    )
    numbers = tuple(getattr(state, name) for name in names)
    kinds = state.from_zero, state.sums is None, state.notes is None
    return numbers, kinds, tuple(state.generator.tolist())


class BlockSGD(SGD):
    """The descents of several problems, which differ in their targets."""

    def __init__(self, problems, settings, state):
        self.problems = problems
        self._targets = _targets(problems)
        super().__init__(problems[0], settings, state)

    def _bytes_per_step(self):
        return len(self.problems) * super()._bytes_per_step()

    def certify(self):
        """Return the certificate of each model."""
        shown = self.state.shown()
        coef = self.state.settled(shown)
        parts = self._targets, coef, shown.intercept, self._feature_curvatures
        return certify_block(self.problems, *parts, self._mean_slopes)

    def sampled_losses(self):
        """Return the mean loss of some rows for each model, as `SGD` does."""
        if self.is_scale_free:
            return np.zeros(1)
        parts = zip(self.problems, *self.weights(), strict=True)
        return np.array([self._mean_loss(*part) for part in parts])

    def count_nonzero(self):
        """Return how many weights of each model are not 0, and whether all are finite."""
        coef, scale, threshold, intercept = self.state.shown()
        counts = np.zeros(coef.shape[1], dtype=np.int64)
        finite = count_nonzero_each(coef, threshold, counts)
        finite = finite and np.isfinite(scale).all() and np.isfinite(intercept).all()
        return counts.tolist(), finite

    def keep(self, models):
        """Go on with some of the models."""
        self.state = BlockState.join([self.state.model(m) for m in models])
        self.problems = [self.problems[m] for m in models]
        if self._mean_slopes is not None:
            self._mean_slopes.keep(models)
        self._targets = _targets(self.problems)

    def _take_steps(self, plan):
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


def _targets(problems):
    """Return the targets -1 and +1 of each problem as columns, a byte each."""
    return np.stack([problem.y.astype(np.int8) for problem in problems], axis=1)


def certify_block(problems, targets, coef, intercept, curvatures, mean_slopes=None):
    """Return the certificate of each model.

    The problems share their rows; `targets` and `coef` have a column for each of them.
    With `MeanSlopes`, these take the place of the slopes.
    """
    problem, n_models = problems[0], len(problems)
    losses, slopes = np.zeros(n_models), np.empty((n_models, len(problem.rows)))
    weights = problem.sample_weight / problem.weight_sum
    rows = problem.X, targets, weights, problem.rows
    sums = np.zeros((2, n_models))  # of positive slopes, and of the sizes of others
    block_slopes(*rows, coef, intercept, problem.loss, losses, slopes, sums)
    if mean_slopes is not None:
        slopes, of_rows = mean_slopes.add(slopes), weights[problem.rows]
        sums[:] = np.maximum(slopes, 0.0) @ of_rows, np.maximum(-slopes, 0.0) @ of_rows
    # Slopes are scaled before their gradients are summed: one sum is enough.
    factors = np.ones((n_models, 2))
    if problem.is_penalized:
        factors[:] = [balancing_factors(problem, *pair) for pair in sums.T.tolist()]
    gradients = aligned_zeros(coef.shape)
    block_gradients(problem.X, weights, problem.rows, slopes, factors, gradients)
    totals = sums[0] - sums[1]

    return [
        certificate_of(
            problems[m],
            coef[:, m].copy(),
            float(losses[m]),
            slopes[m],
            tuple(factors[m].tolist()),
            np.abs(gradients[:, m]),
            kkt_residual(problem, np.append(gradients[:, m], totals[m]), curvatures),
        )
        for m in range(n_models)
    ]
