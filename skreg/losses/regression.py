"""The losses of regression: functions of ``p - y``."""

import math

from skreg.losses.base import Loss, LossWithEpsilon


class HalfSquaredError(Loss):
    """``(p - y)^2 / 2``."""

    name = "squared_error"
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

    name = "huber"
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

    name = "epsilon_insensitive"
    max_curvature = None
    slope_bound = 1.0

    @property
    def insensitivity(self):
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

    name = "squared_epsilon_insensitive"
    max_curvature = 2.0
    slope_bound = None

    @property
    def insensitivity(self):
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
