"""The log-cosh loss: about quadratic near the target, about absolute far from it."""

import math

from skreg.losses.base import Loss

_LOG_2 = math.log(2.0)


class LogCosh(Loss):
    """``log(cosh(p - y))``."""

    name = "logcosh"
    max_curvature = 1.0
    slope_bound = 1.0

    def value(self, y, p):
        r = abs(p - y)
        if r < 1.0:  # the difference below would lose digits
            return 0.5 * math.log1p(math.sinh(r) ** 2)
        return r + math.log1p(math.exp(-2.0 * r)) - _LOG_2

    def derivative(self, y, p):
        return math.tanh(p - y)

    def conjugate(self, y, u):
        if abs(u) > 1.0:
            return math.inf
        if abs(u) == 1.0:
            return u * y + _LOG_2
        entropy = (1.0 + u) * math.log1p(u) + (1.0 - u) * math.log1p(-u)
        return u * y + 0.5 * entropy

    def curvature(self, y, p):
        e = math.exp(-2.0 * abs(p - y))
        return 4.0 * e / (1.0 + e) ** 2

    def implicit_slope(self, y, a, q, u):
        # Newton's method for the error r after the step, r + q * tanh(r) = a - y, whose
        # size is between 0 and that of a - y; bisection, where a residual is not halved.
        error = abs(a - y)
        low, high = max(error - q, 0.0), error
        r = min(max(error - q * abs(u), low), high)
        last_residual = math.inf
        for _ in range(100):
            slope = math.tanh(r)
            residual = r + q * slope - error
            if residual > 0.0:
                high = r
            else:
                low = r
            next_r = r - residual / (1.0 + q * (1.0 - slope * slope))
            if abs(next_r - r) <= 1e-15 + 1e-10 * r:
                break
            slow = abs(residual) > 0.25 * last_residual
            if slow or not low < next_r < high:
                next_r = 0.5 * (low + high)
            r, last_residual = next_r, abs(residual)
        return math.copysign(math.tanh(r), a - y)
