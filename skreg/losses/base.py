"""What a loss states.

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
                        is a guess; right to 1e-8 for sizes of ``a`` and ``y`` up to 1e6
                        and ``q`` up to 1e8, whatever the guess, and in the domain of the
                        conjugate,
    slope_bound         the least upper bound of the derivative's size, for a regression
                        loss, None if there is none
                        (targets -1 and +1 have a scale of their own: None, too),
    insensitivity            the largest error of a regression that costs nothing,
    kinks(y)            where the derivative jumps, each time by 1 (only defined if
                        ``max_curvature`` is None; the loss is linear between),
    is_at_kink(u)       whether slopes, an array, are between those of the linear pieces,
    name                what users type for it,
    classifies          True if targets are labels, -1 and +1.

A new loss is one class, in a file of this folder: `skreg.losses` finds it by its name, and
parameter validation, error messages, documentation and tests read the registries there.

Small tuple types rather than integer codes: Numba compiles each kernel once per loss
with the formula inlined, keeps it in the disk cache (functions passed as arguments
could not be), and the formulas of a loss stay side by side.
"""

from typing import NamedTuple


class Loss(NamedTuple):
    """A loss without parameters."""

    @property
    def insensitivity(self):
        return 0.0


class LossWithEpsilon(NamedTuple):
    """A loss of a certain width."""

    epsilon: float

    @property
    def insensitivity(self):
        return 0.0
