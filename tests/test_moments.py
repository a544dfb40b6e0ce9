import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose

from skreg._moments import Moments, shift_of


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_moments_tell_objective_gap_and_intercept(rng, fit_intercept, dtype):
    X = (3.0 + rng.normal(size=(60, 5))).astype(dtype)
    y, s = X @ rng.normal(size=5) + 7.0 + rng.normal(size=60), rng.random(60)
    rows = np.flatnonzero(rng.random(60) < 0.8)
    shift = shift_of(X, y, s, rows, fit_intercept)
    quadratic = Moments.of(X, y, s, rows, shift).objective(fit_intercept)
    w = rng.normal(size=5)
    b = quadratic.intercept(w)
    X, y, s = X[rows].astype(np.float64), y[rows], s[rows]
    if fit_intercept:
        assert_allclose(b, np.average(y - X @ w, weights=s))
    data, rest = ("squared_error", X, y, w, b, 0.3, 0.2, s), (fit_intercept,)
    certificate = quadratic.certify(w, 0.3, 0.2)
    assert_allclose(certificate.objective, naive.smooth_objective(*data))
    assert_allclose(certificate.gap, naive.duality_gap(*data, *rest), rtol=1e-6)
    w, certificate = quadratic.minimize(0.3, 0.2, np.zeros(5), 0.0)
    data = ("squared_error", X, y, w, quadratic.intercept(w), 0.3, 0.2, s)
    assert naive.duality_gap(*data, *rest) < 1e-10
    zeros = np.zeros(5)
    null = ("squared_error", X, y, zeros, quadratic.intercept(zeros), 0.0, 0.0, s)
    assert_allclose(quadratic.null, naive.smooth_objective(*null))


def test_moments_of_the_rest_are_a_difference(rng):
    X, y, s = 100.0 + rng.normal(size=(50, 4)), rng.normal(size=50), rng.random(50)
    X[:, 3] = rng.random(50) < 0.1
    rows, fold = np.arange(50), np.arange(10, 20)
    X[20:, 3] = X[:10, 3] = 0.0  # constant outside of the fold
    shift = shift_of(X, y, s, rows, True)
    moments = [Moments.of(X, y, s, part, shift) for part in (rows, fold)]
    rest = np.setdiff1d(rows, fold)
    w, _ = (moments[0] - moments[1]).objective(True).minimize(0.01, 0.0, np.zeros(4), 0.0)
    own_shift = shift_of(X, y, s, rest, True)
    own = Moments.of(X, y, s, rest, own_shift).objective(True)
    expected, _ = own.minimize(0.01, 0.0, np.zeros(4), 0.0)
    assert_allclose(w, expected, atol=1e-10)
    assert w[3] == 0.0


def test_lost_digits_are_noticed(rng):
    X, y, s = rng.normal(size=(50, 2)), rng.normal(size=50), np.ones(50)
    X[:25, 0] += 1e6
    shift = shift_of(X, y, s, np.arange(50), True)
    half = Moments.of(X, y, s, np.arange(25), shift)
    assert half.objective(True) is None
