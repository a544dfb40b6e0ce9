r"""Race skreg against scikit-learn and other libraries to the same optimum.

A row is a problem, a strength and an `l1_ratio`. All libraries minimize

.. math::
    F(w, b) = \text{mean loss} + \alpha \left( \rho \|w\|_1 + \frac{1 - \rho}2 \|w\|_2^2
    \right), \qquad \alpha = \alpha_{max} / \text{fraction}

where :math:`\alpha_{max}` is the largest mean gradient of the intercept-only model. Each
solver climbs a ladder of its own tolerances. Every rung is a fresh fit, timed whole on one
thread; repeats and solvers take turns, so that a noisy machine disturbs all alike.
Compilation is apart: untimed fits come first, of a small slice and, for
libraries that compile when they run, of the whole. Dense X is given in C
order and sparse X as CSR: a solver that wants another order converts within its time.

A ladder ends when the dual bound proves that the weights are good enough, when its fits
(one per rung) have taken the seconds of the budget together, which is also when a single
fit is stopped, and when another solver of the same library was faster and is good enough.

The weights are judged by a plain NumPy objective. Their *suboptimality* is
(F - F_best) / F_best, where F_best is the smallest objective of any run in the row. If no
run is proved optimal by the dual bound, a reference run joins: the best solver once more
at its tightest tolerance. A library's seconds to a level are the smallest median time
among its runs whose suboptimality is at most that level.
"""

# ruff: noqa: E402
import os

# Before anything imports NumPy.
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA")
os.environ.update({f"{name}_NUM_THREADS": "1" for name in THREADS})

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import peers  # noqa: F401
import problems
import report
from libraries import available
from objectives import Task, alpha_max, evaluate, null_model
from workers import Worker

ENOUGH = 1e-7  # a relative gap that ends a ladder: no level asks for less
CERTAIN = 1e-8  # without a relative gap of this size a reference run joins


def race(problem, fraction, l1_ratio, workers, repeats, budget):
    """Return the record of a row: what is known of it, and all runs."""
    empty = Task(problem.X, problem.y, problem.loss, 0.0, 0.0)
    task = empty._replace(alpha=alpha_max(empty) / fraction, l1_ratio=l1_ratio)
    n, p = problem.X.shape
    row = {
        "problem": problem.name,
        "group": problem.group,
        "loss": problem.loss,
        "shape": [n, p],
        "fraction": fraction,
        "l1_ratio": l1_ratio,
        "alpha": task.alpha,
        "null_objective": null_model(task)[1],
        "bound": -np.inf,
        "runs": [],
        "failures": {},
    }
    able = [worker for worker in workers if worker.solver.can_fit(task)]
    ladders = {w: iter(w.solver.ladder) for w in able if w.prepare(l1_ratio)}
    row["failures"] = {w.solver.name: w.error for w in able if w not in ladders}
    while ladders:
        rungs = {worker: next(ladder, None) for worker, ladder in ladders.items()}
        runs = _turns(task, rungs, repeats, budget, row)
        ladders = {w: ladders[w] for w, run in runs.items() if _goes_on(run, row, budget)}
    _reference(task, able, row, budget)
    return row


def _turns(task, rungs, repeats, budget, row):
    """Let each solver fit at its tolerance, `repeats` times in turns; return the runs."""
    runs = {}
    for repeat, (worker, tol) in itertools.product(range(repeats), rungs.items()):
        slow = worker in runs and sum(runs[worker]["seconds"]) > budget
        if tol is None or slow or (repeat and worker not in runs):
            continue
        answer = worker.fit(task.alpha, task.l1_ratio, tol, budget)
        if answer is None:
            row["failures"][worker.solver.name] = worker.error
        elif worker in runs:
            runs[worker]["seconds"].append(answer[0])
        else:
            runs[worker] = _record(task, worker.solver, tol, *answer, row)
    return runs


def _record(task, solver, tol, seconds, fitted, row):
    """Judge a fit, note it in the row, and return the note."""
    with np.errstate(all="ignore"):
        objective, bound = evaluate(task, fitted.coef, fitted.intercept)
    run = {
        "solver": solver.name,
        "library": solver.library,
        "tol": tol,
        "seconds": [seconds],
        "objective": objective,
        "bound": bound,
        "n_nonzero": int(np.count_nonzero(fitted.coef)),
        "gap": fitted.gap,
    }
    if np.isfinite(objective):
        row["runs"].append(run)
        row["bound"] = max(row["bound"], bound)
    return run


def _goes_on(run, row, budget):
    """Return whether a tighter tolerance is worth a try."""
    if run["gap"] is not None and run["tol"] > report.TOL:
        return True  # the certificate at that tolerance is wanted in any case
    siblings = [other for other in row["runs"] if other["library"] == run["library"]]
    good = [
        other["seconds"][0]
        for other in siblings
        if other["objective"] - row["bound"] <= ENOUGH * other["objective"]
    ]
    spent = sum(o["seconds"][0] for o in siblings if o["solver"] == run["solver"])
    return spent <= budget and run["seconds"][0] < min(good, default=np.inf)


def _reference(task, workers, row, budget):
    """Run the best solver once more at its tightest tolerance, if F_best is uncertain."""
    if not row["runs"]:
        return
    best = min(row["runs"], key=lambda run: run["objective"])
    if best["objective"] - row["bound"] <= CERTAIN * best["objective"]:
        return
    worker = next(w for w in workers if w.solver.name == best["solver"])
    if best["tol"] == worker.solver.ladder[-1] or not worker.prepare(task.l1_ratio):
        return
    tol = worker.solver.ladder[-1]
    answer = worker.fit(task.alpha, task.l1_ratio, tol, 2.0 * budget)
    if answer is not None:
        _record(task, worker.solver, tol, *answer, row)


def run(arguments):
    """Race on all problems asked for; print and save rows as they come."""
    solvers = available(arguments.libraries)
    rows = []
    for name in arguments.problems or problems.names(arguments.data):
        problem = problems.make(name, arguments.data)
        workers = [Worker(solver, problem) for solver in solvers.values()]
        try:
            for settings in itertools.product(arguments.fractions, arguments.l1_ratios):
                row = race(problem, *settings, workers, arguments.repeats, arguments.budget)
                rows.append(row)
                print(report.line(row), flush=True)
                if arguments.output:
                    Path(arguments.output).write_text(json.dumps(rows, indent=1))
        finally:
            for worker in workers:
                worker.stop()
    return rows


def parse():
    """Return the arguments of the command line."""

    def listed(kind):
        return lambda text: [kind(word) for word in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the real data sets")
    parser.add_argument("--problems", type=listed(str), help="names, separated by commas")
    parser.add_argument("--libraries", type=listed(str), help="names, separated by commas")
    parser.add_argument("--fractions", type=listed(float), default=[10.0, 100.0, 1000.0])
    parser.add_argument("--l1-ratios", type=listed(float), default=[1.0, 0.5, 0.0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--budget", type=float, default=20.0, help="seconds of the longest fit"
    )
    parser.add_argument("--output", help="file for the results (JSON)")
    parser.add_argument("--from", dest="source", help="render these results, run nothing")
    parser.add_argument("--table", help="file for a table (reST)")
    parser.add_argument("--pictures", help="folder for a picture per problem")
    return parser.parse_args()


def main():
    """Run or read, then report."""
    arguments = parse()
    if arguments.source:
        rows = json.loads(Path(arguments.source).read_text())
        print(*map(report.line, rows), sep="\n")
    else:
        rows = run(arguments)
    print(report.summary(rows))
    if arguments.table:
        Path(arguments.table).write_text(report.table(rows))
    if arguments.pictures:
        report.pictures(rows, Path(arguments.pictures))


if __name__ == "__main__":
    main()
