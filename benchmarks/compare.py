"""Time the same fits of two commits, in turns in one run.

``python benchmarks/compare.py A B`` unpacks the package of each commit into a folder of its
own. A process for each, which lives as long as the run, finds it at the head of its path,
and keeps compiled code in a cache of its own. NumPy, Numba and the rest are shared, so that
only the package differs: it is plain Python, and to unpack it is to install it.

The ratio of a fit is the median over turns of B's time over A's, each the least of some
repeats; that of a group, or of all, is the geometric mean. The group "first" times the
first fit ever, with an empty cache, and the first of a process, each in fresh processes:
it takes minutes, and is left out unless it is named. With ``--golden`` the fits of
`tests/golden.py` are compared, too, to the bit.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from itertools import chain
from math import ceil
from pathlib import Path
from statistics import geometric_mean, median

CHECKOUT = Path(__file__).parent.parent
FITS = CHECKOUT / "benchmarks" / "fits.py"
GOLDEN = CHECKOUT / "tests" / "golden.py"
GROUPS = ["small", "rows", "epochs", "path", "search", "stream"]
SECONDS_PER_TURN = 0.05
MOST_REPEATS = 50
# Libraries below have one thread, so that none waits for another.
THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


class Commit:
    """The package of a commit, in a folder, and the process that fits with it."""

    def __init__(self, name, folder):
        self.hash = _git("rev-parse", "--verify", f"{name}^{{commit}}").decode().strip()
        self.folder = Path(folder) / self.hash
        if not self.folder.exists():
            with tarfile.open(
                fileobj=io.BytesIO(_git("archive", self.hash, "skreg"))
            ) as tar:
                tar.extractall(self.folder, filter="data")
        self._process = None

    def run(self, *command, cache=None, **options):
        """Start Python in a process that imports the package from the folder."""
        environment = (
            os.environ
            | THREADS
            | {
                "PYTHONPATH": str(self.folder),
                "NUMBA_CACHE_DIR": str(cache or self.folder / "cache"),
            }
        )
        return subprocess.Popen([sys.executable, *command], env=environment, **options)

    def ask(self, *request):
        """Return the answer of the process to a request."""
        if self._process is None:
            self._process = self._start()
        return _answer(self._process, request)

    def ask_anew(self, *request, cache=None):
        """Return the answer of a process that nobody has asked before."""
        with self._start(cache) as process:
            return _answer(process, request)

    def ask_first(self, *request):
        """Return the answer of the first process ever, which has nothing compiled."""
        with tempfile.TemporaryDirectory() as cache:
            return self.ask_anew(*request, cache=cache)

    def stop(self):
        """End the process."""
        if self._process is not None:
            self._process.communicate()

    def _start(self, cache=None):
        pipe = subprocess.PIPE
        return self.run(FITS, cache=cache, stdin=pipe, stdout=pipe, text=True)


def _git(*arguments):
    command = ["git", "-C", CHECKOUT, *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _answer(process, request):
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"The process ended at {request}.")
    return json.loads(line)


def in_turns(commits, n_iterations, ask, *request):
    """Return the seconds of each commit; they take turns to be the first."""
    seconds = [[], []]
    for turn in range(n_iterations):
        for k in (0, 1) if turn % 2 else (1, 0):
            seconds[k].append(ask(commits[k], *request))
    return seconds


def time_group(group, commits, n_iterations):
    """Yield the name of each fit, and its seconds with both commits."""
    for name in commits[0].ask(group):
        request = group, name
        if group == "first":
            ever = in_turns(commits, n_iterations, Commit.ask_first, *request, 1)
            yield f"{name}, first ever", ever
            in_turns(commits, 1, Commit.ask_anew, *request, 1)  # fills the caches
            warm = in_turns(commits, n_iterations, Commit.ask_anew, *request, 1)
            yield f"{name}, first of a process", warm
        else:
            in_turns(commits, 1, Commit.ask, *request, 1)  # compiles
            least = min(min(in_turns(commits, 1, Commit.ask, *request, 1)))
            repeats = min(MOST_REPEATS, ceil(SECONDS_PER_TURN / least))
            yield name, in_turns(commits, n_iterations, Commit.ask, *request, repeats)


def compare(commits, groups, n_iterations):
    """Print a line for each fit, each group and all of them."""
    print("| fit | A, ms | B, ms | B / A |\n|---|---:|---:|---:|")
    ratios = {}
    for group in groups:
        ratios[group] = []
        for name, (a, b) in time_group(group, commits, n_iterations):
            ratio = median(y / x for x, y in zip(a, b, strict=True))
            ratios[group].append(ratio)
            times = f"{1e3 * median(a):.2f} | {1e3 * median(b):.2f}"
            print(f"| {name} | {times} | {ratio:.3f} |", flush=True)
        print(f"| **{group}** | | | **{geometric_mean(ratios[group]):.3f}** |", flush=True)
    everything = chain.from_iterable(ratios.values())
    print(f"| **all** | | | **{geometric_mean(everything):.3f}** |")


def compare_golden(commits, folder):
    """Print how many golden fits find the same."""
    file = Path(folder) / "golden.json"
    for commit, action in zip(commits, ("--write", "--against"), strict=True):
        commit.run(GOLDEN, action, file).wait()


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs=2, metavar="COMMIT")
    parser.add_argument(
        "--groups", default=",".join(GROUPS), help=", ".join([*GROUPS, "first"])
    )
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--golden", action="store_true")
    parser.add_argument("--folder", help="keep packages and compiled code here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or scratch
        commits = [Commit(name, folder) for name in arguments.commits]
        print(" against ".join(commit.hash[:10] for commit in commits) + "\n")
        if arguments.golden:
            compare_golden(commits, scratch)
        if arguments.groups:
            compare(commits, arguments.groups.split(","), arguments.turns)
        for commit in commits:
            commit.stop()


if __name__ == "__main__":
    main()
