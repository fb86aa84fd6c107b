"""`simplecell run SCRIPT.py [ARGS]`: what `--help` says of it.

`main` hands the arguments to Python as they are, before anything here could read them.
"""

from __future__ import annotations

import click


@click.command(
    "run",
    options_metavar="[PYTHON'S OPTIONS]",
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": ["-h", "--help"],
    },
)
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(script: str, arguments: tuple[str, ...]) -> None:
    """Run SCRIPT with its ARGUMENTS as Python does, with Keras on simplecell.

    The script stays as it is: its `import keras` finds simplecell in the place of Keras's backend, whichever
    KERAS_BACKEND it (or the environment) asks for; that is said once. Processes that it starts run on simplecell, too.

    What Python takes in the script's place works as well: `-m MODULE`, `-c CODE`, `-` (standard input), a folder or
    an archive with a `__main__.py`; so do Python's options before it: `simplecell run -X dev -m pdb script.py`.
    """
    from simplecell.cli.python import run_python

    run_python([script, *arguments])
