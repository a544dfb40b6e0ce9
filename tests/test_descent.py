from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

import skreg
from skreg.data.matrices import as_rows
from skreg.data.order import generator_state
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, make_loss
from skreg.objectives.certificate import Certificate
from skreg.objectives.problem import Problem, null_model
from skreg.solvers.descent import Descent
from skreg.solvers.driver import LEARNING_RATES, descent_for, solvers
from skreg.solvers.sgd.state import SGDSettings, SGDState


def descents(rng, storage, start=0.0, offset=0.0):
    """Yield the loss, and a descent of each kind for it, with an intercept or without."""
    X = rng.normal(size=(40, 3)) * (rng.random((40, 3)) < 0.7)
    signs = np.sign(X @ [1.0, -1.0, 0.0] + 0.1)
    for loss, fit_intercept in product(LOSSES, [True, False]):
        y = signs if loss in CLASSIFICATION_LOSSES else signs + offset * fit_intercept
        problem = Problem(
            as_rows(storage(X)), y, np.ones(40), np.arange(40), make_loss(loss), 0.01, 0.1,
            fit_intercept,
        )  # fmt: skip
        for name, schedule in product(solvers(), LEARNING_RATES):
            settings = SGDSettings(False, schedule, None, 0.5, True, 0, False)
            kinds = [k for k in solvers()[name] if k.serves(problem.loss, settings)]
            if any(kind.obstacle(settings) is None for kind in kinds):
                state = SGDState.start(np.full(3, start), start, generator_state(0), 5)
                yield loss, problem, descent_for(name, [problem], settings, state)


def objective(loss, problem, coef, intercept):
    X = problem.X
    if not isinstance(X, np.ndarray):
        X = sparse.csr_matrix(
            (X.data, X.indices.astype(int), X.indptr.astype(int)), X.shape
        )
    return skreg.objective(X, problem.y, coef, intercept, loss=loss, l1=0.01, l2=0.1)


@pytest.mark.parametrize("start", [0.0, 0.3])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_every_descent_keeps_the_contract(rng, storage, start):
    kinds = set()
    for loss, problem, descent in descents(rng, storage, start):
        kinds.add(type(descent))
        null = null_model(problem)
        descent.start([null])
        first, first_intercept = descent.weights()
        assert_allclose(first, start)
        assert (first_intercept == 0.0).all() or problem.fit_intercept
        for k in range(4):
            if k:
                descent.epoch(0.0)
            (n_nonzero,), finite = descent.count_nonzero()
            coef, intercept = descent.weights()
            (certificate,) = descent.certify()
            assert isinstance(certificate, Certificate)
            assert (coef.shape, intercept.shape) == ((1, 3), (1,))
            assert n_nonzero == np.count_nonzero(coef)
            assert finite
            value = objective(loss, problem, coef[0], intercept[0])
            assert_allclose(certificate.objective, value, rtol=1e-9)
            assert 0.0 <= certificate.gap < np.inf
        assert descent.ends(True) in (True, False)
        coefs, intercepts = descent.state.weights()
        assert_array_equal(coefs, coef)
        assert_array_equal(intercepts, intercept)
        assert (intercepts == 0.0).all() or problem.fit_intercept
        assert descent.state.models == (5,)
        assert descent.state.n_steps > 0
        assert descent.state.rows.number >= 40
    assert kinds == {kind for kind in _subclasses(Descent) if not kind.__abstractmethods__}


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_exact_descents_end_at_the_optimum(rng, offset):
    for loss, problem, descent in descents(rng, np.asarray, 0.3, offset):
        if not descent.evaluates:
            continue
        null = null_model(problem)
        descent.start([null])
        target, converged = 1e-7 * null.objective, False
        for _ in range(500):
            descent.epoch(target)
            (certificate,) = descent.certify()
            converged = certificate.gap <= target
            if descent.ends(converged):
                break
        else:
            pytest.fail(f"{type(descent).__name__} has no end")
        assert converged
        (coef,), (intercept,) = descent.weights()
        best = objective(loss, problem, coef, intercept)
        assert best <= certificate.objective + 1e-7 * null.objective
        for moved in 1e-3 * rng.standard_normal((20, 4)):
            moved[-1] *= problem.fit_intercept
            other = objective(loss, problem, coef + moved[:-1], intercept + moved[-1])
            assert other >= best - 2.0 * target


def _subclasses(kind):
    for below in kind.__subclasses__():
        yield from (below, *_subclasses(below))


def test_descents_of_one_model_keep_no_others(rng):
    kinds = (d for _, _, d in descents(rng, np.asarray) if type(d).__name__ == "SVRG")
    with pytest.raises(NotImplementedError, match="SVRG is for one model"):
        next(kinds).keep([0])


def test_a_loss_that_no_method_serves_is_refused(rng, monkeypatch):
    _, problem, _ = next(descents(rng, np.asarray))
    monkeypatch.setitem(solvers(), "svrg", [])
    with pytest.raises(ValueError, match=r"solver='svrg' does not take loss='\w+'"):
        descent_for("svrg", [problem], None, None)
