"""Regularized linear models by stochastic gradient descent, with a certificate."""

from skreg import penalties, plotting
from skreg._classifier import SGDRegularizedClassifier
from skreg._objective import objective
from skreg._regressor import SGDRegularizedRegressor
from skreg.model_selection import SGDRegularizedClassifierCV, SGDRegularizedRegressorCV
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
