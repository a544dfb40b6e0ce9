"""What the driver asks of a method: the contract of all descents."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class Descent(ABC):
    """A method at work on problems that share their rows, with a column for each of them.

    The driver calls `start` once, then `epoch` and `count_nonzero` in turn until all
    models have ended, and where a certificate is due `weights` and `certify`.
    """

    problems: list
    state: Any  # from which plain steps go on
    # Whether each epoch ends with a certificate at no price.
    evaluates = True
    # Whether steps wait for a plateau of the objective.
    adapts = False
    # By how much noise that is there by design raises the objective.
    plateau = 0.0
    step_size = np.nan

    def start(self, nulls):  # noqa: B027
        """Begin; `nulls` holds the `NullModel` of each problem."""

    @abstractmethod
    def epoch(self, target):
        """Take an epoch; a gap of `target` is small enough."""

    @abstractmethod
    def weights(self):
        """Return a row of weights for each model, and the intercepts."""

    @abstractmethod
    def certify(self):
        """Return the certificate of each model."""

    def count_nonzero(self):
        """Return how many weights of each model are not 0, and whether all are finite."""
        coef, intercept = self.weights()
        finite = np.isfinite(coef).all() and np.isfinite(intercept).all()
        return [int(np.count_nonzero(row)) for row in coef], finite

    def ends(self, converged):
        """Return whether to stop, given whether the gap is small enough."""
        return converged

    def reduce_step(self):
        """Shorten the steps; return False where that is not, or no more, of use."""
        return False

    def keep(self, models):
        """Go on with some of the models."""
        raise NotImplementedError(f"{type(self).__name__} is for one model.")
