import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

import skreg
from skreg.data.matrices import as_rows
from skreg.data.order import RowSequence
from skreg.kernels.epochs import (
    Iterate,
    Plan,
    SlopeTable,
    Strengths,
    Sums,
    sgd_epoch,
    svrg_epoch,
)
from skreg.kernels.passes import curvature_pass, hessian_product, loss_pass
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, make_loss

PENALTIES = {"none": (0.0, 0.0), "l1": (0.05, 0.0), "l2": (0.0, 0.3), "both": (0.05, 0.3)}
SMOOTH = [name for name in LOSSES if LOSSES[name].max_curvature is not None]
ORACLES = {"proximal": naive.proximal_sgd, "subgradient": naive.subgradient_sgd}


def epoch(
    X, y, steps, weights, loss, l1, l2, mode, coef=None, average=False, intercept=1,
    implicit_gains=None,
):  # fmt: skip
    """Run one epoch in storage order; return coef, intercept, mean coef, mean intercept."""
    n, p = X.shape
    matrix, raw = as_rows(X), np.zeros(p) if coef is None else np.array(coef)
    implicit_gains = np.zeros(n) if implicit_gains is None else implicit_gains
    order, prefetch_rows = np.arange(n), np.arange(3, n)
    plan = Plan(
        order, prefetch_rows, steps, weights, intercept * steps, implicit_gains, steps
    )
    sums = Sums(np.zeros(p), 0.0, 0.0, 0.0) if average else None
    strengths = Strengths(l1, l2, mode == "subgradient", False)
    numbers, of_sums = sgd_epoch(
        matrix, y, plan, Iterate(raw, 1.0, 0.0, 0.0), sums, loss, strengths
    )
    scale, threshold, end = numbers
    coef = scale * naive.soft(raw, threshold)
    scale_sum, threshold_sum, intercept_sum = of_sums
    total = None if sums is None else sums.coef + scale_sum * raw
    mean = None if sums is None else naive.soft(total / n, threshold_sum / n)
    return coef, end, mean, intercept_sum / n


def random_problem(rng, name="squared_error"):
    X = rng.normal(size=(60, 8)) * (rng.random((60, 8)) < 0.4)
    X[:, 7] = 0.0  # a feature that never comes, and one that comes once, early
    X[:, 6] = 0.0
    X[1, 6] = 3.0
    y = X @ rng.normal(size=8) + 0.5 + 0.1 * rng.normal(size=60)
    if name in CLASSIFICATION_LOSSES:
        y = np.where(y > 0, 1.0, -1.0)
    steps = 0.1 / np.sqrt(1.0 + np.arange(60))
    return X, y, steps, rng.random(60) * 2


@pytest.mark.parametrize("mode", ORACLES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("name", LOSSES)
def test_epoch_equals_naive_loop_for_dense_and_sparse(rng, name, penalty, mode):
    X, y, steps, weights = random_problem(rng, name)
    loss, (l1, l2) = make_loss(name), PENALTIES[penalty]
    *_, (w, b) = ORACLES[mode](X, y, loss, steps, weights, l1, l2)
    for storage in (np.asarray, sparse.csr_matrix):
        coef, intercept, _, _ = epoch(storage(X), y, steps, weights, loss, l1, l2, mode)
        assert_allclose(coef, w, rtol=1e-9, atol=1e-13)
        assert_allclose(intercept, b, rtol=1e-9)
        if mode == "proximal":
            assert (coef[w == 0] == 0).all()


@pytest.mark.parametrize("mode", ORACLES)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_average_is_the_mean_of_all_iterates(rng, penalty, mode):
    X, y, steps, weights = random_problem(rng)
    loss, (l1, l2) = make_loss("squared_error"), PENALTIES[penalty]
    start = rng.normal(size=8)
    path = list(ORACLES[mode](X, y, loss, steps, weights, l1, l2, coef=start))
    expected = np.mean([w for w, _ in path], axis=0)
    if mode == "proximal" and l1 > 0.0:
        expected = naive.mean_before_threshold(X, y, loss, steps, weights, l1, l2, start)
        kept = (np.array([np.sign(w) for w, _ in path]) == np.sign(start)).all(axis=0)
        assert_allclose(expected[kept], np.mean([w for w, _ in path], axis=0)[kept])
    for storage in (np.asarray, sparse.csr_matrix):
        _, _, mean, mean_intercept = epoch(
            storage(X), y, steps, weights, loss, l1, l2, mode, coef=start, average=True
        )
        assert_allclose(mean, expected, atol=1e-13)
        assert_allclose(mean_intercept, np.mean([b for _, b in path]), atol=1e-13)


@pytest.mark.parametrize("mode", ORACLES)
def test_one_row_is_one_step(rng, mode):
    x, start, y = rng.normal(size=(1, 5)), rng.normal(size=5), np.array([0.4])
    loss, eta = make_loss("huber", 0.2), np.array([0.3])
    coef, *_ = epoch(x, y, eta, np.ones(1), loss, 0.1, 0.2, mode, coef=start)
    gradient = loss.derivative(y[0], x[0] @ start) * x[0]
    expected = skreg.step(start, gradient, 0.3, l1=0.1, l2=0.2, mode=mode)
    assert_allclose(coef, expected, rtol=1e-12)


@pytest.mark.parametrize("mode", ORACLES)
@pytest.mark.parametrize("name", LOSSES)
def test_no_step_goes_beyond_the_minimum_of_its_row(rng, name, mode):
    X, y, _, weights = random_problem(rng, name)
    weights *= 10.0 ** rng.uniform(-3, 3, size=60)
    loss, steps = make_loss(name), np.full(60, 0.5)
    implicit_gains = weights * steps * ((X**2).sum(axis=1) + 1.0)
    for i in range(60):
        row, only = X[i : i + 1], slice(i, i + 1)
        w, b, _, _ = epoch(
            row, y[only], steps[only], weights[only], loss, 0.0, 0.0, mode,
            implicit_gains=implicit_gains[only],
        )  # fmt: skip
        before, after = (loss.derivative(y[i], p) for p in (0.0, row[0] @ w + b))
        assert before * after >= -1e-9  # the slope keeps its sign
        assert abs(after) <= abs(before)


def test_float32_data_are_computed_in_float64(rng):
    X, y, steps, weights = random_problem(rng)
    X = X.astype(np.float32)
    arguments = y, steps, weights, make_loss("squared_error"), 0.05, 0.3, "proximal"
    for storage in (np.asarray, sparse.csr_matrix):
        single, *_ = epoch(storage(X), *arguments)
        double, *_ = epoch(storage(X.astype(np.float64)), *arguments)
        assert_allclose(single, double, rtol=1e-12)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("mode", ORACLES)
def test_small_scales_are_folded_in(rng, mode, average):
    """Strong L2 drives the scale below any power of ten many times in one epoch."""
    X, y, steps, weights = random_problem(rng)
    loss, l2 = make_loss("squared_error"), 0.9 / steps.max()
    path = list(ORACLES[mode](X, y, loss, steps, weights, 0.01, l2))
    for storage in (np.asarray, sparse.csr_matrix):
        coef, _, mean, _ = epoch(
            storage(X), y, steps, weights, loss, 0.01, l2, mode, average=average
        )
        assert_allclose(coef, path[-1][0], rtol=1e-7, atol=1e-14)
        if average and mode == "subgradient":
            assert_allclose(mean, np.mean([w for w, _ in path], axis=0), atol=1e-11)
        elif average:
            expected = naive.mean_before_threshold(X, y, loss, steps, weights, 0.01, l2)
            assert_allclose(mean, expected, atol=1e-12)


def test_rare_features_lose_their_weight_without_a_visit():
    """Rows [1, 0] twenty times, then [0, 1]: the first weight must die unvisited."""
    X = np.repeat([[1.0, 0.0], [0.0, 1.0]], [20, 2000], axis=0)
    steps, ones = np.full(2020, 0.05), np.ones(2020)
    for storage in (np.asarray, sparse.csr_matrix):
        coef, *_ = epoch(
            storage(X), ones, steps, ones, make_loss("squared_error"), 0.05, 0.0,
            "proximal", intercept=0,
        )  # fmt: skip
        assert coef[0] == 0.0
        assert_allclose(coef[1], 0.95, atol=1e-6)


@pytest.mark.parametrize("intercept_scale", [0.0, 0.7])
@pytest.mark.parametrize("l1", [0.0, 0.05])
@pytest.mark.parametrize("name", SMOOTH)
def test_svrg_epoch_equals_naive_loop_for_dense_and_sparse(rng, name, l1, intercept_scale):
    X, y, _, s = random_problem(rng, name)
    s /= s.sum()
    order = np.r_[rng.permutation(60), 7, 7, 3]  # a row may come more than once
    slopes = 0.3 * naive.DERIVATIVES[name](y, X @ rng.normal(size=8), 0.1)
    start, scale = 0.2 * rng.normal(size=9), 2.5
    expected = naive.dual_ascent(
        name, X, y, order, s, slopes, start[:-1], start[-1], scale, l1, intercept_scale
    )
    for storage in (np.asarray, sparse.csr_matrix):
        slope_table = SlopeTable(slopes.copy(), s, (X**2).sum(axis=1))
        coef = start.copy()
        sequence = RowSequence(order, order[2:])
        svrg_epoch(
            as_rows(storage(X)), y, sequence, slope_table, coef, scale, l1,
            intercept_scale, make_loss(name),
        )  # fmt: skip
        assert_allclose(slope_table.slopes, expected[0], rtol=1e-7, atol=1e-9)
        assert_allclose(coef[:-1], expected[1], rtol=1e-7, atol=1e-9)
        assert_allclose(coef[-1], expected[2], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_pass_shows_what_it_sees(rng, name, storage, dtype):
    X, y, _, s = random_problem(rng, name)
    X, rows = X.astype(dtype), rng.permutation(60)[:40]
    loss, w, b = make_loss(name), rng.normal(size=8), 0.4
    seen, gradients = np.full((2, 40), np.nan), np.zeros((2, 9))
    total = loss_pass(as_rows(storage(X)), y, s, rows, w, b, loss, seen, gradients)
    raw = X.astype(np.float64)[rows] @ w + b
    pairs = list(zip(y[rows], raw, strict=True))
    assert_allclose(total, s[rows] @ [loss.value(t, p) for t, p in pairs])
    assert_allclose(seen[0], raw, rtol=1e-12, atol=1e-13)
    slopes = np.array([loss.derivative(t, p) for t, p in pairs])
    assert_allclose(seen[1], slopes, rtol=1e-12, atol=1e-13)
    with_ones = np.column_stack([X[rows], np.ones(40)]).astype(np.float64)
    for part, u in zip(
        gradients, (np.maximum(slopes, 0), np.minimum(slopes, 0)), strict=True
    ):
        assert_allclose(part, with_ones.T @ (s[rows] * u), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", SMOOTH)
def test_curvature_pass(rng, name):
    y = np.where(rng.random(20) < 0.5, -1.0, 1.0)
    rows, raw, out = rng.permutation(20)[:12], rng.normal(size=12), np.full(12, np.nan)
    curvature_pass(y, rows, raw, make_loss(name), out)
    derivative, h = naive.DERIVATIVES[name], 1e-6
    numeric = derivative(y[rows], raw + h, 0.1) - derivative(y[rows], raw - h, 0.1)
    assert_allclose(out, numeric / (2 * h), atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_hessian_product(rng, storage, dtype):
    X, *_ = random_problem(rng)
    X, rows, curvatures = X.astype(dtype), rng.permutation(60)[:40], rng.random(40)
    vector, before = rng.normal(size=9), rng.normal(size=9)
    out = before.copy()
    hessian_product(as_rows(storage(X)), rows, curvatures, vector, out)
    with_ones = np.column_stack([X[rows], np.ones(40)]).astype(np.float64)
    expected = before + with_ones.T @ (curvatures * (with_ones @ vector))
    assert_allclose(out, expected, rtol=1e-12, atol=1e-13)
