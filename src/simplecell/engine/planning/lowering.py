"""What a lowering works with: it is given a group of nodes and appends the steps that compute them.

Lowerings register themselves by op class:

    @lowers(Convolution)
    def convolution(ctx: Lowering, group: Group) -> bool | str: ...

A lowering returns None when it has appended its steps, or the reason (a string) why it cannot; then the op runs as its
reference.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.planning import memory, tune
from simplecell.engine.planning.fuse import Group
from simplecell.engine.planning.placement import Place
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.program import Address, Buffer, Program, Step
from simplecell.engine.target import Target
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor
from simplecell.ops.base import Op, Spec
from simplecell.ops.callout import CallOut
from simplecell.ops.elementwise import StopGradient
from simplecell.ops.shaping import Reshape

T = TypeVar("T")
LoweringFunction = Callable[["Lowering", Group], "str | None"]
_registered: dict[type[Op], list[tuple[int, LoweringFunction]]] = {}

Kept = TypeVar("Kept")

SMALL_WORK_NS = 4000.0
"""A step predicted to take less runs on one thread: meeting the others would cost more."""


SHARED_CACHE = 32 * 2**20
"""bytes of the last-level cache that one program may count on"""


def lowers(*ops: type[Op], order: int = 0) -> Callable[[LoweringFunction], LoweringFunction]:
    """Register a lowering for op classes. Where several are registered for one, the lowest `order` is asked first."""

    def register(function: LoweringFunction) -> LoweringFunction:
        for op in ops:
            _registered.setdefault(op, []).append((order, function))
            _registered[op].sort(key=lambda entry: entry[0])
        return function

    return register


class Lowering:
    """Collects buffers and steps. `precision` is `fast`, `tight` or `exact` (see build)."""

    def __init__(self, graph: Graph, target: Target, threads: int, precision: str) -> None:
        self._places: dict[Tensor, Place] = {}
        self.graph, self.target, self.threads, self.precision = graph, target, threads, precision
        self._buffers: list[Buffer] = []
        self._steps: list[Step] = []
        self._addresses: dict[Tensor, Address] = {}
        self._once: dict[Hashable, Any] = {}
        self._scratch = self._buffer(Buffer("scratch", 0)).buffer
        self._changing: set[Tensor] = set()
        self._decided: dict[Hashable, Any] = {}
        self._whole: dict[Tensor, Tensor] = {}
        self._label = ""
        self._inputs: list[Spec] = []
        self._parameters: list[Spec] = []
        for tensor in graph.inputs:
            op = tensor.node.op
            assert isinstance(op, Placeholder)
            kind, specs = ("parameter", self._parameters) if op.role == "parameter" else ("input", self._inputs)
            self._addresses[tensor] = self._buffer(Buffer(kind, tensor.spec.nbytes, len(specs)))
            specs.append(tensor.spec)
        self.weights_from_memory = sum(s.nbytes for s in self._parameters) > SHARED_CACHE
        """Do the weights of the whole network leave the shared cache between one run and the next?"""

    # --- for lowerings -----------------------------------------------------------------------------------------------

    def address(self, tensor: Tensor) -> Address:
        """Where the tensor lies: in C order, dense but for what `strides` says. The first call for a group's output
        makes its buffer."""
        found = self._addresses.get(tensor)
        if found is None:
            op = tensor.node.op
            place = self._places.get(tensor)
            if isinstance(op, Constant):
                found = self.constant(op.value)
            elif place is not None:
                found = self.address(place.whole) + 4 * place.channel
            else:
                found = self._buffer(Buffer("arena", tensor.spec.nbytes))
            self._addresses[tensor] = found
        return found

    def place(self, places: Mapping[Tensor, Place]) -> None:
        """Let tensors lie in others. Before any of them has an address."""
        self._places.update(places)

    def pixel_stride(self, tensor: Tensor) -> int:
        """Elements from one pixel (the last axis but one) to the next: the channels, of the concatenation that the
        tensor is a part of if it is one."""
        return self.root(tensor).shape[-1]

    def placed(self, tensor: Tensor) -> bool:
        """Is the tensor written into its place in a concatenation, and so not dense?"""
        return tensor in self._places

    def placed_already(self, tensor: Tensor) -> bool:
        """Does it have an address already: is it given, or has a step written it? (What was fused into another's
        expression never does.)"""
        return tensor in self._addresses

    def root(self, tensor: Tensor) -> Tensor:
        """The tensor in whose memory it is placed; itself if it is not placed."""
        place = self._places.get(tensor)
        return tensor if place is None else place.whole

    @property
    def setting(self) -> Setting:
        """What is planned for."""
        precision: Any = self.precision
        return Setting(self.target, self.threads, precision, tune.active(), self.weights_from_memory)

    def given(self, tensor: Tensor) -> bool:
        """Does it depend on parameters and constants alone?"""
        if not self._changing:
            self._changing = {
                t for t in self.graph.inputs if isinstance(t.node.op, Placeholder) and t.node.op.role != "parameter"
            }
            for node in self.graph.nodes:
                if not self._changing.isdisjoint(node.inputs):
                    self._changing.update(node.outputs)
        return self.whole(tensor) not in self._changing

    def whole(self, tensor: Tensor) -> Tensor:
        """The tensor for the whole batch, where `tensor` is that for some of its images: what decides about bits must
        not depend on their number."""
        return self._whole.get(tensor, tensor)

    def view(self, tensor: Tensor, of: Address) -> None:
        """`tensor` lies at an address that exists already (a reshape, a contiguous slice)."""
        self._addresses[tensor] = of

    def constant(self, value: np.ndarray) -> Address:
        """Data known now, e.g. an index table."""
        value = np.ascontiguousarray(value)
        return self._buffer(Buffer("constant", value.nbytes, value=value))

    def temporary(self, nbytes: int) -> Address:
        """Memory that only the steps that mention it use. If all its writers depend on parameters alone (packed
        weights), it is computed once and kept; otherwise it lives in the arena between its first and its last
        mention."""
        return self._buffer(Buffer("arena", nbytes))

    def once(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """`make()` the first time that `key` is met: e.g. packed weights that several steps share. Name tensors in the
        key."""
        if key not in self._once:
            self._once[key] = make()
        kept: Kept = self._once[key]
        return kept

    def tables(self, values: Mapping[str, np.ndarray]) -> dict[str, Address]:
        """The addresses of constants, each of which is kept once."""
        return {
            name: self.once((value.dtype.str, value.shape, value.tobytes()), partial(self.constant, value))
            for name, value in values.items()
        }

    def decide(self, key: Hashable, choose: Callable[[], T]) -> T:
        """`choose()` the first time that `key` is met, afterwards what it gave then. Name tensors in the key."""
        if key not in self._decided:
            self._decided[key] = choose()
        found: T = self._decided[key]
        return found

    def scratch(self, nbytes: int) -> dict[str, Address | int]:
        """`nbytes` of scratch per thread: pass `**ctx.scratch(n)` for the kernel's arguments `scratch` and
        `scratch_stride`."""
        current = self._buffers[self._scratch]
        need = memory.rounded(nbytes) + 2 * memory.ALIGNMENT  # neighbours do not share a line
        if need > current.nbytes:
            self._buffers[self._scratch] = replace(current, nbytes=need)
        return {"scratch": Address(self._scratch), "scratch_stride": _SCRATCH_STRIDE}

    def epilogue(self, group: Group) -> tuple[Epilogue, dict[str, Address | int | float]]:
        """The group's epilogue and the kernel arguments `e0, e1, …` for it."""
        if group.epilogue is None:
            return NO_EPILOGUE, {}
        return group.epilogue, {f"e{i}": self.address(t) for i, t in enumerate(group.operands)}

    def step(
        self,
        kernel: Kernel,
        *,
        algorithm: str = "",
        reason: str = "",
        shapes: str = "",
        flops: int = 0,
        nbytes: int = 0,
        parallel: bool | None = None,
        label: str | None = None,
        **arguments: Any,
    ) -> None:
        """Append a step. Addresses in `kernel.outputs` are written, all others read; give every other argument as int
        or float.
        parallel: do all threads share it? None: if there is enough to do."""
        if set(arguments) != set(kernel.arguments):
            raise AssertionError(f"{kernel.name} takes {kernel.arguments}, got {tuple(arguments)}")
        ordered = tuple((a, arguments[a]) for a in kernel.arguments)
        buffers = [(a, v.buffer) for a, v in ordered if isinstance(v, Address) and v.buffer != self._scratch]
        self._steps.append(
            Step(
                kernel,
                ordered,
                reads=tuple(b for a, b in buffers if a not in kernel.outputs),
                writes=tuple(b for a, b in buffers if a in kernel.outputs),
                label=self._label if label is None else label,
                algorithm=algorithm or kernel.name,
                reason=reason,
                shapes=shapes,
                flops=flops,
                nbytes=nbytes,
                parallel=predicted_ns(flops, nbytes) > SMALL_WORK_NS if parallel is None else parallel,
            )
        )

    def predict(self, nanoseconds: float) -> None:
        """What the last step appended (but for one that is hardly ever run) will take on one thread, by its own
        family's reckoning."""
        last = next(
            i for i, s in reversed(list(enumerate(self._steps))) if s.kernel is None or s.kernel.if_marked is None
        )
        self._steps[last] = replace(self._steps[last], predicted=nanoseconds)

    def call_out(self, node: Node, reason: str) -> None:
        """Append a step that runs the node's reference."""
        inputs = tuple((self.address(t), t.spec) for t in node.inputs)
        outputs = tuple((self.address(t), t.spec) for t in node.outputs)
        self._steps.append(
            Step(
                None,
                (),
                reads=tuple(a.buffer for a, _ in inputs),
                writes=tuple(a.buffer for a, _ in outputs),
                label=self._label,
                algorithm="call-out",
                reason=reason,
                shapes=" ".join(str(s) for _, s in inputs) + " → " + " ".join(str(s) for _, s in outputs),
                nbytes=sum(s.nbytes for _, s in (*inputs, *outputs)),
                parallel=False,
                op=node.op,
                inputs=inputs,
                outputs=outputs,
            )
        )

    # --- for the planner ---------------------------------------------------------------------------------------------

    def lower(self, group: Group) -> None:
        self._label = group.label
        if is_view(group):
            self.view(group.output, self.address(group.anchor.inputs[0]))
            return
        reasons = []
        for _, function in _registered.get(type(group.anchor.op), []):
            before = len(self._steps)
            reason = function(self, group)
            if reason is None:
                return
            if len(self._steps) != before:
                raise AssertionError(f"{group.anchor.op.name}: the lowering refused after it had appended steps")
            reasons.append(reason)
        reason = "; ".join(reasons) or "no machine code for it"
        if len(group.nodes) != 1:
            raise Refused(group, reason)
        self.call_out(group.anchor, reason)

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Steps that are appended inside are gone if `Refused` is raised."""
        steps, once = len(self._steps), dict(self._once)
        try:
            yield
        except Refused:
            del self._steps[steps:]
            self._once = once
            raise

    def some_images(
        self, groups: Sequence[Group], like: Mapping[Tensor, Tensor], roots: Collection[Tensor], threads: int
    ) -> tuple[list[Step], dict[int, Tensor], dict[int, int]]:
        """Lower groups that stand for some images of others, and do not append the steps that depend on the images.

        Args:
            groups: of tensors for some images.
            like: tensors for the whole batch → those for some images.
            roots: which of the former lie in memory for the whole batch.
            threads: that will run the steps.

        Returns:
            The steps; the stand-ins in them for `roots`; and their other buffers with their sizes. Raises Refused if a
            group has no machine code.
        """
        like = dict(like)
        for t in tuple(like):
            root = self.root(t)
            if root is not t:
                small = like.setdefault(
                    root, Tensor(Spec((like[t].shape[0], *root.shape[1:]), root.spec.dtype), root.node, root.index)
                )
                self._places[like[t]] = Place(small, self._places[t].channel)
        self._whole.update((small, t) for t, small in like.items())
        stand_ins = {t: self._buffer(Buffer("stand-in", 0)) for t in roots}
        self._addresses.update((like[t], address) for t, address in stand_ins.items())
        before, first = self._steps, len(self._buffers)
        self._steps, self.threads, all_threads = [], threads, self.threads
        try:
            for group in groups:
                self.lower(group)
            steps = self._steps
        finally:
            self._steps, self.threads = before, all_threads
        if any(s.kernel is None for s in steps) or any(
            self._addresses[like[t]] != address for t, address in stand_ins.items()
        ):
            raise Refused(groups[0], "some images of it have no machine code")
        changing = _depending(steps, {a.buffer for a in stand_ins.values()})
        inside = {i: self._buffers[i].nbytes for i in changing if i >= first}
        for i in inside:
            self._buffers[i] = replace(self._buffers[i], kind="stand-in")
        self._steps += [s for s in steps if not _touches(s, changing)]  # weights to be packed
        return (
            [s for s in steps if _touches(s, changing)],
            {a.buffer: t for t, a in stand_ins.items()},
            inside,
        )

    def append(self, steps: Iterable[Step]) -> None:
        """Steps that are ready."""
        self._steps += steps

    def finish(self) -> Program:
        """Bind the outputs, divide the steps into prepare and run, and place the arena."""
        self._bind_outputs()
        run_buffers = _depending(self._steps, {i for i, b in enumerate(self._buffers) if b.kind in ("input", "output")})
        run = _looking_ahead([s for s in self._steps if _touches(s, run_buffers)])
        prepare = _last_first(_wanted([s for s in self._steps if not _touches(s, run_buffers)], run), run)
        wanted = {i for s in run for i in s.reads}
        for i, b in enumerate(self._buffers):
            if b.kind == "arena" and i not in run_buffers:
                self._buffers[i] = replace(b, kind="prepared" if i in wanted else "preparing")
        arena = self._place("arena", run)
        preparing = self._place("preparing", prepare)
        kept = self._keep(run)
        return Program(
            tuple(self._buffers),
            prepare,
            run,
            tuple(self._inputs),
            tuple(self._parameters),
            tuple(t.spec for t in self.graph.outputs),
            arena,
            self._buffers[self._scratch].nbytes,
            kept,
            preparing,
            self.precision,
        )

    def _place(self, kind: str, steps: tuple[Step, ...]) -> int:
        """Offsets for all buffers of a kind; the size of their arena."""
        sizes = {i: b.nbytes for i, b in enumerate(self._buffers) if b.kind == kind}
        offsets, size = memory.place(sizes, [s.writes for s in steps], [s.reads for s in steps])
        for i, offset in offsets.items():
            self._buffers[i] = replace(self._buffers[i], offset=offset)
        return size

    def _keep(self, run: tuple[Step, ...]) -> int:
        """Constants and prepared buffers lie one after the other as `run` reads them, in one block (large pages,
        streaming); its size. Constants, which are written before anything is prepared, come first: each between weights
        would have a large page to itself for as long."""
        order = dict.fromkeys([i for s in run for i in s.reads] + list(range(len(self._buffers))))
        top = 0
        for kind in ("constant", "prepared"):
            for i in (i for i in order if self._buffers[i].kind == kind):
                self._buffers[i] = replace(self._buffers[i], offset=top)
                top += memory.rounded(self._buffers[i].nbytes)
        return top

    def _bind_outputs(self) -> None:
        """An output's buffer becomes the caller's array; one that lies elsewhere already (an input handed through, a
        constant, a part of another buffer, the same tensor twice) is copied there."""
        self._label = ""
        taken: set[int] = set()
        written = {b for s in self._steps for b in s.writes}
        for position, tensor in enumerate(self.graph.outputs):
            address = self.address(tensor)
            buffer = self._buffers[address.buffer]
            whole = buffer.kind == "arena" and address.offset == 0 and buffer.nbytes == tensor.spec.nbytes
            if whole and address.buffer in written and address.buffer not in taken:
                self._buffers[address.buffer] = replace(buffer, kind="output", position=position)
                taken.add(address.buffer)
            else:
                node = Node.make(CallOut(lambda x: x, tensor.spec, "copy"), (tensor,))
                self._addresses[node.outputs[0]] = self._buffer(Buffer("output", tensor.spec.nbytes, position))
                self.call_out(node, "an output that has its value elsewhere")

    def _buffer(self, buffer: Buffer) -> Address:
        self._buffers.append(buffer)
        return Address(len(self._buffers) - 1)


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


class Refused(Exception):
    """A lowering refuses a group of several nodes: the planner takes it apart and tries again."""

    def __init__(self, group: Group, reason: str) -> None:
        super().__init__(reason)
        self.group, self.reason = group, reason


def is_view(group: Group) -> bool:
    """Does its output lie where its input lies?"""
    return isinstance(group.anchor.op, (Reshape, StopGradient)) and len(group.nodes) == 1


def _touches(step: Step, buffers: Set[int]) -> bool:
    return not buffers.isdisjoint(step.reads) or not buffers.isdisjoint(step.writes)


def _depending(steps: Sequence[Step], changing: Set[int]) -> set[int]:
    """`changing`, and the buffers whose content may change with them: all that a step touches these writes."""
    found = set(changing)
    while True:
        before = len(found)
        for s in steps:
            if _touches(s, found):
                found.update(s.writes)
        if len(found) == before:
            return found


_SCRATCH_STRIDE = -1
"""Stands for the size of one thread's scratch, which is known when all steps are (see `runtime`)."""


def predicted_ns(flops: int, nbytes: int) -> float:
    """A first guess of one thread's time: 60 GFLOP/s or 8 GB/s, whichever is slower."""
    return max(flops / 60.0, nbytes / 8.0)
