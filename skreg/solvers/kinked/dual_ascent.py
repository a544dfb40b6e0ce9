"""Dual coordinate ascent for a `Problem` with L2 whose loss has kinks.

An epoch of `RowSteps` maximizes the dual problem over the slope of one row after the other
(Hsieh et al. 2008; Shalev-Shwartz and Zhang 2013). The slopes that are remembered are a
dual point, which certifies the weights. Most of them are soon at an end of their interval
and stay there: between epochs of all rows, several visit the others only.
"""

import numpy as np

from skreg.data.matrices import checked_row_norms
from skreg.kernels.passes import dual_pass
from skreg.solvers.working_set.row_steps import RowSteps

# Epochs of an outer iteration: of all rows, and then of those whose slopes are on their
# way.
_EPOCHS = 2
_EPOCHS_OF_FEW = 10


class DualAscent:
    """Iterations of a few epochs each; what they find goes to a `Bracket`."""

    def __init__(self, problem, settings, generator, null, bracket):
        norms = checked_row_norms(problem.X, problem.rows)
        zeros = np.zeros(problem.n_features)
        self._problem = problem
        self._steps = RowSteps(
            problem, zeros, null.intercept, None, norms, settings.shuffle, generator,
            unit=null.objective,
        )  # fmt: skip
        self._bracket = bracket
        self.n_epochs = 0.0  # in visits of all rows, those that certify included

    def iterate(self, target):
        """Take some epochs."""
        problem, steps = self._problem, self._steps
        for _ in range(_EPOCHS):
            before = steps.slopes
            coef, intercept = steps.epoch()
        moves = (steps.slopes != before) | problem.loss.is_at_kink(steps.slopes)
        rows = problem.rows[moves]
        if len(rows):
            steps.set_rows(rows)
            for _ in range(_EPOCHS_OF_FEW):
                coef, intercept = steps.epoch()
            steps.set_rows(problem.rows)
        self.n_epochs += 1.0 + _EPOCHS + _EPOCHS_OF_FEW * len(rows) / len(problem.rows)
        self._certify(coef, intercept)

    def _certify(self, coef, intercept):
        problem, slopes = self._problem, self._steps.slopes
        raw, gradients = np.empty(len(slopes)), np.zeros((2, len(coef) + 1))
        rows = problem.X, problem.sample_weight, problem.rows
        dual_pass(*rows, coef, intercept, slopes, raw, gradients)
        gradients /= problem.weight_sum
        self._bracket.add(coef, intercept, raw, slopes, gradients)
