"""The order in which rows are visited, drawn by a random generator of our own.

The generator's state is an argument, so that the same seed gives the same order for every
storage, float type and number of threads, and can be carried from call to call.
"""

from typing import NamedTuple

import numpy as np

from skreg._compile import compiled
from skreg._rows import bytes_per_row

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


def block_length(X):
    """Return how many neighbouring rows are moved as one; 1 if `X` fits a cache."""
    row_bytes = bytes_per_row(X)
    if row_bytes * X.shape[0] <= _CACHE_BYTES:
        return 1
    return int(np.clip(_BLOCK_BYTES // max(row_bytes, 1), 1, _LARGEST_BLOCK))


def generator_state(random_state):
    """Return a fresh state, drawn from a `numpy.random.RandomState`."""
    low, carry = random_state.randint(1, 2**29, size=2)
    return np.array([(int(carry) << 32) + int(low)], dtype=np.int64)


def visits_in_order(rows):
    """Return visits of `rows` as they come."""
    return Visits(rows, rows[_ROWS_AHEAD:])


def next_visits(rows, block, shuffled, state):
    """Return visits of `rows` for an epoch, in random order or as they come."""
    return draw_visits(rows, block, state) if shuffled else visits_in_order(rows)


def draw_visits(rows, block, state):
    """Return visits of `rows` in random order; blocks of `block` rows move as one first."""
    n = len(rows)
    if block == 1:
        order = rows.copy()
        shuffle(order, n, state)
        return visits_in_order(order)
    starts = np.arange(0, n, block)
    shuffle(starts, len(starts), state)
    places = (starts[:, np.newaxis] + np.arange(block)).ravel()
    arrivals = rows[places[places < n]]
    order = arrivals.copy()
    window = block * BLOCKS_PER_WINDOW
    shuffle(order, window, state)
    return Visits(order, arrivals[window:])


@compiled
def shuffle(order, window, state):
    """Shuffle each `window` of `order` in place: any permutation is equally likely.

    The method is that of Fisher and Yates, the generator Marsaglia's multiply-with-carry
    with multiplier 698769069 and period 2^60, whose state never overflows 64 bits.
    """
    x = state[0]
    for start in range(0, order.shape[0], window):
        for i in range(min(window, order.shape[0] - start) - 1, 0, -1):
            x = 698769069 * (x & 0xFFFFFFFF) + (x >> 32)
            j = ((x & 0xFFFFFFFF) * (i + 1)) >> 32
            order[start + i], order[start + j] = order[start + j], order[start + i]
    state[0] = x
