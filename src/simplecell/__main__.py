"""`python -m simplecell SCRIPT.py [ARGS]` runs a script as `simplecell run` does; without a script, the same commands as `simplecell`."""

from __future__ import annotations

import sys


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1].endswith(".py"):
        from simplecell.cli.script import run_script

        run_script(sys.argv[1], sys.argv[2:])
    else:
        from simplecell.cli import main as commands

        commands(prog_name="python -m simplecell")


if __name__ == "__main__":
    main()
