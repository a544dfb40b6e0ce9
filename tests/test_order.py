import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skreg import SGDRegularizedRegressor
from skreg.data.matrices import as_rows
from skreg.data.order import STREAMS, Order, block_length, generator_state, interleave


def state(seed=0):
    return generator_state(np.random.RandomState(seed))


def order_of(rows, block, shuffled=True):
    """Return the order of rows of which `block` neighbours move as one."""
    n_features = 4096 // block if block > 1 else 1  # of blocks of 40 rows or more
    assert block_length(len(rows), n_features) == block
    return Order(as_rows(sparse.csr_matrix((max(rows) + 1, n_features))), rows, shuffled)


def test_orders_are_permutations_that_differ_and_repeat():
    rows = np.arange(3, 9000, 2)
    for block in (1, 102):
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
    n, block = 50_000, 64
    order = order_of(np.arange(n), block).draw(state()).order
    window = block * STREAMS
    places = order[: n // window * window].reshape(-1, window)
    # Every window draws from the whole range, and a visit goes on with the block of the
    # last one no more often than with another.
    assert (np.abs(places.mean(axis=1) - n / 2) < 5 * n / np.sqrt(12 * STREAMS)).all()
    assert (np.diff(order) == 1).mean() < 1.1 / STREAMS
    # All ways to mix two blocks of two are equally likely.
    starts, out, generator, counts = np.array([0, 2]), np.empty(4, int), state(), {}
    for _ in range(6000):
        interleave(np.arange(4), starts, 2, out, generator)
        counts[tuple(out)] = counts.get(tuple(out), 0) + 1
    assert len(counts) == 6
    assert max(abs(count - 1000) for count in counts.values()) < 130  # 4.5 deviations
    # And a row's place in the order says nothing about the row.
    assert abs(np.corrcoef(np.arange(n), order)[0, 1]) < 0.1


def test_rows_are_asked_for_before_their_visit():
    rows = np.arange(1000, 5000)
    for block in (1, 64):
        order, prefetch_rows = order_of(rows, block).draw(state())
        place = np.empty(5000, dtype=int)
        place[order] = np.arange(4000)
        assert (place[prefetch_rows] > np.arange(len(prefetch_rows))).all()
        unasked = np.setdiff1d(rows, prefetch_rows)
        assert place[unasked].max() < 64
        part = order_of(rows, block).draw(state()).part(100, 200)
        assert_array_equal(part.order, order[100:200])
        assert_array_equal(part.prefetch_rows, prefetch_rows[100:200])


def test_without_shuffling_rows_come_in_storage_order():
    rows = np.arange(5, 300, 3)
    order, prefetch_rows = order_of(rows, 1, shuffled=False).draw(state())
    assert_array_equal(order, rows)
    assert_array_equal(prefetch_rows, rows[16:])


def test_small_matrices_are_shuffled_row_by_row():
    assert block_length(100, 10) == 1
    assert block_length(100_000, 40) == 102
    assert block_length(1_000, 1000) == 1
    assert block_length(3_000, 1000) == block_length(3_000, 1_000_000) == 40
    assert block_length(10_000, 0) == 1


def test_the_order_does_not_depend_on_storage(rng):
    X = rng.normal(size=(3000, 50)) * (rng.random((3000, 50)) < 0.1)
    y = X[:, 0] + rng.normal(size=3000)
    model = SGDRegularizedRegressor(solver="sgd", max_iter=2, tol=None, random_state=0)
    expected = model.fit(X, y).coef_
    assert_allclose(model.fit(sparse.csr_matrix(X), y).coef_, expected, rtol=1e-10)
    assert_allclose(model.fit(X.astype(np.float32), y).coef_, expected, rtol=1e-4)


def test_a_seed_leads_where_a_generator_of_numpy_with_that_seed_does():
    for seed in (0, 7, np.int64(7)):
        expected = generator_state(np.random.RandomState(seed))
        first = generator_state(seed)
        assert_array_equal(first, expected)
        first += 1  # a copy of its own
        assert_array_equal(generator_state(seed), expected)
    other = np.random.RandomState(0)
    assert generator_state(other) != generator_state(other)
    with pytest.raises(ValueError, match="seed"):
        generator_state("0")
