"""Newton's method for a `Problem` of few features.

Each step minimizes the penalty plus a quadratic model of the loss. If there are few
features, the model's matrix is held. Its dense rows are sampled, unless the model is the
objective itself (squared error), more of them when the model proves poor, and it is kept
as long as it serves (Byrd et al. 2011). Otherwise, or if few products with it suffice,
conjugate gradients move the weights that are not 0, or ought not to be, and none across 0
(Andrew and Gao 2007).

They leave most where the objective is stiffest, and a duality gap is as large as the
largest rest: it stays large long after the objective is at its minimum. So features are
taken around their means, which makes them independent of the intercept, the stiffest of
all; and near the optimum, steps are few and exact (Eisenstat and Walker 1996).
"""

import numpy as np
from scipy.linalg import norm
from scipy.linalg.blas import dger

from skreg.data.matrices import CSR, add_gram, check_squares, mean_squares
from skreg.kernels.passes import curvature_pass, hessian_product, loss_sum
from skreg.kernels.quadratic import mirror
from skreg.losses import HalfSquaredError, Smoothed
from skreg.objectives.certificate import evaluate, feature_curvatures
from skreg.objectives.optimality import (
    NOISE,
    differ_by_rounding,
    is_better,
    is_exact,
    kkt_violations,
    smooth_gradient,
)
from skreg.solvers.working_set.conjugate import FIRST_FORCING_TERM, conjugate_gradients
from skreg.solvers.working_set.cost_model import MATRIX_SPEED
from skreg.solvers.working_set.quadratic import (
    MOST_WORK,
    SMALLEST_PIVOT,
    minimize_quadratic,
    regular_solution,
    shortest_solution,
)
from skreg.solvers.working_set.row_model import is_affordable, newton_step

_STEPS = 30
_HALVINGS = 30
# A step that has to be shorter than this many halves shows that its sample is too small.
_FEW_HALVINGS = 4
# A step that lowers the objective by this many times what its model promised may be longer.
_MORE_THAN_PROMISED = 1.5
# Objectives that differ by so many roundings are as good as equal for that.
_DOUBT = 100.0
# Rows per feature in the first sample for the matrix, which costs about one pass over all
# rows if that allows for more of them, and how the sample grows.
_ROWS_PER_FEATURE = 8
_GROWTH = 4
# A matrix is taken anew where it costs less than the steps that it would still need, but
# for these, which a new one needs, too; a step costs about a pass.
_STEPS_OF_A_NEW_MATRIX = 2
# The sample is large enough if a step leaves this part of the gap.
_FAIR = 0.5
# Where a loss is flat, or nearly so, a model is curved by this part of the loss's largest
# curvature, so that each step has an end; but where the slope curved as well, by no more
# than this part of it, which lets steps go on.
_SMALLEST_CURVATURE = 1e-7
_LEAST_OF_SLOPE = 0.1
# Steps among flat rows that are shorter than this part of what a model asks for are damped
# by a curvature that grows and falls by this factor (Levenberg 1944; Marquardt 1963).
_TOO_SHORT = 0.25
_DAMPING = 10.0
_LEAST_DAMPING = 1e-16
# Most rows of an envelope are flat: its steps are damped by this from the first on.
_FIRST_DAMPING = 1e-4
# After so many products, the rate of conjugate gradients is known well enough to give up;
# a model that is the objective itself is solved until the gap is about this part of the
# target, squared.
_CG_TRIAL = 4
_CG_SURPLUS = 0.2
# Operations of one step where signs are hard to find and another model will follow.
_WORK_OF_A_STEP = 2e8
# A square around the mean that is smaller than this part of the square around 0 is the
# rounding of a constant.
_CONSTANT = 1e-14
# With smaller pivots, relatively, a matrix tells less than the rows that it is made of.
_SOUND_PIVOT = 1e-10
# A square around the mean counts as this part of the square around 0, if it is less: means
# and curvatures change from step to step.
_LEAST_PART = 0.01


class Newton:
    """Steps from given weights; `explicit` says whether the model's matrix is held."""

    def __init__(
        self,
        problem,
        coef,
        intercept,
        explicit,
        evaluation=None,
        forcing_term=FIRST_FORCING_TERM,
    ):
        self.move_to(problem, coef, intercept, explicit, evaluation)
        n_rows = len(problem.rows)
        self._quadratic = isinstance(problem.loss, HalfSquaredError)
        self._n_sampled = n_rows
        self._is_mostly_flat = isinstance(problem.loss, Smoothed)
        sampled = not (self._quadratic or self._is_mostly_flat)
        if sampled and not isinstance(problem.X, CSR):  # a sample would lack rare features
            n_features = len(coef) + 1
            first = max(_ROWS_PER_FEATURE * n_features, MATRIX_SPEED * n_rows // n_features)
            self._n_sampled = min(n_rows, first)
        # The minimum of a model that is not the objective need not be exact.
        self._work = MOST_WORK if self._quadratic else _WORK_OF_A_STEP
        self._least_curvature = _SMALLEST_CURVATURE
        if self._is_mostly_flat:
            self._least_curvature = _FIRST_DAMPING
        self._has_flat_rows = False
        self._moments = None
        self._matrix = None
        self._same_curvatures = None  # those of the squared error, wherever it is
        self._centers = None
        self.forcing_term = forcing_term

    def move_to(self, problem, coef, intercept, explicit, evaluation=None):
        """Go on from other weights, or under another penalty, with the matrix held."""
        self.problem = problem
        self.coef = coef
        self.intercept = intercept
        self._explicit = explicit
        self._feature_curvatures = feature_curvatures(problem)
        self.evaluation = evaluation or self._evaluate(coef, intercept)

    def run(self, target, enough=0.0):
        """Step until the gap is at most `target`, or no step helps any more.

        An objective of `enough` is small enough: there may be no minimum.
        """
        problem = self.problem
        for _ in range(_STEPS):
            before, support = self.evaluation.certificate.suboptimality, self.coef != 0.0
            if before <= target > 0.0 or self.evaluation.certificate.objective <= enough:
                return
            exact = is_exact(self.evaluation)
            if exact and self._rests():
                return
            if exact and not self._quadratic:  # the last step is as good as its matrix
                self._take_all_rows()
            fresh = self._matrix is None
            if self._explicit:
                improved = self._step(*self._model_direction(target))
            else:
                tolerance = max(self.forcing_term.tolerance, self._needed(before, target))
                most = self.forcing_term.n_products
                *step, n_products = self._cg_direction(tolerance, most, most)
                improved = self._step(*step)
                drops = not self.coef[support].all()
                self.forcing_term = (
                    FIRST_FORCING_TERM if drops else self.forcing_term.after(n_products)
                )
            damped = self._has_flat_rows and self._damp()
            n_passes = self._n_sampled * len(self.coef) / (MATRIX_SPEED * len(problem.rows))
            served = self._steps_left(before, target) <= n_passes + _STEPS_OF_A_NEW_MATRIX
            whole = self._n_sampled == len(problem.rows)
            last_resort = (
                (whole and fresh and not damped) or self._quadratic or not self._explicit
            )
            if exact or (not improved and last_resort):
                return
            if not served and not self._quadratic:
                self._matrix = None
                if (
                    fresh
                    and not self.evaluation.certificate.suboptimality <= _FAIR * before
                ):
                    self._n_sampled = min(len(problem.rows), _GROWTH * self._n_sampled)

    def whole_direction(self):
        """Return the step that a model of all rows asks for."""
        if self._n_sampled < len(self.problem.rows) or not self._quadratic:
            self._take_all_rows()
        return self._model_direction(0.0)

    def direction_by_products(self, tolerance, most):
        """Return the step to which at most so many products lead."""
        direction, shift, *_ = self._cg_direction(tolerance, most, most)
        return direction, shift

    def _take_all_rows(self):
        self._matrix, self._n_sampled = None, len(self.problem.rows)

    def _steps_left(self, before, target):
        """Return how many steps are needed at the rate of the last, from a gap `before`."""
        left = self.evaluation.certificate.suboptimality
        target = max(target, NOISE * abs(self.evaluation.certificate.objective))
        if left <= target:
            return 0.0
        if target == 0.0:
            return np.inf
        rate = np.log(before / left) if before > left else 0.0
        return np.log(left / target) / rate if rate > 0.0 else np.inf

    def _needed(self, gap, target):
        """Return the part of the gradient that may be left for a gap of `target`.

        Under L2, the gap falls with the square of what is left; else with that itself. Near
        rounding, more products bring nothing.
        """
        if not gap > target > 0.0:
            return FIRST_FORCING_TERM.tolerance
        ratio = target / gap
        return _CG_SURPLUS * (np.sqrt(ratio) if self.problem.l2 > 0.0 else ratio)

    def run_products(self, target, budget):
        """Step without a matrix as long as that promises to be cheap.

        A step takes some products with the model's matrix, each of which costs as much as
        a pass over all rows. Return whether `budget` of them brought the gap to `target`,
        which is positive.
        """
        exact = self._quadratic and self.problem.l1 == 0.0
        while (gap := self.evaluation.certificate.suboptimality) > target:
            # The objective falls with the square of what a step leaves of the gradient.
            tolerance = FIRST_FORCING_TERM.tolerance
            if exact:
                needed = _CG_SURPLUS * np.sqrt(target / gap)
                tolerance = np.clip(needed, NOISE, FIRST_FORCING_TERM.tolerance)
            n_steps = max(1.0, np.log(gap / target) / -np.log(tolerance**2))
            most = int(budget / n_steps)
            *step, n_products = self._cg_direction(tolerance, _CG_TRIAL, most)
            budget -= n_products
            if not self._step(*step) or n_products == most:
                return False
        return True

    def _evaluate(self, coef, intercept):
        return evaluate(self.problem, coef, intercept, self._feature_curvatures)

    def _damp(self):
        """Let flat rows curve the next model more, if the last step had to be shorter.

        That makes it shorter where the rows that are curved, which may be few, say nothing.
        Return whether they do.
        """
        least = self._least_curvature
        if self._last_size < _TOO_SHORT:
            self._least_curvature = min(_DAMPING * least, 1.0)
            self._matrix = None
        elif self._last_size == 1.0:
            self._least_curvature = max(least / _DAMPING, _LEAST_DAMPING)
        return self._least_curvature > least

    def _step(self, direction, shift, signs=None):
        """Move to better weights; return whether there are any.

        With `signs`, those that weights may have, no weight moves across 0.
        """
        self._last_size = 0.0
        size, sampled = 1.0, self._explicit and self._n_sampled < len(self.problem.rows)
        smallest = 0.5 ** (_FEW_HALVINGS if sampled else _HALVINGS)
        while size >= smallest:
            coef = self._moved(size * direction, signs)
            intercept = self.intercept + size * shift
            evaluation = self._evaluate(coef, intercept)
            if is_better(self.problem, self.coef, self.evaluation, coef, evaluation):
                best = self._best_size(direction, shift, size, evaluation)
                if best != size:
                    coef, intercept = (
                        self.coef + best * direction,
                        self.intercept + best * shift,
                    )
                    evaluation = self._evaluate(coef, intercept)
                self.coef, self.intercept, self.evaluation = coef, intercept, evaluation
                self._last_size = best
                return True
            if differ_by_rounding(
                self.evaluation, evaluation
            ):  # a shorter step would be no better
                return False
            size *= self._shortening(size * direction, signs, evaluation, smallest / size)
        return False

    def _best_size(self, direction, shift, size, evaluation):
        """Return by how much a good step is best made longer, or even shorter.

        As a rule it is best as it is. But models of rows of very different lengths, or of
        classes that are nearly apart, tell little of where a way ends. Predictions are
        linear along it, so that to look ahead is cheap.
        """
        problem, before = self.problem, self.evaluation.certificate.objective
        promised = smooth_gradient(problem, self.coef, self.evaluation)
        promised = -0.5 * (promised @ direction + self.evaluation.gradient[-1] * shift)
        value, rounding = evaluation.certificate.objective, _DOUBT * NOISE * abs(before)
        most = _MORE_THAN_PROMISED * promised + rounding
        as_promised = size == 1.0 and before - value <= most
        if problem.l1 > 0.0 or self._quadratic or as_promised:
            return size
        raw, weights = self.evaluation.raw_predictions, problem.sample_weight[problem.rows]
        moves, y = (evaluation.raw_predictions - raw) / size, problem.y[problem.rows]
        factor = 2.0 if size == 1.0 else 0.5
        for _ in range(_HALVINGS):
            loss = loss_sum(y, weights, raw + factor * size * moves, problem.loss)
            coef = self.coef + factor * size * direction
            next_value = loss / problem.weight_sum + problem.penalty_of(coef)
            if not next_value < value - rounding:
                break
            size, value = factor * size, next_value
        return size

    def _moved(self, step, signs):
        coef = self.coef + step
        if signs is not None:
            coef[coef * signs < 0.0] = 0.0
        return coef

    def _shortening(self, step, signs, evaluation, smallest):
        """Return the best of the parts 1/2, 1/4, ... of a step, for its known predictions.

        `evaluation` is that of the whole step. As the objective is convex along it, the
        first rise is the end of the search.
        """
        problem, raw = self.problem, self.evaluation.raw_predictions
        y, weights = problem.y[problem.rows], problem.sample_weight[problem.rows]
        change, weight_sum = evaluation.raw_predictions - raw, problem.weight_sum
        part, lowest = 1.0, np.inf
        while part >= smallest:
            coef = self._moved(0.5 * part * step, signs)
            value = loss_sum(y, weights, raw + 0.5 * part * change, problem.loss)
            value = value / weight_sum + problem.penalty_of(coef)
            if not value < lowest:
                break
            part, lowest = 0.5 * part, value
        return min(part, 0.5)

    def _rests(self):
        """Return whether rounding hides what the optimality conditions leave open.

        The slopes of rows are as exact as they are large and, where the loss is curved, as
        exact as targets and predictions.
        """
        if self._matrix is None:
            return False
        problem, (rows, curvatures) = self.problem, self._row_curvatures()
        sizes = np.abs(self.evaluation.raw_predictions) + np.abs(problem.y[rows])
        size = norm(np.sqrt(curvatures) * sizes)
        weights = problem.sample_weight[rows] / problem.weight_sum
        size += norm(np.sqrt(weights / problem.loss.max_curvature) * self.evaluation.slopes)
        rounding = np.finfo(np.float64).eps * size * np.sqrt(self._matrix.diagonal())
        return bool(
            (np.abs(kkt_violations(problem, self.coef, self.evaluation)) <= rounding).all()
        )

    def _row_curvatures(self, every=1):
        """Return some rows, and the weighted curvatures of the loss at each of them."""
        if self._same_curvatures is not None:
            return self._same_curvatures
        problem = self.problem
        rows = problem.rows[::every]
        raw, slopes = (
            part[::every]
            for part in (self.evaluation.raw_predictions, self.evaluation.slopes)
        )
        curvatures = np.empty(len(rows))
        curvature_pass(problem.y, rows, raw, problem.loss, curvatures)
        smallest = np.full(len(rows), self._least_curvature * problem.loss.max_curvature)
        curved = curvatures > 0.0
        self._has_flat_rows = not curved.all()
        smallest[curved] = np.minimum(smallest, _LEAST_OF_SLOPE * np.abs(slopes))[curved]
        weights = problem.sample_weight[rows]
        found = rows, weights / weights.sum() * np.maximum(curvatures, smallest)
        if self._quadratic:
            self._same_curvatures = found
        return found

    def _curved_rows(self, every=1):
        """Return `_row_curvatures`, without the rows of an envelope that are flat."""
        rows, curvatures = self._row_curvatures(every)
        if not self._is_mostly_flat:
            return rows, curvatures
        kept = self.problem.loss.is_at_kink(self.evaluation.slopes[::every])
        self._has_flat_rows = not kept.all()
        return rows[kept], curvatures[kept]

    def _add_flat_rows(self):
        """Add to the matrix what stands for flat rows."""
        means, damping = self._of_flat_rows()
        self._matrix.flat[:: len(self._matrix) + 1] += damping
        self._matrix[:, :-1] += damping[-1] * np.outer(np.append(means, 1.0), means)
        self._matrix[:-1, -1] += damping[-1] * means

    def _of_flat_rows(self):
        """Return what stands for flat rows of an envelope in the diagonal of a model.

        That is a model around the means of the features, which are returned first, and
        are 0 without intercept.
        """
        problem = self.problem
        if self._moments is None:
            weights = problem.sample_weight[problem.rows] / problem.weight_sum
            self._moments = self._means_and_squares(problem.rows, weights)
        means, squares = self._moments
        return means, self._least_curvature * problem.loss.max_curvature * squares

    def _model_direction(self, target):
        problem = self.problem
        if self._matrix is None:
            every = len(problem.rows) // self._n_sampled
            self._matrix = np.zeros((len(self.coef) + 1,) * 2)
            add_gram(problem.X, *self._curved_rows(every), self._matrix)
            if self._is_mostly_flat and self._has_flat_rows:
                self._add_flat_rows()
            of_features = self._matrix.diagonal()[:-1] / self._matrix[-1, -1]
            check_squares(of_features, problem.X, problem.rows)
            mirror(self._matrix)
        matrix, gradient = self._matrix, self.evaluation.gradient
        hessian, slopes = matrix[:-1, :-1].copy(), gradient[:-1]
        if problem.fit_intercept:  # the intercept is at its best for whatever weights
            coupling = matrix[-1, :-1] / matrix[-1, -1]
            if len(hessian):  # in Fortran order, C-ordered arrays are their own transposes
                dger(-1.0, matrix[-1, :-1], coupling, a=hessian.T, overwrite_a=True)
            slopes = slopes - coupling * gradient[-1]
            flat = hessian.diagonal() <= _CONSTANT * matrix.diagonal()[:-1]
            if flat.any():
                hessian[flat, :] = hessian[:, flat] = 0.0
        if problem.l1 == 0.0:
            direction = self._direction_without_l1(hessian, slopes)
        else:
            direction = self._direction_under_l1(hessian, slopes, target)
        if direction is None:
            curvatures = self._row_curvatures()[1]
            return newton_step(problem, self.coef, self.evaluation, curvatures)
        if not problem.fit_intercept:
            return direction, 0.0
        return direction, float(-gradient[-1] / matrix[-1, -1] - coupling @ direction)

    def _direction_under_l1(self, hessian, slopes, target):
        problem = self.problem
        tolerance = 0.01 * max(target, 0.01 * self.evaluation.certificate.suboptimality)
        if is_exact(self.evaluation):
            tolerance = 0.0
        coef = minimize_quadratic(
            hessian, slopes, self.coef, problem.l1, problem.l2, tolerance, self._work
        )
        return coef - self.coef

    def _direction_without_l1(self, hessian, slopes):
        """Return the way to the minimum, None if the rows themselves can tell it better."""
        problem, n = self.problem, len(slopes)
        if n == 0:
            return slopes
        hessian.flat[:: n + 1] += problem.l2
        left = slopes + problem.l2 * self.coef
        at_hand = self._n_sampled == len(problem.rows) and is_affordable(problem)
        step = regular_solution(hessian, left, _SOUND_PIVOT if at_hand else SMALLEST_PIVOT)
        if step is None and not at_hand:
            step = shortest_solution(hessian, left, self.coef)
        return None if step is None else -step

    def _cg_direction(self, tolerance, least, most):
        """Return a step, the signs that weights may have, and the number of products.

        The unknowns are the weights and the intercept of features around their means, as
        weighted by the curvatures of the first step; the intercept comes last.
        """
        problem, coef = self.problem, self.coef
        left = kkt_violations(problem, coef, self.evaluation)
        moves = left != 0.0
        moves[:-1] |= coef != 0.0
        rows, curvatures = self._curved_rows()
        if self._centers is None:
            self._centers = self._means_and_squares(rows, curvatures)
        means, squares = self._centers
        ridge = np.append(np.full(len(coef), problem.l2), 0.0)
        if self._is_mostly_flat and self._has_flat_rows:
            ridge += self._of_flat_rows()[1]

        def hessian(vector):
            vector = np.where(moves, vector, 0.0)
            out = ridge * vector
            vector[-1] -= means @ vector[:-1]
            hessian_product(problem.X, rows, curvatures, vector, out)
            out[:-1] -= out[-1] * means
            return np.where(moves, out, 0.0)

        diagonal = squares + ridge
        if not problem.is_penalized and len(rows) < len(coef):  # to the shortest weights
            diagonal[:-1] = squares[:-1].mean()
        diagonal[diagonal <= 0.0] = 1.0
        right_side = -left
        right_side[:-1] += left[-1] * np.where(moves[:-1], means, 0.0)
        step, _, n_products = conjugate_gradients(
            hessian, right_side, diagonal, tolerance, least, most
        )
        signs = None
        if problem.l1 > 0.0:
            signs = np.where(coef != 0.0, np.sign(coef), -np.sign(left[:-1]))
        return step[:-1], float(step[-1] - means @ step[:-1]), signs, n_products

    def _means_and_squares(self, rows, curvatures):
        """Return means of the features and, around them, the diagonal of the model."""
        problem, total = self.problem, curvatures.sum()
        weights = np.zeros(len(problem.y))
        weights[rows] = curvatures
        squares = mean_squares(problem.X, weights)
        means = np.zeros(len(squares))
        if problem.fit_intercept:
            sums, ones = np.zeros(len(squares) + 1), np.append(means, 1.0)
            hessian_product(problem.X, rows, curvatures, ones, sums)
            means = sums[:-1] / total
        centered = squares - total * means**2
        return means, np.append(np.maximum(centered, _LEAST_PART * squares), total)
