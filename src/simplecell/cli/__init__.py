"""The command line: one command per file, each loaded when it is called."""

from .main import main

__all__ = ["main"]
