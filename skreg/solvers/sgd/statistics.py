"""What plain steps know of the rows and targets that they have seen so far."""

import functools
from typing import NamedTuple

import numpy as np

from skreg.data.matrices import row_norms_squared

# Of many rows, about so many tell how long they are.
_MEASURED_ROWS = 1000


def running_sum(start, values):
    """Return sums that do not depend on where a sequence of values was cut, to the bit."""
    return np.cumsum(np.append(start, values))[1:]


@functools.lru_cache(maxsize=8)
def _ones(n):
    """Return an array that nobody changes: fresh memory is slow at first touch."""
    return np.ones(n)


class RowStatistics(NamedTuple):
    """Sums over rows; weights of rows are relative to the first one."""

    number: int = 0
    first_weight: float = 0.0
    weight_sum: float = 0.0
    weight_square_sum: float = 0.0
    length_sum: float = 0.0
    unmeasured: float = 0.0  # the part of `weight_sum` that `length_sum` leaves out

    @classmethod
    def of(cls, problem, weights):
        """Return the statistics of all rows of a problem, which have these weights."""
        rows = problem.rows
        every = max(1, len(rows) // _MEASURED_ROWS)
        lengths, some = (
            np.sqrt(row_norms_squared(problem.X, rows[::every])),
            weights[::every],
        )
        first_weight = float(weights.max())  # others could be too small to divide by
        weight_sum = float(weights.sum() / first_weight)
        square_sum = float(((weights / first_weight) ** 2).sum())
        length_sum = float(weight_sum * (some @ lengths / some.sum()))
        return cls(len(rows), first_weight, weight_sum, square_sum, length_sum)

    def add(self, all_weights, order, are_equal):
        """Return the statistics with further rows, and their `RowWeights`.

        `are_equal` tells whether `all_weights`, of which the rows have theirs, are.
        """
        n_rows, first_weight = len(order), float(all_weights[order[0]])
        number = self.number + n_rows
        first = self.first_weight if self.number else first_weight
        counts = np.arange(self.number + 1.0, number + 1.0)
        if are_equal and first == first_weight and self.weight_sum == self.number:
            ones = _ones(n_rows)
            found, squares = RowWeights(ones, ones, counts, ones), counts
        else:
            weights = all_weights[order] / first
            sums = running_sum(self.weight_sum, weights)
            squares = running_sum(self.weight_square_sum, weights * weights)
            effects = np.fmin(counts * squares / (sums * sums), counts)
            found = RowWeights(weights * counts / sums, weights, sums, effects)
        changed = self._replace(
            number=number,
            first_weight=first,
            weight_sum=float(found.sums[-1]),
            weight_square_sum=float(squares[-1]),
        )
        return changed, found

    def measure(self, lengths, found):
        """Return the statistics with the lengths of the rows, and their running mean."""
        sums = running_sum(self.length_sum, found.weights * lengths)
        means = sums / (found.sums - self.unmeasured)
        return self._replace(length_sum=float(sums[-1])), means

    def forget_lengths(self):
        """Return the statistics with lengths measured from here on, if at all."""
        return self._replace(length_sum=0.0, unmeasured=self.weight_sum)


class RowWeights(NamedTuple):
    """Weights of rows, relative to the mean of all so far, and to the first one.

    ``sums`` are running sums of the latter, ``design_effects`` tell by how much the
    variance of means over the rows so far is larger than with equal weights (Kish 1965).
    Equal weights are exactly 1, both ways of computing them.
    """

    relative: np.ndarray
    weights: np.ndarray
    sums: np.ndarray
    design_effects: np.ndarray


class TargetStatistics(NamedTuple):
    """Sums over targets and their deviations from the mean, and the range of targets."""

    weight_sum: float = 0.0
    sum: float = 0.0
    deviation_sum: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, y, weights, around_mean):
        """Return the statistics of targets of rows that have these weights."""
        total = weights.sum()
        weight_sum = float(total / float(weights.max()))
        mean = weights @ y / total if around_mean else 0.0
        deviation = weights @ np.abs(y - mean) / total
        sums = float(weight_sum * mean), float(weight_sum * deviation)
        return cls(weight_sum, *sums, float(y.min()), float(y.max()))

    def add(self, y, weights, around_mean):
        """Return the statistics with further rows, and running mean deviations.

        Deviations are from the mean of the targets so far, or else from 0.
        """
        means, target_sum = 0.0, self.sum
        weight_sums = running_sum(self.weight_sum, weights)
        if around_mean:
            target_sums = running_sum(self.sum, weights * y)
            means, target_sum = target_sums / weight_sums, float(target_sums[-1])
        sums = running_sum(self.deviation_sum, weights * np.abs(y - means))
        changed = self._replace(
            weight_sum=float(weight_sums[-1]), sum=target_sum, deviation_sum=float(sums[-1])
        )
        return changed, sums / weight_sums

    def widen(self, y, from_zero):
        """Return the statistics with further targets, and the widths of their range."""
        low, high = self.low, self.high
        if from_zero:
            low, high = min(low, 0.0), max(high, 0.0)
        low = np.minimum(low, np.minimum.accumulate(y))
        high = np.maximum(high, np.maximum.accumulate(y))
        return self._replace(low=float(low[-1]), high=float(high[-1])), high - low


NO_ROWS = RowStatistics()
NO_TARGETS = TargetStatistics()
