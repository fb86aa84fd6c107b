"""Matrix products → steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.direct.schedule import direct_tile
from simplecell.engine.algorithms.convolution.matrix.algorithm import Matrix
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.steps import append
from simplecell.engine.algorithms.products.matmul.kernel import MatMul as MatMulKernel
from simplecell.engine.algorithms.products.matvec.kernel import MatVec
from simplecell.engine.code.tile import Tile, tiles
from simplecell.engine.planning.algorithm import DRAW
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.engine.target import Target
from simplecell.graph.tensor import Tensor
from simplecell.ops.base import Spec
from simplecell.ops.convolution import Convolution
from simplecell.ops.linear import MatMul

K_BLOCK = 256
"""Steps of k in a packed panel: 256 × 32 columns are 32 KB and stay in L1 (128×1024 · 1024×1024: 114 GFLOP/s with all
of k, 130 so)."""
UNITS = 8
"""Pieces of work to aim at, so that a few threads get equal shares; it must not depend on how many threads there
are."""
IN_PLACE_BYTES = 256 * 1024
"""Up to this size b is read where it lies. The panels of a larger one are copied: rows a power of two apart fall into
few sets of the caches (1024×1024, 128 rows: 65 GFLOP/s in place, 129 copied)."""

LEAST_MATRIX = 16
"""Rows, columns and depth of a product that is given to a matrix unit: fewer leave most of its tiles empty."""

MATVEC_COLUMNS = 64
"""Fewer columns keep their sums in registers from the first step of k to the last."""


@dataclass(frozen=True)
class Axis:
    """A batch axis: its extent, and the elements from one matrix of a (of b) to the next; 0 repeats one matrix."""

    extent: int = 1
    a: int = 0
    b: int = 0


@dataclass(frozen=True)
class Product:
    """op(a) · op(b), with the batch axes joined into two. `swapped`: a stands for the op's second operand and b for its
    first."""

    m: int
    n: int
    k: int
    transpose_a: bool
    transpose_b: bool
    outer: Axis = Axis()
    inner: Axis = Axis()
    swapped: bool = False

    @property
    def flops(self) -> int:
        return 2 * self.outer.extent * self.inner.extent * self.m * self.n * self.k

    def __str__(self) -> str:
        batch = self.outer.extent * self.inner.extent
        text = f"{self.m}×{self.k}{'ᵀ' * self.transpose_a} · {self.k}×{self.n}{'ᵀ' * self.transpose_b}"
        return text if batch == 1 else f"{text}, batch {batch}"

    @staticmethod
    def of(op: MatMul, a: Spec, b: Spec) -> Product | str:
        """The product of two arrays, or why its batch axes cannot be joined."""
        m, k = a.shape[-2:] if not op.transpose_a else a.shape[:-3:-1]
        n = b.shape[-2] if op.transpose_b else b.shape[-1]
        product = Product(m, n, k, op.transpose_a, op.transpose_b)
        lead_a, lead_b = a.shape[:-2], b.shape[:-2]
        if prod(lead_b) == 1 and not op.transpose_a:
            # One matrix for all: the rows of all batches are one tall matrix.
            product = replace(product, m=m * prod(lead_a))
        else:
            axes = joined_axes(lead_a, lead_b, m * k, k * n)
            if len(axes) > 2:
                return f"the batch axes {lead_a} and {lead_b} broadcast in more than two runs"
            axes = [Axis()] * (2 - len(axes)) + axes
            product = replace(product, outer=axes[0], inner=axes[1])
        return product._lying() if product.n == 1 and product.m > 1 else product

    def _lying(self) -> Product:
        """A matrix times a column as the same row times the transposed matrix: vectors then run along the many
        results."""
        outer, inner = (Axis(x.extent, x.b, x.a) for x in (self.outer, self.inner))
        return Product(1, self.m, self.k, False, not self.transpose_a, outer, inner, swapped=True)


def joined_axes(lead_a: Sequence[int], lead_b: Sequence[int], size_a: int, size_b: int) -> list[Axis]:
    """The batch axes of operands of these sizes, neighbours joined where both operands step evenly through them."""
    rank = max(len(lead_a), len(lead_b))
    lead_a, lead_b = (1,) * (rank - len(lead_a)) + tuple(lead_a), (1,) * (rank - len(lead_b)) + tuple(lead_b)
    axes: list[Axis] = []
    for i, (p, q) in enumerate(zip(lead_a, lead_b)):
        extent = p if q == 1 else q
        if extent == 1:
            continue
        stride_a = size_a * prod(lead_a[i + 1 :]) if p > 1 else 0
        stride_b = size_b * prod(lead_b[i + 1 :]) if q > 1 else 0
        last = axes[-1] if axes else None
        if last is not None and last.a == stride_a * extent and last.b == stride_b * extent:
            axes[-1] = Axis(last.extent * extent, stride_a, stride_b)
        else:
            axes.append(Axis(extent, stride_a, stride_b))
    return axes


def matmul_tile(target: Target, m: int, n: int) -> Tile:
    """The tile that takes the least time for m × n; rows that it leaves over go through tiles of four rows and of
    one."""
    shares = tiles(target)
    vectors = -(-n // target.lanes)

    def time(tile: Tile) -> float:
        total, left = 0.0, m
        for rows in dict.fromkeys((tile.pixels, *(h for h in (4, 1) if h < tile.pixels))):
            accumulators = rows * tile.vectors
            share = shares[tile] if rows == tile.pixels else min(0.9, accumulators / 10)
            total += left // rows * accumulators / share
            left %= rows
        return total * -(-vectors // tile.vectors)

    usable = [t for t in shares if t.pixels <= m and t.vectors <= max(vectors, 1)]
    best = min(map(time, usable))
    return next(t for t in usable if time(t) <= 1.03 * best)


@dataclass(frozen=True)
class Plan:
    """A kernel and its integer arguments."""

    algorithm: str
    kernel: MatMulKernel | MatVec
    arguments: dict[str, Any]
    scratch_bytes: int
    reason: str


def plan_matmul(product: Product, target: Target, epilogue: Any, threads: int = 1) -> Plan:
    """Which tile, how b is read, and the blocks: the one table of matrix products."""
    p = product
    if p.m == 1 and p.n >= MATVEC_COLUMNS and not p.transpose_b and p.outer.extent * p.inner.extent == 1:
        # The longer a stream the better; the sums of a chunk stay in L1.
        chunk = min(_rounded(-(-p.n // threads), target.lanes), 4096)
        return Plan(
            "matvec",
            MatVec(epilogue),
            {"n": p.n, "k": p.k, "chunk": chunk},
            0,
            "one row: b is read once, at the bandwidth of memory",
        )
    tile = matmul_tile(target, p.m, p.n)
    width = tile.vectors * target.lanes
    panels: Literal["direct", "copied", "transposed"]
    if p.transpose_b:
        panels, reason = "transposed", "b is transposed: panels are transposed into scratch"
    elif 4 * p.k * p.n <= IN_PLACE_BYTES:
        panels, reason = "direct", f"b has at most {IN_PLACE_BYTES >> 10} KB: read in place"
    elif p.m <= 2 * tile.pixels:
        panels, reason = (
            "direct",
            f"{p.m} rows are too few to pay for packing b: read in place, at the bandwidth of memory",
        )
    else:
        panels, reason = "copied", f"b has more than {IN_PLACE_BYTES >> 10} KB: panels are copied into scratch"
    blocked = p.k > 2 * K_BLOCK and p.m > tile.pixels
    k_block = K_BLOCK if blocked else max(p.k, 1)
    # A block of rows of a stays in L2 while all panels of b pass; where there are few panels the rows are divided among
    # the threads.
    m_block = max(target.l2 // 2 // (4 * max(p.k, 1)), 8 * tile.pixels)
    units = p.outer.extent * p.inner.extent * -(-p.n // width)
    if units < UNITS:
        m_block = min(m_block, -(-p.m * units // UNITS))
    m_block = _rounded(m_block, tile.pixels)
    kernel = MatMulKernel(tile, p.transpose_a, panels, p.n % width != 0, blocked, epilogue)
    arguments = {
        **{"m": p.m, "n": p.n, "k": p.k, "lda": p.m if p.transpose_a else p.k, "ldb": p.k if p.transpose_b else p.n},
        **{"m_block": m_block, "k_block": k_block, "outer": p.outer.extent, "inner": p.inner.extent},
        **{"a_outer": p.outer.a, "a_inner": p.inner.a, "b_outer": p.outer.b, "b_inner": p.inner.b},
    }
    scratch = MatMulKernel.scratch_bytes(tile, target.lanes, p.k, k_block) if panels != "direct" else 0
    return Plan(f"matmul {tile} {panels}", kernel, arguments, scratch, reason)


def _rounded(value: int, to: int) -> int:
    return -(-value // to) * to


def _pointwise(ctx: Lowering, p: Product, b: Tensor) -> ConvolutionProblem | None:
    """The product as a 1×1 convolution, whose weights are packed when they change, if that is best: with b a parameter,
    at least three rows, and a packed panel that stays in L2 from one tile of rows to the next, or is needed for two
    tiles at most.

    Measured on one core, ms, b in place or copied at each run, and packed (the sums are the same):

        rows × k · n           each run  packed        rows × k · n          each run  packed
        2 × 2048·1000              0.42    0.50        49 × 768·3072             2.33    1.36
        16 × 2048·1000             1.4     0.5         197 × 768·3072            6.84    5.43
        8 × 25088·4096           135      55           512 × 768·3072           19.8    14.4
        16 × 25088·4096          173     110           64 × 512·2048             1.32    0.79
        32 × 25088·4096          148     225           64 × 4096·4096           25.5    17.4
        3 × 20000·16               0.08    0.10        400 × 8192·1024          72      82
    """
    rows, lanes = _rows_by_parameters(ctx, p, b), ctx.target.lanes
    if rows is None or p.m < 3 or p.n < lanes or 4 * p.k * p.n <= IN_PLACE_BYTES:
        return None
    tile = direct_tile(rows, ctx.target)
    stays = 4 * p.k * tile.vectors * lanes <= ctx.target.l2 // 2
    return rows if stays or (p.m <= 2 * tile.pixels and p.n >= 4 * lanes) else None


def _rows_by_parameters(ctx: Lowering, p: Product, b: Tensor) -> ConvolutionProblem | None:
    """The product of rows and a matrix of parameters as a 1×1 convolution."""
    if not ctx.given(b) or len(b.shape) != 2 or p.transpose_a or p.transpose_b or p.swapped:
        return None
    return ConvolutionProblem.of(Convolution((1,), ((0, 0),), (1,)), (1, p.m, p.k), (1, p.k, p.n))


def _on_matrix_unit(ctx: Lowering, op: MatMul, a: Tensor, b: Tensor) -> bool:
    """Is the product faster on a matrix unit? Decided for the whole batch, since the bits are others."""
    whole = Product.of(op, ctx.whole(a).spec, b.spec)
    rows = None if isinstance(whole, str) else _rows_by_parameters(ctx, whole, b)
    if (
        rows is None
        or min(rows.dst[2], rows.ic, rows.oc) < LEAST_MATRIX
        or Matrix().refuses(rows, ctx.setting) is not None
    ):
        return False
    return Matrix().cost(rows, ctx.setting) < DRAW * Direct().cost(rows, ctx.setting)


@lowers(MatMul)
def matmul(ctx: Lowering, group: Group) -> str | None:
    """Append the one step of a matrix product."""
    op, (a, b) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, MatMul)
    if a.spec.dtype != "float32":
        return f"machine code is for float32, this is {a.spec.dtype}"
    if group.anchor.outputs[0].spec.size == 0:
        return "the result is empty"
    product = Product.of(op, a.spec, b.spec)
    if isinstance(product, str):
        return product
    if _on_matrix_unit(ctx, op, a, b):
        rows = _rows_by_parameters(ctx, product, b)
        assert rows is not None
        append(ctx, group, rows, Matrix(), f"{product.m} rows by parameters")
        return None
    rows = _pointwise(ctx, product, b)
    if rows is not None:
        append(ctx, group, rows, Direct(), f"{product.m} rows by parameters: they are packed when they change")
        return None
    epilogue, operands = ctx.epilogue(group)
    if product.swapped and "channel" in epilogue.kinds:
        return "an epilogue by columns of a matrix of one column"
    plan = plan_matmul(product, ctx.target, epilogue, ctx.threads)
    first, second = (b, a) if product.swapped else (a, b)
    scratch: dict[str, Any] = {**ctx.scratch(plan.scratch_bytes)} if plan.scratch_bytes else {}
    given: dict[str, Any] = {**plan.arguments, **operands, **scratch}
    ctx.step(
        plan.kernel,
        algorithm=plan.algorithm,
        reason=plan.reason,
        shapes=str(product),
        flops=product.flops,
        nbytes=a.spec.nbytes + b.spec.nbytes + group.output.spec.nbytes,
        a=ctx.address(first),
        b=ctx.address(second),
        dst=ctx.address(group.output),
        **given,
    )
    return None
