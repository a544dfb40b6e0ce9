import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skreg.data.matrices import as_rows
from skreg.solvers.path.moments import Moments


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_moments_tell_objective_gap_and_intercept(rng, storage, fit_intercept, dtype):
    X = (3.0 + rng.normal(size=(60, 5))).astype(dtype)
    X[rng.random((60, 5)) < 0.5] = 0.0
    y, s = X @ rng.normal(size=5) + 7.0 + rng.normal(size=60), rng.random(60)
    rows = np.flatnonzero(rng.random(60) < 0.8)
    quadratic = Moments.of(as_rows(storage(X)), y, s, rows).objective(fit_intercept)
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


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_moments_of_the_rest_are_a_difference(rng, fit_intercept):
    X, y, s = 100.0 + rng.normal(size=(50, 4)), rng.normal(size=50), rng.random(50)
    rows, fold = np.arange(50), np.arange(10, 20)
    rest = np.setdiff1d(rows, fold)
    difference = Moments.of(X, y, s, rows).without(X, y, s, fold)
    own = Moments.of(X, y, s, rest)
    w, expected = (
        moments.objective(fit_intercept).minimize(0.01, 0.0, np.zeros(4), 0.0)[0]
        for moments in (difference, own)
    )
    assert_allclose(w, expected, rtol=1e-8, atol=1e-12)


def test_lost_digits_are_noticed(rng):
    X, y, s = rng.normal(size=(50, 3)), rng.normal(size=50), np.ones(50)
    rows, fold = np.arange(50), np.arange(25)
    X[25:, 2] = 1.0  # constant outside of the fold
    assert Moments.of(X, y, s, rows).without(X, y, s, fold) is None
    own = Moments.of(X, y, s, np.arange(25, 50)).objective(True)
    w, _ = own.minimize(1e-3, 0.0, np.zeros(3), 0.0)
    assert w[2] == 0.0
    X[:, 2] = 0.0
    X[0, 0] = 1e9
    assert Moments.of(X, y, s, rows).without(X, y, s, fold) is None
    s[0] = 1e14
    X[0, 0] = 0.0
    assert Moments.of(X, y, s, rows).without(X, y, s, fold) is None
    far = Moments.of(X + 1e12, y, np.ones(50), rows)
    assert far.objective(False) is None
    with pytest.raises(ValueError, match="too large or too small"):
        Moments.of(1e160 * X, y, s, rows)
