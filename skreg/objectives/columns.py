"""The certificates of several models that share their rows, by one pass over these."""

import numpy as np

from skreg.kernels.block import block_gradients, block_slopes
from skreg.kernels.vectors import aligned_zeros
from skreg.losses import CLASSIFICATION_LOSSES
from skreg.objectives.certificate import (
    balancing_factors,
    certificate_of,
    evaluate,
    kkt_residual,
)


def targets_of(problems):
    """Return the targets of each problem as columns; -1 and +1 take a byte each."""
    first = problems[0]
    if len(problems) == 1:
        return first.y[:, np.newaxis]
    classifies = type(first.loss) in CLASSIFICATION_LOSSES.values()
    dtype = np.int8 if classifies else np.float64
    return np.stack([problem.y.astype(dtype) for problem in problems], axis=1)


def certify_columns(problems, targets, coef, intercept, curvatures, mean_slopes=None):
    """Return the certificate of each model.

    The problems share their rows; `targets` and `coef` have a column for each of them.
    With `MeanSlopes`, these take the place of the slopes.
    """
    problem, n_models = problems[0], len(problems)
    if n_models == 1:
        return [_certify(problem, coef, float(intercept[0]), curvatures, mean_slopes)]
    slopes, width = np.empty((n_models, len(problem.rows))), coef.shape[1]
    weights = problem.sample_weight / problem.weight_sum
    rows = problem.X, targets, weights, problem.rows
    totals = np.zeros((3, n_models))
    losses, sums = totals[0], totals[1:]  # of positive slopes, and of the sizes of others
    parts = coef, intercept, problem.loss, slopes, totals
    block_slopes(*rows, *parts, np.empty(width))
    if mean_slopes is not None:
        slopes, of_rows = mean_slopes.add(slopes), weights[problem.rows]
        sums[:] = np.maximum(slopes, 0.0) @ of_rows, np.maximum(-slopes, 0.0) @ of_rows
    # Slopes are scaled before their gradients are summed: one sum is enough.
    factors = np.ones((n_models, 2))
    if problem.is_penalized:
        factors[:] = [balancing_factors(problem, *pair) for pair in sums.T.tolist()]
    gradients = aligned_zeros(coef.shape)
    parts = slopes, factors, gradients
    block_gradients(problem.X, weights, problem.rows, *parts, np.zeros(width))
    differences = sums[0] - sums[1]
    return [
        certificate_of(
            problems[m],
            coef[:, m].copy(),
            float(losses[m]),
            slopes[m],
            tuple(factors[m].tolist()),
            np.abs(gradients[:, m]),
            kkt_residual(problem, np.append(gradients[:, m], differences[m]), curvatures),
        )
        for m in range(n_models)
    ]


def _certify(problem, coef, intercept, curvatures, mean_slopes):
    coef = np.ascontiguousarray(coef[:, 0])
    evaluation = evaluate(problem, coef, intercept, curvatures)
    if mean_slopes is None:
        return evaluation.certificate
    slopes = mean_slopes.add(evaluation.slopes)
    return evaluation.with_slopes(problem, coef, slopes).certificate
