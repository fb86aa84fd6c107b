"""The script's own processes: those of `multiprocessing` are on simplecell whatever the script does to its environment.

The others (`subprocess` with Python) inherit the environment, and are on simplecell unless they are given another one.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from simplecell.cli.python import with_simplecell
from simplecell.keras_backend.after import after_import


def follow() -> None:
    """Called once in each process of `simplecell run`, at its start.

    Loads nothing: `multiprocessing` is changed when it is imported.
    """
    after_import("multiprocessing.util", _renew_before_each_start)


def _renew_before_each_start(util: ModuleType) -> None:
    # What spawn and forkserver call as they make the command line of a new Python, on every system.
    flags = util._args_from_interpreter_flags

    def renewed() -> Any:
        os.environ.update(with_simplecell(os.environ))
        return flags()

    util._args_from_interpreter_flags = renewed  # type: ignore[attr-defined]
