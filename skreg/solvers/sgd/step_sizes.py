"""How long each plain step is.

Step sizes that the user does not give are scale-free: with R the squared mean length of the
rows seen so far and L the curvature bound of the loss, the weights start with steps of
about ``1 / (L R)`` and the intercept with ``1 / (2 L)``. A step that would carry the
prediction of its own row beyond the minimum of its loss is shortened, as implicit steps are
(Kulis and Bartlett 2010; Karampatziakis and Langford 2011), so that long rows and heavy
weights do no harm. Everything here depends only on rows already seen, so an epoch may come
in one piece or in many.
"""

import numpy as np

from skreg.data.matrices import checked_row_norms
from skreg.kernels.epochs import Plan
from skreg.losses import CLASSIFICATION_LOSSES, SHORT
from skreg.solvers.sgd.schedules import SCHEDULES, ScheduleParameters, optimal_offset

# First steps in units of 1 / (L R), and 1 / L for the intercept. The noise of a regression
# does not fade where the fit is good. Chosen on real data: benchmarks/scores.py.
_REGRESSION_STEP = 1.0 / 3.0
_CLASSIFICATION_STEP = 2.0
_INTERCEPT_STEP = 0.5
# Without eta0, the steps of the intercept are constant for about this many steps, then
# fall as 1 / t: the loss is curved enough along the intercept for that to suffice.
_INTERCEPT_HORIZON = 100.0
# L1 steps in subgradient mode carry weights across 0, and with them the objective up, by
# no more than this part of what it is without weights.
_WIDEST_PLATEAU = 1.0
# Nor do L2 steps shorten them by more than this part.
_LARGEST_SHRINKAGE = 0.5
# Sums of these many thresholds are still numbers, and so are lengths in their units.
_LARGEST_THRESHOLD = 1e250
_LARGEST_TARGET_SCALE = 1e100


class StepSizes:
    """The step sizes for a `Problem`, whose rows may have equal weights."""

    def __init__(self, problem, settings, has_equal_weights):
        self._problem = problem
        self._settings = settings
        self._has_equal_weights = has_equal_weights
        self._alpha = problem.l1 + problem.l2
        schedule, self._offset, self.eta0 = settings.schedule, 0.0, settings.eta0
        if schedule == "optimal" and self._alpha == 0.0:  # it would divide by alpha
            schedule = "auto"
        if schedule == "optimal":
            self._offset, self.eta0 = optimal_offset(problem.loss, self._alpha), 1.0
        self._schedule = SCHEDULES[schedule]
        self._curvature = problem.loss.max_curvature or 0.0
        self._classifies = type(problem.loss) in CLASSIFICATION_LOSSES.values()
        self._squared_lengths = None
        if self.is_scale_free:
            self._squared_lengths = checked_row_norms(problem.X, problem.rows)
        self._crosses_zero = settings.subgradient and problem.l1 > 0.0
        self._units, self._first_planned = None, 0
        self.last = 0.0  # the step size of the weights at the last step

    @property
    def is_scale_free(self):
        """Whether steps come from the rows, so that they suit any scale of the data."""
        return self.eta0 is None

    def unit(self, n_steps):
        """Return the mean square of a feature in the rows before a step."""
        return float(self._units[n_steps - self._first_planned - 1])

    def plan(self, state, sequence):
        """Return what to do at the steps of a `RowSequence`, and their undecayed sizes.

        The latter are None if they were given.
        """
        problem, order = self._problem, sequence.order
        t = state.n_steps + np.arange(len(order), dtype=np.float64)
        state.rows, found = state.rows.add(
            problem.sample_weight, order, self._has_equal_weights
        )
        eta0 = None
        if self.is_scale_free:
            squared = self._squared_lengths[order]
            deviations = self._deviations(state, order, found.weights)
            longest = self._longest_steps(deviations)
            steps = self._first_steps(self._mean_squares(state, squared, found), deviations)
            eta0, intercept_eta0 = steps
            eta0 = np.minimum(eta0, longest)
            if self._settings.schedule == "constant":  # whose noise never fades
                eta0 = eta0 / found.design_effects
            step_sizes = eta0 * self._scheduled(state, t, eta0)
            # Large steps find the intercept soon; later they would only add noise.
            intercept_steps = intercept_eta0 / (1.0 + t / _INTERCEPT_HORIZON)
        else:
            state.rows = state.rows.forget_lengths()
            implicit_gains = np.zeros(len(order))
            step_sizes = self.eta0 * self._scheduled(state, t, self.eta0)
            intercept_steps = step_sizes
        if not problem.fit_intercept:
            intercept_steps = np.zeros(len(order))
        penalty_steps = step_sizes
        if self.is_scale_free:
            implicit_gains = found.relative * (step_sizes * squared + intercept_steps)
            penalty_steps = self._penalty_steps(step_sizes, found.relative, implicit_gains)
            penalty_steps = np.minimum(penalty_steps, longest)
        if problem.l1 > 0.0:
            penalty_steps = np.minimum(penalty_steps, _LARGEST_THRESHOLD / problem.l1)
        self._check_shrinkage(step_sizes)
        self.last = float(step_sizes[-1])
        steps = step_sizes, found.relative, intercept_steps, implicit_gains, penalty_steps
        return Plan(*sequence, *steps), eta0

    def _scheduled(self, state, t, eta0):
        """Return what multiplies the first step size at each step."""
        parameters = ScheduleParameters(
            self._settings.power_t,
            self._alpha,
            self._problem.l2,
            self._offset,
            state.plateau_factor,
        )
        return self._schedule(t, eta0, parameters)

    def _mean_squares(self, state, squared, found):
        """Record the lengths of rows; return the square of their mean at each step."""
        state.rows, means = state.rows.measure(np.sqrt(squared), found)
        self._first_planned = state.n_steps
        self._units = means**2 / self._problem.n_features
        return means**2

    def _first_steps(self, squared_lengths, deviations):
        """Return undecayed steps of the weights and the intercept."""
        problem = self._problem
        curvature = problem.loss.max_curvature or 1.0
        target_scale = self._target_scale(deviations, len(squared_lengths))
        step = _CLASSIFICATION_STEP if self._classifies else _REGRESSION_STEP
        bounds = curvature * squared_lengths
        if self._settings.subgradient:  # L2 must not carry weights across 0
            bounds += 2.0 * step * target_scale * problem.l2
        zeros = np.zeros(len(bounds))  # where all rows are 0 so far
        moves = (bounds > 0.0) & (squared_lengths > 0.0)
        step_sizes = np.divide(step * target_scale, bounds, out=zeros, where=moves)
        return step_sizes, _INTERCEPT_STEP * target_scale / curvature

    def _target_scale(self, deviations, n):
        """Return by how much slopes are too flat to move predictions across the targets.

        The slope of the squared error grows with the distance from the target. A loss of
        bounded slope needs steps that bring the scale of the targets.
        """
        loss = self._problem.loss
        if not loss.slope_bound:  # if the bound is 0, nothing moves
            return np.ones(n)
        most = _LARGEST_TARGET_SCALE * loss.slope_bound
        target_scale = np.minimum(deviations, most) / loss.slope_bound
        if loss.max_curvature is not None:
            return np.maximum(target_scale, 1.0)
        return np.where(target_scale > 0.0, target_scale, 1.0)

    def _deviations(self, state, order, weights):
        """Return at each row the mean deviation of the targets so far from their mean.

        Where nothing depends on it, return None.
        """
        problem = self._problem
        needed = problem.loss.slope_bound is not None or self._crosses_zero
        if self._classifies or not needed:
            return None
        y = problem.y[order]
        (targets,) = state.targets
        targets, deviations = targets.add(y, weights, problem.fit_intercept)
        state.targets = (targets,)
        return deviations

    def _longest_steps(self, deviations):
        """Return the longest steps that do not carry weights far across 0.

        In proximal mode none does. The objective without weights is about the square of the
        targets' deviation, or that times the bound of slopes.
        """
        problem = self._problem
        if not self._settings.subgradient or not problem.is_penalized:
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

    def _penalty_steps(self, step_sizes, relative, implicit_gains):
        """Return steps of the penalty that are shortened as those of the loss are.

        Where slopes are bounded, a long step shortens only those that are below the bound:
        on average that lowers the loss (to its Moreau envelope), and not its slopes.
        """
        lengths = self._curvature * implicit_gains
        shortened = step_sizes / (1.0 + lengths)
        if self._problem.loss.slope_bound is None:
            return shortened * relative
        return np.where(lengths < SHORT, shortened, step_sizes)

    def _check_shrinkage(self, step_sizes):
        if not self._settings.subgradient:
            return
        largest = step_sizes.max() * self._problem.l2
        if largest >= 1.0:
            raise ValueError(
                f"In mode='subgradient' the step size times the L2 strength must be below "
                f"1, but it is {largest:.3g}: each step would carry the weights across 0. "
                "Lower eta0 or alpha, or use mode='proximal'."
            )
