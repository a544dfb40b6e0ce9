"""Time import and the first fits, each in fresh processes.

The first fit ever has an empty compile cache; the first with a warm cache loads machine
code that another process has compiled; a later fit in the same process does neither.
"""

import os
import statistics
import subprocess
import sys
import tempfile

IMPORT = """
import time
start = time.perf_counter(); import sklearn.linear_model
middle = time.perf_counter(); import skreg
print(time.perf_counter() - middle)
"""
FITS = """
import time
import numpy as np
from scipy import sparse
import skreg
kind, storage = {kind!r}, {storage!r}
X = np.random.default_rng(0).standard_normal((200, 10))
y = X[:, 0] if kind == "SGDRegularizedRegressor" else X[:, 0] > 0
if storage == "CSR":
    X = sparse.csr_matrix(X)
times = []
for _ in range(3):
    model = getattr(skreg, kind)(penalty="l1", max_iter=5, tol=None)
    start = time.perf_counter(); model.fit(X, y)
    times.append(time.perf_counter() - start)
print(times[0], times[-1])
"""


def run(code, cache):
    """Run code in a fresh process and return the numbers that it prints."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    output = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [float(word) for word in output.split()]


def main():
    """Print the table."""
    with tempfile.TemporaryDirectory() as cache:
        imports = [run(IMPORT, cache)[0] for _ in range(5)]
        print(
            f"import skreg after sklearn.linear_model: {statistics.median(imports):.2f} s\n"
        )
    print("| first fit | empty cache | warm cache | a later fit |")
    print("|---|---:|---:|---:|")
    for kind in ("SGDRegularizedRegressor", "SGDRegularizedClassifier"):
        for storage in ("dense", "CSR"):
            code = FITS.format(kind=kind, storage=storage)
            with tempfile.TemporaryDirectory() as cache:
                first = run(code, cache)[0]
                warm = [run(code, cache) for _ in range(5)]
            loaded, later = (
                statistics.median(column) for column in zip(*warm, strict=True)
            )
            print(
                f"| {kind}, {storage} | {first:.2f} s | {loaded:.2f} s | {later:.4f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
