"""What the two estimators share: parameters, and the way from them to a solver."""

import functools
import warnings
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skreg.data.inputs import check_held_out, check_rows
from skreg.data.matrices import as_rows
from skreg.data.numbers import as_numbers
from skreg.data.order import generator_state
from skreg.data.storage import as_csr
from skreg.estimators.hints import PARAMETERS, WithHints
from skreg.losses import loss_of
from skreg.objectives.problem import Problem
from skreg.penalties.elastic_net import strengths
from skreg.solvers.driver import (
    LEARNING_RATES,
    minimize,
    solver_for,
    solvers,
    take_epoch,
)
from skreg.solvers.messages import divergence
from skreg.solvers.monitor import Stopping
from skreg.solvers.sgd.columns import split
from skreg.solvers.sgd.state import SGDSettings, SGDState

DEFAULT_L1_RATIO = 0.15
# Set by `fit` only: they describe a fit as a whole.
_FIT_ONLY = ("objective_", "dual_gap_", "converged_", "history_")


def unchanged_on_error(method):
    """Make a fitting method leave the estimator as it was where it fails."""

    @functools.wraps(method)
    def wrapped(self, *args, **kwargs):
        before = self.__dict__.copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    return wrapped


class Validation(NamedTuple):
    """Rows that are not learned from, whose score stops a fit."""

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray


class SGDRegularizedModel(WithHints):
    """Parameters and attributes of a linear model ``X @ coef + intercept``."""

    _hints_of_names = PARAMETERS
    # Whether l1_ratio was chosen without a word on the penalty.
    _l1_ratio_is_alone = False

    _parameter_constraints: dict = {
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "mode": [StrOptions({"proximal", "subgradient"})],
        "solver": [StrOptions({"auto", *solvers()})],
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "shuffle": ["boolean"],
        "verbose": ["verbose"],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "learning_rate": [StrOptions(set(LEARNING_RATES))],
        "eta0": [Interval(Real, 0, None, closed="neither"), None],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "weight_decay": [StrOptions({"coupled", "decoupled"})],
        "average": [Interval(Integral, 0, None, closed="neither"), "boolean"],
    }

    @classmethod
    def _get_param_names(cls):
        """Return the names of all parameters: a signature is slow beside a small fit."""
        init, names = cls.__dict__.get("_names_of_init", (None, ()))
        if init is not cls.__init__:
            names = tuple(super()._get_param_names())
            cls._names_of_init = cls.__init__, names
        return list(names)

    def __sklearn_clone__(self):
        clone = super().__sklearn_clone__()
        clone._l1_ratio_is_alone = self._l1_ratio_is_alone
        return clone

    def _record(self, params):
        if "penalty" in params or "l1_ratio" in params:
            self._l1_ratio_is_alone = "penalty" not in params

    def _validate_params(self):
        """Validate the parameters: in each `fit`, and in the first `partial_fit`."""
        super()._validate_params()
        mixed = strengths("elasticnet", self.alpha, self.l1_ratio)
        used = strengths(self.penalty, self.alpha, self.l1_ratio)
        is_new = self.l1_ratio != DEFAULT_L1_RATIO
        if self._l1_ratio_is_alone and is_new and used != mixed:
            warnings.warn(
                f"l1_ratio={self.l1_ratio!r} is ignored unless penalty='elasticnet', but "
                f"penalty={self.penalty!r}.",
                stacklevel=3,
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _problems(self, X, targets, sample_weight, rows):
        """Return the problem of each output."""
        l1, l2 = strengths(self.penalty, self.alpha, self.l1_ratio)
        matrix, loss = as_rows(X), loss_of(self)
        return [
            Problem(matrix, y, sample_weight, rows, loss, l1, l2, self.fit_intercept)
            for y in targets
        ]

    def _settings(self):
        decoupled = self.weight_decay == "decoupled"
        if decoupled and self.learning_rate != "adagrad":
            raise ValueError(
                "weight_decay='decoupled' needs learning_rate='adagrad': with one step "
                "for all weights it is what 'coupled' is."
            )
        return SGDSettings(
            subgradient=self.mode == "subgradient",
            schedule=self.learning_rate,
            eta0=None if self.eta0 is None else float(self.eta0),
            power_t=float(self.power_t),
            shuffle=self.shuffle,
            average=int(self.average),
            early_stopping=self.early_stopping,
            decoupled=decoupled,
        )

    def _minimize(self, problems, states, scores, n_jobs=None):
        """Run the solver on problems of one loss; return their `Solution`."""
        settings = self._settings()
        self.solver_ = solver_for(self.solver, settings)
        return minimize(
            problems, self.solver_, settings, states, self._stopping(), scores, n_jobs
        )

    def _stopping(self):
        return Stopping(self.max_iter, self.tol, self.n_iter_no_change, self.verbose)

    def _first_states(self, n_outputs, X, coef_init, intercept_init, random_state):
        """Return where a fit starts: the state of a descent for each output.

        A warm start goes on with all of the last state: the weights, and the clock, the
        mean and the random numbers of plain steps.
        """
        shape = (n_outputs, X.shape[1])
        goes_on = self._goes_on(coef_init, intercept_init)
        if goes_on and coef_init is None and intercept_init is None:
            return self._resume(n_outputs, X)
        coef, intercept = np.zeros(shape), np.zeros(n_outputs)
        if goes_on:
            coef, intercept = self._fitted_weights()
        coef = coef if coef_init is None else coef_init
        intercept = intercept if intercept_init is None else intercept_init
        return self._states_from(
            _shaped("coef_init", coef, shape, X.shape[0]),
            _shaped("intercept_init", intercept, (n_outputs,), X.shape[0]),
            random_state,
        )

    def _goes_on(self, coef_init, intercept_init):
        """Return whether a fit starts from weights, or an intercept, of the last one."""
        all_given = coef_init is not None and intercept_init is not None
        return self.warm_start and not self._is_new() and not all_given

    def _check_to_fit(self, X, y, sample_weight, goes_on):
        """Return checked input of a fit; one that goes on needs the same features."""
        n_before = getattr(self, "n_features_in_", None)
        names_before = getattr(self, "feature_names_in_", None)
        checked = self._check(X, y, sample_weight, reset=True)
        if goes_on and self.n_features_in_ != n_before:
            raise ValueError(
                f"The fit cannot go on from coef_ of shape {self.coef_.shape} with X of "
                f"{self.n_features_in_} features. Set warm_start=False to begin anew."
            )
        names = getattr(self, "feature_names_in_", names_before)
        if goes_on and names_before is not None and not np.array_equal(names, names_before):
            raise ValueError(
                f"The fit cannot go on from the features {list(names_before)} with "
                f"{list(names)}. Set warm_start=False to begin anew."
            )
        return checked

    def _fitted_weights(self):
        """Return (n_outputs, n_features) weights and the intercepts of the fitted model.

        They are looked at, because they may have been changed from outside.
        """
        coef, intercept = self.coef_, np.ravel(as_numbers(self.intercept_, "intercept_"))
        if not sparse.issparse(coef):
            coef = np.atleast_2d(as_numbers(coef, "coef_"))
        n_features = getattr(self, "n_features_in_", coef.shape[-1])
        shape = (self._n_outputs(), n_features)
        if coef.shape != shape or intercept.shape != shape[:1]:
            raise ValueError(
                f"coef_ has shape {coef.shape} and intercept_ {intercept.shape}, but the "
                f"model was fitted in shape {shape}. Undo their change, or fit anew."
            )
        values = coef.data if sparse.issparse(coef) else coef
        if not (np.isfinite(values).all() and np.isfinite(intercept).all()):
            raise ValueError("coef_ or intercept_ was changed to NaN or infinity.")
        return coef, intercept

    @staticmethod
    def _states_from(coefs, intercepts, random_state):
        """Return the state of a new descent for each output, all with the same order."""
        generator = generator_state(random_state)
        return [
            SGDState.start(*weights, generator, k)
            for k, weights in enumerate(zip(coefs, intercepts, strict=True))
        ]

    def _is_new(self):
        return not hasattr(self, "_states")

    def _resume(self, n_outputs, X):
        """Return copies of the descents' states, or new ones in a first call.

        Weights that were changed from outside since then start their descent anew.
        """
        if self._is_new():
            zeros = np.zeros((n_outputs, X.shape[1]))
            return self._states_from(zeros, np.zeros(n_outputs), self.random_state)
        coefs, intercepts = self._fitted_weights()
        coefs = coefs.toarray() if sparse.issparse(coefs) else coefs
        states = [state.dense() for state in self._states]
        settled, settled_intercepts = _weights_of(states)
        same = settled_intercepts.astype(intercepts.dtype) == intercepts
        same &= (settled.astype(coefs.dtype) == coefs).all(axis=1)
        if same.all():
            return states
        return [
            state
            if same[k]
            else SGDState.start(coefs[k], intercepts[k], state.generator, k)
            for k, state in enumerate(split(states))
        ]

    def _take_epoch(self, problems, states, n_jobs=None):
        """Return states advanced by one epoch that comes from `partial_fit`."""
        if self.early_stopping:
            raise ValueError("early_stopping must be False with partial_fit.")
        if self.solver not in ("auto", "sgd"):
            raise ValueError(
                f"solver={self.solver!r} needs all rows at once; use solver='sgd' or "
                "'auto' with partial_fit."
            )
        self.solver_ = "sgd"
        return take_epoch(problems, self._settings(), states, n_jobs)

    def _random_state(self):
        """Return what a fit draws from: rows are held out before the order is drawn."""
        if self.early_stopping:
            return check_random_state(self.random_state)
        return self.random_state

    def _validation(self, X, y, weights, labels, given, random_state):
        """Return the rows to learn from, and the `Validation` that stops a fit, or None.

        `given` holds `X_val` and `y_val`; `labels` is None for a regression.
        """
        rows = np.flatnonzero(weights)
        if any(part is not None for part in given):
            return rows, self._given_validation(*given, y, numeric=labels is None)
        if not self.early_stopping:
            return rows, None
        try:
            train, held_out = train_test_split(
                rows,
                test_size=self.validation_fraction,
                random_state=random_state,
                stratify=None if labels is None else labels[rows],
            )
            if labels is None and len(held_out) < 2:
                raise ValueError("R2 needs at least two rows.")
        except ValueError as error:
            raise ValueError(
                f"early_stopping=True cannot hold out validation_fraction="
                f"{self.validation_fraction} of {len(rows)} rows: {error} Change "
                "validation_fraction or set early_stopping=False."
            ) from error
        train.sort()  # with shuffle=False rows come in their order
        return train, Validation(X[held_out], y[held_out], weights[held_out])

    def _given_validation(self, X_val, y_val, y, *, numeric):
        if X_val is None or y_val is None:
            raise ValueError("X_val and y_val must be given together.")
        if not self.early_stopping:
            raise ValueError("X_val and y_val need early_stopping=True.")
        X_val, y_val = check_held_out(self, X_val, y_val, y, numeric=numeric)
        if numeric and len(y_val) < 2:
            raise ValueError("X_val must have at least two rows, as R2 needs.")
        return Validation(X_val, y_val, np.ones(X_val.shape[0]))

    def _store_solutions(self, solutions, dtype):
        """Set the attributes of a `fit`: numbers for one model, arrays for several."""
        states = {id(solution.state): solution.state for solution in solutions}
        weights = (
            np.array([solution.coef for solution in solutions]),
            np.array([solution.intercept for solution in solutions]),
        )
        n_iter = max(solution.n_iter for solution in solutions)
        self._store(weights, list(states.values()), n_iter, dtype)
        certificates = [solution.certificate for solution in solutions]
        attributes = {
            "objective_": np.array([seen.objective for seen in certificates]),
            "dual_gap_": np.array([seen.gap for seen in certificates]),
            "converged_": np.array([solution.converged for solution in solutions]),
            "history_": [solution.history for solution in solutions],
        }
        for name, values in attributes.items():
            if len(solutions) == 1:
                values = values[0] if isinstance(values, list) else values[0].item()
            setattr(self, name, values)

    def _store_states(self, states, dtype):
        """Set the attributes of a `partial_fit`, and drop those of an earlier `fit`."""
        for name in _FIT_ONLY:
            self.__dict__.pop(name, None)
        weights = _weights_of(states)
        if not all(np.isfinite(part).all() for part in weights):
            raise divergence(self._settings())
        self._store(weights, states, 1, dtype)

    def _store(self, weights, states, n_iter, dtype):
        with np.errstate(all="ignore"):
            coef, intercept = (part.astype(dtype) for part in weights)
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            raise ValueError(
                f"The weights are too large for {np.dtype(dtype)}, the type of X. Pass X "
                "as float64, or scale the targets."
            )
        self.coef_, self.intercept_ = self._shape_coef(coef), intercept
        self._states, self._loss_of_fit = states, self.loss
        self.n_iter_ = n_iter
        self.t_ = 1.0 + max(state.n_steps for state in states)

    def _shape_coef(self, coef):
        """Return (n_outputs, n_features) weights in the shape of `coef_`."""
        return coef

    def _raw_predictions(self, X):
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        coef, intercept = self._fitted_weights()
        with np.errstate(all="ignore"):
            raw = X @ coef.T
            raw = (raw.toarray() if sparse.issparse(raw) else raw) + intercept
        if not np.isfinite(raw).all():
            raise ValueError(
                f"X leads to predictions that are too large for {raw.dtype}. Scale it as "
                "the rows of the fit."
            )
        return raw

    def sparsify(self):
        """Convert `coef_` to a SciPy CSR matrix, which is smaller if most weights are 0.

        So is what `partial_fit` and a warm start need to go on, which holds a number for
        each feature that ever came.

        Returns
        -------
        self : object
            The fitted estimator. `densify` undoes the conversion; predictions do not
            change.
        """
        check_is_fitted(self)
        if not sparse.issparse(self.coef_):
            self.coef_ = sparse.csr_matrix(self.coef_)
        self._states = [state.sparse() for state in self._states]
        return self

    def densify(self):
        """Convert `coef_` back to a NumPy array.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_is_fitted(self)
        if sparse.issparse(self.coef_):
            self.coef_ = self._shape_coef(self.coef_.toarray())
        self._states = [state.dense() for state in self._states]
        return self


def _weights_of(states):
    """Return a row of weights for each model, and the intercepts."""
    models = [model for state in states for model in state.models]
    coefs, intercepts = zip(*(state.weights() for state in states), strict=True)
    coefs, intercepts = np.vstack(coefs), np.hstack(intercepts)
    if models == sorted(models):
        return coefs, intercepts
    order = np.argsort(models)
    return coefs[order], intercepts[order]


def _shaped(name, values, shape, n_rows):
    if sparse.issparse(values):
        values = as_csr(values, name).toarray()
    values = as_numbers(values, name).astype(np.float64)
    fits = values.shape == shape or (shape[0] == 1 and values.size == np.prod(shape))
    if not fits or not np.isfinite(values).all():
        advice = " Pass weights of rows by name, sample_weight=." * (
            not fits and values.shape == (n_rows,)
        )
        raise ValueError(
            f"{name} must hold finite numbers in shape {shape}, not in {values.shape}."
            f"{advice}"
        )
    return values.reshape(shape)
