r"""Grids of alphas: where a default one lies, when it goes on, and what its ends mean.

A default grid brackets the best alpha in any units of the features and the targets. The
share of L1 acts on the scale of the slopes g of the model without features,
:math:`A = \max_j |g_j| / l_1\text{-ratio}`; the share of L2 acts on the scale of the
curvature, :math:`B = c \operatorname{var}(x^T v) / (1 - l_1\text{-ratio})` along the
direction v in which the weights leave 0. There c is the curvature of the parabola that has
the slopes and the loss of that model: 1 for the squared error, and right but for a factor
of 2 for the log loss. Huber's loss of targets beyond `epsilon` has no curvature at a point,
but it has this one.

Beyond either scale nearly nothing is left of the weights, so the grid begins at
:math:`\min(A, 100 B)`. It ends at `eps` times the smaller scale. Features in units of their
own have scales of their own, :math:`|g_j|` and :math:`c \operatorname{var}(x_j)`: the grid
ends further down where one that matters, judged alone, would else have no place on it.
From there it goes on to where the grid of the training rows of each fold ends, and as long
as the best loss of rows that were held out is near its end, or training rows still have
much to teach.
"""

import warnings
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skreg.data.matrices import check_squares, mean_squares
from skreg.data.numbers import as_numbers
from skreg.kernels.passes import hessian_product
from skreg.objectives.certificate import evaluate
from skreg.objectives.problem import null_model

# At this many times the scale of L2, it leaves a hundredth of the weights. Features that
# begin to matter at a hundredth of the smaller scale are still well inside the grid.
_WIDE = 100.0
# A feature that explains more than this part of the loss, alone, matters.
_MATTERS = 0.005
# Variances below this part of the mean square are rounding.
_ROUNDING = 1e-13
# The last part of a grid, in decades, and how much better a loss, relatively, must be there
# than anywhere before for the grid to go on. A shorter part may be a plateau on the way.
_LAST_PART = 1.5
_BETTER = 1e-3
_MOST_DECADES = 10.0
# Ends of grids that are not further apart are as good as equal.
_AS_FAR = 10.0**0.5
# Of training rows, this part of the loss without weights may be left when enough has been
# learned, and less than this part falls in the last part of a grid where no more can be.
_LEARNED = 0.1
_LEARNS = 0.01
# Two alphas have no other place than the ends.
_FEW_ALPHAS = 3


class Scales(NamedTuple):
    """A strength of L2, and the least of L1 and L2 where a feature that matters begins."""

    l2: float
    least_l1: float
    least_l2: float


def scales_of(problem):
    """Return the `Scales` of a problem, zeros if no weight would move.

    Raises ValueError if the squares of features over- or underflow.
    """
    rows, zeros = problem.rows, np.zeros(problem.n_features)
    evaluation = evaluate(
        problem._replace(l2=1.0), zeros, null_model(problem).intercept, None
    )
    slopes = np.abs(evaluation.gradient[:-1])
    largest = slopes.max(initial=0.0)
    if largest == 0.0:
        return Scales(0.0, 0.0, 0.0)
    shares = np.zeros(len(problem.y))
    shares[rows] = problem.sample_weight[rows] / problem.weight_sum
    with np.errstate(all="ignore"):
        slope_square = shares[rows] @ evaluation.slopes**2
        curvature = slope_square / (2.0 * evaluation.certificate.loss)
        variances = _variances(problem, shares)
        matters = slopes**2 > _MATTERS * slope_square * variances
    matters &= variances > 0.0
    spread = _spread_along(problem, shares, evaluation.gradient[:-1] / largest)
    check_squares(np.append(variances, spread), problem.X, rows)
    return Scales(
        float(curvature * spread),
        float(slopes.min(where=matters, initial=largest)),
        float(curvature * variances.min(where=matters, initial=spread)),
    )


def _means(problem, shares, vector):
    """Return the means of all products of a feature and rows times `vector`."""
    out = np.zeros(len(vector))
    hessian_product(problem.X, problem.rows, shares[problem.rows], vector, out)
    return out


def _variances(problem, shares):
    """Return the variances of the features; mean squares without intercept."""
    squares = mean_squares(problem.X, shares)
    if not problem.fit_intercept:
        return squares
    means = _means(problem, shares, np.append(np.zeros(problem.n_features), 1.0))[:-1]
    variances = squares - means**2
    return np.where(variances > _ROUNDING * squares, variances, 0.0)


def _spread_along(problem, shares, direction):
    """Return the variance of the rows along a direction, which need not have length 1."""
    way = np.append(direction / np.linalg.norm(direction), 0.0)
    image = _means(problem, shares, way)
    if problem.fit_intercept:
        way[-1] = -image[-1]
        image = _means(problem, shares, way)
    with np.errstate(all="ignore"):
        return way @ image


def ends_at(of_l1, of_l2, least, eps):
    """Return the ends of a grid for two scales, of which one may be infinite.

    `least` is where the last feature that matters begins. Where no feature is of use, both
    ends are 0.
    """
    return min(of_l1, _WIDE * of_l2), eps * min(of_l1, of_l2, _WIDE * least)


def grid_between(largest, smallest, n_alphas, eps):
    """Return alphas from end to end."""
    if smallest == 0.0:  # any alpha will do
        largest = np.finfo(float).resolution
        smallest = eps * largest
    return np.geomspace(largest, smallest, int(n_alphas))


def check_alphas(alphas):
    """Return given alphas as floats, the largest first."""
    values = np.atleast_1d(np.asarray(alphas, dtype=object))
    if values.ndim != 1 or not values.size:
        raise ValueError("alphas must be at least one number, in one dimension.")
    for place, alpha in enumerate(values):
        if not isinstance(alpha, Real) or not 0.0 <= alpha < np.inf:
            raise ValueError(
                f"alphas[{place}] is {alpha!r}; alphas must be finite numbers of at least "
                "0 (no penalty)."
            )
    return np.sort(np.atleast_1d(as_numbers(alphas, "alphas")).astype(np.float64))[::-1]


def strengths_of(alphas, l1_ratio):
    """Return the pairs (l1, l2) of alphas."""
    return [(alpha * l1_ratio, alpha * (1.0 - l1_ratio)) for alpha in alphas.tolist()]


class Extension:
    """What default grids, one for each l1_ratio, append to themselves.

    All of them get equally many alphas: as many as a decade of any has, at the spacing that
    it has.
    """

    def __init__(self, grids):
        self._factors = [grid[1] / grid[0] if len(grid) > 1 else 0.0 for grid in grids]
        decades = -np.log10(max(self._factors)) if max(self._factors) > 0.0 else np.inf
        self._length = int(np.ceil(1.0 / decades - 1e-9)) if decades < np.inf else 0
        self._left = _MOST_DECADES / (self._length * decades) if self._length else 0.0

    def after(self, grids):
        """Return the next alphas of each grid, or None if there have been enough."""
        if self._left <= 0.0:
            return None
        self._left -= 1.0
        powers = np.arange(1.0, self._length + 1.0)
        return [
            grid[-1] * factor**powers
            for grid, factor in zip(grids, self._factors, strict=True)
        ]


def is_unfinished(alphas, least_end, losses, train_losses, tol):
    """Return whether a grid ends before `least_end`, or where losses still fall.

    There is a loss for each alpha. Those of held-out rows count, and those of training rows
    as long as little has been learned: on the way from one outlier to all other rows,
    held-out ones rise for decades. Losses that differ by `tol` times that of the largest
    alpha are equal: fits are no more exact than that, and the loss of rows without noise
    falls forever.
    """
    if alphas[-1] > _AS_FAR * least_end:
        return True
    last = _near_the_end(alphas)
    first = int(np.argmax(last))
    before = losses[~last].min() if not last.all() else losses[0]
    falls = losses[last].min() < before - max(_BETTER * before, tol * losses[0])
    null, end = train_losses[0], train_losses[-1]
    return falls or (end > _LEARNED * null and end < train_losses[first] - _LEARNS * null)


def _near_the_end(alphas):
    return alphas <= alphas[-1] * 10.0 ** (_LAST_PART + 1e-9)


def warn_of_end(alphas, scores, is_null):
    """Warn if the best score of given alphas is at an end where more may be gained.

    `is_null` tells whether the largest alpha makes all weights 0: larger ones change
    nothing. Nor is there an alpha below 0. A score that is as good far from the end, up to
    a thousandth, is a plateau.
    """
    best = int(np.nanargmax(scores))
    if len(alphas) < _FEW_ALPHAS or best not in (0, len(alphas) - 1):
        return
    if (best == 0 and is_null) or alphas[best] == 0.0:
        return
    decades = np.abs(np.log10(np.where(alphas > 0.0, alphas, np.nan) / alphas[best]))
    far = ~(decades <= _LAST_PART)
    far[-1 - best] = True
    spread = max(abs(scores[best]), scores[best] - np.nanmin(scores))
    if np.nanmax(scores[far], initial=-np.inf) >= scores[best] - _BETTER * spread:
        return
    end, others = ("largest", "larger") if best == 0 else ("smallest", "smaller")
    warnings.warn(
        f"The best score is that of the {end} of the given alphas, {alphas[best]:.3g}. Add "
        f"{others} ones, or pass their number instead, for a grid that finds its ends.",
        ConvergenceWarning,
        stacklevel=5,
    )


def warn_of_unfinished(alphas):
    """Warn that the best loss is still at the end of a grid that has gone on enough."""
    warnings.warn(
        f"The best loss is near the smallest alpha, {alphas[-1]:.3g}, and the grid has "
        f"gone on for {_MOST_DECADES:g} decades. Scale the features (StandardScaler, "
        "MaxAbsScaler), or pass smaller alphas.",
        ConvergenceWarning,
        stacklevel=6,
    )
