"""Opens the files that travel inside the package."""

from __future__ import annotations

from importlib.resources import files
from typing import IO


def open_sample(name: str) -> IO[bytes]:
    """The embedded file `name`, opened for reading; works from a zip as well as from a folder."""
    return files(__package__).joinpath("files", name).open("rb")
