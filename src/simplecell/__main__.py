"""`python -m simplecell SCRIPT.py [ARGS]` runs a script as `simplecell run` does; without a script, the same commands
as `simplecell`."""

from __future__ import annotations

import sys

from simplecell.cli import main

if __name__ == "__main__":
    words = sys.argv[1:]
    script = words[:1] and words[0].endswith(".py")
    main(["run", *words] if script else words, prog_name="python -m simplecell")
