import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog
from scipy.optimize import minimize as scipy_minimize

import skreg.solvers.working_set.quadratic
from skreg.kernels.quadratic import coordinate_sweeps, mirror
from skreg.penalties.elastic_net import kkt_violation
from skreg.solvers.working_set.quadratic import minimize_quadratic

PENALTIES = [(0.3, 0.0), (0.3, 0.2), (0.02, 0.0), (0.0, 0.4)]


def matrix_of(rng, kind, n=12):
    """Return a matrix and a gradient that lies in its range, as that of a model does."""
    n_rows = 5 if kind == "singular" else 40
    A = rng.normal(size=(n_rows, n))
    if kind == "duplicate columns":
        A[:, 3:6] = A[:, [0, 0, 1]]
        A[:, 6] = -A[:, 2]
    if kind == "zero columns":
        A[:, [2, 7]] = 0.0
    if kind == "badly scaled":
        A *= 10.0 ** rng.integers(-2, 2, n)
    return A.T @ A / n_rows, A.T @ rng.normal(size=n_rows) / n_rows


KINDS = ["regular", "singular", "duplicate columns", "zero columns", "badly scaled"]


def minimize(hessian, gradient, start, l1, l2, tolerance=1e-14):
    return minimize_quadratic(hessian.copy(), gradient, start, l1, l2, tolerance)


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(("l1", "l2"), PENALTIES)
@pytest.mark.parametrize("kind", KINDS)
def test_minimum_is_that_of_long_coordinate_descent(rng, kind, l1, l2, elsewhere):
    hessian, gradient = matrix_of(rng, kind)
    start = np.zeros(12)
    if elsewhere:  # one more step, and the gradient there
        start = rng.normal(size=12) * (rng.random(12) < 0.7)
        gradient = gradient + hessian @ start
    before = start.copy(), gradient.copy()
    w = minimize(hessian, gradient, start, l1, l2)
    assert_array_equal((start, gradient), before)
    expected = naive.coordinate_descent(hessian, gradient, start, l1, l2, 500)
    value, least = (
        naive.quadratic(hessian, gradient, start, v, l1, l2) for v in (w, expected)
    )
    assert value <= least + 1e-12
    slopes = gradient + hessian @ (w - start) + l2 * w
    left = np.where(w == 0, np.maximum(np.abs(slopes) - l1, 0), slopes + l1 * np.sign(w))
    assert_allclose(left, 0.0, atol=1e-6 * max(1.0, np.sqrt(hessian.max())))
    if kind == "regular":
        assert_allclose(w, expected, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_minimum_is_that_of_scipy(rng, kind):
    """With w = v[:n] - v[n:], both parts at least 0, the objective is smooth."""
    hessian, gradient = matrix_of(rng, kind)
    start, l1, l2 = rng.normal(size=12), 0.1, 0.05
    w = minimize(hessian, gradient, start, l1, l2)

    def value_and_slopes(v):
        w = v[:12] - v[12:]
        slopes = gradient + hessian @ (w - start) + l2 * w
        smooth = naive.quadratic(hessian, gradient, start, w, 0.0, l2)
        return smooth + l1 * v.sum(), np.r_[slopes + l1, l1 - slopes]

    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000, "maxfun": 10_000}
    peer = scipy_minimize(
        value_and_slopes, np.zeros(24), jac=True, bounds=[(0, None)] * 24, options=options
    )
    value = naive.quadratic(hessian, gradient, start, w, l1, l2)
    assert value == pytest.approx(peer.fun, rel=1e-8)
    assert value <= peer.fun + 1e-12


@pytest.mark.parametrize("l2", [0.0, 0.4])
@pytest.mark.parametrize("kind", KINDS)
def test_without_l1_it_is_a_linear_system(rng, kind, l2):
    """Where many weights are best, the shortest are returned."""
    hessian, gradient = matrix_of(rng, kind)
    start = rng.normal(size=12)
    w = minimize(hessian, gradient, start, 0.0, l2)
    matrix = hessian + l2 * np.eye(12)
    expected = np.linalg.pinv(matrix, rcond=1e-11) @ (hessian @ start - gradient)
    assert_allclose(w, expected, rtol=1e-6, atol=1e-8)
    slopes = gradient + l2 * start
    assert_allclose(matrix @ (w - start), -slopes, atol=1e-10 * np.abs(slopes).max())


def test_known_answers():
    one = np.ones((1, 1))
    for l1, l2, expected in ((0.5, 0.0, 1.5), (0.5, 0.5, 1.0), (3.0, 0.0, 0.0), (0, 0, 2)):
        w = minimize(one, np.array([-2.0]), np.zeros(1), float(l1), float(l2))
        assert_allclose(w, expected)
    # A diagonal matrix: soft-thresholding of each weight alone.
    diagonal, gradient = np.array([1.0, 2.0, 4.0]), np.array([3.0, -3.0, 0.2])
    w = minimize(np.diag(diagonal), gradient, np.zeros(3), 0.5, 0.0)
    assert_allclose(w, naive.soft(-gradient, 0.5) / diagonal)
    assert w[2] == 0.0


def test_strong_l1_leaves_exact_zeros(rng):
    hessian, gradient = matrix_of(rng, "regular")
    for l1 in (np.abs(gradient).max(), 1e6):
        assert not minimize(hessian, gradient, np.zeros(12), l1, 0.0).any()
    # From elsewhere, too.
    start = rng.normal(size=12)
    moved = gradient + hessian @ start
    assert not minimize(hessian, moved, start, 1.01 * np.abs(gradient).max(), 0.0).any()


def test_weight_of_a_flat_feature_dies(rng):
    """Where a feature is 0 in every row, only the penalty has a say."""
    hessian, gradient = matrix_of(rng, "zero columns")
    start = np.ones(12)
    w = minimize(hessian, gradient + hessian @ start, start, 0.1, 0.0)
    assert_array_equal(w[[2, 7]], 0.0)


def test_no_features():
    w = minimize_quadratic(np.zeros((0, 0)), np.zeros(0), np.zeros(0), 0.0, 0.1, 0.0)
    assert w.shape == (0,)


def test_start_at_the_minimum_stays(rng):
    hessian, gradient = matrix_of(rng, "regular")
    for l1, l2 in PENALTIES:
        w = minimize(hessian, gradient, np.zeros(12), l1, l2)
        again = minimize(hessian, gradient + hessian @ w, w, l1, l2)
        assert_allclose(again, w, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [60, 150])
def test_larger_problems_are_solved_to_rounding(rng, n):
    A = rng.normal(size=(100, n))
    A += rng.normal(size=(100, 1))  # columns that are alike
    hessian, gradient = A.T @ A / 100, A.T @ rng.normal(size=100) / 100
    l1 = 0.03 * np.abs(gradient).max()
    w = minimize(hessian, gradient, np.zeros(n), l1, 0.0)
    left = kkt_violation(w, gradient + hessian @ w, l1)
    assert_allclose(left, 0.0, atol=1e-7)
    assert 0 < np.count_nonzero(w) < min(n, 100)


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_rounds_end_where_sweeps_take_up_what_newton_steps_drop(seed):
    """With two Newton steps a round, 200 rounds end too early for these seeds."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(70, 40)) @ rng.normal(size=(40, 400))
    A += 0.3 * rng.normal(size=A.shape)
    b = A @ rng.normal(size=400) / 20.0 + rng.normal(size=70)
    hessian, gradient = A.T @ A / 70, -A.T @ b / 70
    l1 = np.abs(gradient).max() / 1000
    w = minimize(hessian, gradient, np.zeros(400), l1, 0.0, 1e-10)
    left = kkt_violation(w, gradient + hessian @ w, l1)
    assert 0.5 * (left**2 / hessian.diagonal()).sum() < 1e-10


def test_violations_are_the_shortest_subgradients(rng):
    w = rng.normal(size=200) * (rng.random(200) < 0.5)
    slopes, l1 = rng.normal(size=200), 0.4
    grid = np.linspace(-1.0, 1.0, 200_001)  # subgradients of |w| at 0
    for j, left in enumerate(kkt_violation(w, slopes, l1)):
        candidates = slopes[j] + l1 * (np.sign(w[j]) if w[j] != 0 else grid)
        shortest = candidates.flat[np.argmin(np.abs(candidates))]
        assert left == pytest.approx(shortest, abs=1e-5)


@pytest.mark.parametrize("l1", [0.0, 0.2])
def test_sweeps_are_coordinate_descent(rng, l1):
    hessian, gradient = matrix_of(rng, "zero columns")
    w, slopes = np.zeros(12), gradient.copy()
    coordinate_sweeps(hessian, w, slopes, l1, 3, 0.0)
    expected = naive.coordinate_descent(hessian, gradient, np.zeros(12), l1, 0.0, 3)
    assert_allclose(w, expected, rtol=1e-10, atol=1e-14)
    assert_allclose(slopes, gradient + hessian @ w, rtol=1e-10, atol=1e-12)


def test_optimality_conditions_hold_where_sweeps_are_quick_and_features_large(rng):
    """A gap multiplies what is left by the objective, which is large beside l1 here."""
    units = np.exp(rng.normal(7.0, 2.0, size=20))
    roots = np.eye(20) + 0.02 * rng.normal(size=(20, 20))
    hessian = units[:, np.newaxis] * (roots.T @ roots) * units
    gradient, l1 = units * rng.normal(scale=1e5, size=20), 1e-4
    coef = minimize_quadratic(hessian.copy(), gradient, np.zeros(20), l1, 0.0, 1e6)
    left = kkt_violation(coef, gradient + hessian @ coef, l1)
    assert_allclose(left / units, 0.0, atol=1e-9)


def test_the_lower_triangle_mirrors_the_upper(rng):
    matrix = rng.normal(size=(7, 7))
    upper = np.triu(matrix)
    mirror(matrix)
    assert_array_equal(matrix, upper + np.triu(upper, 1).T)


@pytest.mark.parametrize("l1", [1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("kind", ["sparse weights", "noise", "alike"])
def test_the_work_does_not_grow_as_l1_falls(rng, monkeypatch, kind, l1):
    A = rng.normal(size=(40, 100))
    if kind == "alike":
        A += 3.0 * rng.normal(size=(40, 1))
    b = A[:, ::20] @ rng.normal(size=5) if kind == "sparse weights" else rng.normal(size=40)
    hessian, gradient = A.T @ A / 40, -A.T @ b / 40
    steps, original = [], skreg.solvers.working_set.quadratic._newton_step

    def counted(*args):
        steps.append(args)
        return original(*args)

    monkeypatch.setattr(skreg.solvers.working_set.quadratic, "_newton_step", counted)
    w = minimize_quadratic(hessian.copy(), gradient, np.zeros(100), l1, 0.0, 0.0)
    assert len(steps) < 500
    left = kkt_violation(w, gradient + hessian @ w, l1)
    assert_allclose(left, 0.0, atol=1e-3 * l1 + 1e-13)
    # In the limit, the absolute values of weights that fit exactly have the least sum.
    program = linprog(np.ones(200), A_eq=np.hstack([A, -A]), b_eq=b)
    assert np.abs(w).sum() <= program.fun * (1.0 + 1e-9)
    if l1 < 1e-4:
        assert np.abs(w).sum() >= program.fun * (1.0 - 1e3 * l1)


def test_work_has_a_bound(rng, monkeypatch):
    A = rng.normal(size=(40, 100))
    hessian, gradient = A.T @ A / 40, A.T @ rng.normal(size=40) / 40
    values = [0.0]
    for work in (0.0, 1e6, 1e7, 1e8):
        w = minimize_quadratic(
            hessian.copy(), gradient, np.zeros(100), 1e-6, 0.0, 0.0, work
        )
        values.append(naive.quadratic(hessian, gradient, np.zeros(100), w, 1e-6, 0.0))
    assert (np.diff(values) <= 0.0).all()
    assert values[1] > values[-1]
