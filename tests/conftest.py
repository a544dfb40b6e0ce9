import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # else scikit-learn skips some checks

import numpy as np
import pytest
from scipy import sparse


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def recovery():
    """The seed-42 problem: three of fifty features matter."""
    random = np.random.RandomState(42)
    X = random.randn(100, 50)
    w = np.zeros(50)
    w[[0, 5, 12]] = 1.5, -2.0, 0.8
    return X, X @ w + 0.1 * random.randn(100)


@pytest.fixture
def offset_problem(rng):
    """A CSR matrix, its dense twin, and targets with an offset."""
    X = sparse.random(120, 15, density=0.3, format="csr", random_state=0)
    y = X @ rng.normal(size=15) + 3.0 + 0.1 * rng.normal(size=120)
    return X, X.toarray(), y
