"""Random numbers."""

from __future__ import annotations

from simplecell.engine.algorithms.random.kernel import Random
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.random import RandomBits, RandomNormal, RandomUniform

_DISTRIBUTION = {RandomBits: "bits", RandomUniform: "uniform", RandomNormal: "normal"}


@lowers(RandomBits, RandomUniform, RandomNormal)
def random(ctx: Lowering, group: Group) -> str | None:
    y = group.output
    ctx.step(
        Random(_DISTRIBUTION[type(group.anchor.op)]),
        seed=ctx.address(group.anchor.inputs[0]),
        dst=ctx.address(y),
        count=y.spec.size,
        algorithm="philox",
        shapes=str(y.spec),
        flops=40 * y.spec.size,
        nbytes=y.spec.nbytes,
    )
    return None
