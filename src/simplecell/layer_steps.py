"""What a program does for each layer, as records: `CompiledModel.layers()`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simplecell.engine.run.program import Considered
    from simplecell.engine.run.records import Record
    from simplecell.graph.parts import LayerCall


@dataclass(frozen=True)
class LayerStep:
    """One step of a program, and the layer that it belongs to. A layer may have several steps, or none: what is folded
    into another one's weights, or computed in its epilogue, is no step."""

    layer: str
    """as `outer/inner`; empty for what belongs to none"""
    call: int
    """of a layer that is called several times: 1 for the first"""
    algorithm: str
    why: str
    """why this algorithm was taken, and how its work is cut"""
    considered: tuple[Considered, ...]
    """what the table of algorithms said about each: its predicted cost in nanoseconds, or why it refuses"""
    shapes: str
    flops: int
    bytes: int
    """that must be moved at least"""
    predicted: float
    """seconds on one thread"""
    measured: float | None
    """seconds; None if nothing was measured"""
    images: int | None
    """of the batch, at a time; None: all of it"""


def layer_steps(records: Iterable[Record], calls: Iterable[LayerCall]) -> list[LayerStep]:
    """The records of a program's steps, with the layers that were called in its network."""
    by_scope = {c.scope: c for c in calls}
    return [_step(r, _call(r.label, by_scope)) for r in records]


def _call(label: str, by_scope: Mapping[str, LayerCall]) -> LayerCall | None:
    """The innermost call that a label lies in."""
    scope = label.removeprefix("gradient/")
    while scope and scope not in by_scope:
        scope = scope.rpartition("/")[0]
    return by_scope.get(scope)


def _step(r: Record, call: LayerCall | None) -> LayerStep:
    return LayerStep(
        layer="" if call is None else call.path,
        call=1 if call is None else call.number,
        algorithm=r.algorithm,
        why=r.reason,
        considered=r.considered,
        shapes=r.shapes,
        flops=r.flops,
        bytes=r.nbytes,
        predicted=r.predicted,
        measured=r.measured,
        images=r.images,
    )
