"""The objective as a function of arrays, for users and tests."""

import numpy as np

from skreg.data.inputs import check_data, check_weights
from skreg.data.matrices import as_rows
from skreg.data.numbers import as_numbers, check_finite
from skreg.kernels.passes import loss_pass
from skreg.losses import CLASSIFICATION_LOSSES, LOSSES, make_loss
from skreg.penalties.elastic_net import ElasticNet, check_number


@np.errstate(all="ignore")
def objective(
    X,
    y,
    coef,
    intercept=0.0,
    *,
    loss="squared_error",
    l1=0.0,
    l2=0.0,
    epsilon=0.1,
    sample_weight=None,
):
    r"""Return the penalized objective of a linear model.

    .. math::
        \frac1S \sum_i s_i\, \ell(y_i, x_i^T w + b)
        + l_1 \|w\|_1 + \frac{l_2}2 \|w\|_2^2, \qquad S = \sum_i s_i

    With ``l1 = alpha * l1_ratio`` and ``l2 = alpha * (1 - l1_ratio)`` this is what the
    estimators minimize, and so do scikit-learn's `Lasso` and `ElasticNet`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Targets; -1 and +1 for a classification loss.
    coef : array-like of shape (n_features,)
        Weights w.
    intercept : float, default=0.0
        Intercept b, which is not penalized.
    loss : str, default="squared_error"
        Name of the loss, one of those of the two estimators.
    l1, l2 : float, default=0.0
        Strengths of the penalty, at least 0.
    epsilon : float, default=0.1
        Parameter of the losses that have one.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights s of the rows, at least 0 and not all 0; None means equal ones.

    Returns
    -------
    float
        The objective, in the units of the loss.

    Raises
    ------
    ValueError
        If an array has a wrong shape, is not finite, or the loss is unknown.

    Examples
    --------
    >>> import skreg
    >>> X, y = [[1.0, 0.0], [0.0, 2.0]], [1.0, 3.0]
    >>> skreg.objective(X, y, [1.0, 1.0], l1=0.5)  # (0^2 + 1^2) / 2 / 2 + 0.5 * 2
    1.25
    """
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {sorted(LOSSES)}, not {loss!r}.")
    X, y = check_data(X, y)
    coef = as_numbers(coef, "coef").astype(np.float64, copy=False)
    check_finite(coef, "coef")
    if coef.shape != (X.shape[1],):
        raise ValueError(
            f"coef must have shape ({X.shape[1]},), one weight per feature of X, not "
            f"{coef.shape}."
        )
    if y.ndim != 1:
        raise ValueError(f"y must be a vector of targets, not of shape {y.shape}.")
    if loss in CLASSIFICATION_LOSSES and not np.isin(y, (-1.0, 1.0)).all():
        raise ValueError(f"y must hold only -1 and +1 for loss={loss!r}.")
    weights = check_weights(sample_weight, X)
    penalty = ElasticNet(l1, l2).value(coef)
    check_number("epsilon", epsilon, minimum=0.0)
    intercept = np.atleast_1d(as_numbers(intercept, "intercept"))
    check_finite(intercept, "intercept")
    if intercept.size != 1:
        raise ValueError(f"intercept must be one number, not {intercept.size}.")
    total = loss_pass(
        as_rows(X),
        y,
        weights,
        np.flatnonzero(weights),
        coef,
        float(intercept[0]),
        make_loss(loss, epsilon),
        np.empty((2, len(y))),
        np.zeros((2, len(coef) + 1)),
    )
    return float(total / weights.sum() + penalty)
