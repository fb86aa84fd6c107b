"""Which pooling is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.sliding import Sliding, sliding
from simplecell.graph.tensor import Tensor
from simplecell.ops.pooling import AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient

PoolOp = MaxPool | AveragePool | MaxPoolGradient | AveragePoolGradient


@dataclass(frozen=True)
class PoolProblem:
    """A pooling of float32, or its gradient."""

    function: str
    """`max` or `average`"""
    window: Sliding
    """from the pooling's src to its dst"""
    nbytes: int
    """that must be moved at least"""

    @property
    def disjoint(self) -> bool:
        """Do no two windows share a row or a plane?"""
        return all(a.stride >= a.taps for a in (self.window.depth, self.window.height))

    @staticmethod
    def of(op: PoolOp, src: Tensor, dst: Tensor, nbytes: int) -> PoolProblem | str:
        """The problem, or why it has no machine code. `src` and `dst`: shaped as those of the pooling."""
        if src.spec.dtype != "float32":
            return f"pooling: {src.spec.dtype} has no machine code, float32 has"
        if len(src.shape) > 5:
            return "pooling: more than 3 spatial axes"
        ones = (1,) * len(op.size)
        n, *spatial, channels = src.shape
        window = sliding(n, spatial, dst.shape[1:-1], op.size, op.strides, ones, op.padding, channels, channels)
        return PoolProblem("max" if isinstance(op, (MaxPool, MaxPoolGradient)) else "average", window, nbytes)
