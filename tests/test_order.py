import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skreg import SGDRegularizedRegressor
from skreg._order import BLOCKS_PER_WINDOW, Order, block_length, generator_state
from skreg._rows import as_rows


def state(seed=0):
    return generator_state(np.random.RandomState(seed))


def order_of(rows, block, shuffled=True):
    """Return the order of rows of which `block` neighbours move as one."""
    n_features = 4096 // block if block > 1 else 1
    assert block_length(len(rows), n_features) == block
    return Order(as_rows(sparse.csr_matrix((max(rows) + 1, n_features))), rows, shuffled)


def test_orders_are_permutations_that_differ_and_repeat():
    rows = np.arange(3, 2000, 2)
    for block in (1, 20):
        generator, order = state(), order_of(rows, block)
        first, second = (order.draw(generator).order.copy() for _ in range(2))
        assert_array_equal(np.sort(first), rows)
        assert not np.array_equal(first, second)
        assert_array_equal(first, order.draw(state()).order)
        assert not np.array_equal(first, order.draw(state(1)).order)


def test_every_permutation_is_equally_likely():
    generator, counts, order = state(), {}, order_of(np.arange(3), 1)
    for _ in range(6000):
        drawn = tuple(order.draw(generator).order)
        counts[drawn] = counts.get(drawn, 0) + 1
    assert len(counts) == 6
    assert max(abs(count - 1000) for count in counts.values()) < 130  # 4.5 deviations


def test_two_levels_mix_far_and_near():
    n, block = 20_000, 16
    order = order_of(np.arange(n), block).draw(state()).order
    window = block * BLOCKS_PER_WINDOW
    places = order[: n // window * window].reshape(-1, window)
    # Every window draws from the whole range, and neighbours are visited in a row no more
    # often than in any shuffled window that holds them.
    assert (
        np.abs(places.mean(axis=1) - n / 2) < 5 * n / np.sqrt(12 * BLOCKS_PER_WINDOW)
    ).all()
    by_chance = 2 * (block - 1) / block / (window - 1)
    assert (np.abs(np.diff(order)) == 1).mean() < 1.2 * by_chance
    # And a row's place in the order says nothing about the row.
    assert abs(np.corrcoef(np.arange(n), order)[0, 1]) < 0.1


def test_rows_are_asked_for_before_their_visit():
    rows = np.arange(1000, 3000)
    for block in (1, 16):
        order, arrivals = order_of(rows, block).draw(state())
        place = np.empty(3000, dtype=int)
        place[order] = np.arange(2000)
        assert (place[arrivals] > np.arange(len(arrivals))).all()
        unasked = np.setdiff1d(rows, arrivals)
        assert place[unasked].max() < max(16, block * BLOCKS_PER_WINDOW)
        part = order_of(rows, block).draw(state()).part(100, 200)
        assert_array_equal(part.order, order[100:200])
        assert_array_equal(part.arrivals, arrivals[100:200])


def test_without_shuffling_rows_come_in_storage_order():
    rows = np.arange(5, 300, 3)
    order, arrivals = order_of(rows, 1, shuffled=False).draw(state())
    assert_array_equal(order, rows)
    assert_array_equal(arrivals, rows[16:])


def test_small_matrices_are_shuffled_row_by_row():
    assert block_length(100, 10) == 1
    assert block_length(100_000, 40) == 102
    assert block_length(2_000, 1000) == block_length(2_000, 1_000_000) == 16
    assert block_length(10_000, 0) == 1


def test_the_order_does_not_depend_on_storage(rng):
    X = rng.normal(size=(3000, 50)) * (rng.random((3000, 50)) < 0.1)
    y = X[:, 0] + rng.normal(size=3000)
    model = SGDRegularizedRegressor(solver="sgd", max_iter=2, tol=None, random_state=0)
    expected = model.fit(X, y).coef_
    assert_allclose(model.fit(sparse.csr_matrix(X), y).coef_, expected, rtol=1e-10)
    assert_allclose(model.fit(X.astype(np.float32), y).coef_, expected, rtol=1e-4)
