"""The exact descent for losses that are linear between kinks.

Where L2 is penalized, it begins with dual coordinate ascent, whose epochs are cheap. If
these do not promise to arrive before the method of multipliers would, that goes on.
"""

import numpy as np

from skreg.kernels.passes import conjugate_sum, loss_sum
from skreg.objectives.certificate import certificate_from, evaluate, feature_curvatures
from skreg.objectives.problem import best_intercept, null_model, without_offset
from skreg.solvers.descent import ExactDescent
from skreg.solvers.kinked.dual_ascent import DualAscent
from skreg.solvers.kinked.multipliers import Multipliers
from skreg.solvers.sgd.state import SGDState
from skreg.solvers.working_set.cost_model import passes_of_matrix
from skreg.solvers.working_set.subproblems import without_empty_features

# The method of multipliers solves about so many models of the smooth problem, and takes so
# many epochs' time at most if no matrix is at hand.
_MODELS = 12
_MOST_EPOCHS = 300
# A descent ends at this part of the target.
_OF_TARGET = 0.1
# Dual ascent has so many epochs to show its pace.
_FIRST_EPOCHS = 25
# So many outer iterations that gain nothing show that rounding has the rest.
_PATIENCE = 10


class Bracket:
    """The best weights found so far, and the best lower bound of the objective."""

    def __init__(self, problem, null):
        self._problem = problem
        self._unit = null.objective
        self._curvatures = feature_curvatures(problem)
        self._bound = 0.0  # that of slopes of 0
        self.coef, self.intercept, self.certificate = None, None, None

    def see(self, coef, intercept):
        """Record weights, whose own slopes are the dual point."""
        evaluation = evaluate(self._problem, coef, intercept, self._curvatures)
        self.add(
            coef,
            intercept,
            evaluation.raw_predictions,
            evaluation.slopes,
            evaluation.gradients,
        )

    def add(self, coef, intercept, raw, slopes, gradients):
        """Record weights, of their predictions, and of slopes that are a dual point.

        The intercept is moved to its best. `gradients` are those that the slopes have, for
        positive and other ones.
        """
        problem = self._problem
        y, weights = problem.y[problem.rows], problem.sample_weight[problem.rows]
        if problem.fit_intercept:
            shift = best_intercept(problem.loss, y, weights, raw)
            intercept, raw = intercept + shift, raw + shift
        mean_loss = float(loss_sum(y, weights, raw, problem.loss) / weights.sum())
        found = certificate_from(
            problem, coef, mean_loss, slopes, gradients, self._curvatures
        )
        self._bound = max(self._bound, found.objective - found.gap)
        residual = np.nan
        if not problem.is_penalized:
            residual = self._inequality(y, weights, mean_loss, slopes)
            residual = min(residual + self._imbalance(coef, gradients), mean_loss)
        last = self.certificate
        if last is None or found.objective < last.objective:
            self.coef, self.intercept = coef, intercept
            last = found._replace(residual=residual)
        gap = np.inf
        if problem.is_penalized:
            gap = max(last.objective - self._bound, 0.0)
        residual = min(last.residual, residual)
        self.certificate = last._replace(gap=gap, residual=residual, judged=True)

    def _inequality(self, y, weights, mean_loss, slopes):
        """Return what is left of the inequality of Fenchel and Young."""
        rows = np.arange(len(y))
        conjugates = conjugate_sum(y, weights, rows, slopes, 1.0, 1.0, self._problem.loss)
        return max(mean_loss + conjugates / weights.sum(), 0.0)

    def _imbalance(self, coef, gradients):
        """Return what a gradient may be worth that is not 0, as a dual point asks for.

        That is its product with the way to the optimum, which hardly is longer than the
        weights and those that would move predictions across the targets.
        """
        lengths = np.sqrt(self._curvatures)
        moves = np.divide(
            self._unit, lengths, out=np.zeros_like(lengths), where=lengths > 0.0
        )
        sizes = np.abs(gradients.sum(axis=0))
        of_intercept = sizes[-1] * self._unit if self._problem.fit_intercept else 0.0
        return float(sizes[:-1] @ (np.abs(coef) + moves) + of_intercept)


class KinkedDescent(ExactDescent):
    """The descent of one `Problem`: each call of `epoch` is one of a method."""

    solver = "svrg"

    @classmethod
    def serves(cls, loss, settings):
        return loss.max_curvature is None

    def __init__(self, problems, settings, state):
        self.problems = problems
        self._settings = settings
        problem, self._offset = without_offset(*problems)
        self._subproblem = without_empty_features(problem)
        self._generator = state.generator
        self._models = state.models
        (coef,), (intercept,) = state.weights()
        self._first = coef, intercept
        self._n_iterations = 0
        self._n_stuck = 0

    def start(self, nulls):
        """Begin with the method that may be the quicker."""
        problem = self._subproblem.problem
        coef, intercept = self._first
        coef, intercept = self._subproblem.restrict(coef), intercept - self._offset
        null = self._null = null_model(problem) if self._offset else nulls[0]
        self._bracket = Bracket(problem, null)
        self._ascends = problem.l2 > 0.0 and not coef.any()
        if self._ascends:
            self._method = DualAscent(
                problem, self._settings, self._generator, null, self._bracket
            )
            self._bracket.see(coef, null.intercept)
        else:
            self._method = self._multipliers(coef, intercept)

    def _multipliers(self, coef, intercept):
        state = SGDState.start(coef, intercept, self._generator)
        parts = self._subproblem.problem, self._settings, state, self._null, self._bracket
        return Multipliers(*parts)

    def epoch(self, target):
        """Take an outer iteration; a gap of `target` is small enough."""
        self._target, before = target, self._bracket.certificate.suboptimality
        target *= _OF_TARGET
        self._method.iterate(target)
        self._n_iterations += 1
        gains = self._bracket.certificate.suboptimality < before
        self._n_stuck = 0 if gains else self._n_stuck + 1
        if self._ascends and not self._promises(target):
            self._ascends = False
            coef, intercept = self._bracket.coef, self._bracket.intercept
            self._method = self._multipliers(coef, intercept)

    def _promises(self, target):
        """Return whether dual ascent will arrive soon, at its pace so far."""
        problem = self._subproblem.problem
        n_passes = passes_of_matrix(problem.X, problem.n_features)
        most = min(_MODELS * (1.0 + n_passes), _MOST_EPOCHS)
        gap, first = self._bracket.certificate.gap, self._null.objective
        n_epochs = self._method.n_epochs
        if gap <= target:
            return True
        if not gap < first or target == 0.0:
            return n_epochs < _FIRST_EPOCHS
        return n_epochs * np.log(first / target) / np.log(first / gap) < most

    def certify(self):
        return [self._bracket.certificate]

    def weights(self):
        coef = self._subproblem.expand(self._bracket.coef)
        return coef[np.newaxis], np.array([self._bracket.intercept + self._offset])

    @property
    def state(self):
        """The state from which plain steps would go on."""
        here = self.weights(), *self.problems, self._generator, self._models
        return SGDState.elsewhere(*here, self._n_iterations)

    def ends(self, converged):
        """Return whether to stop: no outer iteration helps, or none is needed.

        The bound lags behind the weights, so a gap in sight of the target says little of
        these.
        """
        tight = self._bracket.certificate.suboptimality <= _OF_TARGET * self._target
        return (converged and tight) or self._n_stuck >= _PATIENCE
