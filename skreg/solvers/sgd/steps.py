"""Stochastic gradient descent: how long each step is, and what happens between two calls.

Step sizes that the user does not give are scale-free: with R the squared mean length of the
rows seen so far and L the curvature bound of the loss, the weights start with steps of
about ``1 / (L R)`` and the intercept with ``1 / (2 L)``. A step that would carry the
prediction of its own row beyond the minimum of its loss is shortened, as implicit steps are
(Kulis and Bartlett 2010; Karampatziakis and Langford 2011), so that long rows and heavy
weights do no harm. Everything here depends only on rows already visited, so an epoch may
come in one piece or in many.
"""

from itertools import pairwise

import numpy as np

from skreg.data.matrices import bytes_per_row, checked_row_norms
from skreg.data.order import Order
from skreg.kernels.epochs import Iterate, Plan, Strengths, Sums, sgd_epoch
from skreg.kernels.passes import loss_of_rows, row_loss
from skreg.losses import CLASSIFICATION_LOSSES, SHORT
from skreg.objectives.certificate import MeanSlopes, evaluate, feature_curvatures
from skreg.solvers.sgd.schedules import SCHEDULES, ScheduleParameters, optimal_offset

# Compiled calls are short enough for Ctrl-C to be heard in between.
_BYTES_PER_CALL = 1 << 29
# And what is planned for them fits into a cache.
_ROWS_PER_CALL = 1 << 15
# First steps in units of 1 / (L R), and 1 / L for the intercept. The noise of a regression
# does not fade where the fit is good. Chosen on real data: benchmarks/scores.py.
_REGRESSION_STEP = 1.0 / 3.0
_CLASSIFICATION_STEP = 2.0
_INTERCEPT_STEP = 0.5
# Without eta0, the steps of the intercept are constant for about this many steps, then
# fall as 1 / t: the loss is curved enough along the intercept for that to suffice.
_INTERCEPT_HORIZON = 100.0
# Steps that have become shorter than this part of former ones are in another scale.
_TOO_LONG = 0.5
# What thresholds have in store at weights of 0 comes from steps that knew little of the
# optimum, and would keep small weights at 0 for as many steps again. So a part of it is
# forgotten after so many steps, and then several times while their number doubles, so that
# this part is left after a doubling.
_FIRST_DISCOUNT = 256
_DISCOUNTS_PER_DOUBLING = 4
_LEFT = 0.25
# Iterates are noted in intervals of this part of the steps until the next fade, but of no
# fewer steps than features, which keeps notes cheap beside the steps. Before so many steps
# a feature, notes would be too few, and their mean no better than a single iterate.
_PART_OF_STEPS = 1.0 / 64.0
_STEPS_PER_FEATURE = 16
# L1 steps in subgradient mode carry weights across 0, and with them the objective up, by
# no more than this part of what it is without weights.
_WIDEST_PLATEAU = 1.0
# Nor do L2 steps shorten them by more than this part.
_LARGEST_SHRINKAGE = 0.5
# Sums of these many thresholds are still numbers, and so are lengths in their units.
_LARGEST_THRESHOLD = 1e250
_LARGEST_TARGET_SCALE = 1e100
# So many rows of a batch tell whether the weights have diverged.
_SAMPLED_ROWS = 100
# "adaptive" gives up when its plateaus have divided the step by more than this.
_SMALLEST_FACTOR = 1e-6


class SGD:
    """The descent of one `Problem`: each call of `epoch` visits every row once."""

    evaluates = False  # an evaluation takes a pass of its own

    def __init__(self, problem, settings, state):
        self.problem = problem
        self.settings = settings
        self.state = state
        self._order = Order(problem.X, problem.rows, settings.shuffle)
        rows_per_call = max(1, int(_BYTES_PER_CALL / self._bytes_per_step()))
        self._rows_per_call = min(rows_per_call, _ROWS_PER_CALL)
        row_weights = problem.sample_weight[problem.rows]
        self._has_equal_weights = row_weights.min() == row_weights.max()
        self._zeros = np.zeros(min(self._rows_per_call, len(problem.rows)))
        self._ones = 1.0 + self._zeros
        schedule, alpha = settings.schedule, problem.l1 + problem.l2
        if schedule == "optimal" and alpha == 0.0:  # it would divide by alpha
            schedule = "auto"
        self._feature_curvatures = feature_curvatures(problem)
        kinked = problem.loss.max_curvature is None and problem.is_penalized
        self._mean_slopes = MeanSlopes() if kinked else None
        self._schedule = SCHEDULES[schedule]
        self._offset = 0.0
        self._eta0 = settings.eta0
        if schedule == "optimal":
            self._offset, self._eta0 = optimal_offset(problem.loss, alpha), 1.0
        self._strengths = Strengths(
            problem.l1, problem.l2, settings.subgradient, settings.decoupled
        )
        self._curvature = problem.loss.max_curvature or 0.0
        self._adjust_state()
        self._squared_lengths = None
        if self._eta0 is None:
            self._squared_lengths = checked_row_norms(problem.X, problem.rows)
        if not self.is_scale_free:
            state.has_null(problem)
        self._last_step_size = 0.0
        # What is known of rows at each step that is planned, and the number of the first.
        self._mean_lengths, self._first_planned = None, 0

    @property
    def _moves_all_weights(self):
        """Whether each step touches every weight, not only those of its row."""
        return self.settings.subgradient and self.problem.l1 > 0.0

    def _bytes_per_step(self):
        """Return about how much memory a step reads."""
        weight_bytes = 8 * self.problem.n_features if self._moves_all_weights else 64
        return max(bytes_per_row(self.problem.X), weight_bytes)

    @property
    def adapts(self):
        """Whether the steps wait for a plateau of the objective."""
        return self.settings.schedule == "adaptive"

    @property
    def is_scale_free(self):
        """Whether steps come from the rows, so that they suit any scale of the data."""
        return self._eta0 is None

    @property
    def plateau(self):
        """By how much weights that go to and fro across 0 raise the objective."""
        if not self._moves_all_weights:
            return 0.0
        l1 = self.problem.l1
        return self._last_step_size * l1 * l1 * self.problem.n_features

    @property
    def step_size(self):
        """The step size of the weights at the last step."""
        return self._last_step_size

    def weights(self):
        """Return the weights and the intercept, all that is pending settled."""
        return self.state.weights()

    def start(self, null):
        """Begin; nothing needs to be known."""

    def certify(self):
        """Return the certificate of the weights."""
        problem, (coef, intercept) = self.problem, self.weights()
        evaluation = evaluate(problem, coef, intercept, self._feature_curvatures)
        if self._mean_slopes is None:
            return evaluation.certificate
        slopes = self._mean_slopes.add(evaluation.slopes)
        return evaluation.with_slopes(problem, coef, slopes).certificate

    def sampled_losses(self):
        """Return the mean loss of some rows, which is 0 if steps suit any scale."""
        if self.is_scale_free:
            return np.zeros(1)
        coef, intercept = self.weights()
        return np.array([self._mean_loss(self.problem, coef, intercept)])

    def _mean_loss(self, problem, coef, intercept):
        rows = problem.rows[:: max(1, len(problem.rows) // _SAMPLED_ROWS)]
        X, y, weights = problem[:3]
        total = loss_of_rows(X, y, weights, rows, coef, intercept, problem.loss)
        return total / weights[rows].sum()

    def ends(self, converged):
        """Return whether to stop."""
        return converged

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
            state.forget_notes()
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
        """Whether the store of thresholds fades with the number of steps."""
        return self.problem.l1 > 0.0 and not self.settings.subgradient

    @property
    def _averages_tail(self):
        """Whether the weights shown are a mean: see `skreg.solvers.sgd.average`.

        Steps and means of the user's own are taken to the letter.
        """
        default = self.settings.schedule == "auto" and self._eta0 is None
        return self._discounts and default and not self.settings.average

    def epoch(self, target=None):
        """Visit every row of the problem once."""
        state = self.state
        sequence = self._order.draw(state.generator)
        for part in self._calls(sequence):
            for plan in self._rescaled(*self._plan(part)):
                for piece in self._begun_at_targets(plan):
                    self._take(piece)
            n_before = state.n_steps - 1
            if self._discounts and state.n_steps == self._next_discount(n_before):
                state.discount(_LEFT ** (1.0 / self._discounts_per_doubling(n_before)))

    def _take(self, plan):
        """Take the steps of a plan, and note the iterates that are due."""
        state, start, n = self.state, 0, len(plan.order)
        while start < n:
            stop, due = n, False
            if self._averages_tail:
                wait = self._next_update(state.n_steps) - state.n_steps
                stop, due = min(n, start + wait), start + wait <= n
            state.sums = self._sums()
            self._take_steps(plan.part(start, stop))
            if state.sums is not None:
                state.n_averaged += stop - start
            state.n_steps += stop - start
            if due:
                state.note(self._unit)
            start = stop

    def _take_steps(self, plan):
        """Take the steps of a plan."""
        problem, (coef, *_), sums = self.problem, self.state.iterate, self.state.sums
        numbers, sum_numbers = sgd_epoch(
            problem.X,
            problem.y,
            plan,
            self.state.iterate,
            sums,
            problem.loss,
            self._strengths,
        )
        self.state.iterate = Iterate(coef, *numbers)
        if sums is not None:
            self.state.sums = Sums(sums.coef, *sum_numbers)

    def _begun_at_targets(self, plan):
        """Cut a plan where the intercept begins at a target, and yield the pieces.

        Where slopes are bounded, steps to a far target are many. The intercept begins at
        the first one, and among the first steps again at that of each row that outweighs
        all before it.
        """
        state, n = self.state, len(plan.order)
        slow = self.problem.loss.slope_bound is not None and self._eta0 is None
        begins = slow and self.problem.fit_intercept
        counts = state.n_steps + np.arange(1.0, 1.0 + begins * min(n, state.n_tentative))
        starts = np.flatnonzero(2.0 * plan.weights[: len(counts)] > counts).tolist()
        if starts[:1] != [0]:
            yield plan.part(0, starts[0] if starts else n)
        for start, stop in pairwise([*starts, n]):
            target = float(self.problem.y[plan.order[start]])
            state.iterate = state.iterate._replace(intercept=target)
            yield plan.part(start, stop)

    def _calls(self, sequence):
        """Cut visits into compiled calls; means begin and thresholds fade between two."""
        start = 0
        while start < len(sequence.order):
            stop = start + self._rows_per_call
            wait = self.settings.average - 1 - self.state.n_steps
            if wait > 0:
                stop = min(stop, start + wait)
            if self._discounts:
                n_steps = self.state.n_steps
                stop = min(stop, start + self._next_discount(n_steps) - n_steps)
            yield sequence.part(start, stop)
            start = stop

    def _next_discount(self, n_steps):
        """Return after how many steps thresholds fade next: 256, 304, 362, 430, 512 ..."""
        if n_steps < _FIRST_DISCOUNT:
            return _FIRST_DISCOUNT
        power, n = 1 << n_steps.bit_length() - 1, self._discounts_per_doubling(n_steps)
        discounts = (int(power * 2.0 ** (k / n)) for k in range(1, n + 1))
        return next(discount for discount in discounts if discount > n_steps)

    def _discounts_per_doubling(self, n_steps):
        """Return 1 where a fade, which touches all features, costs more than the steps."""
        return 1 if n_steps < self.problem.n_features else _DISCOUNTS_PER_DOUBLING

    @property
    def _unit(self):
        """The mean square of a feature in the rows visited so far."""
        k = self.state.n_steps - self._first_planned - 1
        return float(self._mean_lengths[k]) ** 2 / self.problem.n_features

    def _next_update(self, n_steps):
        """Return after how many steps the iterate is noted next."""
        n_features = self.problem.n_features
        n_steps = max(n_steps, _FIRST_DISCOUNT, _STEPS_PER_FEATURE * n_features)
        interval = max(int(_PART_OF_STEPS * self._next_discount(n_steps)), n_features)
        return (n_steps // interval + 1) * interval

    def _sums(self):
        """Return the sums over iterates, None before the mean begins."""
        state, first = self.state, self.settings.average
        if not first or state.n_steps < first - 1:
            return None
        return state.sums or state.no_sums()

    def _plan(self, sequence):
        """Return what to do at the steps of `sequence`, and their undecayed sizes."""
        state, order = self.state, sequence.order
        t = state.n_steps + np.arange(len(order), dtype=np.float64)
        relative, weights, sums, design_effects = self._weigh(order)
        parameters = ScheduleParameters(
            self.settings.power_t,
            self.problem.l1 + self.problem.l2,
            self.problem.l2,
            self._offset,
            state.plateau_factor,
        )
        implicit_gains, eta0 = self._zeros[: len(order)], None
        if self._eta0 is None:
            squared = self._squared_lengths[order]
            self._measure(squared, weights, sums)
            deviations = self._deviations(order, weights)
            longest = self._longest_steps(deviations)
            target_scale = self._target_scale(deviations, len(order))
            eta0, intercept_eta0 = self._first_steps(self._mean_lengths**2, target_scale)
            eta0 = np.minimum(eta0, longest)
            if self.settings.schedule == "constant":  # whose noise never fades
                eta0 = eta0 / design_effects
            step_sizes = eta0 * self._schedule(t, eta0, parameters)
            # Large steps find the intercept soon; later they would only add noise.
            intercept_steps = intercept_eta0 / (1.0 + t / _INTERCEPT_HORIZON)
        else:
            step_sizes = self._eta0 * self._schedule(t, self._eta0, parameters)
            intercept_steps = step_sizes
        if not self.problem.fit_intercept:
            intercept_steps = self._zeros[: len(order)]
        penalty_steps = step_sizes
        if self._eta0 is None:
            implicit_gains = relative * (step_sizes * squared + intercept_steps)
            penalty_steps = self._penalty_steps(step_sizes, relative, implicit_gains)
            penalty_steps = np.minimum(penalty_steps, longest)
        if self.problem.l1 > 0.0:
            most = _LARGEST_THRESHOLD / self.problem.l1
            penalty_steps = np.minimum(penalty_steps, most)
        self._check_shrinkage(step_sizes)
        self._last_step_size = float(step_sizes[-1])
        steps = step_sizes, relative, intercept_steps, implicit_gains, penalty_steps
        return Plan(*sequence, *steps), eta0

    def _measure(self, squared, weights, sums):
        """Record the mean length of the rows so far at each step."""
        state = self.state
        length_sums = _running_sum(state.length_sum, weights * np.sqrt(squared))
        state.length_sum = float(length_sums[-1])
        self._mean_lengths = length_sums / (sums - state.unmeasured)
        self._first_planned = state.n_steps

    def _penalty_steps(self, step_sizes, relative, implicit_gains):
        """Return steps of the penalty that are shortened as those of the loss are.

        Where slopes are bounded, a long step shortens only those that are below the bound:
        on average that lowers the loss (to its Moreau envelope), and not its slopes.
        """
        lengths = self._curvature * implicit_gains
        shortened = step_sizes / (1.0 + lengths)
        if self.problem.loss.slope_bound is None:
            return shortened * relative
        return np.where(lengths < SHORT, shortened, step_sizes)

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
        if state.notes is not None:
            state.notes = state.notes.times(factor)
            state.former_notes = state.former_notes.times(factor)

    def _suitable(self, factor, row):
        """Return `factor` where weights times it predict a row better, and else 1."""
        problem, iterate = self.problem, self.state.iterate
        coef = self.state.settled(iterate)
        here, there = (
            row_loss(problem.X, problem.y, row, weights, iterate.intercept, problem.loss)
            for weights in (coef, factor * coef)
        )
        return factor if there < here or not coef.any() else 1.0

    def _weigh(self, order):
        """Return weights relative to the mean of all so far, and to the first one.

        Also return the running sums of the latter, and by how much the variance of means
        over the rows so far is larger than with equal weights (Kish 1965, the "design
        effect"). Equal weights are exactly 1, both ways of computing them.
        """
        state, all_weights = self.state, self.problem.sample_weight
        n_before, n = state.n_weighed, len(order)
        state.n_weighed += n
        if n_before == 0:
            state.first_weight = float(all_weights[order[0]])
        counts = np.arange(n_before + 1.0, n_before + n + 1.0)
        equal = self._has_equal_weights and state.first_weight == all_weights[order[0]]
        if equal and state.weight_sum == n_before:
            weights = relative = design_effects = self._ones[:n]
            sums = squares = counts
        else:
            weights = all_weights[order] / state.first_weight
            sums = _running_sum(state.weight_sum, weights)
            squares = _running_sum(state.weight_square_sum, weights * weights)
            relative = weights * counts / sums
            design_effects = np.fmin(counts * squares / (sums * sums), counts)
        state.weight_sum, state.weight_square_sum = float(sums[-1]), float(squares[-1])
        if self._eta0 is not None:  # lengths of rows are measured from here on, if at all
            state.length_sum, state.unmeasured = 0.0, state.weight_sum
        return relative, weights, sums, design_effects

    def _first_steps(self, squared_length, target_scale):
        """Return undecayed steps of the weights and the intercept."""
        problem = self.problem
        curvature = problem.loss.max_curvature or 1.0
        classifies = type(problem.loss) in CLASSIFICATION_LOSSES.values()
        step = _CLASSIFICATION_STEP if classifies else _REGRESSION_STEP
        bounds = curvature * squared_length
        if self.settings.subgradient:  # L2 must not carry weights across 0
            bounds += 2.0 * step * target_scale * problem.l2
        none = np.zeros(len(bounds))  # where all rows are 0 so far
        moves = (bounds > 0.0) & (squared_length > 0.0)
        step_sizes = np.divide(step * target_scale, bounds, out=none, where=moves)
        return step_sizes, _INTERCEPT_STEP * target_scale / curvature

    def _target_scale(self, deviations, n):
        """Return by how much slopes are too flat to move predictions across the targets.

        The slope of the squared error grows with the distance from the target. A loss of
        bounded slope needs steps that bring the scale of the targets.
        """
        loss = self.problem.loss
        if not loss.slope_bound:  # if the bound is 0, nothing moves
            return self._ones[:n]
        most = _LARGEST_TARGET_SCALE * loss.slope_bound
        target_scale = np.minimum(deviations, most) / loss.slope_bound
        if loss.max_curvature is not None:
            return np.maximum(target_scale, 1.0)
        return np.where(target_scale > 0.0, target_scale, 1.0)

    def _longest_steps(self, deviations):
        """Return the longest steps that do not carry weights far across 0.

        In proximal mode none does. The objective without weights is about the square of the
        targets' deviation, or that times the bound of slopes.
        """
        problem = self.problem
        if not self.settings.subgradient or not problem.is_penalized:
            return np.inf
        longest = _LARGEST_SHRINKAGE / problem.l2 if problem.l2 > 0.0 else np.inf
        if problem.l1 == 0.0:
            return longest
        objective = 1.0
        if deviations is not None:
            slopes = np.minimum(deviations, problem.loss.slope_bound or np.inf)
            unknown = np.finfo(np.float64).max
            objective = np.where(deviations > 0.0, deviations * slopes, unknown)
        plateau = problem.l1 * problem.l1 * problem.n_features
        return np.minimum(longest, _WIDEST_PLATEAU * objective / plateau)

    def _deviations(self, order, weights):
        """Return at each row the mean deviation of the targets so far from their mean.

        Where nothing depends on it, return None.
        """
        loss = self.problem.loss
        if type(loss) in CLASSIFICATION_LOSSES.values():
            return None
        if loss.slope_bound is None and not self._moves_all_weights:
            return None
        state, y, means = self.state, self.problem.y[order], 0.0
        weight_sums = _running_sum(state.target_weight, weights)
        state.target_weight = float(weight_sums[-1])
        if self.problem.fit_intercept:  # else predictions start at 0
            target_sums = _running_sum(state.target_sum, weights * y)
            state.target_sum = float(target_sums[-1])
            means = target_sums / weight_sums
        sums = _running_sum(state.deviation_sum, weights * np.abs(y - means))
        state.deviation_sum = float(sums[-1])
        return sums / weight_sums

    def _check_shrinkage(self, step_sizes):
        if not self.settings.subgradient:
            return
        largest = step_sizes.max() * self.problem.l2
        if largest >= 1.0:
            raise ValueError(
                f"In mode='subgradient' the step size times the L2 strength must be below "
                f"1, but it is {largest:.3g}: each step would carry the weights across 0. "
                "Lower eta0 or alpha, or use mode='proximal'."
            )


def _running_sum(start, values):
    """Return sums that do not depend on where a sequence of values was cut, to the bit."""
    return np.cumsum(np.append(start, values))[1:]
