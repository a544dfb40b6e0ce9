"""The losses, and their registries. What a loss states: `skreg.losses.base`."""

import importlib
import pkgutil
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


def _losses(classify):
    """Return the losses of one kind by name, from all modules of this folder."""
    names = (f"{__name__}.{found.name}" for found in pkgutil.iter_modules(__path__))
    classes = [
        kind
        for module in map(importlib.import_module, names)
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__
    ]
    return {
        kind.name: kind
        for kind in classes
        if hasattr(kind, "name") and getattr(kind, "classifies", False) == classify
    }


REGRESSION_LOSSES: dict[str, type[Any]] = _losses(classify=False)
CLASSIFICATION_LOSSES: dict[str, type[Any]] = _losses(classify=True)
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


def loss_of(model):
    """Return the loss of an estimator, whose parameters have the names of its fields."""
    kind = LOSSES[model.loss]
    return kind(*(float(getattr(model, field)) for field in kind._fields))


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
    "loss_of",
    "make_loss",
    "value",
]
