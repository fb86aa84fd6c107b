"""Arrays as loops see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.algorithms.loops.nest import broadcast_strides, dense_strides
from simplecell.engine.planning.lowering import Lowering
from simplecell.engine.run.program import Address
from simplecell.graph.tensor import Tensor
from simplecell.ops.dtypes import to_dtype


@dataclass(frozen=True)
class Operand:
    """An array as a loop sees it: address of its first element, a stride in elements for each axis of the loop (0:
    broadcast)."""

    address: Address
    strides: tuple[int, ...]
    dtype: str = "float32"


def tensor_strides(ctx: Lowering, tensor: Tensor) -> tuple[int, ...]:
    """Elements from one index to the next, for each axis: as the tensor lies in memory."""
    if ctx.placed(tensor):
        return dense_strides((*tensor.shape[:-1], ctx.pixel_stride(tensor)))
    return dense_strides(tensor.shape)


def operand(ctx: Lowering, tensor: Tensor, shape: Sequence[int]) -> Operand:
    """A tensor as an operand of a loop over `shape`, to which it broadcasts."""
    strides = tensor_strides(ctx, tensor) if tensor.shape == tuple(shape) else broadcast_strides(tensor.shape, shape)
    return Operand(ctx.address(tensor), strides, tensor.spec.dtype)


def as_moved(dtype: str) -> str | None:
    """The dtype as which values of `dtype` are moved about unread: one kernel for every type of a width."""
    return {1: "uint8", 2: "uint16", 4: "float32", 8: "float64"}.get(to_dtype(dtype).itemsize)
