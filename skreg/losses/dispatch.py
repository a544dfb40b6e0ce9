"""How compiled code calls the formulas of a loss: one function for each of them.

Numba compiles each kernel once per loss, a small tuple type, with its formulas inlined.
"""

from numba.extending import overload


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
