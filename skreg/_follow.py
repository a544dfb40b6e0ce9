"""The driver of paths: one problem under one penalty after the other.

Each fit goes on from the weights of the one before, and begins with what that one saw of
the rows. For the squared error of few dense features the rows are read once, for their
`Moments`.
"""

import numpy as np

from skreg._losses import HalfSquaredError
from skreg._moments import Moments
from skreg._objective import null_model
from skreg._rows import CSR
from skreg._solvers import Solution, run
from skreg._state import SGDSettings, SGDState
from skreg._svrg import SVRG
from skreg._threads import single_threaded_blas

# Moments cost as many looks at the rows as there are features to twenty, a fit a few.
_MOST_FEATURES = 1000
_FEATURES_PER_FIT = 60
_SETTINGS = SGDSettings(
    subgradient=False,
    schedule="auto",
    eta0=None,
    power_t=0.5,
    shuffle=True,
    average=0,
    early_stopping=False,
)


def follow(problem, penalties, stopping, generator, moments=None):
    """Return a `Solution` for each of `penalties`, pairs (l1, l2), one after the other.

    `moments` are those of the rows of the problem, if they are known.
    """
    with single_threaded_blas():
        if moments is None and moments_pay(problem, len(penalties)):
            moments = Moments.of(*problem[:4])
        quadratic = None if moments is None else moments.objective(problem.fit_intercept)
        if quadratic is not None:
            return _follow_quadratic(quadratic, penalties, stopping, generator)
        return _follow_rows(problem, penalties, stopping, generator)


def moments_pay(problem, n_penalties):
    """Return whether moments are worth the pass that they take."""
    n_rows, n_features = problem.X.shape
    most = min(_MOST_FEATURES, _FEATURES_PER_FIT * n_penalties, n_rows)
    dense = not isinstance(problem.X, CSR)
    return dense and isinstance(problem.loss, HalfSquaredError) and n_features <= most


def _follow_quadratic(quadratic, penalties, stopping, generator):
    solutions, coef = [], np.zeros(quadratic.n_features)
    target = stopping.tol * quadratic.null
    for l1, l2 in penalties:
        coef, certificate = quadratic.minimize(l1, l2, coef, target)
        intercept = quadratic.intercept(coef)
        state = SGDState.start(coef, intercept, generator)
        converged = bool(certificate.distance <= target)
        solutions.append(
            Solution(coef, intercept, 1, converged, certificate, {}, state, None)
        )
    return solutions


def _follow_rows(problem, penalties, stopping, generator):
    start = SGDState.start(np.zeros(problem.n_features), 0.0, generator)
    descent, null = SVRG(problem, _SETTINGS, start), null_model(problem)
    solutions = []
    for l1, l2 in penalties:
        descent.turn_to(l1, l2)
        solutions.append(run(descent, stopping, null))
    return solutions
