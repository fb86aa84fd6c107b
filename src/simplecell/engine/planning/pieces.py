"""Lowering a run of groups for a few images at a time: once for each number of images, and its steps repeated at other
addresses.

What lies between the groups exists for one piece only, in a *frame* that all pieces use one after the other (with
several threads, each thread has its own frame and its own pieces, and meets the others only at the end). What comes
from outside, or is wanted outside, lies where it would without pieces; there each piece begins some images further on.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from simplecell.engine.planning import memory
from simplecell.engine.planning.fuse import Group
from simplecell.engine.planning.images import Images, for_images
from simplecell.engine.planning.lowering import Lowering, is_view
from simplecell.engine.run.program import Address, Part, Step
from simplecell.graph.tensor import Tensor


@dataclass(frozen=True)
class Piece:
    """Images that one thread (None: all of them) takes through a segment."""

    first: int
    count: int
    thread: int | None


def pieces(batch: int, most: int, threads: int) -> list[Piece]:
    """The batch in rounds of one piece per thread, of equal size or nearly so and of at most `most` images; what does
    not divide by the threads is one more piece for all of them."""
    each, found, first = batch // threads, [], 0
    rounds = -(-each // most)
    for r in range(rounds):
        count = each * (r + 1) // rounds - each * r // rounds
        for thread in range(threads):
            found.append(Piece(first, count, thread if threads > 1 else None))
            first += count
    return [*found, Piece(first, batch - first, None)] if first < batch else found


@dataclass(frozen=True)
class _Movable:
    """A step, and the numbers of its arguments that differ from piece to piece."""

    step: Step
    arguments: tuple[int, ...]


@dataclass(frozen=True)
class _Template:
    """The steps for a number of images, as they are for the first ones."""

    steps: tuple[_Movable, ...]
    outside: dict[int, tuple[Address, int]]
    """the buffers that stand for what lies outside: where it does, and its bytes per image"""
    inside: dict[int, int]
    """the others: where in the frame"""
    frame: int

    def moved(self, movable: _Movable, part: Part, frame: Address) -> Step:
        """The step for other images."""
        arguments = list(movable.step.arguments)
        for i in movable.arguments:
            name, value = arguments[i]
            assert isinstance(value, Address)
            if value.buffer in self.outside:
                base, nbytes = self.outside[value.buffer]
                arguments[i] = (name, base + (value.offset + part.first * nbytes))
            else:
                arguments[i] = (name, frame + (self.inside[value.buffer] + value.offset))
        reads, writes = (
            tuple(
                self.outside[b][0].buffer if b in self.outside else frame.buffer if b in self.inside else b
                for b in used
            )
            for used in (movable.step.reads, movable.step.writes)
        )
        return replace(movable.step, arguments=tuple(arguments), reads=reads, writes=writes, part=part)


def lower_in_pieces(ctx: Lowering, groups: Sequence[Group], most: int, images: Images, wanted: Set[Tensor]) -> None:
    """Append the steps of independent `groups`, for at most `most` images at a time. `wanted` are the tensors that
    others read. Raises Refused, with nothing appended, if they cannot be lowered so."""
    with ctx.attempt():
        roots = _outside(ctx, groups, images, wanted)
        plan = pieces(images.batch, most, ctx.threads)
        templates: dict[tuple[int, bool], _Template] = {}
        for piece in plan:
            key = (piece.count, piece.thread is None)
            if key not in templates:
                templates[key] = _template(ctx, groups, piece, images, roots)
        frame_bytes = max(t.frame for t in templates.values())
        frame = ctx.temporary(frame_bytes * max(1 + (p.thread or 0) for p in plan))
        for start in range(0, len(plan), ctx.threads):
            together = plan[start : start + ctx.threads]
            template = templates[together[0].count, together[0].thread is None]
            parts = [Part(frame.buffer, p.first, p.count, images.batch, p.thread) for p in together]
            frames = [frame + (p.thread or 0) * frame_bytes for p in together]
            ctx.append(template.moved(step, part, own) for step in template.steps for part, own in zip(parts, frames))


def _outside(ctx: Lowering, groups: Sequence[Group], images: Images, wanted: Set[Tensor]) -> set[Tensor]:
    """The tensors that lie in memory for the whole batch. Of what is placed in another tensor, only that other one."""
    made = {t for g in groups for t in g.outputs}
    outside = (made & wanted) | {t for g in groups for t in g.reads if t in images.carrying and t not in made}
    for group in reversed(groups):  # who wants a view wants what it is a view of
        if is_view(group) and group.output in outside:
            outside.add(group.anchor.inputs[0])
    for group in groups:
        if is_view(group) and group.output in outside:
            ctx.view(group.output, ctx.address(group.anchor.inputs[0]))
            outside.remove(group.output)
    return {ctx.root(t) for t in outside}


def _template(ctx: Lowering, groups: Sequence[Group], piece: Piece, images: Images, roots: set[Tensor]) -> _Template:
    like: dict[Tensor, Tensor] = {}
    alike = [for_images(g, piece.count, images, like) for g in groups]
    steps, stand_ins, inside = ctx.some_images(alike, like, roots, ctx.threads if piece.thread is None else 1)
    outside = {i: (ctx.address(t), t.spec.nbytes // images.batch) for i, t in stand_ins.items()}
    offsets, frame = memory.place(inside, [s.writes for s in steps], [s.reads for s in steps])
    movable = [
        _Movable(
            s,
            tuple(
                i
                for i, (_, v) in enumerate(s.arguments)
                if isinstance(v, Address) and (v.buffer in outside or v.buffer in inside)
            ),
        )
        for s in steps
    ]
    return _Template(tuple(movable), outside, offsets, frame)
