import numpy as np
import pytest

from skreg.data.matrices import as_rows
from skreg.data.order import generator_state
from skreg.losses import make_loss
from skreg.objectives.problem import Problem, null_model
from skreg.solvers.kinked.descent import Bracket
from skreg.solvers.kinked.multipliers import Multipliers
from skreg.solvers.sgd.state import SGDSettings, SGDState

SETTINGS = SGDSettings(False, "auto", None, 0.5, True, 0, False)


@pytest.mark.parametrize("strengths", [(0.02, 0.0), (0.0, 0.05), (0.01, 0.01)])
@pytest.mark.parametrize("loss", ["hinge", "epsilon_insensitive"])
def test_turns_close_the_gap_and_leave_the_targets(rng, loss, strengths):
    X = rng.normal(size=(150, 6))
    y = X[:, 0] + rng.normal(size=150)
    y = np.where(y > 0.0, 1.0, -1.0) if loss == "hinge" else y
    before, rows = y.copy(), np.arange(150)
    parts = as_rows(X), y, np.ones(150), rows, make_loss(loss), *strengths
    problem = Problem(*parts, True)
    null = null_model(problem)
    bracket = Bracket(problem, null)
    state = SGDState.start(np.zeros(6), 0.0, generator_state(0))
    method = Multipliers(problem, SETTINGS, state, null, bracket)
    target = 1e-9 * null.objective
    for _ in range(30):
        method.iterate(target)
        if bracket.certificate.gap <= target:
            break
    assert bracket.certificate.gap <= target
    assert (y == before).all()
