import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar

import skreg
from skreg.penalties.elastic_net import ElasticNet

W, GRADIENT, STEP, LAMBDA = [2.5, -0.8, 0.1], [-0.2, 0.1, -0.05], 0.1, 0.01
exact = {"rtol": 0, "atol": 1e-12}


@pytest.mark.parametrize(
    ("strengths", "mode", "expected"),
    [
        ({"l2": 2 * LAMBDA}, "subgradient", [2.515, -0.8084, 0.1048]),
        ({"l1": LAMBDA}, "subgradient", [2.519, -0.809, 0.104]),
        ({"l1": LAMBDA, "l2": 2 * LAMBDA}, "subgradient", [2.514, -0.8074, 0.1038]),
    ],
)
def test_worked_example(strengths, mode, expected):
    assert_allclose(
        skreg.step(W, GRADIENT, STEP, mode=mode, **strengths), expected, **exact
    )


def test_worked_example_proximal():
    both = skreg.step(W, GRADIENT, STEP, l1=LAMBDA, l2=2 * LAMBDA)
    l2 = skreg.step(W, GRADIENT, STEP, l2=2 * LAMBDA)
    assert_allclose(both, [2.51397, -0.80739, 0.10379], atol=5e-6)
    assert_allclose(l2, [2.51497, -0.80838, 0.10479], atol=5e-6)
    assert_allclose(both, (np.array([2.52, -0.81, 0.105]) - [1e-3, -1e-3, 1e-3]) / 1.002)


def test_terms_gradients_and_losses_of_the_example():
    l2, l1 = ElasticNet(l2=2 * LAMBDA), ElasticNet(l1=LAMBDA)
    assert_allclose(l2.subgradient(W), [0.05, -0.016, 0.002], **exact)
    assert_allclose(l1.subgradient(W), [0.01, -0.01, 0.01], **exact)
    assert_allclose(GRADIENT + l2.subgradient(W), [-0.15, 0.084, -0.048], **exact)
    assert_allclose(GRADIENT + l1.subgradient(W), [-0.19, 0.09, -0.04], **exact)
    assert_allclose(1.2 + l2.value(W), 1.269, **exact)
    assert_allclose(1.2 + l1.value(W), 1.234, **exact)
    assert_allclose(1.2 + ElasticNet(LAMBDA, 2 * LAMBDA).value(W), 1.303, **exact)


@pytest.mark.parametrize(
    ("strength", "expected"),
    [
        (0.0, [2.7, -0.9, 0.15]),
        (0.01, [2.6487, -0.8832, 0.1476]),
        (0.1, [2.2256, -0.7451, 0.1274]),
        (1.0, [0.3577, -0.1305, 0.0331]),
    ],
)
def test_ten_subgradient_steps(strength, expected):
    w = W
    for _ in range(10):
        w = skreg.step(w, GRADIENT, STEP, l2=2 * strength, mode="subgradient")
    assert_array_equal(np.round(w, 4), expected)


def test_two_cycle_of_the_subgradient_and_exact_zero_of_the_prox():
    naive = exactly = [0.1234]
    for _ in range(100):
        naive = skreg.step(naive, [0.0], 0.01, l1=1.0, mode="subgradient")
        exactly = skreg.step(exactly, [0.0], 0.01, l1=1.0)
    other = skreg.step(naive, [0.0], 0.01, l1=1.0, mode="subgradient")
    assert_allclose(sorted([naive[0], other[0]]), [-0.0066, 0.0034], atol=1e-12)
    assert exactly[0] == 0.0


def test_a_weight_carried_across_zero_becomes_zero():
    assert skreg.step([0.1], [0.0], 0.1, l1=3.0)[0] == 0.0
    assert_allclose(skreg.step([0.1], [0.0], 0.1, l1=3.0, mode="subgradient"), [-0.2])


@pytest.mark.parametrize(("l1", "l2"), [(0.5, 0.0), (0.0, 0.7), (0.5, 0.7)])
def test_prox_minimizes(l1, l2):
    penalty, step_size = ElasticNet(l1, l2), 0.8
    for w in (-2.0, -0.3, 0.0, 0.4, 5.0):
        best = minimize_scalar(
            lambda v, w=w: (v - w) ** 2 / 2 + step_size * penalty.value([v]),
            bounds=(-6, 6),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert_allclose(penalty.prox([w], step_size), [best.x], atol=1e-6)


def test_inputs_stay_and_mistakes_are_named():
    w = np.array(W)
    skreg.step(w, GRADIENT, STEP, l1=1.0)
    assert_array_equal(w, W)
    with pytest.raises(ValueError, match="mode must be"):
        skreg.step(W, GRADIENT, STEP, mode="prox")
    with pytest.raises(ValueError, match="step_size must be"):
        skreg.step(W, GRADIENT, -1.0)
    with pytest.raises(ValueError, match="gradient must have the shape"):
        skreg.step(W, [0.0], STEP)
    with pytest.raises(ValueError, match="l1 must be"):
        ElasticNet(l1=-1.0)
    with pytest.raises(ValueError, match="l2 must be"):
        skreg.step(W, GRADIENT, STEP, l2=np.nan)
