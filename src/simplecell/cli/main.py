"""`simplecell`, the program."""

from __future__ import annotations

import sys
from collections.abc import Sequence

HELP = ("-h", "--help")


def main(arguments: Sequence[str] | None = None, prog_name: str | None = None) -> None:
    """Does what the arguments (`sys.argv`'s, if None) say, and exits."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["run"] and words[1:] and words[1] not in HELP:
        from .python import run_python

        run_python(words[1:])
    from .commands import commands

    commands.main(words, prog_name)
