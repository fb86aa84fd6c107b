"""`simplecell tour`: from a filter made by hand to a network that learns its own, in the terminal and as a page."""

from .tour import run

__all__ = ["run"]
