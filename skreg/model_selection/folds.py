"""What cross-validation does with a fold: a path on its training rows, scored on others."""

import warnings
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import UndefinedMetricWarning

from skreg.model_selection.grids import (
    Extension,
    is_unfinished,
    strengths_of,
    warn_of_unfinished,
)
from skreg.objectives.problem import Problem
from skreg.solvers.path.moments import Moments
from skreg.solvers.path.solve_path import PathPoint, moments_pay, solve_path
from skreg.solvers.threads import single_threaded_blas

# Weights of so many features, or of as many as the rows to score on have values, are held
# at a time.
_MANY_WEIGHTS = 1 << 17


class Fold(NamedTuple):
    """One split: training weights of all rows, 0 outside, and the rows of X to score on.

    ``lacking`` names the classes that training rows lack: then there is nothing to learn
    from. The other fields belong to the rows to score on: ``targets`` holds what each
    output of the model has to predict, ``metadata`` what a scorer has asked for.
    """

    train_weights: np.ndarray
    lacking: list
    X: Any
    rows: Any
    y: np.ndarray
    sample_weight: np.ndarray | None
    targets: list
    metadata: dict

    def flaw(self, classes):
        """Return why the fold has no score, as the end of a sentence."""
        rows, lacking = "training", self.lacking
        if not lacking:
            rows, lacking = "test", np.setdiff1d(classes, self.y).tolist()
        names = ", ".join(map(repr, lacking))
        return f"has no {rows} rows of class {names}" if lacking else "has no defined score"


class PathFitter:
    """The paths of some outputs on subsets of the same rows."""

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
            with single_threaded_blas(), np.errstate(all="ignore"):
                self._moments = Moments.of(*problem[:4]), weights

    def fit(self, weights, penalties, points=()):
        """Yield the solutions of all outputs, on rows of positive weight, at each penalty.

        `points` are the last ones of paths that go on, at most two.
        """
        paths = [
            solve_path(
                problem,
                penalties,
                self._stopping,
                self._generator.copy(),
                self._moments_of(problem),
                [points[k] for points in points],
            )
            for k, problem in enumerate(self.problems(weights))
        ]
        return zip(*paths, strict=True)

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


class ScoredPath:
    """The path of a fold under one l1_ratio, as far as it has come.

    `scores`, `losses` and `train_losses` have an element for each alpha; which of the
    first two there are is for `scorer` to know.
    """

    def __init__(self, fitter, scorer, fold, l1_ratio):
        self._fitter = fitter
        self._scorer = scorer
        self._fold = fold
        self._l1_ratio = l1_ratio
        self._points = []
        self.scores = np.empty(0)
        self.losses = np.empty(0)
        self.train_losses = np.empty(0)

    def go_on(self, alphas):
        """Follow the path to further alphas."""
        fold, penalties = self._fold, strengths_of(alphas, self._l1_ratio)
        X = fold.X[fold.rows]
        n_weights = len(fold.targets) * X.shape[1]
        size = max(_MANY_WEIGHTS, getattr(X, "nnz", X.size)) // max(n_weights, 1)
        with single_threaded_blas(), np.errstate(all="ignore"):
            path = self._fitter.fit(fold.train_weights, penalties, self._points)
            for first in range(0, len(alphas), max(size, 1)):
                models = list(islice(path, max(size, 1)))
                self._keep_points(penalties[first:], models)
                part = alphas[first : first + len(models)]
                scores, losses = self._scorer(fold, X, models, part, self._l1_ratio)
                self.scores = np.append(self.scores, scores)
                self.losses = np.append(self.losses, losses)
                learned = [np.mean([one.certificate.loss for one in m]) for m in models]
                self.train_losses = np.append(self.train_losses, learned)
        return self

    def _keep_points(self, penalties, models):
        """Keep the last two points, from where the path goes on."""
        points = [
            [PathPoint(penalty, one.coef, one.intercept).packed() for one in model]
            for penalty, model in list(zip(penalties, models, strict=False))[-2:]
        ]
        self._points = [*self._points, *points][-2:]


def walk(fitter, scorer, folds, l1_ratios, grids, least_ends, tol, n_jobs):
    """Return the grids, and scores in shape (n_l1_ratios, n_alphas, n_folds).

    Folds that lack a class have NaN. With `least_ends`, alphas below which no grid has to
    go for the scale of its folds, the grids go on, and the paths with them, as long as any
    is unfinished.
    """
    places = [k for k, fold in enumerate(folds) if not fold.lacking]
    rows = [
        [ScoredPath(fitter, scorer, folds[k], ratio) for k in places] for ratio in l1_ratios
    ]
    extension, parts, grids = Extension(grids), grids, [grid[:0] for grid in grids]
    while parts is not None:
        _go_on(rows, parts, n_jobs)
        grids = [np.append(*pair) for pair in zip(grids, parts, strict=True)]
        if least_ends is None or not _any_is_unfinished(rows, grids, least_ends, tol):
            break
        parts = extension.after(grids)
    else:
        warn_of_unfinished(grids[0])
    scores = np.full((len(l1_ratios), len(grids[0]), len(folds)), np.nan)
    for of_ratio, row in zip(scores, rows, strict=True):
        of_ratio[:, places] = np.array([path.scores for path in row]).T
    return grids, scores


def _go_on(rows, parts, n_jobs):
    jobs = (
        delayed(path.go_on)(part)
        for row, part in zip(rows, parts, strict=True)
        for path in row
    )
    with warnings.catch_warnings():  # one of ours tells of them all
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        Parallel(n_jobs=n_jobs, require="sharedmem")(jobs)


def _any_is_unfinished(rows, grids, least_ends, tol):
    def unfinished(row, grid, least_end):
        losses = np.mean([(path.losses, path.train_losses) for path in row], axis=0)
        return is_unfinished(grid, least_end, *losses, tol)

    return any(map(unfinished, rows, grids, least_ends))
