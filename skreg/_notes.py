"""The mean of recent iterates, which are noted now and then.

The raw value of a small weight is now above, now below its threshold, so that a single
iterate may miss it; what the steps keep at its optimum is the mean. Iterates that are
sparse have a sparse mean, if they are few and recent.

Notes are kept in two sums, the recent ones and the former ones, so that the oldest can be
forgotten: what is recent becomes former from time to time. And where iterates are still on
their way, because the optimum is far or has moved, a mean would lag behind. Then the last
one lies beyond the mean of the recent ones, seen from the former ones: the cosine between
the two ways, which for noise is about 0 or less, comes near 1, and all notes are forgotten.

Loops are over features and models; a single model is a block of one. They keep the order of
all operations, so that a model has the same weights to the bit in a block and outside.
"""

from typing import NamedTuple

import numpy as np

from skreg._compile import EXACTLY, compiled
from skreg._rows import soft

# A cosine above this shows that iterates are on their way.
_ON_THE_WAY = 0.7


class Notes(NamedTuple):
    """Sums over settled iterates, and how many these are.

    The array is never changed in place, so that states may share it.
    """

    coef: np.ndarray
    intercept: float
    number: float


def no_notes(iterate):
    """Return sums over nothing."""
    none = 0.0 * iterate.threshold
    return Notes(np.zeros_like(iterate.coef), none, none)


def noted(iterate, recent, former, unit):
    """Return the notes with an iterate more.

    `unit` is by how much a weight moves a prediction, squared, if the intercept does by 1.
    """
    columns, numbers = _columns(iterate), [_columns(notes) for notes in (recent, former)]
    products = np.zeros((3, len(columns[-1])))
    _multiply_ways(columns, *numbers, unit, products)
    product, *squares = products
    begins = product > _ON_THE_WAY * np.sqrt(squares[0]) * np.sqrt(squares[1])
    begins |= numbers[1][-1] == 0.0
    goes_on, begins = (~begins).astype(np.float64), begins.astype(np.float64)
    recent = _sum(iterate, columns, recent, goes_on, goes_on)
    if begins.any():  # with a former note, to which the next ones are compared
        former = _sum(iterate, columns, former, goes_on, begins)
    return recent, former


def mean_of(iterate, recent, former):
    """Return the mean of the last iterate and the noted ones: weights and intercept."""
    count = 1.0 + recent.number + former.number
    coef = np.empty_like(iterate.coef)
    parts = _columns(iterate), _columns(recent), _columns(former)
    _set_to_mean(*parts, np.atleast_1d(count), coef.reshape(len(coef), -1))
    intercept = iterate.intercept + (recent.intercept + former.intercept)
    return coef, intercept / count


def _columns(part):
    """Return what has weights with a matrix and arrays, a column for each model."""
    coef, *numbers = part
    columns = coef.reshape(len(coef), -1)
    width = columns.shape[1]
    return columns, *(np.full(width, number) for number in numbers)


def _sum(iterate, columns, notes, keeps, adds):
    """Return notes times `keeps` plus the iterate times `adds`, numbers for each model."""
    coef = np.empty_like(notes.coef)
    out = coef.reshape(len(coef), -1)
    _add(columns, notes.coef.reshape(out.shape), keeps, adds, out)
    if coef.ndim == 1:
        keeps, adds = float(keeps[0]), float(adds[0])
    intercept = keeps * notes.intercept + adds * iterate.intercept
    return Notes(coef, intercept, keeps * notes.number + adds)


@compiled(fastmath=EXACTLY)
def _multiply_ways(iterate, recent, former, unit, out):
    """Add the product of two ways and their squares, if there are any, to rows of `out`.

    The ways lead to the iterate from the mean of recent notes, and there from former ones.
    """
    coef, scale, threshold, intercept = iterate
    sums, intercepts, n_recent = recent
    former_sums, former_intercepts, n_former = former
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            if n_recent[m] > 0.0 and n_former[m] > 0.0:
                middle = sums[j, m] / n_recent[m]
                last = scale[m] * soft(coef[j, m], threshold[m]) - middle
                before = middle - former_sums[j, m] / n_former[m]
                out[0, m] += unit * last * before
                out[1, m] += unit * last * last
                out[2, m] += unit * before * before
    for m in range(coef.shape[1]):
        if n_recent[m] > 0.0 and n_former[m] > 0.0:
            middle = intercepts[m] / n_recent[m]
            last = intercept[m] - middle
            before = middle - former_intercepts[m] / n_former[m]
            out[0, m] += last * before
            out[1, m] += last * last
            out[2, m] += before * before


@compiled(fastmath=EXACTLY)
def _add(iterate, sums, keeps, adds, out):
    coef, scale, threshold, _ = iterate
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            weight = scale[m] * soft(coef[j, m], threshold[m])
            out[j, m] = keeps[m] * sums[j, m] + adds[m] * weight


@compiled(fastmath=EXACTLY)
def _set_to_mean(iterate, recent, former, count, out):
    coef, scale, threshold, _ = iterate
    for j in range(coef.shape[0]):
        for m in range(coef.shape[1]):
            weight = scale[m] * soft(coef[j, m], threshold[m])
            out[j, m] = (weight + (recent[0][j, m] + former[0][j, m])) / count[m]
