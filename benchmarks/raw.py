"""Fit raw, unscaled data with default settings, beside scikit-learn's defaults.

Missing numbers become medians and categories one-hot columns; nothing is scaled. A row ends
with the first words of a warning, if there was one.
"""

import argparse
import sys
import time
import warnings

import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder

from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor

REGRESSION = ["california_housing", "bike_hour", "prostate", "riboflavin"]
CLASSIFICATION = ["adult", "usps", "leukemia"]
SETTINGS = [{}, {"penalty": "l1"}, {"penalty": "elasticnet"}, {"penalty": None}]


def numbers(X):
    """Return a table as numbers, unscaled."""
    if not hasattr(X, "dtypes"):
        return X
    return make_column_transformer(
        (SimpleImputer(strategy="median"), make_column_selector(dtype_include="number")),
        (
            OneHotEncoder(handle_unknown="ignore"),
            make_column_selector(dtype_exclude="number"),
        ),
    ).fit_transform(X)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of the real data sets")
    sys.path.insert(0, parser.parse_args().data)
    from load import load

    warnings.simplefilter("ignore")
    print(
        "| data | setting | test score | scikit-learn's | gap / objective | s | warning |"
    )
    print("|---|---|---:|---:|---:|---:|---|")
    for name in REGRESSION + CLASSIFICATION:
        regression = name in REGRESSION
        ours = SGDRegularizedRegressor if regression else SGDRegularizedClassifier
        X, y = load(name)
        X, X_test, y, y_test = train_test_split(numbers(X), y, random_state=0)
        peer = (Ridge() if regression else LogisticRegression()).fit(X, y)
        for setting in SETTINGS:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                start = time.perf_counter()
                model = ours(**setting, max_iter=100).fit(X, y)
                seconds = time.perf_counter() - start
            gap, score = (
                np.max(model.dual_gap_ / model.objective_),
                model.score(X_test, y_test),
            )
            words = str(caught[0].message)[:60] if caught else ""
            print(
                f"| {name} | {setting or 'default'} | {score:.4f} "
                f"| {peer.score(X_test, y_test):.4f} | {gap:.1e} | {seconds:.2f} "
                f"| {words} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
