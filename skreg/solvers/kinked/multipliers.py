r"""The method of multipliers, for losses that are linear between kinks.

With a multiplier :math:`u_i` for each row, a step solves the smooth problem

.. math::
    \min_{w, b} \frac1S \sum_i s_i\, e_t(y_i, x_i^T w + b + t u_i) + \Omega(w),

in which the Moreau envelope :math:`e_t` of width t takes the place of the loss, and makes
its derivatives there the new multipliers (Hestenes 1969; Powell 1969; Rockafellar 1976).
They converge to the slopes of the optimum, the dual point that certifies it, for any t, and
the faster the smaller t is; but the smooth problem is the harder then. The loss is a
function of :math:`y_i - p_i`, so the shift is one of the targets, and the solver of smooth
problems does the work.
"""

from skreg.losses import Smoothed
from skreg.solvers.working_set.svrg import SVRG

# The width is in units of the objective of the intercept-only model. It begins at 1,
# shrinks by a factor from step to step, and has an end. A narrower one would begin nearer
# to given weights, but on few rows that are curved, Newton's method takes many steps.
_SHRINK = 0.3
_SMALLEST = 1e-6
# A smooth problem is solved until its gap is this part of what is left, or of the target.
_OF_GAP = 0.03
_OF_TARGET = 0.3
# Without a penalty it is this part of the square of the target: the gradient counts.
_OF_SQUARE = 1e-6


class Multipliers:
    """Steps of the method for a `Problem`, in iterations of the solver of smooth ones.

    `null` is the `NullModel`. What outer iterations find goes to a `Bracket`.
    """

    def __init__(self, problem, settings, state, null, bracket):
        self._unit = self._width = null.objective or 1.0
        self._smallest = _SMALLEST * self._width
        self._problem = problem
        self._bracket = bracket
        smooth = problem._replace(**self._smoothed(0.0))
        self._smooth = SVRG([smooth], settings, state, refines=False)
        self._smooth.start([null])
        self._see()

    def _smoothed(self, multipliers):
        """Return the targets and the loss of the smooth problem."""
        y, rows = self._problem.y.copy(), self._problem.rows
        y[rows] -= self._width * multipliers
        return {"y": y, "loss": Smoothed(self._problem.loss, self._width)}

    def iterate(self, target):
        """Take an outer iteration of the smooth problem, and the step that it allows."""
        left = self._bracket.certificate.suboptimality
        goal = max(_OF_GAP * left, _OF_TARGET * target)
        if not self._problem.is_penalized:  # slopes are no dual point but at the minimum
            goal = _OF_SQUARE * target**2 / self._unit
        self._smooth.epoch(goal)
        self._see()
        if self._smooth.certify()[0].suboptimality <= goal or self._smooth.ends(False):
            self._step()

    def _step(self):
        """Take the slopes as multipliers, and narrow the envelope."""
        _, _, evaluation = self._smooth.current()
        self._width = max(_SHRINK * self._width, self._smallest)
        self._smooth.change_loss(**self._smoothed(evaluation.slopes))

    def _see(self):
        coef, intercept, evaluation = self._smooth.current()
        parts = evaluation.raw_predictions, evaluation.slopes, evaluation.gradients
        self._bracket.add(coef, intercept, *parts)
