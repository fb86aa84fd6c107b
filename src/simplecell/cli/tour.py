"""`simplecell tour`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("tour")
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("tour"),
    show_default=True,
    help="Folder for index.html and its PNGs.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="How often the network goes through its 5,000 images.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of the random filters and the order of the images.",
)
@click.option("--no-pictures", is_flag=True, help="Do not draw pictures in the terminal (the page has them).")
def command(output: Path, epochs: int, seed: int, no_pictures: bool) -> None:
    """From a filter made by hand to a network that learns its own.

    Five chapters in the terminal, and as a page with all its pictures. Everything runs offline, on data that came with
    the package. Exits with 1 if a claim that it tests on the way does not hold.
    """
    from simplecell.keras_backend.install import install

    install(insist=True)  # first: Keras then runs on it, whatever the environment says
    from simplecell.tour import run
    from simplecell.tour.terminal import console_for

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.BadParameter(f"cannot make the folder {output}: {error.strerror}", param_hint="--output") from error
    failed = run(output, epochs, seed, not no_pictures, console_for())
    if failed:
        raise click.ClickException("did not hold: " + "; ".join(failed))
