import pickle
import warnings

import numpy as np
import pytest
from numba import config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skreg import SGDRegularizedClassifier
from skreg.data.matrices import as_rows
from skreg.data.order import generator_state
from skreg.losses import CLASSIFICATION_LOSSES, make_loss
from skreg.objectives.certificate import certify, feature_curvatures
from skreg.objectives.problem import Problem
from skreg.solvers.sgd.columns import can_share, grouped, split
from skreg.solvers.sgd.sgd import SGD
from skreg.solvers.sgd.state import SGDSettings, SGDState

PENALTIES = {"none": (0.0, 0.0), "l1": (0.02, 0.0), "l2": (0.0, 0.1), "both": (0.02, 0.1)}


def settings(**changed):
    values = {
        "subgradient": False, "schedule": "auto", "eta0": None, "power_t": 0.5,
        "shuffle": True, "average": 0, "early_stopping": False,
    }  # fmt: skip
    return SGDSettings(**values | changed)


def one_vs_rest(rng, l1=0.02, l2=0.1, n_classes=5, loss="log_loss", intercept=True):
    """Return the problems of some classes, on sparse rows with weights, some of them 0."""
    X = sparse.random(150, 30, density=0.2, format="csr", random_state=1)
    labels = rng.integers(n_classes, size=150)
    weights = rng.integers(3, size=150) * rng.random(150)
    rows = np.flatnonzero(weights)
    return [
        Problem(
            as_rows(X), np.where(labels == k, 1.0, -1.0), weights, rows, make_loss(loss),
            l1, l2, intercept,
        )
        for k in range(n_classes)
    ]  # fmt: skip


def states_of(problems):
    generator = generator_state(np.random.RandomState(3))
    zeros = np.zeros(problems[0].n_features)
    return [SGDState.start(zeros, 0.0, generator, k) for k in range(len(problems))]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
@pytest.mark.parametrize("intercept", [True, False])
def test_each_column_is_what_its_model_would_be_alone(rng, loss, penalty, intercept):
    problems = one_vs_rest(rng, *PENALTIES[penalty], loss=loss, intercept=intercept)
    for options in ({}, {"average": 40}, {"schedule": "optimal"}, {"eta0": 0.3}):
        block = SGD(problems, settings(**options), SGDState.join(states_of(problems)))
        alone = [
            SGD([problem], settings(**options), state)
            for problem, state in zip(problems, states_of(problems), strict=True)
        ]
        for _ in range(3):
            for descent in (block, *alone):
                descent.epoch()
            coefs, intercepts = block.weights()
            n_nonzero, finite = block.count_nonzero()
            assert finite
            certificates = block.certify()
            for m, descent in enumerate(alone):
                (coef,), (b,) = descent.weights()
                assert_allclose(coefs[m], coef, rtol=1e-9, atol=1e-13)
                assert_allclose(intercepts[m], b, rtol=1e-9, atol=1e-13)
                assert n_nonzero[m] == np.count_nonzero(coef)
                (seen,) = descent.certify()
                assert_allclose(certificates[m][:3], seen[:3], rtol=1e-9)
                if loss == "hinge":  # its steps end at the kink, but for rounding
                    continue
                assert_allclose(certificates[m][3:], seen[3:], rtol=1e-6, atol=1e-10)


@pytest.mark.skipif(config.DISABLE_JIT, reason="NumPy's sums have an order of their own")
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("settings", [
    {"penalty": "l1"}, {"penalty": "elasticnet", "eta0": 0.1}, {"mode": "subgradient"},
])  # fmt: skip
@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
def test_models_have_the_same_bits_in_blocks_of_any_size(rng, loss, settings, average):
    X = sparse.random(300, 40, density=0.3, format="csr", random_state=2)
    y, s = rng.integers(5, size=300), rng.random(300) + 0.01
    model = SGDRegularizedClassifier(
        loss, alpha=1e-3, solver="sgd", average=average, random_state=0, max_iter=4,
        tol=None, **settings,
    )  # fmt: skip
    fits = [clone(model).set_params(n_jobs=n).fit(X, y, sample_weight=s) for n in (1, 2, 5)]
    for other in fits[1:]:
        assert_array_equal(other.coef_, fits[0].coef_)
        assert_array_equal(other.intercept_, fits[0].intercept_)


def test_subgradient_steps_on_l2(rng):
    problems = one_vs_rest(rng, 0.0, 0.2)
    options = settings(subgradient=True)
    assert can_share(problems, options)
    block = SGD(problems, options, SGDState.join(states_of(problems)))
    block.epoch()
    for m, (problem, state) in enumerate(zip(problems, states_of(problems), strict=True)):
        alone = SGD([problem], options, state)
        alone.epoch()
        assert_allclose(block.weights()[0][m], alone.weights()[0][0], rtol=1e-9, atol=1e-13)


def test_scales_are_folded_in_time(rng):
    """Strong shrinkage would let the common factors underflow."""
    problems = one_vs_rest(rng, 0.001, 50.0)
    for average in (0, 1):
        options = settings(average=average, eta0=1.0, schedule="constant")
        block = SGD(problems, options, SGDState.join(states_of(problems)))
        alone = SGD([problems[2]], options, states_of(problems)[2])
        for _ in range(2):
            block.epoch()
            alone.epoch()
        assert block.state.iterate.scale.min() > 1e-10
        assert_allclose(block.weights()[0][2], alone.weights()[0][0], rtol=1e-9, atol=1e-14)


def test_rows_that_turn_out_longer_rescale_each_column(rng):
    problems = one_vs_rest(rng)
    X = sparse.csr_matrix(problems[0].X[:3], shape=(150, 30), copy=True)
    X.data[X.indptr[120] :] *= 100.0
    problems = [problem._replace(X=as_rows(X)) for problem in problems]
    options = settings(shuffle=False)
    block = SGD(problems, options, SGDState.join(states_of(problems)))
    block.epoch()
    coefs, _ = block.weights()
    for m, (problem, state) in enumerate(zip(problems, states_of(problems), strict=True)):
        alone = SGD([problem], options, state)
        alone.epoch()
        assert_allclose(coefs[m], alone.weights()[0][0], rtol=1e-8, atol=1e-13)


def test_joining_and_splitting_lose_nothing(rng):
    problems = one_vs_rest(rng)
    states = states_of(problems)
    for problem, state in zip(problems, states, strict=True):
        SGD([problem], settings(average=1), state).epoch()
    (block,) = grouped(states, None)
    assert block.models == (0, 1, 2, 3, 4)
    assert grouped([block], None) == [block]
    assert [state.models for state in grouped([block], 2)] == [(0, 1, 2), (3, 4)]
    for copy in (
        block,
        block.dense(),
        block.sparse().dense(),
        pickle.loads(pickle.dumps(block)),
    ):
        for old, new in zip(states, split([copy]), strict=True):
            assert_array_equal(old.weights()[0], new.weights()[0])
            assert old.weights()[1] == new.weights()[1]
            assert old.n_steps == new.n_steps
            assert_array_equal(old.generator, new.generator)
    for late in (1, 3):
        states[late].n_steps += 1
    states[4].n_steps += 2
    apart = grouped(states, None)
    assert [state.models for state in apart] == [(0, 2), (1, 3), (4,)]
    assert apart[2].iterate.coef.shape == (30, 1)
    assert grouped(apart, None) is apart
    for old, new in zip(states, split(apart), strict=True):
        assert_array_equal(old.weights()[0], new.weights()[0])
        assert old.n_steps == new.n_steps


def test_what_cannot_share_a_pass(rng):
    problems = one_vs_rest(rng)
    dense = [problem._replace(X=np.ones((150, 30))) for problem in problems]
    assert can_share(problems, settings())
    assert not can_share(dense, settings())
    assert not can_share(problems[:1], settings())
    assert not can_share(problems, settings(subgradient=True))
    assert not can_share(problems, settings(schedule="adaptive"))
    assert not can_share(problems, settings(schedule="adagrad"))


def data(rng, n_classes=4):
    X = sparse.random(200, 40, density=0.2, format="csr", random_state=0)
    return X, (X @ rng.normal(size=(40, n_classes))).argmax(axis=1)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_each_class_ends_where_it_would_alone(rng, penalty):
    X, y = data(rng)
    model = SGDRegularizedClassifier(
        solver="sgd", penalty=penalty, alpha=0.05, tol=1e-2, random_state=0
    ).fit(X, y)
    assert model.converged_.all()
    ends = []
    for k in range(4):
        alone = clone(model).fit(X, y == k)
        assert_allclose(model.coef_[k], alone.coef_[0], rtol=1e-8, atol=1e-12)
        assert model.objective_[k] == pytest.approx(alone.objective_)
        assert model.dual_gap_[k] == pytest.approx(alone.dual_gap_, rel=1e-5)
        history = model.history_[k]
        assert_array_equal(history["n_nonzero"], alone.history_["n_nonzero"])
        assert_allclose(history["objective"], alone.history_["objective"])
        ends.append(len(history["epoch"]))
    assert len(set(ends)) > 1
    assert model.n_iter_ == max(ends)
    problem = Problem(
        as_rows(X), np.where(y == 3, 1.0, -1.0), np.ones(200), np.arange(200),
        make_loss("log_loss"), *((0.05, 0.0) if penalty == "l1" else (0.0, 0.05)), True,
    )  # fmt: skip
    seen = certify(
        problem, model.coef_[3], model.intercept_[3], feature_curvatures(problem)
    )
    assert model.dual_gap_[3] == pytest.approx(seen.gap, rel=1e-6)


def test_classes_that_ended_apart_go_on_apart(rng):
    X, y = data(rng)
    model = SGDRegularizedClassifier(
        solver="sgd", alpha=0.05, tol=1e-2, random_state=0, warm_start=True
    ).fit(X, y)
    steps = [state.n_steps for state in split(model._states)]
    assert len(set(steps)) > 1
    coefs = model.coef_
    model.set_params(tol=None, max_iter=1).fit(X, y)
    assert [state.n_steps for state in split(model._states)] == [n + 200 for n in steps]
    assert not np.array_equal(coefs, model.coef_)


def test_no_class_that_ended_apart_starts_anew():
    """Weights stored from a block are, to the bit, those of the states that go on alone."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = sparse.random(300, 20, density=0.3, random_state=seed, format="csr")
        noise = rng.gumbel(size=(300, 4)) * [0.1, 0.1, 0.1, 2.0]
        y = (X @ (rng.standard_normal((20, 4)) * [0.2, 5.0, 2.0, 1.0]) + noise).argmax(1)
        model = SGDRegularizedClassifier(
            penalty="elasticnet", l1_ratio=0.8, alpha=0.002, solver="sgd", tol=3e-2,
            max_iter=60, random_state=0,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            before = [s.n_steps for s in split(model.fit(X, y)._states)]
        after = [s.n_steps for s in split(model.partial_fit(X, y)._states)]
        assert after == [n_steps + 300 for n_steps in before]
        assert len(set(before)) > 1


def test_one_feature_survives_sparsify(rng):
    X = sparse.csr_matrix(rng.standard_normal((400, 1)))
    y = np.digitize(X.toarray()[:, 0], [-1.0, 1.0])
    model = SGDRegularizedClassifier(penalty="l1", alpha=0.001, random_state=0)
    twin = clone(model)
    for _ in range(2):
        model.partial_fit(X, y, classes=[0, 1, 2]).sparsify()
        twin.partial_fit(X, y, classes=[0, 1, 2])
    assert_array_equal(model.coef_.toarray(), twin.coef_)


@pytest.mark.parametrize("average", [False, True])
def test_epochs_calls_and_batches_are_one(rng, average):
    """With rows in order: fit, calls, batches and copies end at the same bits."""
    X, y = data(rng)
    model = SGDRegularizedClassifier(
        solver="sgd", penalty="elasticnet", alpha=0.01, shuffle=False, tol=None,
        max_iter=3, average=average,
    )  # fmt: skip
    whole = clone(model).fit(X, y)
    calls, batches, threads = clone(model), clone(model), clone(model).set_params(n_jobs=2)
    for _ in range(3):
        calls.partial_fit(X, y, classes=range(4))
        calls = pickle.loads(pickle.dumps(calls.sparsify())).densify()
        threads.partial_fit(X, y, classes=range(4))
        for part in (slice(0, 7), slice(7, 8), slice(8, 200)):
            batches.partial_fit(X[part], y[part], classes=range(4))
    for other in (calls, batches, threads, clone(threads).fit(X, y)):
        assert_array_equal(other.coef_, whole.coef_)
        assert_array_equal(other.intercept_, whole.intercept_)
        assert other.t_ == whole.t_
    assert calls._states[0].n_models == 4


def test_dense_equals_sparse(rng):
    X, y = data(rng)
    for average in (False, 30):
        model = SGDRegularizedClassifier(
            solver="sgd", penalty="l1", alpha=0.01, tol=None, max_iter=4, random_state=2,
            average=average,
        )  # fmt: skip
        sparse_fit, dense_fit = clone(model).fit(X, y), clone(model).fit(X.toarray(), y)
        assert_allclose(sparse_fit.coef_, dense_fit.coef_, rtol=1e-8, atol=1e-12)
        changed = sparse_fit.partial_fit(X.toarray(), y)
        assert_allclose(changed.coef_, dense_fit.partial_fit(X, y).coef_, rtol=1e-8)


def test_a_class_changed_from_outside_starts_anew_alone(rng):
    X, y = data(rng)
    model = SGDRegularizedClassifier(random_state=0).partial_fit(X, y, classes=range(4))
    model.coef_[1] *= 2.0
    model.partial_fit(X, y)
    assert [state.n_steps for state in split(model._states)] == [400, 200, 400, 400]


def test_other_settings_settle_what_is_pending(rng):
    X, y = data(rng)
    for changed in (
        {"alpha": 0.001},
        {"average": True},
        {"fit_intercept": False},
        {"learning_rate": "adagrad"},
        {"learning_rate": "adaptive"},
    ):
        both = []
        for rows in (X, X.toarray()):
            model = SGDRegularizedClassifier(penalty="l1", alpha=0.02, random_state=0)
            model.partial_fit(rows, y, classes=range(4)).set_params(**changed)
            model.partial_fit(rows, y).set_params(learning_rate="auto")
            both.append(model.partial_fit(rows, y).coef_)
        assert_allclose(*both, rtol=1e-7, atol=1e-12)


def test_validation_returns_the_best_epoch_of_each_class(rng):
    X, y = data(rng)
    model = SGDRegularizedClassifier(
        solver="sgd", early_stopping=True, random_state=0, n_iter_no_change=2, max_iter=40
    ).fit(X, y)
    dense = clone(model).fit(X.toarray(), y)
    assert_allclose(model.coef_, dense.coef_, rtol=1e-8, atol=1e-12)
    assert_array_equal(
        [len(h["epoch"]) for h in model.history_], [len(h["epoch"]) for h in dense.history_]
    )


def test_a_warning_for_each_class_that_did_not_converge(rng):
    X, y = data(rng)
    model = SGDRegularizedClassifier(solver="sgd", max_iter=2, tol=1e-9, random_state=0)
    with pytest.warns(ConvergenceWarning, match="After 2 epochs the duality gap") as caught:
        model.fit(X, y)
    assert len(caught) == 4


def test_divergence_leaves_the_model_as_it_was(rng):
    X, y = data(rng)
    model = SGDRegularizedClassifier(
        loss="squared_hinge", learning_rate="constant", eta0=0.1, random_state=0
    ).partial_fit(X, y, classes=range(4))  # fmt: skip
    coef, steps = model.coef_.copy(), model.t_
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="weights diverged"):
        model.set_params(eta0=1e6).partial_fit(1e3 * X, y)
    assert_array_equal(model.coef_, coef)
    assert model.t_ == steps
    again = clone(model).set_params(eta0=0.1).partial_fit(X, y, classes=range(4))
    model.set_params(eta0=0.1).partial_fit(X, y)
    assert_array_equal(model.coef_, again.partial_fit(X, y).coef_)


@pytest.mark.parametrize("average", [False, True])
def test_no_class_depends_on_its_neighbours(average):
    """Rows that turn out longer rescale some classes, whose scales are folded earlier."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = sparse.csr_matrix(rng.normal(size=(150, 7)) * (rng.random((150, 7)) < 0.4))
        X.data[X.indptr[120] :] *= 1e3
        y = rng.integers(6, size=150)
        model = SGDRegularizedClassifier(
            solver="sgd", max_iter=2, tol=None, shuffle=False, average=average
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            together = clone(model).fit(X, y)
            threads = clone(model).set_params(n_jobs=3).fit(X, y)
        assert_array_equal(together.coef_, threads.coef_)
        assert_array_equal(together.intercept_, threads.intercept_)


def test_given_weights_keep_classes_apart_from_those_that_begin_at_zero(rng):
    X, y = data(rng)
    start = rng.normal(size=(4, 40))
    start[0] = 0.0
    model = SGDRegularizedClassifier(
        solver="sgd", max_iter=1, tol=None, random_state=0, warm_start=True
    ).fit(X, y, coef_init=start)
    model.fit(X, y)
    assert len(model._states) == 2
    for k in range(4):
        alone = clone(model).fit(X, y == k, coef_init=start[k : k + 1]).fit(X, y == k)
        assert_allclose(model.coef_[k], alone.coef_[0], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("solver", ["sgd", "auto"])
def test_threads_fit_more_classes_than_they_are(rng, solver):
    X, y = rng.normal(size=(100, 5)), rng.integers(7, size=100)
    model = SGDRegularizedClassifier(solver=solver, tol=1e-2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        one, two = (clone(model).set_params(n_jobs=n).fit(X, y) for n in (1, 2))
    assert_array_equal(one.coef_, two.coef_)
    assert_array_equal(one.partial_fit(X, y).coef_, two.partial_fit(X, y).coef_)


def test_failed_fits_leave_numpy_as_it_was(rng):
    X, y = rng.normal(size=(50, 20)), rng.integers(5, size=50)
    model = SGDRegularizedClassifier(eta0=1e9, learning_rate="constant", penalty=None)
    with np.errstate(all="warn"):
        before = np.geterr()
        for storage in (np.asarray, sparse.csr_matrix):
            with pytest.raises(ValueError, match="diverged") as caught:
                model.partial_fit(storage(X), y, classes=range(5))
            assert np.geterr() == before
            del caught
            assert np.geterr() == before
