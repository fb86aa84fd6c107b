"""Hand-made filters, and how to put them into a layer.

`named` and `names` need NumPy alone; `set_kernel` brings Keras in on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .hand_made import named, names

if TYPE_CHECKING:
    from .kernels import set_kernel

__all__ = ["named", "names", "set_kernel"]


def __getattr__(name: str) -> Any:
    if name != "set_kernel":
        raise AttributeError(f"module 'simplecell.filters' has no attribute {name!r}")
    from importlib import import_module

    value = import_module("simplecell.filters.kernels").set_kernel
    globals()[name] = value
    return value
