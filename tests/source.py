"""The source of the package as data: modules, folders, and what each of them knows.

`test_architecture` holds rules over it, and `architecture` prints its numbers.
"""

import ast
import functools
import io
import tokenize
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parent.parent / "skreg"

# A folder imports from those on lower floors. Modules at the top are on floor 0.
FLOORS = {
    "losses": 1,
    "penalties": 1,
    "data": 1,
    "kernels": 2,
    "objectives": 3,
    "solvers": 4,
    "estimators": 5,
    "model_selection": 6,
}
HIGHEST_COMPILED = 2
# Modules at the top through which users come in, and which may import from any floor.
DOORS = {"skreg", "skreg.path"}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPILERS = {"compiled", "formula", "overload", "emitted"}
_STORAGES = {"CSR", "Array", "sparray", "spmatrix"}
_STRENGTHS = {"l1", "l2"}


class Module(NamedTuple):
    """A file of the package."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def parts(self):
        return self.path.relative_to(PACKAGE).with_suffix("").parts

    @property
    def name(self):
        return ".".join((PACKAGE.name, *self.parts)).removesuffix(".__init__")

    @property
    def folder(self):
        """The folder at the top that holds the module; "" for none."""
        return self.parts[0] if len(self.parts) > 1 else ""

    @property
    def place(self):
        """The path in the package."""
        return "/".join(self.parts)

    @property
    def floor(self):
        return FLOORS.get(self.folder, 0)


@functools.cache
def modules():
    """Return the modules of the package, by their names."""
    texts = {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
    read = [Module(path, text, ast.parse(text)) for path, text in texts.items()]
    return {module.name: module for module in read}


def imports(module):
    """Return the modules of the package that a module imports."""
    names = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return [modules()[name] for name in sorted(names & modules().keys() - {PACKAGE.name})]


def with_imports(start):
    """Return some modules and all that they import, directly or not."""
    found, todo = {}, list(start)
    while todo:
        module = todo.pop()
        if module.name not in found:
            found[module.name] = module
            todo += imports(module)
    return list(found.values())


def is_compiled(node):
    """Return whether a node defines a function that is compiled, or chooses what is."""
    return isinstance(node, FUNCTIONS) and any(
        _name(getattr(decorator, "func", decorator)) in _COMPILERS
        for decorator in node.decorator_list
    )


def has_compiled_code(module):
    """Return whether a module defines functions that are compiled."""
    return any(map(is_compiled, ast.walk(module.tree)))


def names(module):
    """Return the names that stand in a module, without leading underscores."""
    tokens = tokenize.generate_tokens(io.StringIO(module.text).readline)
    return {token.string.lstrip("_") for token in tokens if token.type == tokenize.NAME}


def asks_for_storage(module):
    """Return whether a module asks for the type of a matrix."""
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    return any(
        _name(call.func) == "issparse"
        or (_name(call.func) == "isinstance" and _mentions(call.args[1], _STORAGES))
        for call in calls
    )


def computes_with_strengths(module):
    """Return whether a module computes with the strengths of the elastic net."""
    return any(
        _name(operand) in _STRENGTHS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.BinOp | ast.UnaryOp | ast.AugAssign)
        for operand in ast.iter_child_nodes(node)
    )


def _name(node):
    return getattr(node, "id", None) or getattr(node, "attr", None)


def _mentions(node, names):
    return any(_name(part) in names for part in ast.walk(node))


def code_lines(module, with_imports=True):
    """Return {number: text} of the lines that are neither comment nor docstring."""
    numbers = set()
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.string.strip() and token.type != tokenize.COMMENT:
            numbers |= _lines_of(token.start[0], token.end[0])
    for node in ast.walk(module.tree):
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or (is_import and not with_imports):
            numbers -= _lines_of(node.lineno, node.end_lineno)
    texts = module.text.splitlines()
    return {number: texts[number - 1].strip() for number in sorted(numbers)}


def _lines_of(first, last):
    return set(range(first, last + 1))
