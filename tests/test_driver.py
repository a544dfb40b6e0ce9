import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skreg
from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor

# Settings with which plain SGD comes close to the optimum: the step falls only where
# the objective has not for long.
PATIENT = {
    "learning_rate": "adaptive",
    "n_iter_no_change": 50,
    "tol": 1e-7,
    "random_state": 0,
}


def fit_quietly(model, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*args, **kwargs)


@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
@pytest.mark.parametrize(
    ("penalty", "alpha", "peer", "n_small"),
    [
        ("l1", 0.1, Lasso(0.1), 47),
        ("elasticnet", 0.1, ElasticNet(alpha=0.1, l1_ratio=0.5), 46),
        ("l2", 0.01, Ridge(1.0), 23),
    ],
)
def test_recovery(recovery, penalty, alpha, peer, n_small, mode):
    X, y = recovery
    model = SGDRegularizedRegressor(penalty=penalty, alpha=alpha, l1_ratio=0.5, mode=mode)
    fit_quietly(model.set_params(**PATIENT), X, y)
    peer.set_params(tol=1e-10).fit(X, y)
    assert_allclose(model.coef_, peer.coef_, atol=2e-3)
    assert (np.abs(model.coef_) < 0.01).sum() == n_small
    if mode == "subgradient" or penalty == "l2":
        assert (model.coef_ != 0).all()
    else:
        assert_array_equal(np.flatnonzero(model.coef_), np.flatnonzero(peer.coef_))
    if penalty == "l1":
        assert_array_equal(np.flatnonzero(np.abs(model.coef_) > 0.01), [0, 5, 12])


def test_default_settings_find_the_support(recovery):
    """Plain per-step thresholding keeps most of the fifty features; these keep three."""
    model = fit_quietly(
        SGDRegularizedRegressor(penalty="l1", alpha=0.1, random_state=0), *recovery
    )
    assert_array_equal(np.flatnonzero(model.coef_), [0, 5, 12])


@pytest.mark.parametrize("alpha", [0.01, 0.1])
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_diabetes_reaches_the_optimum(penalty, alpha):
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    peer = (
        Lasso(alpha, tol=1e-10, max_iter=10**6)
        if penalty == "l1"
        else Ridge(alpha * len(y))
    ).fit(X, y)
    optimum = skreg.objective(X, y, peer.coef_, peer.intercept_, **{penalty: alpha})
    model = SGDRegularizedRegressor(penalty=penalty, alpha=alpha, max_iter=2000)
    fit_quietly(model.set_params(**PATIENT), X, y)
    assert optimum <= model.objective_ * (1 + 1e-12)
    assert model.objective_ <= 1.0001 * optimum
    assert model.objective_ - optimum <= model.dual_gap_


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_breast_cancer_reaches_the_optimum(l1_ratio):
    X, y = load_breast_cancer(return_X_y=True)
    X, alpha = StandardScaler().fit_transform(X), 0.1
    peer = LogisticRegression(
        C=1 / (len(y) * alpha), l1_ratio=l1_ratio, solver="saga", tol=1e-8, max_iter=10**5,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    optimum = skreg.objective(
        X, 2.0 * y - 1, peer.coef_[0], peer.intercept_[0], loss="log_loss",
        l1=alpha * l1_ratio, l2=alpha * (1 - l1_ratio),
    )  # fmt: skip
    model = SGDRegularizedClassifier(
        penalty="elasticnet", alpha=alpha, l1_ratio=l1_ratio, max_iter=2000
    )
    fit_quietly(model.set_params(**PATIENT), X, y)
    assert model.objective_ <= 1.001 * optimum
    assert model.objective_ - optimum <= model.dual_gap_


def test_small_elastic_net():
    """X = y = -1, 0, 1: the exact answer is (2/3 - 0.15) / (2/3 + 0.35) = 0.5082."""
    X = np.array([[-1.0], [0.0], [1.0]])
    model = SGDRegularizedRegressor(penalty="elasticnet", alpha=0.5, l1_ratio=0.3, tol=1e-6)
    model.set_params(random_state=0, max_iter=10_000).fit(X, X.ravel())
    assert_allclose(model.coef_, (2 / 3 - 0.15) / (2 / 3 + 0.35), atol=1e-3)


def test_tolerance_is_relative(offset_problem):
    _, X, y = offset_problem
    n_iter = {
        SGDRegularizedRegressor(alpha=0.1, tol=1e-2, random_state=0)
        .fit(X, scale * y)
        .n_iter_
        for scale in (1e-3, 1.0, 1e3)
    }
    assert len(n_iter) == 1


def test_history_and_attributes(offset_problem):
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(alpha=0.1, tol=1e-3, random_state=0).fit(X, y)
    history = model.history_
    assert {len(values) for values in history.values()} == {model.n_iter_}
    assert model.converged_
    assert model.solver_ == "svrg"
    assert history["objective"][-1] == model.objective_
    assert history["gap"][-1] == model.dual_gap_
    assert_allclose(history["loss"] + history["penalty"], history["objective"])
    assert (np.diff(history["seconds"]) > 0).all()
    assert model.objective_ == pytest.approx(
        skreg.objective(X, y, model.coef_, model.intercept_[0], l2=0.1), rel=1e-12
    )
    assert model.dual_gap_ <= 1e-3 * skreg.objective(X, y, np.zeros(15), y.mean())


def test_without_tolerance_all_epochs_run(offset_problem):
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(solver="sgd", tol=None, max_iter=7, random_state=0).fit(
        X, y
    )
    assert model.n_iter_ == 7
    assert not model.converged_
    assert_array_equal(np.isfinite(model.history_["objective"]), [False] * 6 + [True])


def test_warning_states_gap_target_and_remedy(offset_problem):
    _, X, y = offset_problem
    with pytest.warns(
        ConvergenceWarning, match=r"duality gap is .* target .* Raise max_iter"
    ):
        SGDRegularizedRegressor(solver="sgd", max_iter=2).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="KKT residual"):
        SGDRegularizedRegressor(solver="sgd", penalty=None, max_iter=2).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="validation score"):
        SGDRegularizedRegressor(early_stopping=True, max_iter=2).fit(X, y)


@pytest.mark.parametrize("tol", [None, 1e-4])
@pytest.mark.parametrize("mode", ["proximal", "subgradient"])
def test_divergence_is_named_and_leaves_the_model(offset_problem, mode, tol):
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(mode=mode, tol=tol, max_iter=20, random_state=0)
    coef = fit_quietly(model, X, y).coef_
    model.set_params(learning_rate="constant", eta0=0.1)
    with pytest.raises(ValueError, match=r"diverged.*Scale the features.*lower eta0"):
        model.fit(1e4 * X, y)
    assert_array_equal(model.coef_, coef)
    with pytest.raises(ValueError, match="diverged"):
        model.partial_fit(1e100 * X, y)
    assert_array_equal(model.coef_, coef)


def test_bad_finite_results_warn(offset_problem):
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(
        learning_rate="constant", eta0=0.8, max_iter=1, shuffle=False
    )
    with pytest.warns(ConvergenceWarning, match="steps are too large"):
        model.fit(X, y)


def test_defaults_do_not_diverge_on_unscaled_data(rng):
    X = StandardScaler().fit_transform(rng.normal(size=(300, 5))) * 1000
    X[:, 0] *= 1e4
    y = X @ [1e-4, 1.0, 0.0, 0.0, 2.0] + rng.normal(size=300)
    model = fit_quietly(SGDRegularizedRegressor(random_state=0, max_iter=50), X, y)
    assert np.isfinite(model.coef_).all()
    assert model.objective_ < np.var(y) / 2
    labels = y > 0
    model = fit_quietly(SGDRegularizedClassifier(random_state=0, max_iter=50), X, labels)
    assert model.objective_ < np.log(2)


def test_early_stopping_returns_the_best_epoch(rng):
    X = rng.normal(size=(60, 80))
    y = X[:, 0] + 3 * rng.normal(size=60)
    model = SGDRegularizedRegressor(
        penalty=None, early_stopping=True, validation_fraction=0.3, random_state=0
    )
    long = SGDRegularizedRegressor(**model.get_params()).set_params(n_iter_no_change=200)
    fit_quietly(model, X, y)
    fit_quietly(long, X, y)
    # The second fit trains far beyond its best epoch and comes back to it.
    assert long.n_iter_ >= 200
    _, held_out = train_test_split(np.arange(60), test_size=0.3, random_state=0)
    scores = [r2_score(y[held_out], m.predict(X[held_out])) for m in (model, long)]
    assert scores[1] >= scores[0]


def test_early_stopping_scores_the_weights_that_are_returned(rng):
    """Weights shown to the validation must be settled and averaged like the result's."""
    X = rng.normal(size=(400, 5))
    y = X @ [1.0, 2.0, 3.0, 0.0, 0.0] + 2.0
    for average in (False, True):
        seen = []
        model = SGDRegularizedRegressor(
            alpha=0.5, eta0=0.01, learning_rate="constant", early_stopping=True, tol=None,
            max_iter=5, average=average, random_state=0,
        )  # fmt: skip

        def score(coef, intercept, seen=seen):
            seen.append(coef)
            return float(len(seen))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("skreg.estimators.regressor._r2_on", lambda *args, s=score: [s])
            model.fit(X, y)
        assert len(seen) == 5
        assert_array_equal(model.coef_, seen[-1])
        assert np.abs(model.coef_).max() < 10


def test_early_stopping_holds_out_rows_that_count(rng):
    X, y = rng.normal(size=(40, 3)), np.tile([0, 1], 20)
    weights = np.r_[np.ones(20), np.zeros(20)]
    model = SGDRegularizedClassifier(early_stopping=True, random_state=0, max_iter=20)
    fit_quietly(model, X, y, sample_weight=weights)
    twin = SGDRegularizedClassifier(early_stopping=True, random_state=0, max_iter=20)
    fit_quietly(twin, X[:20], y[:20])
    assert_array_equal(model.coef_, twin.coef_)


def test_early_stopping_that_cannot_split_says_so():
    X, y = np.eye(4), [0, 1, 0, 1]
    with pytest.raises(ValueError, match="early_stopping=True cannot hold out"):
        SGDRegularizedClassifier(early_stopping=True).fit(X, y)
    with pytest.raises(ValueError, match="R2 needs at least two rows"):
        SGDRegularizedRegressor(early_stopping=True).fit(X, y)
    with pytest.raises(ValueError, match="early_stopping must be False"):
        SGDRegularizedClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1])


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_given_rows_are_validated_on(rng, storage):
    X = rng.normal(size=(80, 40))
    y = X[:, 0] + 2 * rng.normal(size=80)
    settings = {"early_stopping": True, "random_state": 0, "n_iter_no_change": 50}
    regressor = SGDRegularizedRegressor(penalty=None, **settings)
    X_val, y_val = storage(X[50:]), y[50:]
    regressor.fit(storage(X[:50]), y[:50], X_val=X_val, y_val=y_val)
    # Every row of X is learned from, and no epoch of the same descent scores better.
    plain = SGDRegularizedRegressor(penalty=None, solver="sgd", random_state=0)
    scores = []
    for _ in range(regressor.n_iter_):
        plain.partial_fit(storage(X[:50]), y[:50])
        scores.append(plain.score(X_val, y_val))
    assert regressor.score(X_val, y_val) == pytest.approx(max(scores), rel=1e-12)
    names = np.array(["a", "b", "c"])[np.digitize(y, [-1, 1])]
    classifier = SGDRegularizedClassifier(**settings)
    classifier.fit(storage(X[:50]), names[:50], X_val=X_val, y_val=names[50:])
    assert classifier.coef_.shape == (3, 40)


def test_validation_rows_that_cannot_serve_are_refused(rng):
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    model = SGDRegularizedRegressor(early_stopping=True)
    with pytest.raises(ValueError, match="X_val and y_val must be given together"):
        model.fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="need early_stopping=True"):
        SGDRegularizedRegressor().fit(X, y, X_val=X, y_val=y)
    with pytest.raises(ValueError, match="X has 2 features"):
        model.fit(X, y, X_val=X[:, :2], y_val=y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y, X_val=X, y_val=y[:4])
    with pytest.raises(ValueError, match="y_val contains NaN"):
        model.fit(X, y, X_val=X, y_val=np.full(30, np.nan))
    with pytest.raises(ValueError, match="X_val must have at least two rows"):
        model.fit(X, y, X_val=X[:1], y_val=y[:1])
    with pytest.raises(ValueError, match="y_val holds 7, which is not among"):
        SGDRegularizedClassifier(early_stopping=True).fit(
            X, y > 0, X_val=X, y_val=np.full(30, 7)
        )
    assert not hasattr(model, "coef_")


def test_validation_rows_are_routed(rng):
    X, y = 100.0 * rng.normal(size=(90, 3)), rng.normal(size=90)
    y += X @ [0.01, 0.02, 0.0]
    rows = {"X_val": X[60:], "y_val": y[60:]}
    with config_context(enable_metadata_routing=True):
        model = SGDRegularizedRegressor(early_stopping=True, random_state=0)
        model.set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model)
        pipeline.set_params(transform_input=["X_val"]).fit(X[:60], y[:60], **rows)
        scaler = StandardScaler().fit(X[:60])
        alone = clone(model).fit(
            scaler.transform(X[:60]), y[:60],
            X_val=scaler.transform(X[60:]), y_val=y[60:],
        )  # fmt: skip
        assert_array_equal(pipeline[-1].coef_, alone.coef_)
        search = GridSearchCV(pipeline, {"sgdregularizedregressor__alpha": [1e-3, 0.1]})
        search.fit(X[:60], y[:60], **rows)
        assert search.best_score_ > 0.5


def test_adaptive_steps_fall_on_plateaus(offset_problem):
    _, X, y = offset_problem
    model = SGDRegularizedRegressor(
        learning_rate="adaptive", eta0=0.1, tol=1e-12, random_state=0, max_iter=300
    )
    steps = fit_quietly(model, X, y).history_["step_size"]
    ratios = steps[1:] / steps[:-1]
    assert steps[0] == 0.1
    assert_allclose(ratios[ratios != 1], 0.2)
    assert steps[-1] < 0.1


@pytest.mark.parametrize("loss", ["epsilon_insensitive", "squared_epsilon_insensitive"])
def test_leaving_a_start_without_any_loss_is_no_divergence(loss):
    for seed in range(10):  # not every order leaves it
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(200, 5)), rng.uniform(-0.09, 0.09, 200)
        model = SGDRegularizedRegressor(loss, solver="sgd", max_iter=2, tol=None)
        model.set_params(random_state=seed).fit(X, y)
        assert model.objective_ < 0.01


def test_warm_start_at_the_optimum_is_no_divergence(rng):
    X = rng.normal(size=(60, 4))
    model = SGDRegularizedRegressor(average=True, random_state=0)
    model.fit(X, np.full(60, 0.1), coef_init=np.zeros(4), intercept_init=0.1)
    assert model.converged_


def test_rows_come_in_their_order_beside_those_held_out(rng):
    X = rng.normal(size=(100, 5))
    y = X @ rng.normal(size=5)
    model = SGDRegularizedRegressor(
        early_stopping=True, shuffle=False, max_iter=1, tol=None, random_state=0
    ).fit(X, y)
    train, _ = train_test_split(np.arange(100), test_size=0.1, random_state=0)
    train.sort()
    other = SGDRegularizedRegressor(shuffle=False).partial_fit(X[train], y[train])
    assert_array_equal(model.coef_, other.coef_)


@pytest.mark.parametrize(("scale", "word"), [(1e-170, "small"), (1e170, "large")])
@pytest.mark.parametrize("solver", ["auto", "sgd"])
def test_targets_whose_squares_are_no_numbers_are_refused(rng, scale, word, solver):
    X, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    model = SGDRegularizedRegressor(solver=solver)
    with pytest.raises(ValueError, match=f"targets are too {word}.*Scale the targets"):
        model.fit(X, scale * y)
    model.fit(X, 0.0 * y)  # but a target that is 0 is one
    assert not model.coef_.any()


def test_epsilon_may_be_anything(rng):
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    for loss, epsilon in [
        ("squared_epsilon_insensitive", 1e155),
        ("epsilon_insensitive", 1e308),
        ("huber", 0.0),
    ]:
        model = SGDRegularizedRegressor(loss, epsilon=epsilon, random_state=0).fit(X, y)
        assert not model.coef_.any()
        assert model.objective_ == 0.0


def test_tiny_weights_do_not_make_targets_too_small(rng):
    X, y, s = rng.normal(size=(50, 3)), np.zeros(50), np.ones(50)
    y[3], s[3] = 1e-5, 1e-315
    model = SGDRegularizedRegressor(random_state=0).fit(X, y, sample_weight=s)
    assert np.abs(model.coef_).max() < 1e-100


def test_steps_follow_on_a_fit_whose_first_row_weighs_nothing(rng):
    X, s = rng.normal(size=(300, 6)), np.ones(300)
    y = X @ rng.normal(size=6)
    s[0] = 1e-306
    model = SGDRegularizedRegressor(random_state=0).fit(X, y, sample_weight=s)
    score = model.score(X, y)
    assert model.partial_fit(X, y).score(X, y) > score - 0.01


LETTER = [
    ({"learning_rate": "constant", "eta0": 10.0}, "lower eta0, or leave eta0=None"),
    ({"learning_rate": "invscaling", "eta0": 1e3}, "lower eta0, or leave eta0=None"),
    ({"learning_rate": "adagrad", "eta0": 1e5}, "lower eta0, or leave eta0=None"),
    ({"learning_rate": "optimal"}, "raise alpha, .* or use learning_rate='auto'"),
]


@pytest.mark.parametrize(("settings", "advice"), LETTER)
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_streams_do_not_diverge_silently(rng, storage, settings, advice):
    X = rng.normal(size=(40, 5))
    y, X = X[:, 0] + 0.1 * rng.normal(size=40), storage(X)
    model = SGDRegularizedRegressor(random_state=0, alpha=1e-5, **settings)
    with pytest.raises(ValueError, match=f"diverged.*{advice}") as of_fit:
        model.fit(X, y)
    with pytest.raises(ValueError, match=f"diverged.*{advice}"):
        model.partial_fit(X, y)
    assert not hasattr(model, "coef_")
    assert str(pickle.loads(pickle.dumps(of_fit.value))) == str(of_fit.value)
    before = SGDRegularizedRegressor(random_state=0).partial_fit(X, y)
    coef, steps = before.coef_, before.t_
    with pytest.raises(ValueError, match="diverged"):
        before.set_params(**model.get_params()).partial_fit(X, y)
    assert_array_equal(before.coef_, coef)
    assert before.t_ == steps


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_streams_of_labels_do_not_diverge_silently(rng, storage, n_classes):
    X, y = storage(rng.normal(size=(60, 5))), np.arange(60) % n_classes
    model = SGDRegularizedClassifier("squared_hinge", learning_rate="constant", eta0=100.0)
    with pytest.raises(ValueError, match="diverged"):
        model.partial_fit(X, y, classes=np.arange(n_classes))


@pytest.mark.parametrize("size", [1, 7])
def test_slow_divergence_is_seen_in_small_batches(rng, size):
    X = rng.normal(size=(70, 5))
    y = X[:, 0] + 0.1 * rng.normal(size=70)
    model = SGDRegularizedRegressor(learning_rate="constant", eta0=0.6)
    with pytest.raises(ValueError, match="diverged"):
        for start in range(0, 70 * 70, size):
            rows = np.arange(start, start + size) % 70
            model.partial_fit(X[rows], y[rows])


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_streams_that_change_do_not_diverge(rng, scale):
    """Small and missing targets, longer rows and single rows are no divergence."""
    X = rng.normal(size=(400, 5))
    y = scale * (X @ [1.0, 2.0, 0.0, 0.0, 0.0] + 0.5 * rng.normal(size=400))
    for loss in ("squared_error", "squared_epsilon_insensitive"):
        model = SGDRegularizedRegressor(loss, epsilon=2.0 * scale, eta0=0.01)
        for i in range(400):
            model.partial_fit(X[i : i + 1], y[i : i + 1])
        model.partial_fit(X[:50], np.zeros(50))
        model.partial_fit(10.0 * X[:1], y[:1]).partial_fit(X[:5], 1e-9 * y[:5])
        assert np.isfinite(model.coef_).all()


def test_fits_that_end_above_their_start_return_what_was_better(rng):
    """Heavy rows of a nearly constant feature: implicit steps reach each of them."""
    rng = np.random.default_rng(0)
    X = 3.0 + 0.3 * rng.normal(size=(60, 1))
    y, s = rng.random(60) < 0.15, 10.0 ** rng.uniform(-2, 2, 60)
    n_warned = 0
    for seed in range(10):
        model = SGDRegularizedClassifier(
            "modified_huber", solver="sgd", learning_rate="constant", alpha=1e-6, tol=1e-4,
            max_iter=50, random_state=seed,
        )  # fmt: skip
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, y, sample_weight=s)
        signs = np.where(y, 1.0, -1.0)
        zero, found = (
            skreg.objective(
                X, signs, coef, b, loss="modified_huber", l2=1e-6, sample_weight=s
            )
            for coef, b in (([0.0], 0.0), (model.coef_[0], model.intercept_[0]))
        )
        assert found <= zero * (1.0 + 1e-9)
        assert_allclose(found, model.objective_, rtol=1e-9)
        turned = model.history_["objective"][-1] > zero
        words = [str(warning.message) for warning in caught]
        assert turned == any("best weights seen are returned" in word for word in words)
        n_warned += turned
    assert n_warned > 0


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_errstate_of_the_caller_does_not_reach_in(rng, n_jobs):
    X, y = rng.normal(size=(60, 4)), np.arange(60) % 3
    X[7] = 5e-324
    model = SGDRegularizedClassifier(
        "hinge", alpha=1e5, learning_rate="constant", eta0=0.1, shuffle=False, tol=None,
        max_iter=6, n_jobs=n_jobs,
    )  # fmt: skip
    with np.errstate(all="raise"):
        for storage in (X, sparse.csr_matrix(X)):
            assert_allclose(model.fit(storage, y).coef_, 0.0, atol=1e-3)
            model.partial_fit(storage, y).predict(storage)
        regressor = SGDRegularizedRegressor(random_state=0, solver="sgd", max_iter=3)
        regressor.set_params(tol=None).fit(X, 1.0 * y).partial_fit(X, 1.0 * y).predict(X)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("alpha", [1e5, 1e20])
@pytest.mark.parametrize("loss", ["hinge", "log_loss"])
def test_weights_that_die_away_raise_no_underflow(loss, alpha, storage):
    X, y = load_iris(return_X_y=True)
    model = SGDRegularizedClassifier(
        loss, alpha=alpha, learning_rate="constant", eta0=0.1, shuffle=False, tol=None,
        max_iter=6,
    )  # fmt: skip
    with np.errstate(all="raise"):
        model.fit(storage(X), y).predict(storage(X))
    assert np.abs(model.coef_).max() < (1e-50 if loss == "hinge" else 10.0 / alpha)


@pytest.mark.parametrize("solver", ["auto", "sgd"])
def test_numbers_at_the_ends_of_the_range_warn_of_nothing(rng, solver):
    """Rows of 5e-324, integers above 2^53, targets of 1e-320."""
    X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    X[3] = 5e-324
    large = np.column_stack([np.arange(40), 2**53 + 1 + np.arange(40)])
    model = SGDRegularizedRegressor(solver=solver, random_state=0)
    classifier = SGDRegularizedClassifier(solver=solver, random_state=0)
    for data in (X, large):
        for one, target in ((model, y), (classifier, y > 0.0)):
            fit_quietly(one, data, target)
            one.partial_fit(data, target).predict(data)
    for loss in ("huber", "squared_error"):
        with pytest.raises(ValueError, match="targets are too small for the loss"):
            model.set_params(loss=loss).fit(rng.normal(size=(40, 3)), 1e-320 * y)
