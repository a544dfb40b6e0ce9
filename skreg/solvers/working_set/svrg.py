"""Variance-reduced descent: stochastic steps on rows, Newton's method on few features.

An outer iteration begins with the exact gradient and the duality gap at fixed weights. Then
it does what is cheaper, and keeps the weights if they are better:

* if few features matter, Newton's method on a working set: the features whose weights are
  not 0, or by the gradient should not be (Massias, Gramfort and Salmon 2018). Its columns
  are copied, unless they are nearly all, so that a step costs as much as they do;
* before a dense matrix of many features is computed, a few products with it, as long as
  they promise to make it needless;
* else, or if they promise to be at the target before the matrix of that method is computed,
  epochs of variance-reduced steps on all rows, which need no matrix and find out which
  weights are not 0; once these stay the same, Newton's method by conjugate gradients
  finishes;
* few dense rows of many features without L1 are rotated into as many features first.
"""

import functools

import numpy as np

from skreg.data.matrices import (
    checked_row_norms,
    column_counts,
    n_values,
    take_columns,
)
from skreg.objectives.certificate import evaluate, feature_curvatures
from skreg.objectives.optimality import is_better, is_exact, kkt_violations
from skreg.objectives.problem import null_model, without_offset
from skreg.solvers.descent import ExactDescent
from skreg.solvers.sgd.state import SGDState
from skreg.solvers.working_set.conjugate import FIRST_FORCING_TERM
from skreg.solvers.working_set.cost_model import CostModel
from skreg.solvers.working_set.newton import Newton
from skreg.solvers.working_set.row_model import is_affordable, sharpened
from skreg.solvers.working_set.row_steps import RowSteps
from skreg.solvers.working_set.subproblems import (
    FeatureSubset,
    Rotation,
    without_empty_features,
)
from skreg.solvers.working_set.unpenalized import judge, may_be_separated, needs_judgement

# A working set is not worth a copy if it has more than this part of all features, or if
# there are not more features than these.
_NEARLY_ALL = 0.6
_FEW_FEATURES = 128
# Newton's method on some features ends at these parts of the target and of their first gap,
# the latter times their share of all values: that much less its steps cost.
_OF_TARGET = 0.3
_OF_GAP = 0.1
# The estimate of a gap without a penalty is to be this much smaller.
_OF_ESTIMATE = 0.01
# Problems with fewer values are solved to rounding: it costs a few milliseconds.
_FEW_VALUES = 100_000
_REFINEMENTS = 10


class SVRG(ExactDescent):
    """The descent of one `Problem`: each call of `epoch` is an outer iteration."""

    solver = "svrg"

    @classmethod
    def serves(cls, loss, settings):
        return loss.max_curvature is not None

    def __init__(self, problems, settings, state, refines=True):
        (self._given,) = problems  # with the targets as they came
        problem, self._offset = without_offset(self._given)
        self._subproblem = without_empty_features(problem)
        self.problem = problem = self._subproblem.problem
        self._refines = refines and n_values(problem.X) < _FEW_VALUES
        self._evaluation = None
        self._newton = None
        (coef,), (self._intercept,) = state.weights()
        self._coef = self._subproblem.restrict(coef)
        self._untouched = not (coef.any() or self._intercept)
        self._intercept = self._intercept - self._offset if problem.fit_intercept else 0.0
        self._generator = state.generator
        self._models = state.models
        self._shuffle = settings.shuffle
        self._norms = None
        self._counts = None
        self._costs = CostModel(problem)
        self._target = 0.0
        self._reset()

    def _reset(self):
        self._feature_curvatures = feature_curvatures(self.problem)
        self._costs.reset(self.problem)
        self._forcing_term = FIRST_FORCING_TERM
        self._n_refined = 0
        self._polished = False
        self._row_steps = None
        self._rotation = None

    def set_penalty(self, l1, l2):
        """Go on from here under another penalty."""
        self.problem = self.problem._replace(l1=l1, l2=l2)
        self._reset()
        if self._evaluation is not None:
            self._evaluation = self._evaluation.under(
                self.problem, self._coef, self._feature_curvatures
            )

    def change_loss(self, y, loss):
        """Go on from here with other targets and another loss."""
        self.problem = self.problem._replace(y=y, loss=loss)
        self._reset()
        self._newton = None
        self._evaluation = self._evaluate(self._coef, self._intercept)

    def try_weights(self, coef, intercept):
        """Go on from other weights if these are better."""
        coef, intercept = self._subproblem.restrict(coef), intercept - self._offset
        self._accept(coef, intercept, self._evaluate(coef, intercept))

    @property
    def problems(self):
        return [self.problem]

    @property
    def state(self):
        """The state from which plain steps would go on."""
        here = self.weights(), self._given, self._generator, self._models
        return SGDState.elsewhere(*here, self._costs.n_iterations)

    def weights(self):
        coef = self._subproblem.expand(self._coef)
        return coef[np.newaxis], np.array([self._intercept + self._offset])

    def certify(self):
        return [self._evaluation.certificate]

    def current(self):
        """Return the weights of the features that rows have, intercept and `Evaluation`."""
        return self._coef, self._intercept, self._evaluation

    def ends(self, converged):
        """Return whether to stop: no outer iteration helps, or none is needed.

        A small problem goes on until it is solved to rounding or no outer iteration helps,
        but not forever: an objective may have no minimum.
        """
        if not converged:
            return self._costs.n_stuck > 1 or self._costs.crawls
        self._n_refined += 1
        exact = is_exact(self._evaluation) and self._polished
        enough = exact or self._costs.n_stuck > 0 or self._n_refined > _REFINEMENTS
        return enough or not self._refines

    def start(self, nulls):
        """Evaluate the first weights; weights of 0 begin with the best intercept."""
        if self._evaluation is not None:
            return
        if self.problem.fit_intercept and self._untouched:
            self._intercept = nulls[0].intercept
            if self._offset:
                self._intercept = null_model(self.problem).intercept
        self._evaluation = self._evaluate(self._coef, self._intercept)

    def epoch(self, target):
        """Take an outer iteration; a gap of `target` is small enough."""
        gap, support = self._evaluation.certificate.suboptimality, self._coef != 0.0
        self._target, served = target, None
        scores = self._scores()
        n_candidates, n_support = np.count_nonzero(scores), np.count_nonzero(support)
        choice = self._costs.choose(n_candidates, n_support, gap, target)
        if choice.method == "rows":
            moved = self._step_on_rows(choice.n_epochs)
        elif choice.method == "products":
            moved, served = self._try_products(n_candidates, target)
        else:
            goal = 0.0 if self._refines else target
            moved = self._run_newton(scores, choice.size, goal)
        if needs_judgement(self.problem, self._evaluation.certificate, target):
            self._judge(target)
        if not moved and self._rounding_may_hide(target):
            self._evaluation = sharpened(self.problem, self._coef, self._evaluation)
        gaps = gap, self._evaluation.certificate.suboptimality
        supports = support, self._coef != 0.0
        self._costs.record(choice, gaps, target, supports, moved, served)

    def _judge(self, target):
        """Find out whether an estimate below the target can be trusted."""
        subproblem, problem, evaluation = self._rotation, self.problem, self._evaluation
        coef, newton = self._coef, None
        if subproblem is not None:
            problem, evaluation, coef = subproblem.problem, None, subproblem.restrict(coef)
        elif self._newton is not None:
            newton = self._newton_on_all(True)
        judged = judge(problem, coef, self._intercept, target, evaluation, newton)
        self._evaluation = self._evaluation._replace(certificate=judged)

    def _rounding_may_hide(self, target):
        """Return whether a gap above the target may be due to rounding."""
        problem = self.problem
        above = self._evaluation.certificate.gap > target > 0.0
        return above and problem.is_penalized and is_affordable(problem)

    def _evaluate(self, coef, intercept):
        return evaluate(self.problem, coef, intercept, self._feature_curvatures)

    def _scores(self):
        """Return how far each weight is from optimal at 0; infinity if it is not 0."""
        left = kkt_violations(self.problem, self._coef, self._evaluation)
        scores = np.abs(left[:-1])
        scores[self._coef != 0.0] = np.inf
        return scores

    def _step_on_rows(self, n_epochs):
        """Take steps on all rows; return whether that leads to better weights."""
        self._polished = False
        if self._row_steps is None:
            if self._norms is None:
                self._norms = checked_row_norms(self.problem.X, self.problem.rows)
            at_zero = not self._coef.any()
            self._row_steps = RowSteps(
                self.problem,
                self._coef,
                self._intercept,
                None if at_zero else self._evaluation,
                self._norms,
                self._shuffle,
                self._generator,
            )
        for _ in range(n_epochs):
            coef, intercept = self._row_steps.epoch()
        return self._accept(coef, intercept, self._evaluate(coef, intercept))

    def _run_newton(self, scores, size, target):
        """Run Newton's method; return whether that leads to better weights."""
        rotates = self._costs.rotates
        explicit = size <= self._costs.largest_matrix or rotates
        self._row_steps = None
        self._polished = is_exact(self._evaluation)
        evaluation = None
        if rotates:
            self._rotation = self._rotation or Rotation(self.problem)
            subproblem = self._rotation
        elif size >= _NEARLY_ALL * len(scores) or len(scores) <= _FEW_FEATURES:
            newton = self._newton_on_all(explicit)
            self._run(newton, target)
            self._polished = target == 0.0  # it went on until nothing helped
            return self._accept(newton.coef, newton.intercept, newton.evaluation)
        else:
            subproblem = self._take(np.sort(np.argpartition(-scores, size)[:size]))
            evaluation = subproblem.evaluation(self._evaluation, self._coef)
        coef = subproblem.restrict(self._coef)
        here = coef, self._intercept
        newton = Newton(subproblem.problem, *here, explicit, evaluation, self._forcing_term)
        first_gap = newton.evaluation.certificate.suboptimality
        share = n_values(subproblem.problem.X) / max(n_values(self.problem.X), 1)
        self._run(newton, max(_OF_TARGET * target, _OF_GAP * share * first_gap))
        self._forcing_term = newton.forcing_term
        coef = subproblem.expand(newton.coef)
        if rotates:  # its predictions are not exact
            evaluation = self._evaluate(coef, newton.intercept)
        else:
            evaluation = newton.evaluation.of_whole(
                self.problem, coef, self._feature_curvatures
            )
        return self._accept(coef, newton.intercept, evaluation)

    def _run(self, newton, target):
        """Run Newton's method; without a penalty, estimates of the gap are too small."""
        if self.problem.is_penalized:
            newton.run(target)
            return
        gap = self._evaluation.certificate.suboptimality
        endless = may_be_separated(self.problem) and gap > self._target
        newton.run(_OF_ESTIMATE * target, self._target if endless else 0.0)

    def _take(self, columns):
        """Return a subproblem with some of the features."""
        if self._counts is None:
            self._counts = column_counts(self.problem.X)
        take = functools.partial(take_columns, counts=self._counts)
        return FeatureSubset(self.problem, columns, take)

    def _newton_on_all(self, explicit):
        """Return Newton's method for all features, which goes on with its last matrix."""
        here = self._coef, self._intercept
        if self._newton is None:
            self._newton = Newton(self.problem, *here, explicit, self._evaluation)
        else:
            self._newton.move_to(self.problem, *here, explicit, self._evaluation)
        return self._newton

    def _try_products(self, n_candidates, target):
        """Do without a matrix what can be done at its price.

        Return whether that leads to better weights, and to the target.
        """
        newton = Newton(self.problem, self._coef, self._intercept, False, self._evaluation)
        served = newton.run_products(target, self._costs.passes_of_matrix(n_candidates))
        return self._accept(newton.coef, newton.intercept, newton.evaluation), served

    def _accept(self, coef, intercept, evaluation):
        """Go to other weights if they are better; return whether they are."""
        if not is_better(self.problem, self._coef, self._evaluation, coef, evaluation):
            return False
        self._coef, self._intercept, self._evaluation = coef, intercept, evaluation
        return True
