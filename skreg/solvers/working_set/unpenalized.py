r"""How far weights are from the optimum where nothing is penalized.

There the bound D(u) of `skreg.objectives.certificate` is finite only for slopes whose
gradient is 0, which those at given weights never are exactly. A Newton step moves them
there: with its change :math:`m_i` of each prediction and the curvatures h of the loss, the
gradient of

.. math:: u_i = \ell'(y_i, p_i) + h_i m_i

is 0 but for rounding, and F - D(u) is half the square of the Newton decrement, or better, a
bound. Where a loss has kinks, h is 0, and slopes stay as they are. What remains of the
gradient, as where the loss is flat and no step can be trusted, counts as far as predictions
are off.

The log loss has no minimum if some direction moves no margin down and some up (Albert and
Anderson 1984): its Newton steps then move those margins by about 1, however far they are.
"""

import numpy as np
from scipy.linalg import qr
from scipy.optimize import linprog

from skreg.data.matrices import dense_rows, mean_squares
from skreg.kernels.passes import conjugate_sum, curvature_pass, gradient_pass
from skreg.losses import CLASSIFICATION_LOSSES, LogLoss
from skreg.objectives.certificate import evaluate
from skreg.solvers.working_set.newton import Newton
from skreg.solvers.working_set.row_model import (
    is_affordable,
    newton_step,
    weighted_curvatures,
)

# The matrix of a model is tried first if there are more values, of no more features; with
# more features, so many products with it.
_FEW_VALUES = 20_000
_LARGEST_MATRIX = 1000
_PRODUCTS = 200
_CG_TOLERANCE = 1e-7
# Values of the largest linear program.
_MOST_VALUES_OF_PROGRAM = 100_000
# Near a minimum of the log loss, a Newton step moves no prediction by more than this.
_LONGEST_MOVE = 0.5
# A move down that is smaller than this, beside the largest, is rounding.
_ROUNDING_OF_MOVES = 1e-6
# A mean of slopes is rounding if it is no more than so many units in their last place.
_ROUNDING = 4.0 * np.finfo(np.float64).eps
# A square around the mean is no less than this part of the square around 0.
_LEAST_PART = 1e-14


def needs_judgement(problem, certificate, target):
    """Return whether the residual of a certificate is not to be trusted, if it matters."""
    unknown = not (problem.is_penalized or certificate.judged)
    return unknown and certificate.suboptimality <= target


def judge(problem, coef, intercept, target, evaluation=None, newton=None):
    """Return the certificate of weights with a residual that can be trusted.

    It is as small as it takes to be at most `target`. `newton` may hold a matrix of the
    model at these weights.
    """
    evaluation = (
        evaluate(problem, coef, intercept, None) if evaluation is None else evaluation
    )
    if problem.loss.max_curvature is None:  # slopes are what they are near the weights
        residual = min(
            evaluation.certificate.loss,
            _suboptimality(problem, evaluation, evaluation.slopes),
        )
        return evaluation.certificate._replace(residual=residual, judged=True)
    log_loss = isinstance(problem.loss, LogLoss)
    residual, separated = (
        evaluation.certificate.loss,
        separates(problem, evaluation),
    )  # none is below 0
    steps = _steps(problem, coef, intercept, evaluation, newton)
    while not separated and (log_loss or residual > target):
        step = next(steps, None)
        if step is None:
            break
        moves = evaluate(problem, *step, None).raw_predictions
        if log_loss:
            separated = _recedes(problem.y[problem.rows] * moves)
            if not (separated or np.abs(moves).max() <= _LONGEST_MOVE):
                continue
        residual = min(
            residual,
            _suboptimality(problem, evaluation, _moved(problem, evaluation, moves)),
        )
        if residual <= target:
            break
    return evaluation.certificate._replace(
        residual=residual, judged=True, separated=separated
    )


def may_be_separated(problem):
    """Return whether the objective may have no minimum."""
    return isinstance(problem.loss, LogLoss) and not problem.is_penalized


def separates(problem, evaluation):
    """Return whether there is no minimum because these weights tell classes apart."""
    return may_be_separated(problem) and bool(
        (problem.y[problem.rows] * evaluation.raw_predictions).min() > 0.0
    )


def has_direction_of_recession(problem):
    """Return whether a linear program finds classes that can be told apart.

    It looks for a direction that moves no margin down and some up (Konis 2007). More rows
    or features than it takes in a moment are not looked at.
    """
    if len(problem.rows) * problem.n_features > _MOST_VALUES_OF_PROGRAM:
        return False
    X = dense_rows(problem.X, problem.rows).astype(np.float64)
    if problem.fit_intercept:
        X = np.column_stack([X - X.mean(axis=0), np.ones(len(X))])
    lengths = np.sqrt(np.einsum("ij,ij->j", X, X))
    X = X[:, lengths > 0.0] / lengths[lengths > 0.0]
    directions, _ = qr(X, mode="economic", check_finite=False)
    margins = problem.y[problem.rows, np.newaxis] * directions * np.sqrt(len(X))
    found = linprog(
        -margins.sum(axis=0),
        A_ub=np.vstack([margins, -margins]),
        b_ub=np.repeat([1.0, 0.0], len(X)),
        bounds=(None, None),
    )
    return found.status == 0 and _recedes(margins @ found.x)


def _steps(problem, coef, intercept, evaluation, newton):
    """Yield Newton steps, cheap ones first."""
    affordable = is_affordable(problem)
    if problem.X.shape[0] * problem.n_features > _FEW_VALUES or not affordable:
        if newton is None:
            newton = Newton(problem, coef, intercept, True, evaluation)
        if problem.n_features <= _LARGEST_MATRIX:
            yield newton.whole_direction()
        else:
            yield newton.direction_by_products(_CG_TOLERANCE, _PRODUCTS)
    if affordable:
        yield newton_step(
            problem, coef, evaluation, weighted_curvatures(problem, evaluation)
        )


def _recedes(moves):
    """Return whether moves of margins show that they can grow forever."""
    largest = moves.max()
    return bool(largest >= _LONGEST_MOVE and moves.min() >= -_ROUNDING_OF_MOVES * largest)


def _moved(problem, evaluation, moves):
    """Return slopes as a Newton step moves them."""
    y, rows, loss = problem.y, problem.rows, problem.loss
    curvatures = np.empty(len(rows))
    curvature_pass(y, rows, evaluation.raw_predictions, loss, curvatures)
    slopes = evaluation.slopes + curvatures * moves
    if type(loss) in CLASSIFICATION_LOSSES.values():  # rounding leads out of the domain
        slopes[slopes * y[rows] > 0.0] = 0.0
    return slopes


def _suboptimality(problem, evaluation, slopes):
    """Return the distance from the bound that slopes give."""
    _, y, sample_weight, rows, loss, *_ = problem
    conjugates = conjugate_sum(y, sample_weight, rows, slopes, 1.0, 1.0, loss)
    suboptimality = evaluation.certificate.loss + float(conjugates / problem.weight_sum)
    return max(suboptimality, 0.0) + _price(problem, evaluation, slopes)


def _price(problem, evaluation, slopes):
    """Return what the gradient of slopes is worth where errors are as large as they are."""
    rows = problem.rows
    weights = problem.sample_weight[rows] / problem.weight_sum
    by_row = np.zeros(len(problem.y))
    by_row[rows] = weights
    squares = mean_squares(problem.X, by_row)
    left, means = _gradient(problem, slopes), _gradient(problem, np.ones(len(rows)))[:-1]
    size = _ROUNDING * np.sqrt(weights @ slopes**2)
    lengths, left_of_intercept = np.sqrt(squares), 0.0
    if problem.fit_intercept:
        left_of_intercept = max(abs(left[-1]) - size, 0.0)
        lengths = np.sqrt(np.maximum(squares - means**2, _LEAST_PART * squares))
        left[:-1] -= left[-1] * means
    excess = np.maximum(np.abs(left[:-1]) - size * np.sqrt(squares), 0.0)
    moving = lengths > 0.0
    errors = np.abs(evaluation.raw_predictions - problem.y[rows]).max()
    return float(errors * (left_of_intercept + (excess[moving] / lengths[moving]).sum()))


def _gradient(problem, slopes):
    gradients = np.zeros((2, problem.n_features + 1))
    gradient_pass(problem.X, problem.sample_weight, problem.rows, slopes, gradients)
    return gradients.sum(axis=0) / problem.weight_sum
