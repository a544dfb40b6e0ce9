"""The order in which rows are visited, drawn by a random generator of our own.

The generator's state is an argument, so that the same seed gives the same order for every
storage, float type and number of threads, and can be carried from call to call.
"""

from typing import NamedTuple

import numpy as np

from skreg._compile import compiled

# Rows beside each other in memory are cheap to read together. A matrix larger than a
# processor's cache is therefore shuffled in two levels (after Xu et al. 2022, "In-database
# machine learning with CorgiPile"): blocks of neighbouring rows in random order, then
# all rows of `BLOCKS_PER_WINDOW` such blocks among each other. While a window is visited,
# the rows of the next one come into the cache, neighbours after neighbours. Blocks twice as
# long read a little faster, but on rows sorted by their target the first epochs suffer.
_CACHE_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 15
BLOCKS_PER_WINDOW = 8
_LARGEST_BLOCK = 128
# The order must not depend on the storage. Rows of more features count as so many values:
# they may be sparse.
_MANY_FEATURES = 256
# Other rows are asked for this many visits ahead, so that they have come when their turn
# comes.
_ROWS_AHEAD = 16


class Visits(NamedTuple):
    """Rows in the order of visits, and beside them rows to ask the memory for.

    At visit k the row ``arrivals[k]`` is asked for, if there is such an element.
    """

    order: np.ndarray
    arrivals: np.ndarray

    def part(self, start, stop):
        """Return the visits from `start` to `stop`."""
        return Visits(self.order[start:stop], self.arrivals[start:stop])


def block_length(n_rows, n_features):
    """Return how many neighbouring rows move as one; 1 if they are few for a cache."""
    row_bytes = 8 * min(max(n_features, 1), _MANY_FEATURES)
    if row_bytes * n_rows <= _CACHE_BYTES:
        return 1
    return min(_BLOCK_BYTES // row_bytes, _LARGEST_BLOCK)


def generator_state(random_state):
    """Return a fresh state, drawn from a `numpy.random.RandomState`."""
    low, carry = random_state.randint(1, 2**29, size=2)
    return np.array([(int(carry) << 32) + int(low)], dtype=np.int64)


class Order:
    """The visits of the rows of a matrix in each epoch, shuffled or as the rows come.

    A draw overwrites the arrays of the one before: fresh memory is slow at first touch.
    """

    def __init__(self, X, rows, shuffled):
        self._rows = rows
        self._shuffled = shuffled
        self._block = block_length(len(rows), X.shape[1])
        self._order = np.empty_like(rows if shuffled else rows[:0])
        self._arrivals = np.empty_like(self._order if self._block > 1 else rows[:0])

    def draw(self, state):
        """Return the visits of an epoch; blocks of neighbouring rows move as one first."""
        rows, order = self._rows, self._order
        if not self._shuffled:
            return Visits(rows, rows[_ROWS_AHEAD:])
        if self._block == 1:
            shuffle(rows, len(rows), order, state)
            return Visits(order, order[_ROWS_AHEAD:])
        starts = np.arange(0, len(rows), self._block)
        shuffled_starts = np.empty_like(starts)
        shuffle(starts, len(starts), shuffled_starts, state)
        join_blocks(rows, shuffled_starts, self._block, self._arrivals)
        window = self._block * BLOCKS_PER_WINDOW
        shuffle(self._arrivals, window, order, state)
        return Visits(order, self._arrivals[window:])


@compiled
def join_blocks(rows, starts, block, out):
    """Write the `block` rows from each of `starts` on to `out`, one after the other."""
    k = 0
    for start in starts:
        for i in range(start, min(start + block, rows.shape[0])):
            out[k] = rows[i]
            k += 1


@compiled
def shuffle(source, window, order, state):
    """Write each `window` of `source` to `order`, any permutation with equal chance.

    The method is that of Fisher and Yates, from the inside out; the generator Marsaglia's
    multiply-with-carry with multiplier 698769069 and period 2^60, whose state never
    overflows 64 bits.
    """
    x = state[0]
    for start in range(0, source.shape[0], window):
        for i in range(min(window, source.shape[0] - start)):
            x = 698769069 * (x & 0xFFFFFFFF) + (x >> 32)
            j = ((x & 0xFFFFFFFF) * (i + 1)) >> 32
            order[start + i] = order[start + j]
            order[start + j] = source[start + i]
    state[0] = x
