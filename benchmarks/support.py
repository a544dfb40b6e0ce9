"""Compare the support and the objective of plain steps with those of `Lasso`.

500 rows, 50 features of which 5 matter, alpha = 0.15, 100 epochs at default steps: the last
iterate, the mean of all, and the mean of the second half.
"""

import numpy as np
from sklearn.linear_model import Lasso

import skreg

KINDS = {"last": False, "mean": True, "mean of half": 25_000}


def main():
    """Print the table."""
    print("| noise | seed | Lasso | weights | more | fewer | largest missed | distance |")
    print("|---:|---:|---:|---|---:|---:|---:|---:|")
    for noise in (0.1, 2.0):
        for seed in range(4):
            rng = np.random.default_rng(seed)
            X, coef = rng.standard_normal((500, 50)), np.zeros(50)
            coef[:5] = 3.0, -2.0, 1.5, 1.0, -1.0
            y = X @ coef + noise * rng.standard_normal(500)
            lasso = Lasso(0.15, tol=1e-10).fit(X, y)
            support = lasso.coef_ != 0.0
            best = skreg.objective(X, y, lasso.coef_, lasso.intercept_, l1=0.15)
            for kind, average in KINDS.items():
                model = skreg.SGDRegularizedRegressor(
                    penalty="l1", alpha=0.15, solver="sgd", max_iter=100, tol=None,
                    random_state=0, average=average,
                ).fit(X, y)  # fmt: skip
                kept = model.coef_ != 0.0
                missed = support & ~kept
                print(
                    f"| {noise} | {seed} | {support.sum()} | {kind} "
                    f"| {(kept & ~support).sum()} | {missed.sum()} "
                    f"| {np.abs(lasso.coef_[missed]).max(initial=0.0):.3f} "
                    f"| {model.objective_ / best - 1.0:.1e} |"
                )


if __name__ == "__main__":
    main()
