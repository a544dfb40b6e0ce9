"""The losses, and their registries. What a loss states: `skreg.losses.base`."""

from typing import Any

from skreg.losses.base import Loss, LossWithEpsilon
from skreg.losses.classification import Hinge, LogLoss, ModifiedHuber, SquaredHinge
from skreg.losses.dispatch import (
    SHORT,
    bounded_slope,
    conjugate,
    curvature,
    derivative,
    implicit_slope,
    value,
)
from skreg.losses.envelope import Envelope, Smoothed
from skreg.losses.regression import (
    EpsilonInsensitive,
    HalfSquaredError,
    Huber,
    SquaredEpsilonInsensitive,
)

REGRESSION_LOSSES: dict[str, type[Any]] = {
    "squared_error": HalfSquaredError,
    "huber": Huber,
    "epsilon_insensitive": EpsilonInsensitive,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
}
CLASSIFICATION_LOSSES: dict[str, type[Any]] = {
    "log_loss": LogLoss,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "modified_huber": ModifiedHuber,
}
LOSSES = REGRESSION_LOSSES | CLASSIFICATION_LOSSES


def make_loss(name, epsilon=0.1):
    """Return the loss called `name`; `epsilon` reaches those that have one.

    Examples
    --------
    >>> make_loss("huber", epsilon=0.5)
    Huber(epsilon=0.5)
    >>> round(make_loss("log_loss").value(-1.0, 0.0), 4)
    0.6931
    """
    loss = LOSSES[name]
    return loss(float(epsilon)) if "epsilon" in loss._fields else loss()


__all__ = [
    "CLASSIFICATION_LOSSES",
    "LOSSES",
    "REGRESSION_LOSSES",
    "SHORT",
    "Envelope",
    "EpsilonInsensitive",
    "HalfSquaredError",
    "Hinge",
    "Huber",
    "LogLoss",
    "Loss",
    "LossWithEpsilon",
    "ModifiedHuber",
    "Smoothed",
    "SquaredEpsilonInsensitive",
    "SquaredHinge",
    "bounded_slope",
    "conjugate",
    "curvature",
    "derivative",
    "implicit_slope",
    "make_loss",
    "value",
]
