"""The driver of all solvers.

What over- or underflows on the way is for the driver to see: NumPy's warnings, and what a
caller made of them by `numpy.errstate`, are off in here.
"""

import functools
import time
import warnings
from itertools import chain

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.exceptions import ConvergenceWarning

import skreg.solvers
from skreg.objectives.problem import null_model
from skreg.solvers.descent import ExactDescent, methods
from skreg.solvers.messages import divergence
from skreg.solvers.monitor import DIVERGED, Evaluated, Monitor, reference
from skreg.solvers.sgd.columns import can_share, grouped, split
from skreg.solvers.sgd.schedules import SCHEDULES
from skreg.solvers.threads import single_threaded_blas

LEARNING_RATES = [*SCHEDULES, "adagrad"]


@functools.cache
def solvers():
    """Return the methods of each value of ``solver`` but "auto", one of the others."""
    return methods(skreg.solvers)


def solver_for(name, settings):
    """Return the key of `solvers` that a value of ``solver`` stands for.

    Raises ValueError where a method is asked for what it cannot do.
    """
    if name == "auto":
        return "sgd" if ExactDescent.obstacle(settings) else "svrg"
    obstacle = solvers()[name][0].obstacle(settings)
    if obstacle:
        raise ValueError(f"solver={name!r} {obstacle}. Use solver='sgd' or 'auto'.")
    return name


def descent_for(name, problems, settings, state):
    """Return the descent of a key of `solvers` that serves the loss and the settings.

    Raises ValueError if there is none.
    """
    loss = problems[0].loss
    for kind in solvers()[name]:
        if kind.serves(loss, settings):
            return kind(problems, settings, state)
    raise ValueError(
        f"solver={name!r} does not take loss={loss.name!r}. Use solver='auto'."
    )


def minimize(problems, name, settings, states, stopping, scores, n_jobs=None):
    """Run descents until their weights are good enough; return a `Solution` per problem.

    The problems differ in their targets only. With scores, functions of the weights and
    the intercept, a fit stops when its score no longer rises by ``tol``, and returns the
    weights of the best epoch. Otherwise it stops when the duality gap is at most ``tol``
    times the objective of the intercept-only model.

    Matrices are multiplied on one thread: those of a model are small.
    """
    states = _grouped(problems, name, settings, states, n_jobs)
    descents = _descents(problems, name, settings, states)
    runs = (
        (descent, settings, stopping, _nulls(own), [scores[k] for k in models])
        for descent, own, models in descents
    )
    with single_threaded_blas():
        found = _each(run, runs, n_jobs)
    models = chain.from_iterable(state.models for state in states)
    solutions = dict(sorted(zip(models, chain.from_iterable(found), strict=True)))
    for solution in solutions.values():
        if solution.warning:
            warnings.warn(solution.warning, ConvergenceWarning, stacklevel=3)
    return list(solutions.values())


def take_epoch(problems, settings, states, n_jobs=None):
    """Take one epoch of plain steps; return the states of the descents.

    Whether the weights are finite is for others to see. Finite ones have diverged where
    their losses are as large as those that `Monitor` refuses, and larger than before.
    """

    def take(descent):
        before = descent.sampled_losses()
        descent.epoch()
        after = descent.sampled_losses()
        nulls = descent.state.largest_nulls
        most = [DIVERGED * reference(descent.problem.loss, null) for null in nulls]
        if not ((after <= most) | (after <= before)).all():
            raise divergence(settings)
        return descent.state

    states = _grouped(problems, "sgd", settings, states, n_jobs)
    descents = _descents(problems, "sgd", settings, states)
    return _each(take, ((descent,) for descent, *_ in descents), n_jobs)


def _grouped(problems, name, settings, states, n_jobs):
    """Return states of the same models: together where they can share a pass."""
    share = name == "sgd" and can_share(problems, settings)
    return grouped(states, n_jobs) if share else split(states)


def _descents(problems, name, settings, states):
    """Yield descents, their problems, and which these are."""
    for state in states:
        own = [problems[k] for k in state.models]
        with np.errstate(all="ignore"):
            descent = descent_for(name, own, settings, state)
        yield descent, own, state.models


@np.errstate(all="ignore")
def _nulls(problems):
    return [null_model(problem) for problem in problems]


def _each(function, jobs, n_jobs):
    """Return what a function returns for each of some arguments, in order."""
    if effective_n_jobs(n_jobs) == 1:
        return [_quietly(function, job) for job in jobs]
    calls = (delayed(_quietly)(function, job) for job in jobs)
    return Parallel(n_jobs=n_jobs, require="sharedmem")(calls)


def _quietly(function, job):
    with np.errstate(all="ignore"):  # each thread has its own
        return function(*job)


def run(descent, settings, stopping, nulls, scores, with_states=True):
    """Do what `minimize` does, for one descent; each model ends when it may.

    `nulls` holds the `NullModel` of each problem. Without states, which only plain steps go
    on from, solutions have none.
    """
    descent.start(nulls)
    has_begun = any(map(np.any, descent.weights()))  # else the objective is known
    firsts = _evaluated(descent) if has_begun else [None] * len(nulls)
    parts = zip(descent.problems, nulls, firsts, scores, strict=True)
    monitors = [Monitor(descent, p, settings, stopping, *rest) for p, *rest in parts]
    active, solutions = list(range(len(monitors))), {}
    while active:
        started = time.perf_counter()
        descent.epoch(monitors[active[0]].target)
        n_nonzero, finite = descent.count_nonzero()
        if not finite:
            raise divergence(settings)
        evaluated = [None] * len(active)
        if monitors[active[0]].evaluates_next():  # at the same epochs for all
            evaluated = _evaluated(descent)
        seconds = time.perf_counter() - started
        for k, *epoch in zip(active, n_nonzero, evaluated, strict=True):
            monitors[k].advance(*epoch, seconds)
        ended = [k for k in active if monitors[k].ended]
        together = len(ended) == len(monitors)
        together = together and not any(monitors[k].returns_best for k in ended)
        for k in ended:
            state = descent.state if with_states else None
            if with_states and not together:
                state = state.column(active.index(k))
            solutions[k] = monitors[k].solution(state)
        remaining = [m for m, k in enumerate(active) if not monitors[k].ended]
        if ended and remaining:
            descent.keep(remaining)
        active = [active[m] for m in remaining]
    return [solutions[k] for k in range(len(monitors))]


def _evaluated(descent):
    """Return the `Evaluated` of each model."""
    coefs, intercepts = descent.weights()
    parts = zip(coefs, intercepts.tolist(), descent.certify(), strict=True)
    return [Evaluated(*part) for part in parts]
