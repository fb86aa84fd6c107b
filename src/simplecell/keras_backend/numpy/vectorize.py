"""A function of single values, applied to arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src.backend.common.backend_utils import vectorize_impl

from simplecell.keras_backend.control_flow import vectorized_map
from simplecell.keras_backend.dispatch import symbolic


def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        if symbolic(*args):
            mapped = vectorize_impl(pyfunc, _map_over_first_axis, excluded=excluded, signature=signature)
            return mapped(*args, **kwargs)
        return np.vectorize(pyfunc, excluded=excluded, signature=signature)(*args, **kwargs)

    return function


def _map_over_first_axis(function: Callable[..., Any], in_axes: Any = 0) -> Callable[..., Any]:
    def mapped(*args: Any) -> Any:
        axes = in_axes if isinstance(in_axes, (tuple, list)) else [in_axes] * len(args)
        over = [i for i, axis in enumerate(axes) if axis is not None]

        def one(elements: Any) -> Any:
            filled = list(args)
            for i, element in zip(over, elements):
                filled[i] = element
            return function(*filled)

        return vectorized_map(one, tuple(args[i] for i in over))

    return mapped
