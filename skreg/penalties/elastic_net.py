"""The elastic-net penalty, and how it enters one step of gradient descent.

These are the formulas of the compiled loops, on plain arrays. The penalty of a weight
vector is ``sum_j l1 * |w_j| + l2 / 2 * w_j^2``; L1 and L2 are its cases ``l2 = 0`` and
``l1 = 0``.
"""

from dataclasses import dataclass
from numbers import Real

import numpy as np

__all__ = ["ElasticNet", "step"]


def soft_threshold(values, threshold):
    """Return `values` moved towards 0 by `threshold`, and 0 where they are nearer."""
    return np.copysign(np.maximum(np.abs(values) - threshold, 0.0), values)


def kkt_violation(coef, slopes, l1):
    """Return what the optimality (KKT) conditions leave open, signed, for each weight.

    `slopes` is the gradient of all of the objective but the L1 part.
    """
    at_zero = soft_threshold(slopes, l1)
    return np.where(coef == 0.0, at_zero, slopes + l1 * np.sign(coef))


def elastic_net_value(coef, l1, l2):
    """Return the penalty of an array of weights, infinite if it overflows."""
    with np.errstate(over="ignore"):
        return float(l1 * np.abs(coef).sum() + 0.5 * l2 * (coef @ coef))


def elastic_net_conjugate(correlation, l1, l2):
    """Return the sum of the penalty's conjugates inside its domain."""
    if l2 == 0.0:
        return 0.0
    excess = np.maximum(correlation - l1, 0.0)
    with np.errstate(over="ignore"):
        return (excess @ excess) / (2.0 * l2)


def shrinkages(correlation, l1, l2):
    """Return the factors of a dual point that are worth trying: they lead into the domain.

    `correlation` holds the sizes of its products with the features.
    """
    largest = correlation.max(initial=0.0)
    into_domain = min(1.0, l1 / largest) if largest > 0.0 else 1.0
    return [into_domain, 1.0] if l2 > 0.0 else [into_domain]


@dataclass(frozen=True)
class ElasticNet:
    r"""The penalty :math:`\Omega(w) = l_1 \|w\|_1 + \frac{l_2}{2} \|w\|_2^2`.

    Parameters
    ----------
    l1 : float, default=0.0
        Strength of the L1 term, at least 0.
    l2 : float, default=0.0
        Strength of the L2 term, at least 0. The objective has ``l2 / 2``: a textbook
        penalty ``lambda * sum(w^2)`` without the half is ``l2 = 2 * lambda``.

    Raises
    ------
    ValueError
        If a strength is negative, NaN or infinite.

    Examples
    --------
    >>> from skreg.penalties import ElasticNet
    >>> penalty = ElasticNet(l1=1.0, l2=2.0)
    >>> penalty.value([2.0, -1.0, 0.0])
    8.0
    >>> penalty.subgradient([2.0, -1.0, 0.0])
    array([ 5., -3.,  0.])
    >>> penalty.prox([2.0, -1.0, 0.25], step_size=0.5)
    array([ 0.75, -0.25,  0.  ])
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self):
        for name in ("l1", "l2"):
            check_number(name, getattr(self, name), minimum=0.0)

    def value(self, coef):
        """Return the penalty of a weight vector.

        Parameters
        ----------
        coef : array-like of shape (n_features,)
            Weights.

        Returns
        -------
        float
            ``l1 * sum(|coef|) + l2 / 2 * sum(coef^2)``.
        """
        return elastic_net_value(np.asarray(coef, dtype=float).ravel(), self.l1, self.l2)

    def subgradient(self, coef):
        """Return the subgradient that takes ``sign(0) = 0``.

        Parameters
        ----------
        coef : array-like of shape (n_features,)
            Weights.

        Returns
        -------
        ndarray of shape (n_features,)
            ``l1 * sign(coef) + l2 * coef``.
        """
        coef = np.asarray(coef, dtype=float)
        return self.l1 * np.sign(coef) + self.l2 * coef

    def prox(self, coef, step_size):
        r"""Return the proximal operator of ``step_size`` times the penalty.

        It is the minimizer over w of
        :math:`\frac12 \|w - coef\|_2^2 + step\_size \cdot \Omega(w)`: first move towards
        0 by ``step_size * l1``, stopping there, then divide by ``1 + step_size * l2``
        (Parikh and Boyd, Proximal algorithms, 2014, section 6.5).

        Parameters
        ----------
        coef : array-like of shape (n_features,)
            Weights.
        step_size : float
            Step size, at least 0.

        Returns
        -------
        ndarray of shape (n_features,)
            The new weights, exactly 0 where the step would have crossed 0.
        """
        shrunk = soft_threshold(np.asarray(coef, dtype=float), step_size * self.l1)
        return shrunk / (1.0 + step_size * self.l2)


def step(coef, gradient, step_size, *, l1=0.0, l2=0.0, mode="proximal"):
    r"""Take one step of gradient descent on a loss with an elastic-net penalty.

    ``mode="subgradient"`` treats the penalty like the loss:
    :math:`w - \eta (g + l_1 \operatorname{sign}(w) + l_2 w)`.
    ``mode="proximal"`` takes the gradient step on the loss alone and then applies the
    proximal operator of the penalty to the result:
    :math:`S_{\eta l_1}(w - \eta g) / (1 + \eta l_2)`, where :math:`S_t` moves every
    weight towards 0 by t and stops there. Only this one makes exact zeros.

    Parameters
    ----------
    coef : array-like of shape (n_features,)
        Weights before the step; they are not changed.
    gradient : array-like of shape (n_features,)
        Gradient of the loss at `coef`, without penalty.
    step_size : float
        Step size eta, at least 0.
    l1, l2 : float, default=0.0
        Strengths of the penalty ``l1 * sum(|w|) + l2 / 2 * sum(w^2)``. For textbooks
        without the half, ``lambda * sum(w^2)``, pass ``l2 = 2 * lambda``.
    mode : {"proximal", "subgradient"}, default="proximal"
        How the penalty enters the step.

    Returns
    -------
    ndarray of shape (n_features,)
        Weights after the step.

    Raises
    ------
    ValueError
        If a number is negative or not finite, `mode` is unknown, or the shapes differ.

    Examples
    --------
    >>> import skreg
    >>> w, gradient = [2.5, -0.8, 0.1], [-0.2, 0.1, -0.05]
    >>> skreg.step(w, gradient, 0.1, l1=0.01, mode="subgradient")
    array([ 2.519, -0.809,  0.104])
    >>> skreg.step(w, gradient, 0.1, l1=3.0)
    array([ 2.22, -0.51,  0.  ])
    """
    penalty = ElasticNet(l1, l2)
    check_number("step_size", step_size, minimum=0.0)
    coef, gradient = np.asarray(coef, dtype=float), np.asarray(gradient, dtype=float)
    if not (np.isfinite(coef).all() and np.isfinite(gradient).all()):
        raise ValueError("coef and gradient must hold finite numbers.")
    if coef.shape != gradient.shape:
        raise ValueError(
            f"gradient must have the shape of coef, {coef.shape}, not {gradient.shape}."
        )
    if mode == "proximal":
        return penalty.prox(coef - step_size * gradient, step_size)
    if mode == "subgradient":
        return coef - step_size * (gradient + penalty.subgradient(coef))
    raise ValueError(f"mode must be 'proximal' or 'subgradient', not {mode!r}.")


def check_number(name, number, minimum):
    if not isinstance(number, Real) or not minimum <= number < np.inf:
        raise ValueError(f"{name} must be a finite number >= {minimum:g}, not {number!r}.")


def strengths(penalty, alpha, l1_ratio):
    """Return the strengths ``(l1, l2)`` of a penalty named as in the estimators."""
    share = {"l1": 1.0, "l2": 0.0, "elasticnet": l1_ratio}
    if penalty is None:
        return 0.0, 0.0
    return float(alpha * share[penalty]), float(alpha * (1.0 - share[penalty]))
