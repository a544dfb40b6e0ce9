"""How far weights are from the optimum, as far as rounding shows, and which are nearer."""

import numpy as np

from skreg.penalties.elastic_net import kkt_violation

# Two objectives that differ by less than this, relative to them, differ by rounding; a
# gap of this size is rounding, too.
NOISE = 1e-14


def smooth_gradient(problem, coef, evaluation):
    """Return the gradient in the weights of the loss and the L2 part."""
    return evaluation.gradient[:-1] + problem.l2 * coef


def kkt_violations(problem, coef, evaluation):
    """Return what the optimality conditions leave open, the intercept's part last."""
    slopes = smooth_gradient(problem, coef, evaluation)
    left = np.append(kkt_violation(coef, slopes, problem.l1), 0.0)
    if problem.fit_intercept:
        left[-1] = evaluation.gradient[-1]
    return left


def is_exact(evaluation):
    """Return whether the objective is at its minimum, but for rounding.

    The weights may not be: where the objective is flat, its differences are their squares.
    A step from here makes them exact.
    """
    return evaluation.certificate.suboptimality <= NOISE * abs(
        evaluation.certificate.objective
    )


def differ_by_rounding(evaluation, other):
    """Return whether two objectives are too near to each other to be compared."""
    one, two = evaluation.certificate.objective, other.certificate.objective
    return abs(two - one) <= NOISE * abs(one)


def is_better(problem, old_coef, old_evaluation, coef, evaluation):
    """Return whether weights have a lower objective, or if rounding hides it, less left."""
    if not differ_by_rounding(old_evaluation, evaluation):
        return evaluation.certificate.objective < old_evaluation.certificate.objective
    old_left, left = (
        kkt_violations(problem, old_coef, old_evaluation),
        kkt_violations(problem, coef, evaluation),
    )
    return float(left @ left) < 0.25 * float(old_left @ old_left)
