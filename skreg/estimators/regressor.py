"""The regressor."""

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions

from skreg.data.inputs import (
    as_targets,
    check_rows_and_targets,
    check_weights,
    columns_of,
)
from skreg.estimators.base import DEFAULT_L1_RATIO, SGDRegularizedModel, unchanged_on_error
from skreg.estimators.hints import LOSSES_OF_NUMBERS
from skreg.losses import REGRESSION_LOSSES


class SGDRegularizedRegressor(RegressorMixin, SGDRegularizedModel):
    r"""Linear regression with an L1, L2 or elastic-net penalty, by gradient descent.

    The objective is that of scikit-learn's `Lasso`, `ElasticNet` and `SGDRegressor`:

    .. math::
        \min_{w, b} \frac1S \sum_i s_i\, \ell(y_i, x_i^T w + b)
        + \alpha \left( \rho \|w\|_1 + \frac{1 - \rho}2 \|w\|_2^2 \right),
        \qquad S = \sum_i s_i

    with sample weights s and :math:`\rho` = `l1_ratio`. The fit says how far it is from
    the minimum at most: see `dual_gap_`.

    Parameters
    ----------
    loss : str, default="squared_error"
        The loss, with p for the prediction and r for ``p - y``:

        - "squared_error": ``r^2 / 2``;
        - "huber": ``r^2 / 2`` where ``|r| <= epsilon``, linear beyond;
        - "logcosh": ``log(cosh(r))``, about ``r^2 / 2`` near 0 and ``|r|`` far from it;
        - "epsilon_insensitive": ``max(0, |r| - epsilon)``;
        - "squared_epsilon_insensitive": ``max(0, |r| - epsilon)^2``.
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
        Width of the losses that have one, in the units of the target.
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
        First step size. None takes it from the rows: a third of 1 over the loss's curvature
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
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_targets,)
        Intercepts; of one target, ``intercept_.item()`` is the number.
    n_iter_ : int
        Number of epochs (or turns) run by the last call: 1 after each `partial_fit`. What
        all calls have done is in `t_`.
    objective_ : float or ndarray of shape (n_targets,)
        Penalized objective at the weights, on the rows learned from.
    dual_gap_ : float or ndarray of shape (n_targets,)
        How far `objective_` is at most above its minimum; infinite where nothing is
        penalized.
    converged_ : bool or ndarray of shape (n_targets,)
        Whether the fit stopped by `tol`.
    history_ : dict, or a list of them with several targets
        For each epoch: "epoch", "objective", "loss", "penalty", "n_nonzero", "gap",
        "step_size" and "seconds" since the start, as arrays; NaN for epochs not looked at,
        and for the step size of "svrg".
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
    sklearn.linear_model.Lasso : The L1 model by coordinate descent.
    sklearn.linear_model.Ridge : The L2 model; its ``alpha`` is n_samples times ours.
    sklearn.linear_model.SGDRegressor : The same parameters, without certificate.
    SGDRegularizedClassifier : The classifier.

    References
    ----------
    .. [1] Tsuruoka, Tsujii and Ananiadou, "Stochastic gradient descent training for
       L1-regularized log-linear models with cumulative penalty", ACL 2009.
    .. [2] Xiao, "Dual averaging methods for regularized stochastic learning and online
       optimization", JMLR 11, 2010.
    .. [3] Duchi and Singer, "Efficient online and batch learning using forward backward
       splitting", JMLR 10, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from skreg import SGDRegularizedRegressor
    >>> X = np.random.RandomState(0).randn(200, 5)
    >>> y = X @ [2.0, 0.0, 0.0, -1.0, 0.0] + 3.0
    >>> model = SGDRegularizedRegressor(penalty="l1", alpha=0.1, tol=1e-3, random_state=0)
    >>> np.flatnonzero(model.fit(X, y).coef_)
    array([0, 3])
    >>> model.converged_
    True
    """

    _hints_of_losses = LOSSES_OF_NUMBERS
    _n_targets = 0  # the columns of y, 0 for a vector
    _parameter_constraints: dict = {
        **SGDRegularizedModel._parameter_constraints,
        "loss": [StrOptions(set(REGRESSION_LOSSES))],
    }

    def __init__(
        self,
        loss="squared_error",
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
        random_state=None,
        learning_rate="auto",
        eta0=None,
        power_t=0.5,
        weight_decay="coupled",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
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
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
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
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets: numbers. Each column has a model of its own.
        coef_init : array-like of shape (n_features,) or (n_targets, n_features), \
                default=None
            Weights to start from.
        intercept_init : float or array-like of shape (1,) or (n_targets,), default=None
            Intercept to start from.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows: none negative, not all 0. Rows of weight 0 are as good
            as absent, a common factor changes nothing.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Features of rows to validate on. With `early_stopping` they take the place of
            rows held out from `X`.
        y_val : array-like of shape (n_val,) or (n_val, n_targets), default=None
            Targets of the rows of `X_val`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input is malformed, masked or not finite, or holds text or dates; if
            the steps diverge; if a warm start meets other features.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If `max_iter` epochs were not enough for `tol`.
        UserWarning
            If `l1_ratio` is given, but not the `penalty` that reads it.
        """
        goes_on = self._goes_on(coef_init, intercept_init)
        X, y, weights = self._check_to_fit(X, y, sample_weight, goes_on)
        if goes_on:
            self._check_same_targets(y)
        random_state = self._random_state()
        rows, validation = self._validation(
            X, y, weights, None, (X_val, y_val), random_state
        )
        targets = columns_of(y)
        scores = [None] * len(targets)
        if validation is not None:
            scores = _r2_on(validation)
        problems = self._problems(X, targets, weights, rows)
        n_targets = len(targets)
        states = self._first_states(n_targets, X, coef_init, intercept_init, random_state)
        solutions = self._minimize(problems, states, scores)
        self._n_targets = _n_targets(y)
        self._store_solutions(solutions, X.dtype)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
    def partial_fit(self, X, y, sample_weight=None):
        """Visit every row once, going on from where the last call or fit ended.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows: none negative, not all 0.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input is malformed or not finite, or the steps diverge; the model
            then stays as it was.
        """
        X, y, weights = self._check(X, y, sample_weight, reset=self._is_new())
        targets = columns_of(y)
        if not self._is_new():
            self._check_same_targets(y)
        states = self._resume(len(targets), X)
        problems = self._problems(X, targets, weights, np.flatnonzero(weights))
        states = self._take_epoch(problems, states)
        self._n_targets = _n_targets(y)
        self._store_states(states, X.dtype)
        return self

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions ``X @ coef_.T + intercept_``.

        Raises
        ------
        ValueError
            If `X` is malformed, or `coef_` or `intercept_` was changed to what is no model.
        """
        raw = self._raw_predictions(X)
        return raw if self._n_targets else raw.ravel()

    def score(self, X, y, sample_weight=None):
        """Return the coefficient of determination R2 of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The R2; of several targets its mean.
        """
        y = as_targets(y, "y")
        weights = None if sample_weight is None else check_weights(sample_weight, y)
        return super().score(X, y, weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _n_outputs(self):
        return max(self._n_targets, 1)

    def _shape_coef(self, coef):
        return coef if self._n_targets else coef[0]

    def _check_same_targets(self, y):
        if _n_targets(y) != self._n_targets:
            raise ValueError(
                f"y has {_n_targets(y) or 1} targets, but the model goes on with "
                f"{self._n_outputs()}. Pass as many, or fit anew."
            )

    def _check(self, X, y, sample_weight, *, reset):
        X, y = check_rows_and_targets(self, X, y, reset=reset)
        return X, y, check_weights(sample_weight, X)


def _n_targets(y):
    """Return the number of columns, 0 for a vector."""
    return y.shape[1] if y.ndim == 2 else 0


def _r2_on(validation):
    """Return the score of each target."""
    X, y, sample_weight = validation

    def r2(column):
        def score(coef, intercept):
            return r2_score(column, X @ coef + intercept, sample_weight=sample_weight)

        return score

    return [r2(column) for column in columns_of(y)]
