"""The order in which rows are visited, drawn by a random generator of our own.

The generator's state is an argument, so that the same seed gives the same order for every
storage, float type and number of threads, and can be carried from call to call.
"""

import numpy as np

from skreg._compile import compiled
from skreg._rows import bytes_per_row

# Rows beside each other in memory are cheap to read together. A matrix larger than a
# processor's cache is therefore shuffled in two levels (after Xu et al. 2022, "In-database
# machine learning with CorgiPile"): blocks of neighbouring rows in random order, then
# all rows of `BLOCKS_PER_WINDOW` such blocks among each other.
_CACHE_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 12
BLOCKS_PER_WINDOW = 32
_LARGEST_BLOCK = 64


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


@compiled
def shuffle(order, state):
    """Shuffle `order` in place, each permutation being equally likely (Fisher, Yates).

    The generator is Marsaglia's multiply-with-carry with multiplier 698769069, of
    period 2^60; its 64-bit state never overflows a signed integer.
    """
    x = state[0]
    for i in range(order.shape[0] - 1, 0, -1):
        x = 698769069 * (x & 0xFFFFFFFF) + (x >> 32)
        j = ((x & 0xFFFFFFFF) * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]
    state[0] = x


@compiled
def draw_order(rows, block, state):
    """Return `rows` in random order; blocks of `block` rows are moved as one first."""
    if block == 1:
        order = rows.copy()
        shuffle(order, state)
        return order
    n = rows.shape[0]
    order = np.empty_like(rows)
    starts = np.arange(0, n, block)
    shuffle(starts, state)
    filled = 0
    for start in starts:
        for k in range(start, min(start + block, n)):
            order[filled] = rows[k]
            filled += 1
    window = block * BLOCKS_PER_WINDOW
    for start in range(0, n, window):
        shuffle(order[start : start + window], state)
    return order
