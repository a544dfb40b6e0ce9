import numpy as np
import pytest
from scipy import sparse

from skreg.data.matrices import as_rows
from skreg.data.order import generator_state
from skreg.losses import LOSSES, make_loss
from skreg.objectives.certificate import Certificate
from skreg.objectives.problem import Problem, null_model
from skreg.solvers.descent import Descent
from skreg.solvers.driver import LEARNING_RATES, descent_for, solvers
from skreg.solvers.sgd.state import SGDSettings, SGDState


def descents(rng, storage):
    """Yield a descent of each kind for each loss."""
    X = rng.normal(size=(40, 3)) * (rng.random((40, 3)) < 0.7)
    y = np.sign(X @ [1.0, -1.0, 0.0] + 0.1)
    for loss in LOSSES:
        problem = Problem(
            as_rows(storage(X)), y, np.ones(40), np.arange(40), make_loss(loss), 0.01, 0.1,
            True,
        )  # fmt: skip
        for name in solvers():
            for schedule in LEARNING_RATES if name == "sgd" else ["auto"]:
                settings = SGDSettings(False, schedule, None, 0.5, True, 0, False)
                state = SGDState.start(np.zeros(3), 0.0, generator_state(0))
                yield descent_for(name, [problem], settings, state)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_every_descent_keeps_the_contract(rng, storage):
    kinds = set()
    for descent in descents(rng, storage):
        kinds.add(type(descent))
        (problem,) = descent.problems
        null = null_model(problem)
        descent.start([null])
        for _ in range(3):
            descent.epoch(0.0)
            (n_nonzero,), finite = descent.count_nonzero()
            coef, intercept = descent.weights()
            (certificate,) = descent.certify()
            assert isinstance(certificate, Certificate)
            assert (coef.shape, intercept.shape) == ((1, 3), (1,))
            assert n_nonzero == np.count_nonzero(coef)
            assert finite
            assert 0.0 <= certificate.gap < np.inf
        assert certificate.objective < 1.5 * null.objective_at_zero
        assert descent.ends(True) in (True, False)
        coefs, intercepts = descent.state.weights()
        np.testing.assert_array_equal(coefs, coef)
        np.testing.assert_array_equal(intercepts, intercept)
        assert descent.state.n_steps > 0
    assert kinds == {kind for kind in _subclasses(Descent) if not kind.__abstractmethods__}


def _subclasses(kind):
    for below in kind.__subclasses__():
        yield from (below, *_subclasses(below))


def test_descents_of_one_model_keep_no_others(rng):
    single = next(d for d in descents(rng, np.asarray) if type(d).__name__ == "SVRG")
    with pytest.raises(NotImplementedError, match="SVRG is for one model"):
        single.keep([0])
