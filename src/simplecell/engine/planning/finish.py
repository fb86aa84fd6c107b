"""Steps → `Program`: outputs are bound to the caller's arrays, steps are divided into those that prepare and those that
run, and every buffer gets its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from simplecell.engine.planning import memory
from simplecell.engine.planning.lowering import Lowering
from simplecell.engine.run.program import Address, Buffer, Program, Step, depending, rounded, touches
from simplecell.graph.tensor import Node
from simplecell.ops.callout import CallOut


def finish(ctx: Lowering) -> Program:
    """The program of all steps that were collected."""
    outputs = _bound(ctx)
    steps = ctx.steps
    buffers = [
        replace(b, kind="output", position=outputs[i]) if i in outputs else b for i, b in enumerate(ctx.buffers.all)
    ]
    run_buffers = depending(steps, {i for i, b in enumerate(buffers) if b.kind in ("input", "output")})
    run = _looking_ahead([s for s in steps if touches(s, run_buffers)])
    prepare = _last_first(_wanted([s for s in steps if not touches(s, run_buffers)], run), run)
    read = {i for s in run for i in s.reads}
    mentioned = {i for s in steps for i in (*s.reads, *s.writes)}
    kinds = [_kind(i, b, run_buffers, read, mentioned) for i, b in enumerate(buffers)]
    arena, arena_bytes = _offsets("arena", kinds, buffers, run)
    preparing, preparing_bytes = _offsets("preparing", kinds, buffers, prepare)
    kept, kept_bytes = _kept(kinds, buffers, run)
    offsets = arena | preparing | kept
    scratch_bytes = ctx.buffers.scratch_bytes
    placed = (
        replace(
            b,
            kind=kind,
            offset=offsets.get(i, b.offset),
            nbytes=scratch_bytes if i == ctx.buffers.scratch else b.nbytes,
        )
        for i, (b, kind) in enumerate(zip(buffers, kinds))
    )
    return Program(
        tuple(placed),
        prepare,
        run,
        tuple(ctx.inputs),
        tuple(ctx.parameters),
        tuple(t.spec for t in ctx.facts.graph.outputs),
        arena_bytes,
        scratch_bytes,
        kept_bytes,
        preparing_bytes,
        ctx.setting.precision,
    )


def _bound(ctx: Lowering) -> dict[int, int]:
    """The buffers that become the caller's arrays, and which. An output that lies elsewhere already (an
    input handed through, a constant, a part of another buffer, the same tensor twice) is copied by a step that is
    appended."""
    found: dict[int, int] = {}
    written = {b for s in ctx.steps for b in s.writes}
    last = ctx.within()
    for position, tensor in enumerate(ctx.facts.graph.outputs):
        address = ctx.address(tensor)
        buffer = ctx.buffers.all[address.buffer]
        whole = buffer.kind == "arena" and address.offset == 0 and buffer.nbytes == tensor.spec.nbytes
        if whole and address.buffer in written and address.buffer not in found:
            found[address.buffer] = position
        else:
            node = Node.make(CallOut(lambda x: x, tensor.spec, "copy"), (tensor,))
            last.view(node.outputs[0], ctx.buffers.add(Buffer("output", tensor.spec.nbytes, position)))
            last.call_out(node, "an output that has its value elsewhere")
    ctx.accept(last)
    return found


def _kind(i: int, buffer: Buffer, run_buffers: Set[int], read: Set[int], mentioned: Set[int]) -> str:
    if buffer.kind != "arena" or i in run_buffers:
        return buffer.kind
    return "prepared" if i in read else "preparing" if i in mentioned else "stand-in"


def _offsets(
    kind: str, kinds: Sequence[str], buffers: Sequence[Buffer], steps: Sequence[Step]
) -> tuple[dict[int, int], int]:
    """Where all buffers of a kind lie in an arena of their own, and its size."""
    sizes = {i: b.nbytes for i, b in enumerate(buffers) if kinds[i] == kind}
    return memory.place(sizes, [s.writes for s in steps], [s.reads for s in steps])


def _kept(kinds: Sequence[str], buffers: Sequence[Buffer], run: Iterable[Step]) -> tuple[dict[int, int], int]:
    """Constants and prepared buffers lie one after the other as `run` reads them, in one block (large pages,
    streaming); its size. Constants, which are written before anything is prepared, come first: each between weights
    would have a large page to itself for as long."""
    order = dict.fromkeys([i for s in run for i in s.reads] + list(range(len(buffers))))
    offsets: dict[int, int] = {}
    top = 0
    for kind in ("constant", "prepared"):
        for i in (i for i in order if kinds[i] == kind):
            offsets[i] = top
            top += rounded(buffers[i].nbytes)
    return offsets, top


def _looking_ahead(run: list[Step]) -> tuple[Step, ...]:
    """The steps; those that fetch weights ahead know where the next step's lie, which come from memory otherwise when
    that begins (ResNet-50: 2% of the time). Weights that are still to be computed in the same run are fetched in vain,
    and without harm."""
    steps: list[Step] = []
    following: Address | int | float = 0
    for step in reversed(run):
        if step.kernel is not None and step.kernel.if_marked is not None:
            steps.append(step)  # hardly ever run
            continue
        arguments = dict(step.arguments)
        if following and "next_weights" in arguments:
            step = replace(
                step, arguments=tuple((a, following if a == "next_weights" else v) for a, v in step.arguments)
            )
        following = arguments.get("weights", following)
        steps.append(step)
    return tuple(reversed(steps))


def _wanted(prepare: list[Step], run: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps that something reads what they write of: a product that went into the packing (see `convolution`) is of
    no more use."""
    read = {b for s in run for b in s.reads}
    kept = []
    for step in reversed(prepare):
        if step.kernel is None or read.intersection(step.writes):
            kept.append(step)
            read.update(step.reads)
    return tuple(reversed(kept))


def _last_first(prepare: tuple[Step, ...], run: tuple[Step, ...]) -> tuple[Step, ...]:
    """The same steps; what `run` reads last is prepared first, as far as they do not wait for each other. A program
    that is frozen lets go of parameters one by one while the packed ones grow, page by page; at the end, it has the
    last one twice. The last layers of a network have the largest."""
    waiting_for: list[set[int]] = []
    writer: dict[int, int] = {}
    readers: dict[int, set[int]] = {}
    for i, step in enumerate(prepare):
        waiting_for.append(
            {writer[b] for b in (*step.reads, *step.writes) if b in writer}.union(
                *(readers.get(b, ()) for b in step.writes)
            )
        )
        for b in step.reads:
            readers.setdefault(b, set()).add(i)
        for b in step.writes:
            writer[b] = i
            readers[b] = set()
    # The steps that others wait for come right before the last of those, so that what they pass on is short-lived.
    first_read = {b: i for i, s in reversed(list(enumerate(run))) for b in s.reads}
    rank = [max((first_read.get(b, -1) for b in s.writes), default=-1) for s in prepare]
    order: dict[int, None] = {}
    for last in sorted(range(len(prepare)), key=lambda i: (rank[i], i), reverse=True):
        stack = [last]
        while stack:
            missing = [i for i in waiting_for[stack[-1]] if i not in order]
            if missing:
                stack.extend(sorted(missing))
            else:
                order.setdefault(stack.pop())
    return tuple(prepare[i] for i in order)
