"""Starts Python on somebody's script, with simplecell in the place of Keras's backend.

The script runs as `python` itself runs it, because `python` itself does: this process becomes that Python (`exec`).
What is added is the folder `startup/` at the head of PYTHONPATH, whose `sitecustomize` Python imports before anything
of the script's. Tracebacks, exit codes, signals, `__main__`, `sys.argv`, `sys.path`, `-`, folders and archives are
therefore Python's own, and the processes that the script starts in its turn inherit the environment, and with it
simplecell.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from simplecell.keras_backend.install import OVERRIDDEN

STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")
RUN = "SIMPLECELL_RUN"
"""Set in the processes of `simplecell run`: for which Python. Another one that the script starts stays as it is."""


def run_python(arguments: Sequence[str]) -> NoReturn:
    """`python ARGUMENTS` on simplecell: Python's options, a script (or `-`, `-m NAME`, `-c CODE`), the script's
    options.

    Does not return.
    Options that this Python was started with (`python -O -m simplecell script.py`) hold for the script, too.
    """
    command = [sys.executable, *python_options(sys.orig_argv[1:]), *arguments]
    refused = [option for option in python_options(command[1:]) if option in ("-E", "-I", "-S")]
    if refused:
        print(
            f"simplecell run: Python's option {refused[0]} keeps simplecell out, "
            "which comes in by PYTHONPATH and `sitecustomize`. "
            "Leave it out, or write `import simplecell` above the script's `import keras`.",
            file=sys.stderr,
        )
        sys.exit(2)
    environment = {name: value for name, value in with_simplecell(os.environ).items() if name != OVERRIDDEN}
    if os.name == "nt":  # where exec leaves its caller behind
        import signal
        import subprocess

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the script's
        sys.exit(subprocess.call(command, env=environment))
    os.execve(command[0], command, environment)


def with_simplecell(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, with what makes a Python that is started in it run Keras on simplecell."""
    before = environment.get("PYTHONPATH")
    entries = [entry for entry in before.split(os.pathsep) if entry != STARTUP] if before else []
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join([STARTUP, *entries]),
        RUN: f"{sys.implementation.cache_tag} {sys.prefix}",
    }


def python_options(words: Iterable[str]) -> list[str]:
    """The options at the head of Python's command line, one by one.

    Of `-uO -W error -m name -v`, they are `-u`, `-O` and `-Werror`.
    """
    found: list[str] = []
    words = iter(words)
    for word in words:
        if word == "--check-hash-based-pycs":
            found += [word, next(words, "")]
        elif word in ("-", "--") or not word.startswith("-"):
            break
        elif word.startswith("--"):
            found.append(word)
        else:
            for place, letter in enumerate(word[1:], 1):
                if letter in "cm":
                    return found
                if letter in "WX":
                    found.append(f"-{letter}{word[place + 1 :] or next(words, '')}")
                    break
                found.append(f"-{letter}")
    return found
