import math

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from sklearn._loss.loss import HalfBinomialLoss, HalfSquaredError, HuberLoss

from skreg._compile import compiled
from skreg.losses import (
    CLASSIFICATION_LOSSES,
    LOSSES,
    Smoothed,
    bounded_slope,
    conjugate,
    curvature,
    derivative,
    implicit_slope,
    make_loss,
    value,
)

EPSILON = 0.3
SMOOTH = [name for name in LOSSES if LOSSES[name].max_curvature is not None]
KINKED = [name for name in LOSSES if name not in SMOOTH]


def loss_and_target(name):
    return make_loss(name, EPSILON), (-1.0 if name in CLASSIFICATION_LOSSES else 0.7)


@compiled
def compiled_formulas(loss, y, p, u):
    return value(loss, y, p), derivative(loss, y, p), conjugate(loss, y, u)


@pytest.mark.parametrize("name", LOSSES)
def test_compiled_formulas_equal_python(name):
    loss, y = loss_and_target(name)
    for p in (-3.0, -0.2, 0.0, 0.9, 4.0):
        u = 0.5 * loss.derivative(y, p)
        expected = loss.value(y, p), loss.derivative(y, p), loss.conjugate(y, u)
        assert_allclose(compiled_formulas(loss, y, p, u), expected, rtol=1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_derivative_is_the_slope_of_the_value(name):
    loss, y = loss_and_target(name)
    for p in np.linspace(-4.0512, 4.0331, 81):
        numeric = (loss.value(y, p + 1e-6) - loss.value(y, p - 1e-6)) / 2e-6
        assert_allclose(loss.derivative(y, p), numeric, atol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_convex_and_facts_bound_it(name):
    loss, y = loss_and_target(name)
    p = np.linspace(-30, 30, 2001)
    slopes = np.array([loss.derivative(y, q) for q in p])
    steepness = np.diff(slopes) / np.diff(p)
    assert (steepness >= -1e-12).all()
    if loss.max_curvature is not None:
        assert 0.9 * loss.max_curvature < steepness.max() <= loss.max_curvature + 1e-9
    if loss.slope_bound is not None:
        far = [loss.derivative(y, q) for q in (-1e9, 1e9)]
        assert np.abs(slopes).max() <= loss.slope_bound
        assert_allclose(np.abs(far), loss.slope_bound, rtol=1e-12)
    errors = np.linspace(0.0, 5.0, 501)
    free = [loss.value(0.7, 0.7 + e) < 1e-30 for e in errors]
    if name not in CLASSIFICATION_LOSSES:
        assert_allclose(errors[free].max(), loss.insensitivity, atol=0.01)


@pytest.mark.parametrize("name", LOSSES)
def test_conjugate_is_the_maximum(name):
    loss, y = loss_and_target(name)
    for p in (-2.0, -0.1, 0.3, 1.5):
        u = 0.7 * loss.derivative(y, p)
        best = minimize_scalar(
            lambda q, u=u: loss.value(y, q) - u * q, bounds=(-60, 60), method="bounded"
        )
        assert_allclose(loss.conjugate(y, u), -best.fun, atol=1e-5)
        # Fenchel and Young: equality at the derivative, an inequality elsewhere.
        slope = loss.derivative(y, p)
        assert_allclose(loss.value(y, p) + loss.conjugate(y, slope), slope * p, atol=1e-12)
        assert loss.value(y, p) + loss.conjugate(y, u) >= u * p - 1e-12


@pytest.mark.parametrize("name", ["huber", "epsilon_insensitive", "log_loss", "hinge"])
def test_conjugate_is_infinite_outside_its_domain(name):
    loss, y = loss_and_target(name)
    assert loss.conjugate(y, 5.0) == math.inf
    assert loss.conjugate(y, -5.0) == math.inf


def test_scaling_is_that_of_scikit_learn(rng):
    y, p = rng.normal(size=20), 3 * rng.normal(size=20)
    peers = {
        "squared_error": (HalfSquaredError(), y),
        "huber": (HuberLoss(delta=EPSILON), y),
        "log_loss": (HalfBinomialLoss(), (y > 0).astype(float)),
    }
    for name, (peer, target) in peers.items():
        ours = make_loss(name, EPSILON)
        signed = np.where(y > 0, 1.0, -1.0) if name == "log_loss" else y
        values = [ours.value(t, q) for t, q in zip(signed, p, strict=True)]
        assert_allclose(values, peer.loss(y_true=target, raw_prediction=p), rtol=1e-12)


def test_log_loss_does_not_overflow():
    loss = make_loss("log_loss")
    assert loss.value(1.0, 1000.0) == 0.0
    assert loss.value(-1.0, 1000.0) == 1000.0
    assert loss.derivative(-1.0, 1000.0) == 1.0
    assert loss.derivative(1.0, 1000.0) == 0.0


@compiled
def compiled_smooth_formulas(loss, y, p, q, u):
    return curvature(loss, y, p), implicit_slope(loss, y, p, q, u)


@pytest.mark.parametrize("name", SMOOTH)
def test_compiled_smooth_formulas_equal_python(name):
    loss, y = loss_and_target(name)
    for p in (-3.0, -0.2, 0.0, 0.9, 4.0):
        for q in (1e-3, 1.0, 1e3):
            u = loss.derivative(y, 0.5)
            expected = loss.curvature(y, p), loss.implicit_slope(y, p, q, u)
            got = compiled_smooth_formulas(loss, y, p, q, u)
            assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("name", SMOOTH)
def test_formulas_equal_naive_ones(name):
    loss, y = loss_and_target(name)
    for p in np.linspace(-4.0512, 4.0331, 41):
        u = loss.derivative(y, p)
        assert_allclose(loss.value(y, p), naive.VALUES[name](y, p, EPSILON), rtol=1e-14)
        assert_allclose(u, naive.DERIVATIVES[name](y, p, EPSILON), rtol=1e-14)
        expected = naive.CONJUGATES[name](y, 0.6 * u, EPSILON)
        assert_allclose(loss.conjugate(y, 0.6 * u), expected, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", SMOOTH)
def test_curvature_is_the_slope_of_the_derivative(name):
    loss, y = loss_and_target(name)
    h = 1e-6
    for p in np.linspace(-4.0512, 4.0331, 81):  # no point is within h of a jump
        numeric = (loss.derivative(y, p + h) - loss.derivative(y, p - h)) / (2 * h)
        assert_allclose(loss.curvature(y, p), numeric, atol=1e-8)
        assert 0.0 <= loss.curvature(y, p) <= loss.max_curvature


@pytest.mark.parametrize("name", SMOOTH)
def test_curvature_at_a_jump_is_one_of_two(name):
    loss, y = loss_and_target(name)
    for p in (y - EPSILON, y + EPSILON, 1.0, -1.0, 0.0):
        sides = [loss.curvature(y, p - 1e-9), loss.curvature(y, p + 1e-9)]
        assert np.isclose(loss.curvature(y, p), sides).any()


@pytest.mark.parametrize("name", SMOOTH)
def test_implicit_slope_is_the_root(name):
    loss, _ = loss_and_target(name)
    is_classification = name in CLASSIFICATION_LOSSES
    targets = (-1.0, 1.0) if is_classification else (-1e6, -2.0, 0.0, 0.7, 1e6)
    for y in targets:
        for a in (-1e6, -800.0, -30.0, -1.0, -0.1, 0.0, 0.4, 1.0, 2.3, 40.0, 750.0, 1e6):
            for q in (1e-6, 1e-3, 0.5, 1.0, 7.0, 1e3, 1e5, 1e8):
                root = naive.implicit_slope(name, y, a, q, EPSILON)
                slope = loss.derivative(y, a)
                for guess in (0.0, slope, root, 0.9 * root, -y * 1e-12):
                    got = loss.implicit_slope(y, a, q, guess)
                    assert abs(got - root) <= 1e-8 * max(1.0, abs(root)), (y, a, q, guess)
                    # With the step taken, the derivative is that very slope.
                    rounding = 1e-15 * loss.max_curvature * (abs(a) + q * abs(got) + abs(y))
                    left = got - loss.derivative(y, a - q * got)
                    bound = 1e-8 * max(1.0, abs(root)) * (1.0 + q * loss.max_curvature)
                    assert abs(left) <= bound + rounding, (y, a, q, guess)


def test_implicit_slope_of_the_log_loss_between_flat_ends(rng):
    """Where Newton's method alone goes to and fro: one in a hundred such steps."""
    loss = make_loss("log_loss")
    for _ in range(3000):
        a, q = 3.0 * rng.normal(), 10.0 ** rng.choice([rng.uniform(0.5, 6.0), 50.0, 200.0])
        root = naive.implicit_slope("log_loss", 1.0, a, q)
        rtol = 1e-9 * (1.0 + abs(a - q * root))  # the margin is what converges
        for guess in (loss.derivative(1.0, a), -rng.random()):
            assert_allclose(loss.implicit_slope(1.0, a, q, guess), root, rtol=rtol)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - set(SMOOTH)))
def test_implicit_step_at_a_kink_ends_at_the_proximal_point(name):
    loss, y = loss_and_target(name)
    for a in (-3.0, -0.3, 0.0, 0.31, 0.4, 1.0, 2.3):
        for q in (1e-3, 0.5, 7.0, 1e3):
            end = a - q * loss.implicit_slope(y, a, q, 0.0)

            def suboptimality(p, a=a, q=q):
                return loss.value(y, p) + (p - a) ** 2 / (2.0 * q)

            for other in [*np.linspace(-5.0, 5.0, 101), a, end - 1e-4, end + 1e-4]:
                assert suboptimality(end) <= suboptimality(other) + 1e-12


@compiled
def compiled_bounded_slope(loss, y, p, q):
    return bounded_slope(loss, y, p, q)


@pytest.mark.parametrize("name", LOSSES)
def test_bounded_slope_ends_on_its_side_of_the_minimum(name):
    loss, y = loss_and_target(name)
    for p in (-40.0, -3.0, -0.2, 0.0, 0.9, 4.0, 1e6):
        slope = loss.derivative(y, p)
        assert bounded_slope(loss, y, p, 0.0) == slope
        for q in (1e-6, 1e-3, 1.0, 1e3, 1e9):
            u = bounded_slope(loss, y, p, q)
            assert compiled_bounded_slope(loss, y, p, q) == pytest.approx(u, rel=1e-8)
            assert abs(u) <= abs(slope)
            assert u * slope >= 0.0
            assert loss.derivative(y, p - q * u) * slope >= -1e-6 * slope**2


@pytest.mark.parametrize("name", SMOOTH)
def test_implicit_slope_stays_in_the_domain_of_the_conjugate(name):
    loss, y = loss_and_target(name)
    for a in (-1e8, -1e3, -1.0, 0.0, 1.0, 1e3, 1e8):
        for q in (1e-6, 1.0, 1e8):
            u = loss.implicit_slope(y, a, q, 0.0)
            assert math.isfinite(loss.conjugate(y, u))
            assert abs(u) <= abs(loss.derivative(y, a)) * (1 + 1e-9)


@compiled
def compiled_smoothed(loss, y, p, q, u):
    return (
        value(loss, y, p),
        derivative(loss, y, p),
        conjugate(loss, y, u),
        curvature(loss, y, p),
        implicit_slope(loss, y, p, q, 0.0),
    )


@pytest.mark.parametrize("width", [1e-3, 0.4, 7.0])
@pytest.mark.parametrize("name", KINKED)
def test_smoothed_losses_are_moreau_envelopes(name, width):
    loss, y = loss_and_target(name)
    y *= 1.7  # targets that the method of multipliers has moved
    smooth = Smoothed(loss, width)
    places = np.linspace(-12.0, 12.0, 240_001)
    values = np.array([loss.value(y, q) for q in places])
    for p in (-3.01, -1.31, -0.11, 0.36, 1.06, 1.61, 4.01):
        envelope = (values + (p - places) ** 2 / (2.0 * width)).min()
        assert_allclose(smooth.value(y, p), envelope, atol=1e-5 + 1e-8 / width)
        step = 1e-6 * width
        numeric = (smooth.value(y, p + step) - smooth.value(y, p - step)) / (2.0 * step)
        slope = smooth.derivative(y, p)
        assert_allclose(slope, numeric, atol=1e-5)
        bend = smooth.derivative(y, p + step) - smooth.derivative(y, p - step)
        assert_allclose(smooth.curvature(y, p), bend / (2.0 * step), atol=1e-5 / width)
        # Fenchel and Young, and the slope after an implicit step.
        equal = smooth.value(y, p) + smooth.conjugate(y, slope)
        assert_allclose(equal, slope * p, atol=1e-12)
        u = smooth.implicit_slope(y, p, 0.3, 0.0)
        assert_allclose(u, smooth.derivative(y, p - 0.3 * u), atol=1e-12)
        formulas = compiled_smoothed(smooth, y, p, 0.3, slope)
        expected = smooth.value(y, p), slope, smooth.conjugate(y, slope)
        assert_allclose(formulas[:3], expected, rtol=1e-12, atol=1e-15)
        assert_allclose(formulas[3:], (smooth.curvature(y, p), u), rtol=1e-12)
    assert smooth.max_curvature == 1.0 / width


@pytest.mark.parametrize("name", KINKED)
def test_derivatives_jump_by_1_at_the_kinks(name):
    loss, y = loss_and_target(name)
    slopes = [-1.0, -0.5, 0.0, 0.5, 1.0]
    for kink in loss.kinks(y):
        ends = loss.derivative(y, kink - 1e-9), loss.derivative(y, kink + 1e-9)
        assert ends[1] - ends[0] == 1.0
        assert not loss.is_at_kink(np.array(ends)).any()
    assert_array_equal(loss.is_at_kink(np.array(slopes)), np.abs(slopes) == 0.5)
