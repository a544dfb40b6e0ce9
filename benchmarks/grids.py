"""Compare the default grid of alphas with 14 decades of them, in several units.

For each data set, l1_ratio and unit, the default search against the best of a reference of
200 alphas over 14 decades around its grid, on the same folds. A number is by how many
percent the mean held-out loss of the default is above the least of both. Between 0 and 1
the unit of the target, and that of the features, changes the family of models, so each
unit has its own reference. Where the family stays the same, the last column is the largest
difference of predictions from those in the first unit, relative to the largest of them.

The reference goes down decade by decade and ends early where the loss is `--until` times
its least. `--against` gives another checkout, whose search gets the same alphas: the ratio
of the seconds of this one to that, the median of `--turns` turns, is printed instead.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import problems
from sklearn import datasets

import skreg

DECADES, PER_DECADE = 14, 15
LARGER = 10.0  # the reference begins at this many times the largest alpha of the default
PAUSE = 3  # decades without a better loss before the reference may end early


def read(name, folder):
    """Return features and targets in the units of the source."""
    if name in problems.BUNDLED:
        return getattr(datasets, f"load_{name}")(return_X_y=True)
    X, y = problems.loader(folder).matrix(name)
    return X, y if y.dtype.kind == "f" or y.dtype.kind == "i" else y.astype(str)


def search(X, y, l1_ratio, cv, **settings):
    """Return a search, not fitted, for the kind of target."""
    continuous = len(np.unique(y)) > 10
    kind = skreg.SGDRegularizedClassifierCV
    if continuous:
        kind = skreg.SGDRegularizedRegressorCV
    return kind(l1_ratio=l1_ratio, cv=cv, **settings)


def reference(X, y, l1_ratio, cv, largest, until):
    """Return the least mean held-out loss of a grid that spans `DECADES` decades."""
    best, best_decade = np.inf, 0
    for decade in range(DECADES):
        powers = decade + np.arange(PER_DECADE) / PER_DECADE
        alphas = LARGER * largest * 10.0**-powers
        model = search(X, y, l1_ratio, cv, alphas=alphas, scoring="loss", store_path=None)
        loss = -model.fit(X, y).best_score_
        if loss < best:
            best, best_decade = loss, decade
        if loss > until * best and decade - best_decade >= PAUSE:
            break
    return best


def compare(name, X, y, l1_ratio, cv, until):
    """Print the rows of a table for one data set and one l1_ratio."""
    continuous = len(np.unique(y)) > 10
    units = [("1", 1.0, 1.0)]
    units += [(f"X * {c:g}", c, 1.0) for c in (1e-6, 1e6)]
    units += [(f"y * {c:g}", 1.0, c) for c in (1e-6, 1e6)] if continuous else []
    first, best = None, None
    for label, of_X, of_y in units:
        scaled = X * of_X, y * of_y if continuous else y
        started = time.perf_counter()
        model = search(*scaled, l1_ratio, cv).fit(*scaled)
        seconds = time.perf_counter() - started
        loss, difference = -model.best_score_ / of_y**2, ""
        decision = model.predict if continuous else model.decision_function
        predicted = decision(scaled[0]) / of_y
        largest = np.max(model.alphas_)
        if first is None or 0.0 < l1_ratio < 1.0:
            best = reference(*scaled, l1_ratio, cv, largest, until) / of_y**2
        if first is None:
            first = predicted
        elif l1_ratio in (0.0, 1.0):
            difference = f"{np.abs(predicted - first).max() / np.abs(first).max():.1e}"
        regret = 100.0 * (loss / min(loss, best) - 1.0)
        print(
            f"| {name} | {l1_ratio:g} | {label} | {len(model.alphas_)} | {loss:.6g} | "
            f"{regret:.2f} | {difference} | {seconds:.2f} |",
            flush=True,
        )


def seconds_with(checkout, arguments, name, l1_ratio, alphas):
    """Return the seconds of a search with given alphas, in a process of its own."""
    command = [
        sys.executable, __file__, "--data", str(arguments.data), "--cv", str(arguments.cv),
        "--problems", name, "--l1-ratios", f"{l1_ratio:g}", "--time", json.dumps(alphas),
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    run = subprocess.run(command, env=environment, capture_output=True, check=True)
    return float(run.stdout)


def race(name, X, y, l1_ratio, arguments):
    """Print how long this search takes, in searches of the other checkout."""
    skreg_here = Path(skreg.__file__).parents[1]
    loss = "squared_error" if len(np.unique(y)) > 10 else "log_loss"
    grid = skreg.alpha_grid(X, y, loss=loss, l1_ratio=l1_ratio, n_alphas=50)
    ratios, seconds = [], []
    for _ in range(arguments.turns):
        ours, theirs = (
            seconds_with(checkout, arguments, name, l1_ratio, grid.tolist())
            for checkout in (skreg_here, arguments.against)
        )
        ratios.append(ours / theirs)
        seconds.append(ours)
    print(
        f"| {name} | {l1_ratio:g} | {np.median(seconds):.3f} | {np.median(ratios):.2f} |",
        flush=True,
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="folder of the real data sets")
    parser.add_argument("--problems", default="diabetes,breast_cancer")
    parser.add_argument("--l1-ratios", default="0,0.1,0.5,0.9,1")
    parser.add_argument("--cv", type=int, default=5)
    parser.add_argument("--until", type=float, default=np.inf)
    parser.add_argument("--against", help="another checkout to compare seconds with")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--time", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if not arguments.time:
        columns = ["data", "l1_ratio", "unit", "alphas", "loss", "above the best, %"]
        columns += ["predictions differ", "seconds"]
        if arguments.against:
            columns = ["data", "l1_ratio", "seconds", "ratio"]
        print("| " + " | ".join(columns) + " |")
        print("|---" * len(columns) + "|")
    for name in arguments.problems.split(","):
        X, y = read(name, arguments.data)
        for l1_ratio in map(float, arguments.l1_ratios.split(",")):
            if arguments.time:
                model = search(X, y, l1_ratio, arguments.cv, alphas=arguments.time)
                model.fit(X, y)  # compiles, or reads the compiled code from disk
                seconds = []
                for _ in range(3):
                    started = time.perf_counter()
                    model.fit(X, y)
                    seconds.append(time.perf_counter() - started)
                print(min(seconds))
            elif arguments.against:
                race(name, X, y, l1_ratio, arguments)
            else:
                compare(name, X, y, l1_ratio, arguments.cv, arguments.until)


if __name__ == "__main__":
    main()
