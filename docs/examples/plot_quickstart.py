"""
Quickstart
==========

The two estimators of `skreg` on two data sets that come with scikit-learn: the same
objectives as `Lasso`, `ElasticNet`, `Ridge` and `LogisticRegression`, then a search over
penalty, strength and mode inside a `Pipeline`.

Run as a script, it prints its tables and saves two pictures beside itself.
"""

# sphinx_gallery_thumbnail_number = 2

import sys
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skreg
from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor

# %%
# How models are compared
# -----------------------
# Every model is judged by `skreg.objective` on its training rows, whoever fitted it. The
# columns of the tables are
#
# - the objective, which all models of a block minimize;
# - the gap: how far the objective is at most above the minimum, as the fit certifies, up to
#   rounding;
# - the score on held-out rows, R2 or accuracy;
# - the number of weights that are not 0;
# - the largest difference of a weight to scikit-learn's model;
# - the seconds of the first fit, and of the fastest of three later ones. The first fit of a
#   kind pays for compilation, or for reading the compiled code from Numba's disk cache.
#   scikit-learn's models are the reference and solved to a tolerance far below its default.


def show_header(title, score):
    print(f"{title:<22}{'objective':>11}{'gap':>9}{score:>10}", end="")
    print(f"{'non-0':>7}{'diff':>7}{'first':>7}{'later':>7}")


def show_row(name, objective, gap, score, n_nonzero, difference, first, later):
    print(f"{name:<22}{objective:#11.6g}{gap:>9}{score:10.3f}", end="")
    print(f"{n_nonzero:7d}{difference:>7}{first:7.3f}{later:7.3f}")


def timed_fit(model, X, y):
    started = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - started


def compare(models, train, test, signs, **penalty):
    """Fit models of one objective, the first being the reference; print a row each."""
    seconds = {}
    for name, model in models.items():
        first = timed_fit(model, *train)
        seconds[name] = first, min(timed_fit(model, *train) for _ in range(3))
    reference = None
    for name, model in models.items():
        coef, intercept = np.ravel(model.coef_), np.ravel(model.intercept_)[0]
        objective = skreg.objective(train[0], signs, coef, intercept, **penalty)
        gap, difference = "", ""
        if reference is None:
            reference = coef
        else:
            gap = f"{model.dual_gap_:.1e}"
            difference = f"{np.abs(coef - reference).max():.3f}"
        score, n_nonzero = model.score(*test), np.count_nonzero(coef)
        show_row(name, objective, gap, score, n_nonzero, difference, *seconds[name])


# %%
# Each block has three fits of ours. The first has the default solver, "auto", which means
# variance reduction ("svrg") for these losses. The others take plain steps ("sgd"), in
# proximal mode and in subgradient mode.
#
# A fit that ends before it has reached `tol` says so by a `ConvergenceWarning`; in
# subgradient mode with an L1 penalty that can happen even for a modest `tol`. The gap in
# the tables says the same with a number, so the warning is silenced here.

warnings.filterwarnings("ignore", category=ConvergenceWarning)

# %%
# Regression: diabetes
# --------------------
# Features are standardized, as for any penalized model. `alpha` has the meaning that it has
# in `Lasso` and `ElasticNet`; that of `Ridge` is `n_samples` times as large.

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
scaler = StandardScaler().fit(X_train)
train = scaler.transform(X_train), y_train
test = scaler.transform(X_test), y_test
n_train = len(y_train)

# Of plain steps, those that fall only when the objective has not for long come closest.
patient = {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 50}
plain = patient | {"max_iter": 2000, "random_state": 0}


def ours(estimator, plain, **penalty):
    """Return the models of a penalty: the default solver, and plain steps in both modes."""
    return {
        "  svrg": estimator(**penalty),
        "  sgd, proximal": estimator(**plain, **penalty),
        "  sgd, subgradient": estimator(**plain, mode="subgradient", **penalty),
    }


def regressors(reference, **penalty):
    """Return scikit-learn's model of a penalty and ours."""
    models = ours(SGDRegularizedRegressor, plain, **penalty)
    return {type(reference).__name__: reference} | models


lasso = regressors(Lasso(alpha=1.0, tol=1e-10), penalty="l1", alpha=1.0)
net = regressors(
    ElasticNet(alpha=0.5, l1_ratio=0.5, tol=1e-10),
    penalty="elasticnet",
    alpha=0.5,
    l1_ratio=0.5,
)
ridge = regressors(Ridge(alpha=0.1 * n_train), penalty="l2", alpha=0.1)

show_header("Diabetes", "test R2")
compare(lasso, train, test, y_train, l1=1.0)
compare(net, train, test, y_train, l1=0.25, l2=0.25)
compare(ridge, train, test, y_train, l2=0.1)

# %%
# On data as small as these the default solver goes on to rounding, whatever `tol` is, and
# finds scikit-learn's weights. Plain steps stop sooner; their objectives agree to far more
# digits than a prediction needs. The number of weights that are not 0 tells the modes
# apart: with L1, proximal mode keeps the weights that `Lasso` keeps, subgradient mode keeps
# all.

# %%
# What the certificate says
# -------------------------
# `history_` holds the objective and the gap of each epoch that was looked at. The distance
# to the optimum is unknown to a fit; the gap bounds it from above at every epoch. Here
# `Lasso`, solved to high accuracy, shows the distance itself. The picture shows plain
# steps, which have a long way; :doc:`/auto_examples/plot_certificate` shows both solvers.

optimum = skreg.objective(*train, lasso["Lasso"].coef_, lasso["Lasso"].intercept_, l1=1.0)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, color, marker in (("proximal", "C0", "o"), ("subgradient", "C1", "x")):
    model = lasso[f"  sgd, {name}"]
    history = model.history_
    seen = np.isfinite(history["gap"])
    epoch, distance = history["epoch"][seen], history["objective"][seen] - optimum
    left.loglog(epoch, history["gap"][seen] / optimum, color + "--", alpha=0.6)
    left.loglog(epoch, distance / optimum, color + "-", label=name)
    right.plot(model.coef_, color + marker, label=name, fillstyle="none", ms=8)
left.plot([], [], "k-", label="distance to the optimum")
left.plot([], [], "k--", alpha=0.6, label="duality gap")
left.set(
    xlabel="epoch", ylabel="relative to the optimum", title="The gap bounds the distance"
)
right.plot(lasso["Lasso"].coef_, "k.", label="Lasso")
right.axhline(0.0, color="0.8", lw=1, zorder=0)
right.set_yscale("symlog", linthresh=0.01)
right.set(
    xlabel="feature", ylabel="weight", title="The weights at the end", xticks=range(10)
)
right.set_ylim(-300.0, 300.0)
for axes, place in ((left, "lower left"), (right, "center left")):
    axes.legend(loc=place, edgecolor="none", framealpha=1.0)
    axes.spines[["top", "right"]].set_visible(False)
certificate_picture = figure

# %%
# A search in a pipeline
# ----------------------
# The estimators have scikit-learn's parameters, so a search treats them like any other.
# Scaling belongs in the pipeline: each fold is scaled by its own training rows. To compare
# scores, less accuracy will do than above.

coarse = {"tol": 1e-3, "max_iter": 300, "random_state": 0}
pipeline = make_pipeline(StandardScaler(), SGDRegularizedRegressor(l1_ratio=0.5, **coarse))
grid = {
    "sgdregularizedregressor__penalty": ["l1", "elasticnet", "l2"],
    "sgdregularizedregressor__mode": ["proximal", "subgradient"],
    "sgdregularizedregressor__alpha": np.logspace(-2, 1.5, 8),
}
started = time.perf_counter()
search = GridSearchCV(pipeline, grid, cv=5).fit(X_train, y_train)
seconds = time.perf_counter() - started
results = {name.split("__")[-1]: v for name, v in search.cv_results_.items()}
n_fits = search.n_splits_ * len(results["alpha"])

print(f"{n_fits} fits in {seconds:.1f} s. The best:")
for name, value in search.best_params_.items():
    print(f"  {name.split('__')[-1]:<8} {value}")
print(f"Cross-validated R2 {search.best_score_:.3f}", end=", ")
print(f"R2 on the test rows {search.score(X_test, y_test):.3f}")

# %%
# The modes minimize the same objective, so their scores lie on one another, nearly, for a
# `tol` as coarse as this. The choice between them is about zeros and about speed: only
# proximal mode has variance reduction.

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for penalty, color in (("l1", "C0"), ("elasticnet", "C2"), ("l2", "C3")):
    for mode, style in (("proximal", "-"), ("subgradient", "x")):
        chosen = (results["penalty"] == penalty) & (results["mode"] == mode)
        axes.semilogx(
            results["alpha"][chosen].astype(float),
            results["mean_test_score"][chosen],
            color + style,
            label=f"{penalty}, {mode}",
        )
axes.set(xlabel="alpha", ylabel="cross-validated R2", title="Diabetes, five folds")
axes.legend(frameon=False, loc="lower left")
axes.spines[["top", "right"]].set_visible(False)
search_picture = figure

# %%
# Classification: breast cancer
# -----------------------------
# `LogisticRegression` minimizes the same objective at ``C = 1 / (n_samples * alpha)``.

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
scaler = StandardScaler().fit(X_train)
train = scaler.transform(X_train), y_train
test = scaler.transform(X_test), y_test
signs = 2 * y_train - 1  # the objective codes the classes as -1 and +1

# One long row makes the default plain step small; a first step of our own is faster here.
plain = plain | {"eta0": 0.1}


def classifiers(name, reference, **penalty):
    """Return scikit-learn's model of a penalty and ours."""
    return {name: reference} | ours(SGDRegularizedClassifier, plain, **penalty)


C = 1.0 / (len(y_train) * 0.03)
# scikit-learn 1.8 replaced LogisticRegression's `penalty` by `l1_ratio`.
new_name = LogisticRegression().penalty == "deprecated"
l1_penalty = {"l1_ratio": 1.0} if new_name else {"penalty": "l1"}
l1_reference = LogisticRegression(
    C=C, solver="saga", tol=1e-8, max_iter=10**5, **l1_penalty
)
l2_reference = LogisticRegression(C=C, tol=1e-8, max_iter=1000)
l1_models = classifiers("LogisticRegression l1", l1_reference, penalty="l1", alpha=0.03)
l2_models = classifiers("LogisticRegression l2", l2_reference, penalty="l2", alpha=0.03)

show_header("Breast cancer", "accuracy")
compare(l1_models, train, test, signs, loss="log_loss", l1=0.03)
compare(l2_models, train, test, signs, loss="log_loss", l2=0.03)

# %%
# The seconds compare fits of unequal accuracy: the reference and "svrg" go to the optimum,
# plain steps stop at `tol` or before. The L1 reference is "saga", the one of scikit-learn's
# solvers for L1 that does not penalize the intercept. On data as small as these every later
# fit takes a fraction of a second.

# %%
# Saved pictures
# --------------
# Only a run as a script saves them; these pages show the pictures above.

if "sphinx_gallery" not in sys.modules:
    for name, picture in (("certificate", certificate_picture), ("search", search_picture)):
        path = Path(__file__).with_name(f"quickstart_{name}.png")
        picture.savefig(path, dpi=100)
        print(f"Saved {path.name}")
