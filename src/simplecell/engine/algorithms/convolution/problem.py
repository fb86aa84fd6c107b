"""What a convolution asks for, brought to one form: three spatial axes, of which the last is the longest run in
memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from simplecell.engine.algorithms.convolution.pool_stage import Pool
from simplecell.ops.base import Spec
from simplecell.ops.convolution import Convolution
from simplecell.ops.pooling import AveragePool, MaxPool

Three = tuple[int, int, int]


@dataclass(frozen=True)
class ConvolutionProblem:
    """Extents as (depth, height, width); in one or two dimensions the first ones are 1. `ic` and `oc` count all
    groups."""

    n: int
    ic: int
    oc: int
    groups: int
    src: Three
    dst: Three
    kernel: Three
    strides: Three
    dilation: Three
    low: Three
    """padding before the first element of each axis"""
    high: Three
    pool: Pool | None = None
    """what follows the epilogue; dst is what is pooled, `stored` what is written"""

    @staticmethod
    def of(
        op: Convolution,
        src: tuple[int, ...],
        weights: tuple[int, ...],
        pool: MaxPool | AveragePool | None = None,
        across_images: bool = True,
    ) -> ConvolutionProblem | None:
        """The problem of `op` on arrays of these shapes; None for more than three spatial axes that matter.

        Axes of extent 1 are dropped (a picture of width 1 is a signal). A 1×1 kernel that visits every pixel does not
        see where a row or an image ends: it gets one long row, or one for each image if not `across_images` (where
        images are to be divided). A pool that follows does see it. Depthwise convolutions stay as they are: their
        windows slide row by row.
        """
        dst = op.output_spec(Spec(src), Spec(weights)).shape
        axes = [
            (i, o, k, s, d, p, w)
            for i, o, k, s, d, p, w in zip(
                src[1:-1],
                dst[1:-1],
                weights[:-2],
                op.strides,
                op.dilation,
                op.padding,
                pool.size if pool is not None else [1] * len(op.strides),
            )
        ]
        depthwise = op.groups == src[-1] > 1
        if not depthwise or len(axes) > 3:
            axes = [axis for axis in axes if not (axis[0] == axis[2] == 1 and axis[5] == (0, 0))]
        if len(axes) > 3:
            return None
        n = src[0]
        if pool is None and not depthwise and all(k == s == 1 and p == (0, 0) for _, _, k, s, _, p, _ in axes):
            n, pixels = (1, prod(src[:-1])) if across_images else (n, prod(src[1:-1]))
            axes = [(pixels, pixels, 1, 1, 1, (0, 0), 1)]
        axes = [(1, 1, 1, 1, 1, (0, 0), 1)] * (3 - len(axes)) + axes
        i, o, k, s, d, p, w = zip(*axes)
        d = tuple(1 if kk == 1 else dd for kk, dd in zip(k, d))
        stage = Pool("max" if isinstance(pool, MaxPool) else "average", w) if pool is not None else None
        return ConvolutionProblem(
            n, src[-1], weights[-1], op.groups, i, o, k, s, d, tuple(q[0] for q in p), tuple(q[1] for q in p), stage
        )

    @property
    def taps(self) -> int:
        return prod(self.kernel)

    @property
    def pixels(self) -> int:
        """of dst, in all images"""
        return self.n * prod(self.dst)

    @property
    def stored(self) -> Three:
        """extents of what is written: dst, or its whole windows"""
        if self.pool is None:
            return self.dst
        d, h, w = (o // size for o, size in zip(self.dst, self.pool.size))
        return d, h, w

    def for_images(self, n: int) -> ConvolutionProblem:
        """The same for `n` images. (Not for kernels of one tap, whose images are one long row.)"""
        return replace(self, n=n)

    def without_pool(self) -> ConvolutionProblem:
        """The convolution of all that is pooled, without what is left over behind the last window of an axis."""
        if self.pool is None:
            return self
        d, h, w = (o // size * size for o, size in zip(self.dst, self.pool.size))
        return replace(self, dst=(d, h, w), pool=None)

    @property
    def padded(self) -> bool:
        return any(self.low) or any(self.high)

    @property
    def flops(self) -> int:
        return 2 * self.pixels * self.oc * self.taps * (self.ic // self.groups)

    @property
    def nbytes(self) -> int:
        """What must be moved at least: every array once."""
        return 4 * (
            self.n * (prod(self.src) * self.ic + prod(self.stored) * self.oc)
            + self.taps * self.ic // self.groups * self.oc
        )

    def __str__(self) -> str:
        def extents(values: Three) -> str:
            kept = values[next((i for i in range(3) if self.src[i] > 1 or self.kernel[i] > 1), 2) :]
            return "×".join(map(str, kept))

        words = [f"{extents(self.src)} {self.ic}→{self.oc}", extents(self.kernel)]
        if self.strides != (1, 1, 1):
            words.append(f"stride {extents(self.strides)}")
        if self.dilation != (1, 1, 1):
            words.append(f"dilation {extents(self.dilation)}")
        if self.groups > 1:
            words.append(f"{self.groups} groups")
        if self.n > 1:
            words.append(f"batch {self.n}")
        if self.pool is not None:
            words.append(f"pooled to {extents(self.stored)}")
        return ", ".join(words)
