"""What the next outer iteration is best spent on, by what the last ones have brought.

Costs are in passes over all rows. Epochs of steps on rows cost a few, the matrix of a
quadratic model as many as its size says, a product with it one.
"""

from typing import NamedTuple

import numpy as np

from skreg.data.matrices import CSR, n_values
from skreg.losses import HalfSquaredError

# A row enters the matrix at the price of a pass over it per this many features.
MATRIX_SPEED = 20
# The matrix of a model is held for at most this many features, or if steps on rows have
# ceased to serve, for the second number of them.
_LARGEST_MATRIX = 1000
_LARGEST_LATE_MATRIX = 1500
# The first working set; later ones may have twice as many features as the support.
_FIRST_FEATURES = 100
# With fewer rows, neither steps on them nor doing without a matrix pays.
_MANY_ROWS = 1000
_EPOCHS_PER_ITERATION = 3
# or as many as promise to be enough, with a margin, if they are not too many.
_MARGIN = 1.1
_MOST_EPOCHS = 6
# An outer iteration on rows costs about as much as this many passes over all rows. Where
# the matrix of a model costs more than the second number, products with it are tried first.
_PASSES_PER_ITERATION = 5
# A matrix of sparse data costs a pass per this many features, and to factorize it a pass
# for this many flops (times 1/3) a value. It is not held if that is more than some products
# with it cost, unless it is small. To copy the columns and pass over them is 3 passes.
_SPARSE_SPEED = 100
_FACTOR_SPEED = 150
_PRODUCTS = 30
_SMALL_MATRIX = 300
_PASSES_OF_COPY = 3
_TRIAL = 20
# Newton's method needs about so many matrices, unless the model is the objective itself.
_MATRICES = 3
# The support stands still when at most this part of it changes in an outer iteration.
_STILL = 0.05
# A good outer iteration leaves at most this part of the gap.
_GOOD = 0.5
# In so many outer iterations the gap has to become half as large.
_PATIENCE = 30
# Sparse rows with no more elements, zeros included, may be made dense to be rotated.
_FEW_ELEMENTS = 2_000_000


def passes_of_matrix(X, size):
    """Return how many passes over all rows cost as much as the matrix of a model."""
    if not isinstance(X, CSR):
        return size / MATRIX_SPEED
    values = max(n_values(X), 1)
    return size / _SPARSE_SPEED + size**3 / (_FACTOR_SPEED * values)


class Choice(NamedTuple):
    """A method, "rows", "products" or "newton", with so many epochs or features."""

    method: str
    size: int
    n_epochs: int


class CostModel:
    """What is known of a problem, and of the iterations on it so far."""

    def __init__(self, problem):
        self._rows_rate = (
            None  # by how much an iteration on rows has shrunk the gap, as log
        )
        self.reset(problem)

    def reset(self, problem):
        """Begin anew under another penalty or loss, on the same rows."""
        self._problem = problem
        self._is_sparse = isinstance(problem.X, CSR)
        self.n_iterations = 0
        self.n_stuck = 0
        self._gaps = []
        self._last_was_on_rows = False
        self._iterations_left = np.inf
        self._rows_serve = True
        self._products_serve = True
        self._tries_rows = False

    @property
    def rotates(self):
        """Whether there are so few rows that they replace the features."""
        problem = self._problem
        n_rows, n_features = problem.X.shape
        few = 2 * n_rows <= n_features and n_rows <= _LARGEST_MATRIX
        if self._is_sparse:
            weak = not problem.is_penalized
            return few and weak and n_rows * n_features <= _FEW_ELEMENTS
        return few and problem.l1 == 0.0

    @property
    def largest_matrix(self):
        """How many features at most have a matrix that is held."""
        largest = _LARGEST_MATRIX if self._rows_serve else _LARGEST_LATE_MATRIX
        if self._is_sparse:  # products with the matrix may be cheaper than its factors
            products = _PRODUCTS * _FACTOR_SPEED * n_values(self._problem.X)
            largest = min(largest, max(_SMALL_MATRIX, int(products ** (1 / 3))))
        return largest

    def passes_of_matrix(self, size):
        """Return how many passes over all rows cost as much as the matrix of a model."""
        return passes_of_matrix(self._problem.X, size)

    @property
    def crawls(self):
        """Whether the gap has not become half as large for many iterations."""
        gaps = self._gaps
        return len(gaps) > _PATIENCE and min(gaps) > 0.5 * min(gaps[:-_PATIENCE])

    def choose(self, n_candidates, n_support, gap, target):
        """Return the `Choice` for the next iteration.

        `n_candidates` features are in the support or ought to be, by the gradient.
        """
        size = self._working_size(n_candidates, n_support)
        if self._steps_on_rows(size, n_candidates, gap, target):
            return Choice("rows", size, self._n_epochs())
        if self._tries_products(n_candidates) and gap > target > 0.0:
            return Choice("products", size, 0)
        return Choice("newton", size, 0)

    def record(self, choice, gaps, target, supports, moved, served):
        """Record an iteration that led from one gap, and one support, to another.

        `moved` tells whether weights became better, `served` whether products sufficed.
        """
        (gap, left), (support, new_support) = gaps, supports
        on_rows = choice.method == "rows"
        if choice.method == "products":
            self._products_serve, self._tries_rows = served, not served
        elif on_rows:
            self._tries_rows = False
        self.n_stuck = 0 if moved else self.n_stuck + 1
        self._gaps.append(left)
        self.n_iterations += 1
        self._last_was_on_rows = on_rows
        part = choice.n_epochs / _EPOCHS_PER_ITERATION
        self._iterations_left = np.inf
        if 0.0 < left < gap and target > 0.0:
            self._iterations_left = np.log(max(left / target, 1.0)) / np.log(gap / left)
            if on_rows:
                self._iterations_left *= part
        if on_rows:
            rate = np.log(max(gap / left, 1.0)) if left > 0.0 else np.inf
            self._rows_rate = rate * _EPOCHS_PER_ITERATION / choice.n_epochs
        good = left <= _GOOD * gap
        self._rows_serve = good == on_rows
        if on_rows and moved and self._problem.l1 > 0.0:
            n_changed = np.count_nonzero(support != new_support)
            self._rows_serve = n_changed > _STILL * np.count_nonzero(support)

    def _working_size(self, n_candidates, n_support):
        """Return how many features the next working set has."""
        if self._problem.l1 == 0.0:
            return self._problem.n_features
        size = min(n_candidates, max(_FIRST_FEATURES, 2 * n_support))
        if n_support <= self.largest_matrix:
            size = min(size, self.largest_matrix)
        return size

    def _steps_on_rows(self, size, n_candidates, gap, target):
        if self.n_stuck:
            return not self._last_was_on_rows
        if self.rotates:
            return False
        if size > self.largest_matrix:
            return self._rows_serve
        if len(self._problem.rows) < _MANY_ROWS:
            return False
        if self._is_sparse:
            return self._rows_promise(size, n_candidates, gap, target)
        if self.n_iterations == 0:
            return n_candidates > _LARGEST_MATRIX
        if self._tries_rows:
            return True
        needed = 1 if isinstance(self._problem.loss, HalfSquaredError) else _MATRICES
        return self._last_was_on_rows and self._iterations_left * _PASSES_PER_ITERATION < (
            needed * self.passes_of_matrix(size)
        )

    def _rows_promise(self, size, n_candidates, gap, target):
        """Return whether steps on sparse rows promise to be cheaper than two matrices."""
        if self.n_iterations > 0 and not self._last_was_on_rows:  # a matrix has served
            return False
        other = 2.0 * (_PASSES_OF_COPY + self.passes_of_matrix(size))
        if self._rows_rate is None:
            return n_candidates > _LARGEST_MATRIX or other > 3.0 * _PASSES_PER_ITERATION
        if not gap > target > 0.0:
            return False
        return np.log(gap / target) * _PASSES_PER_ITERATION < other * self._rows_rate

    def _tries_products(self, n_candidates):
        many_rows = len(self._problem.rows) >= _MANY_ROWS
        dear = self.passes_of_matrix(n_candidates) > _TRIAL
        return self._products_serve and many_rows and dear and not self._is_sparse

    def _n_epochs(self):
        """Return how many epochs on rows the next iteration would have."""
        left = _MARGIN * _EPOCHS_PER_ITERATION * self._iterations_left
        if self._last_was_on_rows and left <= _MOST_EPOCHS:
            return max(1, int(np.ceil(left)))
        return _EPOCHS_PER_ITERATION
