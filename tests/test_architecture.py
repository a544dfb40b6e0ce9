"""Rules on what may know what, whose exceptions of today are listed.

A rule fails when something new offends against it, and when an exception is needed no more.
"""

from pathlib import Path

import source

from skreg import _compile

MODULES = list(source.modules().values())
# Words of this code alone, whose place the field's own have taken.
RETIRED = {
    "Course", "Memory", "Notes", "Pace", "Passed", "Paths", "Remembered", "View", "Visits",
    "Whole", "arrivals", "census", "course", "fade", "fades", "forgives", "former",
    "left_open", "look", "looks", "notes", "pace", "recent", "remembered", "turn_to",
    "violations", "visit", "visits", "way_between",
}  # fmt: skip
COMPILED = [module for module in MODULES if source.has_compiled_code(module)]
TESTS = Path(__file__).parent


def imports(condition):
    """Return the pairs of places of which one imports the other, where that holds."""
    return {
        (module.place, other.place)
        for module in MODULES
        for other in source.imports(module)
        if condition(module, other)
    }


def places(modules, *allowed):
    """Return the places of modules, without those of folders or places that are allowed."""
    return {m.place for m in modules if m.folder not in allowed and m.place not in allowed}


def test_every_module_has_a_folder():
    top = {module.place for module in MODULES if not module.folder}
    assert top == {"__init__", "_compile", "path", "plotting"}


def test_folders_import_lower_floors():
    def goes_up(module, other):
        is_own = other.folder == module.folder
        return (
            module.name not in source.DOORS and not is_own and module.floor <= other.floor
        )

    assert not imports(goes_up)


def test_compiled_code_is_on_low_floors():
    above = [m for m in COMPILED if m.floor > source.HIGHEST_COMPILED]
    assert not places(above)


def test_what_is_compiled_is_in_the_key_of_the_cache(monkeypatch):
    """With all that it imports, for a constant is compiled into the code that reads it."""
    hashed, read_bytes = set(), Path.read_bytes

    def recorded(path):
        hashed.add(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", recorded)
    assert _compile._hash_sources() == _compile.SOURCES
    assert {m.path for m in source.with_imports(COMPILED)} <= hashed


def test_storage_is_asked_for_in_few_places():
    asking = filter(source.asks_for_storage, MODULES)
    assert places(asking, "data", "kernels/rows") == {
        "estimators/base",
        "kernels/vectors",
        "model_selection/coef_path",
        "plotting",
        "solvers/path/solve_path",
        "solvers/sgd/columns",
        "solvers/sgd/state",
        "solvers/working_set/cost_model",
        "solvers/working_set/newton",
        "solvers/working_set/subproblems",
    }


def test_penalties_and_kernels_alone_compute_with_strengths():
    computing = filter(source.computes_with_strengths, MODULES)
    assert places(computing, "penalties", "kernels") == {
        "objectives/optimality",
        "solvers/path/solve_path",
        "solvers/sgd/adagrad",
        "solvers/sgd/schedules",
        "solvers/sgd/sgd",
        "solvers/sgd/step_sizes",
        "solvers/working_set/newton",
        "solvers/working_set/subproblems",
        "solvers/working_set/quadratic",
        "solvers/working_set/row_model",
        "solvers/working_set/row_steps",
    }


def test_estimators_import_no_kernel():
    assert not imports(
        lambda m, other: (m.folder, other.folder) == ("estimators", "kernels")
    )


def test_every_module_has_a_test_file():
    """Of its own name, or of its folder's."""
    tested = {path.stem.removeprefix("test_") for path in TESTS.rglob("test_*.py")}
    named = [m for m in MODULES if m.path.stem != "__init__"]
    untested = [
        m for m in named if not tested & {m.path.stem.lstrip("_"), m.path.parent.name}
    ]
    assert places(untested) == {
        "model_selection/folds",
    }


def test_retired_words_stay_away():
    found = {(m.place, name) for m in MODULES for name in source.names(m) & RETIRED}
    assert not found
