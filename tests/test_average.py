import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skreg.kernels.epochs import Iterate
from skreg.solvers.sgd.average import TailAverage


def walk(rng, drift, n_steps=30, n_features=7):
    """Return iterates around a point that moves, the intercept last."""
    points = drift * np.arange(n_steps)[:, np.newaxis] * np.ones(n_features + 1)
    return points + rng.standard_normal(points.shape)


def columns(coef, scale, threshold, intercept):
    """Return the iterate of one model."""
    numbers = (np.array([number]) for number in (scale, threshold, intercept))
    return Iterate(coef[:, np.newaxis].copy(), *numbers)


def means_of(weights, unit, discounts):
    """Update by one iterate after the other; return the means after each of them."""
    means, tail = [], None
    for t, row in enumerate(weights, start=1):
        scale, threshold = 1.7, 0.3
        coef = row[:-1] / scale
        raw = np.where(coef != 0.0, coef + threshold * np.sign(coef), 0.2)
        iterate = columns(raw, scale, threshold, row[-1])
        tail = (tail or TailAverage.begin(iterate)).update(iterate, unit)
        if t in discounts:
            tail = tail.advance(iterate)
        means.append(np.concatenate([part.ravel() for part in tail.mean(iterate)]))
    return np.array(means)


@pytest.mark.parametrize("drift", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_the_mean_is_that_of_the_tail(rng, drift, unit):
    weights, discounts = walk(rng, drift), (9, 10, 20)
    weights[:, 2] = 0.0
    updates, units = range(1, 31), np.full(30, unit)
    expected = [
        naive.tail_average(weights[:t], discounts, updates, units) for t in range(1, 31)
    ]
    assert_allclose(means_of(weights, unit, discounts), expected, rtol=1e-12, atol=1e-15)


def test_noise_is_averaged_and_drift_is_not(rng):
    still, moving = walk(rng, 0.0), walk(rng, 10.0)
    assert_allclose(means_of(still, 1.0, ())[-1], 0.0, atol=1.0)
    assert np.abs(still[-1]).max() > 1.0
    lag = np.abs(means_of(moving, 1.0, ()) - moving).max(axis=1)
    assert lag[2:].max() < 15.0  # one step or less, with its noise


def test_a_block_has_the_same_bits_as_its_models(rng):
    raw, thresholds = rng.standard_normal((6, 5, 3)), rng.random(3)
    raw[4:] += 5.0 * np.arange(3)  # the last models move
    scales, intercepts = rng.random(3), rng.standard_normal((6, 3))
    block = [Iterate(raw[t], scales, thresholds, intercepts[t]) for t in range(6)]
    tail = TailAverage.begin(block[0])
    own = [None] * 3
    for t, iterate in enumerate(block):
        before = [part.coef.copy() for part in tail]
        after = tail.update(iterate, 0.7)
        for part, coef in zip(tail, before, strict=True):  # states share the arrays
            assert_array_equal(part.coef, coef)
        tail = after
        coef, intercept = tail.mean(iterate)
        for m in range(3):
            alone = columns(raw[t][:, m], scales[m], thresholds[m], intercepts[t, m])
            own[m] = (own[m] or TailAverage.begin(alone)).update(alone, 0.7)
            single, single_intercept = own[m].mean(alone)
            assert_array_equal(coef[:, m], single[:, 0])
            assert intercept[m] == single_intercept[0]
    assert len(set(tail.current.number + tail.previous.number)) > 1


def test_sums_change_as_their_iterates_do(rng):
    """Sums of squares, too: else the scatter would be out of scale."""
    iterates = [columns(rng.standard_normal(5), 1.3, 0.2, 5.0) for _ in range(6)]
    changed = [
        iterate._replace(scale=0.1 * iterate.scale, intercept=np.zeros(1))
        for iterate in iterates
    ]
    tail = expected = TailAverage.begin(iterates[0])
    for one, other in zip(iterates, changed, strict=True):
        tail, expected = tail.update(one, 0.0), expected.update(other, 0.0)
    for sums, others in zip(tail.times(0.1).without_intercept(), expected, strict=True):
        for part, other in zip(sums, others, strict=True):
            assert_allclose(part, other, rtol=1e-12)
