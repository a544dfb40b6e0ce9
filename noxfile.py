"""Checks in fresh environments: ``nox`` runs all of them, ``nox -s tests`` one."""

from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
PYTHONS = ["3.11", "3.12", "3.13"]


def _cache_in(session):
    """Keep compiled code apart from that of other environments."""
    session.env["NUMBA_CACHE_DIR"] = session.create_tmp()


@nox.session(python=PYTHONS)
def tests(session):
    """Run the tests; arguments after ``--`` go to pytest."""
    _cache_in(session)
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def tests_nojit(session):
    """Run the tests as plain Python, which shows the lines that no test reaches."""
    session.install("-e", ".[test]", "pytest-cov")
    coverage = ("--cov=skreg", "--cov-branch", "--cov-report=term-missing")
    arguments = ("python", "-m", "pytest", *coverage, *session.posargs)
    session.run(*arguments, env={"NUMBA_DISABLE_JIT": "1"})


@nox.session
def lint(session):
    """Check style and format."""
    session.install("ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typing(session):
    """Check types."""
    session.install("-e", ".", "mypy")
    session.run("mypy")


@nox.session
def docs(session):
    """Build the documentation, which runs its examples, and check its snippets."""
    _cache_in(session)
    session.install("-e", ".[docs]")
    pages = sorted(str(path) for path in Path("docs").glob("*.rst"))
    doctest = ("-W", "error", "-m", "doctest", "-o", "NORMALIZE_WHITESPACE")
    session.run("python", *doctest, *pages)
    session.run("python", "-m", "sphinx", "-W", "--keep-going", "docs", "docs/_build/html")
