"""The choice for a gradient for the input: as for a convolution, or by phases where there are strides."""

from __future__ import annotations

import pytest

from simplecell import ops
from simplecell.engine.algorithms.convolution.gradient_src.table import ALGORITHMS
from simplecell.engine.algorithms.convolution.gradient_src.turned.algorithm import Turned
from simplecell.engine.host import target
from simplecell.engine.plan import stages
from simplecell.engine.planning.algorithm import Choice
from simplecell.engine.run.program import Step
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc
from simplecell.precision import Precision
from tests.engine.harness import available_targets

TURNED = {a.name for a in ALGORITHMS if isinstance(a, Turned)}
ON = next(name for name in ("avx512", "avx2", "x86-64", "neon", "generic") if name in available_targets())


def planned(
    stride: int, channels: int = 64, padding: int = 1, precision: Precision = "fast"
) -> tuple[Choice, tuple[Step, ...]]:
    """The choice for a gradient of 3×3 kernels, and the steps that run."""
    op = ConvolutionGradientSrc((16, 16), (stride, stride), ((padding,) * 2,) * 2, (1, 1), 1)
    size = (16 + 2 * padding - 3) // stride + 1
    diff, weights = placeholder(Spec((4, size, size, channels))), placeholder(Spec((3, 3, channels, channels)))
    made = stages(Graph.of([diff, weights], [ops.apply(op, diff, weights)]), target(ON), 1, precision)
    (choice,) = made.choices.values()
    return choice, made.program.run


def test_without_strides_the_table_of_convolutions_decides() -> None:
    choice, steps = planned(1)
    x, w = placeholder(Spec((4, 16, 16, 64))), placeholder(Spec((3, 3, 64, 64)), "w", "parameter")
    forward = Graph.of([x, w], [ops.apply(Convolution((1, 1), ((1, 1), (1, 1)), (1, 1)), x, w)])
    (same,) = stages(forward, target(ON), 1, "fast").choices.values()
    assert choice.algorithm.name == same.algorithm.name and choice.cost == same.cost
    assert {c for c in same.considered if c.name in TURNED} <= set(choice.considered)
    assert "turn weights" in [s.algorithm for s in steps]
    (step,) = (s for s in steps if s.algorithm.startswith(choice.algorithm.name))
    assert step.predicted == choice.cost and step.considered == choice.considered


@pytest.mark.parametrize(("stride", "padding", "why"), [(2, 1, "it has strides"), (1, 3, "padded with more")])
def test_phases_take_what_is_no_convolution(stride: int, padding: int, why: str) -> None:
    choice, steps = planned(stride, padding=padding)
    assert choice.algorithm.name == "phases" and choice.cost > 0
    by_name = {c.name: str(c.refusal) for c in choice.considered}
    assert all(why in by_name[name] for name in TURNED)
    assert sum("phase" in s.reason for s in steps) == stride**2


def test_exact_sums_directly() -> None:
    choice, steps = planned(1, precision="exact")
    assert choice.algorithm.name == "direct" and any(s.algorithm.startswith("direct") for s in steps)
