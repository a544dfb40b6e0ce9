"""Step sizes: each schedule is a function of the step number t = 0, 1, 2, ...

A schedule returns what multiplies the first step size: ``eta0`` if the user gave one, else
a safe step that `skreg.solvers.sgd.step_sizes` takes from the rows. Entries of `SCHEDULES`
are what ``learning_rate`` accepts; a new one is a function and a line there.
"""

from typing import NamedTuple

import numpy as np

# "auto" is constant for about this many steps.
_AUTO_HORIZON = 2000.0


class ScheduleParameters(NamedTuple):
    """What schedules may depend on; `alpha` and `l2` are 0 where nothing is penalized."""

    power_t: float
    alpha: float
    l2: float
    optimal_offset: float
    plateau_factor: float


def auto(t, eta0, parameters):
    """Return the smaller of ``(1 + t / 2000)^-0.75`` and ``1 / (1 + eta0 * l2 * t)``.

    The first suits every convex objective; the second, which ends at ``1 / (l2 * t)``,
    is the faster one that L2 allows (Shalev-Shwartz et al. 2011, "Pegasos").
    """
    root = np.sqrt(1.0 + t / _AUTO_HORIZON)
    general = root * np.sqrt(root)  # much cheaper than a power
    return 1.0 / np.maximum(general, 1.0 + parameters.l2 * eta0 * t)


def constant(t, eta0, parameters):
    """Return 1."""
    return np.ones(len(t))


def invscaling(t, eta0, parameters):
    """Return ``(t + 1)^-power_t``."""
    return (t + 1.0) ** -parameters.power_t


def adaptive(t, eta0, parameters):
    """Return 1, divided by 5 after each plateau of the objective."""
    return np.full(len(t), parameters.plateau_factor)


def optimal(t, eta0, parameters):
    """Return ``1 / (alpha * (offset + t))``, the whole step (Bottou 2010)."""
    return 1.0 / (parameters.alpha * (parameters.optimal_offset + t))


def optimal_offset(loss, alpha):
    """Return the offset of `optimal` as scikit-learn computes it.

    The first step is such that a typical weight, ``alpha^(-1/4)``, could be reached by it.
    """
    typical_weight = alpha**-0.25
    slope = loss.derivative(1.0, -typical_weight)
    return max(1.0, slope) / (typical_weight * alpha)


SCHEDULES = {
    "auto": auto,
    "constant": constant,
    "invscaling": invscaling,
    "optimal": optimal,
    "adaptive": adaptive,
}
