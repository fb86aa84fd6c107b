"""From the natural shape of a filter to the shape of a layer's kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .hand_made import named

Array = NDArray[np.float32]


@dataclass(frozen=True)
class KernelLayout:
    """How a layer's kernel is laid out, and what is known of it.

    `filters` is the number of filters that each input channel takes part in (for a depthwise layer, its depth
    multiplier), `channels` that of the input channels that one filter sees, None before the layer is built. `order`
    says which of the two comes first in the kernel's last two axes.
    """

    layer: str
    kernel_size: tuple[int, ...]
    channels: int | None
    filters: int
    order: str = "channels, filters"

    @property
    def rank(self) -> int:
        return len(self.kernel_size)

    @property
    def transposed(self) -> bool:
        return self.order == "filters, channels"

    def shape(self, channels: int) -> tuple[int, ...]:
        """The kernel's shape when one filter sees `channels` channels."""
        return (
            (*self.kernel_size, self.filters, channels)
            if self.transposed
            else (*self.kernel_size, channels, self.filters)
        )

    def expectation(self) -> str:
        """The shapes that `resolve` accepts, in words, for error messages."""
        size = " × ".join(map(str, self.kernel_size))
        channels = "channels" if self.channels is None else str(self.channels)
        full = ", ".join(map(str, self.kernel_size)) + (
            f", {self.filters}, {channels}" if self.transposed else f", {channels}, {self.filters}"
        )
        one = f"{size}" + (f" (or {size} × {channels})" if self.channels != 1 else "")
        wanted = (
            f"one filter of {one}, or a name"
            if self.filters == 1
            else f"a list of {self.filters} filters of {one}, or names"
        )
        return f"{self.layer} expects {wanted}, or a whole kernel of shape ({full})"


def resolve(value: Any, layout: KernelLayout) -> tuple[Array, bool]:
    """The kernel, in the layer's shape, that `value` describes, and whether it is for any number of channels.

    A kernel for any number of channels has one channel, to be repeated; with `layout.channels` known it has been.

    Raises:
        ValueError: with what was expected and what came.
        TypeError: if it holds no numbers.
    """
    plain = None if _holds_names(value) else _numbers(value, layout)
    if plain is not None and _is_whole(plain.shape, layout) and not _lists_filters(value, layout):
        return plain, False
    if isinstance(value, str):
        items: list[Any] = [value]
    elif plain is not None and plain.shape == layout.kernel_size:
        items = [plain]
    elif plain is not None and layout.filters == 1 and plain.shape[:-1] == layout.kernel_size:
        items = [plain]
    elif isinstance(value, Sequence) and (plain is None or plain.ndim > layout.rank):
        items = list(value)
    elif plain is not None and plain.ndim > layout.rank:
        items = list(plain)
    else:
        raise ValueError(f"kernel: {layout.expectation()}; received {_came(plain)}")
    if len(items) != layout.filters:
        of_filters = (
            plain.shape == layout.kernel_size
            if plain is not None
            else _holds_names(value) or any(isinstance(v, np.ndarray) for v in items)
        )
        came = f"{len(items)} filter{'' if len(items) == 1 else 's'}" if of_filters else _came(plain)
        raise ValueError(f"kernel: {layout.expectation()}; received {came}")
    filters = [_one(item, i, layout) for i, item in enumerate(items)]
    seen = {f.shape[-1] for f in filters} - {1}
    if len(seen) > 1:
        raise ValueError(
            f"kernel: {layout.expectation()}; received filters for {' and for '.join(map(str, sorted(seen)))} channels"
        )
    channels = layout.channels or max(seen, default=1)
    whole = np.stack([np.broadcast_to(f, (*layout.kernel_size, channels)) for f in filters], axis=-1)
    return np.ascontiguousarray(
        np.moveaxis(whole, -1, -2) if layout.transposed else whole
    ), layout.channels is None and not seen


def _lists_filters(value: Any, layout: KernelLayout) -> bool:
    """A list of arrays is a list of filters, also where their shapes happen to add up to a whole kernel."""
    return (
        isinstance(value, (list, tuple))
        and len(value) == layout.filters
        and all(isinstance(v, np.ndarray) and v.shape[: layout.rank] == layout.kernel_size for v in value)
    )


def _came(plain: Array | None) -> str:
    return "rows of different lengths" if plain is None else f"shape {plain.shape}"


def _holds_names(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, Sequence) and any(_holds_names(v) for v in value))


def _is_whole(shape: tuple[int, ...], layout: KernelLayout) -> bool:
    if len(shape) != layout.rank + 2:
        return False
    channels = shape[-1] if layout.transposed else shape[-2]
    return channels > 0 and shape == layout.shape(channels) and layout.channels in (None, channels)


def _numbers(value: Any, layout: KernelLayout) -> Array | None:
    """`value` as an array; None if it is a sequence of filters of different shapes."""
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    if array.dtype == object and isinstance(value, Sequence):
        return None
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"kernel: {layout.expectation()}; received {type(value).__name__} of {array.dtype}, which holds no real "
            "numbers"
        )
    result = array.astype(np.float32)
    if not np.isfinite(result).all():
        raise ValueError(
            f"kernel: expected finite numbers, received {array[~np.isfinite(result)].flat[0]!s} among them"
        )
    return result


def _one(item: Any, index: int, layout: KernelLayout) -> Array:
    """One filter with a last axis of channels (1 where the same filter looks at every channel)."""
    if isinstance(item, str):
        array = named(item, layout.rank)
        if array.shape != layout.kernel_size:
            size = " × ".join(map(str, array.shape))
            raise ValueError(
                f"kernel: the filter {item!r} is {size}, and {layout.layer} has kernel_size {layout.kernel_size}; make "
                "the layer with kernel_size=3"
            )
        return array[..., None]
    numbers = None if _holds_names(item) else _numbers(item, layout)
    shape = None if numbers is None else numbers.shape
    if numbers is not None and shape == layout.kernel_size:
        return numbers[..., None]
    if (
        numbers is not None
        and numbers.ndim == layout.rank + 1
        and shape is not None
        and shape[:-1] == layout.kernel_size
    ):
        if layout.channels is None or shape[-1] in (1, layout.channels):
            return numbers
    raise ValueError(
        f"kernel: {layout.expectation()}; received {_came(numbers)}"
        + (f" for filter {index}" if layout.filters > 1 else "")
    )
