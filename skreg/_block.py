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

from skreg._compile import IN_ORDER, compiled
from skreg._kernels import SMALLEST_SCALE, SMALLEST_SCALE_OF_SUMS, Iterate, Sums
from skreg._losses import bounded_slope, derivative, value
from skreg._objective import balancing_factors, certificate_of, kkt_residual
from skreg._rows import CSR, prefetch_row
from skreg._sgd import SGD
from skreg._state import SGDState
from skreg._vectors import (
    aligned_copy,
    aligned_zeros,
    count_nonzero_each,
    padded,
    prefetch_each,
    row_add_each,
    row_dots,
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
        problem, state = self.problem, self.state
        coef, intercept = state.settled(state.shown), state.shown.intercept
        losses = np.zeros(len(self.problems))
        slopes = aligned_zeros((len(problem.rows), coef.shape[1]))
        weights = problem.sample_weight / problem.weight_sum
        args = problem.X, self._targets, weights, problem.rows
        block_slopes(*args, coef, intercept, problem.loss, losses, slopes)
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
            transposed(part, len(self.problems)) for part in (coef, slopes, gradients)
        )
        return [
            certificate_of(
                self.problems[m],
                coefs[m],
                float(losses[m]),
                slopes[m],
                tuple(factors[:, m].tolist()),
                np.abs(gradients[m]),
                kkt_residual(
                    problem, np.append(gradients[m], totals[m]), self._feature_curvatures
                ),
            )
            for m in range(len(self.problems))
        ]

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


@compiled(fastmath=IN_ORDER)
def block_epoch(X, y, plan, iterate, sums, loss, strengths):
    """Do what `sgd_epoch` does, for models whose targets are columns of `y`.

    All arrays of the iterate and the sums are changed in place.
    """
    if iterate.threshold.max() > 0.0 or (strengths.l1 > 0.0 and not strengths.subgradient):
        _visit_block(X, y, plan, iterate, sums, loss, strengths, iterate.threshold)
    else:
        _visit_block(X, y, plan, iterate, sums, loss, strengths, None)


@compiled(fastmath=IN_ORDER)
def _visit_block(X, y, plan, iterate, sums, loss, strengths, thresholds):
    """Do what `block_epoch` does; with None as thresholds, none is ever needed."""
    coef, scale, threshold, intercept = iterate
    smallest_scale = SMALLEST_SCALE
    if sums is not None:
        coef_sum, scale_sum, threshold_sum, intercept_sum = sums
        smallest_scale = SMALLEST_SCALE_OF_SUMS
    dots, steps = np.zeros(coef.shape[1]), np.zeros(coef.shape[1])
    n_steps = plan.order.shape[0]
    for k in range(n_steps):
        if k < plan.arrivals.shape[0]:
            prefetch_row(X, plan.arrivals[k])
        if k + 1 < n_steps:
            prefetch_each(X, plan.order[k + 1], coef)
        i, eta = plan.order[k], plan.step_sizes[k]
        row_dots(X, i, coef, thresholds, dots)
        smallest = 1.0
        for m in range(y.shape[1]):
            raw_prediction = scale[m] * dots[m] + intercept[m]
            slope = bounded_slope(loss, y[i, m], raw_prediction, plan.reaches[k])
            slope *= plan.weights[k]
            if strengths.subgradient:
                scale[m] *= 1.0 - eta * strengths.l2
                steps[m] = -eta * slope / scale[m]
            else:
                steps[m] = -eta * slope / scale[m]
                threshold[m] += eta * strengths.l1 / scale[m]
                scale[m] /= 1.0 + eta * strengths.l2
            intercept[m] -= plan.intercept_steps[k] * slope
            smallest = min(smallest, scale[m])
        row_add_each(X, i, steps, coef)
        if sums is not None:
            row_add_each(X, i, -steps * scale_sum, coef_sum)  # the change comes late
            scale_sum += scale
            threshold_sum += scale * threshold
            intercept_sum += intercept
        if smallest < smallest_scale:
            if sums is not None:
                coef_sum += scale_sum * coef
                scale_sum[:] = 0.0
            coef *= scale
            threshold *= scale
            scale[:] = 1.0


@compiled(fastmath=IN_ORDER)
def block_slopes(X, y, weights, rows, coef, intercept, loss, losses, slopes):
    """Set ``slopes[k]`` to the derivatives of the losses of row ``rows[k]``.

    The losses themselves are added to `losses`, times `weights`. Targets are columns of
    `y`, one for each model.
    """
    raw = np.zeros(coef.shape[1])
    for k in range(rows.shape[0]):
        i = rows[k]
        if k + 1 < rows.shape[0]:
            prefetch_each(X, rows[k + 1], coef)
        row_dots(X, i, coef, None, raw)
        for m in range(y.shape[1]):
            raw_prediction = raw[m] + intercept[m]
            losses[m] += weights[i] * value(loss, y[i, m], raw_prediction)
            slopes[k, m] = derivative(loss, y[i, m], raw_prediction)


@compiled(fastmath=IN_ORDER)
def block_gradients(X, rows, slopes, out):
    """Add the sum over rows of ``X[rows[k]]`` times each of ``slopes[k]`` to `out`."""
    for k in range(rows.shape[0]):
        if k + 1 < rows.shape[0]:
            prefetch_each(X, rows[k + 1], out)
        row_add_each(X, rows[k], slopes[k], out)


@compiled
def block_row_suits(X, y, i, iterate, factor, loss, out):
    """Set ``out[m]`` to whether weights times `factor` predict row `i` better."""
    dots = np.zeros(iterate.coef.shape[1])
    row_dots(X, i, iterate.coef, iterate.threshold, dots)
    for m in range(y.shape[1]):
        part, intercept = iterate.scale[m] * dots[m], iterate.intercept[m]
        here = value(loss, y[i, m], part + intercept)
        out[m] = value(loss, y[i, m], factor * part + intercept) < here
