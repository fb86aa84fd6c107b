"""A graph in, the graph with its gradients out: reverse accumulation, written as further nodes of the same ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simplecell.graph.graph import topological
from simplecell.graph.tensor import Node, Tensor, absolute_scope, as_tensor
from simplecell.ops import elementwise as ew
from simplecell.ops import reduction, shaping
from simplecell.ops.dtypes import is_inexact


def gradients(
    outputs: Tensor | Sequence[Tensor], wrt: Sequence[Tensor], seeds: Tensor | Sequence[Tensor | None] | None = None
) -> list[Tensor]:
    """Gradients of `outputs`, weighted by `seeds` and summed, with respect to each tensor of `wrt`.

    `seeds` has a tensor of its output's shape per output; without them each output must be a scalar, and has seed 1.
    A tensor of `wrt` on which no output depends by differentiable ops gets zeros. Only nodes between `wrt` and
    `outputs` are visited, and no gradient flows through integers and bools.

    Raises ValueError when an output without seed is no scalar or not floating, NotImplementedError when an op on the
    way has no gradient.

    Example: `gradients(loss, [weights])[0]` has the shape of `weights`.
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    given: list[Tensor | None] = (
        [None] * len(outputs) if seeds is None else [seeds] if isinstance(seeds, Tensor) else list(seeds)
    )
    if len(given) != len(outputs):
        raise ValueError(f"`seeds` must have one entry per output: {len(outputs)}; came {len(given)}.")
    nodes = topological(outputs)
    active = _depending(nodes, wrt)
    diff: dict[Tensor, Tensor] = {}
    for output, seed in zip(outputs, given, strict=True):
        value = _seed(output, seed)
        if output in active:
            diff[output] = _sum(diff.get(output), value)
    wanted = set(wrt)
    for node in reversed(nodes):
        if not any(t in diff for t in node.outputs) or not any(t in active for t in node.inputs):
            continue
        with absolute_scope(f"gradient/{node.scope}" if node.scope else "gradient"):
            into = [diff.get(t) for t in node.outputs]
            if len(into) > 1:  # an op with several outputs need not expect gaps
                into = [
                    _zeros(t) if d is None and is_inexact(t.spec.dtype) else d
                    for d, t in zip(into, node.outputs, strict=True)
                ]
            contributions = node.op.gradient(node.inputs, node.outputs, into)
            for t, contribution in zip(node.inputs, contributions, strict=True):
                if contribution is not None and t in active:
                    diff[t] = _sum(diff.get(t), _checked(contribution, t, node))
        for t in node.outputs:
            if t not in wanted:
                diff.pop(t, None)
    return [diff[t] if t in diff else _zeros(t) for t in wrt]


def _depending(nodes: Sequence[Node], wrt: Sequence[Tensor]) -> set[Tensor]:
    """The floating tensors that are computed from a floating tensor of `wrt`, these included."""
    active = {t for t in wrt if is_inexact(t.spec.dtype)}
    for node in nodes:
        if any(t in active for t in node.inputs):
            active.update(t for t in node.outputs if is_inexact(t.spec.dtype))
    return active


def _seed(output: Tensor, seed: Any) -> Tensor:
    if seed is not None:
        seed = as_tensor(seed)
        if seed.shape != output.shape:
            raise ValueError(f"A seed must have its output's shape: the output is {output.spec}, the seed {seed.spec}.")
        return as_tensor(ew.cast(seed, output.spec.dtype))
    if output.size != 1 or not is_inexact(output.spec.dtype):
        raise ValueError(
            f"Only a floating scalar has a gradient without `seeds`; came {output.spec}. Reduce it first, e.g. with "
            "`mean`, or give seeds."
        )
    return as_tensor(shaping.full(output.shape, 1, output.spec.dtype))


def _zeros(t: Tensor) -> Tensor:
    return as_tensor(shaping.full(t.shape, 0, t.spec.dtype))


def _sum(a: Tensor | None, b: Tensor) -> Tensor:
    return b if a is None else as_tensor(ew.add(a, b))


def _checked(contribution: Any, t: Tensor, node: Node) -> Tensor:
    """A contribution of `t`'s shape and dtype. Rules leave the axes along which `t` was broadcast: those are summed
    here, and nowhere else."""
    d = as_tensor(contribution)
    added = len(d.shape) - len(t.shape)
    if added < 0 or any(n not in (m, 1) for m, n in zip(d.shape[added:], t.shape, strict=True)):
        raise ValueError(f"The gradient of `{node.op.name}` gave {d.spec} for an input {t.spec}.")
    axes = tuple(a for a, m in enumerate(d.shape) if a < added or m != t.shape[a - added])
    if axes:
        d = as_tensor(shaping.reshape(reduction.sum(d, axes), t.shape))
    return as_tensor(ew.cast(d, t.spec.dtype))
