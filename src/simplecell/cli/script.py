"""Runs a Python file as Python itself would, after simplecell has taken its place under Keras."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence


def run_script(path: str, arguments: Sequence[str] = ()) -> None:
    """Runs the file as `__main__`: `sys.argv` is its own, its folder is the first place to import from, its exceptions and exits pass through."""
    import simplecell  # noqa: F401  (first: Keras then runs on it)

    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    runpy.run_path(path, run_name="__main__")
