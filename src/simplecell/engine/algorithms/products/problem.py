"""Which product of matrices is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.ops.base import Spec
from simplecell.ops.convolution import Convolution
from simplecell.ops.linear import MatMul


@dataclass(frozen=True)
class BatchAxis:
    """Its extent, and the elements from one matrix of a (of b) to the next; 0 repeats one matrix."""

    extent: int = 1
    a: int = 0
    b: int = 0


@dataclass(frozen=True)
class Product:
    """op(a) · op(b): `(m, k)` by `(k, n)`, with the batch axes joined into two. `swapped`: a stands for the op's second
    operand and b for its first."""

    m: int
    n: int
    k: int
    transpose_a: bool
    transpose_b: bool
    outer: BatchAxis = BatchAxis()
    inner: BatchAxis = BatchAxis()
    swapped: bool = False
    packable: bool = False
    """Is b a single matrix that depends on parameters alone? It may be brought into another form when they change."""
    whole_m: int | None = None
    """m for the whole batch, where `m` is that of some of its images; None where the whole batch is no single product.
    What decides about bits looks at it."""

    @property
    def batch(self) -> int:
        """How many products of two matrices there are."""
        return self.outer.extent * self.inner.extent

    @property
    def flops(self) -> int:
        return 2 * self.batch * self.m * self.n * self.k

    @property
    def nbytes(self) -> int:
        """of both operands and the result"""
        a, b = (prod(x.extent for x in (self.outer, self.inner) if getattr(x, side)) for side in "ab")
        return 4 * (a * self.m * self.k + b * self.k * self.n + self.batch * self.m * self.n)

    def __str__(self) -> str:
        text = f"{self.m}×{self.k}{'ᵀ' * self.transpose_a} · {self.k}×{self.n}{'ᵀ' * self.transpose_b}"
        return text if self.batch == 1 else f"{text}, batch {self.batch}"

    @staticmethod
    def of(op: MatMul, a: Spec, b: Spec, given: bool = False, whole: Spec | None = None) -> Product | str:
        """The product of two arrays, or why its batch axes cannot be joined.

        Args:
            given: b depends on parameters alone.
            whole: `a` for the whole batch, where that is some of its images.
        """
        m, k = a.shape[-2:] if not op.transpose_a else a.shape[:-3:-1]
        n = b.shape[-2] if op.transpose_b else b.shape[-1]
        lead_a, lead_b = a.shape[:-2], b.shape[:-2]
        outer = inner = BatchAxis()
        if prod(lead_b) == 1 and not op.transpose_a:
            m *= prod(lead_a)  # one matrix for all: the rows of all batches are one tall matrix
        else:
            axes = joined_axes(lead_a, lead_b, m * k, k * n)
            if len(axes) > 2:
                return f"the batch axes {lead_a} and {lead_b} broadcast in more than two runs"
            outer, inner = [BatchAxis()] * (2 - len(axes)) + axes
        of_all = None if whole is None else Product.of(op, whole, b, given)
        if n == 1 and m > 1:
            # A matrix times a column, as the same row times the transposed matrix: vectors then run along the many
            # results.
            outer, inner = (BatchAxis(x.extent, x.b, x.a) for x in (outer, inner))
            m, n, transposed, swapped = 1, m, (False, not op.transpose_a), True
        else:
            transposed, swapped = (op.transpose_a, op.transpose_b), False
        whole_m = m if whole is None else of_all.m if isinstance(of_all, Product) else None
        packable = given and len(b.shape) == 2 and not swapped
        return Product(m, n, k, *transposed, outer, inner, swapped, packable, whole_m)

    def pointwise(self, m: int | None = None) -> ConvolutionProblem | None:
        """Rows by a matrix that can be packed, as a 1×1 convolution; None for other products. `m`: so many rows."""
        if not self.packable or self.transpose_a or self.transpose_b or self.swapped:
            return None
        rows = self.m if m is None else m
        return ConvolutionProblem.of(Convolution((1,), ((0, 0),), (1,)), (1, rows, self.k), (1, self.k, self.n))


def joined_axes(lead_a: Sequence[int], lead_b: Sequence[int], size_a: int, size_b: int) -> list[BatchAxis]:
    """The batch axes of operands of these sizes, neighbours joined where both operands go evenly through them."""
    rank = max(len(lead_a), len(lead_b))
    lead_a, lead_b = (1,) * (rank - len(lead_a)) + tuple(lead_a), (1,) * (rank - len(lead_b)) + tuple(lead_b)
    axes: list[BatchAxis] = []
    for i, (p, q) in enumerate(zip(lead_a, lead_b)):
        extent = p if q == 1 else q
        if extent == 1:
            continue
        stride_a = size_a * prod(lead_a[i + 1 :]) if p > 1 else 0
        stride_b = size_b * prod(lead_b[i + 1 :]) if q > 1 else 0
        last = axes[-1] if axes else None
        if last is not None and last.a == stride_a * extent and last.b == stride_b * extent:
            axes[-1] = BatchAxis(last.extent * extent, stride_a, stride_b)
        else:
            axes.append(BatchAxis(extent, stride_a, stride_b))
    return axes
