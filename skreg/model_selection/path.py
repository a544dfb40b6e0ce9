"""The whole grid of lambdas: its largest value, the grid, the path of solutions.

`alpha` is what the estimators call by that name, and `l1_ratio` the share of L1 in it.
"""

from numbers import Integral, Real
from typing import NamedTuple
from warnings import warn

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skreg.data.inputs import check_data, check_labeled_data, check_weights, columns_of
from skreg.data.matrices import as_rows, mean_squares
from skreg.data.order import generator_state
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, make_loss
from skreg.model_selection.grids import (
    check_alphas,
    ends_at,
    grid_between,
    scales_of,
    strengths_of,
)
from skreg.objectives.certificate import evaluate
from skreg.objectives.problem import Problem, null_model, without_offset
from skreg.solvers.monitor import Stopping
from skreg.solvers.path.solve_path import solve_path
from skreg.solvers.threads import single_threaded_blas

# At the largest alpha, rounding must not move a weight.
_MARGIN = 1e-10
_ROUNDING = 8.0 * np.finfo(np.float64).eps
SMOOTH_LOSSES = [name for name in LOSSES if LOSSES[name].max_curvature is not None]
_PROBLEM = {
    "X": ["array-like", "sparse matrix"],
    "y": ["array-like"],
    "loss": [StrOptions(set(SMOOTH_LOSSES))],
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "epsilon": [Interval(Real, 0, None, closed="left")],
    "sample_weight": ["array-like", None],
    "fit_intercept": ["boolean"],
}
GRID = {
    "n_alphas": [Interval(Integral, 1, None, closed="left")],
    "eps": [Interval(Real, 0, 1, closed="neither")],
}
STOPPING = {
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "random_state": ["random_state"],
}


class RegularizationPath(NamedTuple):
    """The solutions for a grid of alphas, the largest first.

    With several targets all arrays but ``alphas`` begin with an axis for these.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty, decreasing.
    coefs : ndarray of shape (n_features, n_alphas)
        Weights.
    intercepts : ndarray of shape (n_alphas,)
        Intercepts.
    objectives : ndarray of shape (n_alphas,)
        Objectives, mean loss plus penalty.
    gaps : ndarray of shape (n_alphas,)
        Duality gaps: how far the objectives are at most above their minima; infinity
        where nothing is penalized.
    n_nonzero : ndarray of shape (n_alphas,)
        How many weights are not 0.
    converged : ndarray of shape (n_alphas,)
        Whether the gap (without penalty: the KKT residual) is at most `tol` times the
        objective of the intercept-only model.
    """

    alphas: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    objectives: np.ndarray
    gaps: np.ndarray
    n_nonzero: np.ndarray
    converged: np.ndarray


@validate_params(_PROBLEM, prefer_skip_nested_validation=True)
@np.errstate(all="ignore")
def alpha_max(
    X,
    y,
    *,
    loss="squared_error",
    l1_ratio=1.0,
    epsilon=0.1,
    sample_weight=None,
    fit_intercept=True,
):
    r"""Return the smallest alpha at which every weight is exactly 0.

    .. math::
        \alpha_{\max} = \frac1{l_1\text{-ratio}} \max_j
        \left|\frac1S \sum_i s_i\, \ell'(y_i, b_0)\, x_{ij}\right|

    where :math:`b_0` is the intercept of the model without features (0 without intercept),
    plus a 1e-10th and what rounding may add, so that rounding moves no weight.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets, or labels of at least two classes; with more than two the largest alpha of
        all one-against-all problems is returned.
    loss : str, default="squared_error"
        Name of a smooth loss of the estimators.
    l1_ratio : float, default=1.0
        Share of L1 in the penalty, above 0 and at most 1.
    epsilon : float, default=0.1
        Parameter of the losses that have one.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows: none negative, not all 0.
    fit_intercept : bool, default=True
        Whether the model has an intercept.

    Returns
    -------
    float
        The alpha, in the units of the loss over those of the largest feature.

    Raises
    ------
    ValueError
        If the input is malformed or not finite, the loss has a kink, or `l1_ratio` is 0:
        L2 alone makes no weight 0.

    References
    ----------
    J. Friedman, T. Hastie and R. Tibshirani (2010), Regularization paths for generalized
    linear models via coordinate descent, section 2.5.

    Examples
    --------
    >>> import skreg
    >>> X, y = [[-1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], [0.0, 1.0, 2.0]
    >>> round(skreg.alpha_max(X, y), 6)
    0.666667
    """
    if l1_ratio == 0.0:
        raise ValueError("l1_ratio must be above 0: L2 alone makes no weight 0.")
    problems = _problems(X, y, loss, epsilon, sample_weight, fit_intercept)
    return max(largest_slope(problem) for problem in problems) / l1_ratio


def largest_slope(problem):
    """Return the least L1 strength at which every weight of a problem is 0."""
    problem, _ = without_offset(problem)
    intercept = null_model(problem).intercept
    zeros = np.zeros(problem.n_features)
    evaluation = evaluate(problem._replace(l1=1.0), zeros, intercept, None)
    weights = np.zeros(len(problem.y))
    weights[problem.rows] = problem.sample_weight[problem.rows] / problem.weight_sum
    # Slopes are sums over the rows, which round, and the intercept is not exact.
    rounding = _ROUNDING * np.sqrt(weights[problem.rows] @ evaluation.slopes**2)
    if problem.fit_intercept:
        rounding += abs(evaluation.gradient[-1])
    slopes = np.abs(evaluation.gradient[:-1]) * (1.0 + _MARGIN)
    squares = mean_squares(problem.X, weights)
    slopes += rounding * np.sqrt(squares, where=squares < np.inf, out=np.zeros(len(slopes)))
    return float(slopes.max(initial=0.0))


@validate_params(_PROBLEM | GRID, prefer_skip_nested_validation=True)
@np.errstate(all="ignore")
def alpha_grid(
    X,
    y,
    *,
    n_alphas=100,
    eps=1e-3,
    loss="squared_error",
    l1_ratio=1.0,
    epsilon=0.1,
    sample_weight=None,
    fit_intercept=True,
):
    r"""Return alphas in a geometric sequence around those of interest, in any units.

    With :math:`l_1\text{-ratio} = 1` they go from `alpha_max` down to `eps` times it. The
    L2 part of a penalty has another scale, that of the curvature of the loss, say B: at
    ``alpha = B / (1 - l1_ratio)`` it is as strong as the loss is along the direction in
    which the weights leave 0. The grid goes from the smaller of `alpha_max` and 100 times
    this alpha down to `eps` times the smaller of the two.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets, or labels of at least two classes.
    n_alphas : int, default=100
        Length of the grid.
    eps : float, default=1e-3
        The smallest alpha over the smaller of the two scales, above 0 and below 1.
    loss : str, default="squared_error"
        Name of a smooth loss of the estimators.
    l1_ratio : float, default=1.0
        Share of L1 in the penalty, from 0 to 1.
    epsilon : float, default=0.1
        Parameter of the losses that have one.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows: none negative, not all 0.
    fit_intercept : bool, default=True
        Whether the model has an intercept.

    Returns
    -------
    ndarray of shape (n_alphas,)
        The alphas, the largest first.

    Raises
    ------
    ValueError
        If the input is malformed or not finite, or the loss has a kink.

    Examples
    --------
    >>> import skreg
    >>> X, y = [[-1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], [0.0, 1.0, 2.0]
    >>> skreg.alpha_grid(X, y, n_alphas=3, eps=0.01).round(4)
    array([0.6667, 0.0667, 0.0067])
    """
    problems = _problems(X, y, loss, epsilon, sample_weight, fit_intercept)
    return grid_of(problems, n_alphas, eps, l1_ratio)


def grid_of(problems, n_alphas, eps, l1_ratio):
    """Return the alphas for problems that share a grid."""
    return grid_between(*ends_of(problems, eps, l1_ratio), n_alphas, eps)


def ends_of(problems, eps, l1_ratio):
    """Return the largest and the smallest alpha for problems that share a grid."""
    of_l1 = of_l2 = least = np.inf
    scales = [scales_of(problem) for problem in problems]
    if l1_ratio > 0.0:
        of_l1 = max(largest_slope(problem) for problem in problems) / l1_ratio
        least = min(one.least_l1 for one in scales) / l1_ratio
    if l1_ratio < 1.0:
        of_l2 = max(one.l2 for one in scales) / (1.0 - l1_ratio)
        least = min(least, *(one.least_l2 / (1.0 - l1_ratio) for one in scales))
    return ends_at(of_l1, of_l2, least, eps)


@validate_params(
    _PROBLEM | GRID | STOPPING | {"alphas": ["array-like", None]},
    prefer_skip_nested_validation=True,
)
def regularization_path(
    X,
    y,
    *,
    alphas=None,
    n_alphas=100,
    eps=1e-3,
    loss="squared_error",
    l1_ratio=1.0,
    epsilon=0.1,
    sample_weight=None,
    fit_intercept=True,
    max_iter=1000,
    tol=1e-6,
    random_state=None,
):
    r"""Return the solutions for a grid of alphas, for little more than one fit.

    For each alpha the objective of the estimators is minimized,

    .. math::
        \frac1S \sum_i s_i\, \ell(y_i, x_i^T w + b)
        + \alpha \left(r \|w\|_1 + \frac{1 - r}2 \|w\|_2^2\right),

    r being `l1_ratio`, from where the last one ended, with its last look at the rows.
    Features are added to the working set as the gradient asks for them. For the squared
    error of at most a thousand features the rows are read only once.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets, or labels of two classes for a classification loss.
    alphas : array-like of shape (n_alphas,), default=None
        Strengths of the penalty, at least 0, in any order; None means `alpha_grid`.
    n_alphas : int, default=100
        Length of the grid if `alphas` is None.
    eps : float, default=1e-3
        That of `alpha_grid` if `alphas` is None.
    loss : str, default="squared_error"
        Name of a smooth loss of the estimators.
    l1_ratio : float, default=1.0
        Share of L1 in the penalty, from 0 to 1.
    epsilon : float, default=0.1
        Parameter of the losses that have one.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows: none negative, not all 0.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    max_iter : int, default=1000
        Most outer iterations for an alpha.
    tol : float, default=1e-6
        A fit ends when its duality gap is at most this times the objective of the
        intercept-only model.
    random_state : int, RandomState instance or None, default=None
        Order of rows, where steps on rows are taken.

    Returns
    -------
    RegularizationPath
        Named arrays ``alphas``, ``coefs`` of shape (n_features, n_alphas), ``intercepts``,
        ``objectives``, ``gaps``, ``n_nonzero`` and ``converged``. With several targets all
        but the first begin with an axis for these.

    Raises
    ------
    ValueError
        If the input is malformed or not finite, the loss has a kink, or there are more
        than two classes.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If not all alphas came to their target.

    Examples
    --------
    >>> import numpy as np
    >>> import skreg
    >>> X = np.random.RandomState(0).randn(100, 4)
    >>> y = X @ [3.0, 0.0, -1.0, 0.0]
    >>> path = skreg.regularization_path(X, y, alphas=[2.0, 0.5, 0.0])
    >>> path.n_nonzero
    array([1, 2, 4])
    >>> path.coefs.shape
    (4, 3)
    """
    problems = _problems(X, y, loss, epsilon, sample_weight, fit_intercept)
    if loss in CLASSIFICATION_LOSSES and len(problems) > 1:
        raise ValueError(
            f"y must hold two classes for a path, not {len(problems)}: a path is that of "
            "one class against all others."
        )
    if alphas is None:
        alphas = grid_of(problems, n_alphas, eps, l1_ratio)
    alphas = check_alphas(alphas)
    generator = generator_state(random_state)
    stopping = Stopping(max_iter, tol, 0, 0)
    penalties = strengths_of(alphas, l1_ratio)
    with single_threaded_blas(), np.errstate(all="ignore"):
        paths = [
            path_of(list(solve_path(problem, penalties, stopping, generator)), alphas)
            for problem in problems
        ]
    warn_of(np.all([path.converged for path in paths], axis=0).tolist(), alphas)
    if len(paths) == 1:
        return paths[0]
    columns = zip(*(path[1:] for path in paths), strict=True)
    return RegularizationPath(alphas, *map(np.array, columns))


def path_of(solutions, alphas):
    """Return the path of solutions for one output."""
    certificates = [solution.certificate for solution in solutions]
    coefs = np.array([solution.coef for solution in solutions]).T
    return RegularizationPath(
        alphas,
        coefs,
        np.array([solution.intercept for solution in solutions]),
        np.array([certificate.objective for certificate in certificates]),
        np.array([certificate.gap for certificate in certificates]),
        np.count_nonzero(coefs, axis=0),
        np.array([solution.converged for solution in solutions]),
    )


def warn_of(converged, alphas, stacklevel=4):
    """Warn of solutions that are not good enough."""
    if not all(converged):
        warn(
            f"{converged.count(False)} of {len(converged)} alphas did not come to tol, the "
            f"largest of them {alphas[converged.index(False)]:.3g}. Raise tol or max_iter, "
            "or scale the features.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )


def _problems(X, y, loss, epsilon, sample_weight, fit_intercept):
    """Return a `Problem` without penalty, or one for each of several classes."""
    if loss in CLASSIFICATION_LOSSES:
        X, y = check_labeled_data(X, y)
        weights = check_weights(sample_weight, X)
        classes = np.unique(y[weights > 0.0])
        if len(classes) < 2:
            raise ValueError("y must hold at least two classes.")
        positives = classes[1:] if len(classes) == 2 else classes
        targets = [np.where(y == label, 1.0, -1.0) for label in positives]
    else:
        X, y = check_data(X, y)
        targets = columns_of(y)
        weights = check_weights(sample_weight, X)
    rows, matrix = np.flatnonzero(weights), as_rows(X)
    return [
        Problem(
            matrix, target, weights, rows, make_loss(loss, epsilon), 0.0, 0.0, fit_intercept
        )
        for target in targets
    ]
