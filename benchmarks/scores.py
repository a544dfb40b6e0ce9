"""Compare test scores after a few epochs of plain SGD, on scaled and on raw data.

skreg runs at its default settings. scikit-learn's SGD may choose the best of several
`eta0` by the test score itself, which no user could; classifiers may also take
``learning_rate="optimal"``. Both take the same loss, penalty and number of epochs. A fit
diverged if its score is not a number, or that of a regression below -1. Scores are means
over seeds, ten times as many where there are few rows, whose order then matters much.
"""

import argparse
import warnings

import numpy as np
import problems
from raw import numbers
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import train_test_split

from skreg import SGDRegularizedClassifier, SGDRegularizedRegressor

REGRESSION = ["california_housing", "bike_hour", "prostate", "riboflavin", "imdb_rating"]
CLASSIFICATION = ["adult", "usps", "leukemia", "imdb", "rcv1_small", "newsgroups20"]
FEW_ROWS = 5000
STEPS = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


def data_of(loader, name, kind):
    """Return the features, scaled or raw, and the targets."""
    if kind == "scaled":
        return loader.matrix(name)
    X, y = loader.load(name)
    if name.startswith("imdb"):  # documents: words are counted
        return CountVectorizer(min_df=5).fit_transform(X).astype(np.float64), y
    return numbers(X), y


def divided(X, y, published, stratified):
    """Return training and test data, split as published or at random."""
    if published is not None:
        return X[published], X[~published], y[published], y[~published]
    return train_test_split(X, y, random_state=0, stratify=y if stratified else None)


def score(model, data, settings, n_seeds):
    """Return the mean test score over some seeds, and how many fits diverged."""
    X, X_test, y, y_test = data
    scores = []
    for seed in range(n_seeds):
        try:
            model.set_params(random_state=seed, **settings).fit(X, y)
            scores.append(model.score(X_test, y_test))
        except ValueError:  # weights or predictions that overflow
            scores.append(np.nan)
    n_diverged = sum(not value > -1.0 for value in scores)
    return float(np.mean(scores)), n_diverged


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of the real data sets")
    parser.add_argument("--names", default=",".join(REGRESSION + CLASSIFICATION))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3, help="of large data")
    parser.add_argument("--learning-rate", default="auto", help="of skreg")
    arguments = parser.parse_args()
    loader = problems.loader(arguments.data)

    warnings.simplefilter("ignore")
    print("| data | | skreg | scikit-learn's best | at | default | diverged of all steps |")
    print("|---|---|---:|---:|---|---:|---:|")
    for name in arguments.names.split(","):
        common = {"max_iter": arguments.epochs, "tol": None}
        if name in REGRESSION:
            ours, peer = SGDRegularizedRegressor(**common), SGDRegressor(**common)
            candidates = {f"{eta0:g}": {"eta0": eta0} for eta0 in STEPS}
        else:
            ours = SGDRegularizedClassifier(**common)
            peer = SGDClassifier("log_loss", **common)
            candidates = {"optimal": {"learning_rate": "optimal"}} | {
                f"{eta0:g}": {"learning_rate": "invscaling", "eta0": eta0} for eta0 in STEPS
            }
        ours.set_params(solver="sgd", learning_rate=arguments.learning_rate)
        for kind in ("scaled", "raw"):
            X, y = data_of(loader, name, kind)
            data = divided(X, y, loader.split(name), name in CLASSIFICATION)
            n_seeds = arguments.seeds * (10 if X.shape[0] < FEW_ROWS else 1)
            mine, n_bad = score(ours, data, {}, n_seeds)
            theirs = {
                at: score(peer, data, value, n_seeds) for at, value in candidates.items()
            }
            best = max(theirs, key=lambda at: np.nan_to_num(theirs[at][0], nan=-np.inf))
            default = theirs["optimal" if "optimal" in theirs else "0.01"][0]
            bad = sum(n for _, n in theirs.values())
            print(
                f"| {name} | {kind} | {mine:.4f} | {theirs[best][0]:.4f} | {best} "
                f"| {default:.3g} | {n_bad} of {n_seeds}, {bad} of "
                f"{n_seeds * len(theirs)} | {mine - theirs[best][0]:+.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
