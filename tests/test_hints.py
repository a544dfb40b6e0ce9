import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import (
    SGDRegularizedClassifier,
    SGDRegularizedClassifierCV,
    SGDRegularizedRegressor,
    SGDRegularizedRegressorCV,
)

PLAIN = [SGDRegularizedRegressor, SGDRegularizedClassifier]
SEARCHES = [SGDRegularizedRegressorCV, SGDRegularizedClassifierCV]
X, Y = np.eye(4), [0, 1, 0, 1]


@pytest.mark.parametrize("kind", PLAIN + SEARCHES)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("C", r"alpha.*C = 1 / \(n_samples \* alpha\)"),
        ("Cs", r"alpha.*C = 1 / \(n_samples \* alpha\)"),
        ("n_alphas", "alpha"),
        ("lambda_", "alpha"),
        ("positive", "ElasticNet"),
        ("normalize", "StandardScaler"),
        ("multi_class", "one against all"),
        ("dual", "no need"),
        ("intercept_scaling", "not penalized"),
        ("n_epochs", "max_iter"),
        ("sample_weight", "fit"),
    ],
)
def test_names_from_elsewhere(kind, name, words):
    for call, error in ((kind, TypeError), (kind().set_params, ValueError)):
        with pytest.raises(error, match=f"{kind.__name__}.*{name!r}; .*{words}"):
            call(**{name: 1})


@pytest.mark.parametrize("kind", PLAIN)
def test_names_of_two_strengths(kind):
    for name in ("l1", "l2", "lambda1", "reg_alpha"):
        with pytest.raises(
            TypeError, match=r"alpha \* l1_ratio.*alpha \* \(1 - l1_ratio\)"
        ):
            kind(**{name: 1.0})


@pytest.mark.parametrize("kind", SEARCHES)
def test_names_of_the_plain_estimators(kind):
    for name, words in (
        ("alpha", "alphas"),
        ("penalty", "l1_ratio=1 is L1"),
        ("solver", "there is one for all penalties"),
        ("learning_rate", "no plain steps"),
    ):
        with pytest.raises(TypeError, match=f"{name!r}; .*{words}"):
            kind(**{name: "saga"})


@pytest.mark.parametrize("kind", PLAIN + SEARCHES)
def test_other_names_are_refused_as_ever(kind):
    with pytest.raises(TypeError, match="unexpected keyword argument 'foo'"):
        kind(foo=1)
    with pytest.raises(ValueError, match="Invalid parameter 'foo'"):
        kind().set_params(foo=1)


def test_nothing_is_set_where_a_name_is_wrong():
    model = SGDRegularizedRegressor()
    with pytest.raises(ValueError, match="C = 1"):
        model.set_params(alpha=3.0, C=1.0)
    assert model.alpha != 3.0
    pipeline = make_pipeline(StandardScaler(), model)
    with pytest.raises(ValueError, match="C = 1"):
        pipeline.set_params(sgdregularizedregressor__C=1.0)


VALUES = [
    ({"solver": "liblinear"}, "solver='auto'"),
    ({"solver": "saga"}, "solver='auto'"),
    ({"solver": "lbfgs"}, "solver='auto'"),
    ({"solver": "cd"}, "solver='auto'"),
    ({"penalty": "elastic_net"}, "'elasticnet'"),
    ({"penalty": "none"}, "None, without quotes"),
    ({"penalty": "L1"}, "it is called 'l1'"),
    ({"penalty": 0.5}, "alpha=0.5"),
    ({"learning_rate": 0.1}, "eta0=0.1"),
    ({"alpha": [0.1, 1.0]}, "CV"),
    ({"l1_ratio": None}, "penalty='l1' or 'l2'"),
    ({"loss": 1.0}, "alpha is a keyword: alpha=1.0"),
    ({"loss": "l1"}, "penalty='l1'"),
]
OF_REGRESSORS = {
    "mse": "'squared_error'",
    "squared_loss": "'squared_error'",
    "absolute_error": "'epsilon_insensitive' with epsilon=0",
    "squared_epsilon": "'squared_epsilon_insensitive'",
    "hinge": "classifier",
    "log_loss": "classifier",
}
OF_CLASSIFIERS = {
    "log": "'log_loss'",
    "logistic": "'log_loss'",
    "perceptron": "'hinge' is near",
    "squared_error": "'squared_hinge' is near",
    "huber": "'modified_huber'",
    "epsilon_insensitive": "'hinge'",
}


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        *((kind, *value) for kind in PLAIN for value in VALUES),
        *((PLAIN[0], {"loss": loss}, words) for loss, words in OF_REGRESSORS.items()),
        *((PLAIN[1], {"loss": loss}, words) for loss, words in OF_CLASSIFIERS.items()),
        *((SEARCHES[0], {"loss": loss}, words) for loss, words in OF_REGRESSORS.items()),
        *((SEARCHES[1], {"loss": loss}, words) for loss, words in OF_CLASSIFIERS.items()),
        *((kind, {"loss": 0.1}, "alpha=0.1") for kind in SEARCHES),
        *((kind, {"alphas": None}, "alphas=100") for kind in SEARCHES),
    ],
)
def test_values_from_elsewhere(kind, parameters, words):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter.*{re.escape(words)}"):
        kind(**parameters).fit(X, Y)


@pytest.mark.parametrize("kind", PLAIN + SEARCHES)
@pytest.mark.parametrize("alpha", [1.0, 0.1, 1, 0, np.float64(0.5)])
def test_a_positional_alpha(kind, alpha):
    words = re.escape(f"alpha is a keyword: alpha={alpha!r}")
    with pytest.raises(ValueError, match=words):
        kind(alpha).fit(X, Y)


def test_subclasses_may_have_such_parameters():
    class WithC(SGDRegularizedClassifier):
        def __init__(self, C=1.0):
            super().__init__(alpha=1.0 / C)
            self.C = C

    model = WithC(C=2.0)
    assert clone(model).set_params(C=4.0).get_params() == {"C": 4.0}
    assert model.alpha == 0.5
