"""Estimators that choose alpha, and l1_ratio, by cross-validation along paths."""

from skreg.model_selection.search import (
    SGDRegularizedClassifierCV,
    SGDRegularizedRegressorCV,
)

__all__ = ["SGDRegularizedClassifierCV", "SGDRegularizedRegressorCV"]
