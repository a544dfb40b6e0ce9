r"""The objective of all libraries and a lower bound of its optimum, in plain NumPy.

.. math::
    F(w, b) = \frac1n \sum_i \ell(y_i, x_i^T w + b)
              + \alpha \left( \rho \|w\|_1 + \frac{1 - \rho}2 \|w\|_2^2 \right)

with :math:`\rho` the `l1_ratio`. The bound is the Fenchel dual at the slopes of the loss,
scaled into its domain. Nothing here comes from `skreg`, so that it can judge `skreg`.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, xlogy


class Task(NamedTuple):
    """One objective to minimize over weights and an unpenalized intercept."""

    X: Any
    y: np.ndarray
    loss: str
    alpha: float
    l1_ratio: float

    @property
    def l1(self):
        """Strength of the L1 norm."""
        return self.alpha * self.l1_ratio

    @property
    def l2(self):
        """Strength of half the squared L2 norm."""
        return self.alpha * (1.0 - self.l1_ratio)


def _values(loss, y, p):
    if loss == "squared_error":
        return 0.5 * (p - y) ** 2
    if loss == "log_loss":
        return np.logaddexp(0.0, -y * p)
    return np.maximum(1.0 - y * p, 0.0) ** 2


def _slopes(loss, y, p):
    if loss == "squared_error":
        return p - y
    if loss == "log_loss":
        return -y * expit(-y * p)
    return -2.0 * y * np.maximum(1.0 - y * p, 0.0)


def _conjugates(loss, y, u):
    if loss == "squared_error":
        return u * y + 0.5 * u * u
    t = -u * y
    if loss == "log_loss":
        return xlogy(t, t) + xlogy(1.0 - t, 1.0 - t)
    return 0.25 * t * t - t


def null_model(task):
    """Return the intercept and the objective of the model without features."""
    mean = task.y.mean()
    # For the squared hinge, too, the mean of -1 and +1 is optimal.
    b = np.log((1.0 + mean) / (1.0 - mean)) if task.loss == "log_loss" else mean
    return float(b), float(_values(task.loss, task.y, np.full(len(task.y), b)).mean())


def alpha_max(task):
    """Return the largest mean gradient of the null model: beyond it, L1 keeps no weight."""
    slopes = _slopes(task.loss, task.y, np.full(len(task.y), null_model(task)[0]))
    return float(np.abs(task.X.T @ slopes).max() / len(slopes))


def evaluate(task, coef, intercept):
    """Return the objective of the weights and the lower bound that they prove."""
    X, y, loss = task.X, task.y, task.loss
    p = X @ coef + intercept
    penalty = task.l1 * np.abs(coef).sum() + 0.5 * task.l2 * (coef @ coef)
    objective = _values(loss, y, p).mean() + penalty

    u = _balanced(loss, _slopes(loss, y, p))
    correlation = np.abs(X.T @ u) / len(y)
    largest = correlation.max()
    scales = [1.0 if largest <= task.l1 else task.l1 / largest]
    if task.l2 > 0.0:
        scales.append(1.0)

    def dual(scale):
        excess = np.maximum(scale * correlation - task.l1, 0.0)
        conjugate = excess @ excess / (2.0 * task.l2) if task.l2 > 0.0 else 0.0
        return -_conjugates(loss, y, scale * u).mean() - conjugate

    return float(objective), float(max(map(dual, scales)))


def _balanced(loss, slopes):
    """Return slopes that sum to 0, as the free intercept demands."""
    if loss == "squared_error":
        return slopes - slopes.mean()
    positive, negative = slopes[slopes > 0.0].sum(), -slopes[slopes < 0.0].sum()
    smaller = min(positive, negative)
    if smaller == 0.0:
        return np.zeros_like(slopes)
    return np.where(
        slopes > 0.0, slopes * (smaller / positive), slopes * (smaller / negative)
    )
