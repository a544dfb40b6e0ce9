import numpy as np
import pytest
import sklearn
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LassoCV
from sklearn.metrics import get_scorer, make_scorer, mean_squared_error
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline

from skreg import (
    SGDRegularizedClassifierCV,
    SGDRegularizedRegressor,
    SGDRegularizedRegressorCV,
)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = rng.randn(60, 3)
    return X, X[:, 0] + rng.randn(60), rng.rand(60)


class Halves:
    """A splitter with metadata of its own."""

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2

    def split(self, X, y=None, halves=None):
        for k in (0, 1):
            yield np.flatnonzero(halves != k), np.flatnonzero(halves == k)

    def get_metadata_routing(self):
        from sklearn.utils.metadata_routing import MetadataRequest

        request = MetadataRequest(owner=self)
        request.split.add_request(param="halves", alias=True)
        return request


@pytest.mark.parametrize("kind", [SGDRegularizedRegressorCV, SGDRegularizedClassifierCV])
@pytest.mark.parametrize("cv", [GroupKFold(3), LeaveOneGroupOut()])
def test_groups_reach_the_splitter_of_a_pipeline(routing, data, kind, cv):
    X, y, _ = data
    y = y if kind is SGDRegularizedRegressorCV else y > 0.0
    groups = np.arange(60) % 3
    pipeline = make_pipeline(kind(cv=cv, alphas=10)).fit(X, y, groups=groups)
    direct = kind(cv=list(cv.split(X, y, groups)), alphas=10).fit(X, y)
    assert pipeline[-1].best_score_ == direct.best_score_
    assert kind(cv=cv, alphas=10).fit(X, y, groups=groups).alpha_ == direct.alpha_
    with pytest.raises(TypeError, match="groups"):
        kind(cv=3).fit(X, y, groups=groups)


def test_a_pipeline_chooses_as_that_of_lasso_cv(routing, data):
    X, y, _ = data
    groups = np.arange(60) % 3
    ours, peer = (
        make_pipeline(model).fit(X, y, groups=groups)[-1]
        for model in (
            SGDRegularizedRegressorCV(cv=GroupKFold(3)),
            LassoCV(alphas=100, cv=GroupKFold(3), tol=1e-8),
        )
    )
    assert ours.alpha_ == pytest.approx(peer.alpha_, rel=1e-6)


def test_other_metadata_reach_a_splitter_that_asks_for_them(routing, data):
    X, y, _ = data
    halves = np.arange(60) % 2
    model = SGDRegularizedRegressorCV(cv=Halves(), alphas=10).fit(X, y, halves=halves)
    assert model.n_features_in_ == 3
    assert "split1_test_score" in model.cv_results_
    with pytest.raises(TypeError, match="thirds"):
        model.fit(X, y, thirds=halves)


def test_a_scorer_decides_whether_it_takes_weights(routing, data):
    X, y, s = data
    alphas = [0.1, 0.01]
    for wants in (True, False):
        scorer = get_scorer("r2").set_score_request(sample_weight=wants)
        model = SGDRegularizedRegressorCV(alphas=alphas, scoring=scorer, tol=1e-9)
        model.fit(X, y, sample_weight=s)
        plain = SGDRegularizedRegressor(penalty="l1", tol=1e-10)
        grid = GridSearchCV(
            plain.set_fit_request(sample_weight=True), {"alpha": alphas}, scoring=scorer
        ).fit(X, y, sample_weight=s)
        np.testing.assert_allclose(model.best_score_, grid.best_score_, rtol=1e-6)
        expected = scorer(model, X, y, **({"sample_weight": s} if wants else {}))
        if wants:
            assert model.score(X, y, sample_weight=s) == expected
    with pytest.raises(UnsetMetadataPassedError):
        SGDRegularizedRegressorCV(scoring="r2").fit(X, y, sample_weight=s)
    one = SGDRegularizedRegressorCV().fit(X, y, sample_weight=s)
    with sklearn.config_context(enable_metadata_routing=False):
        assert SGDRegularizedRegressorCV().fit(X, y, s).best_score_ == one.best_score_


def test_metadata_of_scorers_are_cut_to_their_rows(routing, data):
    X, y, s = data
    seen = []

    def error(y_true, y_pred, prices=None):
        seen.append(len(prices))
        return mean_squared_error(y_true, y_pred, sample_weight=prices)

    scorer = make_scorer(error, greater_is_better=False).set_score_request(prices=True)
    model = SGDRegularizedRegressorCV(alphas=5, cv=3, scoring=scorer)
    model.fit(X, y, prices=s)
    assert set(seen) == {20}
    assert model.score(X, y, prices=s) < 0.0


def test_without_routing_weights_and_groups_go_where_they_are_taken(data):
    X, y, s = data
    groups = np.arange(60) % 4
    model = SGDRegularizedRegressorCV(cv=GroupKFold(4), alphas=10)
    folds = list(GroupKFold(4).split(X, y, groups))
    other = SGDRegularizedRegressorCV(cv=folds, alphas=10).fit(X, y, s)
    assert model.fit(X, y, s, groups=groups).best_score_ == other.best_score_
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        model.fit(X, y, halves=groups)
    pipeline = make_pipeline(SGDRegularizedRegressorCV(cv=GroupKFold(4), alphas=10))
    pipeline.fit(X, y, sgdregularizedregressorcv__groups=groups)
