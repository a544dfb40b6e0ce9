"""The state of plain steps: what is carried from epoch to epoch and from call to call."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from skreg._kernels import Iterate, Strengths, Sums
from skreg._rows import settle

# Weights that began at 0 are out of scale for no more steps than these.
_TENTATIVE = 100


class SGDSettings(NamedTuple):
    """What the user chose for the descent, independent of the objective."""

    subgradient: bool
    schedule: str
    eta0: float | None
    power_t: float
    shuffle: bool
    average: int  # number of the first step in the mean, counted from 1; 0 for no mean
    early_stopping: bool
    decoupled: bool = False  # whether L2 shrinks all weights alike


@dataclass
class SGDState:
    """All that a descent needs to go on later, in plain numbers and arrays."""

    iterate: Iterate
    generator: np.ndarray
    n_steps: int = 0
    plateau_factor: float = 1.0
    n_weighed: int = 0  # rows that the sums below are over
    first_weight: float = 0.0
    weight_sum: float = 0.0
    length_sum: float = 0.0
    unmeasured: float = 0.0  # the part of `weight_sum` that `length_sum` leaves out
    target_range: np.ndarray = field(default_factory=lambda: np.array([np.inf, -np.inf]))
    from_zero: bool = False  # whether the weights were all 0 at the start
    longest_step: float = 0.0  # see `SGD._rescaled`
    strengths: Strengths | None = None  # of the steps taken so far
    sums: Sums | None = None
    n_averaged: int = 0
    memory: Any = None  # of AdaGrad steps, which have no iterate

    @classmethod
    def start(cls, coef, intercept, generator):
        """Return the state of a descent from given weights."""
        coef = np.array(coef, dtype=np.float64)
        iterate = Iterate(coef, 1.0, 0.0, float(intercept))
        return cls(iterate, generator, from_zero=not coef.any())

    def moved_to(self, coef, intercept):
        """Return the state at other weights; the clock is the same."""
        iterate = Iterate(np.array(coef, dtype=np.float64), 1.0, 0.0, float(intercept))
        return replace(
            self, iterate=iterate, sums=None, n_averaged=0, memory=None, from_zero=False
        )

    def sparse(self):
        """Return the state with sparse arrays, which are smaller if most are 0."""
        return self._with(sparse.csr_matrix)

    def dense(self):
        """Return the state, able to go on, with copies of its arrays."""
        return self._with(lambda coef: _dense(coef).copy())

    def _with(self, change):
        sums = self.sums
        if sums is not None:
            sums = sums._replace(coef=change(sums.coef))
        iterate = self.iterate._replace(coef=change(self.iterate.coef))
        memory = self.memory
        if memory is not None:
            memory = memory._replace(features=change(memory.features))
        others = {
            "generator": self.generator.copy(),
            "target_range": self.target_range.copy(),
        }
        return replace(self, iterate=iterate, sums=sums, memory=memory, **others)

    @property
    def n_tentative(self):
        """How many of the next steps still look for the scale of the data."""
        return max(0, _TENTATIVE - self.n_steps) if self.from_zero else 0

    def weights(self):
        """Return the weights and the intercept, all that is pending settled."""
        if self.memory is not None:
            return self.memory.weights()
        if not self.n_averaged:
            return settled(self.iterate), self.iterate.intercept
        coef_sum, scale_sum, threshold, intercept = self.sums
        total = coef_sum + scale_sum * self.iterate.coef
        mean = Iterate(total, 1.0 / self.n_averaged, threshold, intercept)
        return settled(mean), intercept / self.n_averaged


def _dense(array):
    if not sparse.issparse(array):
        return array
    return array.toarray() if array.shape[0] > 1 else array.toarray().ravel()


def settled(iterate):
    """Return the weights of an iterate, all that is pending settled."""
    return settle(iterate.coef, iterate.scale, iterate.threshold)
