"""
Choosing alpha
==============

How strong should the penalty be? Three ways to find out on the same data: a grid search, a
search along the path of solutions, and a validation set. Then what too little and too much
of a penalty does.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skreg import SGDRegularizedRegressor, SGDRegularizedRegressorCV, alpha_grid
from skreg.plotting import CVCurveDisplay, RegularizationPathDisplay

# %%
# Data
# ----
# Ten measurements of 442 patients and the products of two, and how diabetes went on a year
# later. A hundred patients are set aside, and judge the models at the end.

X, y = load_diabetes(return_X_y=True, as_frame=True)
products = PolynomialFeatures(2, interaction_only=True, include_bias=False)
scaler = make_pipeline(StandardScaler(), products, StandardScaler())
scaler.set_output(transform="pandas")
X, X_test, y, y_test = train_test_split(X, y, test_size=100, random_state=0)
X, X_test = scaler.fit_transform(X), scaler.transform(X_test)
print(f"{X.shape[0]} rows, {X.shape[1]} features, {len(y_test)} rows to test on")

# %%
# A grid search, and the same along the path
# ------------------------------------------
# The grid begins at `alpha_max`, where the last weight becomes 0. `GridSearchCV` fits fifty
# models for each of ten folds. `SGDRegularizedRegressorCV` goes from each alpha to the
# next, and for the squared error reads the rows of all folds only once. It chooses by the
# loss unless `scoring` names another score, here the one that `GridSearchCV` takes.

alphas, folds = alpha_grid(X, y, n_alphas=50), KFold(10, shuffle=True, random_state=0)
lasso = SGDRegularizedRegressor(penalty="l1", tol=1e-6)
searches = {
    "GridSearchCV": GridSearchCV(lasso, {"alpha": alphas}, cv=folds),
    "path, best": SGDRegularizedRegressorCV(alphas=alphas, cv=folds, scoring="r2"),
    "path, 1 s.e.": SGDRegularizedRegressorCV(
        alphas=alphas, cv=folds, scoring="r2", selection="1se"
    ),
}
for name, search in searches.items():
    search.fit(X, y)  # compiles, or reads the compiled code from disk
    started = time.perf_counter()
    search.fit(X, y)
    seconds = time.perf_counter() - started
    model = search.best_estimator_
    print(
        f"{name:<13} alpha {model.alpha:6.3f}  weights {np.count_nonzero(model.coef_):3d}"
        f"  R2 of test rows {model.score(X_test, y_test):.3f}  {seconds:6.3f} s"
    )

# %%
# The curve of scores is flat around its top, and its place on the grid is a matter of luck.
# The rule of one standard error takes the largest alpha that is nearly as good: a model of
# fewer features whose score cannot be told from the best one.

simple = searches["path, 1 s.e."]
_, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
CVCurveDisplay.from_estimator(simple, ax=axes[0])
RegularizationPathDisplay.from_estimator(simple, ax=axes[1])
plt.show()

# %%
# A validation set
# ----------------
# Where one split is given, pass it. All of `X` is learned from, every alpha is judged on
# the rows of `X_val`, by the loss, and alpha = 0, no penalty, is one of them.

X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=100, random_state=1)
judged = SGDRegularizedRegressorCV(alphas=[30, 10, 3, 1, 0.3, 0.1, 0])
judged.fit(X_train, y_train, X_val=X_val, y_val=y_val)
losses = -judged.cv_results_["mean_test_score"]
print("  alpha  weights  loss of validation rows")
for alpha, coef, loss in zip(judged.alphas_, judged.coef_path_.T, losses, strict=True):
    mark = "  <- chosen" if alpha == judged.alpha_ else ""
    print(f"{alpha:7.1f} {np.count_nonzero(coef):8d} {loss:10.1f}{mark}")

# %%
# Too small, right, too large
# ---------------------------
# With too small an alpha the model learns the noise of its rows: predictions of these are
# good, and of others poor. With too large a one it learns hardly anything. Errors of the
# test rows, which no choice has seen, are smallest in between.

path = searches["path, best"]
errors = {
    name: [
        np.mean((rows @ coef + intercept - targets) ** 2)
        for coef, intercept in zip(path.coef_path_.T, path.intercept_path_, strict=True)
    ]
    for name, rows, targets in (
        ("rows learned from", X.to_numpy(), y.to_numpy()),
        ("test rows", X_test.to_numpy(), y_test.to_numpy()),
    )
}
_, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for name, values in errors.items():
    ax.plot(alphas, values, label=name)
for name, color in (("path, best", "0.2"), ("path, 1 s.e.", "0.6")):
    ax.axvline(searches[name].alpha_, color=color, linestyle="--", label=name)
ax.set(xscale="log", xlabel="alpha", ylabel="mean squared error")
ax.invert_xaxis()
ax.legend()
plt.show()
