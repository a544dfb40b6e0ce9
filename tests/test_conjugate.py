import numpy as np
import pytest
from numpy.testing import assert_allclose

from skreg.solvers.working_set.conjugate import (
    FIRST_FORCING_TERM,
    ForcingTerm,
    conjugate_gradients,
)


def test_conjugate_gradients_solve_a_system(rng):
    A = rng.normal(size=(30, 20))
    matrix, b = A.T @ A, rng.normal(size=20)
    diagonal = matrix.diagonal().copy()
    solution, rest, n_products = conjugate_gradients(
        lambda v: matrix @ v, b, diagonal, 1e-10, 100, 100
    )
    assert_allclose(solution, np.linalg.solve(matrix, b), rtol=1e-6)
    assert_allclose(rest, b - matrix @ solution, atol=1e-10)
    assert 4 < n_products < 40


@pytest.mark.parametrize("spread", [0.0, 8.0])
def test_conjugate_gradients_give_up_when_progress_is_too_slow(rng, spread):
    directions = np.linalg.qr(rng.normal(size=(200, 200)))[0]
    matrix = (directions * np.exp(spread * rng.random(200))) @ directions.T
    b, products = rng.normal(size=200), []

    def product(v):
        products.append(v)
        return matrix @ v

    *_, n_products = conjugate_gradients(product, b, matrix.diagonal(), 1e-4, 4, 40)
    assert n_products == (1 if spread == 0.0 else 40)
    assert len(products) <= 20
    assert conjugate_gradients(product, b, matrix.diagonal(), 1e-4, 4, 0)[2] == 0


def test_conjugate_gradients_hurry_until_no_weight_becomes_0():
    forcing = FIRST_FORCING_TERM.after(FIRST_FORCING_TERM.n_products)  # that was not enough
    assert forcing == ForcingTerm(
        FIRST_FORCING_TERM.tolerance, 2 * FIRST_FORCING_TERM.n_products
    )
    assert forcing.after(3) == ForcingTerm(
        FIRST_FORCING_TERM.tolerance**2, 2 * forcing.n_products
    )
    for _ in range(20):
        forcing = forcing.after(1)
    assert 0.0 < forcing.tolerance < 0.01
    assert forcing.after(1) == forcing
