"""graph → `Program`: the stages of `planning`, with the families of `algorithms`."""

from __future__ import annotations

from simplecell.engine.algorithms.families import FAMILIES as FAMILIES  # they register themselves
from simplecell.engine.planning import plan as planning
from simplecell.engine.planning.plan import Stages
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.program import Program
from simplecell.engine.target import Target
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Placeholder
from simplecell.precision import Precision

SHARED_CACHE = 32 * 2**20
"""bytes of the last-level cache that one program may count on"""


def plan(graph: Graph, target: Target, threads: int, precision: Precision, tune: bool = False) -> Program:
    """The program for a graph. Nothing is compiled here: that is `machine`'s, when the program is bound."""
    return stages(graph, target, threads, precision, tune).program


def stages(graph: Graph, target: Target, threads: int, precision: Precision, tune: bool = False) -> Stages:
    """The program and what it was made from."""
    ops = [(t.node.op, t.spec.nbytes) for t in graph.inputs]
    weights = sum(nbytes for op, nbytes in ops if isinstance(op, Placeholder) and op.role == "parameter")
    return planning.stages(graph, Setting(target, threads, precision, tune, weights > SHARED_CACHE))
