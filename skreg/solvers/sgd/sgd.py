"""Stochastic gradient descent: what happens from step to step, and between two calls."""

from abc import abstractmethod
from itertools import pairwise

import numpy as np

from skreg.data.matrices import bytes_per_row
from skreg.data.order import Order
from skreg.kernels.block import block_epoch, block_row_suits
from skreg.kernels.epochs import Iterate, Strengths, Sums, sgd_epoch
from skreg.kernels.passes import loss_of_rows, row_loss
from skreg.kernels.vectors import count_nonzero_each
from skreg.objectives.certificate import MeanSlopes, feature_curvatures
from skreg.objectives.columns import certify_columns, targets_of
from skreg.solvers.descent import Descent
from skreg.solvers.sgd.average import discounts_per_doubling, next_discount, next_update
from skreg.solvers.sgd.step_sizes import StepSizes

# Compiled calls are short enough for Ctrl-C to be heard in between.
_BYTES_PER_CALL = 1 << 29
# And what is planned for them fits into a cache.
_ROWS_PER_CALL = 1 << 15
# Steps that have become shorter than this part of earlier ones are in another scale.
_TOO_LONG = 0.5
# This part of the penalty backlog is left when the number of steps has doubled.
_LEFT = 0.25
# So many rows of a batch tell whether the weights have diverged.
_SAMPLED_ROWS = 100
# "adaptive" gives up when its plateaus have divided the step by more than this.
_SMALLEST_FACTOR = 1e-6


class PlainDescent(Descent):
    """The descent of problems that differ in their targets: an epoch takes every row."""

    solver = "sgd"
    evaluates = False  # an evaluation takes a pass of its own

    def __init__(self, problems, settings, state):
        self.problems = problems
        self.problem = problem = problems[0]
        self.settings = settings
        self.state = state
        self._targets = targets_of(problems)
        self._order = Order(problem.X, problem.rows, settings.shuffle)
        rows_per_call = max(1, int(_BYTES_PER_CALL / self._bytes_per_step()))
        self._rows_per_call = min(rows_per_call, _ROWS_PER_CALL)
        row_weights = problem.sample_weight[problem.rows]
        self._has_equal_weights = bool(row_weights.min() == row_weights.max())
        self._feature_curvatures = feature_curvatures(problem)
        kinked = problem.loss.max_curvature is None and problem.is_penalized
        self._mean_slopes = MeanSlopes() if kinked else None
        self._strengths = Strengths(
            problem.l1, problem.l2, settings.subgradient, settings.decoupled
        )

    @property
    @abstractmethod
    def is_scale_free(self):
        """Whether steps come from the rows, so that they suit any scale of the data."""

    @property
    @abstractmethod
    def plateau(self):
        """By how much weights that go to and fro across 0 raise the objective."""

    @property
    @abstractmethod
    def _moves_all_weights(self):
        """Whether each step touches every weight, not only those of its row."""

    def _bytes_per_step(self):
        """Return about how much memory a step reads."""
        weight_bytes = 8 * self.problem.n_features if self._moves_all_weights else 64
        return len(self.problems) * max(bytes_per_row(self.problem.X), weight_bytes)

    def _record_nulls(self):
        """Record objectives without weights, by which steps are seen to diverge."""
        rows, weights = self.problem.rows, self.problem.sample_weight[self.problem.rows]
        targets = [problem.y[rows] for problem in self.problems]
        self.state.has_nulls(targets, weights, self.problem.loss)

    def weights(self):
        return self.state.weights()

    def certify(self):
        shown = self.state.shown()
        parts = self._targets, self.state.settled(shown), shown.intercept
        curvatures, slopes = self._feature_curvatures, self._mean_slopes
        return certify_columns(self.problems, *parts, curvatures, slopes)

    def count_nonzero(self):
        coef, scale, threshold, intercept = self.state.shown()
        counts = np.zeros(coef.shape[1], dtype=np.int64)
        finite = count_nonzero_each(coef, threshold, counts)
        finite = finite and np.isfinite(scale).all() and np.isfinite(intercept).all()
        return counts[: len(self.problems)].tolist(), finite

    def sampled_losses(self):
        """Return the mean losses of some rows, which are 0 if steps suit any scale."""
        if self.is_scale_free:
            return np.zeros(1)
        shown = zip(self.problems, *self.weights(), strict=True)
        return np.array([_mean_loss(*part) for part in shown])


def _mean_loss(problem, coef, intercept):
    rows = problem.rows[:: max(1, len(problem.rows) // _SAMPLED_ROWS)]
    X, y, weights = problem[:3]
    total = loss_of_rows(X, y, weights, rows, coef, intercept, problem.loss)
    return total / weights[rows].sum()


class SGD(PlainDescent):
    """The descent by steps of one size for all weights."""

    @classmethod
    def serves(cls, loss, settings):
        return settings.schedule != "adagrad"

    def __init__(self, problems, settings, state):
        super().__init__(problems, settings, state)
        self._step_sizes = StepSizes(self.problem, settings, self._has_equal_weights)
        self._adjust_state()
        if not self.is_scale_free:
            self._record_nulls()

    @property
    def _moves_all_weights(self):
        return self.settings.subgradient and self.problem.l1 > 0.0

    @property
    def adapts(self):
        return self.settings.schedule == "adaptive"

    @property
    def is_scale_free(self):
        return self._step_sizes.is_scale_free

    @property
    def plateau(self):
        if not self._moves_all_weights:
            return 0.0
        l1 = self.problem.l1
        return self.step_size * l1 * l1 * self.problem.n_features

    @property
    def step_size(self):
        return self._step_sizes.last

    def keep(self, models):
        self.state = self.state.join([self.state.column(m) for m in models])
        self.problems = [self.problems[m] for m in models]
        self.problem = self.problems[0]
        if self._mean_slopes is not None:
            self._mean_slopes.keep(models)
        self._targets = targets_of(self.problems)

    def reduce_step(self):
        """Divide the steps by 5; return False where that is not, or no more, of use."""
        if not self.adapts:
            return False
        self.state.plateau_factor /= 5.0
        if self.state.plateau_factor <= _SMALLEST_FACTOR:
            return False
        self.state.settle()  # smaller steps could hardly undo the noise of larger ones
        return True

    def _adjust_state(self):
        """Let go of what an earlier descent, with other parameters, has left pending."""
        state = self.state
        state.leave_adagrad()
        if not self._averages_tail:
            state.tail = None
        average, began = self.settings.average, state.n_steps - state.n_averaged
        if not average or began < average - 1:  # there is no mean, or it began too early
            state.sums, state.n_averaged = None, 0
        if not self.problem.fit_intercept:
            state.drop_intercept()
        if state.strengths != self._strengths:  # what is pending was due to others
            state.settle()
            state.strengths = self._strengths

    @property
    def _discounts(self):
        """Whether the penalty backlog is discounted with the number of steps."""
        return self.problem.l1 > 0.0 and not self.settings.subgradient

    @property
    def _averages_tail(self):
        """Whether the weights shown are a tail average.

        Steps and means of the user's own are taken to the letter.
        """
        default = self.settings.schedule == "auto" and self.is_scale_free
        return self._discounts and default and not self.settings.average

    def epoch(self, target=None):
        state, n_features = self.state, self.problem.n_features
        for part in self._calls(self._order.draw(state.generator)):
            for plan in self._pieces(part):
                self._take_steps(plan)
            n_before = state.n_steps - 1
            if self._discounts and state.n_steps == next_discount(n_before, n_features):
                n_discounts = discounts_per_doubling(n_before, n_features)
                state.discount_backlog(_LEFT ** (1.0 / n_discounts))

    def _calls(self, sequence):
        """Cut rows into compiled calls; means begin and discounts come between two."""
        start, state = 0, self.state
        while start < len(sequence.order):
            stop = start + self._rows_per_call
            wait = self.settings.average - 1 - state.n_steps
            if wait > 0:
                stop = min(stop, start + wait)
            if self._discounts:
                discount = next_discount(state.n_steps, self.problem.n_features)
                stop = min(stop, start + discount - state.n_steps)
            yield sequence.part(start, stop)
            start = stop

    def _pieces(self, sequence):
        """Plan the steps on some rows, and yield what can be done at a time."""
        for plan in self._rescaled(*self._step_sizes.plan(self.state, sequence)):
            for piece in self._begun_at_targets(plan):
                yield from self._until_updates(piece)

    def _until_updates(self, plan):
        """Cut a plan where the tail average is due, and yield the pieces.

        What they add up to is recorded when the next one is asked for.
        """
        state, start, n = self.state, 0, len(plan.order)
        while start < n:
            stop, due = n, False
            if self._averages_tail:
                update = next_update(state.n_steps, self.problem.n_features)
                wait = update - state.n_steps
                stop, due = min(n, start + wait), start + wait <= n
            state.sums = self._sums()
            yield plan.part(start, stop)
            if state.sums is not None:
                state.n_averaged += stop - start
            state.n_steps += stop - start
            if due:
                state.update_tail(self._step_sizes.unit(state.n_steps))
            start = stop

    def _take_steps(self, plan):
        problem, state = self.problem, self.state
        iterate, sums, options = state.iterate, state.sums, (problem.loss, self._strengths)
        if state.n_models > 1:
            block_epoch(problem.X, self._targets, plan, iterate, sums, *options)
            return
        single = None if sums is None else _single(sums)
        numbers, sum_numbers = sgd_epoch(
            problem.X, problem.y, plan, _single(iterate), single, *options
        )
        state.iterate = Iterate(iterate.coef, *np.array(numbers)[:, np.newaxis])
        if sums is not None:
            state.sums = Sums(sums.coef, *np.array(sum_numbers)[:, np.newaxis])

    def _sums(self):
        """Return the sums over iterates, None before the mean begins."""
        state, first = self.state, self.settings.average
        if not first or state.n_steps < first - 1:
            return None
        return state.sums or state.no_sums()

    def _begun_at_targets(self, plan):
        """Cut a plan where the intercept begins at a target, and yield the pieces.

        Where slopes are bounded, steps to a far target are many. The intercept begins at
        the first one, and among the first steps again at that of each row that outweighs
        all before it.
        """
        state, n = self.state, len(plan.order)
        slow = self.problem.loss.slope_bound is not None and self.is_scale_free
        begins = slow and self.problem.fit_intercept
        counts = state.n_steps + np.arange(1.0, 1.0 + begins * min(n, state.n_tentative))
        starts = np.flatnonzero(2.0 * plan.weights[: len(counts)] > counts).tolist()
        if starts[:1] != [0]:
            yield plan.part(0, starts[0] if starts else n)
        for start, stop in pairwise([*starts, n]):
            target = self.problem.y[plan.order[[start]]]
            state.iterate = state.iterate._replace(intercept=target)
            yield plan.part(start, stop)

    def _rescaled(self, plan, eta0):
        """Cut a plan where steps turn out to have been too long, and yield the pieces.

        If the first rows are much shorter than those that follow, or their targets much
        wider apart, all that they led to is out of scale, and a threshold would stay so.
        When the undecayed step falls below half of what it was, all that has happened so
        far is scaled down with it, as if steps had been as short as that before. But after
        the first few rows only if that does the next one good: weights that predict it are
        in scale. Weights that were not 0 at the start came from elsewhere, and stay.
        """
        state = self.state
        if eta0 is None:
            yield plan
            return
        start, n, n_tentative = 0, len(eta0), state.n_tentative
        while start < n:
            longest = np.maximum.accumulate(np.append(state.longest_step, eta0[start:]))[1:]
            too_long = np.flatnonzero(eta0[start:] < _TOO_LONG * longest)
            stop = start + int(too_long[0]) if len(too_long) else n
            if stop > start:
                state.longest_step = float(longest[stop - start - 1])
                yield plan.part(start, stop)
            if stop < n:
                if state.from_zero:
                    factor = float(eta0[stop]) / state.longest_step
                    tentative = stop < n_tentative
                    self._scale_down(factor, None if tentative else plan.order[stop])
                state.longest_step = float(eta0[stop])
            start = stop

    def _scale_down(self, factor, row):
        """Multiply all weights, and sums over them; if a row is given, if that suits it."""
        state = self.state
        if row is not None:
            factor = self._suitable(factor, row)
        state.iterate = state.iterate._replace(scale=state.iterate.scale * factor)
        if state.sums is not None:
            *of_weights, intercept = state.sums
            state.sums = Sums(*(factor * part for part in of_weights), intercept)
        if state.tail is not None:
            state.tail = state.tail.times(factor)

    def _suitable(self, factor, row):
        """Return `factor` where weights times it predict a row better, and else 1."""
        problem, iterate = self.problem, self.state.iterate
        coef = self.state.settled(iterate)
        if self.state.n_models > 1:
            width = coef.shape[1]
            suits, parts = np.zeros(width, dtype=bool), (row, iterate, factor)
            row_parts = problem.X, self._targets, *parts
            block_row_suits(*row_parts, problem.loss, suits, np.empty(width))
        else:
            here, there = (
                row_loss(
                    problem.X, problem.y, row, weights, iterate.intercept[0], problem.loss
                )
                for weights in (coef[:, 0], factor * coef[:, 0])
            )
            suits = np.array([there < here])
        return np.where(suits | ~coef.any(axis=0), factor, 1.0)


def _single(part):
    """Return what has the weights of one model, as a vector and numbers."""
    coef, *numbers = part
    return type(part)(coef[:, 0], *(row.item() for row in numbers))
