import pickle
from itertools import pairwise

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso

import skreg
from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor
from skreg.losses import CLASSIFICATION_LOSSES, make_loss
from skreg.solvers.sgd.columns import split
from skreg.solvers.sgd.schedules import SCHEDULES, ScheduleParameters, optimal_offset

IN_ORDER = {"shuffle": False, "tol": None}


def test_schedules_are_those_of_scikit_learn():
    """The formulas of SGDRegressor, whose t starts at 1."""
    t = np.arange(5.0)
    offset = optimal_offset(make_loss("log_loss"), 0.01)
    parameters = ScheduleParameters(0.25, 0.01, 0.0, offset, 1.0)
    assert_allclose(SCHEDULES["constant"](t, 0.1, parameters), 1.0)
    assert_allclose(SCHEDULES["invscaling"](t, 0.1, parameters), 1 / (t + 1) ** 0.25)
    typical = np.sqrt(1 / np.sqrt(0.01))
    assert_allclose(
        SCHEDULES["optimal"](t, 0.1, parameters), 1 / (0.01 * (1 / (typical * 0.01) + t))
    )
    t = np.array([0.0, 30_000.0])
    assert_allclose(SCHEDULES["auto"](t, 0.1, parameters), [1.0, 0.125])
    strong = parameters._replace(l2=2.0)
    assert_allclose(SCHEDULES["auto"](np.array([1e6]), 0.1, strong), 1 / (1 + 0.2 * 1e6))


@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "optimal"])
def test_given_steps_are_taken_to_the_letter(offset_problem, learning_rate, mode):
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(
        penalty="elasticnet", alpha=2.0, l1_ratio=0.9, learning_rate=learning_rate,
        eta0=0.05, power_t=0.25, mode=mode, max_iter=5, **IN_ORDER,
    ).fit(X, y)  # fmt: skip
    X, y = np.tile(X, (5, 1)), np.tile(y, 5)
    t, loss = np.arange(len(y)), make_loss("squared_error")
    steps = {
        "constant": np.full(len(y), 0.05),
        "invscaling": 0.05 / (t + 1) ** 0.25,
        "optimal": 1 / (2.0 * (optimal_offset(loss, 2.0) + t)),
    }[learning_rate]
    oracle = naive.proximal_sgd if mode == "proximal" else naive.subgradient_sgd
    *_, (w, b) = oracle(X, y, loss, steps, np.ones(len(y)), 1.8, 0.2)
    assert_allclose(model.coef_, w, rtol=1e-9)
    assert_allclose(model.intercept_, b, rtol=1e-9)


@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet", None])
@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
@pytest.mark.parametrize("average", [False, True, 30])
def test_dense_equals_sparse(offset_problem, penalty, mode, average):
    csr, X, y = offset_problem
    model = SGDRegularizedRegressor(
        penalty=penalty, alpha=0.05, mode=mode, average=average, max_iter=20, tol=None,
        random_state=3,
    )  # fmt: skip
    model.fit(X, y)
    coef, intercept = model.coef_, model.intercept_
    wide = csr.copy()
    wide.indices, wide.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    for twin in (csr, wide, csr.tocsc(), csr.tocoo(), sparse.csr_array(csr)):
        model.fit(twin, y)
        assert_allclose(model.coef_, coef, rtol=1e-9, atol=1e-12)
        assert_allclose(model.intercept_, intercept, rtol=1e-10)


@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet"])
@pytest.mark.parametrize("loss", ["squared_error", "epsilon_insensitive"])
@pytest.mark.parametrize("learning_rate", ["auto", "invscaling"])
@pytest.mark.parametrize("kind", ["dense", "CSR", "dense mean", "CSR mean"])
@pytest.mark.parametrize("weighted", [False, True])
def test_any_split_into_batches_is_bit_identical(
    offset_problem, rng, penalty, loss, learning_rate, kind, weighted
):
    """fit for 3 epochs, 3 calls of partial_fit, and batches of any size are one stream."""
    csr, X, y = offset_problem
    X, average = csr if "CSR" in kind else X, 100 if "mean" in kind else False
    s = np.where(np.arange(120) < 30, 0.1, 10.0 ** rng.uniform(-6, 6, size=120))
    s = s if weighted else np.full(120, 0.1)
    model = SGDRegularizedRegressor(
        loss, penalty=penalty, solver="sgd", alpha=0.05, average=average,
        learning_rate=learning_rate, max_iter=3, **IN_ORDER,
    )  # fmt: skip
    expected = model.fit(X, y, sample_weight=s).coef_
    for cuts in ([0, 120], [0, 1, 50, 51, 120], list(range(0, 121, 8))):
        stream = SGDRegularizedRegressor(**model.get_params())
        for _ in range(3):
            for start, stop in pairwise(cuts):
                part = slice(start, stop)
                stream.partial_fit(X[part], y[part], sample_weight=s[part])
        assert_array_equal(stream.coef_, expected)
        assert_array_equal(stream.intercept_, model.intercept_)
        assert stream.t_ == model.t_ == 361


@pytest.mark.parametrize("learning_rate", ["constant", "adaptive"])
def test_what_thresholds_have_in_store_fades(rng, learning_rate):
    """A small weight is found although its feature had nothing to explain at first."""
    X = rng.normal(size=(8000, 2))
    y = np.append(np.zeros(4000), X[4000:] @ [1.0, 0.2])
    model = SGDRegularizedRegressor(
        penalty="l1", alpha=0.1, learning_rate=learning_rate, eta0=0.003, **IN_ORDER
    ).partial_fit(X, y)
    assert_allclose(model.coef_, [0.9, 0.1], atol=0.05)


@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_default_steps_find_small_weights(noise):
    """Every weight of the optimum, however small, and hardly any other."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X, coef = rng.standard_normal((500, 50)), np.append([3.0, -2, 1.5, 1, -1], [0] * 45)
        y = X @ coef + noise * rng.standard_normal(500)
        lasso = Lasso(0.15, tol=1e-10).fit(X, y)
        model = SGDRegularizedRegressor(
            penalty="l1", alpha=0.15, solver="sgd", max_iter=100, tol=None, random_state=0
        ).fit(X, y)
        needed, kept = lasso.coef_ != 0.0, model.coef_ != 0.0
        assert kept[needed].all()
        assert kept[~needed].sum() <= 2
        best = skreg.objective(X, y, lasso.coef_, lasso.intercept_, l1=0.15)
        assert model.objective_ <= 1.0001 * best


@pytest.mark.parametrize("kind", ["dense", "CSR", "classes"])
@pytest.mark.parametrize("moves", [False, True])
def test_weights_shown_are_the_tail_average(rng, kind, moves):
    n, scale = 600, np.array([1.0, 3.0, 1.0, 0.3, 1.0, 1.0])
    X = rng.standard_normal((n, 6)) * scale
    y = X @ [1.0, -1.0, 0.02, 0.0, 0.0, 0.0] + rng.standard_normal(n)
    y[400:] *= 1.0 - 2.0 * moves  # the optimum jumps to the other side
    units = np.cumsum(np.linalg.norm(X, axis=1)) / np.arange(1, n + 1)
    X = X if kind == "dense" else sparse.csr_matrix(X)
    model = SGDRegularizedRegressor(penalty="l1", alpha=0.05, shuffle=False)
    options = {}
    if kind == "classes":
        y, options = np.digitize(y, [-1.0, 1.0]), {"classes": [0, 1, 2]}
        model = SGDRegularizedClassifier(penalty="l1", alpha=0.05, shuffle=False)
    discounts, updates = [256, 304, 362, 430, 512], []
    for first, last in pairwise([*discounts, 608]):
        interval = max(last // 64, 6)
        updates += [t for t in range(first + 1, last + 1) if t % interval == 0]
    iterates = []
    for i in range(n):
        model.partial_fit(X[i : i + 1], y[i : i + 1], **options)
        states = split(model._states)
        weights = [np.append(s.settled(s.iterate), s.iterate.intercept) for s in states]
        iterates.append(np.array(weights))
        shown = np.column_stack([np.atleast_2d(model.coef_), np.ravel(model.intercept_)])
        expected = [
            naive.tail_average(part, discounts, updates, units**2 / 6)
            for part in np.stack(iterates, axis=1)
        ]
        assert_allclose(shown, expected, rtol=1e-11, atol=1e-15)


def test_weights_shown_follow_when_the_optimum_moves(rng):
    X = rng.standard_normal((20_000, 10))
    signs = np.where(np.arange(20_000) < 10_000, 1.0, -1.0)
    y = signs * (X @ [1.0, 2.0, *[0.0] * 8]) + 0.3 * rng.standard_normal(20_000)
    model = SGDRegularizedRegressor(penalty="l1", alpha=0.01)
    model.partial_fit(X[:10_000], y[:10_000])
    assert_allclose(model.coef_[:2], [1.0, 2.0], atol=0.05)
    model.partial_fit(X[10_000:12_000], y[10_000:12_000])
    assert_allclose(model.coef_[:2], [-1.0, -2.0], atol=0.2)


def test_batches_keep_pending_penalties():
    """A weight whose feature comes no more dies, over many calls as in one."""
    model = SGDRegularizedRegressor(
        penalty="l1", alpha=0.05, eta0=0.05, learning_rate="constant", fit_intercept=False,
        **IN_ORDER,
    )  # fmt: skip
    for storage in (np.array, sparse.csr_matrix):
        model.partial_fit(storage([[1.0, 0.0]] * 20), np.ones(20))
        assert model.coef_[0] > 0.2
        for _ in range(500):
            model.partial_fit(storage([[0.0, 1.0]]), [1.0])
        assert model.coef_[0] == 0.0


def test_rows_of_weight_zero_do_not_exist(offset_problem, rng):
    csr, X, y = offset_problem
    keep = rng.random(120) < 0.6
    junk = np.where(keep, y, 1e3 * rng.normal(size=120))
    model = SGDRegularizedRegressor(solver="sgd", alpha=0.1, random_state=0, tol=1e-2)
    for matrix in (X, csr):
        model.fit(matrix[keep], y[keep])
        coef, n_iter = model.coef_, model.n_iter_
        model.fit(matrix, junk, sample_weight=keep.astype(float))
        assert_array_equal(model.coef_, coef)
        assert model.n_iter_ == n_iter


def test_weights_times_a_constant_change_nothing(offset_problem, rng):
    _, X, y = offset_problem
    weights = rng.random(120)
    for loss in ("squared_error", "squared_epsilon_insensitive"):
        model = SGDRegularizedRegressor(loss, random_state=0, max_iter=20, tol=None)
        coef = model.fit(X, y, sample_weight=weights).coef_
        for factor in (1e-3, 1000.0):
            model.fit(X, y, sample_weight=factor * weights)
            assert_allclose(model.coef_, coef, rtol=1e-6)
        equal = model.fit(X, y, sample_weight=np.full(120, 0.3)).coef_
        assert_allclose(equal, model.fit(X, y).coef_, rtol=1e-12)


def test_uneven_weights_in_a_stream_count_from_call_to_call(offset_problem):
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(shuffle=False)
    whole = model.partial_fit(X, y, sample_weight=np.repeat([1.0, 5.0], 60)).coef_
    stream = SGDRegularizedRegressor(shuffle=False)
    stream.partial_fit(X[:60], y[:60])
    stream.partial_fit(X[60:], y[60:], sample_weight=np.full(60, 5.0))
    assert_allclose(stream.coef_, whole, rtol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "log_loss", "squared_hinge"])
def test_constant_steps_are_no_noisier_where_weights_differ(loss, scale):
    """Where there is nothing to learn, all that the objective rises by is noise."""
    rng, noise = np.random.default_rng(0), {True: [], False: []}
    kind = SGDRegularizedRegressor
    if loss in CLASSIFICATION_LOSSES:
        kind = SGDRegularizedClassifier
    settings = {"alpha": 0.0, "learning_rate": "constant", "fit_intercept": False}
    model = kind(loss, solver="sgd", tol=None, max_iter=10, random_state=0, **settings)
    for _ in range(10):
        X, y = rng.normal(size=(300, 5)), rng.choice([-1.0, 1.0], 300)
        for uneven in noise:
            weights = scale * 10.0 ** (uneven * rng.uniform(-3.0, 3.0, 300))
            coef = model.fit(X, y, sample_weight=weights).coef_.ravel()
            objectives = [
                skreg.objective(X, y, w, loss=loss, sample_weight=weights / weights.max())
                for w in (coef, 0.0 * coef)
            ]
            noise[uneven].append(objectives[0] / objectives[1])
    assert np.mean(noise[True]) < np.mean(noise[False])


@pytest.mark.parametrize("loss", ["huber", "epsilon_insensitive"])
@pytest.mark.parametrize("target", [1e3, 1e9])
def test_a_light_first_row_does_not_mislead(rng, loss, target):
    """The intercept begins at its target, and again at that of the first heavy row."""
    X = rng.normal(size=(500, 3))
    y = X @ [1.0, 2.0, 0.0] + 3.0 + 0.1 * rng.normal(size=500)
    weights = np.append(1e-6, np.ones(499))
    model = SGDRegularizedRegressor(loss, solver="sgd", max_iter=20, **IN_ORDER)
    without = model.fit(X[1:], y[1:]).coef_
    model.fit(X, np.append(target, y[1:]), sample_weight=weights)
    assert_allclose(model.coef_, without, atol=0.1)
    assert_allclose(model.intercept_, 3.0, atol=0.1)
    given = SGDRegularizedRegressor(loss, solver="sgd", max_iter=1, **IN_ORDER)
    given.fit(X[:1], y[:1], intercept_init=[7.0])
    assert given.intercept_[0] != y[0]


def test_one_heavy_row_does_not_blow_up(rng):
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, 2.0, 3.0] + 0.01 * rng.normal(size=200)
    weights = np.ones(200)
    weights[7] = 1e4
    model = SGDRegularizedRegressor(penalty=None, max_iter=1000, tol=None, random_state=0)
    model.fit(X, y, sample_weight=weights)
    assert_allclose(model.coef_, [1, 2, 3], atol=0.1)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_default_steps_are_scale_free(rng, scale):
    """The fit of scaled rows or targets is the scaled fit: no step depends on units."""
    X, noise = rng.normal(size=(100, 4)), rng.normal(size=100)
    y = X @ [1.0, -2.0, 0.0, 3.0] + 5.0 + 0.1 * noise
    model = SGDRegularizedRegressor(penalty=None, random_state=0, max_iter=50)
    model.set_params(tol=None)
    reference = model.fit(X, y)
    coef, intercept = reference.coef_, reference.intercept_
    model.fit(scale * X, y)
    assert_allclose(scale * model.coef_, coef, rtol=1e-9)
    assert_allclose(model.intercept_, intercept, rtol=1e-9)
    model.fit(X, scale * y)
    assert_allclose(model.coef_, scale * coef, rtol=1e-9)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "epsilon_insensitive"])
def test_constant_targets(rng, loss):
    csr = sparse.random(200, 10, density=0.3, format="csr", random_state=0)
    model = SGDRegularizedRegressor(loss, random_state=0, max_iter=200)
    for X in (csr, csr.toarray()):
        model.fit(X, np.full(200, 10.0))
        assert_allclose(model.predict(X), 10.0, atol=0.2)


def test_schedules_never_read_alpha_where_nothing_is_penalized(offset_problem):
    _, X, y = offset_problem
    for learning_rate in SCHEDULES:
        fits = [
            SGDRegularizedRegressor(
                penalty=penalty, alpha=alpha, learning_rate=learning_rate, random_state=0,
                max_iter=5, tol=None,
            ).fit(X, y).coef_
            for penalty, alpha in ((None, 1e-4), (None, 10.0), ("l2", 0.0), ("l1", 0.0))
        ]  # fmt: skip
        for coef in fits[1:]:
            assert_array_equal(coef, fits[0])


@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_short_steps_of_a_loss_are_short_steps_of_its_penalty(storage, mode):
    """Steps that never fall end where loss and penalty balance, not before."""
    X, y = storage(np.ones((50, 1))), np.ones(50)
    for penalty, expected in (("l1", 0.7), ("l2", 1 / 1.3), ("elasticnet", 0.85 / 1.15)):
        model = SGDRegularizedRegressor(
            penalty=penalty, alpha=0.3, l1_ratio=0.5, mode=mode, fit_intercept=False,
            solver="sgd", learning_rate="constant", max_iter=10, tol=None,
        ).fit(X, y)  # fmt: skip
        assert_allclose(model.coef_, expected, rtol=1e-6)


def test_strong_penalties_shrink_in_proximal_mode(rng):
    """alpha * eta = 2: the naive factor 1 - 2 has no meaning, 1 / (1 + 2) has."""
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, 2.0, 3.0]
    model = SGDRegularizedRegressor(
        alpha=200.0,
        eta0=0.01,
        learning_rate="constant",
        max_iter=300,
        random_state=0,
        average=True,
    )
    model.set_params(tol=None).fit(X, y)
    ridge = np.linalg.solve(X.T @ X / 200 + 200 * np.eye(3), X.T @ y / 200)
    assert_allclose(model.coef_, ridge, rtol=0.1)
    with pytest.raises(ValueError, match=r"must be below 1, but it is 2.*Lower eta0"):
        model.set_params(mode="subgradient").fit(X, y)


def test_average_stays_put_where_the_penalty_balances_the_loss():
    """X = y = 1 twice, L1 of one half: averaging must not drift with the epochs."""
    for penalty, expected in (("l1", 0.5), ("elasticnet", 0.6)):
        for epochs in (100, 1000):
            model = SGDRegularizedRegressor(
                penalty=penalty, alpha=0.5, l1_ratio=0.5, average=True, eta0=0.1,
                learning_rate="constant", fit_intercept=False, max_iter=epochs, tol=None,
            ).fit([[1.0], [1.0]], [1.0, 1.0])  # fmt: skip
            assert_allclose(model.coef_, expected, atol=4 / epochs)


def test_subgradient_two_cycle_in_a_fit():
    """No gradient, step 0.01, strength 1: a weight of 0.1234 ends on the two-cycle."""
    ends = set()
    for epochs in (100, 101):
        model = SGDRegularizedRegressor(
            penalty="l1", alpha=1.0, eta0=0.01, learning_rate="constant",
            fit_intercept=False, max_iter=epochs, tol=None,
        )  # fmt: skip
        for X in (np.zeros((1, 1)), sparse.csr_matrix((1, 1))):
            naive_fit = model.set_params(mode="subgradient").fit(
                X, [0.0], coef_init=[0.1234]
            )
            ends.add(round(float(naive_fit.coef_[0]), 10))
            exact = model.set_params(mode="proximal").fit(X, [0.0], coef_init=[0.1234])
            assert exact.coef_[0] == 0.0
    assert ends == {-0.0066, 0.0034}


def test_integer_seeds_repeat_and_instances_advance(offset_problem):
    _, X, y = offset_problem
    settings = {"solver": "sgd", "max_iter": 3, "tol": None}
    once, again = (
        SGDRegularizedRegressor(random_state=5, **settings).fit(X, y).coef_ for _ in "ab"
    )
    assert_array_equal(once, again)
    shared = np.random.RandomState(5)
    first, second = (
        SGDRegularizedRegressor(random_state=shared, **settings).fit(X, y).coef_
        for _ in "ab"
    )
    assert not np.array_equal(first, second)


def test_calls_of_partial_fit_advance_the_random_numbers(offset_problem):
    """Epochs of partial_fit see the orders that epochs of fit see."""
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(solver="sgd", random_state=5, max_iter=4, tol=None)
    coef = model.fit(X, y).coef_
    stream = SGDRegularizedRegressor(random_state=5)
    for _ in range(4):
        stream.partial_fit(X, y)
    assert_array_equal(stream.coef_, coef)


@pytest.mark.parametrize("average", [False, 200])
def test_warm_starts_go_on_where_the_last_fit_ended(offset_problem, average):
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(
        penalty="l1", alpha=0.1, solver="sgd", random_state=5, average=average,
        max_iter=5, tol=None, warm_start=True,
    )  # fmt: skip
    coef = model.fit(X, y).coef_
    parts = clone(model).set_params(max_iter=3).fit(X, y)
    parts = pickle.loads(pickle.dumps(parts)).set_params(max_iter=2).fit(X, y)
    assert_array_equal(parts.coef_, coef)
    assert parts.t_ == model.t_
    with pytest.raises(ValueError, match=r"cannot go on from coef_ of shape"):
        parts.fit(X[:, :2], y)


def test_classes_in_threads_are_the_same(rng):
    X, y = rng.normal(size=(90, 4)), np.repeat(list("abc"), 30)
    fits = [
        SGDRegularizedClassifier(random_state=0, n_jobs=n, max_iter=9, tol=None)
        .fit(X, y)
        .coef_
        for n in (None, 2)
    ]
    assert_array_equal(*fits)


def test_switching_the_mean_off_forgets_it(offset_problem):
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(average=True, shuffle=False).partial_fit(X, y)
    plain = SGDRegularizedRegressor(shuffle=False).partial_fit(X, y)
    model.set_params(average=False).partial_fit(X, y)
    assert not np.array_equal(model.coef_, plain.coef_)
    assert_array_equal(model.coef_, plain.partial_fit(X, y).coef_)


def test_thresholds_pending_from_other_settings_are_settled(offset_problem):
    _, X, y = offset_problem
    settings = {"learning_rate": "constant", "eta0": 0.05, "shuffle": False, "alpha": 0.3}
    for changed in ({"penalty": None}, {"mode": "subgradient"}):
        model = SGDRegularizedRegressor(penalty="l1", **settings).partial_fit(X, y)
        start, intercept = model.coef_, model.intercept_[0]
        model.set_params(**changed).partial_fit(X, y)
        l1 = 0.0 if "penalty" in changed else 0.3
        loss, ones = make_loss("squared_error"), np.ones(120)
        *_, (w, _) = naive.subgradient_sgd(
            X, y, loss, 0.05 * ones, ones, l1, 0.0, coef=start, intercept=intercept
        )
        assert_allclose(model.coef_, w, rtol=1e-9)


def test_changed_strengths_settle_what_is_pending(rng):
    """Else a threshold due to the old alpha would hold all weights at 0."""
    X = rng.normal(size=(500, 6))
    y = 2 * X[:, 0] - X[:, 1]
    for settings in ({}, {"learning_rate": "adagrad"}, {"average": True}):
        model = SGDRegularizedRegressor(
            penalty="l1", alpha=4.0, solver="sgd", random_state=0, max_iter=20, tol=None,
            warm_start=True, **settings,
        )  # fmt: skip
        assert not model.fit(X, y).coef_.any()
        model.set_params(alpha=0.1, max_iter=60).fit(X, y)
        assert_array_equal(np.flatnonzero(model.coef_), [0, 1])
        assert np.abs(model.coef_).min() < 1e-9 < 0.5 < np.abs(model.coef_[:2]).min()
        model.partial_fit(X, y)
        assert_array_equal(np.flatnonzero(model.coef_), [0, 1])


@pytest.mark.parametrize("loss", ["squared_error", "huber", "epsilon_insensitive"])
@pytest.mark.parametrize("factor", [0.0, 1e-6, 1e-3])
def test_short_first_rows_do_no_harm(rng, loss, factor):
    X = 100.0 * rng.normal(size=(500, 6))
    X[:5] *= factor
    y = 0.02 * X[:, 0] - 0.01 * X[:, 1] + 0.1 * rng.normal(size=500)
    settings = {"penalty": "l1", "alpha": 0.1, "max_iter": 60, "tol": None}
    fits = [
        SGDRegularizedRegressor(loss, solver="sgd", shuffle=False, **settings).fit(M, y)
        for M in (X, sparse.csr_matrix(X))
    ]
    best = SGDRegularizedRegressor(loss, random_state=0, **settings).fit(X[5:], y[5:])
    assert_allclose(fits[0].coef_, fits[1].coef_, rtol=1e-9)
    assert_allclose(fits[0].coef_, best.coef_, atol=1e-3)


def test_an_outlier_that_comes_first_is_forgotten(rng):
    X = rng.normal(size=(500, 3))
    y = X @ [1.0, 2.0, 0.0]
    y[0] = 1e4
    model = SGDRegularizedRegressor(
        "huber", solver="sgd", shuffle=False, max_iter=50, tol=None
    )
    assert_allclose(model.fit(X, y).coef_, [1, 2, 0], atol=0.1)
    assert abs(model.intercept_[0]) < 0.3


@pytest.mark.parametrize("factor", [1e-6, 1e3, 1e6])
@pytest.mark.parametrize("loss", ["huber", "epsilon_insensitive"])
def test_losses_of_bounded_slope_follow_the_targets(rng, loss, factor):
    X = rng.normal(size=(1000, 4))
    y = factor * (X @ [2.0, -1.0, 0.0, 0.0] + 5.0 + 0.1 * rng.normal(size=1000))
    for mode in ("proximal", "subgradient"):
        model = SGDRegularizedRegressor(
            loss, mode=mode, solver="sgd", epsilon=0.1 if factor > 1 else 1e-7,
            max_iter=100, tol=None, random_state=0, alpha=1e-9,
        )  # fmt: skip
        model.fit(X, y)
        assert_allclose(model.coef_ / factor, [2, -1, 0, 0], atol=0.1)


def test_a_mean_that_begins_later_forgets_the_one_before(offset_problem):
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(average=True, shuffle=False).partial_fit(X, y)
    model.set_params(average=10_000).partial_fit(X, y)
    plain = SGDRegularizedRegressor(shuffle=False).partial_fit(X, y).partial_fit(X, y)
    assert_array_equal(model.coef_, plain.coef_)


def stream(rng, n=3000):
    X, w = rng.normal(size=(n, 5)), np.array([1.0, 2.0, 3.0, 0.0, 0.0])
    return X, X @ w + 1.0, w


@pytest.mark.parametrize("learning_rate", ["auto", "adagrad"])
@pytest.mark.parametrize("factor", [10.0, 1e5])
def test_a_long_row_does_not_harm_what_predicts_it(rng, learning_rate, factor):
    X, y, w = stream(rng)
    model = SGDRegularizedRegressor(learning_rate=learning_rate, shuffle=False)
    model.partial_fit(X, y)
    long_row = factor * X[:1]
    model.partial_fit(long_row, long_row @ w + 1.0)
    assert_allclose(model.coef_, w, atol=0.02)
    assert_allclose(model.partial_fit(X[:100], y[:100]).coef_, w, atol=0.02)


@pytest.mark.parametrize("settings", [
    {"learning_rate": "constant", "eta0": 0.01}, {"learning_rate": "adagrad"},
    {"loss": "huber"}, {"alpha": 1e-3, "solver": "auto"},
])  # fmt: skip
def test_plain_steps_go_on_from_other_ones(rng, settings):
    X, y, w = stream(rng)
    model = SGDRegularizedRegressor(random_state=0, penalty="l1", alpha=1e-4)
    model.set_params(**settings).fit(X, y)
    model.set_params(loss="squared_error", learning_rate="auto", eta0=None)
    assert_allclose(model.partial_fit(X[:20], y[:20]).coef_, w, atol=0.05)


@pytest.mark.parametrize("penalty", ["l1", None])
def test_averages_forget_what_was_out_of_scale(rng, penalty):
    X, y, w = stream(rng)
    X[0] *= 1e-6
    model = SGDRegularizedRegressor(average=True, penalty=penalty, shuffle=False)
    assert_allclose(model.partial_fit(X, y).coef_, w, atol=0.15)


def test_a_mean_that_began_too_early_is_dropped(rng):
    X, y, _ = stream(rng)
    model = SGDRegularizedRegressor(
        learning_rate="constant", eta0=0.01, average=True, shuffle=False
    ).partial_fit(X[:1000], y[:1000])
    last = clone(model).set_params(average=False).partial_fit(X[:1000], y[:1000])
    last.partial_fit(X[:1], y[:1])
    model.set_params(average=1001).partial_fit(X[:1], y[:1])
    assert_allclose(model.coef_, last.coef_, rtol=1e-12)


def test_weights_times_a_constant_change_no_long_step(rng):
    """Where the implicit slope of the log loss once had two answers."""
    X = rng.normal(size=(200, 6)) * (rng.random((200, 6)) < 0.6)
    y, s = rng.integers(0, 2, 200), rng.random(200)
    model = SGDRegularizedClassifier(solver="sgd", tol=None, max_iter=4, random_state=0)
    coefs = [clone(model).fit(X, y, sample_weight=k * s).coef_ for k in (1.0, 3.0)]
    assert_allclose(*coefs, rtol=1e-6)


@pytest.mark.parametrize("max_iter", [20, 300])
def test_adaptive_means_go_on_with_their_clock(max_iter):
    """Also where a plateau is reached in the last epoch."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(80, 20)), rng.integers(2, size=80)
        model = SGDRegularizedClassifier(
            learning_rate="adaptive", average=True, max_iter=max_iter, tol=1e-9,
            n_iter_no_change=2, random_state=0,
        )  # fmt: skip
        with pytest.warns(ConvergenceWarning):
            steps = model.fit(X, y).t_
        assert model.partial_fit(X, y).t_ == steps + 80


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("shortness", [0.3, 0.01])
def test_a_short_first_row_does_not_spoil_what_was_learned(shortness, storage):
    """Steps after a fit begin in the scale of its rows, not in that of the next row."""
    rng = np.random.default_rng(0)
    w, X = rng.normal(size=20), rng.normal(size=(2000, 20))
    y = X @ w + rng.normal(size=2000)
    model = SGDRegularizedRegressor(random_state=0).fit(storage(X), y)
    first = model.score(storage(X), y)
    for seed in range(10):
        batch = np.random.default_rng(seed).normal(size=(10, 20))
        batch[0] *= shortness
        targets = batch @ w + np.random.default_rng(seed).normal(size=10)
        other = pickle.loads(pickle.dumps(model)).partial_fit(storage(batch), targets)
        assert other.score(storage(X), y) > first - 0.01


def test_given_weights_are_not_scaled_down(rng):
    """Rows that turn out to be longer scale down what steps have led to, and no more."""
    X = rng.normal(size=(50, 3))
    X[0] *= 1e-3
    w = np.array([1.0, -2.0, 3.0])
    model = SGDRegularizedRegressor(solver="sgd", shuffle=False, max_iter=1, tol=None)
    model.set_params(penalty=None, fit_intercept=False).fit(X, X @ w, coef_init=w)
    assert_allclose(model.coef_, w, rtol=1e-12)


def test_the_penalty_of_a_row_has_its_weight():
    """Heavy rows take implicit steps; light ones must not bring the penalty alone."""
    X, l2 = np.array([[1.0, 0.0], [1.0, 0.0]]), 0.3
    model = SGDRegularizedRegressor(
        solver="sgd", alpha=l2, fit_intercept=False, max_iter=1, tol=None, shuffle=False
    )
    model.fit(X, [2.0, 3.0], coef_init=[0.0, 1.0], sample_weight=[1.0, 3.0])
    first, second = 1.0 / 3.0, 1.0 / 3.0 / (1.0 + l2 / 3.0)  # step sizes
    second *= 3.0 / 2.0  # the weight, relative to the mean so far
    shares = [step / (1.0 + step) for step in (first, second)]
    expected = 1.0 / ((1.0 + shares[0] * l2) * (1.0 + shares[1] * l2))
    assert_allclose(model.coef_[1], expected, rtol=1e-12)


@pytest.mark.parametrize("loss", ["huber", "epsilon_insensitive"])
def test_one_wild_target_does_not_decide_how_long_steps_are(loss):
    rng = np.random.default_rng(0)
    w, X = np.array([1.0, -2.0, 0.0, 3.0, 0.0]), rng.normal(size=(300, 5))
    y = X @ w + 0.1 * rng.normal(size=300)
    y[100] = 1e6
    s = np.ones(300)
    model = SGDRegularizedRegressor(loss, solver="sgd", max_iter=100, tol=None)
    model.set_params(random_state=0).fit(X, y, sample_weight=s)
    assert_allclose(model.coef_, w, atol=0.3)
    s[100] = 1e-12  # a row of hardly any weight is nearly none
    model.fit(X, y, sample_weight=s)
    s[100] = 0.0
    other = clone(model).fit(X, y, sample_weight=s)
    for fitted in (model, other):
        assert_allclose(fitted.coef_, w, atol=0.1)


def bounded_problem(scale, spread=1.0):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5))
    return X, scale * (X[:, 0] + spread * rng.standard_normal(200))


@pytest.mark.parametrize("kind", ["dense", "CSR", "stream"])
@pytest.mark.parametrize("scale", [1e-6, 1e3, 1e8])
def test_a_penalty_acts_whole_on_far_targets(scale, kind):
    """Beyond alpha_max no weight is left, however far the targets are beyond epsilon."""
    X, y = bounded_problem(scale)
    epsilon = 1e-4 * scale
    alpha = 3.0 * skreg.alpha_max(X, y, loss="huber", epsilon=epsilon)
    model = SGDRegularizedRegressor(
        "huber", penalty="l1", alpha=alpha, epsilon=epsilon, solver="sgd", random_state=0
    )
    if kind == "stream":
        for _ in range(100):
            model.partial_fit(X, y)
    else:
        model.fit(X if kind == "dense" else sparse.csr_matrix(X), y)
    best = clone(model).set_params(solver="auto").fit(X, y)
    found = skreg.objective(
        X, y, model.coef_, model.intercept_[0], loss="huber", l1=alpha, epsilon=epsilon
    )
    assert found <= 1.001 * best.objective_
    assert not model.coef_.any()


@pytest.mark.parametrize("width", [1e-4, 1e-2, 0.1, 1.0])
@pytest.mark.parametrize(("penalty", "l1_ratio"), [("l1", 1.0), ("l2", 0.0)])
@pytest.mark.parametrize("fraction", [0.05, 0.5, 2.0])
def test_huber_comes_near_the_optimum(width, penalty, l1_ratio, fraction):
    """In units of the null objective, for any width beside the scale of the targets."""
    X, y = bounded_problem(1e4, spread=0.3)
    epsilon = 1e4 * width
    alpha = fraction * epsilon
    if penalty == "l1":
        alpha = fraction * skreg.alpha_max(X, y, loss="huber", epsilon=epsilon)
    model = SGDRegularizedRegressor(
        "huber", penalty=penalty, alpha=alpha, epsilon=epsilon, random_state=0, tol=None,
        solver="sgd", max_iter=100,
    ).fit(X, y)  # fmt: skip
    best = clone(model).set_params(solver="auto", tol=1e-6).fit(X, y)
    null = skreg.objective(X, y, np.zeros(5), np.median(y), loss="huber", epsilon=epsilon)
    assert model.objective_ - best.objective_ <= 4e-3 * null


@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
@pytest.mark.parametrize("learning_rate", [*SCHEDULES, "adagrad"])
@pytest.mark.parametrize(("penalty", "alpha"), [("l1", 1000.0), ("l2", 1.0)])
def test_default_steps_never_diverge(learning_rate, penalty, alpha, mode):
    if learning_rate == "optimal":
        pytest.skip("reads alpha, and no row")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3))
    y = 1e6 * (X[:, 0] + rng.standard_normal(50))
    model = SGDRegularizedRegressor(
        "huber", penalty=penalty, alpha=alpha, epsilon=1.35, learning_rate=learning_rate,
        mode=mode, solver="sgd", max_iter=50, tol=None, random_state=0,
    ).fit(X, y)  # fmt: skip
    start = skreg.objective(X, y, np.zeros(3), loss="huber", epsilon=1.35)
    assert model.objective_ <= start * (3.0 if mode == "subgradient" else 1.0 + 1e-4)


@pytest.mark.parametrize("loss", ["squared_error", "epsilon_insensitive", "log_loss"])
@pytest.mark.parametrize("learning_rate", ["auto", "constant", "adagrad"])
@pytest.mark.parametrize("factor", [10.0, 1e6])
@pytest.mark.filterwarnings("ignore:After 50 epochs the objective is")
def test_subgradient_steps_of_strong_penalties_stay_near(loss, learning_rate, factor):
    """The plateau on which weights go to and fro across 0 is as high as the start."""
    X, y = bounded_problem(1e3)
    X[:, 1] *= 1e-4
    kind = SGDRegularizedRegressor
    if loss == "log_loss":
        kind, y = SGDRegularizedClassifier, np.where(y > 0, 1.0, -1.0)
    slope = np.abs(X.T @ y).max() / 200
    for penalty in ("l1", "l2", "elasticnet"):
        model = kind(
            loss, penalty=penalty, alpha=factor * slope, mode="subgradient", solver="sgd",
            learning_rate=learning_rate, max_iter=50, tol=None, random_state=0,
        ).fit(X, y)  # fmt: skip
        zero = skreg.objective(X, y, np.zeros(5), loss=loss)
        assert model.objective_ <= 10.0 * zero


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
def test_huber_without_width_has_no_weights(offset_problem, fit_intercept, mode):
    csr, X, y = offset_problem
    for storage in (X, csr):
        for epsilon in (0.0, 5e-324, 1e-300):
            model = SGDRegularizedRegressor(
                "huber", epsilon=epsilon, fit_intercept=fit_intercept, mode=mode,
                solver="sgd", max_iter=3, tol=None, random_state=0,
            )  # fmt: skip
            model.fit(storage, y)
            coefs = [model.coef_, clone(model).partial_fit(storage, y).coef_]
            assert np.abs(coefs).max() <= 100.0 * (epsilon > 0.0)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "l2"])
@pytest.mark.parametrize("learning_rate", ["auto", "adagrad"])
def test_the_strongest_penalties_leave_no_weight(
    offset_problem, learning_rate, penalty, mode, average
):
    csr, X, y = offset_problem
    if learning_rate == "adagrad" and average:
        pytest.skip("has no average")
    for alpha in (1e30, 1e99 if mode == "subgradient" else 1e308):
        model = SGDRegularizedRegressor(
            penalty=penalty, alpha=alpha, learning_rate=learning_rate, mode=mode,
            average=average, solver="sgd", max_iter=5, tol=None, random_state=0,
        )  # fmt: skip
        for storage in (X, csr):
            assert_allclose(model.fit(storage, y).coef_, 0.0, atol=1e-20)
            if mode == "proximal" and penalty != "l2":
                assert not model.coef_.any()
            stream = clone(model).partial_fit(storage, y).partial_fit(storage, y)
            assert_allclose(stream.coef_, 0.0, atol=1e-20)
