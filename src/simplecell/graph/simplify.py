"""Rewrites of a graph into a smaller one of the same values (up to rounding, where weights are folded).

Passes over the nodes, inputs first, until nothing changes. In each, every op goes through the rules of its kind in
`RULES`; then equal ops on equal inputs become one (common subexpressions). Nodes that nothing needs any more are gone
by themselves. Rules never compute a value twice that was computed once, and move work only from each call to when the
parameters change. Graphs with gradients may be simplified too, after `gradients` has been applied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from simplecell.graph.graph import Graph
from simplecell.graph.rewrites import constants, folding, identities, layout, padding, pooling, training
from simplecell.graph.rewrites.facts import Facts, Rule
from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor, absolute_scope
from simplecell.ops.base import Op
from simplecell.ops.callout import CallOut
from simplecell.ops.convolution import Convolution, ConvolutionGradientWeights
from simplecell.ops.custom import CustomGradient
from simplecell.ops.elementwise import Binary, Cast, Select, StopGradient, Unary
from simplecell.ops.linear import MatMul
from simplecell.ops.pooling import AveragePool, MaxPool
from simplecell.ops.reduction import Reduce
from simplecell.ops.resampling import Resize
from simplecell.ops.shaping import BroadcastTo, Concatenate, Pad, Reshape, Reverse, Slice, Transpose

MAX_PASSES = 12  # each pass carries a rewrite further along a chain; networks need three or four
SMALL = 16  # elements up to which equal constants are found to be equal

RULES: dict[type[Op], tuple[Rule, ...]] = {
    Unary: (identities.inverse_of_inverse, layout.transpose_sinks, layout.reshape_sinks),
    Binary: (
        identities.arithmetic,
        identities.needless_broadcast,
        folding.scales_and_shifts,
        layout.transpose_sinks,
        layout.reshape_sinks,
    ),
    Select: (
        identities.known_condition,
        identities.needless_broadcast,
        training.relu_mask_before_pooling_gradient,
        layout.transpose_sinks,
        layout.reshape_sinks,
    ),
    Cast: (identities.without_effect, identities.cast_of_cast, layout.transpose_sinks, layout.reshape_sinks),
    StopGradient: (identities.without_effect,),
    Reduce: (
        identities.without_effect,
        layout.kept_axes_as_reshape,
        layout.reduction_of_unit_axes,
        layout.reduction_of_transpose,
        training.sum_of_deviations,
    ),
    Reshape: (identities.without_effect, layout.reshape_of_reshape),
    Transpose: (identities.without_effect, layout.transpose_of_transpose, layout.transpose_of_unit_axes),
    BroadcastTo: (identities.without_effect,),
    Pad: (identities.without_effect, layout.transpose_sinks),
    Slice: (identities.without_effect, layout.transpose_sinks),
    Reverse: (identities.inverse_of_inverse,),
    Concatenate: (identities.without_effect, layout.transpose_sinks),
    Resize: (identities.without_effect,),
    Convolution: (padding.padding_into_convolution, folding.input_scale_into_weights),
    ConvolutionGradientWeights: (padding.padding_into_convolution,),
    MatMul: (folding.input_scale_into_weights,),
    MaxPool: (padding.padding_into_max_pool,),
    AveragePool: (pooling.average_before_pointwise_convolution,),
}


@dataclass(frozen=True)
class Folded:
    """What has become of a tensor that the simplified graph does not compute: `rule` made that needless, as the
    convolution's own output where batch normalization went into its weights."""

    rule: str


@dataclass(frozen=True, eq=False)
class Simplified:
    """A simplified graph, and what has become of the tensors of the one that it was made from."""

    graph: Graph
    where: Mapping[Tensor, Tensor | Folded]
    """For each tensor of the graph that was given: the tensor of `graph` that has its value, or by which rule there is
    none any more."""


def simplify(graph: Graph) -> Simplified:
    """A graph of the same inputs and values, with less to do. Example:
    `simplify(Graph.of([x], [relu(conv(pad(x)) * s)])).graph`."""
    where: dict[Tensor, Tensor | Folded] = {t: t for t in _tensors(graph)}
    for _ in range(MAX_PASSES):
        rewriting = _Pass(graph)
        graph = rewriting.run()
        if not rewriting.changed:
            break
        moved = rewriting.where(graph)
        where = {old: moved[now] if isinstance(now, Tensor) else now for old, now in where.items()}
    return Simplified(graph, where)


def _tensors(graph: Graph) -> list[Tensor]:
    return [*graph.inputs, *(t for node in graph.nodes for t in node.outputs)]


class _Pass:
    """One walk over all nodes. `now` maps each old tensor to what it has become."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.changed = False
        self.now: dict[Tensor, Tensor] = {}
        self.rules: dict[Node, str] = {}
        """the rule that has rewritten a node"""
        self.seen: dict[Any, Node] = {}
        self.facts = Facts()
        self.uses = Counter(t for n in graph.nodes for t in n.inputs)
        self.uses.update(graph.outputs)

    def run(self) -> Graph:
        for node in self.graph.nodes:
            for old, new in zip(node.outputs, self._rewritten(node), strict=True):
                self.now[old] = new
                self.facts.uses[new] = (
                    self.facts.uses.get(new, 0) + self.uses[old] if new is not old else self.uses[old]
                )
        return Graph.of(self.graph.inputs, [self.now.get(t, t) for t in self.graph.outputs])

    def where(self, after: Graph) -> dict[Tensor, Tensor | Folded]:
        """Of each old tensor: what it has become in `after`, the graph that this pass has made."""
        kept = {*after.nodes, *(t.node for t in after.inputs)}
        found: dict[Tensor, Tensor | Folded] = {t: t for t in self.graph.inputs}
        for old, new in self.now.items():
            if new.node in kept:
                found[old] = new
        if any(t not in found for t in self.now):
            for node in reversed(self.graph.nodes):
                # A tensor that is gone: a rule rewrote what read it, or what read it is gone.
                name = self.rules.get(node)
                gone = [w for t in node.outputs if isinstance(w := found.get(t), Folded)]
                if name is not None or gone:
                    rule = gone[0] if name is None else Folded(name)
                    for t in (*node.inputs, *node.outputs):
                        found.setdefault(t, rule)
        return found

    def _rewritten(self, node: Node) -> tuple[Tensor, ...]:
        if isinstance(node.op, Placeholder):
            return node.outputs
        inputs = tuple(self.now[t] for t in node.inputs)
        if isinstance(node.op, CustomGradient):
            self.changed = True
            self.rules[node] = "custom_gradient"
            return inputs[: node.op.count]
        with absolute_scope(node.scope):  # what a rule makes belongs to the layer of what it replaces
            for rule in (*RULES.get(type(node.op), ()), constants.constant_folding):
                result = rule(node.op, inputs, self.facts)
                if result is not None:
                    self.changed = True
                    self.rules[node] = rule.__name__
                    return (result,)
        return self._unique(node, inputs).outputs

    def _unique(self, node: Node, inputs: tuple[Tensor, ...]) -> Node:
        """The node on its inputs as they are now; one that was there before, if it is the same."""
        key = _key(node.op, inputs)
        if key is not None and key in self.seen:
            self.changed = True
            return self.seen[key]
        if any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
            node = Node.make(node.op, inputs, node.scope)
        if key is not None:
            self.seen[key] = node
        return node


def _key(op: Op, inputs: tuple[Tensor, ...]) -> Any:
    """Equal for nodes of equal values; None for what must not be merged."""
    if isinstance(op, CallOut):
        return None  # may have side effects
    if isinstance(op, Constant):
        value = op.value
        if value.size > SMALL:
            return id(value)
        return (value.dtype.str, value.dtype.name, value.shape, np.ascontiguousarray(value).tobytes())
    return (op, *map(id, inputs))
