import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import ElasticNetCV, Lasso, LassoCV
from sklearn.metrics import (
    log_loss,
    make_scorer,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    StratifiedKFold,
    check_cv,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skreg
from skreg import (
    SGDRegularizedClassifier,
    SGDRegularizedClassifierCV,
    SGDRegularizedRegressor,
    SGDRegularizedRegressorCV,
)
from skreg.losses import CLASSIFICATION_LOSSES
from skreg.model_selection.path import SMOOTH_LOSSES

STORAGES = [np.asarray, sparse.csr_matrix]


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def search(loss, **settings):
    kind = SGDRegularizedRegressorCV
    if loss in CLASSIFICATION_LOSSES:
        kind = SGDRegularizedClassifierCV
    return kind(loss, tol=1e-9, **{"alphas": 6, "eps": 0.01, **settings})


def make_data(rng, loss, n=120, p=6):
    X = rng.normal(size=(n, p))
    y = X @ (rng.normal(size=p) * (np.arange(p) < 3)) + 1.0 + rng.normal(size=n)
    return X, np.where(y > 1.0, "yes", "no") if loss in CLASSIFICATION_LOSSES else y


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", SMOOTH_LOSSES)
def test_scores_are_those_of_independent_fits(rng, loss, weighted, storage):
    X, y = make_data(rng, loss)
    s = rng.random(120) * (rng.random(120) < 0.9) if weighted else None
    cv = list(KFold(3).split(X))
    score = "accuracy" if loss in CLASSIFICATION_LOSSES else "r2"
    model = search(loss, cv=cv, l1_ratio=[0.5, 1.0], scoring=score)
    model.fit(storage(X), y, sample_weight=s)
    assert model.alphas_.shape == (2, model.coef_path_.shape[1])
    single = model.best_estimator_
    results = model.cv_results_
    for k in (0, 3, 7, 11):
        for fold, (train, test) in enumerate(cv):
            part = clone(single).set_params(**results["params"][k])
            weights = [None if s is None else s[rows] for rows in (train, test)]
            part.fit(storage(X[train]), y[train], sample_weight=weights[0])
            score = part.score(storage(X[test]), y[test], sample_weight=weights[1])
            assert_allclose(results[f"split{fold}_test_score"][k], score, atol=1e-5)
    best = clone(single).fit(storage(X), y, sample_weight=s)
    assert_allclose(model.coef_, best.coef_, atol=1e-5)
    assert_array_equal(model.predict(storage(X[:5])), single.predict(storage(X[:5])))
    assert model.converged_


def test_choice_is_that_of_lasso_cv(diabetes):
    X, y = diabetes
    model = SGDRegularizedRegressorCV(
        alphas=30, cv=KFold(5), scoring="neg_mean_squared_error"
    ).fit(X, y)
    peer = LassoCV(alphas=model.alphas_, cv=KFold(5), tol=1e-9, max_iter=100_000).fit(X, y)
    assert_allclose(
        -model.cv_results_["mean_test_score"], peer.mse_path_.mean(1), rtol=1e-5
    )
    assert_allclose(model.alpha_, peer.alpha_)
    assert_allclose(model.coef_, peer.coef_, atol=1e-3)
    assert_array_equal(
        model.coef_path_[:, model.alphas_ == model.alpha_][:, 0], model.coef_
    )


def test_choice_among_ratios_is_that_of_elastic_net_cv(diabetes):
    X, y = diabetes
    ratios, alphas = [0.1, 0.5, 1.0], np.geomspace(50, 0.05, 12)
    model = SGDRegularizedRegressorCV(
        alphas=alphas, l1_ratio=ratios, cv=4, scoring="neg_mean_squared_error"
    ).fit(X, y)
    peer = ElasticNetCV(
        l1_ratio=ratios, alphas=alphas, cv=4, tol=1e-9, max_iter=100_000
    ).fit(X, y)
    assert (model.alpha_, model.l1_ratio_) == (peer.alpha_, peer.l1_ratio_)
    assert_array_equal(model.alphas_, [alphas] * 3)
    ranks = model.cv_results_["rank_test_score"]
    assert model.cv_results_["params"][int(np.argmin(ranks))] == {
        "alpha": model.alpha_, "l1_ratio": model.l1_ratio_,
    }  # fmt: skip


def test_one_standard_error_takes_the_largest_alpha_that_is_nearly_as_good(diabetes):
    X, y = diabetes
    models = {
        rule: SGDRegularizedRegressorCV(alphas=40, cv=10, selection=rule).fit(X, y)
        for rule in ("min", "1se")
    }
    scores = np.array([
        models["min"].cv_results_[f"split{k}_test_score"] for k in range(10)
    ])  # fmt: skip
    means = scores.mean(axis=0)
    best = int(np.argmax(means))
    bound = means[best] - np.sqrt(scores[:, best].var(ddof=1) / 10)
    first = int(np.argmax(means >= bound))
    assert models["min"].alpha_ == models["min"].alphas_[best]
    assert models["1se"].alpha_ == models["1se"].alphas_[first]
    assert models["1se"].alpha_ > models["min"].alpha_


@pytest.mark.parametrize("storage", STORAGES)
def test_several_classes_share_their_alpha(storage):
    X, y = load_iris(return_X_y=True)
    X = storage(StandardScaler().fit_transform(X))
    model = search("log_loss", cv=3, class_weight="balanced", scoring="accuracy")
    model.fit(X, y)
    grid = GridSearchCV(
        SGDRegularizedClassifier(
            penalty="l1", tol=1e-9, class_weight="balanced"
        ),
        {"alpha": model.alphas_}, cv=3,
    ).fit(X, y)  # fmt: skip
    assert_allclose(
        model.cv_results_["mean_test_score"], grid.cv_results_["mean_test_score"]
    )
    assert model.coef_path_.shape == (3, 4, len(model.alphas_))
    assert model.intercept_path_.shape == (3, len(model.alphas_))
    assert model.coef_.shape == (3, 4)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert_array_equal(model.decision_function(X).argmax(axis=1), model.predict(X))
    assert (np.diff(np.count_nonzero(model.coef_path_, axis=(0, 1))) >= 0).all()


@pytest.mark.parametrize("loss", ["squared_error", "huber", "log_loss", "squared_hinge"])
def test_any_scoring_and_the_loss_itself(rng, loss):
    X, y = make_data(rng, loss)
    model = search(loss, cv=3, scoring="loss").fit(X, y)
    (train, test), *_ = KFold(3).split(X) if loss in ("squared_error", "huber") else [
        *check_cv(3, y, classifier=True).split(X, y)
    ]  # fmt: skip
    part = clone(model.best_estimator_).set_params(alpha=model.alphas_[3])
    part.fit(X[train], y[train])
    targets = np.where(y == "yes", 1.0, -1.0) if y.dtype.kind == "U" else y
    value = skreg.objective(
        X[test], targets[test], np.ravel(part.coef_), part.intercept_[0], loss=loss
    )
    assert_allclose(model.cv_results_["split0_test_score"][3], -value, rtol=1e-5)
    if loss == "log_loss":
        other = search(loss, cv=3, scoring="neg_log_loss").fit(X, y)
        for name in ("mean_test_score", "std_test_score"):
            assert_allclose(other.cv_results_[name], model.cv_results_[name], rtol=1e-6)
    if loss == "squared_error":
        scorers = "neg_mean_absolute_error", make_scorer(
            mean_absolute_error, greater_is_better=False
        ), lambda model, X, y: -mean_absolute_error(y, model.predict(X))  # fmt: skip
        alphas = {
            search(loss, scoring=scorer).fit(X, y, sample_weight=np.ones(120)).alpha_
            for scorer in scorers
        }
        assert len(alphas) == 1


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_a_given_validation_set(rng, loss):
    X, y = make_data(rng, loss)
    X_val, y_val = X[80:], y[80:]
    model = search(loss, alphas=[0.3, 0.1, 0.01, 0.0], scoring="loss")
    model.fit(X[:80], y[:80], X_val=X_val, y_val=y_val)
    targets = np.where(y == "yes", 1.0, -1.0) if y.dtype.kind == "U" else y
    kind = type(model.best_estimator_)
    losses = []
    for alpha in model.alphas_:
        one = kind(loss, penalty="l1", alpha=alpha, tol=1e-10).fit(X[:80], y[:80])
        weights = np.ravel(one.coef_), one.intercept_[0]
        losses.append(skreg.objective(X_val, targets[80:], *weights, loss=loss))
    assert_allclose(-model.cv_results_["mean_test_score"], losses, rtol=1e-5)
    assert model.alpha_ == model.alphas_[np.argmin(losses)]
    split = PredefinedSplit(np.repeat([-1, 0], [80, 40]))
    other = clone(model).set_params(cv=split).fit(X, y)
    assert_allclose(
        other.cv_results_["mean_test_score"], model.cv_results_["mean_test_score"]
    )
    for bad in ({"X_val": X_val}, {"y_val": y_val}):
        with pytest.raises(ValueError, match="given together"):
            model.fit(X, y, **bad)
    with pytest.raises(ValueError, match="at least two folds"):
        clone(model).set_params(selection="1se").fit(X, y, X_val=X_val, y_val=y_val)


def test_weights_are_repetition(rng):
    X, y = make_data(rng, "squared_error", n=40)
    s = rng.integers(0, 4, 40)
    groups = np.arange(40) % 4
    repeated = np.repeat(np.arange(40), s)
    folds = GroupKFold(4)
    one = search("squared_error", cv=folds).fit(X, y, sample_weight=s, groups=groups)
    two = search("squared_error", cv=folds).fit(
        X[repeated], y[repeated], groups=groups[repeated]
    )
    assert one.alpha_ == pytest.approx(two.alpha_)
    assert_allclose(one.coef_path_, two.coef_path_, atol=1e-8)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_threads_pipelines_pickles_and_names(rng, loss):
    pd = pytest.importorskip("pandas")
    X, y = make_data(rng, loss)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    pipeline = make_pipeline(StandardScaler(), search(loss, cv=3)).fit(frame, y)
    model = search(loss, cv=3, n_jobs=2)
    model.fit(StandardScaler().fit_transform(X), y)
    assert_allclose(pipeline[-1].coef_path_, model.coef_path_, rtol=1e-9)
    named = search(loss, cv=3).fit(frame, y)
    assert_array_equal(named.feature_names_in_, list("abcdef"))
    with pytest.raises(ValueError, match="feature names"):
        named.predict(frame[list("fedcba")])
    copy = pickle.loads(pickle.dumps(named))
    assert_array_equal(copy.predict(frame), named.predict(frame))


def test_features_that_are_constant_in_a_fold(rng):
    X, y = make_data(rng, "squared_error")
    X[:, 5] = 0.0
    X[:40, 5] = rng.normal(size=40)
    X[:, 4] = 1e7
    X[40:80, 4] += rng.normal(size=40)
    cv = list(KFold(3).split(X))
    model = search("squared_error", cv=cv, scoring="r2").fit(X, y)
    X[:, 4] -= 1e7  # the intercept makes up for it
    for fold, (train, test) in enumerate(cv):
        part = SGDRegularizedRegressor(penalty="l1", alpha=model.alphas_[4], tol=1e-9)
        score = part.fit(X[train], y[train]).score(X[test], y[test])
        assert_allclose(model.cv_results_[f"split{fold}_test_score"][4], score, rtol=1e-4)


def test_bad_arguments_are_named(rng):
    X, y = make_data(rng, "squared_error")
    for name, value in {
        "loss": "epsilon_insensitive", "l1_ratio": [[0.5]], r"alphas\[0\] is -1": [-1.0],
        "eps": 0.0, "scoring": "accurate", "selection": "max", "tol": -1.0,
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=name):
            SGDRegularizedRegressorCV(**{name.split("\\")[0]: value}).fit(X, y)
    labels = np.repeat(["a", "b", "c"], 40)
    with pytest.raises(ValueError, match="training fold without rows of some class"):
        SGDRegularizedClassifierCV(cv=KFold(3)).fit(X, labels)
    with pytest.raises(ValueError, match="at least two classes"):
        SGDRegularizedClassifierCV().fit(X, np.ones(120))
    with pytest.raises(ValueError, match="weight 0"):
        folds = list(KFold(3).split(X))
        SGDRegularizedRegressorCV(cv=folds).fit(X, y, sample_weight=np.arange(120) < 40)
    with pytest.raises(ValueError, match="no folds"):
        SGDRegularizedRegressorCV(cv=[]).fit(X, y)
    with pytest.raises(ValueError, match="at least two folds"):
        one_fold = [(np.arange(90), np.arange(90, 120))]
        SGDRegularizedRegressorCV(cv=one_fold, selection="1se").fit(X, y)
    with pytest.raises(ValueError, match="at least two classes with positive weight"):
        SGDRegularizedClassifierCV(class_weight={0: 0, 1: 1}).fit(X, y > 0)
    with pytest.raises(ValueError, match="no number"):
        SGDRegularizedRegressorCV(scoring=lambda *_: np.nan).fit(X, y)
    model = SGDRegularizedClassifierCV(cv=3)
    with pytest.raises(ValueError, match="not among the classes"):
        model.fit(X, labels[rng.permutation(120)], X_val=X, y_val=np.repeat("d", 120))
    assert not hasattr(model, "alpha_")


def test_breast_cancer_agrees_with_a_grid_search():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = SGDRegularizedClassifierCV(alphas=8, cv=3, scoring="accuracy").fit(X, y)
    grid = GridSearchCV(
        SGDRegularizedClassifier(penalty="l1", tol=1e-6), {"alpha": model.alphas_}, cv=3
    ).fit(X, y)
    assert_allclose(
        model.cv_results_["mean_test_score"], grid.cv_results_["mean_test_score"]
    )
    assert model.alpha_ == grid.best_params_["alpha"]


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_value_out_of_all_scale_spoils_no_fold(rng, fit_intercept):
    """Moments of the other folds are no difference of moments with it."""
    X, y = make_data(rng, "squared_error")
    X[-1, 0] = 1e9
    cv = list(KFold(4).split(X))
    model = search("squared_error", alphas=[0.1], cv=cv, scoring="r2")
    model.set_params(fit_intercept=fit_intercept).fit(X, y)
    for fold, (train, test) in enumerate(cv):
        lasso = Lasso(0.1, tol=1e-10, fit_intercept=fit_intercept).fit(X[train], y[train])
        score = model.cv_results_[f"split{fold}_test_score"][0]
        assert_allclose(score, lasso.score(X[test], y[test]), rtol=1e-4)


def test_scorers_see_the_candidate_and_no_names(rng):
    pd = pytest.importorskip("pandas")
    X, y = make_data(rng, "squared_error")
    seen = []

    def score(model, X, y):
        seen.append((model.alpha, model.l1_ratio))
        return -np.mean((model.predict(X) - y) ** 2)

    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = search("squared_error", alphas=[1.0, 0.1], l1_ratio=0.7, cv=2, scoring=score)
    model.fit(frame, y, sample_weight=np.ones(120))
    assert seen == [(1.0, 0.7), (0.1, 0.7)] * 2
    unweighted = make_scorer(lambda y, p: -np.abs(y - p).mean())
    model.set_params(scoring=unweighted).fit(X[:, :3], y, sample_weight=np.ones(120))
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 3


def test_repeated_training_rows_count_and_rows_of_weight_zero_do_not(rng):
    X, y = make_data(rng, "squared_error")
    train, test = np.r_[np.zeros(9, dtype=int), np.arange(80)], np.arange(80, 120)
    model = search("squared_error", cv=[(train, test)] * 2, scoring="r2").fit(X, y)
    part = clone(model.best_estimator_).set_params(alpha=model.alphas_[3])
    score = part.fit(X[train], y[train]).score(X[test], y[test])
    assert_allclose(model.cv_results_["split1_test_score"][3], score, atol=1e-8)
    s = (rng.random(120) < 0.7).astype(float)
    s[:20] = 0.0
    one = search("squared_error", cv=5).fit(X, y, sample_weight=s)
    two = search("squared_error", cv=5).fit(X[s > 0], y[s > 0])
    assert_allclose(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])


def test_splitters_see_all_rows(rng):
    """Their places are those of the rows given, whatever weight these have."""
    X, y = make_data(rng, "squared_error")
    s = (np.arange(120) >= 20) * 1.0
    folds = PredefinedSplit(np.arange(120) % 4)
    one = search("squared_error", cv=folds).fit(X, y, sample_weight=s)
    two = search("squared_error", cv=list(folds.split())).fit(X, y, sample_weight=s)
    assert_array_equal(one.coef_path_, two.coef_path_)
    assert one.best_score_ == two.best_score_
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        search("squared_error", cv=GroupKFold(3)).fit(X, y, s, groups=np.arange(60) % 7)


def test_folds_of_one_row_have_no_r2(rng):
    X, y = make_data(rng, "squared_error", n=21)
    model = search("squared_error", cv=KFold(21), scoring="r2")
    with pytest.raises(ValueError, match="no number"):
        model.fit(X, y)
    assert not hasattr(model, "alpha_")
    with pytest.warns(UserWarning, match="19 of 20 .* fold 1 has no defined score.*so on"):
        model.set_params(cv=KFold(20)).fit(X, y)
    assert np.isnan(model.cv_results_["split1_test_score"]).all()
    assert np.isfinite(model.cv_results_["mean_test_score"]).all()
    search("squared_error", cv=KFold(21)).fit(X, y)


def rare_classes(rng, n):
    """Return rows and labels, of which about 6 % are positive."""
    w = np.r_[0.7, -0.5, 0.4, np.zeros(7)]
    X = rng.normal(size=(n, 10))
    return X, rng.random(n) < 1 / (1 + np.exp(3 - X @ w))


def test_rare_classes_are_found_without_a_name_for_the_score():
    """The accuracy is best without weights; the loss is not."""
    X, y = rare_classes(np.random.default_rng(1), 700)
    model = SGDRegularizedClassifierCV().fit(X, y)
    assert model.coef_.any()
    assert model.alpha_ == clone(model).set_params(scoring="loss").fit(X, y).alpha_
    assert not clone(model).set_params(scoring="accuracy").fit(X, y).coef_.any()


def test_rare_classes_are_ranked_on_new_rows():
    areas = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        (X, y), (X_new, y_new) = rare_classes(rng, 700), rare_classes(rng, 3000)
        areas.append([
            roc_auc_score(
                y_new,
                SGDRegularizedClassifierCV(alphas=10, cv=3, scoring=scoring)
                .fit(X, y)
                .decision_function(X_new),
            )
            for scoring in (None, "accuracy")
        ])  # fmt: skip
    by_loss, by_accuracy = np.mean(areas, axis=0)
    assert by_loss > 0.7 > 0.65 > by_accuracy


def test_class_weights_are_not_in_the_score(rng):
    X, y = make_data(rng, "log_loss")
    s = rng.random(120)
    alphas, cv = [0.1, 0.01, 0.001], list(KFold(3).split(X))
    model = search("log_loss", alphas=alphas, cv=cv, class_weight={"yes": 5.0, "no": 1.0})
    model.fit(X, y, sample_weight=s)
    signs = np.where(y == "yes", 1.0, -1.0)
    for fold, (train, test) in enumerate(cv):
        part = clone(model.best_estimator_).set_params(alpha=0.01, tol=1e-10)
        part.fit(X[train], y[train], sample_weight=s[train])
        weights = part.coef_[0], part.intercept_[0]
        loss = skreg.objective(
            X[test], signs[test], *weights, loss="log_loss", sample_weight=s[test]
        )
        found = model.cv_results_[f"split{fold}_test_score"][1]
        assert_allclose(found, -loss, rtol=1e-5)


def test_one_row_may_be_left_out_at_a_time():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, 5))
    y = X[:, 0] + rng.normal(size=24)
    model = SGDRegularizedRegressorCV(cv=LeaveOneOut()).fit(X, y)
    peer = LassoCV(alphas=100, cv=LeaveOneOut(), tol=1e-8).fit(X, y)
    assert_allclose(model.alpha_, peer.alpha_, rtol=1e-6)
    labels = np.where(y > 0.0, "b", "a")
    classifier = SGDRegularizedClassifierCV(cv=LeaveOneOut()).fit(X, labels)
    assert set(classifier.predict(X)) == {"a", "b"}
    s = np.arange(24) % 4 * 1.0  # rows of weight 0 do not exist
    one = SGDRegularizedRegressorCV(cv=LeaveOneOut()).fit(X, y, sample_weight=s)
    two = SGDRegularizedRegressorCV(cv=LeaveOneOut())
    two.fit(X[s > 0.0], y[s > 0.0], sample_weight=s[s > 0.0])
    assert_allclose(one.coef_, two.coef_, atol=1e-12)


def test_the_score_is_that_by_which_alpha_was_chosen():
    rng = np.random.default_rng(17)
    X = rng.normal(size=(200, 4))
    y = X[:, 0] + rng.normal(size=200) > 1
    s = rng.random(200)
    model = SGDRegularizedClassifierCV(scoring="roc_auc").fit(X, y)
    raw = model.decision_function(X)
    assert model.score(X, y) == roc_auc_score(y, raw)
    assert model.score(X, y, s) == roc_auc_score(y, raw, sample_weight=s)
    assert_allclose(model.score(X, y), 0.867, atol=1e-3)
    accuracy = model.set_params(scoring=None).fit(X, y).score(X, y)
    assert accuracy == np.mean(model.predict(X) == y)
    loss = skreg.objective(
        X, np.where(y, 1.0, -1.0), model.coef_[0], model.intercept_[0], loss="log_loss",
        sample_weight=s,
    )  # fmt: skip
    assert_allclose(model.set_params(scoring="loss").score(X, y, s), -loss)
    with pytest.raises(ValueError, match="y holds 2"):
        model.score(X, 2 * np.ones(200, dtype=int))
    target = X[:, 0] + rng.normal(size=200)
    regressor = SGDRegularizedRegressorCV(scoring="neg_mean_absolute_error")
    regressor.fit(X, target)
    errors = np.abs(regressor.predict(X) - target)
    assert_allclose(regressor.score(X, target), -errors.mean())
    r2 = r2_score(target, regressor.predict(X))
    assert regressor.set_params(scoring=None).score(X, target) == r2


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize(
    "scoring", ["neg_log_loss", "neg_brier_score", "f1_macro", "loss", None]
)
def test_scorers_know_classes_that_test_rows_lack(scoring):
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(60, 3)), np.array(list("a" * 35 + "b" * 22 + "c" * 3))
    model = SGDRegularizedClassifierCV(alphas=10, scoring=scoring).fit(X, y)
    if scoring == "neg_log_loss":
        (train, test), *_ = StratifiedKFold(5).split(X, y)
        assert "c" not in y[test]
        part = clone(model.best_estimator_).set_params(alpha=model.alphas_[2], tol=1e-9)
        proba = part.fit(X[train], y[train]).predict_proba(X[test])
        expected = -log_loss(y[test], proba, labels=list("abc"))
        found = model.cv_results_["split0_test_score"][2]
        assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_folds_without_a_defined_score_are_left_out():
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(60, 3)), np.array(list("a" * 35 + "b" * 22 + "c" * 3))
    model = SGDRegularizedClassifierCV(alphas=10, scoring="roc_auc_ovr")
    with pytest.warns(UserWarning, match="2 of 5 folds.*no test rows of class 'c'") as seen:
        model.fit(X, y)
    assert len([one for one in seen if "left out" in str(one.message)]) == 1
    splits = np.array([model.cv_results_[f"split{k}_test_score"] for k in range(5)])
    assert np.isnan(splits[:2]).all()
    assert_allclose(model.cv_results_["mean_test_score"], splits[2:].mean(axis=0))
    assert_allclose(model.cv_results_["std_test_score"], splits[2:].std(axis=0))
    assert model.best_score_ == model.cv_results_["mean_test_score"].max()


@pytest.mark.parametrize("scoring", [None, "accuracy", "roc_auc"])
def test_training_folds_that_lack_a_class_are_left_out(rng, scoring):
    X, y = rng.normal(size=(61, 3)), np.r_[np.arange(60) % 2, 2]
    y = np.array(["no", "yes", "rare"])[y if scoring != "roc_auc" else np.minimum(y, 1)]
    if scoring == "roc_auc":
        y[:-1] = np.where(np.arange(60) < 30, "no", "yes")
    cv = list(KFold(3, shuffle=True, random_state=0).split(X))
    if scoring == "roc_auc":
        cv[1] = np.arange(30), np.arange(30, 61)
    model = SGDRegularizedClassifierCV(alphas=5, cv=cv, scoring=scoring)
    name = "yes" if scoring == "roc_auc" else "rare"
    with pytest.warns(UserWarning, match=f"1 of 3 .* no training rows of class '{name}'"):
        model.set_params(class_weight="balanced").fit(X, y)
    assert np.isfinite(model.best_score_)
    assert len(model.classes_) == (2 if scoring == "roc_auc" else 3)
    left = [np.isnan(model.cv_results_[f"split{k}_test_score"][0]) for k in range(3)]
    few = [cv[np.argmax(left)], cv[np.argmin(left)]]
    with pytest.raises(ValueError, match="at least two folds"):
        model.set_params(cv=few, selection="1se").fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_class_without_weight_is_lacked_by_nobody(rng):
    X, y = rng.normal(size=(90, 3)), np.arange(90) % 3
    model = SGDRegularizedClassifierCV(alphas=5, cv=3, class_weight={0: 0.0, 1: 1, 2: 1})
    assert np.isfinite(model.fit(X, y).best_score_)


def test_selectors_keep_what_an_l1_model_keeps():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(120, 12))
    y = 5 * X[:, 0] + X[:, 1] + 0.5 * X[:, 2] + 0.3 * rng.normal(size=120)
    for l1_ratio in (1.0, [1.0], [0.9, 1.0]):
        selector = SelectFromModel(SGDRegularizedRegressorCV(l1_ratio=l1_ratio)).fit(X, y)
        fitted = selector.estimator_
        if fitted.l1_ratio_ == 1.0:
            assert_array_equal(selector.get_support(), fitted.coef_ != 0.0)
            assert selector.get_support().sum() == 6
    selector = SelectFromModel(SGDRegularizedRegressorCV()).fit(X, y)
    assert selector.threshold_ == 1e-5
    selector = SelectFromModel(SGDRegularizedClassifierCV()).fit(X, y > 0.0)
    assert selector.threshold_ == 1e-5
    assert_array_equal(selector.get_support(), selector.estimator_.coef_[0] != 0.0)
    for l1_ratio, name in [
        (1, "l1"),
        (0.0, "l2"),
        (0.5, "elasticnet"),
        ([0, 1], "elasticnet"),
    ]:
        assert SGDRegularizedRegressorCV(l1_ratio=l1_ratio).penalty == name


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_paths_are_kept_as_asked(rng, n_classes, storage):
    X, y = rng.normal(size=(90, 5)), np.arange(90) % n_classes
    models = {
        form: SGDRegularizedClassifierCV(alphas=6, cv=3, store_path=form, random_state=0)
        .fit(storage(X), y)
        for form in ("auto", "dense", "sparse", None)
    }  # fmt: skip
    dense = models["dense"].coef_path_
    assert_array_equal(models["auto"].coef_path_, dense)
    kept = models["sparse"].coef_path_
    kept = np.array([path.toarray() for path in (kept if n_classes > 2 else [kept])])
    assert_array_equal(kept if n_classes > 2 else kept[0], dense)
    assert not hasattr(models[None], "coef_path_")
    assert not hasattr(models[None], "intercept_path_")
    assert_array_equal(models[None].coef_, models["dense"].coef_)
    models["dense"].set_params(store_path=None).fit(storage(X), y)
    assert not hasattr(models["dense"], "coef_path_")


def test_wide_sparse_data_need_no_dense_path():
    X = sparse.random(300, 20000, density=0.002, format="csr", random_state=0)
    y = np.random.default_rng(0).integers(0, 4, 300)
    settings = {"alphas": np.geomspace(0.02, 0.002, 60), "cv": 2, "max_iter": 50}
    model = SGDRegularizedClassifierCV(**settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
        tracemalloc.start()
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    dense = 4 * 20000 * 60 * 8
    assert all(sparse.issparse(path) for path in model.coef_path_)
    assert [path.shape for path in model.coef_path_] == [(20000, 60)] * 4
    assert peak < 0.6 * dense
    kept = (part for path in model.coef_path_ for part in (path.data, path.indices))
    assert sum(part.nbytes for part in kept) < 4 * X.data.nbytes
    best = int(np.argmax(model.alphas_ == model.alpha_))
    chosen = [path[:, [best]].toarray()[:, 0] for path in model.coef_path_]
    assert_array_equal(chosen, model.coef_)


def test_labels_of_objects_can_be_scored(rng):
    X = rng.normal(size=(40, 5))
    y = (X[:, 0] > 0.0).astype(int).astype(object)
    for scoring in (None, "accuracy", "f1", "loss"):
        model = skreg.SGDRegularizedClassifierCV(alphas=5, scoring=scoring).fit(X, y)
        plain = skreg.SGDRegularizedClassifierCV(alphas=5, scoring=scoring)
        expected = plain.fit(X, y.astype(int)).score(X, y.astype(int))
        assert model.score(X, y) == expected


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "log_loss", "squared_hinge"])
def test_the_chosen_model_is_what_a_plain_fit_finds(rng, loss, l1_ratio, storage):
    X, y = make_data(rng, loss)
    settings = {"l1_ratio": l1_ratio, "alphas": 12, "eps": 0.01, "cv": 3}
    model = search(loss, **settings, store_path="dense").fit(storage(X), y)
    path_alone = search(loss, **settings, store_path=None).fit(storage(X), y)
    plain = clone(model.best_estimator_).set_params(random_state=0).fit(storage(X), y)
    best = np.flatnonzero(model.alphas_ == model.alpha_)[0]
    for coef in (plain.coef_, path_alone.coef_, model.coef_path_[:, best]):
        assert_array_equal(model.coef_, coef.reshape(model.coef_.shape))
