"""Solutions for a grid of alphas, and the grid."""

from skreg.model_selection.path import alpha_grid, alpha_max, regularization_path

__all__ = ["alpha_grid", "alpha_max", "regularization_path"]
