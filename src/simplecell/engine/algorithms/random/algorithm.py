"""Random numbers."""

from __future__ import annotations

from simplecell.engine.algorithms.random.kernel import Random
from simplecell.engine.algorithms.random.schedule import RandomSchedule
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.random import RandomBits, RandomNormal, RandomUniform

_DISTRIBUTION = {RandomBits: "bits", RandomUniform: "uniform", RandomNormal: "normal"}
FLOPS = 40
"""of a number, roughly"""


@lowers(RandomBits, RandomUniform, RandomNormal)
def random(ctx: Lowering, group: Group) -> str | None:
    """Append the step that draws random numbers: a function of seed and position."""
    y = group.output
    ctx.step(
        Random(_DISTRIBUTION[type(group.anchor.op)]),
        algorithm="philox",
        shapes=str(y.spec),
        flops=FLOPS * y.spec.size,
        nbytes=y.spec.nbytes,
        seed=ctx.address(group.anchor.inputs[0]),
        dst=ctx.address(y),
        **RandomSchedule(y.spec.size).arguments(),
    )
    return None
