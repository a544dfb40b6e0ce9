"""Regularized linear models by stochastic gradient descent, with a certificate."""

from skreg import penalties, plotting
from skreg.estimators.classifier import SGDRegularizedClassifier
from skreg.estimators.regressor import SGDRegularizedRegressor
from skreg.model_selection import SGDRegularizedClassifierCV, SGDRegularizedRegressorCV
from skreg.objectives.function import objective
from skreg.path import alpha_grid, alpha_max, regularization_path
from skreg.penalties import step

__version__ = "0.1.0"
__all__ = [
    "SGDRegularizedClassifier",
    "SGDRegularizedClassifierCV",
    "SGDRegularizedRegressor",
    "SGDRegularizedRegressorCV",
    "alpha_grid",
    "alpha_max",
    "objective",
    "penalties",
    "plotting",
    "regularization_path",
    "step",
]
