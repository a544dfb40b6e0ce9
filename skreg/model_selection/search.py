"""Estimators that choose alpha, and l1_ratio, by cross-validation along paths."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_method_params, check_is_fitted

from skreg.data.inputs import as_labels, check_held_out, columns_of
from skreg.data.matrices import as_rows
from skreg.data.order import generator_state
from skreg.estimators.base import unchanged_on_error
from skreg.estimators.classifier import (
    SGDRegularizedClassifier,
    check_two_classes,
    if_probabilities,
    indices_of,
    one_against_all,
)
from skreg.estimators.hints import SEARCH_PARAMETERS, WithHints
from skreg.estimators.regressor import SGDRegularizedRegressor
from skreg.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES, loss_of
from skreg.model_selection.candidates import Candidates
from skreg.model_selection.coef_path import FORMS, CoefPath
from skreg.model_selection.folds import Fold, PathFitter, walk
from skreg.model_selection.grids import check_alphas, strengths_of, warn_of_end
from skreg.model_selection.path import (
    GRID,
    SMOOTH_LOSSES,
    STOPPING,
    ends_of,
    grid_of,
    warn_of,
)
from skreg.model_selection.routing import SearchRouter
from skreg.model_selection.scoring import Scorer, mean_loss, scorer_of
from skreg.penalties.elastic_net import strengths
from skreg.solvers.monitor import Stopping
from skreg.solvers.threads import single_threaded_blas

# What the chosen model knows of itself, and the search shows.
_SHARED = (
    "coef_",
    "intercept_",
    "n_iter_",
    "objective_",
    "dual_gap_",
    "converged_",
    "n_features_in_",
    "feature_names_in_",
    "classes_",
)


class _RegularizedCV(SearchRouter, WithHints):
    """The search that both estimators share."""

    _hints_of_names = SEARCH_PARAMETERS

    _parameter_constraints: dict = {
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"],
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "eps": GRID["eps"],
        "cv": ["cv_object"],
        "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
        "selection": [StrOptions({"min", "1se"})],
        "fit_intercept": ["boolean"],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "store_path": [StrOptions(set(FORMS)), None],
        "n_jobs": [None, Integral],
        **STOPPING,
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def penalty(self):
        """The name of the penalty: "l1", "l2" or "elasticnet".

        By this `SelectFromModel` knows that weights which are not 0 were selected.
        """
        ratios = np.unique(getattr(self, "l1_ratio_", self.l1_ratio)).tolist()
        return {(1.0,): "l1", (0.0,): "l2"}.get(tuple(ratios), "elasticnet")

    @_fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
    def fit(
        self, X, y, sample_weight=None, *, groups=None, X_val=None, y_val=None, **params
    ):
        """Choose `alpha_` and `l1_ratio_`, and fit all rows with them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets or labels; only a regression has several targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in the fits and in the scores.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for a `cv` that asks for them.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Features of rows to score on instead of `cv`; all of `X` is then learned from.
        y_val : array-like of shape (n_val,) or (n_val, n_targets), default=None
            Targets of the rows of `X_val`.
        **params : dict
            With ``enable_metadata_routing=True``, what else `cv` and `scoring` have
            requested.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input is malformed or not finite, no score is a number, or no fold has
            training rows of all classes.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If not all alphas of the final path came to their target, the best of given
            alphas is the first or the last one, or a default grid has no end.
        UserWarning
            If folds are left out of the scores.
        """
        model = self._model()
        X, y, weights = model._check(X, y, sample_weight, reset=True)
        given = None if sample_weight is None else weights
        routed = self._route("fit", sample_weight=given, groups=groups, **params)
        codes = self._encode(model, y, weights)
        train_weights = self._train_weights(model, weights, y)
        if X_val is not None or y_val is not None:
            folds = [self._given_fold(model, X_val, y_val, y, train_weights)]
        else:
            folds = self._folds(model, X, y, codes, weights, given, routed)
        fitter = PathFitter(
            as_rows(X),
            self._targets(model, codes),
            loss_of(model),
            self.fit_intercept,
            Stopping(self.max_iter, self.tol, 0, 0),
            generator_state(0 if self.random_state is None else self.random_state),
        )
        ratios, grids = self._grids(fitter.problems(train_weights))
        fitter.measure(train_weights, len(grids[0]) * len(ratios) * (1 + len(folds)))
        default = isinstance(self.alphas, Integral)
        scorer = Scorer(self.scoring, model, default)
        least_ends = self._least_ends(fitter, folds, ratios) if default else None
        grids, scores = walk(
            fitter, scorer, folds, ratios, grids, least_ends, self.tol, self.n_jobs
        )
        found = Candidates(ratios, grids, scores)
        best_ratio, best = found.choose(self.selection)
        found.warn_of_gaps(folds, getattr(model, "classes_", []))
        ratio, alphas = ratios[best_ratio], grids[best_ratio]
        fits = self._refit(model, fitter, train_weights, X, alphas, ratio, best)
        warn_of(*fits, stacklevel=5)
        if not default:
            is_null = best == 0 and not model.coef_.any()
            warn_of_end(alphas, found.means[best_ratio], is_null)
        self.alphas_ = np.array(grids) if np.ndim(self.l1_ratio) else grids[0]
        self.cv_results_ = found.results()
        self.best_score_ = float(found.means[best_ratio, best])
        return self

    def _grids(self, problems):
        """Return the values of l1_ratio, and alphas for each."""
        ratios = np.atleast_1d(self.l1_ratio).astype(np.float64)
        if ratios.ndim != 1 or not ratios.size or not ((ratios >= 0) & (ratios <= 1)).all():
            raise ValueError(
                f"l1_ratio must be a number from 0 to 1 or a list of them, not "
                f"{self.l1_ratio!r}."
            )
        ratios = ratios.tolist()
        if isinstance(self.alphas, Integral):
            grids = [grid_of(problems, self.alphas, self.eps, r) for r in ratios]
        else:
            grids = [check_alphas(self.alphas)] * len(ratios)
        return ratios, grids

    def _least_ends(self, fitter, folds, ratios):
        """Return how far down the grid of each l1_ratio has to reach for all folds."""
        sets = [fitter.problems(fold.train_weights) for fold in folds if not fold.lacking]
        ends = [[ends_of(problems, self.eps, r)[1] for problems in sets] for r in ratios]
        return [min((end for end in row if end > 0.0), default=np.inf) for row in ends]

    def _folds(self, model, X, y, codes, weights, scored, routed):
        """Return the folds of `cv`; `scored` are weights of rows in scores, or None."""
        of_splitter, of_scorer = routed
        counts = self._train_weights(model, weights, y) > 0.0
        folds = []
        for train, test in self._split(X, y, weights, of_splitter):
            kept = np.zeros(len(y))
            np.add.at(kept, train, weights[train])  # rows may come several times
            test = test[weights[test] > 0.0]
            if not kept.any():
                raise ValueError("cv has a training fold whose rows all have weight 0.")
            if not len(test):  # of rows that do not exist
                continue
            lacking = self._lacking(model, codes[counts], codes[counts & (kept > 0.0)])
            if not lacking:
                kept = self._train_weights(model, kept, y)
            test_weights = None if scored is None else scored[test]
            metadata = _check_method_params(X, of_scorer, indices=test)
            targets = self._targets(model, codes[test])
            folds.append(
                Fold(kept, lacking, X, test, y[test], test_weights, targets, metadata)
            )
        if not folds:
            raise ValueError("cv has no folds with test rows of positive weight.")
        if all(fold.lacking for fold in folds):
            raise ValueError(
                "cv has a training fold without rows of some class, "
                f"{folds[0].lacking[0]!r}, and no fold is better. Use fewer folds, or "
                "StratifiedKFold."
            )
        return folds

    def _split(self, X, y, weights, metadata):
        """Yield the places of training and of test rows.

        A number of folds counts rows of positive weight only. Splitters and given places
        see all rows.
        """
        rows = np.arange(len(y))
        if self.cv is None or isinstance(self.cv, Integral):
            rows = np.flatnonzero(weights)
            y = y[rows]
        cv = check_cv(self.cv, y, classifier=is_classifier(self))
        for train, test in cv.split(X[: len(y)], y, **metadata):
            yield rows[train], rows[test]

    def _given_fold(self, model, X_val, y_val, y, train_weights):
        if X_val is None or y_val is None:
            raise ValueError("X_val and y_val must be given together.")
        numeric = not is_classifier(self)
        X_val, y_val = check_held_out(model, X_val, y_val, y, numeric=numeric)
        targets = self._targets(model, self._encode_validation(model, y_val, "y_val"))
        return Fold(train_weights, [], X_val, slice(None), y_val, None, targets, {})

    def _refit(self, model, fitter, weights, X, alphas, ratio, best):
        """Fit all rows with what was chosen, and with the other alphas if they are kept.

        The chosen model starts from 0, as a plain estimator with its parameters does: that
        finds the same weights. Return whether each fit came to its target, and its alpha.
        """
        model.set_params(alpha=float(alphas[best]), l1_ratio=ratio)
        chosen = self._solve(model, fitter.problems(weights))
        model._store_solutions(chosen, X.dtype)
        if self.store_path is None:
            self._store(model, None)
            return [bool(np.all(model.converged_))], alphas[[best]]
        path, converged = CoefPath(self.store_path, X, len(chosen), len(alphas)), []
        penalties = strengths_of(alphas, ratio)
        with single_threaded_blas(), np.errstate(all="ignore"):
            for k, outputs in enumerate(fitter.fit(weights, penalties)):
                outputs = chosen if k == best else outputs
                converged.append(all(solution.converged for solution in outputs))
                path.append(outputs)
        self._store(model, path)
        return converged, alphas

    def _solve(self, model, problems):
        """Return what a fit of the model finds, without a warning of its own."""
        l1, l2 = strengths(model.penalty, model.alpha, model.l1_ratio)
        problems = [problem._replace(l1=l1, l2=l2) for problem in problems]
        states = model._states_from(
            np.zeros((len(problems), problems[0].n_features)),
            np.zeros(len(problems)),
            0 if self.random_state is None else self.random_state,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model._minimize(problems, states, [None] * len(problems), self.n_jobs)

    def _store(self, model, path):
        self.best_estimator_ = model
        self.alpha_, self.l1_ratio_ = model.alpha, model.l1_ratio
        for name in (*_SHARED, "coef_path_", "intercept_path_"):
            self.__dict__.pop(name, None)
        if path is not None:
            self.coef_path_, self.intercept_path_ = path.attributes()
        for name in _SHARED:
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    def _score(self, X, y, sample_weight, params):
        """Return the score by `scoring`, which is not None."""
        check_is_fitted(self)
        model = self.best_estimator_
        if self.scoring != "loss":
            _, metadata = self._route("score", sample_weight=sample_weight, **params)
            return scorer_of(self.scoring, model)(model, X, y, **metadata)
        X, y, weights = model._check(X, y, sample_weight, reset=False)
        targets = self._targets(model, self._encode_validation(model, y, "y"))
        raw = np.ascontiguousarray(model._raw_predictions(X).T)
        loss = loss_of(model)
        return -float(mean_loss(loss, targets, weights, raw))

    def predict(self, X):
        """Predict with the chosen model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            Targets or labels.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict(X)


class _ScoreMixin:
    """The score by `scoring`, where it is given."""

    def score(self, X, y, sample_weight=None, **params):
        """Return the score of the chosen model on given rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets or labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        **params : dict
            With ``enable_metadata_routing=True``, what else `scoring` has requested.

        Returns
        -------
        float
            The score by `scoring`; with None R2 or the accuracy.
        """
        if is_classifier(self):
            y = as_labels(y, "y")
        if self.scoring is not None:
            return self._score(X, y, sample_weight, params)
        return super().score(X, y, sample_weight, **params)


class SGDRegularizedRegressorCV(_ScoreMixin, RegressorMixin, _RegularizedCV):
    r"""Linear regression whose alpha is chosen by cross-validation.

    For every fold the whole path of alphas is fitted, each fit going on from the one
    before, and scored. The model with the best mean score, or the simplest one that is
    nearly as good, is fitted again on all rows. The objective is that of
    `SGDRegularizedRegressor` with ``penalty="elasticnet"``; several targets share their
    alpha.

    Parameters
    ----------
    loss : str, default="squared_error"
        A smooth loss of `SGDRegularizedRegressor`.
    l1_ratio : float or array-like of floats, default=1.0
        Share of L1 in the penalty, or several to choose from.
    alphas : int or array-like of floats, default=100
        Strengths of the penalty to choose from, 0 (no penalty) included, or how many of
        them, those of `alpha_grid` on all rows. Such a grid goes on downwards, at the same
        spacing, until it reaches the end of that of each fold's training rows, and while
        the best loss of held-out rows in its last decade and a half is more than .1 % below
        the best before, or that of training rows falls there by more than 1 % and is above
        a tenth of the first; for ten decades at most. If `l1_ratio` is a list,
        grids go on together.
    eps : float, default=1e-3
        That of `alpha_grid`: how far down a grid reaches at first if `alphas` is a number.
    cv : int, splitter or iterable, default=None
        Folds, as in `GridSearchCV`; None means 5. A number of folds counts rows of positive
        weight only.
    scoring : str, callable or None, default=None
        Name or function of the score by which to choose, as in `GridSearchCV`. None is
        minus the mean of `loss` without the penalty; "loss" is the same by name. The method
        `score` uses it, too, but with None returns R2.
    selection : {"min", "1se"}, default="min"
        "min" takes the alpha of the least error, that is, the best mean score; the largest
        of equals. "1se" takes the largest alpha whose mean score is within one standard
        error of it: the deviation of the best model's scores over the folds,
        divided by the root of their number.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    max_iter : int, default=1000
        Most outer iterations for an alpha.
    tol : float, default=1e-5
        A fit ends when its duality gap is at most this times the objective of the
        intercept-only model.
    epsilon : float, default=0.1
        Parameter of the losses that have one.
    store_path : {"auto", "dense", "sparse"} or None, default="auto"
        How to keep the weights of all alphas in `coef_path_`: as an array, as a SciPy CSC
        matrix (a list of them with several targets), or not at all, which fits the chosen
        alpha only. "auto" is sparse if `X` is sparse and has fewer
        values than the array would have.
    n_jobs : int, default=None
        Threads for the paths of the folds.
    random_state : int, RandomState instance or None, default=None
        Order of rows, where steps on rows are taken; None is the same order in each fit, so
        that luck does not choose between alphas that are as good. The folds have their own.

    Attributes
    ----------
    alpha_, l1_ratio_ : float
        What was chosen.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        The grid, the largest alpha first; a row per value if `l1_ratio` is a list.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_targets,)
        Intercepts.
    coef_path_ : ndarray or CSC matrix of shape (n_features, n_alphas)
        Weights of all alphas, with `l1_ratio_`, on all rows. With several targets the shape
        is (n_targets, n_features, n_alphas).
    intercept_path_ : ndarray of shape (n_alphas,) or (n_targets, n_alphas)
        Their intercepts.
    cv_results_ : dict of arrays
        Scores of all candidates, with the keys of `GridSearchCV`. Folds that were left out
        have NaN.
    best_score_ : float
        Mean score of the chosen candidate.
    best_estimator_ : SGDRegularizedRegressor
        The chosen model.
    dual_gap_, objective_, converged_, n_iter_
        As of `SGDRegularizedRegressor`.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if `X` has any.

    See Also
    --------
    skreg.regularization_path : The path itself.
    sklearn.linear_model.LassoCV : The same for the squared error, by coordinate descent.

    References
    ----------
    J. Friedman, T. Hastie and R. Tibshirani (2010), Regularization paths for generalized
    linear models via coordinate descent. L. Breiman et al. (1984), Classification and
    regression trees, section 3.4.3, for the rule of one standard error.

    Examples
    --------
    >>> import numpy as np
    >>> from skreg import SGDRegularizedRegressorCV
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randn(200, 10)
    >>> y = X @ np.array([2.0, -1.0] + 8 * [0.0]) + rng.randn(200)
    >>> model = SGDRegularizedRegressorCV(selection="1se").fit(X, y)
    >>> np.flatnonzero(model.coef_)
    array([0, 1])
    """

    _hints_of_losses = SGDRegularizedRegressor._hints_of_losses
    _parameter_constraints: dict = {
        **_RegularizedCV._parameter_constraints,
        "loss": [StrOptions(set(SMOOTH_LOSSES) & set(REGRESSION_LOSSES))],
    }

    def __init__(
        self,
        loss="squared_error",
        *,
        l1_ratio=1.0,
        alphas=100,
        eps=1e-3,
        cv=None,
        scoring=None,
        selection="min",
        fit_intercept=True,
        max_iter=1000,
        tol=1e-5,
        epsilon=0.1,
        store_path="auto",
        n_jobs=None,
        random_state=None,
    ):
        self.loss = loss
        self.l1_ratio = l1_ratio
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.epsilon = epsilon
        self.store_path = store_path
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _model(self):
        return SGDRegularizedRegressor(
            self.loss,
            penalty="elasticnet",
            fit_intercept=self.fit_intercept,
            max_iter=self.max_iter,
            tol=self.tol,
            epsilon=self.epsilon,
            random_state=self.random_state,
        )

    def _encode(self, model, y, weights):
        model._n_targets = y.shape[1] if y.ndim == 2 else 0
        return y

    def _encode_validation(self, model, y, name):
        return y

    def _lacking(self, model, codes, some):
        return []

    def _targets(self, model, codes):
        return columns_of(codes)

    def _train_weights(self, model, weights, y):
        return weights


class SGDRegularizedClassifierCV(_ScoreMixin, ClassifierMixin, _RegularizedCV):
    r"""Linear classification whose alpha is chosen by cross-validation.

    For every fold the whole path of alphas is fitted, each fit going on from the one
    before, and scored. The model with the best mean score, or the simplest one that is
    nearly as good, is fitted again on all rows. The objective is that of
    `SGDRegularizedClassifier` with ``penalty="elasticnet"``; more than two classes are
    one-against-all problems that share their alpha.

    Parameters
    ----------
    loss : str, default="log_loss"
        A smooth loss of `SGDRegularizedClassifier`.
    l1_ratio : float or array-like of floats, default=1.0
        Share of L1 in the penalty, or several to choose from.
    alphas : int or array-like of floats, default=100
        Strengths of the penalty to choose from, 0 (no penalty) included, or how many of
        them, those of `alpha_grid` on all rows. Such a grid goes on downwards, at the same
        spacing, until it reaches the end of that of each fold's training rows, and while
        the best loss of held-out rows in its last decade and a half is more than .1 % below
        the best before, or that of training rows falls there by more than 1 % and is above
        a tenth of the first; for ten decades at most. If `l1_ratio` is a list,
        grids go on together.
    eps : float, default=1e-3
        That of `alpha_grid`: how far down a grid reaches at first if `alphas` is a number.
    cv : int, splitter or iterable, default=None
        Folds, as in `GridSearchCV`; None means 5, stratified. A number of folds counts rows
        of positive weight only.
    scoring : str, callable or None, default=None
        Name or function of the score by which to choose, as in `GridSearchCV`. None is
        minus the mean of `loss`, over all one-against-all problems, without the penalty and
        without class weights; "loss" is the same by name. The method `score` uses it, too,
        but with None returns the accuracy. Scorers are told all labels.
    selection : {"min", "1se"}, default="min"
        "min" takes the alpha of the least error, that is, the best mean score; the largest
        of equals. "1se" takes the largest alpha whose mean score is within one standard
        error of it: the deviation of the best model's scores over the folds,
        divided by the root of their number.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    max_iter : int, default=1000
        Most outer iterations for an alpha.
    tol : float, default=1e-5
        A fit ends when its duality gap is at most this times the objective of the
        intercept-only model.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, by which those of their rows are multiplied in the fits;
        "balanced" ones are those of the training rows.
    store_path : {"auto", "dense", "sparse"} or None, default="auto"
        How to keep the weights of all alphas in `coef_path_`: as an array, as a SciPy CSC
        matrix (a list of them with more than two classes), or not at all, which fits the
        chosen alpha only. "auto" is sparse if `X` is sparse and has fewer
        values than the array would have.
    n_jobs : int, default=None
        Threads for the paths of the folds.
    random_state : int, RandomState instance or None, default=None
        Order of rows, where steps on rows are taken; None is the same order in each fit, so
        that luck does not choose between alphas that are as good. The folds have their own.

    Attributes
    ----------
    alpha_, l1_ratio_ : float
        What was chosen.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        The grid, the largest alpha first; a row per value if `l1_ratio` is a list.
    classes_ : ndarray of shape (n_classes,)
        Labels.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    coef_path_ : ndarray or CSC matrix of shape (n_features, n_alphas)
        Weights of all alphas, with `l1_ratio_`, on all rows. With more than two classes the
        shape is (n_classes, n_features, n_alphas).
    intercept_path_ : ndarray of shape (n_alphas,) or (n_classes, n_alphas)
        Their intercepts.
    cv_results_ : dict of arrays
        Scores of all candidates, with the keys of `GridSearchCV`. Folds that were left out
        have NaN.
    best_score_ : float
        Mean score of the chosen candidate.
    best_estimator_ : SGDRegularizedClassifier
        The chosen model.
    dual_gap_, objective_, converged_, n_iter_
        As of `SGDRegularizedClassifier`.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if `X` has any.

    See Also
    --------
    skreg.regularization_path : The path itself.
    sklearn.linear_model.LogisticRegressionCV : The same for the log loss.

    References
    ----------
    J. Friedman, T. Hastie and R. Tibshirani (2010), Regularization paths for generalized
    linear models via coordinate descent.

    Examples
    --------
    >>> import numpy as np
    >>> from skreg import SGDRegularizedClassifierCV
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randn(200, 10)
    >>> y = X[:, 0] - X[:, 1] + 0.5 * rng.randn(200) > 0.0
    >>> model = SGDRegularizedClassifierCV(alphas=20, selection="1se").fit(X, y)
    >>> np.flatnonzero(model.coef_)
    array([0, 1])
    >>> model.predict([[1.0] + 9 * [0.0]])
    array([ True])
    """

    _hints_of_losses = SGDRegularizedClassifier._hints_of_losses
    _parameter_constraints: dict = {
        **_RegularizedCV._parameter_constraints,
        "loss": [StrOptions(set(SMOOTH_LOSSES) & set(CLASSIFICATION_LOSSES))],
        "class_weight": SGDRegularizedClassifier._parameter_constraints["class_weight"],
    }
    _parameter_constraints.pop("epsilon")

    def __init__(
        self,
        loss="log_loss",
        *,
        l1_ratio=1.0,
        alphas=100,
        eps=1e-3,
        cv=None,
        scoring=None,
        selection="min",
        fit_intercept=True,
        max_iter=1000,
        tol=1e-5,
        class_weight=None,
        store_path="auto",
        n_jobs=None,
        random_state=None,
    ):
        self.loss = loss
        self.l1_ratio = l1_ratio
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.store_path = store_path
        self.n_jobs = n_jobs
        self.random_state = random_state

    def decision_function(self, X):
        """Return raw predictions: the larger, the more likely the class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            ``X @ coef_.T + intercept_``; with two classes that of ``classes_[1]``.
        """
        check_is_fitted(self)
        return self.best_estimator_.decision_function(X)

    @if_probabilities
    def predict_proba(self, X):
        """Estimate the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`, as `SGDRegularizedClassifier` has
            them.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict_proba(X)

    @if_probabilities
    def predict_log_proba(self, X):
        """Return the logarithms of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Logarithms, minus infinity where a probability is 0.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict_log_proba(X)

    def _model(self):
        return SGDRegularizedClassifier(
            self.loss,
            penalty="elasticnet",
            fit_intercept=self.fit_intercept,
            max_iter=self.max_iter,
            tol=self.tol,
            class_weight=self.class_weight,
            random_state=self.random_state,
        )

    def _encode(self, model, y, weights):
        check_two_classes(np.unique(y[weights > 0.0]))
        model.classes_ = np.unique(y[weights > 0.0])
        # Rows of weight 0 may have labels that are no classes.
        return np.searchsorted(model.classes_, y) % len(model.classes_)

    def _encode_validation(self, model, y, name):
        return indices_of(y, model.classes_, name)

    def _lacking(self, model, codes, some):
        """Return the classes that some rows lack, given by codes; all rows have them."""
        return model.classes_[np.setdiff1d(codes, some)].tolist()

    def _targets(self, model, codes):
        return one_against_all(codes, len(model.classes_))

    def _train_weights(self, model, weights, y):
        weights = model._times_class_weight(weights, model.classes_, y)[0]
        check_two_classes(np.unique(y[weights > 0.0]))
        return weights
