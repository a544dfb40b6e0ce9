"""The disk cache: hit by a second process, missed after an edit, never fatal."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import skreg

PACKAGE = Path(skreg.__file__).parent
FIT = (
    "import numpy as np, skreg\n"
    "from skreg.kernels.epochs import step_on_full_rows\n"
    "X = np.random.RandomState(0).randn(30, 3)\n"
    "model = skreg.SGDRegularizedRegressor(solver='sgd', eta0=0.01, max_iter=2, tol=None)\n"
    "print(repr(model.set_params(shuffle=False).fit(X, X.sum(axis=1)).coef_.tolist()))\n"
    "stats = getattr(step_on_full_rows, 'stats', None)\n"
    "print(sum(stats.cache_hits.values()) if stats else None)\n"
)

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="nothing is compiled"
)


def run(code, folder, cache, *flags, **environment):
    """Run `code` in a fresh process that imports the package from `folder`."""
    environment = os.environ | {
        "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(cache), **environment,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, *flags, "-c", code],
        env=environment, cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A copy of the package with a warm cache, and what a fit printed."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(PACKAGE, folder / "skreg", ignore=shutil.ignore_patterns("__pycache__"))
    first = run(FIT, folder, folder / "cache").stdout.splitlines()
    assert first[1] == "0"
    return folder, first[0]


def test_second_process_hits(warm):
    folder, coef = warm
    assert run(FIT, folder, folder / "cache", "-Werror").stdout.splitlines() == [coef, "1"]


def test_edited_formula_misses(warm):
    """The kernel's own file stays the same; the loss is in another one."""
    folder, coef = warm
    losses = folder / "skreg" / "losses" / "regression.py"
    text = losses.read_text()
    assert "        return p - y\n" in text
    losses.write_text(
        text.replace("        return p - y\n", "        return 0.5 * (p - y)\n")
    )
    new, hits = run(FIT, folder, folder / "cache").stdout.splitlines()
    losses.write_text(text)
    assert hits == "0"
    assert new != coef


def test_cache_of_a_version_with_other_names_starts_over(warm):
    """Types of arguments are kept by name, and names may be gone after an update."""
    folder, coef = warm
    kernels = folder / "skreg" / "kernels" / "epochs.py"
    users = folder / "skreg" / "solvers" / "sgd"
    before = {path: path.read_text() for path in (kernels, *users.glob("*.py"))}
    for path, old in before.items():
        path.write_text(re.sub(r"\bPlan\b", "Schedule", old))
    assert "class Schedule(" in kernels.read_text()
    for hits in ("0", "1"):
        found = run(FIT, folder, folder / "cache", "-Werror").stdout.splitlines()
        assert found == [coef, hits]
    for path, old in before.items():
        path.write_text(old)
    run(FIT, folder, folder / "cache")  # warms the cache again, for the tests below


@pytest.mark.parametrize(
    "file", ["plotting.py", "solvers/sgd/sgd.py", "model_selection/grids.py"]
)
def test_other_edits_hit(warm, file):
    folder, coef = warm
    source = folder / "skreg" / file
    text = source.read_text()
    source.write_text(text + "# a remark\n")
    printed = run(FIT, folder, folder / "cache").stdout.splitlines()
    source.write_text(text)
    assert printed == [coef, "1"]


@pytest.mark.parametrize("folder", ["losses", "data", "kernels"])
def test_sources_of_compiled_code_are_hashed(folder, tmp_path):
    """In any subfolder."""
    shutil.copytree(PACKAGE, tmp_path / "skreg")
    before = run("from skreg._compile import SOURCES; print(SOURCES)", tmp_path, tmp_path)
    (tmp_path / "skreg" / folder / "sub").mkdir()
    (tmp_path / "skreg" / folder / "sub" / "more.py").write_text("x = 1\n")
    after = run("from skreg._compile import SOURCES; print(SOURCES)", tmp_path, tmp_path)
    assert before.stdout != after.stdout


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
def test_truncated_cache_is_compiled_anew(warm, tmp_path, ending):
    folder, coef = warm
    shutil.copytree(folder / "cache", tmp_path / "cache")
    files = list((tmp_path / "cache").rglob(f"*{ending}"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:40])
    result = run(FIT, folder, tmp_path / "cache")
    assert result.stdout.splitlines()[0] == coef
    assert result.stderr.count("skreg compiles in memory") == 1


def test_code_of_another_signature_is_not_used(tmp_path):
    """As happens when two processes give the same name to two files."""
    (tmp_path / "double.py").write_text(
        "from skreg._compile import compiled\n@compiled\ndef double(x):\n    return x + x\n"
    )
    code = (
        "from double import double\n"
        "print([double(3), double(0.25)], sum(double.stats.cache_hits.values()))\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{PACKAGE.parent}"}
    cache = tmp_path / "cache"
    for hits in (0, 2):
        printed = run(code, tmp_path, cache, **environment).stdout
        assert printed == f"[6, 0.5] {hits}\n"
    one, other = cache.rglob("double.double-*.nbc")
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert run(code, tmp_path, cache, **environment).stdout == "[6, 0.5] 0\n"
    assert run(code, tmp_path, cache, **environment).stdout == "[6, 0.5] 2\n"


def test_cache_that_cannot_be_written(warm, tmp_path):
    folder, coef = warm
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    result = run(
        FIT, folder, blocked / "cache", HOME=str(blocked), XDG_CACHE_HOME=str(blocked)
    )
    assert result.stdout.splitlines()[0] == coef


def test_without_compilation_the_fit_is_the_same(warm):
    folder, coef = warm
    for flag in ("NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"):
        plain = run(FIT, folder, folder / f"cache_{flag}", "-Werror", **{flag: "1"})
        for a, b in zip(eval(plain.stdout.splitlines()[0]), eval(coef), strict=True):
            assert abs(a - b) < 1e-12


def test_import_is_light(warm):
    folder, _ = warm
    code = (
        "import sys, sklearn.linear_model\n"
        "before = set(sys.modules)\n"
        "import skreg\n"
        "print({'matplotlib', 'pandas', 'dask'} & (set(sys.modules) - before))"
    )
    assert run(code, folder, folder / "cache").stdout.strip() == "set()"
