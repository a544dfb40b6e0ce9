import numpy as np
import pytest
from scipy import sparse

from skreg.data.matrices import as_rows
from skreg.losses import make_loss
from skreg.objectives.problem import Problem
from skreg.solvers.working_set.cost_model import CostModel, passes_of_matrix


def problem_of(n, p, l1=0.0, l2=0.1, loss="log_loss", density=None):
    X = np.broadcast_to(1.0, (n, p))
    if density is not None:
        X = sparse.random(n, p, density, format="csr", random_state=0)
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    return Problem(
        as_rows(X), y, np.ones(n), np.arange(n), make_loss(loss), l1, l2, True
    )  # fmt: skip


def record(costs, choice, gap, left, moved=True, served=None, changed=0):
    support = np.ones(100, dtype=bool)
    new_support = support.copy()
    new_support[:changed] = False
    costs.record(choice, (gap, left), 1e-6, (support, new_support), moved, served)


def test_few_features_go_to_newton():
    costs = CostModel(problem_of(500, 10))
    assert costs.choose(10, 10, 1.0, 1e-6).method == "newton"
    assert costs.choose(10, 10, 1.0, 1e-6).size == 10


def test_working_sets_are_twice_the_support():
    costs = CostModel(problem_of(500, 5000, l1=0.1))
    assert costs.choose(5000, 0, 1.0, 1e-6).size == 100
    assert costs.choose(5000, 200, 1.0, 1e-6).size == 400
    assert costs.choose(150, 200, 1.0, 1e-6).size == 150
    assert costs.choose(5000, 900, 1.0, 1e-6).size == costs.largest_matrix


@pytest.mark.parametrize(
    ("shape", "l1", "density", "rotates"),
    [
        ((50, 200), 0.0, None, True),
        ((50, 90), 0.0, None, False),
        ((50, 200), 0.1, None, False),
        ((50, 200), 0.0, 0.1, False),
        ((2000, 9000), 0.0, None, False),
    ],
)
def test_few_rows_take_the_place_of_features(shape, l1, density, rotates):
    assert CostModel(problem_of(*shape, l1=l1, density=density)).rotates == rotates


def test_sparse_rows_without_penalty_rotate_if_they_are_few():
    costs = CostModel(problem_of(50, 200, l2=0.0, density=0.1))
    assert costs.rotates
    assert not CostModel(problem_of(900, 9000, l2=0.0, density=0.01)).rotates


def test_many_features_begin_on_rows_and_stay_while_the_support_moves():
    costs = CostModel(problem_of(3000, 3000))
    choice = costs.choose(3000, 3000, 1.0, 1e-6)
    assert (choice.method, choice.n_epochs) == ("rows", 3)
    record(costs, choice, 1.0, 0.3)
    assert costs.choose(3000, 3000, 0.3, 1e-6).method == "rows"
    record(costs, choice, 0.3, 0.29)  # hardly a gain
    assert costs.choose(3000, 3000, 0.29, 1e-6).method != "rows"


def test_epochs_are_as_many_as_promise_to_be_enough():
    costs = CostModel(problem_of(3000, 3000))
    choice = costs.choose(3000, 3000, 1.0, 1e-6)
    record(costs, choice, 1.0, 1e-5)
    left = 1.1 * 3 * np.log(1e-5 / 1e-6) / np.log(1.0 / 1e-5)
    assert costs.choose(3000, 3000, 1e-5, 1e-6).n_epochs == max(1, int(np.ceil(left)))


def test_products_come_before_a_dear_matrix_as_long_as_they_serve():
    costs = CostModel(problem_of(3000, 900))
    choice = costs.choose(900, 900, 1.0, 1e-6)
    assert choice.method == "products"
    record(costs, choice, 1.0, 0.5, served=False)
    assert costs.choose(900, 900, 0.5, 1e-6).method == "rows"
    assert costs.choose(900, 900, 0.5, 0.0).method == "rows"


def test_what_is_stuck_tries_the_other_way():
    costs = CostModel(problem_of(500, 10))
    choice = costs.choose(10, 10, 1.0, 1e-6)
    record(costs, choice, 1.0, 1.0, moved=False)
    assert costs.n_stuck == 1
    assert costs.choose(10, 10, 1.0, 1e-6).method == "rows"
    costs.reset(problem_of(500, 10))
    assert costs.n_stuck == costs.n_iterations == 0


def test_a_gap_that_does_not_halve_crawls():
    costs = CostModel(problem_of(500, 10))
    for k in range(31):
        assert not costs.crawls
        record(costs, costs.choose(10, 10, 1.0, 1e-6), 1.0, 1.0 - 0.001 * k)
    assert costs.crawls


def test_matrices_of_sparse_rows_are_dear():
    dense, thin = problem_of(3000, 900), problem_of(3000, 900, density=0.01)
    assert passes_of_matrix(thin.X, 900) > 4.0 * passes_of_matrix(dense.X, 900)
    assert CostModel(thin).largest_matrix < CostModel(dense).largest_matrix
