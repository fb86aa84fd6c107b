"""The commands: each is found by its name, and its file loaded only then, so that `--help` is quick."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "run": "Run a Keras script that knows nothing of simplecell.",
    "tour": "From a filter made by hand to a network that learns its own: about a minute.",
}
"""Name → what it does, in one line. The command `x` is the function `command` in `cli/x.py`."""


class LazyGroup(click.Group):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"simplecell.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="simplecell", prog_name="simplecell")
def commands() -> None:
    """Convolutional networks you can see through: Keras on machine code made for this CPU."""
