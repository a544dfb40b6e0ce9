"""Train on a stream of hashed rows by `partial_fit`, and by Vowpal Wabbit on the same rows.

Rows are made batch by batch and forgotten: `nonzeros` hashed features, drawn so that some
are frequent and most are rare, and a label that a logistic model of the features gives.
Seconds are those of training alone. Vowpal Wabbit (if installed) takes its first rows from
a text file and from its own binary cache of that file; its hash table has the same size.
"""

import argparse
import importlib.util
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import sparse

from skreg import SGDRegularizedClassifier


def make_batch(seed, n, nonzeros, n_features):
    """Return rows whose features follow a power law, and their labels."""
    rng = np.random.default_rng(seed)
    columns = (n_features * rng.random((n, nonzeros), dtype=np.float32) ** 4).astype(
        np.int32
    )
    columns.sort(axis=1)
    values = np.ones(n * nonzeros, dtype=np.float32)
    X = sparse.csr_matrix(
        (values, columns.ravel(), np.arange(0, n * nonzeros + 1, nonzeros)),
        shape=(n, n_features),
    )
    X.sum_duplicates()
    signal = np.cos(12.9898 * columns).sum(axis=1)  # a weight for each feature
    return X, (signal + rng.logistic(size=n) > 0.0).astype(int)


def megabytes():
    """Return the largest memory that the process has used so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def train(arguments):
    """Stream all rows through `partial_fit`; print what it takes and what it gives."""
    model = SGDRegularizedClassifier(
        penalty=arguments.penalty, alpha=arguments.alpha, random_state=0
    )
    seconds, n_rows, batch = 0.0, 0, 0
    held_out = make_batch(2**31, 20_000, arguments.nonzeros, arguments.features)
    model.partial_fit(held_out[0][:10], held_out[1][:10], classes=[0, 1])  # compile
    model = SGDRegularizedClassifier(**model.get_params())
    print("| rows | rows a second | accuracy | log loss | non-zeros | MB so far |")
    print("|---:|---:|---:|---:|---:|---:|")
    marks = [arguments.rows * part // 10 for part in (1, 2, 5, 10)]
    while n_rows < arguments.rows:
        X, y = make_batch(batch, arguments.batch, arguments.nonzeros, arguments.features)
        start = time.perf_counter()
        model.partial_fit(X, y, classes=[0, 1])
        seconds += time.perf_counter() - start
        n_rows, batch = n_rows + len(y), batch + 1
        if n_rows >= marks[0]:
            marks.pop(0)
            report(
                model.decision_function(held_out[0]), held_out[1], n_rows, seconds, model
            )


def report(raw, y, n_rows, seconds, model=None):
    """Print a line of the table."""
    signs = np.where(y > 0, 1.0, -1.0)
    loss = np.logaddexp(0.0, -signs * raw).mean()
    size = "" if model is None else f"{np.count_nonzero(model.coef_):,}"
    print(
        f"| {n_rows:,} | {n_rows / seconds:,.0f} | {np.mean((raw > 0) == (y > 0)):.4f} "
        f"| {loss:.4f} | {size} | {megabytes():,.0f} |",
        flush=True,
    )


def race_vowpal_wabbit(arguments):
    """Train Vowpal Wabbit on the first rows of the same stream."""
    import vowpalwabbit

    held_out = make_batch(2**31, 20_000, arguments.nonzeros, arguments.features)
    with tempfile.TemporaryDirectory() as folder:
        text, cache = Path(folder) / "rows.vw", Path(folder) / "rows.cache"
        with text.open("w") as file:
            for batch in range(arguments.vw_rows // arguments.batch):
                X, y = make_batch(
                    batch, arguments.batch, arguments.nonzeros, arguments.features
                )
                file.writelines(_lines(X, y))
        bits = int(np.ceil(np.log2(arguments.features)))
        options = f"--loss_function logistic -b {bits} --quiet"
        l2 = f"--l2 {arguments.alpha}" if arguments.penalty == "l2" else ""
        l1 = f"--l1 {arguments.alpha}" if arguments.penalty == "l1" else ""
        for name, source in (
            ("text", f"-d {text} --cache_file {cache}"),
            ("its cache", f"--cache_file {cache}"),
            ("its cache, --sgd", f"--cache_file {cache} --sgd"),
        ):
            start = time.perf_counter()
            model = vowpalwabbit.Workspace(f"{options} {l1} {l2} {source}")
            model.run_parser()
            seconds = time.perf_counter() - start
            raw = [model.predict(line.split(" ", 1)[1]) for line in _lines(*held_out)]
            model.finish()
            print(f"Vowpal Wabbit, from {name}:")
            report(np.array(raw), held_out[1], arguments.vw_rows, seconds)


def _lines(X, y):
    for i, label in enumerate(y):
        part = slice(X.indptr[i], X.indptr[i + 1])
        pairs = zip(X.indices[part], X.data[part], strict=True)
        features = " ".join(f"{column}:{value:g}" for column, value in pairs)
        yield f"{2 * label - 1} | {features}\n"


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--nonzeros", type=int, default=40)
    parser.add_argument("--features", type=int, default=2**22)
    parser.add_argument("--batch", type=int, default=100_000)
    parser.add_argument("--penalty", default="l1")
    parser.add_argument("--alpha", type=float, default=1e-7)
    parser.add_argument("--vw-rows", type=int, default=500_000)
    arguments = parser.parse_args()
    train(arguments)
    if importlib.util.find_spec("vowpalwabbit") and arguments.vw_rows:
        race_vowpal_wabbit(arguments)


if __name__ == "__main__":
    main()
