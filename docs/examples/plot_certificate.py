"""
The certificate: how far from the optimum
=========================================

A fit reports its duality gap: the objective is at most this much above the minimum. Here
two solvers descend on one problem, and the gap is held against the distance it bounds.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skreg import SGDRegularizedClassifier

# %%
# A problem
# ---------
# 20 000 rows with 200 features, each correlated with its neighbours. Twenty of them decide
# about the class. Both solvers minimize the log loss with an L1 penalty.

rng = np.random.default_rng(0)
n_rows, n_features, correlation = 20_000, 200, 0.5
X = rng.standard_normal((n_rows, n_features))
for j in range(1, n_features):
    X[:, j] = correlation * X[:, j - 1] + np.sqrt(1.0 - correlation**2) * X[:, j]
true_coef = np.zeros(n_features)
true_coef[::10] = rng.standard_normal(n_features // 10)
y = rng.random(n_rows) < 1.0 / (1.0 + np.exp(-X @ true_coef))


def fit(solver, tol, max_iter=300):
    """Return a model and the seconds of its fit."""
    model = SGDRegularizedClassifier(
        penalty="l1", alpha=0.01, solver=solver, tol=tol, max_iter=max_iter, random_state=0
    )
    started = time.perf_counter()
    model.fit(X, y)
    return model, time.perf_counter() - started


# %%
# Plain steps end before they have reached these tolerances, and say so by a
# `ConvergenceWarning`. What follows shows it, so the warning is silenced.

warnings.filterwarnings("ignore", category=ConvergenceWarning)
for solver in ("svrg", "sgd"):
    fit(solver, 1e-10, max_iter=3)  # compiles, or reads the compiled code from disk

# %%
# The optimum
# -----------
# No formula gives the optimum, but a small gap leaves little room for doubt: up to
# rounding, the minimum lies between ``objective_ - dual_gap_`` and ``objective_``.

best, _ = fit("svrg", 1e-14)
print(f"objective {best.objective_:.15f}")
print(f"gap       {best.dual_gap_:.1e}")
print(f"{np.count_nonzero(best.coef_)} of {n_features} weights are not 0")

# %%
# Gap and distance
# ----------------
# `history_` holds the seconds, the objective and the gap of each look: one per turn of
# "svrg", for "sgd" one per epoch at first and fewer later. What lies below the gray line is
# rounding, and drawn on the line.

ROUNDING = 1e-15
models = {"svrg": fit("svrg", 1e-10)[0], "sgd": fit("sgd", 1e-10)[0]}
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for (solver, model), color in zip(models.items(), ("C0", "C1"), strict=True):
    history = model.history_
    seen = np.isfinite(history["gap"])
    seconds, gap = history["seconds"][seen], history["gap"][seen]
    distance = history["objective"][seen] - best.objective_
    for values, style in ((gap, "--"), (distance, "-")):
        axes.loglog(seconds, np.maximum(values, ROUNDING), color + style, marker=".")
    axes.plot([], [], color, label=f'solver="{solver}"')
    is_bound = (distance <= gap + ROUNDING).all()
    print(f"{solver:<5} {seen.sum():3d} looks, the gap bounds the distance: {is_bound}")
axes.plot([], [], "k-", label="distance to the optimum")
axes.plot([], [], "k--", label="duality gap")
axes.axhline(ROUNDING, color="0.8", lw=1, zorder=0)
axes.set(xlabel="seconds", ylabel="difference of objectives", title="Log loss with L1")
axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.1), frameon=False)
axes.spines[["top", "right"]].set_visible(False)

# %%
# The gap is computed from the weights and the data alone, by one pass over the rows. Up to
# rounding it is never below the distance. It may be far above it: here that of plain steps
# is.

# %%
# What a tolerance costs
# ----------------------
# `tol` is relative to the objective of the intercept-only model, here the entropy of the
# classes. A "no" in the last column is a tolerance that was not reached by `max_iter`.

print(f"{'solver':<8}{'tol':>7}{'seconds':>9}{'n_iter':>8}{'gap':>10}  converged")
for solver in models:
    for tol in (1e-2, 1e-4, 1e-8):
        model, seconds = fit(solver, tol)
        answer = "yes" if model.converged_ else "no"
        print(f"{solver:<8}{tol:>7.0e}{seconds:9.2f}{model.n_iter_:8d}", end="")
        print(f"{model.dual_gap_:10.1e}  {answer}")
