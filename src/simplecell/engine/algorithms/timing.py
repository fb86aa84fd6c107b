"""An op by itself, by one algorithm, on random arrays: what is timed when a program is tuned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np

from simplecell.engine.planning.algorithm import Algorithm, Choice
from simplecell.engine.planning.fuse import single
from simplecell.engine.planning.plan import alone
from simplecell.engine.planning.setting import Setting
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Node, placeholder
from simplecell.ops.base import Op, Spec

P = TypeVar("P")
Role = Literal["input", "parameter"]


def run_alone(
    op: Op, inputs: Sequence[tuple[tuple[int, ...], Role]], problem: P, setting: Setting, algorithm: Algorithm[P]
) -> Callable[[], object]:
    """A function that computes the op without an epilogue.

    Args:
        inputs: shapes of float32 arrays; what depends on parameters alone is not computed again in each run.
        problem: the op's, as its family's table takes it.
    """
    from simplecell.engine.run.runtime import Bound

    tensors = [placeholder(Spec(shape), role=role) for shape, role in inputs]
    group = single(Node.make(op, tuple(tensors)))
    choices = {group.output: Choice(problem, algorithm, 0.0, ())}
    program = alone(Graph.of(tensors, [group.output]), group, setting, choices)
    bound = Bound(program, setting.target, setting.threads)
    rng = np.random.default_rng(0)
    arrays = [(rng.standard_normal(shape, np.float32), role) for shape, role in inputs]
    out = np.empty(group.output.shape, np.float32)
    bound.prepare([a for a, role in arrays if role == "parameter"])
    given = [a for a, role in arrays if role == "input"]
    return lambda: bound.run(given, [out])
