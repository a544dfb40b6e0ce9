"""The classifier."""

import functools
from numbers import Integral
from types import MethodType

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import StrOptions

from skreg.data.inputs import (
    as_labels,
    check_rows_and_labels,
    check_total,
    check_weights,
    unknown_labels,
)
from skreg.data.numbers import as_numbers
from skreg.estimators.base import DEFAULT_L1_RATIO, SGDRegularizedModel, unchanged_on_error
from skreg.estimators.hints import LOSSES_OF_LABELS
from skreg.losses import CLASSIFICATION_LOSSES


class if_probabilities:
    """A method that only models with probabilities have; the others say why not."""

    def __init__(self, method):
        functools.update_wrapper(self, method)
        self._method = method

    def __get__(self, model, owner=None):
        if model is None:
            return self._method
        loss = _fitted_loss(model)
        if loss not in ("log_loss", "modified_huber"):
            raise AttributeError(
                f"{type(model).__name__} has no attribute {self._method.__name__!r}, as "
                f"loss={loss!r} has no probabilities; fit 'log_loss' or 'modified_huber'."
            )
        return MethodType(self._method, model)


def _fitted_loss(model):
    """Return the loss that a model was fitted with, or will be: `loss` may have changed."""
    fitted = getattr(model, "best_estimator_", model)
    return getattr(fitted, "_loss_of_fit", model.loss)


class SGDRegularizedClassifier(ClassifierMixin, SGDRegularizedModel):
    r"""Linear classification with an L1, L2 or elastic-net penalty, by gradient descent.

    With two classes, coded as y = -1 and +1, the objective is

    .. math::
        \min_{w, b} \frac1S \sum_i s_i\, \ell(y_i, x_i^T w + b)
        + \alpha \left( \rho \|w\|_1 + \frac{1 - \rho}2 \|w\|_2^2 \right),
        \qquad S = \sum_i s_i

    with sample weights s, times class weights, and :math:`\rho` = `l1_ratio`. It is that
    of `SGDClassifier`, and of `LogisticRegression` with ``C = 1 / (n_samples * alpha)``.
    With more classes, one such model is fitted per class against all others.

    Parameters
    ----------
    loss : str, default="log_loss"
        The loss, with m for the margin ``y * p`` of the raw prediction p:

        - "log_loss": ``log(1 + exp(-m))``, logistic regression;
        - "hinge": ``max(0, 1 - m)``, a linear support vector machine;
        - "squared_hinge": ``max(0, 1 - m)^2``;
        - "modified_huber": ``max(0, 1 - m)^2`` where ``m >= -1``, ``-4 m`` beyond.
    penalty : {"l2", "l1", "elasticnet"} or None, default="l2"
        The penalty. L1 makes weights exactly 0 (in proximal mode), L2 makes them small,
        "elasticnet" mixes the two, None leaves them free.
    alpha : float, default=1e-4
        Strength of the penalty, often called lambda. It is on the scale of the mean
        loss, so it does not depend on the number of rows.
    l1_ratio : float, default=0.15
        Share of L1 in the elastic net, from 0 (L2) to 1 (L1). Used by
        ``penalty="elasticnet"`` only.
    mode : {"proximal", "subgradient"}, default="proximal"
        How the penalty enters each step. "proximal" applies its proximal operator after
        the gradient step on the loss: weights become exactly 0. "subgradient" adds
        ``l1 * sign(w) + l2 * w`` to the gradient: weights circle around 0 without
        reaching it.
    solver : {"auto", "svrg", "sgd"}, default="auto"
        The solver. "svrg" is descent with reduced variance, which finds the optimum, in
        proximal mode; "sgd" is plain stochastic gradient descent, one
        step per row. "auto" is "svrg" where that can be, and "sgd" where `average`,
        `early_stopping`, `learning_rate` or `eta0` ask for what only "sgd" does.
        `partial_fit` always takes plain steps. `solver_` tells the choice.
    fit_intercept : bool, default=True
        Whether to fit an intercept. It is never penalized.
    max_iter : int, default=1000
        Largest number of epochs of `fit`: passes over the rows with "sgd", turns with
        "svrg", each of which ends with a look at the duality gap.
    tol : float or None, default=1e-4
        Stop when the duality gap is at most `tol` times the objective of the
        intercept-only model. Where nothing is penalized there is no duality gap, and an
        estimate from the optimality conditions takes its place. None runs `max_iter`
        epochs, or until none helps. With "sgd", the gap is looked at after every epoch,
        beyond the twentieth each time their number has grown by a tenth. With "svrg",
        problems of fewer than 100 000 values are solved to rounding beyond `tol`.
    shuffle : bool, default=True
        Whether to visit the rows of each epoch in a new random order. If they are too many
        for a processor's cache, blocks of 40 to 128 neighbours come in random order, and
        the rows of eight blocks at a time mixed at random.
    verbose : int, default=0
        If positive, print a line after each epoch.
    epsilon : float, default=0.1
        Without effect; it is here so that `SGDClassifier` can be swapped for this class.
    n_jobs : int or None, default=None
        Number of threads for the one-against-all models; None means 1. Plain steps on
        sparse rows serve all models of a thread in one pass.
    random_state : int, RandomState instance or None, default=None
        Seed of the visiting order and of the validation split. An int makes fits
        repeatable; the order does not depend on storage or float type.
    learning_rate : str, default="auto"
        Step size at step t = 0, 1, 2, ...:

        - "auto": ``eta0 / max((1 + t / 2000)^0.75, 1 + eta0 * l2 * t)``, with l2 the
          strength of the L2 part of the penalty;
        - "constant": ``eta0``;
        - "invscaling": ``eta0 / (t + 1)^power_t``;
        - "adaptive": ``eta0``, divided by 5 whenever the objective (with
          `early_stopping` the validation score) has not become better for
          `n_iter_no_change` epochs;
        - "optimal": ``1 / (alpha * (t0 + t))`` with Bottou's t0, whatever `eta0`; as
          "auto" where nothing is penalized;
        - "adagrad": a step size for each weight, ``eta0`` divided by the root of the sum
          of its squared gradients; for sparse and badly scaled features.
    eta0 : float or None, default=None
        First step size. None takes it from the rows: twice 1 over the loss's curvature
        bound times the squared mean length of the rows so far. No step then carries the
        prediction of its own row beyond the minimum of its loss, however long or heavy
        the row. The intercept has steps of its own, half of 1 over the curvature bound,
        divided by ``1 + t / 100``.
    power_t : float, default=0.5
        Exponent of "invscaling".
    weight_decay : {"coupled", "decoupled"}, default="coupled"
        How L2 enters the steps of "adagrad": as a part of the objective, or as a decay of
        all weights by ``1 + eta0 * l2`` in each step, whatever their own step sizes are.
        The latter, known from AdamW, does not minimize the objective, and ends with a
        `ConvergenceWarning` unless ``tol=None``. In subgradient mode "coupled" means
        that the gradient of the penalty is scaled by a weight's own step size, too.
    early_stopping : bool, default=False
        Whether to stop when the score on held-out rows has not risen by `tol` for
        `n_iter_no_change` epochs, instead of when the duality gap is small. The weights
        of the best epoch are returned.
    validation_fraction : float, default=0.1
        Share of the rows to hold out for `early_stopping`.
    n_iter_no_change : int, default=5
        Patience, in epochs, of `early_stopping` and of ``learning_rate="adaptive"``.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which multiply the sample weights. "balanced" makes the
        total weight of each class the same.
    warm_start : bool, default=False
        Whether `fit` goes on where the last fit ended: from its weights instead of 0,
        and with plain steps from their number, their mean and the random numbers, too.
    average : bool or int, default=False
        If True, `coef_` is the mean of the weights after every step (Polyak-Ruppert
        averaging); if an int, the mean begins with that step. In proximal mode the mean
        is taken before the L1 threshold, which then cuts it: weights that keep their sign
        get their mean, and the others are exact zeros. If False, plain steps return their
        last weights, and with an L1 penalty in proximal mode, ``learning_rate="auto"`` and
        no `eta0` a mean of recent ones, because a single iterate can miss small weights.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights; one row for two classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts; with two classes ``intercept_.item()`` is the number.
    n_iter_ : int
        Number of epochs (or turns) run by the last call, the largest of all classes: 1
        after each `partial_fit`. What all calls have done is in `t_`.
    objective_ : float, or ndarray of shape (n_classes,)
        Penalized objective at the weights, on the rows learned from.
    dual_gap_ : float, or ndarray of shape (n_classes,)
        How far `objective_` is at most above its minimum; infinite where nothing is
        penalized.
    converged_ : bool, or ndarray of shape (n_classes,)
        Whether the fit stopped by `tol`.
    history_ : dict, or list of one dict per class
        For each epoch: "epoch", "objective", "loss", "penalty", "n_nonzero", "gap",
        "step_size" and "seconds" since the start, as arrays; NaN for epochs not looked at,
        and for the step size of "svrg". Classes that share passes have shared seconds.
    solver_ : str
        The solver used.
    t_ : float
        1 plus the number of steps taken, with "svrg" one a row and turn.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if `X` had names that are all strings.

    See Also
    --------
    sklearn.linear_model.LogisticRegression : The same model by other solvers.
    sklearn.linear_model.SGDClassifier : The same parameters, without certificate.
    SGDRegularizedRegressor : The regressor, with the references.

    Examples
    --------
    >>> import numpy as np
    >>> from skreg import SGDRegularizedClassifier
    >>> X = np.random.RandomState(0).randn(200, 5)
    >>> y = np.where(X @ [2.0, 0.0, 0.0, -1.0, 0.0] > 0.0, "yes", "no")
    >>> model = SGDRegularizedClassifier(penalty="l1", alpha=0.05, tol=0.01, random_state=0)
    >>> np.flatnonzero(model.fit(X, y).coef_[0])
    array([0, 3])
    >>> model.predict([[1.0, 0.0, 0.0, 0.0, 0.0]])
    array(['yes'], dtype='<U3')
    """

    _hints_of_losses = LOSSES_OF_LABELS
    _parameter_constraints: dict = {
        **SGDRegularizedModel._parameter_constraints,
        "loss": [StrOptions(set(CLASSIFICATION_LOSSES))],
        "n_jobs": [None, Integral],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        loss="log_loss",
        *,
        penalty="l2",
        alpha=1e-4,
        l1_ratio=DEFAULT_L1_RATIO,
        mode="proximal",
        solver="auto",
        fit_intercept=True,
        max_iter=1000,
        tol=1e-4,
        shuffle=True,
        verbose=0,
        epsilon=0.1,
        n_jobs=None,
        random_state=None,
        learning_rate="auto",
        eta0=None,
        power_t=0.5,
        weight_decay="coupled",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        class_weight=None,
        warm_start=False,
        average=False,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.mode = mode
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.average = average

    @_fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
    def fit(
        self,
        X,
        y,
        coef_init=None,
        intercept_init=None,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
    ):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features: numbers only, in every container. C-ordered float64 and float32
            arrays and CSR matrices are neither copied nor changed.
        y : array-like of shape (n_samples,)
            Labels of at least two classes: all text, all numbers or all truth values.
        coef_init : array-like of the shape of `coef_`, default=None
            Weights to start from.
        intercept_init : array-like of the shape of `intercept_`, default=None
            Intercepts to start from.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows: none negative, not all 0. Rows of weight 0 are as good
            as absent, a common factor changes nothing.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Features of rows to validate on. With `early_stopping` they take the place of
            rows held out from `X`.
        y_val : array-like of shape (n_val,), default=None
            Labels of the rows of `X_val`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input is malformed, masked or not finite, or holds text or dates; if
            there is only one class; if the steps diverge; if a warm start meets other
            features or labels.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If `max_iter` epochs were not enough for `tol`.
        UserWarning
            If `l1_ratio` is given, but not the `penalty` that reads it.
        """
        goes_on = self._goes_on(coef_init, intercept_init)
        X, y, weights = self._check_to_fit(X, y, sample_weight, goes_on)
        classes = np.unique(y[weights > 0.0])
        if goes_on:
            self._check_same_labels(classes)
        weights, labels = self._times_class_weight(weights, classes, y)
        check_two_classes(classes[np.bincount(labels, weights, len(classes)) > 0.0])
        random_state = self._random_state()
        signs = one_against_all(labels, len(classes))
        rows, validation = self._validation(
            X, y, weights, labels, (X_val, y_val), random_state
        )
        scores = [None] * len(signs)
        if validation is not None:
            scores = _accuracies_on(validation, classes)
        problems = self._problems(X, signs, weights, rows)
        states = self._first_states(len(signs), X, coef_init, intercept_init, random_state)
        solutions = self._minimize(problems, states, scores, self.n_jobs)
        self.classes_ = classes
        self._store_solutions(solutions, X.dtype)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Visit every row once, going on from where the last call or fit ended.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels, some of `classes`.
        classes : array-like of shape (n_classes,), default=None
            All labels that any call will bring; needed in the first call only.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows: none negative, not all 0.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input is malformed or not finite, `classes` is missing or different,
            or the steps diverge; the model then stays as it was.
        """
        classes = self._known_classes(classes)
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not defined for partial_fit, which sees only "
                "some of the rows: pass a dict, as from compute_class_weight('balanced', "
                "...) on all rows."
            )
        X, y, weights = self._check(X, y, sample_weight, reset=self._is_new())
        unknown = unknown_labels(y[weights > 0.0], classes)
        if len(unknown):
            raise ValueError(
                f"y holds {unknown.tolist()[0]!r}, which is not among the classes given in "
                f"the first call of partial_fit.{_meant_weights(classes)}"
            )
        weights, labels = self._times_class_weight(weights, classes, y)
        signs = one_against_all(labels, len(classes))
        problems = self._problems(X, signs, weights, np.flatnonzero(weights))
        states = self._take_epoch(problems, self._resume(len(signs), X), self.n_jobs)
        self.classes_ = classes
        self._store_states(states, X.dtype)
        return self

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
        raw = self._raw_predictions(X)
        return raw.ravel() if raw.shape[1] == 1 else raw

    def predict(self, X):
        """Predict labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            The label with the largest raw prediction.

        Raises
        ------
        ValueError
            If `X` is malformed, or `coef_` or `intercept_` was changed to what is no model.
        """
        raw = self._raw_predictions(X)
        binary = raw.shape[1] == 1
        winners = (raw[:, 0] > 0.0).astype(int) if binary else raw.argmax(axis=1)
        return self.classes_[winners]

    @if_probabilities
    def predict_proba(self, X):
        """Estimate the probabilities of the classes.

        With ``loss="log_loss"`` they are the logistic function of the raw predictions,
        with ``loss="modified_huber"`` these clipped to [-1, 1] and moved to [0, 1] (Zhang
        2004). With more than two classes they are divided by their sum; where all are 0,
        the softmax of the raw predictions takes their place. The loss is that of the fit,
        whatever `loss` has been set to since.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`.
        """
        raw = self._raw_predictions(X)
        if _fitted_loss(self) == "log_loss":
            positive = expit(raw)
        else:
            positive = (np.clip(raw, -1.0, 1.0) + 1.0) / 2.0
        if raw.shape[1] == 1:
            return np.hstack([1.0 - positive, positive])
        none = ~positive.any(axis=1)
        positive[none] = softmax(raw[none], axis=1)
        return positive / positive.sum(axis=1, keepdims=True)

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
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def score(self, X, y, sample_weight=None):
        """Return the share of rows whose labels are predicted right.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The accuracy.
        """
        y = as_labels(y, "y")
        weights = None if sample_weight is None else check_weights(sample_weight, y)
        return super().score(X, y, weights)

    def _check(self, X, y, sample_weight, *, reset):
        X, y = check_rows_and_labels(self, X, y, reset=reset)
        return X, y, check_weights(sample_weight, X)

    def _times_class_weight(self, weights, classes, y):
        """Return weights times those of the classes, and the rows' places in `classes`.

        Rows of weight 0 may have labels that are no classes.
        """
        labels = np.searchsorted(classes, y) % len(classes)
        if self.class_weight is None:
            return weights, labels
        if isinstance(self.class_weight, dict):
            as_numbers(list(self.class_weight.values()), "class_weight")
        counts = weights > 0.0
        of_class = compute_class_weight(
            self.class_weight, classes=classes, y=y[counts], sample_weight=weights[counts]
        )
        return check_total(weights * of_class[labels]), labels

    def _n_outputs(self):
        return 1 if len(self.classes_) == 2 else len(self.classes_)

    def _check_same_labels(self, classes):
        if not np.array_equal(self.classes_, classes):
            raise ValueError(
                f"y has the labels {classes.tolist()}, but warm_start=True goes on with a "
                f"model of {self.classes_.tolist()}. Set warm_start=False to begin anew."
            )

    def _known_classes(self, classes):
        classes = as_labels(classes, "classes")
        if self._is_new():
            if classes is None:
                raise ValueError("classes must be passed in the first call of partial_fit.")
            classes = np.unique(classes)
            if len(classes) < 2:
                raise ValueError(
                    f"classes must hold at least two labels, not {classes.tolist()}: all "
                    f"that any call will bring.{_meant_weights(classes)}"
                )
            return classes
        if classes is not None and not np.array_equal(self.classes_, np.unique(classes)):
            raise ValueError(
                f"classes={np.unique(classes).tolist()} is not the same as in earlier "
                f"calls, {self.classes_.tolist()}.{_meant_weights(classes)}"
            )
        return self.classes_


def _meant_weights(classes):
    """Return advice to whom has passed weights of rows by place, as classes."""
    is_odd = classes.dtype.kind == "f"
    return " Pass weights of rows by name, sample_weight=." if is_odd else ""


def one_against_all(labels, n_classes):
    """Return targets -1 and +1: one array for two classes, else one per class."""
    positive = [1] if n_classes == 2 else range(n_classes)
    return [np.where(labels == k, 1.0, -1.0) for k in positive]


def indices_of(y_val, classes, name="y_val"):
    """Return the places of validation labels among the classes of y."""
    unknown = unknown_labels(y_val, classes)
    if len(unknown):
        raise ValueError(
            f"{name} holds {unknown.tolist()[0]!r}, which is not among the classes of y."
        )
    return np.searchsorted(classes, y_val)


def check_two_classes(classes):
    """Raise if there are fewer than two classes."""
    if len(classes) < 2:
        raise ValueError(
            "The classifier needs rows of at least two classes with positive weight, but "
            f"y has {len(classes)} class: {', '.join(map(repr, classes.tolist()))}."
        )


def _accuracies_on(validation, classes):
    """Return the score of each one-vs-rest problem."""
    X, y, sample_weight = validation
    labels = indices_of(y, classes)

    def accuracy(positive):
        def score(coef, intercept):
            correct = (X @ coef + intercept > 0.0) == positive
            return float(np.average(correct, weights=sample_weight))

        return score

    signs = one_against_all(labels, len(classes))
    return [accuracy(sign > 0.0) for sign in signs]
