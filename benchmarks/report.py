"""What the suite prints, tabulates and draws from its rows."""

import statistics
from collections import defaultdict

LEVELS = (1e-2, 1e-4, 1e-6)
OURS, MAIN_PEER = "skreg", "scikit-learn"
TOL = 1e-6  # the tolerance at which our certificate is checked
ALL = "all"
FLOOR = 1e-10  # of the pictures


def best_objective(row):
    """Return F_best, the smallest objective of any run."""
    return min(run["objective"] for run in row["runs"])


def suboptimality(run, row):
    """Return (F - F_best) / F_best."""
    best = best_objective(row)
    return (run["objective"] - best) / best


def seconds_to(row, level, library=None):
    """Return the seconds and the solver that first reached a level, None if none did."""
    times = [
        (statistics.median(run["seconds"]), run["solver"])
        for run in row["runs"]
        if library in (None, run["library"]) and suboptimality(run, row) <= level
    ]
    return min(times, default=None)


def fastest_peer(row, level, library=None):
    """Return the least seconds and the solver among others than ours."""
    peers = {run["library"] for run in row["runs"]} - {OURS}
    chosen = peers if library is None else peers & {library}
    times = (seconds_to(row, level, peer) for peer in chosen)
    return min((time for time in times if time), default=None)


def ratio(row, level, library=None):
    """Return a peer's seconds over ours: 0 if only the peer, infinite if only we arrive."""
    ours, theirs = seconds_to(row, level, OURS), fastest_peer(row, level, library)
    if ours is None:
        return 0.0 if theirs else None
    return theirs[0] / ours[0] if theirs else float("inf")


def certificate(row):
    """Return whether our gap at tol=1e-6 is small and true, None if there was no such run.

    Small: at most tol times the null objective, and so is the distance to the best lower
    bound that NumPy computed from any run. True: not less than F - F_best.
    """
    ours = [run for run in row["runs"] if run["library"] == OURS and run["tol"] == TOL]
    if not ours:
        return None
    run, target = ours[0], 1.000001 * TOL * row["null_objective"]
    distance = run["objective"] - best_objective(row)
    return {
        "small": run["gap"] <= target,
        "true": run["gap"] >= distance - 1e-12 * run["objective"],
        "confirmed": run["objective"] - row["bound"] <= target,
    }


def title(row):
    """Return the name of a row."""
    return f"{row['problem']} /{row['fraction']:g} l1_ratio={row['l1_ratio']:g}"


def _short(time):
    return "-" if time is None else f"{time[0]:.2g}"


def line(row):
    """Return a row as one line of text."""
    libraries = dict.fromkeys(run["library"] for run in row["runs"])
    times = [
        f"{library} {' '.join(_short(seconds_to(row, level, library)) for level in LEVELS)}"
        for library in libraries
    ]
    parts = [title(row), *times]
    peer = fastest_peer(row, LEVELS[-1])
    if peer:
        parts.append(f"fastest peer {peer[1]}")
    if row["runs"] and (doubt := 1.0 - row["bound"] / best_objective(row)) > LEVELS[-1]:
        parts.append(f"F_best proved only to {doubt:.0e}")
    if OURS in libraries:
        ratios = (ratio(row, LEVELS[-1], library) for library in (MAIN_PEER, None))
        parts.append("ratios " + " ".join(map(_ratio_text, ratios)))
        parts += [
            f"not {word}" for word, good in (certificate(row) or {}).items() if not good
        ]
    parts += [f"{name}: {error}" for name, error in row["failures"].items()]
    return " | ".join(parts)


def _ratio_text(value):
    return "-" if value is None else f"{value:.2g}"


def summary(rows):
    """Return geometric means of ratios per group, the worst rows and the certificates."""
    rows = [row for row in rows if row["runs"]]
    if not any(seconds_to(row, float("inf"), OURS) for row in rows):
        return "skreg took no part."
    text = ["", "Seconds of the peer over ours, geometric means:"]
    groups = defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    groups[ALL] = rows
    for group, level in ((group, level) for group in groups for level in LEVELS):
        for peer, library in (("scikit-learn's best", MAIN_PEER), ("the best", None)):
            ratios = [ratio(row, level, library) for row in groups[group]]
            text.append(f"{group}, {level:g}, {peer}: {_mean_text(ratios)}")
    for peer, library in (("scikit-learn's best", MAIN_PEER), ("the best", None)):
        ranked = [(ratio(row, LEVELS[-1], library), title(row)) for row in rows]
        ranked = sorted(pair for pair in ranked if pair[0] is not None)
        worst = "; ".join(f"{name} {value:.2g}" for value, name in ranked[:10])
        text.append(f"Worst rows to {LEVELS[-1]:g} against {peer}: {worst}")
    found = [found for found in map(certificate, rows) if found]
    good = sum(all(found.values()) for found in found)
    text.append(f"Certificates at tol={TOL:g} that are small, true and confirmed: "
                f"{good} of {len(found)}")  # fmt: skip
    return "\n".join(text)


def _mean_text(ratios):
    finite = [value for value in ratios if value and value != float("inf")]
    mean = f"{statistics.geometric_mean(finite):.2f}" if finite else "-"
    return (
        f"{mean} over {len(finite)} rows, faster in {sum(v >= 1.0 for v in finite)}; "
        f"reached by us alone in {ratios.count(float('inf'))}, by the peer alone in "
        f"{ratios.count(0.0)}, by nobody in {ratios.count(None)}"
    )


def table(rows):
    """Return a reST list-table: seconds to the levels, and the ratios at the last."""
    levels = " / ".join(f"{level:g}" for level in LEVELS)
    lines = [f"Seconds to a relative suboptimality of {levels}; a dash if not reached.", ""]
    lines += [".. list-table::", "   :header-rows: 1", ""]
    header = ["problem", "alpha_max /", "l1_ratio", OURS, MAIN_PEER, "best other"]
    body = [[*header, f"ratio to {MAIN_PEER}", "ratio to the best", "fastest peer"]]
    for row in rows:
        others = {run["library"] for run in row["runs"]} - {OURS, MAIN_PEER}
        cells = [row["problem"], f"{row['fraction']:g}", f"{row['l1_ratio']:g}"]
        for library in (OURS, MAIN_PEER):
            times = (seconds_to(row, level, library) for level in LEVELS)
            cells.append(" / ".join(map(_short, times)))
        times = [[seconds_to(row, level, peer) for peer in others] for level in LEVELS]
        best = (min((time for time in level if time), default=None) for level in times)
        cells.append(" / ".join(map(_short, best)))
        cells += [_ratio_text(ratio(row, LEVELS[-1], peer)) for peer in (MAIN_PEER, None)]
        cells.append((fastest_peer(row, LEVELS[-1]) or ("", "-"))[1])
        body.append(cells)
    for cells in body:
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(cells)]
    return "\n".join(lines) + "\n"


def pictures(rows, folder):
    """Draw suboptimality against seconds, a file per problem, a panel per row."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    libraries = dict.fromkeys(run["library"] for row in rows for run in row["runs"])
    colors = {library: f"C{i}" for i, library in enumerate(libraries)}
    for problem in dict.fromkeys(row["problem"] for row in rows):
        chosen = [row for row in rows if row["problem"] == problem]
        fractions = list(dict.fromkeys(row["fraction"] for row in chosen))
        l1_ratios = list(dict.fromkeys(row["l1_ratio"] for row in chosen))
        size = (3.6 * len(l1_ratios) + 1.0, 2.6 * len(fractions) + 0.8)
        figure, axes = plt.subplots(
            len(fractions),
            len(l1_ratios),
            figsize=size,
            squeeze=False,
            sharey=True,
            layout="constrained",
        )
        for row in chosen:
            at = fractions.index(row["fraction"]), l1_ratios.index(row["l1_ratio"])
            _draw(axes[at], row, colors)
        for axis in axes[-1]:
            axis.set_xlabel("seconds")
        for axis in axes[:, 0]:
            axis.set_ylabel("(F - F_best) / F_best")
        lines = {line.get_label(): line for axis in axes.flat for line in axis.get_lines()}
        figure.suptitle(problem)
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=4)
        figure.savefig(folder / f"{problem}.png", dpi=110)
        plt.close(figure)


def _draw(axis, row, colors):
    """Draw for each library what it reached by when, whichever of its solvers did it."""
    for library, color in colors.items():
        runs = [run for run in row["runs"] if run["library"] == library]
        points, reached = [], float("inf")
        for run in sorted(runs, key=lambda run: statistics.median(run["seconds"])):
            # The best run of all has no distance: it is drawn at the bottom.
            if (distance := max(suboptimality(run, row), FLOOR)) < reached:
                reached = distance
                points.append((statistics.median(run["seconds"]), distance))
        if points:
            width = 2.4 if library == OURS else 1.2
            axis.plot(
                *zip(*points, strict=True), "o-", ms=3, lw=width, c=color, label=library
            )
    axis.set(xscale="log", yscale="log", ylim=(FLOOR / 2.0, 2.0))
    axis.set_title(f"alpha_max / {row['fraction']:g}, l1_ratio={row['l1_ratio']:g}", size=9)
    axis.xaxis.set_minor_formatter("")
    axis.grid(alpha=0.3)
