"""What users of other estimators type by habit, and what stands for it here."""

import inspect
import re
from numbers import Real

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import InvalidParameterError

_C = "C = 1 / (n_samples * alpha)"
_EPOCHS = "max_iter is the largest number of epochs"
_LINEAR = "the models are linear; map the features before (Nystroem, RBFSampler)"
_SCALE = "scale the features before, as with make_pipeline(StandardScaler(), ...)"
_WEIGHTS = "give sample_weight to fit"
_COMMON = {
    "copy_X": "X is never changed",
    "dual": "there is no need to choose",
    "epochs": _EPOCHS,
    "gamma": _LINEAR,
    "intercept_scaling": "the intercept is not penalized, so it needs no scaling",
    "kernel": _LINEAR,
    "max_epochs": _EPOCHS,
    "multi_class": "more than two classes are fitted one against all others",
    "n_epochs": _EPOCHS,
    "n_iter": _EPOCHS,
    "normalize": _SCALE,
    "positive": "weights of one sign need sklearn.linear_model.ElasticNet",
    "precompute": "what pays is computed beforehand anyway",
    "sample_weight": _WEIGHTS,
    "standardize": _SCALE,
    "class_weight": _WEIGHTS,
    "weights": _WEIGHTS,
}
_ALPHA = "alpha is the strength of the penalty"
_SEVERAL = "the classes with CV try several"
_MIXTURE = (
    "with penalty='elasticnet' the strength of L1 is alpha * l1_ratio, and that of L2 "
    "alpha * (1 - l1_ratio)"
)
_STEP = "eta0 is the first step size"
PARAMETERS = _COMMON | {
    "C": f"{_ALPHA}, and {_C}",
    "Cs": f"{_ALPHA}, and {_C}; {_SEVERAL}",
    "alphas": f"{_ALPHA}; {_SEVERAL}",
    "batch_size": "every step is on one row",
    "cv": "the classes with CV choose alpha by cross-validation",
    "eta": _STEP,
    "l1": _MIXTURE,
    "l1_ratios": f"l1_ratio is the share of L1; {_SEVERAL}",
    "l1_reg": _MIXTURE,
    "l2": _MIXTURE,
    "l2_reg": _MIXTURE,
    "lam": _ALPHA,
    "lambd": _ALPHA,
    "lambda1": _MIXTURE,
    "lambda2": _MIXTURE,
    "lambda_": _ALPHA,
    "learning_rate_init": _STEP,
    "lr": _STEP,
    "momentum": "solver='auto' is fast without",
    "n_alphas": f"{_ALPHA}; the classes with CV, and alpha_grid, take a number of them",
    "n_jobs": "one model takes one thread",
    "reg_alpha": _MIXTURE,
    "reg_lambda": _MIXTURE,
    "regularization": "penalty is its kind, and alpha its strength",
    "scoring": "the classes with CV choose alpha by a score",
    "selection": "shuffle=True visits the rows in random order",
}
_ALPHAS = "alphas is the number of strengths to try, or a list of them"
SEARCH_PARAMETERS = _COMMON | {
    "C": f"{_ALPHAS}, and {_C}",
    "Cs": f"{_ALPHAS}, and {_C}",
    "alpha": _ALPHAS,
    "early_stopping": "the fits end when the duality gap is small, see tol",
    "eta0": "the searches take no plain steps",
    "l1_ratios": "l1_ratio may be a list",
    "lambda_": _ALPHAS,
    "lambdas": _ALPHAS,
    "learning_rate": "the searches take no plain steps",
    "n_alphas": _ALPHAS,
    "n_lambdas": _ALPHAS,
    "penalty": "l1_ratio=1 is L1, and l1_ratio=0 is L2",
    "refit": "the chosen model is always fitted to all rows",
    "shuffle": "cv may be a splitter, as KFold(5, shuffle=True)",
    "solver": "there is one for all penalties",
    "store_cv_results": "cv_results_ is always kept",
}
_SOLVERS = "cd cholesky lbfgs liblinear lsqr newton-cg newton-cholesky sag saga svd"
_ELASTICNET = "it is called 'elasticnet'"
_SQUARED = "it is called 'squared_error'"
_ABSOLUTE = "'epsilon_insensitive' with epsilon=0 is the absolute error"
_LOG = "it is called 'log_loss'"
_LEAST_SQUARES = "'squared_hinge' is near; the regressor takes targets -1 and 1"
_OF_LABELS = "that is a loss of the classifier"
_NUMBER, _LIST = "a number", "a list"  # no strings that anyone passes
# By parameter; strings in lower case.
_VALUES = {
    "solver": dict.fromkeys(
        _SOLVERS.split(), "solver='auto' finds the same optimum, whatever the penalty"
    ),
    "penalty": {
        "elastic": _ELASTICNET,
        "elastic-net": _ELASTICNET,
        "elastic_net": _ELASTICNET,
        "l1": "it is called 'l1'",
        "l2": "it is called 'l2'",
        "l1_l2": _ELASTICNET,
        "lasso": "it is called 'l1'",
        "none": "no penalty is None, without quotes",
        "ridge": "it is called 'l2'",
        _NUMBER: "alpha is the strength of the penalty: alpha={}",
    },
    "learning_rate": {
        _NUMBER: "the step size is eta0={}, and learning_rate its schedule, as 'constant'",
    },
    "alpha": {_LIST: _SEVERAL},
    "l1_ratio": {
        "none": "leave it out, or take penalty='l1' or 'l2'",
        _LIST: _SEVERAL,
    },
    "alphas": {"none": "alphas=100 makes a grid of 100"},
}
_LOSSES = {
    _NUMBER: "alpha is a keyword: alpha={}",
    "elasticnet": "penalty is a keyword: penalty='elasticnet'",
    "l1": "penalty is a keyword: penalty='l1'",
    "l2": "penalty is a keyword: penalty='l2'",
}
LOSSES_OF_NUMBERS = _LOSSES | {
    "absolute_error": _ABSOLUTE,
    "epsilon_insensitive": "a search takes smooth losses, of which 'huber' is near",
    "hinge": _OF_LABELS,
    "log": _OF_LABELS,
    "log_loss": _OF_LABELS,
    "logistic": _OF_LABELS,
    "ls": _SQUARED,
    "mae": _ABSOLUTE,
    "mean_absolute_error": _ABSOLUTE,
    "mean_squared_error": _SQUARED,
    "modified_huber": _OF_LABELS,
    "mse": _SQUARED,
    "perceptron": _OF_LABELS,
    "quantile": f"{_ABSOLUTE}, the loss of the median",
    "squared_epsilon": "it is called 'squared_epsilon_insensitive'",
    "squared_hinge": _OF_LABELS,
    "squared_loss": _SQUARED,
}
LOSSES_OF_LABELS = _LOSSES | {
    "bce": _LOG,
    "binary_crossentropy": _LOG,
    "cross_entropy": _LOG,
    "crossentropy": _LOG,
    "deviance": _LOG,
    "epsilon_insensitive": "'hinge' is the one for labels",
    "hinge": "a search takes smooth losses, of which 'squared_hinge' is near",
    "huber": "'modified_huber' is the one for labels",
    "log": _LOG,
    "logistic": _LOG,
    "logloss": _LOG,
    "mse": _LEAST_SQUARES,
    "perceptron": "'hinge' is near, the same loss with a margin",
    "squared_epsilon_insensitive": "'squared_hinge' is the one for labels",
    "squared_error": _LEAST_SQUARES,
    "squared_loss": _LEAST_SQUARES,
}


class WithHints(BaseEstimator):
    """An estimator that knows the habits of users of other ones."""

    _hints_of_names: dict = {}
    _hints_of_losses: dict = {}

    def __new__(cls, *args, **kwargs):
        """Refuse parameters of others with a hint: `__init__` has none to give."""
        if not cls._hints_of_names.keys().isdisjoint(kwargs):  # a signature is slow
            hint = cls._hint_of_names(kwargs, inspect.signature(cls.__init__).parameters)
            if hint:
                raise TypeError(f"{cls.__name__} got an unexpected keyword argument {hint}")
        estimator = super().__new__(cls)
        estimator._record(kwargs)
        return estimator

    def set_params(self, **params):
        """Set parameters.

        Parameters
        ----------
        **params : dict
            Their values by name.

        Returns
        -------
        self : object
            The estimator.
        """
        hint = self._hint_of_names(params, self._get_param_names())
        if hint:
            raise ValueError(f"Invalid parameter of {type(self).__name__}: {hint}")
        super().set_params(**params)
        self._record(params)
        return self

    def _record(self, params):
        """Take note of which parameters are given."""

    @classmethod
    def _hint_of_names(cls, names, known):
        hints = cls._hints_of_names
        wrong = (name for name in names if name in hints and name not in known)
        return next((f"{name!r}; {hints[name]}." for name in wrong), None)

    def _validate_params(self):
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            found = re.match(r"The '(\w+)' parameter", str(error))
            hint = self._hint_of_value(found[1]) if found else None
            if hint is None:
                raise
            raise InvalidParameterError(f"{error} Hint: {hint}.") from error

    def _hint_of_value(self, name):
        value = getattr(self, name)
        kind = "none" if value is None else _NUMBER if isinstance(value, Real) else _LIST
        key = value.lower() if isinstance(value, str) else kind
        hints = self._hints_of_losses if name == "loss" else _VALUES.get(name, {})
        return hints[key].format(repr(value)) if key in hints else None
