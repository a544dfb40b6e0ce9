"""What cross-validation does with a fold: paths on its training rows, and their scores."""

import copy
import inspect
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import check_scoring, r2_score

from skreg._follow import follow, moments_pay
from skreg._kernels import loss_sum
from skreg._losses import make_loss
from skreg._moments import Moments
from skreg._objective import Problem
from skreg._threads import single_threaded_blas


class Fold(NamedTuple):
    """One split: training weights of all rows, 0 outside, and the rows of X to score on.

    The other fields belong to these: ``targets`` holds what each output of the model has to
    predict.
    """

    train_weights: np.ndarray
    X: Any
    rows: Any
    y: np.ndarray
    sample_weight: np.ndarray | None
    targets: list


class Paths:
    """The paths of some outputs on parts of the same rows."""

    def __init__(self, matrix, targets, loss, fit_intercept, stopping, generator):
        self._matrix = matrix
        self._targets = targets
        self._loss = loss
        self._fit_intercept = fit_intercept
        self._stopping = stopping
        self._generator = generator
        self._moments = None

    def problem(self, target, weights):
        """Return the problem of one target on the rows of positive weight."""
        rows = np.flatnonzero(weights)
        return Problem(
            self._matrix, target, weights, rows, self._loss, 0.0, 0.0, self._fit_intercept
        )

    def problems(self, weights):
        """Return the problem of each output."""
        return [self.problem(target, weights) for target in self._targets]

    def measure(self, weights, n_fits):
        """Take the moments of all rows, if these pay for as many fits of an output."""
        (problem, *others) = self.problems(weights)
        if not others and moments_pay(problem, n_fits):
            with single_threaded_blas():
                self._moments = Moments.of(*problem[:4]), weights

    def __call__(self, weights, penalties):
        """Return the solutions of each output's path on the rows of positive weight."""
        with single_threaded_blas():
            return [
                follow(
                    problem,
                    penalties,
                    self._stopping,
                    self._generator.copy(),
                    self._moments_of(problem),
                )
                for problem in self.problems(weights)
            ]

    def _moments_of(self, problem):
        if self._moments is None:
            return None
        moments, all_weights = self._moments
        left_out = all_weights - problem.sample_weight
        rows = np.flatnonzero(left_out)
        if len(rows) == 0:
            return moments
        rest = None
        if (left_out >= 0.0).all() and len(rows) <= len(problem.rows):
            rest = moments.without(*problem[:2], left_out, rows)
        return rest or Moments.of(*problem[:4])


class Scorer:
    """Scores of many models on a fold.

    `scoring` is None for R2 or accuracy, "loss" for minus the mean loss, or whatever
    scikit-learn takes. Only the last needs an estimator for each model.
    """

    def __init__(self, scoring, model):
        self._model = copy.copy(model)
        self._model.__dict__.pop("feature_names_in_", None)  # it scores plain arrays
        self._means_loss = scoring == "loss"
        self._score = None
        if scoring not in (None, "loss"):
            self._score = check_scoring(model, scoring=scoring)

    def __call__(self, fold, outputs, alphas, l1_ratio):
        """Return a score for each alpha; `outputs` holds a path of each output."""
        coefs, intercepts = stack(outputs)
        X = fold.X[fold.rows]
        if self._score is not None:
            return self._scores_of_models(fold, X, coefs, intercepts, alphas, l1_ratio)
        raw = np.array([X @ coef for coef in coefs]) + intercepts[:, np.newaxis]
        if self._means_loss:
            return self._minus_losses(fold, raw)
        if hasattr(self._model, "classes_"):
            winners = (raw[0] > 0.0).astype(int) if len(raw) == 1 else raw.argmax(axis=0)
            correct = self._model.classes_[winners] == fold.y[:, np.newaxis]
            return np.average(correct, axis=0, weights=fold.sample_weight)
        if len(fold.y) < 2:  # R2 is not defined
            return np.full(len(alphas), np.nan)
        y = np.repeat(fold.y[:, np.newaxis], raw.shape[2], axis=1)
        return r2_score(
            y, raw[0], sample_weight=fold.sample_weight, multioutput="raw_values"
        )

    def _minus_losses(self, fold, raw):
        weights = fold.sample_weight
        weights = np.ones(len(fold.y)) if weights is None else weights
        loss = make_loss(self._model.loss, self._model.epsilon)
        sums = [
            [loss_sum(target, weights, column, loss) for column in of_output.T.copy()]
            for target, of_output in zip(fold.targets, raw, strict=True)
        ]
        return -np.mean(sums, axis=0) / weights.sum()

    def _scores_of_models(self, fold, X, coefs, intercepts, alphas, l1_ratio):
        weights = {}
        if fold.sample_weight is not None and _takes_weights(self._score):
            weights["sample_weight"] = fold.sample_weight
        scores = []
        for k, alpha in enumerate(alphas.tolist()):
            model = copy.copy(self._model).set_params(alpha=alpha, l1_ratio=l1_ratio)
            model.coef_ = model._shape_coef(coefs[:, :, k])
            model.intercept_ = intercepts[:, k]
            scores.append(self._score(model, X, fold.y, **weights))
        return np.array(scores)


def _takes_weights(score):
    """Return whether a scorer of scikit-learn, or a function, takes weights of rows."""
    function = getattr(score, "_score_func", score)
    parameters = inspect.signature(function).parameters
    return "sample_weight" in parameters


def stack(outputs):
    """Return the weights (n_outputs, n_features, n_alphas) and intercepts of paths."""
    coefs = [np.array([solution.coef for solution in path]).T for path in outputs]
    intercepts = [[solution.intercept for solution in path] for path in outputs]
    return np.array(coefs), np.array(intercepts)
