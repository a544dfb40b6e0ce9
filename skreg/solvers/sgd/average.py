"""The mean of recent iterates, which are noted now and then.

The raw value of a small weight is now above, now below its threshold, so that a single
iterate may miss it; what the steps keep at its optimum is the mean. Iterates that are
sparse have a sparse mean, if they are few and recent.

Notes are kept in two sums, the recent ones and the former ones, so that the oldest can be
forgotten: what is recent becomes former from time to time. And where iterates are still on
their way, because the optimum is far or has moved, a mean would lag behind. Then the last
one lies beyond the mean of the recent ones, seen from the former ones: the cosine between
the two ways, which for noise in many directions is about 0 or less, comes near 1. Noise in
few directions can do that, too, but hardly leads farther from the mean of the former ones
than three times their scatter. Where both is so, all notes are forgotten.

Loops are over features and models; a single model is a block of one. They keep the order of
all operations, so that a model has the same weights to the bit in a block and outside.
"""

from typing import NamedTuple

import numpy as np

from skreg.kernels.average import add_displacement_products, add_iterate, set_to_mean

# A cosine above this shows that iterates are on their way, and so does a distance of so
# many standard deviations. Fewer notes tell nothing of the latter.
_ON_THE_WAY = 0.7
_DEVIATIONS = 3.0
_FEW = 4.0


class Notes(NamedTuple):
    """Sums over settled iterates, how many these are, and sums of their squares.

    The array is never changed in place, so that states may share it.
    """

    coef: np.ndarray
    intercept: float
    number: float
    coef_square: float
    intercept_square: float

    def times(self, factor):
        """Return the notes of iterates whose weights were multiplied by a factor."""
        square = factor * factor * self.coef_square
        return self._replace(coef=factor * self.coef, coef_square=square)

    def without_intercept(self):
        """Return the notes of iterates whose intercepts were 0."""
        none = 0.0 * self.number
        return self._replace(intercept=none, intercept_square=none)


def no_notes(iterate):
    """Return sums over nothing."""
    none = 0.0 * iterate.threshold
    return Notes(np.zeros_like(iterate.coef), none, none, none, none)


def noted(iterate, recent, former, unit):
    """Return the notes with an iterate more.

    `unit` is by how much a weight moves a prediction, squared, if the intercept does by 1.
    """
    columns, both = _columns(iterate), [_columns(notes) for notes in (recent, former)]
    products = np.zeros((6, len(columns[-1])))
    add_displacement_products(columns, *both, unit, products)
    product, last, before, way, mean_square, square = products
    _, intercepts, numbers, coef_squares, intercept_squares = both[1]
    n_former = np.maximum(numbers, 1.0)
    variance = intercept_squares / n_former - (intercepts / n_former) ** 2
    variance += unit * (coef_squares / n_former - mean_square)
    beyond = product > _ON_THE_WAY * np.sqrt(last) * np.sqrt(before)
    far = way > _DEVIATIONS**2 * variance * (1.0 + 1.0 / n_former)
    begins = (beyond & (far | (numbers < _FEW))) | (numbers == 0.0)
    goes_on, begins = (~begins).astype(np.float64), begins.astype(np.float64)
    recent = _sum(iterate, columns, square, recent, goes_on, goes_on)
    if begins.any():  # with a former note, to which the next ones are compared
        former = _sum(iterate, columns, square, former, goes_on, begins)
    return recent, former


def mean_of(iterate, recent, former):
    """Return the mean of the last iterate and the noted ones: weights and intercept."""
    count = 1.0 + recent.number + former.number
    coef = np.empty_like(iterate.coef)
    parts = _columns(iterate), _columns(recent), _columns(former)
    set_to_mean(*parts, np.atleast_1d(count), coef.reshape(len(coef), -1))
    intercept = iterate.intercept + (recent.intercept + former.intercept)
    return coef, intercept / count


def _columns(part):
    """Return what has weights with a matrix and arrays, a column for each model."""
    coef, *numbers = part
    columns = coef.reshape(len(coef), -1)
    width = columns.shape[1]
    return columns, *(np.full(width, number) for number in numbers)


def _sum(iterate, columns, square, notes, keeps, adds):
    """Return notes times `keeps` plus the iterate times `adds`, numbers for each model."""
    coef = np.empty_like(notes.coef)
    out = coef.reshape(len(coef), -1)
    add_iterate(columns, notes.coef.reshape(out.shape), keeps, adds, out)
    if coef.ndim == 1:
        keeps, adds, square = float(keeps[0]), float(adds[0]), float(square[0])
    intercept = iterate.intercept
    values = intercept, 1.0, square, intercept * intercept
    sums = (keeps * old + adds * new for old, new in zip(notes[1:], values, strict=True))
    return Notes(coef, *sums)
