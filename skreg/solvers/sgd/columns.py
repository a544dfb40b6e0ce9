"""Models side by side: one pass over sparse rows takes a plain step of each of them.

The models of one-against-all, or those of several targets, share rows, weights of rows and
steps. As long as their descents are in step, they share a state: their weights are columns
of a matrix with a row for each feature, whose elements are neighbours in memory. A sparse
row finds its weights scattered, one at a time for one model, and for a block all at once;
the arithmetic then takes eight models at a time (see `skreg.kernels.vectors`). Dense rows
find the weights of one model side by side as it is: their models are fitted one after the
other. Each column is what its model would be alone, to the bit.
"""

import numpy as np
from joblib import effective_n_jobs

from skreg.data.matrices import CSR
from skreg.losses import CLASSIFICATION_LOSSES
from skreg.solvers.sgd.state import SGDState


def can_share(problems, settings):
    """Return whether problems that differ in their targets can be solved as a block."""
    first = problems[0]
    own_steps = settings.schedule in ("adaptive", "adagrad")
    classifies = type(first.loss) in CLASSIFICATION_LOSSES.values()
    # Then the targets have a part in the steps.
    own_steps |= not classifies and first.loss.slope_bound is not None
    all_weights = settings.subgradient and first.l1 > 0.0
    sparse = isinstance(first.X, CSR)
    return len(problems) > 1 and sparse and not own_steps and not all_weights


def split(states):
    """Return the states of single models, in the order of the models."""
    singles = {
        model: state.column(m) for state in states for m, model in enumerate(state.models)
    }
    return [singles[model] for model in sorted(singles)]


def grouped(states, n_jobs):
    """Return states of the same models: for each job, one of all that are in step."""
    n_models = sum(state.n_models for state in states)
    job_of = np.arange(n_models) * min(effective_n_jobs(n_jobs), n_models) // n_models
    wanted = {}
    for state in states:
        clock = _clock(state)
        for model in state.models:
            wanted.setdefault((int(job_of[model]), clock), []).append(model)
    groups = sorted(tuple(sorted(models)) for models in wanted.values())
    if groups == sorted(state.models for state in states):
        return states
    singles = split(states)
    return [SGDState.join([singles[model] for model in models]) for models in groups]


def _clock(state):
    """Return what must be the same for models that are to be in step."""
    numbers = state.n_steps, state.plateau_factor, state.longest_step, state.n_averaged
    kinds = state.from_zero, state.sums is None, state.tail is None
    return numbers, kinds, state.rows, state.strengths, tuple(state.generator.tolist())
