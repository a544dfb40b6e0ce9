from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import f1_score, get_scorer, log_loss, make_scorer

import skreg
from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor
from skreg.losses import LOSSES, make_loss
from skreg.model_selection.scoring import Scorer, mean_loss, scorer_of, stack, takes_weights

ALPHAS = np.array([0.5, 0.1, 0.01, 0.001])


def fits(kind, X, y, **settings):
    models = [kind(alpha=alpha, **settings).fit(X, y) for alpha in ALPHAS]
    solutions = [
        [
            SimpleNamespace(coef=coef, intercept=b)
            for coef, b in zip(np.atleast_2d(one.coef_), one.intercept_, strict=True)
        ]
        for one in models
    ]
    return models, solutions


def make_fold(y, targets, weights):
    metadata = {"sample_weight": weights}
    return SimpleNamespace(y=y, targets=targets, sample_weight=weights, metadata=metadata)


@pytest.mark.parametrize("scoring", ["r2", "neg_mean_absolute_error", None])
def test_scores_of_numbers_are_those_of_one_model_after_the_other(rng, scoring):
    X, s = rng.normal(size=(60, 4)), rng.random(60)
    y = X[:, 0] + rng.normal(size=60)
    models, solutions = fits(SGDRegularizedRegressor, X, y)
    scorer = Scorer(scoring, models[0], with_losses=True)
    scores, losses = scorer(make_fold(y, [y], s), X, solutions, ALPHAS, 1.0)
    expected = [
        skreg.objective(X, y, one.coef_, one.intercept_[0], sample_weight=s)
        for one in models
    ]
    assert_allclose(losses, expected)
    if scoring is None:
        assert_array_equal(scores, -losses)
    else:
        metric = get_scorer(scoring)
        assert_allclose(scores, [metric(one, X, y, sample_weight=s) for one in models])
        _, losses = Scorer(scoring, models[0], False)(
            make_fold(y, [y], s), X, solutions, ALPHAS, 1.0
        )
        assert np.isnan(losses).all() == (scoring is not None)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", None])
def test_scores_of_labels_are_those_of_one_model_after_the_other(rng, scoring, n_classes):
    X, s = rng.normal(size=(90, 4)), rng.random(90)
    y = np.array(["a", "b", "c"])[np.digitize(X[:, 0], [-0.5, 0.5]) % n_classes]
    models, solutions = fits(SGDRegularizedClassifier, X, y)
    positives = models[0].classes_[-1:] if n_classes == 2 else models[0].classes_
    targets = [np.where(y == label, 1.0, -1.0) for label in positives]
    scorer = Scorer(scoring, models[0], with_losses=True)
    scores, losses = scorer(make_fold(y, targets, s), X, solutions, ALPHAS, 1.0)
    for k, one in enumerate(models):
        parts = [
            skreg.objective(X, t, coef, b, loss="log_loss", sample_weight=s)
            for t, coef, b in zip(targets, one.coef_, one.intercept_, strict=True)
        ]
        assert_allclose(losses[k], np.mean(parts))
        if scoring == "accuracy":
            assert_allclose(scores[k], one.score(X, y, s))
        if scoring == "neg_log_loss":
            assert_allclose(scores[k], -log_loss(y, one.predict_proba(X), sample_weight=s))
    if scoring is None:
        assert_array_equal(scores, -losses)


def test_one_row_has_no_r2(rng):
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    models, solutions = fits(SGDRegularizedRegressor, X, y)
    fold = make_fold(y[:1], [y[:1]], None)
    scores, losses = Scorer("r2", models[0], True)(fold, X[:1], solutions, ALPHAS, 1.0)
    assert np.isnan(scores).all()
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("name", LOSSES)
def test_mean_losses_are_over_rows_and_outputs(rng, name):
    loss = make_loss(name, 0.3)
    targets = [np.sign(rng.normal(size=20)) for _ in range(2)]
    raw, s = rng.normal(size=(2, 20)), rng.random(20)
    values = [
        [loss.value(t, p) for t, p in zip(*pair, strict=True)]
        for pair in zip(targets, raw, strict=True)
    ]
    found = mean_loss(loss, targets, s, raw)
    assert_allclose(found, np.average(values, axis=1, weights=s).mean())
    assert_allclose(mean_loss(loss, targets, None, raw), np.mean(values))


def test_scorers_are_told_all_labels(rng):
    X, y = rng.normal(size=(60, 3)), np.repeat(list("abc"), 20)
    model = SGDRegularizedClassifier().fit(X, y)
    few = y != "c"
    scorer = scorer_of("neg_log_loss", model)
    expected = -log_loss(y[few], model.predict_proba(X[few]), labels=list("abc"))
    assert_allclose(scorer(model, X[few], y[few]), expected)
    own = make_scorer(f1_score, average="macro", labels=["a"], zero_division=0.0)
    expected = f1_score(y, model.predict(X), average="macro", labels=["a"])
    assert_allclose(scorer_of(own, model)(model, X, y), expected)
    assert "labels" not in get_scorer("neg_log_loss")._kwargs
    assert scorer_of(None, model) is scorer_of("loss", model) is None


def test_who_takes_weights():
    assert takes_weights(get_scorer("r2"))
    assert not takes_weights(make_scorer(lambda y, p: 0.0))
    assert not takes_weights(lambda model, X, y: 0.0)
    assert takes_weights(lambda model, X, y, sample_weight=None: 0.0)


def test_models_are_stacked_by_output():
    models = [
        [SimpleNamespace(coef=[k, 2 * k, 3 * k], intercept=k + m) for m in (0, 10)]
        for k in range(4)
    ]
    coefs, intercepts = stack(models)
    assert coefs.shape == (2, 3, 4)
    assert_array_equal(coefs[1, :, 3], [3, 6, 9])
    assert_array_equal(intercepts, [[0, 1, 2, 3], [10, 11, 12, 13]])
