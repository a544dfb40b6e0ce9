r"""AdaGrad: a step size for each weight, from the gradients that it has seen.

With :math:`g_{tj}` the derivatives of the loss in weight j, :math:`G_j` the sum of their
squares and :math:`s_j = m_j \sqrt{G_j} / \eta`, the proximal steps are those of
FTRL-Proximal (McMahan et al. 2013, after Duchi, Hazan and Singer 2011): after t rows

.. math::
    w_j = \frac{\operatorname{soft}(v_j, t\, l_1)}{s_j + t\, l_2}, \qquad
    v_j \leftarrow v_j - g_{tj} + (s_j^{new} - s_j) w_j

Only the features of a row change, and the two penalties are exact for all others, whatever
rows they have missed. Without penalty this is :math:`w_j \leftarrow w_j - g_{tj} / s_j`.
A weight that was not 0 at the start stays as it is until its feature comes.

With a given `eta0`, :math:`\eta` is `eta0` and :math:`m_j = 1`, as in the papers. Else the
steps are scale-free, as those of Ross, Mineiro and Langford (2013): :math:`m_j` is the
largest :math:`|x_j|` so far, :math:`\eta` a number in the units of the targets, slopes are
bounded as those of plain steps are, and those in :math:`G_j` by what predictions among the
targets can have. Where a feature turns out to be larger than before, its weight shrinks in
the same proportion; after the first few rows only if that does its row good.

*Decoupled* weight decay (Loshchilov and Hutter 2019) takes L2 out of these formulas: all
weights shrink by the same factor :math:`1 + \eta_0 l_2` in each step, however large their
gradients are. In subgradient mode *coupled* means that the penalty's gradients enter
:math:`g_{tj}`, and with it :math:`G_j`.
"""

import numpy as np

from skreg.data.matrices import checked_row_norms
from skreg.kernels.adagrad import (
    DUAL,
    INVERSE_STEP,
    LARGEST,
    AdaGradState,
    Options,
    Penalty,
    adagrad_epoch,
    adagrad_subgradient_epoch,
    change_inverse_steps,
)
from skreg.kernels.epochs import Iterate
from skreg.losses import CLASSIFICATION_LOSSES
from skreg.solvers.sgd.sgd import PlainDescent

# The first step of a weight, times its largest feature, in the units of the targets, which
# are apart by about this many units.
_STEP = 0.2
_WIDTH = 4.0
# Sums of many strengths as large as this are still numbers, and in subgradient mode, where
# they join the gradients, so are those of the squares of the second number.
_STRONGEST = 1e280
_STRONGEST_GRADIENT = 1e100


class AdaGrad(PlainDescent):
    """The descent of one `Problem` by AdaGrad steps."""

    @classmethod
    def serves(cls, loss, settings):
        return settings.schedule == "adagrad"

    def __init__(self, problems, settings, state):
        super().__init__(problems, settings, state)
        problem = self.problem
        if settings.average:
            raise ValueError(
                "learning_rate='adagrad' has no average. Use average=False, or another "
                "learning_rate."
            )
        self._eta0 = settings.eta0 or _STEP
        checked_row_norms(problem.X, problem.rows)
        self._is_regression = type(problem.loss) not in CLASSIFICATION_LOSSES.values()
        most = _STRONGEST_GRADIENT if settings.subgradient else _STRONGEST
        l1, l2 = min(problem.l1, most), min(problem.l2, most)
        self._penalty = Penalty(l1, l2, 0.0)
        if settings.decoupled:
            self._penalty = Penalty(l1, 0.0, self._eta0 * l2)
        if settings.subgradient and self._penalty.decay >= 1.0:
            raise ValueError(
                "In mode='subgradient' decoupled decay times the step must be below 1, but "
                f"it is {self._penalty.decay:.3g}. Lower eta0 or alpha."
            )
        self._adjust_state()
        if not self.is_scale_free:
            self._record_nulls()

    @property
    def is_scale_free(self):
        return self.settings.eta0 is None

    @property
    def step_size(self):
        return self.state.adagrad.eta

    @property
    def plateau(self):
        adagrad = self.state.adagrad
        if not self.settings.subgradient or self.problem.l1 == 0.0:
            return 0.0
        least_size = self._options(adagrad.eta, 0).least_size
        sizes = np.maximum(adagrad.accumulators[:-1, LARGEST], least_size)
        return self.problem.l1 * float((adagrad.eta / sizes[sizes > 0.0]).sum())

    @property
    def _moves_all_weights(self):
        return self.settings.subgradient

    def _adjust_state(self):
        """Take up the weights of another kind of descent."""
        state = self.state
        if state.adagrad is None:
            coefs, intercepts = state.weights()
            accumulators = np.zeros((self.problem.n_features + 1, 4))
            accumulators[:, DUAL] = np.append(coefs[0], intercepts[0])
            accumulators[-1, LARGEST] = 1.0
            state.adagrad = AdaGradState(accumulators, 1.0, 0.0, 0.0, 0.0)
            state.iterate = Iterate(np.zeros((0, 1)), *np.zeros((3, 1)))
            state.sums, state.n_averaged, state.tail = None, 0, None
        if state.strengths != self._strengths:  # what is pending was due to others
            accumulators, eta = state.adagrad.accumulators, state.adagrad.eta
            inverse_steps = accumulators[:-1, INVERSE_STEP]
            held = np.where(inverse_steps > 0.0, inverse_steps, 1.0)
            accumulators[:-1, DUAL] = state.adagrad.weights()[0] * held
            state.adagrad = AdaGradState(accumulators, 1.0, 0.0, 0.0, eta)
            state.strengths = self._strengths
        if not self.problem.fit_intercept:
            state.adagrad.accumulators[-1] = 0.0, 0.0, 0.0, 1.0

    def epoch(self, target=None):
        state, sequence = self.state, self._order.draw(self.state.generator)
        self._begin(sequence.order[0])
        for first in range(0, len(sequence.order), self._rows_per_call):
            part = sequence.part(first, first + self._rows_per_call)
            weights, are_equal = self.problem.sample_weight, self._has_equal_weights
            rows, found = state.rows.add(weights, part.order, are_equal)
            state.rows = rows.forget_lengths()
            for start, stop, eta in self._pieces(part.order):
                self._rescale(eta)
                n_tentative = max(0, state.n_tentative - start)
                weights = found.relative[start:stop]
                self._take_steps(part.part(start, stop), weights, n_tentative)
            state.n_steps += len(part.order)

    def _take_steps(self, sequence, weights, n_tentative):
        problem, adagrad = self.problem, self.state.adagrad
        take = adagrad_epoch
        if self.settings.subgradient:
            take = adagrad_subgradient_epoch
        numbers = take(
            problem.X,
            problem.y,
            *sequence,
            weights,
            adagrad,
            problem.loss,
            self._penalty,
            self._options(adagrad.eta, n_tentative),
        )
        self.state.adagrad = AdaGradState(adagrad.accumulators, *numbers, adagrad.eta)

    def _options(self, eta, n_tentative):
        curvature = self.problem.loss.max_curvature
        largest_slope = np.inf
        if self.is_scale_free and curvature is not None:
            largest_slope = curvature * _WIDTH * eta / _STEP
        numbers = largest_slope, n_tentative, self._least_size(eta, largest_slope)
        return Options(self.is_scale_free, self.problem.fit_intercept, *numbers)

    def _least_size(self, eta, largest_slope):
        """Return at what size of a feature its gradients are like the penalty's.

        Steps that suit smaller ones would carry their weights far across 0.
        """
        loss, (l1, l2, _) = self.problem.loss, self._penalty
        slope = largest_slope if np.isfinite(largest_slope) else 1.0
        if loss.slope_bound is not None:
            slope = min(slope, loss.slope_bound)
        if not self.is_scale_free or slope == 0.0:
            return 0.0
        return max(l1 / slope, float(np.sqrt(l2 * eta / slope)))

    def _begin(self, first_row):
        """Start the intercept of a regression at the first target."""
        accumulators = self.state.adagrad.accumulators
        untouched = self.state.n_steps == 0 and not accumulators[:, DUAL].any()
        free = self.is_scale_free and self.problem.fit_intercept
        if untouched and free and self._is_regression:
            accumulators[-1, DUAL] = float(self.problem.y[first_row])

    def _pieces(self, order):
        """Cut an order where the targets turn out to be wider: (start, stop, eta)."""
        if not (self.is_scale_free and self._is_regression):
            return [(0, len(order), self._eta0)]
        from_zero = not self.problem.fit_intercept  # where predictions start
        (targets,) = self.state.targets
        targets, widths = targets.widen(self.problem.y[order], from_zero)
        self.state.targets = (targets,)
        # Powers of two change seldom. As long as all targets are one, any will do.
        _, exponents = np.frexp(widths)
        cuts = np.flatnonzero(np.diff(exponents)) + 1
        starts, stops = np.append(0, cuts), np.append(cuts, len(order))
        etas = self._eta0 * np.ldexp(1.0 / _WIDTH, exponents[starts])
        return list(zip(starts.tolist(), stops.tolist(), etas.tolist(), strict=True))

    def _rescale(self, eta):
        """Change all steps, and no weight."""
        adagrad = self.state.adagrad
        if adagrad.eta not in (0.0, eta):
            change_inverse_steps(adagrad, adagrad.eta / eta)
        self.state.adagrad = adagrad._replace(eta=eta)
