import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

import skreg
from skreg.data.matrices import as_rows
from skreg.data.order import generator_state
from skreg.losses import make_loss
from skreg.objectives.problem import Problem, null_model
from skreg.solvers.kinked.descent import Bracket
from skreg.solvers.kinked.dual_ascent import DualAscent
from skreg.solvers.sgd.state import SGDSettings

SETTINGS = SGDSettings(False, "auto", None, 0.5, True, 0, False)


def make_problem(rng, loss, fit_intercept=True):
    X = rng.normal(size=(200, 5))
    y = X[:, 0] + rng.normal(size=200)
    y = np.where(y > 0.0, 1.0, -1.0) if loss == "hinge" else y
    s = rng.random(200)
    s[:5] = 0.0
    parts = as_rows(X), y, s, np.flatnonzero(s), make_loss(loss), 0.01, 0.1
    return Problem(*parts, fit_intercept)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", ["hinge", "epsilon_insensitive"])
def test_turns_close_the_gap(rng, loss, fit_intercept):
    problem = make_problem(rng, loss, fit_intercept)
    null = null_model(problem)
    bracket = Bracket(problem, null)
    ascent = DualAscent(problem, SETTINGS, generator_state(0), null, bracket)
    gaps = []
    for _ in range(40):
        ascent.iterate(0.0)
        gaps.append(bracket.certificate.gap)
    assert all(np.diff(gaps) <= 0.0)
    assert gaps[-1] <= 1e-8 * null.objective
    value = skreg.objective(
        problem.X, problem.y, bracket.coef, bracket.intercept, loss=loss, l1=0.01, l2=0.1,
        sample_weight=problem.sample_weight,
    )  # fmt: skip
    assert_allclose(bracket.certificate.objective, value, rtol=1e-12)


def test_storage_does_not_matter(rng):
    problem = make_problem(rng, "hinge")
    null, found = null_model(problem), []
    for X in (problem.X, as_rows(sparse.csr_matrix(problem.X))):
        stored = problem._replace(X=X)
        bracket = Bracket(stored, null)
        ascent = DualAscent(stored, SETTINGS, generator_state(0), null, bracket)
        for _ in range(3):
            ascent.iterate(0.0)
        found.append(bracket.coef)
    assert_allclose(*found, rtol=1e-6, atol=1e-9)
