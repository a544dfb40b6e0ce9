"""Print numbers of the source that are matters of taste, which nobody enforces.

``python tests/architecture.py`` counts lines of code, without comments and docstrings.
Calls from a fit to the loop are traced with compilation off: of the compiled functions that
are entered, that is the loop which most calls are made from.
"""

import ast
import os
import sys
from collections import Counter
from itertools import combinations
from statistics import median

import source

MODULES = list(source.modules().values())
LINES = {module.name: source.code_lines(module) for module in MODULES}
MOST_NAMED = 8
SHORTEST_RUN = 5


def definitions(kinds):
    """Return pairs of a module and a definition in it."""
    nodes = ((module, node) for module in MODULES for node in ast.walk(module.tree))
    return [(module, node) for module, node in nodes if isinstance(node, kinds)]


FUNCTIONS = definitions(source.FUNCTIONS)
CLASSES = definitions(ast.ClassDef)


def length(module, node):
    """Return how many lines of code a definition has."""
    return sum(node.lineno <= number <= node.end_lineno for number in LINES[module.name])


def methods(node):
    """Return the functions of a class."""
    return [part for part in node.body if isinstance(part, source.FUNCTIONS)]


def attributes(node):
    """Return the names that a class declares, or sets on its instances."""
    stored = [
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
        if isinstance(part.value, ast.Name) and part.value.id == "self"
    ]
    return {*stored, *(p.target.id for p in node.body if isinstance(p, ast.AnnAssign))}


def is_annotated(node):
    """Return whether a function says the types of its arguments and its result."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    said = [argument.annotation for argument in arguments if argument.arg != "self"]
    return all([*said, node.returns])


def longest_chain():
    """Return the longest chain of modules of which each imports the next."""
    chains = {}

    def chain(module):
        if module.name not in chains:
            below = map(chain, source.imports(module))
            chains[module.name] = [module.place, *max(below, key=len, default=[])]
        return chains[module.name]

    return max(map(chain, MODULES), key=len)


def repetitions():
    """Return the number of lines and the two places of runs that are equal."""
    spots = {}
    for module in MODULES:
        lines = list(source.code_lines(module, with_imports=False).items())
        for k in range(len(lines) - SHORTEST_RUN + 1):
            numbers, texts = zip(*lines[k : k + SHORTEST_RUN], strict=True)
            spots.setdefault(texts, []).append((module.place, k, numbers[0]))
    pairs = {
        (a, k, b, m): f"{a}:{i} {b}:{j}"
        for equal in spots.values()
        for (a, k, i), (b, m, j) in combinations(equal, 2)
        if a != b
    }
    runs = []
    for a, k, b, m in pairs:
        if (a, k - 1, b, m - 1) not in pairs:
            more = 0
            while (a, k + more + 1, b, m + more + 1) in pairs:
                more += 1
            runs.append((SHORTEST_RUN + more, pairs[a, k, b, m]))
    return sorted(runs, reverse=True)


def way_to_the_loop(function, *arguments, **options):
    """Return the names of the functions of the package from that which is called."""
    compiled = {(str(m.path), f.name) for m, f in FUNCTIONS if source.is_compiled(f)}
    stack, calls = [], Counter()

    def watch(frame, event, _):
        if event == "call":
            stack.append((frame.f_code.co_filename, frame.f_code.co_name))
            entry = next((k for k, key in enumerate(stack) if key in compiled), None)
            if entry is not None:
                calls[tuple(stack[: entry + 1])] += 1
        elif event == "return" and stack:
            stack.pop()

    sys.setprofile(watch)
    try:
        function(*arguments, **options)
    finally:
        sys.setprofile(None)
    way = [
        name
        for file, name in calls.most_common(1)[0][0]
        if file.startswith(str(source.PACKAGE)) and not name.startswith("<")
    ]
    return way[way.index(function.__name__) :]


def ways():
    """Return the ways to the loop of some fits, by what they are."""
    import numpy as np
    from scipy import sparse

    from skreg import (
        SGDRegularizedClassifier,
        SGDRegularizedRegressor,
        regularization_path,
    )

    random = np.random.RandomState(0)
    X = random.randn(100, 6)
    wide = sparse.random(1000, 1100, density=0.005, format="csr", random_state=0)
    y, labels = X.sum(axis=1), np.arange(100) % 3
    plain = SGDRegularizedRegressor(solver="sgd", max_iter=2, tol=None)
    classes = SGDRegularizedClassifier(solver="sgd", max_iter=2, tol=None)
    exact = SGDRegularizedClassifier(penalty="l1", alpha=0.01, random_state=0)
    rows = SGDRegularizedRegressor(alpha=0.01, random_state=0)
    return {
        "plain steps, dense": way_to_the_loop(plain.fit, X, y),
        "plain steps, CSR, classes": way_to_the_loop(
            classes.fit, sparse.csr_matrix(X), labels
        ),
        "exact, dense": way_to_the_loop(exact.fit, X, labels == 1),
        "exact, CSR": way_to_the_loop(rows.fit, wide, random.randn(1000)),
        "path": way_to_the_loop(regularization_path, X, y, alphas=[1.0, 0.1]),
    }


def ranking(measured):
    """Return the largest numbers and what they measure, as text."""
    ranked = sorted(measured, key=lambda pair: pair[0], reverse=True)
    return ", ".join(f"{number} {name}" for number, name in ranked[:MOST_NAMED])


def facts():
    """Yield names of numbers, and the numbers."""
    entries = [path for path in source.PACKAGE.iterdir() if path.name != "__pycache__"]
    folders = Counter(module.path.parent for module in MODULES)
    lengths = [(length(*one), f"{one[0].place}:{one[1].name}") for one in FUNCTIONS]
    chain = longest_chain()
    yield "entries at the top", len(entries)
    yield "modules, most of them in a folder", f"{len(MODULES)}, {max(folders.values())}"
    yield "floors of the import graph", f"{len(chain)}: {' > '.join(chain)}"
    yield "lines of code", sum(map(len, LINES.values()))
    yield "modules by lines", ranking((len(LINES[m.name]), m.place) for m in MODULES)
    yield "functions", len(FUNCTIONS)
    yield "annotated of them", sum(is_annotated(node) for _, node in FUNCTIONS)
    yield "median length", median(n for n, _ in lengths)
    yield "longest", ranking(lengths)
    for name, measure in {
        "lines": length,
        "methods": lambda _, node: len(methods(node)),
        "attributes": lambda _, node: len(attributes(node)),
    }.items():
        measured = [(measure(module, node), node.name) for module, node in CLASSES]
        yield f"classes by {name}", ranking(measured)
    runs = repetitions()
    yield f"equal runs of {SHORTEST_RUN} lines or more", f"{len(runs)}: {ranking(runs)}"
    for name, way in ways().items():
        yield f"calls to the loop, {name}", f"{len(way) - 1}: {' > '.join(way)}"


if __name__ == "__main__":
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    sys.path.insert(0, str(source.PACKAGE.parent))
    print("| fact | number |\n|---|---|")
    for fact, number in facts():
        print(f"| {fact} | {number} |")
