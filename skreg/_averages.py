"""The mean of all iterates (Polyak, Ruppert), exact for lazily updated weights too.

Adding every weight after every step is what the definition says, and what is done for
dense rows. For a sparse row that would cost as much as a dense one, so a feature is added
only when its raw weight is about to change. Between two changes its weight after step
``s`` is ``scale[s] * soft(raw, threshold[s])``, which shrinks to 0 and then stays there:
the sum over these steps is a difference of prefix sums, cut at the step where it died.
"""

from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from skreg._compile import compiled
from skreg._rows import CSR, soft


class Average(NamedTuple):
    """A running sum of iterates over the steps of one kernel call.

    The other arrays than ``total`` serve sparse rows only:
    ``last[j]`` is the first step whose weight of feature j is still to be added,
    ``thresholds[s]`` the raw threshold after step s, and ``scale_sums[s]`` and
    ``shift_sums[s]`` the sums of scale and of scale times threshold over steps before s.
    """

    total: np.ndarray
    last: np.ndarray
    thresholds: np.ndarray
    scale_sums: np.ndarray
    shift_sums: np.ndarray


def make_average(X, total, n_steps):
    """Return an `Average` that adds to `total`; None if that is None."""
    if total is None:
        return None
    n_features, n_sums = (X.shape[1], n_steps + 1) if isinstance(X, CSR) else (0, 0)
    last = np.zeros(n_features, dtype=np.int64)
    return Average(total, last, *(np.zeros(n_sums) for _ in range(3)))


@compiled
def _add_feature(j, stop, raw, average):
    """Add the weights of feature j after steps ``last[j]`` to ``stop - 1``."""
    start = average.last[j]
    average.last[j] = stop
    if raw == 0.0 or start == stop:
        return
    alive, dead = start, stop  # bisect for the first step that leaves the weight at 0
    while alive < dead:
        middle = (alive + dead) // 2
        if average.thresholds[middle] < abs(raw):
            alive = middle + 1
        else:
            dead = middle
    scales = average.scale_sums[dead] - average.scale_sums[start]
    shifts = average.shift_sums[dead] - average.shift_sums[start]
    average.total[j] += raw * scales - np.sign(raw) * shifts


@compiled
def add_pending(coef, stop, average):
    """Add what sparse features still owe for steps before `stop`."""
    for j in range(average.last.shape[0]):
        _add_feature(j, stop, coef[j], average)


def add_pending_row(X, i, coef, stop, average):
    """Do as `add_pending` for the features of row `i`, before they change."""
    if isinstance(X, CSR):
        _pending_row_csr(X, i, coef, stop, average)


@overload(add_pending_row)
def _compiled_add_pending_row(X, i, coef, stop, average):
    return _pending_row_dense if isinstance(X, types.Array) else _pending_row_csr


def _pending_row_dense(X, i, coef, stop, average):
    pass


def _pending_row_csr(X, i, coef, stop, average):
    for j in range(X.indptr[i], X.indptr[i + 1]):
        feature = X.indices[j]
        _add_feature(feature, stop, coef[feature], average)


def add_iterate(X, coef, scale, threshold, step, average):
    """Add the iterate after `step`, or for sparse rows note how to do so later."""
    add = _iterate_csr if isinstance(X, CSR) else _iterate_dense
    add(X, coef, scale, threshold, step, average)


@overload(add_iterate)
def _compiled_add_iterate(X, coef, scale, threshold, step, average):
    return _iterate_dense if isinstance(X, types.Array) else _iterate_csr


def _iterate_dense(X, coef, scale, threshold, step, average):
    for j in range(coef.shape[0]):
        average.total[j] += scale * soft(coef[j], threshold)


def _iterate_csr(X, coef, scale, threshold, step, average):
    average.thresholds[step] = threshold
    average.scale_sums[step + 1] = average.scale_sums[step] + scale
    average.shift_sums[step + 1] = average.shift_sums[step] + scale * threshold
