"""How Sphinx builds the documentation: ``python -m sphinx -W docs docs/_build``."""

from __future__ import annotations

from importlib.metadata import version as installed_version

project = "atomodm"
author = "The atomodm authors"
copyright = "2026, the atomodm authors"
release = version = installed_version("atomodm")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
napoleon_use_ivar = True
# Docstrings name classes and functions in single backticks.
default_role = "code"

html_theme = "furo"
html_title = f"atomodm {release}"
