import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_inplace_ensure_writeable,
    check_param_validation,
    parametrize_with_checks,
)

from skreg import (
    SGDRegularizedClassifier,
    SGDRegularizedClassifierCV,
    SGDRegularizedRegressor,
    SGDRegularizedRegressorCV,
)
from skreg.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    # One check passes pandas labels that scikit-learn itself complains about.
    "ignore:.*:FutureWarning",
)

VARIANTS = [
    {"penalty": "l1"},
    {"penalty": "elasticnet"},
    {"penalty": None},
    {"mode": "subgradient"},
]
INSTANCES = [
    *(SGDRegularizedRegressor(loss=loss) for loss in REGRESSION_LOSSES),
    *(SGDRegularizedClassifier(loss=loss) for loss in CLASSIFICATION_LOSSES),
    *(SGDRegularizedRegressor(**variant) for variant in VARIANTS),
    *(SGDRegularizedClassifier(**variant) for variant in VARIANTS),
    SGDRegularizedRegressorCV(),
    SGDRegularizedClassifierCV(),
]


def expected_failures(estimator):
    """Return what plain steps cannot do: a row of weight 2 is one step, two rows are two.

    Everything that the variance-reduced solver fits passes whole.
    """
    losses_with_a_kink = ("epsilon_insensitive", "hinge")
    if hasattr(estimator, "cv"):
        return {}
    if estimator.loss not in losses_with_a_kink and estimator.mode == "proximal":
        return {}
    reason = "solver='sgd' takes one step per row, whatever its weight"
    return {
        f"check_sample_weight_equivalence_on_{kind}_data": reason
        for kind in ("dense", "sparse")
    }


@parametrize_with_checks(INSTANCES, expected_failed_checks=expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "estimator", INSTANCES[:1] + INSTANCES[4:5] + INSTANCES[-2:], ids=type
)
@pytest.mark.parametrize(
    "check",
    [
        check_param_validation,
        check_dataframe_column_names_consistency,
        check_inplace_ensure_writeable,
    ],
)
def test_more_scikit_learn_checks(estimator, check):
    check(type(estimator).__name__, estimator)
