"""The tail average: the mean of recent iterates, taken now and then.

The raw value of a small weight is now above, now below its threshold, so that a single
iterate may miss it; what the steps keep at its optimum is the mean of the tail (Rakhlin,
Shamir and Sridharan 2012; Jain et al. 2018). Iterates that are sparse have a sparse mean,
if they are few and recent.

The tail is kept in two sums, the current one and the previous one, so that the oldest
iterates can be dropped: from time to time the current sum becomes the previous one. And
where iterates are still on their way, because the optimum is far or has moved, a mean would
lag behind. Then the last one lies beyond the current mean, as seen from the previous one:
the cosine between the two displacements, which for noise in many directions is about 0 or
less, comes near 1. Noise in few directions can do that, too, but hardly leads farther from
the previous mean than three times its scatter. Where both is so, the average restarts.

All arrays have a column for each model. The loops over them keep the order of all
operations, so that a model has the same weights to the bit in a block and alone.
"""

from typing import NamedTuple

import numpy as np

from skreg.kernels.average import add_displacement_products, add_iterate, set_to_mean

# Iterates are on their way where the cosine is above this and the distance more than so
# many standard deviations. Fewer iterates tell nothing of the latter.
_DRIFT = 0.7
_DEVIATIONS = 3.0
_FEW = 4.0
# The penalty backlog of weights of 0, by which they miss their threshold, comes from steps
# that knew little of the optimum, and would keep small weights at 0 for as many steps
# again. So it is discounted after so many steps, and then several times while their number
# doubles.
_FIRST_DISCOUNT = 256
_DISCOUNTS_PER_DOUBLING = 4
# The average is updated in intervals of this part of the steps until the next discount, but
# of no fewer steps than features, which keeps updates cheap beside the steps. Before so
# many steps a feature, a mean would be no better than a single iterate.
_PART_OF_STEPS = 1.0 / 64.0
_STEPS_PER_FEATURE = 16


def discounts_per_doubling(n_steps, n_features):
    """Return 1 where a discount, which touches all features, costs more than the steps."""
    return 1 if n_steps < n_features else _DISCOUNTS_PER_DOUBLING


def next_discount(n_steps, n_features):
    """Return the number of steps at the next discount: 256, 304, 362, 430, 512 ..."""
    if n_steps < _FIRST_DISCOUNT:
        return _FIRST_DISCOUNT
    power, n = 1 << n_steps.bit_length() - 1, discounts_per_doubling(n_steps, n_features)
    discounts = (int(power * 2.0 ** (k / n)) for k in range(1, n + 1))
    return next(discount for discount in discounts if discount > n_steps)


def next_update(n_steps, n_features):
    """Return the number of steps at the next update of the tail average."""
    n_steps = max(n_steps, _FIRST_DISCOUNT, _STEPS_PER_FEATURE * n_features)
    interval = int(_PART_OF_STEPS * next_discount(n_steps, n_features))
    interval = max(interval, n_features)
    return (n_steps // interval + 1) * interval


class IterateSum(NamedTuple):
    """Sums over settled iterates, how many these are, and sums of their squares.

    The array is never changed in place, so that states may share it.
    """

    coef: np.ndarray
    intercept: np.ndarray
    number: np.ndarray
    coef_square: np.ndarray
    intercept_square: np.ndarray

    @classmethod
    def like(cls, iterate):
        """Return sums over nothing."""
        zeros = np.zeros(iterate.coef.shape[1])
        return cls(np.zeros_like(iterate.coef), zeros, zeros, zeros, zeros)

    def times(self, factor):
        """Return the sums of iterates whose weights were multiplied by a factor."""
        square = factor * factor * self.coef_square
        return self._replace(coef=factor * self.coef, coef_square=square)

    def without_intercept(self):
        """Return the sums of iterates whose intercepts were 0."""
        zeros = np.zeros_like(self.number)
        return self._replace(intercept=zeros, intercept_square=zeros)

    def plus(self, iterate, square, keeps, adds):
        """Return the sums times `keeps` plus the iterate times `adds`, per model."""
        coef, intercept = np.empty_like(self.coef), iterate.intercept
        add_iterate(tuple(iterate), self.coef, keeps, adds, coef)
        values = intercept, 1.0, square, intercept * intercept
        sums = (keeps * old + adds * new for old, new in zip(self[1:], values, strict=True))
        return IterateSum(coef, *sums)


class TailAverage(NamedTuple):
    """The sums over the current and the previous part of the tail."""

    current: IterateSum
    previous: IterateSum

    @classmethod
    def begin(cls, iterate):
        """Return the average of nothing."""
        nothing = IterateSum.like(iterate)
        return cls(nothing, nothing)

    def update(self, iterate, unit):
        """Return the average with an iterate more.

        `unit` is by how much a weight moves a prediction, squared, if the intercept does by
        1.
        """
        current, previous = self
        products = np.zeros((6, iterate.coef.shape[1]))
        parts = map(tuple, (iterate, current, previous))
        add_displacement_products(*parts, unit, products)
        product, last, before, distance, mean_square, square = products
        number = np.maximum(previous.number, 1.0)
        variance = previous.intercept_square / number - (previous.intercept / number) ** 2
        variance += unit * (previous.coef_square / number - mean_square)
        beyond = product > _DRIFT * np.sqrt(last) * np.sqrt(before)
        far = distance > _DEVIATIONS**2 * variance * (1.0 + 1.0 / number)
        restarts = beyond & (far | (previous.number < _FEW)) | (previous.number == 0.0)
        keeps, restarts = (~restarts).astype(np.float64), restarts.astype(np.float64)
        current = current.plus(iterate, square, keeps, keeps)
        if restarts.any():  # with a previous iterate, to which the next ones are compared
            previous = previous.plus(iterate, square, keeps, restarts)
        return TailAverage(current, previous)

    def mean(self, iterate):
        """Return the mean of the last iterate and the tail: weights and intercept."""
        current, previous = self
        count = 1.0 + current.number + previous.number
        coef = np.empty_like(iterate.coef)
        set_to_mean(*map(tuple, (iterate, current, previous)), count, coef)
        intercept = iterate.intercept + (current.intercept + previous.intercept)
        return coef, intercept / count

    def advance(self, iterate):
        """Return the average whose current part has become the previous one."""
        return TailAverage(IterateSum.like(iterate), self.current)

    def times(self, factor):
        """Return the average of iterates whose weights were multiplied by a factor."""
        return TailAverage(self.current.times(factor), self.previous.times(factor))

    def without_intercept(self):
        """Return the average of iterates whose intercepts were 0."""
        return TailAverage(*(part.without_intercept() for part in self))
