import numpy as np
import pytest

from skreg import SGDRegularizedRegressor
from skreg.losses import EpsilonInsensitive, HalfSquaredError
from skreg.objectives.certificate import Certificate
from skreg.solvers.monitor import History, Plateau, reference


def test_history_has_a_row_for_each_epoch(capsys):
    history = History(n_features=5, verbose=True)
    history.add(1, Certificate(3.0, 2.0, 1.0, 0.5, np.nan), 4, 0.1, 0.01)
    history.add(2, None, 3, 0.1, 0.02)
    columns = history.arrays()
    np.testing.assert_array_equal(columns["epoch"], [1, 2])
    np.testing.assert_array_equal(columns["objective"], [3.0, np.nan])
    np.testing.assert_array_equal(columns["gap"], [0.5, np.nan])
    np.testing.assert_array_equal(columns["n_nonzero"], [4, 3])
    assert "non-zeros 4/5" in capsys.readouterr().out


def test_objectives_are_compared_with_what_a_loss_can_see():
    assert reference(HalfSquaredError(), 3.0) == 3.0
    assert reference(EpsilonInsensitive(2.0), 0.0) == pytest.approx(2.0)


def test_plateau():
    plateau = Plateau(patience=2)
    assert [plateau.reached(v, 0.1) for v in (5.0, 4.0, 3.95, 3.91, 3.0, 2.99, 2.98)] == [
        False, False, False, True, False, False, True,
    ]  # fmt: skip


def test_verbose_prints_a_line_per_epoch(offset_problem, capsys):
    _, X, y = offset_problem
    SGDRegularizedRegressor(verbose=1, max_iter=3, tol=None).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "objective" in lines[0]
    assert "non-zeros 15/15" in lines[-1]
