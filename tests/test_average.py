import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skreg.kernels.epochs import Iterate
from skreg.solvers.sgd.average import mean_of, no_notes, noted


def walk(rng, drift, n_steps=30, n_features=7):
    """Return iterates around a point that moves, the intercept last."""
    places = drift * np.arange(n_steps)[:, np.newaxis] * np.ones(n_features + 1)
    return places + rng.standard_normal(places.shape)


def solve_path(weights, unit, fades):
    """Note one iterate after the other; return the means after each of them."""
    means, recent, former = [], None, None
    for t, row in enumerate(weights, start=1):
        scale, threshold = 1.7, 0.3
        coef = row[:-1] / scale
        raw = np.where(coef != 0.0, coef + threshold * np.sign(coef), 0.2)
        iterate = Iterate(raw, scale, threshold, row[-1])
        if recent is None:
            recent = former = no_notes(iterate)
        recent, former = noted(iterate, recent, former, unit)
        if t in fades:
            recent, former = no_notes(iterate), recent
        means.append(np.append(*mean_of(iterate, recent, former)))
    return np.array(means)


@pytest.mark.parametrize("drift", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_the_mean_is_that_of_recent_iterates(rng, drift, unit):
    weights, fades = walk(rng, drift), (9, 10, 20)
    weights[:, 2] = 0.0
    notes, units = range(1, 31), np.full(30, unit)
    expected = [naive.recent_mean(weights[:t], fades, notes, units) for t in range(1, 31)]
    assert_allclose(solve_path(weights, unit, fades), expected, rtol=1e-12, atol=1e-15)


def test_noise_is_averaged_and_a_way_is_not(rng):
    still, moving = walk(rng, 0.0), walk(rng, 10.0)
    assert_allclose(solve_path(still, 1.0, ())[-1], 0.0, atol=1.0)
    assert np.abs(still[-1]).max() > 1.0
    lag = np.abs(solve_path(moving, 1.0, ()) - moving).max(axis=1)
    assert lag[2:].max() < 15.0  # one step or less, with its noise


def test_a_block_has_the_same_bits_as_its_models(rng):
    raw, thresholds = rng.standard_normal((6, 5, 3)), rng.random(3)
    raw[4:] += 5.0 * np.arange(3)  # the last models move
    scales, intercepts = rng.random(3), rng.standard_normal((6, 3))
    block = [Iterate(raw[t], scales, thresholds, intercepts[t]) for t in range(6)]
    recent = former = no_notes(block[0])
    singles = [
        [Iterate(raw[t][:, m].copy(), *map(float, (scales[m], thresholds[m], b[m])))
         for t, b in enumerate(intercepts)]
        for m in range(3)
    ]  # fmt: skip
    own = [(no_notes(part[0]),) * 2 for part in singles]
    for t, iterate in enumerate(block):
        before = recent.coef.copy(), former.coef.copy()
        notes = noted(iterate, recent, former, 0.7)
        assert_array_equal(recent.coef, before[0])  # states share the arrays
        assert_array_equal(former.coef, before[1])
        recent, former = notes
        coef, intercept = mean_of(iterate, recent, former)
        for m, part in enumerate(singles):
            own[m] = noted(part[t], *own[m], 0.7)
            single, single_intercept = mean_of(part[t], *own[m])
            assert_array_equal(coef[:, m], single)
            assert intercept[m] == single_intercept
    assert len(set(recent.number + former.number)) > 1


def test_notes_change_as_their_iterates_do(rng):
    """Sums of squares, too: else the scatter would be out of scale."""
    iterates = [Iterate(rng.standard_normal(5), 1.3, 0.2, 5.0) for _ in range(6)]
    changed = [iterate._replace(scale=0.1 * 1.3, intercept=0.0) for iterate in iterates]
    recent = former = no_notes(iterates[0])
    expected, expected_former = recent, former
    for one, other in zip(iterates, changed, strict=True):
        recent, former = noted(one, recent, former, 0.0)
        expected, expected_former = noted(other, expected, expected_former, 0.0)
    for notes, wanted in ((recent, expected), (former, expected_former)):
        for part, other in zip(notes.times(0.1).without_intercept(), wanted, strict=True):
            assert_allclose(part, other, rtol=1e-12)
