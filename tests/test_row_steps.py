import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skreg.data.matrices import as_rows, checked_row_norms
from skreg.data.order import generator_state
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, make_loss
from skreg.objectives.certificate import evaluate
from skreg.objectives.problem import Problem
from skreg.solvers.working_set import row_steps
from skreg.solvers.working_set.row_steps import BlockRowSteps, RowSteps

SMOOTH = [name for name in LOSSES if LOSSES[name].max_curvature is not None]


def make_problem(rng, name="squared_error", l1=0.02, l2=0.01, fit_intercept=True, n=150):
    X = rng.normal(size=(n, 5)) * (rng.random((n, 5)) < 0.7) + 0.2
    y = X @ [1.0, -2.0, 0.0, 0.5, 0.0] + 0.7 + 0.5 * rng.normal(size=n)
    if name in CLASSIFICATION_LOSSES:
        y = np.where(y > np.median(y), 1.0, -1.0)
    s = rng.random(n)
    s[:7] = 0.0
    rows = np.flatnonzero(s)
    return Problem(as_rows(X), y, s, rows, make_loss(name), l1, l2, fit_intercept)


def start(problem, coef=None, intercept=0.0, evaluation=None, shuffle=False):
    generator = generator_state(np.random.RandomState(0))
    coef = np.zeros(problem.n_features) if coef is None else coef
    norms = checked_row_norms(problem.X, problem.rows)
    return RowSteps(problem, coef, intercept, evaluation, norms, shuffle, generator)


def naive_epochs(problem, name, n_epochs, w, b, evaluation):
    """Yield weights and intercepts after each epoch in storage order.

    The dual vector is v = strength * center - mean slope * x, the weights that it stands
    for are soft(v, l1) / (l2 + strength); the center follows them with momentum.
    """
    X, y, s, rows, loss, l1, l2, fit_intercept = problem
    X, s = np.asarray(X, dtype=np.float64), s / s.sum()
    mean_norm = s @ (X**2).sum(axis=1)
    strength = max(0.0, loss.max_curvature * mean_norm / len(rows) - l2)
    scale = 1.0 / (l2 + strength)
    loose = max(1.0, row_steps._LOOSENESS * mean_norm * scale) if fit_intercept else 0.0
    slopes = np.zeros(len(y))
    if evaluation is not None:
        slopes[rows] = naive.DERIVATIVES[name](y, X @ w + b, 0.1)[rows]
    center, last, center_b = w, w, b
    # The intercept's loose center: what the slopes add to it is taken off at first.
    v, b = strength * center - X.T @ (s * slopes), b - loose * (s @ slopes)
    for _ in range(n_epochs):
        slopes, v, b = naive.dual_ascent(
            name, X, y, rows, s, slopes, v, b, scale, l1, loose
        )
        w = scale * naive.soft(v, l1)
        new_center = w + row_steps._MOMENTUM * (w - last)
        v, center, last = v + strength * (new_center - center), new_center, w
        yield w, b
        b, center_b = b + (b - center_b), b


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.02, 0.0), (0.0, 0.001), (0.02, 5.0)])
@pytest.mark.parametrize("name", SMOOTH)
def test_epochs_equal_a_naive_loop(rng, name, l1, l2, fit_intercept):
    problem = make_problem(rng, name, l1, l2, fit_intercept, n=60)
    expected = list(naive_epochs(problem, name, 3, np.zeros(5), 0.4 * fit_intercept, None))
    csr = problem._replace(X=as_rows(sparse.csr_matrix(np.asarray(problem.X))))
    for twin in (problem, csr):
        steps = start(twin, intercept=0.4 * fit_intercept)
        for w, b in expected:
            coef, intercept = steps.epoch()
            assert_allclose(coef, w, rtol=1e-6, atol=1e-8)
            assert_allclose(intercept, b, rtol=1e-6, atol=1e-8)
            if l1 > 0.0:
                assert_array_equal(coef == 0.0, w == 0.0)


@pytest.mark.parametrize("name", ["squared_error", "log_loss"])
def test_epochs_from_a_view_equal_a_naive_loop(rng, name):
    problem = make_problem(rng, name, n=60)
    w, b = rng.normal(size=5), 0.4
    expected = list(naive_epochs(problem, name, 2, w, b, "view"))
    steps = start(problem, w, b, evaluate(problem, w, b, None))
    for v, c in expected:
        coef, intercept = steps.epoch()
        assert_allclose(coef, v, rtol=1e-6, atol=1e-8)
        assert_allclose(intercept, c, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("name", SMOOTH)
def test_epochs_converge_to_the_optimum(rng, name, shuffle):
    problem = make_problem(rng, name)
    steps = start(problem, shuffle=shuffle)
    for _ in range(150):
        w, b = steps.epoch()
    data = name, np.asarray(problem.X), problem.y
    rest = problem.l1, problem.l2, problem.sample_weight
    assert naive.duality_gap(*data, w, b, *rest) < 1e-7
    best = naive.optimum(*data, *rest)
    value = naive.smooth_objective(*data, w, b, *rest)
    assert value <= naive.smooth_objective(*data, *best, *rest) + 1e-7


@pytest.mark.parametrize("name", SMOOTH)
def test_epochs_from_the_optimum_stay(rng, name):
    problem = make_problem(rng, name)
    data = name, np.asarray(problem.X), problem.y
    w, b = naive.optimum(*data, problem.l1, problem.l2, problem.sample_weight)
    w[np.abs(w) < 1e-7] = 0.0
    steps = start(problem, w, b, evaluate(problem, w, b, None), shuffle=True)
    for _ in range(5):
        coef, intercept = steps.epoch()
        assert_allclose(coef, w, atol=1e-4)
        assert_allclose(intercept, b, atol=1e-4)


def test_only_rows_that_count_are_visited(rng):
    problem = make_problem(rng)
    X, y = np.array(problem.X), problem.y.copy()
    X[:7], y[:7] = 1e3, np.nan
    twin = problem._replace(X=as_rows(X), y=y)
    assert_array_equal(start(twin).epoch()[0], start(problem).epoch()[0])


def test_order_is_that_of_the_generator(rng):
    problem = make_problem(rng)
    first, second = (start(problem, shuffle=True) for _ in range(2))
    for _ in range(3):
        assert_array_equal(first.epoch()[0], second.epoch()[0])
    assert not np.array_equal(
        start(problem).epoch()[0], start(problem, shuffle=True).epoch()[0]
    )


def test_float32_data_are_computed_in_float64(rng):
    problem = make_problem(rng)
    single = np.asarray(problem.X).astype(np.float32)
    twins = [problem._replace(X=as_rows(X)) for X in (single, single.astype(np.float64))]
    for (coef, intercept), (w, b) in zip(*([start(t).epoch()] for t in twins), strict=True):
        assert_allclose(coef, w, rtol=1e-12)
        assert_allclose(intercept, b, rtol=1e-12)


def test_steps_on_badly_scaled_rows_stay_finite(rng):
    """An implicit step cannot be too long, whatever the scale."""
    problem = make_problem(rng, "log_loss", l1=0.0, l2=1e-3)
    X = np.asarray(problem.X) * 10.0 ** np.array([-6, -3, 0, 3, 6])
    problem = problem._replace(X=as_rows(X))
    steps = start(problem, shuffle=True)
    for _ in range(20):
        coef, intercept = steps.epoch()
        assert np.isfinite(coef).all()
        assert np.isfinite(intercept)
    value = naive.smooth_objective(
        "log_loss", X, problem.y, coef, intercept, 0.0, 1e-3, problem.sample_weight
    )
    assert value < np.log(2)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("name", SMOOTH)
def test_each_column_of_a_block_is_what_it_would_be_alone(rng, name, fit_intercept):
    strengths = [(0.1, 0.001), (0.05, 0.3), (0.0, 0.02)] + [(0.02, 0.0)] * 7
    one = make_problem(rng, name, fit_intercept=fit_intercept)
    one = one._replace(X=as_rows(sparse.csr_matrix(one.X)))
    problems = [one._replace(l1=l1, l2=l2) for l1, l2 in strengths]
    norms = checked_row_norms(one.X, one.rows)
    w, b = 0.1 * rng.normal(size=one.n_features), 0.2 * fit_intercept
    for coef, intercept, evaluation in (
        (np.zeros_like(w), 0.0, None),
        (w, b, evaluate(one, w, b, None)),
    ):
        together = BlockRowSteps(
            problems, coef, intercept, evaluation, norms, True,
            generator_state(np.random.RandomState(0)),
        )  # fmt: skip
        alone = [start(one, coef, intercept, evaluation, shuffle=True) for one in problems]
        for _ in range(3):
            together.epoch()
            for m, steps in enumerate(alone):
                expected, end = steps.epoch()
                assert_allclose(together.coef[:, m], expected, rtol=1e-7, atol=1e-10)
                assert_allclose(together.intercept[m], end, rtol=1e-7, atol=1e-10)
