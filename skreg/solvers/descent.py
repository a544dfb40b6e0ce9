"""What the driver asks of a method: the contract of all descents.

A new method is one class, in a file of this folder or of one in it: the driver finds it by
the name that users type for it.
"""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class Descent(ABC):
    """A method at work on problems that share their rows, with a column for each of them.

    It is made of ``(problems, settings, state)``, to go on from the weights of an
    `SGDState`; problems differ in their targets only. The driver calls `start` once, after
    which `weights` and `certify` must hold, then `epoch` and `count_nonzero` in turn until
    all models have ended, and where a certificate is due `weights` and `certify`.
    """

    solver = ""  # what users type; methods may share it, see `serves`
    problems: list
    state: Any  # from which plain steps go on, see `SGDState.elsewhere`
    # Whether each epoch ends with a certificate at no price.
    evaluates = True
    # If not: whether steps come from the rows, so that they suit any scale of the data.
    is_scale_free = False
    # Whether steps wait for a plateau of the objective.
    adapts = False
    # By how much noise that is there by design raises the objective.
    plateau = 0.0
    step_size = np.nan

    @classmethod
    def serves(cls, loss, settings):
        """Return whether the method is the one of its name for a loss and `SGDSettings`.

        A loss that no method of a name serves is refused.
        """
        return True

    @classmethod
    def obstacle(cls, settings):
        """Return why the method cannot serve, as the end of a sentence, or None."""
        return None

    def start(self, nulls):  # noqa: B027
        """Begin; `nulls` holds the `NullModel` of each problem.

        Weights of 0 had better begin with the intercept of that.
        """

    @abstractmethod
    def epoch(self, target):
        """Take an epoch; a gap of `target` is small enough, if it is not 0."""

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
        """Return whether to stop, given whether the gap is small enough.

        A method that has come to rounding, or no further, ends as well.
        """
        return converged

    def reduce_step(self):
        """Shorten the steps; return False where that is not, or no more, of use."""
        return False

    def keep(self, models):
        """Go on with some of the models."""
        raise NotImplementedError(f"{type(self).__name__} is for one model.")


class ExactDescent(Descent):
    """A descent of one problem to its optimum, whose steps are not the user's to choose."""

    @classmethod
    def obstacle(cls, settings):
        if settings.subgradient:
            return "is proximal, and mode='subgradient' is not"
        if settings.early_stopping:
            return "is at the optimum too soon for early_stopping"
        if settings.average:
            return "has no noise for average to remove"
        if settings.eta0 is not None or settings.schedule != "auto":
            return "chooses its steps itself, without learning_rate and eta0"
        return None


def methods(package):
    """Return the descents in all modules of a package, by the names that users type."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(found.name)
    found, todo = {}, [Descent]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if kind.solver and not kind.__abstractmethods__:
            found.setdefault(kind.solver, []).append(kind)
    return found
