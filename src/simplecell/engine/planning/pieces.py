"""Lowering a run of groups for a few images at a time: once for each number of images, and its steps repeated at other
addresses.

What lies between the groups exists for one piece only, in a *frame* that all pieces use one after the other (with
several threads, each thread has its own frame and its own pieces, and meets the others only at the end). What comes
from outside, or is wanted outside, lies where it would without pieces; there each piece begins some images further on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from simplecell.engine.planning import memory
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.images import Images, for_images
from simplecell.engine.planning.lowering import Lowering, Refused, is_view
from simplecell.engine.planning.placement import Place
from simplecell.engine.planning.segments import Segment
from simplecell.engine.run.program import Address, Buffer, Part, Step, depending, touches
from simplecell.graph.tensor import Tensor
from simplecell.ops.base import Spec


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


def lower_in_pieces(ctx: Lowering, segment: Segment, images: Images) -> None:
    """Append the steps of a segment of independent groups, for some images at a time. Raises Refused, with nothing
    appended, if they cannot be lowered so."""
    attempt = ctx.within()
    roots = _outside(attempt, segment, images)
    plan = pieces(images.batch, segment.most, ctx.threads)
    templates: dict[tuple[int, bool], _Template] = {}
    for piece in plan:
        key = (piece.count, piece.thread is None)
        if key not in templates:
            templates[key] = _template(attempt, segment.groups, piece, images, roots)
    frame_bytes = max(t.frame for t in templates.values())
    frame = attempt.temporary(frame_bytes * max(1 + (p.thread or 0) for p in plan))
    for start in range(0, len(plan), ctx.threads):
        together = plan[start : start + ctx.threads]
        template = templates[together[0].count, together[0].thread is None]
        parts = [Part(frame.buffer, p.first, p.count, images.batch, p.thread) for p in together]
        frames = [frame + (p.thread or 0) * frame_bytes for p in together]
        attempt.steps += (template.moved(s, part, own) for s in template.steps for part, own in zip(parts, frames))
    ctx.accept(attempt)


def _outside(ctx: Lowering, segment: Segment, images: Images) -> list[Tensor]:
    """The tensors that lie in memory for the whole batch. Of what is placed in another tensor, only that other one."""
    made = dict.fromkeys(t for g in segment.groups for t in g.outputs)
    outside = dict.fromkeys(t for t in made if t in segment.wanted)
    outside |= dict.fromkeys(t for g in segment.groups for t in g.reads if t in images.carrying and t not in made)
    for group in reversed(segment.groups):  # who wants a view wants what it is a view of
        if is_view(group) and group.output in outside:
            outside[group.anchor.inputs[0]] = None
    for group in segment.groups:
        if is_view(group) and group.output in outside:
            ctx.view(group.output, ctx.address(group.anchor.inputs[0]))
            del outside[group.output]
    return list(dict.fromkeys(ctx.root(t) for t in outside))


def _template(
    ctx: Lowering, groups: Sequence[Group], piece: Piece, images: Images, roots: Sequence[Tensor]
) -> _Template:
    """Lower the groups for a piece. Steps that do not depend on the images (weights are packed) are appended to `ctx`.
    Raises Refused if a group has no machine code."""
    small: dict[Tensor, Tensor] = {}
    alike = [for_images(g, piece.count, images, small) for g in groups]
    for t in tuple(small):
        root = ctx.root(t)
        if root is not t and root not in small:
            spec = Spec((small[t].shape[0], *root.shape[1:]), root.spec.dtype)
            small[root] = Tensor(spec, root.node, root.index)
    threads = ctx.threads if piece.thread is None else 1
    inner = ctx.within(threads, whole={like: t for t, like in small.items()})
    for t, like in small.items():
        place = ctx.place_of(t)
        if place is not None:
            inner.place(like, Place(small[place.whole], place.channel))
    first = len(ctx.buffers.all)
    stand_ins = {t: ctx.buffers.add(Buffer("stand-in", 0)) for t in roots}
    for t, address in stand_ins.items():
        inner.view(small[t], address)
    for group in alike:
        inner.lower(group)
    if any(s.kernel is None for s in inner.steps) or any(inner.address(small[t]) != a for t, a in stand_ins.items()):
        raise Refused(groups[0], "some images of it have no machine code")
    changing = depending(inner.steps, {a.buffer for a in stand_ins.values()})
    steps = [s for s in inner.steps if touches(s, changing)]
    inner.steps = [s for s in inner.steps if not touches(s, changing)]
    ctx.accept(inner)
    inside = {i: ctx.buffers.all[i].nbytes for i in changing if i >= first + len(stand_ins)}
    outside = {a.buffer: (ctx.address(t), t.spec.nbytes // images.batch) for t, a in stand_ins.items()}
    offsets, frame = memory.place(inside, [s.writes for s in steps], [s.reads for s in steps])
    moving = outside.keys() | inside.keys()
    movable = [
        _Movable(s, tuple(i for i, (_, v) in enumerate(s.arguments) if isinstance(v, Address) and v.buffer in moving))
        for s in steps
    ]
    return _Template(tuple(movable), outside, offsets, frame)
