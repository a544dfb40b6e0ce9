"""The order in which rows are visited, drawn by a random generator of our own.

The generator's state is an argument, so that the same seed gives the same order for every
storage, float type and number of threads, and can be carried from call to call.
"""

import functools
from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from skreg._compile import compiled
from skreg.data.matrices import bytes_per_row

# Rows beside each other in memory are cheap to read together. A matrix larger than a
# processor's cache is therefore shuffled in two levels (in the manner of Xu et al. 2022,
# "In-database machine learning with CorgiPile"): blocks of neighbouring rows come in random
# order, so many at a time, and each visit takes the next row of one of these. The memory
# sees a few streams, about as fast as one. Longer blocks would read a little faster, but on
# rows sorted by their target the first epochs suffer.
_CACHE_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 15
STREAMS = 8
_LARGEST_BLOCK = 128
# The order must not depend on the storage. Rows of more features count as so many values:
# they may be sparse.
_MANY_FEATURES = 100
# Rows are asked for as many visits ahead as there is room for in a second-level cache, but
# neither fewer nor more than these.
_BYTES_AHEAD = 1 << 19
_ROWS_AHEAD = 16
_MOST_ROWS_AHEAD = 64


class RowSequence(NamedTuple):
    """Rows in the order of visits, and beside them rows to ask the memory for.

    At visit k the row ``prefetch_rows[k]`` is asked for, if there is such an element.
    """

    order: np.ndarray
    prefetch_rows: np.ndarray

    def part(self, start, stop):
        """Return the visits from `start` to `stop`."""
        return RowSequence(self.order[start:stop], self.prefetch_rows[start:stop])


def block_length(n_rows, n_features):
    """Return how many neighbouring rows move as one; 1 if they are few for a cache."""
    row_bytes = 8 * min(max(n_features, 1), _MANY_FEATURES)
    if row_bytes * n_rows <= _CACHE_BYTES:
        return 1
    return min(_BLOCK_BYTES // row_bytes, _LARGEST_BLOCK)


def generator_state(random_state):
    """Return a fresh state, drawn from what scikit-learn takes as `random_state`."""
    if isinstance(random_state, Integral):
        number = _drawn_from_seed(int(random_state))
    else:
        number = _drawn_from(check_random_state(random_state))
    return np.array([number], dtype=np.int64)


def _drawn_from(random_state):
    low, carry = random_state.randint(1, 2**29, size=2)
    return (int(carry) << 32) + int(low)


@functools.lru_cache(maxsize=128)
def _drawn_from_seed(seed):
    """Return what a seed leads to: to make a generator of NumPy costs 0.1 ms."""
    return _drawn_from(check_random_state(seed))


class Order:
    """The visits of the rows of a matrix in each epoch, shuffled or as the rows come.

    A draw overwrites the order of the one before: fresh memory is slow at first touch.
    """

    def __init__(self, X, rows, shuffled):
        self._rows = rows
        self._block = block_length(len(rows), X.shape[1])
        self._order = np.empty_like(rows) if shuffled else None
        self._n_ahead = _ROWS_AHEAD
        if shuffled:
            n_rows = int(_BYTES_AHEAD / max(bytes_per_row(X), 1.0))
            self._n_ahead = min(max(n_rows, _ROWS_AHEAD), _MOST_ROWS_AHEAD)

    def draw(self, state):
        """Return the visits of an epoch."""
        rows, order = self._rows, self._order
        if order is None:
            order = rows
        elif self._block == 1:
            shuffle(rows, order, state)
        else:
            starts = np.arange(0, len(rows), self._block)
            shuffled_starts = np.empty_like(starts)
            shuffle(starts, shuffled_starts, state)
            interleave(rows, shuffled_starts, self._block, order, state)
        return RowSequence(order, order[self._n_ahead :])


@compiled
def advance(x):
    """Return the next state of the generator.

    It is Marsaglia's multiply-with-carry with multiplier 698769069 and period 2^60, whose
    state never overflows 64 bits.
    """
    return 698769069 * (x & 0xFFFFFFFF) + (x >> 32)


@compiled
def below(x, n):
    """Return the random number from 0 to n - 1 that a state stands for."""
    return ((x & 0xFFFFFFFF) * n) >> 32


@compiled
def shuffle(source, out, state):
    """Write `source` to `out`, in any order with equal chance (Fisher and Yates)."""
    x = state[0]
    for i in range(source.shape[0]):
        x = advance(x)
        j = below(x, i + 1)
        out[i] = out[j]
        out[j] = source[i]
    state[0] = x


@compiled
def interleave(rows, starts, block, out, state):
    """Write rows to `out`, those of `STREAMS` blocks at a time.

    A block are the rows from one of `starts` on. They keep their order; where those of the
    other blocks come between them is random, any way with equal chance.
    """
    x = state[0]
    streams = np.empty(STREAMS * block, dtype=np.int64)
    n_done = 0
    for first in range(0, starts.shape[0], STREAMS):
        places = starts[first : first + STREAMS].copy()
        n = 0
        for stream in range(places.shape[0]):
            for _ in range(min(block, rows.shape[0] - places[stream])):
                x = advance(x)
                j = below(x, n + 1)
                streams[n] = streams[j]
                streams[j] = stream
                n += 1
        for k in range(n):
            out[n_done + k] = rows[places[streams[k]]]
            places[streams[k]] += 1
        n_done += n
    state[0] = x
