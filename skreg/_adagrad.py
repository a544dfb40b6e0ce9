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

from typing import NamedTuple

import numpy as np

from skreg._compile import IN_ORDER, compiled
from skreg._kernels import Iterate
from skreg._losses import CLASSIFICATION_LOSSES, bounded_slope, derivative, value
from skreg._matrices import checked_row_norms
from skreg._rows import (
    prefetch_item,
    prefetch_row,
    row_add,
    row_bounds,
    row_item,
    soft,
)
from skreg._sgd import SGD

# The first step of a weight, times its largest feature, in the units of the targets, which
# are apart by about this many units.
_STEP = 0.2
_WIDTH = 4.0
_SMALLEST_SCALE = 1e-9
# Sums of many strengths as large as this are still numbers, and in subgradient mode, where
# they join the gradients, so are those of the squares of the second number.
_STRONGEST = 1e280
_STRONGEST_GRADIENT = 1e100
# What is kept of each feature.
_DUAL, _STRENGTH, _SQUARES, _LARGEST = range(4)


class Memory(NamedTuple):
    """What is carried from step to step.

    A row of ``features`` holds v, s, G and m of a feature, the last row those of the
    intercept; weights are ``scale * soft(v, threshold) / (s + ridge)``, the intercept is
    ``v / s``. Where s is 0, no step has been taken: the weight is ``scale * v``.
    """

    features: np.ndarray
    scale: float
    threshold: float
    ridge: float
    eta: float

    def weights(self):
        """Return the weights and the intercept."""
        coef = _weights(self.features[:-1], self.scale, self.threshold, self.ridge)
        return coef, float(_weights(self.features[-1:], 1.0, 0.0, 0.0)[0])


class Penalty(NamedTuple):
    """What a step does to all weights: l1 and l2 by the formulas, a part by decay."""

    l1: float
    l2: float
    decay: float


class Options(NamedTuple):
    """How steps are taken.

    Without a unit or not, with an intercept or not, by slopes up to what size, how many of
    them while the scale of the data is not known, and where the penalty joins the gradients
    as if features had at least what size.
    """

    scale_free: bool
    fit_intercept: bool
    largest_slope: float
    n_tentative: int
    least_size: float


class AdaGrad(SGD):
    """The descent of one `Problem` by AdaGrad steps."""

    _fades = False  # what a weight of 0 has in store is a sum of gradients, kept whole

    def __init__(self, problem, settings, state):
        if settings.average:
            raise ValueError(
                "learning_rate='adagrad' has no average. Use average=False, or another "
                "learning_rate."
            )
        self._scale_free = settings.eta0 is None
        plain = settings._replace(schedule="constant", eta0=settings.eta0 or _STEP)
        super().__init__(problem, plain, state)
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

    @property
    def is_scale_free(self):
        return self._scale_free

    @property
    def plateau(self):
        memory = self.state.memory
        if not self.settings.subgradient or self.problem.l1 == 0.0:
            return 0.0
        least_size = self._options(memory.eta, 0).least_size
        sizes = np.maximum(memory.features[:-1, _LARGEST], least_size)
        return self.problem.l1 * float((memory.eta / sizes[sizes > 0.0]).sum())

    @property
    def _moves_all_weights(self):
        return self.settings.subgradient

    def _adjust_state(self):
        """Take up the weights of another kind of descent."""
        state = self.state
        if state.memory is None:
            coef, intercept = state.weights()
            features = np.zeros((len(coef) + 1, 4))
            features[:, _DUAL] = np.append(coef, intercept)
            features[-1, _LARGEST] = 1.0
            state.memory = Memory(features, 1.0, 0.0, 0.0, 0.0)
            state.iterate = Iterate(np.zeros(0), 1.0, 0.0, 0.0)
            state.sums, state.n_averaged = None, 0
            state.forget_notes()
        if state.strengths != self._strengths:  # what is pending was due to others
            features, eta = state.memory.features, state.memory.eta
            strengths = features[:-1, _STRENGTH]
            held = np.where(strengths > 0.0, strengths, 1.0)
            features[:-1, _DUAL] = state.memory.weights()[0] * held
            state.memory = Memory(features, 1.0, 0.0, 0.0, eta)
            state.strengths = self._strengths
        if not self.problem.fit_intercept:
            state.memory.features[-1] = 0.0, 0.0, 0.0, 1.0

    def epoch(self, target=None):
        """Visit every row of the problem once."""
        problem, state = self.problem, self.state
        visits = self._order.draw(self.state.generator)
        self._begin(visits.order[0])
        for part in self._calls(visits):
            weights, _, _ = self._weigh(part.order)
            for start, stop, eta in self._pieces(part.order):
                self._rescale(eta)
                memory = state.memory
                piece = part.part(start, stop)
                function = _subgradient_epoch if self.settings.subgradient else _epoch
                numbers = function(
                    problem.X,
                    problem.y,
                    *piece,
                    weights[start:stop],
                    memory,
                    problem.loss,
                    self._penalty,
                    self._options(eta, max(0, state.n_tentative - start)),
                )
                state.memory = Memory(memory.features, *numbers, eta)
            state.n_steps += len(part.order)
        self._last_step_size = state.memory.eta

    def _options(self, eta, n_tentative):
        curvature = self.problem.loss.max_curvature
        largest_slope = np.inf
        if self._scale_free and curvature is not None:
            largest_slope = curvature * _WIDTH * eta / _STEP
        numbers = largest_slope, n_tentative, self._least_size(eta, largest_slope)
        return Options(self._scale_free, self.problem.fit_intercept, *numbers)

    def _least_size(self, eta, largest_slope):
        """Return at what size of a feature its gradients are like the penalty's.

        Steps that suit smaller ones would carry their weights far across 0.
        """
        loss, (l1, l2, _) = self.problem.loss, self._penalty
        slope = largest_slope if np.isfinite(largest_slope) else 1.0
        if loss.slope_bound is not None:
            slope = min(slope, loss.slope_bound)
        if not self._scale_free or slope == 0.0:
            return 0.0
        return max(l1 / slope, float(np.sqrt(l2 * eta / slope)))

    def _begin(self, first_row):
        """Start the intercept of a regression at the first target."""
        features = self.state.memory.features
        untouched = self.state.n_steps == 0 and not features[:, _DUAL].any()
        free = self._scale_free and self.problem.fit_intercept
        if untouched and free and self._is_regression:
            features[-1, _DUAL] = float(self.problem.y[first_row])

    def _pieces(self, order):
        """Cut an order where the targets turn out to be wider: (start, stop, eta)."""
        if not (self._scale_free and self._is_regression):
            return [(0, len(order), self._eta0)]
        # Powers of two change seldom. As long as all targets are one, any will do.
        _, exponents = np.frexp(self._target_widths(order))
        cuts = np.flatnonzero(np.diff(exponents)) + 1
        starts, stops = np.append(0, cuts), np.append(cuts, len(order))
        etas = self._eta0 * np.ldexp(1.0 / _WIDTH, exponents[starts])
        return list(zip(starts.tolist(), stops.tolist(), etas.tolist(), strict=True))

    def _target_widths(self, order):
        """Return at each row how far apart the targets so far are."""
        y, seen = self.problem.y[order], self.state.target_range
        if not self.problem.fit_intercept:  # predictions start at 0
            seen[:] = min(seen[0], 0.0), max(seen[1], 0.0)
        low = np.minimum(seen[0], np.minimum.accumulate(y))
        high = np.maximum(seen[1], np.maximum.accumulate(y))
        seen[:] = low[-1], high[-1]
        return high - low

    def _rescale(self, eta):
        """Change all steps, and no weight."""
        memory = self.state.memory
        if memory.eta not in (0.0, eta):
            _change_strengths(memory, memory.eta / eta)
        self.state.memory = memory._replace(eta=eta)


@compiled
def _weights(features, scale, threshold, ridge):
    out = np.empty(features.shape[0])
    for j in range(features.shape[0]):
        out[j] = _weight(features, j, scale, threshold, ridge)
    return out


@compiled
def _weight(features, j, scale, threshold, ridge):
    strength = features[j, _STRENGTH]
    if strength == 0.0:
        return scale * features[j, _DUAL]
    return scale * soft(features[j, _DUAL], threshold) / (strength + ridge)


@compiled
def _change_strengths(memory, factor):
    features, _, threshold, ridge, _ = memory
    last = features.shape[0] - 1
    for j in range(features.shape[0]):
        weight = _weight(features, j, 1.0, threshold, ridge)
        if j == last:
            weight = _weight(features, j, 1.0, 0.0, 0.0)
        change = (factor - 1.0) * features[j, _STRENGTH]
        features[j, _STRENGTH] += change
        features[j, _DUAL] += change * weight


@compiled
def _strength(features, j, x, gradient, eta, scale_free):
    """Return the strength of feature j after a gradient."""
    root = np.sqrt(features[j, _SQUARES] + gradient * gradient)
    if scale_free:
        root *= max(features[j, _LARGEST], abs(x))
    return root / eta


@compiled
def _move(features, j, x, slope, bounded, strength, threshold, ridge):
    """Take the step of one feature, in units of the scale."""
    if x == 0.0 or strength == 0.0:
        return
    weight = _weight(features, j, 1.0, threshold, ridge)
    old = features[j, _STRENGTH]
    if old > 0.0:
        dual = features[j, _DUAL] + (strength - old) * weight
    elif weight == 0.0:
        dual = 0.0
    else:  # the first step away from where the descent began
        dual = (strength + ridge) * weight + np.copysign(threshold, weight)
    features[j, _DUAL] = dual - bounded * x
    features[j, _STRENGTH] = strength
    features[j, _SQUARES] += (slope * x) ** 2
    features[j, _LARGEST] = max(features[j, _LARGEST], abs(x))


@compiled
def _shrinkage(features, j, x):
    """Return by which factor the weight of a feature shrinks that is larger than ever."""
    largest = features[j, _LARGEST]
    return largest / abs(x) if 0.0 < largest < abs(x) else 1.0


@compiled(fastmath=IN_ORDER)
def _predict(X, i, y, memory, loss, scale_free, tentative):
    """Return the raw prediction of a row, whose weights shrink if that does it good.

    Or anyway, if they are tentative.
    """
    features, scale, threshold, ridge, _ = memory
    intercept = _weight(features, features.shape[0] - 1, 1.0, 0.0, 0.0)
    raw, shrunk = intercept, intercept
    start, stop = row_bounds(X, i)
    for k in range(start, stop):
        j, x = row_item(X, i, k)
        part = x * _weight(features, j, scale, threshold, ridge)
        raw += part
        shrunk += part * _shrinkage(features, j, x)
    if not scale_free:
        return raw
    if not tentative and not value(loss, y, shrunk) < value(loss, y, raw):
        return raw
    for k in range(start, stop):
        j, x = row_item(X, i, k)
        excess = 1.0 - _shrinkage(features, j, x)
        if excess > 0.0:
            features[j, _DUAL] -= excess * soft(features[j, _DUAL], threshold)
    return shrunk


@compiled(fastmath=IN_ORDER)
def _slopes(X, i, y, raw, row_weight, memory, loss, options):
    """Return the slope of a row, and the part of it that a step can bear."""
    features, _, _, ridge, eta = memory
    slope = row_weight * derivative(loss, y, raw)
    if not options.scale_free or slope == 0.0:
        return slope, slope
    largest = row_weight * options.largest_slope
    slope = min(max(slope, -largest), largest)
    reach = 0.0
    if options.fit_intercept:
        last = features.shape[0] - 1
        reach = 1.0 / _strength(features, last, 1.0, slope, eta, True)
    start, stop = row_bounds(X, i)
    for k in range(start, stop):
        j, x = row_item(X, i, k)
        strength = _strength(features, j, x, slope * x, eta, True) + ridge
        if strength > 0.0:
            reach += x * x / strength
    return slope, row_weight * bounded_slope(loss, y, raw, row_weight * reach)


@compiled(fastmath=IN_ORDER)
def _epoch(X, y, order, arrivals, row_weights, memory, loss, penalty, options):
    """Take a proximal step on each row; return the scale, the threshold and the ridge."""
    features, scale, threshold, ridge, eta = memory
    last = features.shape[0] - 1
    for n in range(order.shape[0]):
        if n < arrivals.shape[0]:
            prefetch_row(X, arrivals[n])
            prefetch_item(y, arrivals[n])
        i = order[n]
        now = Memory(features, scale, threshold, ridge, eta)
        raw = _predict(X, i, y[i], now, loss, options.scale_free, n < options.n_tentative)
        slope, bounded = _slopes(X, i, y[i], raw, row_weights[n], now, loss, options)
        start, stop = row_bounds(X, i)
        for k in range(start, stop):
            j, x = row_item(X, i, k)
            strength = _strength(features, j, x, slope * x, eta, options.scale_free)
            _move(features, j, x, slope, bounded / scale, strength, threshold, ridge)
        if options.fit_intercept:
            strength = _strength(features, last, 1.0, slope, eta, options.scale_free)
            _move(features, last, 1.0, slope, bounded, strength, 0.0, 0.0)
        threshold += penalty.l1 / scale
        ridge += penalty.l2
        scale /= 1.0 + penalty.decay
        if scale < _SMALLEST_SCALE:
            features[:last, _DUAL] *= scale
            threshold *= scale
            scale = 1.0
    return scale, threshold, ridge


@compiled(fastmath=IN_ORDER)
def _subgradient_epoch(X, y, order, arrivals, row_weights, memory, loss, penalty, options):
    """Take a subgradient step of all weights on each row; return as `_epoch` does."""
    features, eta = memory.features, memory.eta
    last = features.shape[0] - 1
    gradient, seen = np.empty(last), np.empty(last)
    now = Memory(features, 1.0, 0.0, 0.0, eta)
    for n in range(order.shape[0]):
        i = order[n]
        raw = _predict(X, i, y[i], now, loss, options.scale_free, n < options.n_tentative)
        slope, bounded = _slopes(X, i, y[i], raw, row_weights[n], now, loss, options)
        start, stop = row_bounds(X, i)
        for k in range(start, stop):
            j, x = row_item(X, i, k)
            features[j, _LARGEST] = max(features[j, _LARGEST], abs(x))
        for j in range(last):
            weight = _weight(features, j, 1.0, 0.0, 0.0)
            gradient[j] = penalty.l1 * np.sign(weight) + penalty.l2 * weight
        seen[:] = gradient
        row_add(X, i, bounded, gradient)
        row_add(X, i, slope, seen)
        for j in range(last):
            weight = _weight(features, j, 1.0, 0.0, 0.0)
            size = options.least_size
            strength = _strength(features, j, size, seen[j], eta, options.scale_free)
            features[j, _SQUARES] += seen[j] ** 2
            weight -= penalty.decay * weight
            if strength > 0.0:
                weight = strength * weight - gradient[j]
            features[j, _DUAL], features[j, _STRENGTH] = weight, strength
        if options.fit_intercept:
            strength = _strength(features, last, 1.0, slope, eta, options.scale_free)
            _move(features, last, 1.0, slope, bounded, strength, 0.0, 0.0)
    return 1.0, 0.0, 0.0
