import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import linprog
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC, SVR

import skreg
from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor

EPSILON = 0.2
KINKED = ["hinge", "epsilon_insensitive"]
PENALTIES = {"l1": (1.0, 0.0), "l2": (0.0, 1.0), "elasticnet": (0.5, 0.5)}


def make_data(rng, loss, n=60, p=6):
    X = rng.normal(size=(n, p))
    y = X[:, 0] - X[:, 1] + rng.normal(size=n)
    return X, (np.where(y > 0.3, 1.0, -1.0) if loss == "hinge" else y)


def make_model(loss, **settings):
    settings = {"random_state": 0, **settings}
    if settings.get("penalty") == "elasticnet":
        settings["l1_ratio"] = 0.5
    if loss == "hinge":
        return SGDRegularizedClassifier("hinge", **settings)
    return SGDRegularizedRegressor(loss, epsilon=EPSILON, **settings)


def null_of(model, X, y):
    """Return the objective of the best intercept, by trying all kinks."""
    epsilon = getattr(model, "epsilon", 0.0)
    places = y if model.loss == "hinge" else np.r_[y - epsilon, y + epsilon]
    return min(
        skreg.objective(X, y, np.zeros(X.shape[1]), b, loss=model.loss, epsilon=epsilon)
        for b in places
    )


def linear_program(X, y, loss, l1, s=None, epsilon=EPSILON):
    """Return the least objective of an L1 penalty."""
    n, p = X.shape
    s = np.ones(n) if s is None else s
    cost = np.r_[np.full(2 * p, l1), 0.0, 0.0, s / s.sum()]
    rows = np.hstack([X, -X, np.ones((n, 1)), -np.ones((n, 1))])
    if loss == "hinge":  # t >= 1 - y p
        A, b = np.hstack([-y[:, np.newaxis] * rows, -np.eye(n)]), -np.ones(n)
    else:  # t >= p - y - epsilon, t >= y - p - epsilon
        A = np.vstack([np.hstack([rows, -np.eye(n)]), np.hstack([-rows, -np.eye(n)])])
        b = np.r_[y + epsilon, epsilon - y]
    return linprog(cost, A_ub=A, b_ub=b, bounds=(0, None)).fun


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("alpha", [0.1, 1e-2, 1e-4])
@pytest.mark.parametrize("loss", KINKED)
def test_the_optimum_of_l1_is_that_of_a_linear_program(rng, loss, alpha, storage):
    X, y = make_data(rng, loss)
    s = rng.random(60)
    model = make_model(loss, penalty="l1", alpha=alpha, tol=1e-8)
    model.fit(storage(X), y, sample_weight=s)
    best = linear_program(X, y, loss, alpha, s)
    assert model.solver_ == "svrg" and model.converged_
    assert best - 1e-12 <= model.objective_ <= best + 1e-8
    assert model.objective_ - best <= model.dual_gap_ + 1e-12


@pytest.mark.parametrize(("n", "p"), [(60, 6), (20, 50)])
@pytest.mark.parametrize("alpha", [1.0, 1e-2, 1e-4])
def test_the_optimum_of_l2_is_that_of_libsvm(rng, alpha, n, p):
    for loss in KINKED:
        X, y = make_data(rng, loss, n, p)
        model = make_model(loss, alpha=alpha, tol=1e-8).fit(X, y)
        C = 1.0 / (n * alpha)
        peer = SVC(kernel="linear", C=C, tol=1e-9) if loss == "hinge" else None
        peer = peer or SVR(kernel="linear", C=C, tol=1e-9, epsilon=EPSILON)
        peer.fit(X, y)
        best = skreg.objective(
            X, y, peer.coef_[0], peer.intercept_, loss=loss, l2=alpha, epsilon=EPSILON
        )
        assert model.converged_
        null = null_of(model, X, y)
        assert best - 1e-5 * null <= model.objective_ <= best + 1e-8 * null


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", KINKED)
def test_default_fits_converge_and_the_gap_bounds_the_distance(rng, loss, penalty):
    l1, l2 = PENALTIES[penalty]
    for n, p, alpha in [(300, 5, 1e-4), (300, 5, 1e-2), (30, 100, 1e-3), (40, 4, 10.0)]:
        X, y = make_data(rng, loss, n, p)
        settings = {"penalty": penalty, "alpha": alpha}
        model = make_model(loss, **settings).fit(X, y)
        exact = make_model(loss, tol=1e-9, **settings).fit(X, y)
        null, suboptimality = null_of(model, X, y), model.objective_ - exact.objective_
        assert model.converged_ and suboptimality <= model.dual_gap_ + 1e-9 * null
        assert model.dual_gap_ <= max(25.0 * suboptimality, 1e-5 * null)
        value = skreg.objective(
            X, y, np.ravel(model.coef_), model.intercept_, loss=loss, epsilon=EPSILON,
            l1=alpha * l1, l2=alpha * l2,
        )  # fmt: skip
        assert_allclose(model.objective_, value, rtol=1e-12)


@pytest.mark.parametrize(("n", "p"), [(3000, 20), (5000, 50)])
def test_a_looser_tolerance_takes_fewer_turns(n, p):
    rng = np.random.default_rng(39)
    X = rng.normal(size=(n, p))
    y = X[:, 0] * 2 - X[:, 1] + rng.normal(size=n) > 0.5
    loose = SGDRegularizedClassifier("hinge", random_state=0, tol=1e-2).fit(X, y)
    model = SGDRegularizedClassifier("hinge", random_state=0).fit(X, y)
    exact = SGDRegularizedClassifier("hinge", random_state=0, tol=1e-8).fit(X, y)
    assert loose.n_iter_ <= model.n_iter_ <= 10
    assert model.objective_ - exact.objective_ <= model.dual_gap_ < 1e-4
    assert loose.objective_ < 1.01 * exact.objective_


@pytest.mark.parametrize("penalty", PENALTIES)
def test_units_of_the_target_change_nothing(rng, penalty):
    X, y = make_data(rng, "epsilon_insensitive")
    l1, l2 = PENALTIES[penalty]
    predictions = []
    for c in (1e-6, 1.0, 1e8):
        # The loss has the unit of the target, the L2 part its square.
        alpha, ratio = 1e-2 * (l1 + l2 / c), l1 / (l1 + l2 / c)
        model = SGDRegularizedRegressor(
            "epsilon_insensitive", penalty="elasticnet", alpha=alpha, l1_ratio=ratio,
            epsilon=EPSILON * c, tol=1e-9,
        )  # fmt: skip
        predictions.append(model.fit(X, c * y).predict(X) / c)
    assert_allclose(predictions[0], predictions[1], atol=1e-3)
    assert_allclose(predictions[2], predictions[1], atol=1e-3)


@pytest.mark.parametrize("penalty", [*PENALTIES, None])
@pytest.mark.parametrize("loss", KINKED)
def test_weights_are_repetitions_and_storage_does_not_matter(rng, loss, penalty):
    X, y = make_data(rng, loss)
    s = rng.integers(0, 4, 60)
    settings = {"penalty": penalty, "alpha": 1e-2, "tol": 1e-9}
    weighted = make_model(loss, **settings).fit(X, y, sample_weight=s)
    repeated = make_model(loss, **settings).fit(np.repeat(X, s, axis=0), np.repeat(y, s))
    scaled = make_model(loss, **settings).fit(X, y, sample_weight=7.0 * s)
    csr = make_model(loss, **settings).fit(sparse.csr_matrix(X), y, sample_weight=s)
    for other in (repeated, scaled, csr):
        assert_allclose(other.objective_, weighted.objective_, rtol=1e-7)
    single = make_model(loss, **settings).fit(X.astype(np.float32), y, sample_weight=s)
    assert single.coef_.dtype == np.float32
    assert_allclose(single.objective_, weighted.objective_, rtol=1e-4)


@pytest.mark.parametrize("loss", KINKED)
def test_without_a_penalty_the_linear_program_is_solved(rng, loss):
    X, y = make_data(rng, loss)
    model = make_model(loss, penalty=None, tol=1e-4).fit(X, y)
    best = linear_program(X, y, loss, 0.0)
    assert model.converged_ and model.dual_gap_ == np.inf
    assert model.objective_ - best <= 1e-4 * null_of(model, X, y)


def test_strong_penalties_leave_the_middle_of_the_best_intercepts(rng):
    X = rng.normal(size=(40, 3))
    y = np.r_[np.zeros(20), np.ones(20)] + 3.0
    model = SGDRegularizedRegressor(
        "epsilon_insensitive", epsilon=0.1, penalty="l1", alpha=100.0
    ).fit(X, y)
    assert_array_equal(model.coef_, 0.0)
    assert_allclose(model.intercept_, 3.5)
    signs = np.where(y > 3.0, 1.0, -1.0)
    model = SGDRegularizedClassifier("hinge", penalty="l1", alpha=100.0).fit(X, signs)
    assert_allclose(model.intercept_, 0.0, atol=1e-12)


def test_targets_far_from_0_lose_no_digits(rng):
    X, y = make_data(rng, "epsilon_insensitive")
    near = make_model("epsilon_insensitive", alpha=1e-2, tol=1e-8).fit(X, y)
    far = make_model("epsilon_insensitive", alpha=1e-2, tol=1e-8).fit(X, y + 2.0**27)
    assert far.converged_
    assert_allclose(far.objective_, near.objective_, rtol=1e-6)
    assert_allclose(far.intercept_ - 2.0**27, near.intercept_, atol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 100.0])
@pytest.mark.parametrize("penalty", [*PENALTIES, None])
def test_few_rows(rng, n, epsilon, penalty):
    X, y = rng.normal(size=(n, 2)), rng.normal(size=n)
    model = SGDRegularizedRegressor("epsilon_insensitive", epsilon=epsilon, penalty=penalty)
    assert model.fit(X, y).converged_


def test_a_warm_start_and_several_classes(rng):
    X = rng.normal(size=(90, 4))
    y = np.digitize(X[:, 0] + 0.2 * rng.normal(size=90), [-0.5, 0.5])
    for storage in (np.asarray, sparse.csr_matrix):
        model = SGDRegularizedClassifier("hinge", warm_start=True, tol=1e-6, alpha=1e-2)
        first = model.fit(storage(X), y).objective_
        assert model.converged_.all()
        assert_allclose(model.fit(storage(X), y).objective_, first, rtol=1e-5)
        assert model.partial_fit(storage(X), y).t_ > 90


@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
@pytest.mark.parametrize("loss", KINKED)
def test_plain_steps_name_the_kink_where_they_gain_nothing(rng, loss, mode):
    X, y = make_data(rng, loss)
    model = make_model(loss, solver="sgd", alpha=1e-2, mode=mode, max_iter=2000)
    with pytest.warns(ConvergenceWarning, match="has a kink.*solver='auto'"):
        model.fit(X, y)
    assert not model.converged_
    exact = make_model(loss, alpha=1e-2, tol=1e-8).fit(X, y)
    assert model.dual_gap_ >= model.objective_ - exact.objective_ >= -1e-9


def test_plain_steps_on_kinks_converge_where_their_gap_allows(rng):
    X, y = make_data(rng, "hinge", n=400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_model("hinge", solver="sgd", alpha=0.3, tol=0.02).fit(X, y)
        sparse_model = make_model("hinge", solver="sgd", alpha=0.3, tol=0.02)
        sparse_model.fit(sparse.csr_matrix(X), np.digitize(X[:, 0], [-1.0, 0.0, 1.0]))
    assert model.converged_
    exact = make_model("hinge", alpha=0.3, tol=1e-8).fit(X, y)
    assert model.objective_ - exact.objective_ <= model.dual_gap_


def test_features_far_from_0(rng):
    X = rng.normal(size=(40, 5))
    y = X[:, 0] + 0.3 * rng.normal(size=40)
    settings = {"penalty": "l1", "alpha": 0.01}
    near = make_model("epsilon_insensitive", **settings).fit(X, y)
    far = make_model("epsilon_insensitive", **settings).fit(X + 1e6, y)
    assert_allclose(far.objective_, near.objective_, rtol=1e-3)


def test_no_penalty_and_no_intercept(rng):
    X = rng.normal(size=(40, 5))
    y = X[:, 0] + 5.0 + 0.3 * rng.normal(size=40)
    model = make_model("epsilon_insensitive", penalty=None, fit_intercept=False)
    assert model.fit(X, y).converged_


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
@pytest.mark.parametrize("alpha", [1e-3, 1e-4, 1e-5])
def test_features_that_few_curved_rows_have(rng, penalty, alpha):
    """Of rare features and polynomials, curved rows tell no curvature."""
    x = rng.normal(size=(600, 3))
    powers = np.column_stack(
        [x, x**2, x**3, x[:, [0]] * x, np.eye(40)[rng.integers(40, size=600)]]
    )
    y = x[:, 0] ** 2 + x[:, 1] + 0.3 * rng.standard_t(2, size=600)
    model = make_model("epsilon_insensitive", penalty=penalty, alpha=alpha).fit(powers, y)
    assert model.converged_
    assert model.n_iter_ <= 25
