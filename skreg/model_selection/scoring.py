"""Scores of models on rows that were held out: a loss, or what scikit-learn knows.

A scorer of scikit-learn is told the labels of all classes, because the rows may lack some.
"""

import copy
import inspect

import numpy as np
from sklearn.metrics import check_scoring, r2_score

from skreg.kernels.passes import loss_sum
from skreg.losses import loss_of


def scorer_of(scoring, model):
    """Return the scorer that `scoring` names, None if it is the loss of the model."""
    if scoring in (None, "loss"):
        return None
    scorer = check_scoring(model, scoring=scoring)
    function = getattr(scorer, "_score_func", None)
    if hasattr(model, "classes_") and function is not None:
        known = {"labels": model.classes_, "pos_label": model.classes_[-1]}
        if len(model.classes_) > 2:
            known.pop("pos_label")
        parameters = inspect.signature(function).parameters
        if "labels" in parameters:
            known = {name: known[name] for name in known if name in parameters}
            scorer = copy.copy(scorer)
            scorer._kwargs = known | scorer._kwargs
    return scorer


def takes_weights(scorer):
    """Return whether a scorer of scikit-learn, or a function, takes weights of rows."""
    function = getattr(scorer, "_score_func", scorer)
    return "sample_weight" in inspect.signature(function).parameters


def mean_loss(loss, targets, weights, raw):
    """Return the mean loss of raw predictions, over rows and outputs."""
    weights = np.ones(len(targets[0])) if weights is None else weights
    sums = [
        loss_sum(target, weights, column, loss)
        for target, column in zip(targets, raw, strict=True)
    ]
    return np.mean(sums) / weights.sum()


class Scorer:
    """Scores, and losses, of many models on a fold.

    Of R2 and the accuracy, which are named most, those of many models are found at once.
    """

    def __init__(self, scoring, model, with_losses):
        self._model = copy.copy(model)
        self._model.__dict__.pop("feature_names_in_", None)  # it scores plain arrays
        self._score = scorer_of(scoring, model)
        fast = "accuracy" if hasattr(model, "classes_") else "r2"
        self._is_fast = isinstance(scoring, str) and scoring == fast
        self._is_fast &= not getattr(model, "_n_targets", 0)
        self._with_losses = with_losses or self._score is None

    def __call__(self, fold, X, models, alphas, l1_ratio):
        """Return scores and losses of models, each a `Solution` for every output.

        `X` holds the rows of the fold to score on. Losses that are not asked for are NaN.
        """
        coefs, intercepts = stack(models)
        raw, losses = None, np.full(len(models), np.nan)
        if self._is_fast or self._with_losses:
            raw = np.array([X @ coef for coef in coefs]) + intercepts[:, np.newaxis]
        if self._with_losses:
            losses = self._losses(fold, raw)
        if self._score is None:
            return -losses, losses
        if self._is_fast:
            return self._scores_of_predictions(fold, raw), losses
        return self._scores_of_models(fold, X, coefs, intercepts, alphas, l1_ratio), losses

    def _losses(self, fold, raw):
        loss = loss_of(self._model)
        columns = np.ascontiguousarray(raw.transpose(2, 0, 1))
        return np.array([
            mean_loss(loss, fold.targets, fold.sample_weight, column) for column in columns
        ])  # fmt: skip

    def _scores_of_predictions(self, fold, raw):
        weights = fold.metadata.get("sample_weight")
        if hasattr(self._model, "classes_"):
            winners = (raw[0] > 0.0).astype(int) if len(raw) == 1 else raw.argmax(axis=0)
            correct = self._model.classes_[winners] == fold.y[:, np.newaxis]
            return np.average(correct, axis=0, weights=weights)
        if len(fold.y) < 2:  # R2 is not defined
            return np.full(raw.shape[2], np.nan)
        y = np.repeat(fold.y[:, np.newaxis], raw.shape[2], axis=1)
        return r2_score(y, raw[0], sample_weight=weights, multioutput="raw_values")

    def _scores_of_models(self, fold, X, coefs, intercepts, alphas, l1_ratio):
        scores = []
        for k, alpha in enumerate(alphas.tolist()):
            model = copy.copy(self._model).set_params(alpha=alpha, l1_ratio=l1_ratio)
            model.coef_ = model._shape_coef(coefs[:, :, k])
            model.intercept_ = intercepts[:, k]
            scores.append(self._score(model, X, fold.y, **fold.metadata))
        return np.array(scores)


def stack(models):
    """Return weights (n_outputs, n_features, n_models) and intercepts of models."""
    coefs = np.array([[one.coef for one in model] for model in models])
    intercepts = np.array([[one.intercept for one in model] for model in models])
    return coefs.transpose(1, 2, 0), intercepts.T
