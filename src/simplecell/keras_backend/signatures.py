"""Keras holds a backend's functions to its own signatures, in every way: ours must not show their annotations at run
time."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any


def unannotated(namespace: dict[str, Any], names: Iterable[str]) -> None:
    """Take the annotations off the functions of these names; type checkers have read them in the source."""
    for name in names:
        function = namespace[name]
        if isinstance(function, FunctionType):
            function.__annotations__ = {}
