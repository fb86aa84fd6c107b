"""The site: `pip install '.[docs]' && sphinx-build -W --keep-going -b html docs build/docs`. A broken link fails."""

from __future__ import annotations

import re
from importlib import import_module
from inspect import ismodule
from pathlib import Path
from typing import Any

from sphinx.util import logging

import simplecell

project = "simplecell"
author = "The simplecell authors"
version = release = simplecell.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = "simplecell"
root_doc = "index"
nitpicky = True
exclude_patterns = ["build"]

# Pages are Markdown, and so are docstrings: what stands in single backquotes is code.
default_role = "code"
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

_ROOT = Path(__file__).resolve().parent.parent


def _files_of_the_checkout(app: Any, docname: str, source: list[str]) -> None:
    """Files outside of `docs/` are named, not linked. A link to one that is not there is left, and fails."""

    def named(match: re.Match[str]) -> str:
        return f"`{match.group(1)}`" if (_ROOT / match.group(1).split("#")[0]).exists() else match.group(0)

    source[0] = re.sub(r"\[[^\]]*\]\(\.\./([^)\s]+)\)", named, source[0])


_CODE = re.compile(r"(`[^`]*`)")


def _docstring(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """An asterisk or a bar in a docstring is itself."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...", ":")):
            parts = _CODE.split(line)
            lines[i] = "".join(p if p.startswith("`") else re.sub(r"([*|])", r"\\\1", p) for p in parts)


_attributes: dict[str, list[str]] = {}


def _set_aside(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """What is said about an attribute is prose; napoleon would take the words before a colon for its type."""
    if what == "attribute":
        _attributes[name] = list(lines)
        lines.clear()


def _put_back(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:0] = _attributes.pop(name, [])


_PUBLIC = ("", ".data", ".filters", ".inspection", ".layers", ".ops", ".plotting")


def _is_complete(app: Any, env: Any) -> None:
    """Each public name is on the page: autodoc leaves those without a docstring out."""
    listed = {entry[0] for entry in env.domains["py"].get_objects()}
    for module in (import_module(f"simplecell{part}") for part in _PUBLIC):
        names = (n for n in module.__all__ if n != "__version__" and not ismodule(getattr(module, n)))
        for name in {f"{module.__name__}.{n}" for n in names} - listed:
            logging.getLogger(__name__).warning("api.md lacks %s, or it has no docstring", name)


def setup(app: Any) -> None:
    app.connect("env-check-consistency", _is_complete)
    app.connect("autodoc-process-docstring", _set_aside, priority=100)
    app.connect("autodoc-process-docstring", _put_back, priority=800)
    app.connect("source-read", _files_of_the_checkout)
    app.connect("autodoc-process-docstring", _docstring, priority=900)
