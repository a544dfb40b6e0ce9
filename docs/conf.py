"""Configuration of the documentation: ``python -m sphinx -W --keep-going docs OUT``."""

import os
import re
from pathlib import Path

import skreg
from skreg.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES
from skreg.solvers.sgd.schedules import SCHEDULES

os.environ.setdefault("MPLBACKEND", "Agg")

project = "skreg"
author = "The skreg developers"
project_copyright = "2026, The skreg developers"
version = release = skreg.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
default_role = "literal"
templates_path = ["_templates"]
exclude_patterns = ["_build", "examples", "**/README.txt"]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
# The style of docstrings is ruff's; numpydoc looks at what they must not leave out.
numpydoc_validation_checks = {
    "GL03", "GL06", "GL07", "GL08", "GL09", "SS01", "SS03", "PR01", "PR02", "PR03",
    "PR04", "PR06", "PR07", "PR10", "RT01", "RT03", "YD01",
}  # fmt: skip

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": (),
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "skreg"
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"**": []}


def _summary(definition):
    """Return the first line of a docstring as reStructuredText."""
    line = definition.__doc__.strip().splitlines()[0]
    return line.removeprefix("Return ").rstrip(".")


def write_tables(app):
    """Write the tables of losses and schedules, from the registries that fits read."""
    losses = [
        ("Estimator", "``loss``", "Formula", "Class"),
        *(
            (estimator, f'``"{name}"``', _summary(loss), f"``{loss.__name__}``")
            for estimator, registry in (
                ("regressor", REGRESSION_LOSSES),
                ("classifier", CLASSIFICATION_LOSSES),
            )
            for name, loss in registry.items()
        ),
    ]
    schedules = [
        ("``learning_rate``", "Multiple of the first step at step t"),
        *((f'``"{name}"``', _summary(f)) for name, f in SCHEDULES.items()),
    ]
    folder = Path(app.srcdir) / "generated"
    folder.mkdir(exist_ok=True)
    for name, rows in (("losses", losses), ("schedules", schedules)):
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for first, *others in rows:
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
        (folder / f"{name}.inc").write_text("\n".join(lines) + "\n")


def quote_attributes(app, what, name, obj, options, lines):
    """Quote attributes in shapes, whose trailing underscore would make them references."""
    lines[:] = [re.sub(r"\((\w+_),\)", r"(`\1`,)", line) for line in lines]


def setup(app):
    """Connect the functions above: tables before pages are read, quotes before numpydoc."""
    app.connect("builder-inited", write_tables)
    app.connect("autodoc-process-docstring", quote_attributes, priority=1)
