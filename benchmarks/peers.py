"""Adapters of libraries other than scikit-learn, each used if it is installed.

They are imported inside the adapters, so that a process imports only what it measures.
"""

import numpy as np
from libraries import (
    PLENTY,
    Fitted,
    finish,
    is_log,
    is_log_l2,
    is_log_pure,
    is_squared,
    is_squared_l1,
    is_squared_l2,
    solver,
)
from scipy import sparse

# Its numbers are float32, so a larger bias column would cost digits.
SNAPML_BIAS = 100.0


@solver("celer", "", is_squared_l1)
def celer(task, tol):
    """Fit by coordinate descent on working sets with dual extrapolation."""
    from celer import ElasticNet

    return finish(
        ElasticNet(task.alpha, l1_ratio=task.l1_ratio, tol=tol, max_iter=1000), task
    )


@solver(
    "skglm", "", lambda task: task.l1_ratio > 0.0 and (is_squared(task) or is_log(task))
)
def skglm(task, tol):
    """Fit by coordinate descent or proximal Newton on working sets."""
    from skglm import ElasticNet, SparseLogisticRegression

    kind = ElasticNet if is_squared(task) else SparseLogisticRegression
    # Its tolerance bounds a gradient, which is in the units of alpha.
    settings = {"l1_ratio": task.l1_ratio, "tol": tol * task.alpha, "max_iter": 1000}
    return finish(kind(task.alpha, **settings), task)


@solver("adelie", "", lambda task: is_squared(task) or is_log(task))
def adelie(task, tol):
    """Fit by coordinate descent with screening, for log loss inside reweighted steps."""
    import adelie as ad

    X = np.asfortranarray(task.X) if not sparse.issparse(task.X) else None
    if X is None:
        X = ad.matrix.sparse(task.X.tocsc(), method="naive")
    y = task.y if is_squared(task) else (task.y > 0.0).astype(np.float64)
    state = ad.grpnet(
        X,
        ad.glm.gaussian(y) if is_squared(task) else ad.glm.binomial(y),
        alpha=task.l1_ratio,
        lmda_path=[task.alpha],
        tol=tol,
        irls_tol=tol,
        early_exit=False,
        progress_bar=False,
    )
    return Fitted(np.ravel(state.betas[-1].toarray()), float(state.intercepts[-1]))


@solver("cyanure", "", lambda task: True)
def cyanure(task, tol):
    """Fit by the incremental or quasi-Newton solver that the library chooses."""
    from cyanure.estimators import Classifier, Regression

    pure = task.l1_ratio in (0.0, 1.0)
    # Its squared hinge has a factor 1/2, so that the penalty has it, too.
    scale = 0.5 if task.loss == "squared_hinge" else 1.0
    settings = {
        "penalty": {0.0: "l2", 1.0: "l1"}.get(task.l1_ratio, "elasticnet"),
        "lambda_1": scale * (task.alpha if pure else task.l1),
        "lambda_2": 0.0 if pure else scale * task.l2,
        "fit_intercept": True,
        "tol": tol,
        "max_iter": PLENTY,
        "n_threads": 1,
        "verbose": False,
    }
    if is_squared(task):
        return finish(Regression(**settings), task)
    loss = "logistic" if is_log(task) else "sqhinge"
    return finish(Classifier(loss=loss, **settings), task)


@solver(
    "liblinear",
    "primal",
    lambda task: is_log_pure(task) or is_squared_l2(task),
)
def liblinear(task, tol):
    """Fit by trust-region Newton, or for L1 by coordinate descent in Newton steps."""
    from liblinear.liblinearutil import train

    # 11 is support vector regression with squared loss; -p 0 makes it least squares.
    kind = 11 if is_squared(task) else 6 if task.l1_ratio else 0
    C = 1.0 / (len(task.y) * task.alpha * (2.0 if is_squared(task) else 1.0))
    # -R takes the bias out of the penalty.
    options = f"-s {kind} -p 0 -c {C!r} -e {tol!r} -B 1 -R -q"
    return _liblinear(train(task.y, task.X, options))


@solver("liblinear", "dual", is_log_l2)
def liblinear_dual(task, tol):
    """Fit by dual coordinate descent, which a larger bias column would slow down."""
    from liblinear.liblinearutil import train

    C = 1.0 / (len(task.y) * task.alpha)
    return _liblinear(train(task.y, task.X, f"-s 7 -c {C!r} -e {tol!r} -B 10 -q"))


def _liblinear(model):
    coef, intercept = model.get_decfun()
    return Fitted(np.asarray(coef), intercept)


@solver("snapml", "", lambda task: is_squared_l2(task) or is_log_l2(task))
def snapml(task, tol):
    """Fit by dual or primal coordinate descent, as its documentation recommends."""
    from snapml import LinearRegression, LogisticRegression

    kind = LinearRegression if is_squared(task) else LogisticRegression
    n, p = task.X.shape
    model = kind(
        regularizer=n * task.alpha,
        dual=n > p,
        tol=tol,
        max_iter=PLENTY,
        fit_intercept=True,
        intercept_scaling=SNAPML_BIAS,
    )
    # Its intercept is the weight of the bias column.
    fitted = finish(model, task)
    return fitted._replace(intercept=SNAPML_BIAS * fitted.intercept)
