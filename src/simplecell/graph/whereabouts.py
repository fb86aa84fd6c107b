"""Where in a program a value of the traced network is: a value may be in memory, inside of a loop, or nowhere."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from simplecell.graph.simplify import Folded, Simplified
from simplecell.graph.tensor import Tensor

Kind = Literal["in memory", "inside a step", "folded away", "not computed"]


@dataclass(frozen=True, eq=False)
class Whereabouts:
    """Where one value is.

    - `in memory`: a step writes it; `tensor` of the simplified graph has it.
    - `inside a step`: computed in registers, on the way to another value, and never written; `tensor` has it.
    - `folded away`: `rule` of `simplify` made it needless, as the sum before a normalization that went into weights.
    - `not computed`: no output needs it.

    Whoever asks for one that is not in memory makes it an output (`Network.with_outputs`), and plans anew.
    """

    kind: Kind
    tensor: Tensor | None = None
    rule: str = ""

    def __str__(self) -> str:
        return f"{self.kind} by {self.rule}" if self.rule else self.kind


def whereabouts(simplified: Simplified, tensor: Tensor, in_memory: Container[Tensor]) -> Whereabouts:
    """Where the value of `tensor`, of the graph that was simplified, is.

    Args:
        in_memory: the tensors of `simplified.graph` that have buffers in the program.
    """
    now = simplified.where.get(tensor)
    if now is None:
        return Whereabouts("not computed")
    if isinstance(now, Folded):
        return Whereabouts("folded away", rule=now.rule)
    return Whereabouts("in memory" if now in in_memory else "inside a step", now)
