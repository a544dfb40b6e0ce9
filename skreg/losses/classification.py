"""The losses of classification: functions of the margin ``y * p``, y -1 or +1."""

import math

from skreg.losses.base import Loss


class LogLoss(Loss):
    """``log(1 + exp(-y * p))``."""

    name = "log_loss"
    classifies = True
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

    name = "hinge"
    classifies = True
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

    name = "squared_hinge"
    classifies = True
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

    name = "modified_huber"
    classifies = True
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
