"""Which algorithm computes a matrix product: one ordered table."""

from __future__ import annotations

from simplecell.engine.algorithms.products.algorithm import ProductAlgorithm
from simplecell.engine.algorithms.products.matmul.algorithm import InPanels
from simplecell.engine.algorithms.products.matrix_unit.algorithm import OnMatrixUnit
from simplecell.engine.algorithms.products.matvec.algorithm import OneRow
from simplecell.engine.algorithms.products.packed.algorithm import Packed
from simplecell.engine.algorithms.products.problem import Product
from simplecell.engine.planning.algorithm import Choice, choose
from simplecell.engine.planning.choices import Chooser, chooses
from simplecell.engine.planning.groups import AnchoredGroup, Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.graph.tensor import Tensor
from simplecell.ops.linear import MatMul

ALGORITHMS: tuple[ProductAlgorithm, ...] = (
    OnMatrixUnit(),
    Packed(),
    OneRow(),
    InPanels("transposed"),
    InPanels("direct"),
    InPanels("copied"),
)
"""In order of preference. All but the first sum in the same order, and give the same bits."""


@chooses(MatMul)
def chosen(chooser: Chooser, group: Group) -> Choice[Product] | None:
    """By which algorithm a product is computed; None if it has no machine code."""
    problem = _problem(group, chooser.facts.given(group.anchor.inputs[1]), group.anchor.inputs[0])
    return None if isinstance(problem, str) else choose(ALGORITHMS, problem, chooser.setting)


@lowers(MatMul)
def matmul(ctx: Lowering, group: Group) -> str | None:
    """Append the steps of a matrix product. Some images of a batch may be computed in another way than all of them,
    with the same bits."""
    a, b = group.anchor.inputs
    choice, whole = ctx.choice(group), ctx.whole(a)
    problem = choice.problem if choice is not None and whole is a else _problem(group, ctx.given(b), whole)
    if isinstance(problem, str):
        return problem
    if problem.swapped and isinstance(group, AnchoredGroup) and "channel" in group.epilogue.kinds:
        return "an epilogue by columns of a matrix of one column"
    if choice is None or choice.problem != problem:
        choice = choose(ALGORITHMS, problem, ctx.setting)
    assert isinstance(choice.algorithm, ProductAlgorithm)
    choice.algorithm.append(ctx, group, problem, choice.considered)
    return None


def _problem(group: Group, given: bool, whole: Tensor) -> Product | str:
    """The product that a group stands for, or why it has no machine code. `whole` is its first operand for the whole
    batch."""
    op, (a, b) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, MatMul)
    if a.spec.dtype != "float32":
        return f"machine code is for float32, this is {a.spec.dtype}"
    if group.anchor.outputs[0].spec.size == 0:
        return "the result is empty"
    return Product.of(op, a.spec, b.spec, given, None if whole is a else whole.spec)
