"""Errors of code that asks a value which is still to come for what only a known one could tell."""

from __future__ import annotations


class Untraceable(Exception):
    """Python code asked for what is not known while it is being traced. Subclasses are the exceptions that Python has
    for each case."""


class UnknownValue(Untraceable, TypeError):
    """A number or truth value."""


class UnknownShape(Untraceable, ValueError):
    """A shape that depends on values."""


class UnknownMask(Untraceable, IndexError):
    """Which elements a mask selects."""
