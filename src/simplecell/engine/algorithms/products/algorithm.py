"""What an algorithm for matrix products answers, besides what every algorithm does."""

from __future__ import annotations

from typing import Any, ClassVar

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.steps import append
from simplecell.engine.algorithms.products.problem import Product
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.algorithm import Algorithm, Plan
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.program import Considered, predicted_ns


class ProductAlgorithm(Algorithm[Product]):
    """One way to compute products. The first in the table that does not refuse is taken."""

    decisive = True

    def cost(self, problem: Product, setting: Setting) -> float:
        return predicted_ns(problem.flops, problem.nbytes)

    def append(self, ctx: Lowering, group: Group, problem: Product, considered: tuple[Considered, ...]) -> None:
        """The steps of a product that it does not refuse."""
        raise NotImplementedError


class PointwiseAlgorithm(ProductAlgorithm):
    """Rows by a matrix of parameters, as a 1×1 convolution whose weights are packed when the parameters change."""

    convolution: ClassVar[ConvolutionAlgorithm]
    remark: ClassVar[str] = ""
    """what `describe` says about it"""

    def append(self, ctx: Lowering, group: Group, problem: Product, considered: tuple[Considered, ...]) -> None:
        rows = problem.pointwise()
        assert rows is not None
        append(ctx, group, rows, self.convolution, f"{problem.m} rows by parameters{self.remark}", considered)


class KernelAlgorithm(ProductAlgorithm):
    """One kernel, which reads both operands where they lie."""

    def plan(self, problem: Product, setting: Setting, epilogue: Epilogue) -> Plan[Any]:
        """Kernel, schedule and scratch for a product that it does not refuse."""
        raise NotImplementedError

    def append(self, ctx: Lowering, group: Group, problem: Product, considered: tuple[Considered, ...]) -> None:
        a, b = group.anchor.inputs
        epilogue, operands = ctx.epilogue(group)
        plan = self.plan(problem, ctx.setting, epilogue)
        given: dict[str, Any] = plan.schedule.arguments() | operands
        if plan.scratch_bytes:
            given |= ctx.scratch(plan.scratch_bytes)
        first, second = (b, a) if problem.swapped else (a, b)
        ctx.step(
            plan.kernel,
            algorithm=plan.title,
            reason=plan.reason,
            considered=considered,
            shapes=str(problem),
            flops=problem.flops,
            nbytes=a.spec.nbytes + b.spec.nbytes + group.output.spec.nbytes,
            a=ctx.address(first),
            b=ctx.address(second),
            dst=ctx.address(group.output),
            **given,
        )
