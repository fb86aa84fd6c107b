"""`simplecell run SCRIPT.py [ARGS]`."""

from __future__ import annotations

import click


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": ["-h", "--help"]})
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(script: str, arguments: tuple[str, ...]) -> None:
    """Run SCRIPT with its ARGUMENTS, with Keras on simplecell.

    The script stays as it is: its `import keras` finds simplecell in the place of Keras's backend.
    """
    from simplecell.cli.script import run_script

    run_script(script, arguments)
