"""Fit losses with kinks by default settings: hinge and epsilon_insensitive on real data.

A row tells, at the default `tol`, whether a fit converged without a warning, its duality
gap and its distance from the optimum, both over the objective of the intercept-only model.
The optimum is that of a fit with ``tol=1e-8``. With L2 the last columns compare a fit
without intercept with `LinearSVC` or `LinearSVR` (dual): the seconds of both, where the
peer takes the largest of its tolerances at which its objective is not above ours, or a fit
takes three seconds, in turns, medians of some runs.
"""

import argparse
import time
import warnings

import numpy as np
import problems
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC, LinearSVR

import skreg

NAMES = ["adult", "usps", "leukemia", "imdb", "rcv1_small", "newsgroups20"]
NAMES += ["california_housing", "bike_hour", "prostate", "riboflavin", "imdb_rating"]
PENALTIES = ["l2", "l1", "elasticnet"]
PEER_TOLERANCES = [10.0**-k for k in range(-1, 9)]
EPSILON = 0.1
LONG = 3.0


def kinked(problem):
    """Return the problem with targets of deviation 1, and its loss with kinks."""
    if problem.loss == "log_loss":
        return problem._replace(loss="hinge")
    return problem._replace(loss="epsilon_insensitive", y=problem.y / problem.y.std())


def model_of(problem, **settings):
    """Return our model for a problem."""
    if problem.loss == "hinge":
        return skreg.SGDRegularizedClassifier("hinge", random_state=0, **settings)
    settings |= {"epsilon": EPSILON, "random_state": 0}
    return skreg.SGDRegularizedRegressor("epsilon_insensitive", **settings)


def peer_of(problem, alpha, tol):
    """Return scikit-learn's model for the same objective without intercept."""
    C = 1.0 / (len(problem.y) * alpha)
    common = {"C": C, "tol": tol, "fit_intercept": False, "max_iter": 10_000}
    if problem.loss == "hinge":
        return LinearSVC(loss="hinge", dual=True, random_state=0, **common)
    return LinearSVR(epsilon=EPSILON, dual=True, random_state=0, **common)


def timed(model, problem):
    """Return the seconds of a fit."""
    start = time.perf_counter()
    model.fit(problem.X, problem.y)
    return time.perf_counter() - start


def seconds_of_both(problem, alpha, repeats):
    """Return the seconds of our model and of the peer that is as near to the optimum."""
    warnings.simplefilter("ignore")  # of peers at loose tolerances
    ours = model_of(problem, alpha=alpha, fit_intercept=False)
    timed(ours, problem)
    for tol in PEER_TOLERANCES:
        peer = peer_of(problem, alpha, tol)
        seconds = timed(peer, problem)
        coef = peer.coef_.ravel()
        value = skreg.objective(
            problem.X, problem.y, coef, loss=problem.loss, l2=alpha, epsilon=EPSILON
        )
        if value <= ours.objective_ or seconds > LONG:
            break
    seconds = [(timed(ours, problem), timed(peer, problem)) for _ in range(repeats)]
    return np.median(seconds, axis=0), tol


def row(problem, penalty, alpha, repeats):
    """Return a row of the table, as strings."""
    settings = {"penalty": penalty, "alpha": alpha}
    model = model_of(problem, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(problem.X, problem.y)
            outcome = "yes"
        except ConvergenceWarning:
            outcome = "no"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(problem.X, problem.y)
        exact = model_of(problem, tol=1e-8, **settings).fit(problem.X, problem.y)
        null = model_of(problem, alpha=1e12).fit(problem.X, problem.y).objective_
    gap, distance = model.dual_gap_ / null, (model.objective_ - exact.objective_) / null
    cells = [problem.name, penalty, f"{alpha:g}", outcome, str(model.n_iter_)]
    cells += [f"{gap:.1e}", f"{max(distance, 0.0):.1e}", f"{exact.dual_gap_ / null:.0e}"]
    if penalty != "l2":
        return [*cells, "", "", "", ""]
    (ours, theirs), tol = seconds_of_both(problem, alpha, repeats)
    return [*cells, f"{ours:.3f}", f"{theirs:.3f}", f"{tol:g}", f"{ours / theirs:.2f}"]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder of the real data sets")
    parser.add_argument("--problems", default=",".join(NAMES))
    parser.add_argument("--penalties", default=",".join(PENALTIES))
    parser.add_argument("--alphas", default="1e-2,1e-3,1e-4")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    heads = "data, penalty, alpha, converged, turns, gap, distance, gap of the optimum, "
    heads = (heads + "seconds, LinearSV*, its tol, ratio").split(", ")
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for name in arguments.problems.split(","):
        problem = kinked(problems.make(name, arguments.data))
        for penalty in arguments.penalties.split(","):
            for alpha in map(float, arguments.alphas.split(",")):
                cells = row(problem, penalty, alpha, arguments.repeats)
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
