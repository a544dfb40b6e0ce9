"""The losses: each stated once, with its formulas, and entered in a registry.

A loss is a function of the target ``y`` and of ``raw_prediction = x @ coef + intercept``
(here ``p``), written for one row as plain Python; the same lines are compiled into the
kernels. Classification losses take ``y`` in {-1, +1} and depend on the margin ``y * p``.
A loss states

    value(y, p)         the loss; ``Half`` in a name says that the factor 1/2 is inside,
    derivative(y, p)    its derivative in ``p``, a subgradient where there is a kink,
    conjugate(y, u)     the maximum over ``p`` of ``u * p - value(y, p)``, infinite
                        outside its domain, which holds 0,
    max_curvature       the Lipschitz constant of the derivative, None where it jumps,
    curvature(y, p)     its second derivative, one of two where that jumps (not defined
                        if ``max_curvature`` is None),
    implicit_slope(y, a, q, u)
                        the slope after a step of length ``q`` that is taken with it: the
                        root of ``u = derivative(y, a - q * u)``, where the argument ``u``
                        is a guess,
    slope_bound         the largest derivative of a regression loss, None if unbounded
                        (targets -1 and +1 have a scale of their own: None, too),
    forgives            the largest error of a regression that costs nothing,
    kinks(y)            where the derivative jumps, each time by 1 (only defined if
                        ``max_curvature`` is None; the loss is linear between),
    is_at_kink(u)       whether slopes, an array, are between those of the linear pieces.

A new loss is one class and one line in a registry at the end of this file; parameter
validation, error messages, documentation and tests read the registries.

Small tuple types rather than integer codes: Numba compiles each kernel once per loss
with the formula inlined, keeps it in the disk cache (functions passed as arguments
could not be), and the formulas of a loss stay side by side.
"""

import math
from typing import Any, NamedTuple

from numba.extending import overload


class Loss(NamedTuple):
    """A loss without parameters."""

    @property
    def forgives(self):
        return 0.0


class LossWithEpsilon(NamedTuple):
    """A loss of a certain width."""

    epsilon: float

    @property
    def forgives(self):
        return 0.0


class HalfSquaredError(Loss):
    """``(p - y)^2 / 2``."""

    max_curvature = 1.0
    slope_bound = None

    def value(self, y, p):
        return 0.5 * (p - y) ** 2

    def derivative(self, y, p):
        return p - y

    def conjugate(self, y, u):
        return u * y + 0.5 * u * u

    def curvature(self, y, p):
        return 1.0

    def implicit_slope(self, y, a, q, u):
        return (a - y) / (1.0 + q)


class Huber(LossWithEpsilon):
    """``r^2 / 2`` where ``|r| <= epsilon``, else ``epsilon * |r| - epsilon^2 / 2``.

    Here ``r = p - y``.
    """

    max_curvature = 1.0

    @property
    def slope_bound(self):
        return self.epsilon

    def value(self, y, p):
        r = abs(p - y)
        if r <= self.epsilon:
            return 0.5 * r * r
        return self.epsilon * (r - 0.5 * self.epsilon)

    def derivative(self, y, p):
        return min(max(p - y, -self.epsilon), self.epsilon)

    def conjugate(self, y, u):
        if abs(u) > self.epsilon:
            return math.inf
        return u * y + 0.5 * u * u

    def curvature(self, y, p):
        return 1.0 if abs(p - y) <= self.epsilon else 0.0

    def implicit_slope(self, y, a, q, u):
        return min(max((a - y) / (1.0 + q), -self.epsilon), self.epsilon)


class EpsilonInsensitive(LossWithEpsilon):
    """``max(0, |p - y| - epsilon)``."""

    max_curvature = None
    slope_bound = 1.0

    @property
    def forgives(self):
        return self.epsilon

    def value(self, y, p):
        return max(abs(p - y) - self.epsilon, 0.0)

    def derivative(self, y, p):
        if p - y > self.epsilon:
            return 1.0
        if y - p > self.epsilon:
            return -1.0
        return 0.0

    def conjugate(self, y, u):
        if abs(u) > 1.0:
            return math.inf
        return u * y + self.epsilon * abs(u)

    def implicit_slope(self, y, a, q, u):
        excess = abs(a - y) - self.epsilon
        if excess <= 0.0:
            return 0.0
        return math.copysign(1.0 if excess >= q else excess / q, a - y)

    def kinks(self, y):
        return y - self.epsilon, y + self.epsilon

    def is_at_kink(self, u):
        return (u != 0.0) & (abs(u) < 1.0)


class SquaredEpsilonInsensitive(LossWithEpsilon):
    """``max(0, |p - y| - epsilon)^2``."""

    max_curvature = 2.0
    slope_bound = None

    @property
    def forgives(self):
        return self.epsilon

    def value(self, y, p):
        return max(abs(p - y) - self.epsilon, 0.0) ** 2

    def derivative(self, y, p):
        return 2.0 * math.copysign(max(abs(p - y) - self.epsilon, 0.0), p - y)

    def conjugate(self, y, u):
        return u * y + self.epsilon * abs(u) + 0.25 * u * u

    def curvature(self, y, p):
        return 2.0 if abs(p - y) > self.epsilon else 0.0

    def implicit_slope(self, y, a, q, u):
        excess = max(abs(a - y) - self.epsilon, 0.0)
        return math.copysign(2.0 * excess / (1.0 + 2.0 * q), a - y)


class LogLoss(Loss):
    """``log(1 + exp(-y * p))``."""

    max_curvature = 0.25
    slope_bound = None

    def value(self, y, p):
        return max(-y * p, 0.0) + math.log1p(math.exp(-abs(p)))

    def derivative(self, y, p):
        e = math.exp(-abs(p))
        if y * p > 0:
            return -y * e / (1.0 + e)
        return -y / (1.0 + e)

    def conjugate(self, y, u):
        t = -u * y
        if t < 0.0 or t > 1.0:
            return math.inf
        if t == 0.0 or t == 1.0:
            return 0.0
        return t * math.log(t) + (1.0 - t) * math.log1p(-t)

    def curvature(self, y, p):
        e = math.exp(-abs(p))
        return e / (1.0 + e) ** 2

    def implicit_slope(self, y, a, q, u):
        # Newton's method for the margin z after the step, z = y * a + q / (1 + exp(z)),
        # kept between the bounds that the signs of earlier residuals give. Between two
        # flat ends it would go to and fro: bisection, where a residual is not halved.
        low, high = y * a, max(y * a, 0.0) + math.log1p(q)
        z = min(max(low - q * y * u, low), high)
        last_residual = math.inf
        for _ in range(100):
            e = math.exp(-abs(z))
            slope = (e if z > 0.0 else 1.0) / (1.0 + e)
            residual = z - y * a - q * slope
            if residual > 0.0:
                high = z
            else:
                low = z
            fall = slope * (1.0 - slope)
            next_z = z - residual / (1.0 + q * fall)
            if abs(next_z - z) <= 1e-5 + 1e-10 * abs(z):
                slope -= fall * (next_z - z)  # to the first order, which is enough
                break
            slow = abs(residual) > 0.25 * last_residual
            if slow or not low < next_z < high:
                next_z = 0.5 * (low + high)
            z, last_residual = next_z, abs(residual)
        return -y * slope


class Hinge(Loss):
    """``max(0, 1 - y * p)``.

    Written for targets of any size as ``max(0, sign(y) * (y - p))``: `Smoothed` moves them.
    """

    max_curvature = None
    slope_bound = None

    def value(self, y, p):
        return max(math.copysign(1.0, y) * (y - p), 0.0)

    def derivative(self, y, p):
        sign = math.copysign(1.0, y)
        return -sign if sign * (y - p) > 0.0 else 0.0

    def conjugate(self, y, u):
        slope = u * math.copysign(1.0, y)
        if slope > 0.0 or slope < -1.0:
            return math.inf
        return u * y

    def implicit_slope(self, y, a, q, u):
        sign = math.copysign(1.0, y)
        excess = sign * (y - a)
        if excess <= 0.0:
            return 0.0
        return -sign if excess >= q else -sign * excess / q

    def kinks(self, y):
        return (y,)

    def is_at_kink(self, u):
        return (u != 0.0) & (abs(u) < 1.0)


class SquaredHinge(Loss):
    """``max(0, 1 - y * p)^2``."""

    max_curvature = 2.0
    slope_bound = None

    def value(self, y, p):
        return max(1.0 - y * p, 0.0) ** 2

    def derivative(self, y, p):
        return -2.0 * y * max(1.0 - y * p, 0.0)

    def conjugate(self, y, u):
        if u * y > 0.0:
            return math.inf
        return u * y + 0.25 * u * u

    def curvature(self, y, p):
        return 2.0 if y * p < 1.0 else 0.0

    def implicit_slope(self, y, a, q, u):
        return -2.0 * y * max(1.0 - y * a, 0.0) / (1.0 + 2.0 * q)


class ModifiedHuber(Loss):
    """``max(0, 1 - y * p)^2`` where ``y * p >= -1``, else ``-4 * y * p``."""

    max_curvature = 2.0
    slope_bound = None

    def value(self, y, p):
        if y * p < -1.0:
            return -4.0 * y * p
        return max(1.0 - y * p, 0.0) ** 2

    def derivative(self, y, p):
        return -2.0 * y * min(max(1.0 - y * p, 0.0), 2.0)

    def conjugate(self, y, u):
        if u * y > 0.0 or u * y < -4.0:
            return math.inf
        return u * y + 0.25 * u * u

    def curvature(self, y, p):
        return 2.0 if abs(y * p) < 1.0 else 0.0

    def implicit_slope(self, y, a, q, u):
        return -y * min(2.0 * max(1.0 - y * a, 0.0) / (1.0 + 2.0 * q), 4.0)


class Envelope(NamedTuple):
    """Another loss, and a width."""

    loss: Any
    width: float

    @property
    def forgives(self):
        return 0.0


class Smoothed(Envelope):
    """The Moreau envelope of a loss that is linear between kinks.

    That is the minimum over q of ``value(y, q) + (p - q)^2 / (2 * width)``: each kink
    becomes an arc of curvature ``1 / width``. Its derivative is the slope of an implicit
    step of this length.
    """

    slope_bound = None

    @property
    def max_curvature(self):
        return 1.0 / self.width

    def value(self, y, p):
        u = implicit_slope(self.loss, y, p, self.width, 0.0)
        return value(self.loss, y, p - self.width * u) + 0.5 * self.width * u * u

    def derivative(self, y, p):
        return implicit_slope(self.loss, y, p, self.width, 0.0)

    def conjugate(self, y, u):
        return conjugate(self.loss, y, u) + 0.5 * self.width * u * u

    def curvature(self, y, p):
        u = implicit_slope(self.loss, y, p, self.width, 0.0)
        is_linear = u == derivative(self.loss, y, p - self.width * u)
        return 0.0 if is_linear else 1.0 / self.width

    def implicit_slope(self, y, a, q, u):
        return implicit_slope(self.loss, y, a, q + self.width, u)

    def is_at_kink(self, u):
        return self.loss.is_at_kink(u)


def value(loss, y, p):
    """Return the loss of one row."""
    return loss.value(y, p)


def derivative(loss, y, p):
    """Return the derivative of the loss of one row in its raw prediction."""
    return loss.derivative(y, p)


def conjugate(loss, y, u):
    """Return the convex conjugate of the loss of one row."""
    return loss.conjugate(y, u)


def curvature(loss, y, p):
    """Return the second derivative of the loss of one row in its raw prediction."""
    return loss.curvature(y, p)


def implicit_slope(loss, y, a, q, u):
    """Return the root of ``u = derivative(loss, y, a - q * u)``, given a guess of it."""
    return loss.implicit_slope(y, a, q, u)


# Below this product of curvature and length, a step is nearly its own implicit one.
SHORT = 0.25


def bounded_slope(loss, y, p, q):
    """Return the derivative, shortened so that a step of length `q` does not overshoot.

    That is the slope of the implicit step, or for short steps where the loss is smooth, at
    the price of a division, one between 0 and it: both leave the prediction
    ``p - q * slope`` on the side of the minimum where it was. With ``q = 0`` it is the
    derivative.
    """
    if loss.max_curvature is None:
        return loss.implicit_slope(y, p, q, 0.0)
    slope = loss.derivative(y, p)
    if loss.max_curvature * q < SHORT:
        return slope / (1.0 + loss.max_curvature * q)
    return loss.implicit_slope(y, p, q, slope / (1.0 + q * loss.curvature(y, p)))


@overload(value, strict=False)
def _compiled_value(loss, y, p):
    return loss.instance_class.value


@overload(derivative, strict=False)
def _compiled_derivative(loss, y, p):
    return loss.instance_class.derivative


@overload(conjugate, strict=False)
def _compiled_conjugate(loss, y, u):
    return loss.instance_class.conjugate


@overload(curvature, strict=False)
def _compiled_curvature(loss, y, p):
    return loss.instance_class.curvature


@overload(implicit_slope, strict=False)
def _compiled_implicit_slope(loss, y, a, q, u):
    return loss.instance_class.implicit_slope


@overload(bounded_slope, strict=False)
def _compiled_bounded_slope(loss, y, p, q):
    max_curvature = loss.instance_class.max_curvature
    if max_curvature is None:
        return lambda loss, y, p, q: implicit_slope(loss, y, p, q, 0.0)

    def compiled_bounded_slope(loss, y, p, q):
        slope = derivative(loss, y, p)
        if max_curvature * q < SHORT:
            return slope / (1.0 + max_curvature * q)
        guess = slope / (1.0 + q * curvature(loss, y, p))
        return implicit_slope(loss, y, p, q, guess)

    return compiled_bounded_slope


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
    >>> make_loss("log_loss").value(-1.0, 0.0) == math.log(2)
    True
    """
    loss = LOSSES[name]
    return loss(float(epsilon)) if "epsilon" in loss._fields else loss()
