"""Smaller problems that stand for a whole one.

`FeatureSubset` keeps some features and fixes the weights of all others at 0. `Rotation`
describes few rows of many features by as many features as there are rows, which loses
nothing without L1: the best weights, or the shortest of them, are a combination of the
rows. Both own a copy of what they keep, and translate weights there and back. So do the two
kinds of part that `without_empty_features` returns, which keep all that matters.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh, qr

from skreg.data.matrices import (
    CSR,
    as_rows,
    dense_rows,
    occupied_columns,
    take_columns,
    take_occupied_columns,
)
from skreg.objectives.certificate import feature_curvatures
from skreg.objectives.problem import Problem

# Features that no row has are left out if they are more than this part of all.
_MANY_EMPTY = 0.5
# Directions of the rows whose squared length is smaller than this, relative to the
# longest, are rounding.
_SMALLEST_DIRECTION = 1e-13
# Below this part of the mean square of a row, L2 is weak.
_WEAK = 1e-9


def without_empty_features(problem):
    """Return a part that leaves out features that no row has, if these are many."""
    penalized = problem.l1 > 0.0 or problem.l2 > 0.0  # then weights of the others are 0
    if penalized and isinstance(problem.X, CSR):
        occupied = occupied_columns(problem.X, (1.0 - _MANY_EMPTY) * problem.n_features)
        if occupied is not None:
            return FeatureSubset(problem, occupied, take_occupied_columns)
    return FullProblem(problem)


class FullProblem(NamedTuple):
    """All of a problem."""

    problem: Problem

    def restrict(self, coef):
        """Return the weights."""
        return coef

    def expand(self, coef):
        """Return the weights."""
        return coef


class FeatureSubset:
    """The features `columns`, given in increasing order; `take` is how to get them."""

    def __init__(self, problem, columns, take=take_columns):
        self.problem = problem._replace(X=take(problem.X, columns))
        self._columns = columns
        self._n_features = problem.n_features

    def restrict(self, coef):
        """Return the weights of the features kept."""
        return coef[self._columns]

    def evaluation(self, whole, coef):
        """Return the `Evaluation` of the problem, from that of the whole one at `coef`."""
        problem, curvatures = self.problem, feature_curvatures(self.problem)
        return whole.of_columns(self._columns, problem, self.restrict(coef), curvatures)

    def expand(self, coef):
        """Return weights of all features."""
        whole = np.zeros(self._n_features)
        whole[self._columns] = coef
        return whole


class Rotation:
    """Rows in the coordinates of orthogonal directions that span them.

    These are their principal directions, but where the penalty is so weak that directions
    matter which are nearly rounding: there those of a factorization, which loses none.
    """

    def __init__(self, problem):
        n_rows, _ = problem.X.shape
        X = problem.X
        if isinstance(X, CSR):
            X = dense_rows(X, np.arange(n_rows))
        self._X = np.asarray(X, dtype=np.float64)
        products = self._X @ self._X.T
        self._basis = None
        if problem.l2 * n_rows <= _WEAK * np.trace(products):
            self._basis, triangle = qr(self._X.T, mode="economic", check_finite=False)
            self.problem = problem._replace(X=as_rows(np.ascontiguousarray(triangle.T)))
            return
        lengths, directions = eigh(products)
        kept = lengths > _SMALLEST_DIRECTION * max(lengths[-1], 0.0)
        roots = np.sqrt(lengths[kept])
        self._combinations = directions[:, kept] / roots
        self.problem = problem._replace(X=as_rows(directions[:, kept] * roots))

    def restrict(self, coef):
        """Return the nearest weights among the combinations of rows."""
        if self._basis is not None:
            return self._basis.T @ coef
        return self._combinations.T @ (self._X @ coef)

    def expand(self, coef):
        """Return weights of the features."""
        if self._basis is not None:
            return self._basis @ coef
        return self._X.T @ (self._combinations @ coef)
