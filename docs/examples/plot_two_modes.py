"""
Two modes: how a penalty enters a step
======================================

A penalty with a kink at 0 can be handled like the loss, by its subgradient, or by its
proximal operator. The first never makes a weight exactly 0. The second does, if what a
step leaves over of its threshold is carried to the next one.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import Lasso

import skreg
from skreg import SGDRegularizedRegressor

# %%
# One weight without data
# -----------------------
# Only the penalty acts on a weight that starts at 0.1234: the gradient of the loss is 0,
# the step size 0.01 and the strength of L1 is 1, so each step moves the weight by 0.01. In
# subgradient mode it jumps across 0 and back forever; in proximal mode it stops at 0.

paths = {}
for mode in ("subgradient", "proximal"):
    path = [np.array([0.1234])]
    for _ in range(25):
        path.append(skreg.step(path[-1], [0.0], 0.01, l1=1.0, mode=mode))
    paths[mode] = np.array(path)[:, 0]
    print(f"{mode:<12} ends with", " ".join(f"{w:7.4f}" for w in paths[mode][-4:]))

# %%
# One weight among others
# -----------------------
# Fifty features, of which five matter; `Lasso` keeps those. The path of a weight that
# should be 0 is followed row by row through `partial_fit`. Both modes use the same plain
# steps (``solver="sgd"``) and visit the same rows.

rng = np.random.default_rng(0)
X = rng.standard_normal((200, 50))
true_coef = np.zeros(50)
true_coef[:5] = [3.0, -2.0, 1.5, 1.0, -1.0]
y = X @ true_coef + rng.standard_normal(200)
alpha, eta0 = 0.25, 0.005
lasso = Lasso(alpha=alpha, fit_intercept=False, tol=1e-10).fit(X, y)
print(f"Lasso keeps {np.count_nonzero(lasso.coef_)} of {len(true_coef)} weights")

model_of_all = {"penalty": "l1", "alpha": alpha, "fit_intercept": False}
settings = model_of_all | {
    "solver": "sgd",
    "eta0": eta0,
    "learning_rate": "constant",
    "random_state": 0,
}
FEATURE = 10
visits = rng.integers(len(y), size=1500)
for mode in ("subgradient", "proximal"):
    model, path = SGDRegularizedRegressor(mode=mode, **settings), [0.0]
    for i in visits:
        path.append(model.partial_fit(X[i : i + 1], y[i : i + 1]).coef_[FEATURE])
    paths[f"{mode}, with data"] = np.array(path)

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for mode, color in (("subgradient", "C1"), ("proximal", "C0")):
    axes[0].plot(paths[mode], color + ".-", label=mode)
    axes[1].plot(paths[f"{mode}, with data"], color, lw=1, label=mode)
axes[0].set(xlabel="step", ylabel="weight", title="The penalty alone")
axes[1].set(xlabel="step", title=f"Feature {FEATURE}, whose best weight is 0")
for ax in axes:
    ax.axhline(0.0, color="0.8", lw=1, zorder=0)
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Thresholding step by step is not enough
# ---------------------------------------
# The gradient at a single row is noisy. It moves a weight by more than one step's threshold
# of ``eta * l1``, so a weight that was set to 0 comes back with the next row.
# Proximal mode therefore carries the part of a threshold that a weight at 0 did not need:
# the weight stays at 0 until the sum of its gradients outgrows the sum of the thresholds.
#
# `skreg.step` applied to one row after another is the first way, the estimator the second.

n_epochs = 60
counts = {name: [] for name in ("subgradient", "thresholded step by step", "proximal")}
modes = {
    mode: SGDRegularizedRegressor(mode=mode, **settings)
    for mode in ("subgradient", "proximal")
}
coef = np.zeros(50)
for _ in range(n_epochs):
    for mode, model in modes.items():
        counts[mode].append(np.count_nonzero(model.partial_fit(X, y).coef_))
    for i in rng.permutation(len(y)):
        coef = skreg.step(coef, (X[i] @ coef - y[i]) * X[i], eta0, l1=alpha)
    counts["thresholded step by step"].append(np.count_nonzero(coef))

for name, n_nonzero in counts.items():
    print(f"{name:<25} {n_nonzero[-1]:2d} weights after {n_epochs} epochs")

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
epochs = np.arange(1, n_epochs + 1)
for (name, n_nonzero), color in zip(counts.items(), ("C1", "C2", "C0"), strict=True):
    ax.plot(epochs, n_nonzero, color, label=name)
ax.axhline(np.count_nonzero(lasso.coef_), color="k", ls=":", label="Lasso")
ax.set(xlabel="epoch", ylabel="weights that are not 0", ylim=(0.0, 54.0))
ax.legend(frameon=False, loc="center right")
ax.spines[["top", "right"]].set_visible(False)

# %%
# With constant steps the iterates circle around the optimum; the distance of the objective
# shows how wide. Steps that shrink, as those of ``learning_rate="auto"``, bring both
# modes closer. The default solver, which reduces the variance of the gradients and exists
# in proximal mode only, finds the optimum up to rounding.

optimum = skreg.objective(X, y, lasso.coef_, l1=alpha)
weights = {name: model.coef_ for name, model in modes.items()}
weights["thresholded step by step"] = coef
for name, coef in weights.items():
    excess = skreg.objective(X, y, coef, l1=alpha) / optimum - 1.0
    print(f"{name:<25} constant steps: {excess:.1e} above the optimum")
for mode in modes:
    model = SGDRegularizedRegressor(
        mode=mode, tol=None, max_iter=500, **settings | {"learning_rate": "auto"}
    )
    excess = model.fit(X, y).objective_ / optimum - 1.0
    print(f"{mode:<25} shrinking steps: {excess:.1e} above the optimum")
model = SGDRegularizedRegressor(**model_of_all).fit(X, y)
n_nonzero, distance = np.count_nonzero(model.coef_), abs(model.objective_ / optimum - 1.0)
print(f"{model.solver_:<25} {n_nonzero} weights, {distance:.1e} from the optimum")
