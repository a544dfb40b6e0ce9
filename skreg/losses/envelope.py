"""The Moreau envelope of a loss with kinks."""

from typing import Any, NamedTuple

from skreg.losses.dispatch import conjugate, derivative, implicit_slope, value


class Envelope(NamedTuple):
    """Another loss, and a width."""

    loss: Any
    width: float

    @property
    def insensitivity(self):
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
