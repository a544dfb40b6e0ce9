r"""Weighted sums of products of features and targets: all that the squared error needs.

With rows :math:`z_i = (x_i - a, 1, y_i - c)`, moved by fixed a and c, the matrix
:math:`M = \sum_i s_i z_i z_i^T` tells the objective of every linear model, its gradient and
its duality gap. So one pass over the rows serves all penalties. Moments of disjoint rows
add up: those of the rows that a fold leaves are a difference.
"""

import numpy as np
from scipy.linalg.blas import dsyrk

from skreg.data.matrices import checked_row_norms, dense_rows
from skreg.kernels.quadratic import mirror
from skreg.objectives.certificate import Certificate
from skreg.penalties.elastic_net import (
    elastic_net_conjugate,
    elastic_net_value,
    shrinkages,
)
from skreg.solvers.working_set.quadratic import minimize_quadratic

_CHUNK_BYTES = 1 << 19
# A deviation below this part of the mean is the rounding of a constant.
_ROUNDING = 1e-13
# A sum of squares that is smaller than this, relative to one it is the difference of, has
# lost too many digits.
_SMALLEST_PART = 1e-7
# The minimum of an objective is found to this part of the target.
_OF_TARGET = 1e-3
# Where features nearly depend on each other, the search for the signs is started again.
_ATTEMPTS = 6


class Moments:
    """The moments of some rows; `shift` holds a, a 0 for the ones, and c."""

    def __init__(self, matrix, shift):
        self._matrix = matrix
        self._shift = shift

    @classmethod
    def of(cls, X, y, sample_weight, rows):
        """Return the moments of `rows`, moved by their mean.

        Raises ValueError if the squares of features over- or underflow.
        """
        checked_row_norms(X, rows)
        shift = np.zeros(X.shape[1] + 2)
        for block, weights in _blocks(X, y, sample_weight, rows):
            shift += weights @ block
        shift /= shift[-2]
        shift[-2] = 0.0
        return cls.around(shift, X, y, sample_weight, rows)

    @classmethod
    def around(cls, shift, X, y, sample_weight, rows):
        """Return the moments of `rows`, moved by `shift`."""
        matrix = np.zeros((len(shift), len(shift)))
        for block, weights in _blocks(X, y, sample_weight, rows):
            block -= shift
            block *= np.sqrt(weights)[:, np.newaxis]
            # In Fortran order, C-ordered arrays are their own transposes.
            dsyrk(1.0, block.T, beta=1.0, c=matrix.T, lower=True, overwrite_c=True)
        mirror(matrix)
        return cls(matrix, shift)

    def without(self, *rows_of_problem):
        """Return the moments of the rows that others leave, or None if digits are lost."""
        others = Moments.around(self._shift, *rows_of_problem)
        rest = Moments(self._matrix - others._matrix, self._shift)
        whole, squares = self._matrix.diagonal(), rest._matrix.diagonal()
        if (squares < _SMALLEST_PART * whole).any():
            return None
        variances = rest._centered()[0].diagonal()
        squares = squares / squares[-2]  # the part of the ones is 0
        if (variances < _SMALLEST_PART * squares)[_all_but_ones(variances)].any():
            return None
        return rest

    def _centered(self):
        """Return the mean products around the mean of the rows, and that mean."""
        matrix = self._matrix / self._matrix[-2, -2]
        means = matrix[-2].copy()
        matrix -= np.outer(means, means)
        return matrix, means + self._shift

    def objective(self, fit_intercept):
        """Return the `QuadraticObjective` of these rows, None if digits are lost."""
        matrix, means = self._centered()
        variances = matrix.diagonal()
        constant = variances <= (_ROUNDING * means) ** 2
        matrix[constant, :] = matrix[:, constant] = 0.0
        if not fit_intercept:
            lost = ~constant & (variances < _SMALLEST_PART * means**2)
            if lost[:-2].any():
                return None
            matrix += np.outer(means, means)
        keep = _all_but_ones(means)
        return QuadraticObjective(matrix[np.ix_(keep, keep)], means, fit_intercept)


def _all_but_ones(columns):
    return np.arange(len(columns)) != len(columns) - 2


def _blocks(X, y, sample_weight, rows):
    """Yield rows (x, 1, y) that fit into a cache, as float64, and their weights."""
    n_columns = X.shape[1] + 2
    length = max(1, _CHUNK_BYTES // (8 * n_columns))
    for start in range(0, len(rows), length):
        chunk = rows[start : start + length]
        block = np.ones((len(chunk), n_columns))
        block[:, :-2], block[:, -1] = dense_rows(X, chunk), y[chunk]
        yield block, sample_weight[chunk]


class QuadraticObjective:
    """The mean squared error, halved, as a function of the weights alone."""

    def __init__(self, matrix, means, fit_intercept):
        self._hessian = np.ascontiguousarray(matrix[:-1, :-1])
        self._cross = matrix[:-1, -1].copy()
        self._square = matrix[-1, -1]
        self._means = means
        self._fit_intercept = fit_intercept

    @property
    def n_features(self):
        return len(self._cross)

    @property
    def null(self):
        """The objective of weights that are all 0."""
        return 0.5 * self._square

    def minimize(self, l1, l2, start, target):
        """Return the best weights, and their certificate."""
        coef = start
        for attempt in range(_ATTEMPTS):
            gradient = self._hessian @ coef - self._cross
            tolerance = 0.0 if attempt else _OF_TARGET * target
            coef = minimize_quadratic(
                self._hessian.copy(), gradient, coef, l1, l2, tolerance
            )
            certificate = self.certify(coef, l1, l2)
            if certificate.suboptimality <= target:
                break
        return coef, certificate

    def certify(self, coef, l1, l2):
        """Return the certificate of weights with the best intercept."""
        image = self._hessian @ coef
        residual_square = max(self._square - 2.0 * self._cross @ coef + coef @ image, 0.0)
        residual_target = self._square - self._cross @ coef
        correlation = np.abs(self._cross - image)
        loss = 0.5 * residual_square
        penalty = elastic_net_value(coef, l1, l2)
        gap = np.inf
        if l1 > 0.0 or l2 > 0.0 or len(coef) == 0:
            bound = max(
                k * residual_target
                - 0.5 * k**2 * residual_square
                - elastic_net_conjugate(k * correlation, l1, l2)
                for k in shrinkages(correlation, l1, l2)
            )
            gap = max(loss + penalty - bound, 0.0)
        curvatures = self._hessian.diagonal()
        moves = curvatures > 0.0
        residual = 0.5 * (correlation[moves] ** 2 / curvatures[moves]).sum()
        return Certificate(loss + penalty, loss, penalty, float(gap), float(residual))

    def intercept(self, coef):
        """Return the best intercept."""
        if not self._fit_intercept:
            return 0.0
        return float(self._means[-1] - self._means[:-2] @ coef)
