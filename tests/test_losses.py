import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from sklearn._loss.loss import HalfBinomialLoss, HalfSquaredError, HuberLoss

from skreg._compile import compiled
from skreg._losses import (
    CLASSIFICATION_LOSSES,
    LOSSES,
    conjugate,
    derivative,
    make_loss,
    value,
)

EPSILON = 0.3


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
        assert np.abs(slopes).max() == loss.slope_bound


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
