"""What turns groups into steps: a `Lowering` is given to the function of an op's family, which appends the steps that
compute the group.

Such functions register themselves by the op of a group's anchor, or by the kind of group:

    @lowers(Convolution)
    def convolution(ctx: Lowering, group: Group) -> str | None: ...

They return None when they have appended steps, or the reason (a string) why they cannot; then the op runs as its
reference.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.planning.algorithm import Choice
from simplecell.engine.planning.choices import Choices
from simplecell.engine.planning.facts import Facts
from simplecell.engine.planning.groups import AnchoredGroup, Group
from simplecell.engine.planning.placement import Place
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.program import (
    ALIGNMENT,
    SCRATCH_STRIDE,
    Address,
    Buffer,
    Considered,
    Step,
    predicted_ns,
    rounded,
)
from simplecell.engine.target import Target
from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor
from simplecell.ops.base import Op, Spec
from simplecell.ops.elementwise import StopGradient
from simplecell.ops.shaping import Reshape

Kept = TypeVar("Kept")
LoweringFunction = Callable[["Lowering", Group], "str | None"]
_registered: dict[type[Op] | type[Group], LoweringFunction] = {}

SMALL_WORK_NS = 4000.0
"""A step predicted to take less runs on one thread: meeting the others would cost more."""


def lowers(*kinds: type[Op] | type[Group]) -> Callable[[LoweringFunction], LoweringFunction]:
    """Register what lowers groups of some kind, or whose anchor is one of some ops."""

    def register(function: LoweringFunction) -> LoweringFunction:
        for kind in kinds:
            assert kind not in _registered, f"{kind.__name__} is lowered already"
            _registered[kind] = function
        return function

    return register


class Refused(Exception):
    """A group of several nodes cannot be lowered as it is: it is taken apart, and its nodes are lowered one by one."""

    def __init__(self, group: Group, reason: str) -> None:
        super().__init__(reason)
        self.group, self.reason = group, reason


class Buffers:
    """The buffers of a program, as they are asked for."""

    def __init__(self) -> None:
        self.all: list[Buffer] = []
        self.scratch = self.add(Buffer("scratch", 0)).buffer
        self.scratch_bytes = 0
        """that one thread needs at most"""

    def add(self, buffer: Buffer) -> Address:
        self.all.append(buffer)
        return Address(len(self.all) - 1)


class Lowering:
    """Collects steps, and the buffers that they touch.

    `within` begins another one inside of it: what that collects becomes part of this one only by `accept`.
    """

    def __init__(
        self,
        facts: Facts,
        setting: Setting,
        choices: Choices,
        places: Mapping[Tensor, Place],
        notes: Mapping[Tensor, str],
    ) -> None:
        self.facts, self.setting, self.choices, self.notes = facts, setting, choices, notes
        self.buffers = Buffers()
        self.steps: list[Step] = []
        self.inputs: list[Spec] = []
        self.parameters: list[Spec] = []
        self._places = dict(places)
        self._whole: dict[Tensor, Tensor] = {}
        self._addresses: dict[Tensor, Address] = {}
        self._once: dict[Hashable, Any] = {}
        self._outer: Lowering | None = None
        self._label = ""
        for tensor in facts.graph.inputs:
            op = tensor.node.op
            assert isinstance(op, Placeholder)
            kind, specs = ("parameter", self.parameters) if op.role == "parameter" else ("input", self.inputs)
            self._addresses[tensor] = self.buffers.add(Buffer(kind, tensor.spec.nbytes, len(specs)))
            specs.append(tensor.spec)

    # --- what is planned for -----------------------------------------------------------------------------------------

    @property
    def target(self) -> Target:
        return self.setting.target

    @property
    def threads(self) -> int:
        return self.setting.threads

    @property
    def precision(self) -> str:
        return self.setting.precision

    def choice(self, group: Group) -> Choice[Any] | None:
        """Which algorithm was chosen for the group, whatever part of the batch it stands for."""
        return self.choices.get(self.whole(group.anchor.outputs[0]))

    def note(self, group: Group) -> str:
        """What earlier stages have to say about the group."""
        return self.notes.get(self.whole(group.output), "")

    def given(self, tensor: Tensor) -> bool:
        """Does it depend on parameters and constants alone?"""
        return self.facts.given(self.whole(tensor))

    def whole(self, tensor: Tensor) -> Tensor:
        """The tensor for the whole batch, where `tensor` is that for some of its images: what decides about bits must
        not depend on their number."""
        found = self._whole.get(tensor)
        if found is None:
            return tensor if self._outer is None else self._outer.whole(tensor)
        return found

    # --- where tensors lie -------------------------------------------------------------------------------------------

    def address(self, tensor: Tensor) -> Address:
        """Where the tensor lies: in C order, dense but for what `pixel_stride` says. The first call for a group's
        output makes its buffer."""
        found = self._addresses.get(tensor)
        if found is not None:
            return found
        if self._outer is not None and tensor not in self._whole:
            return self._outer.address(tensor)
        op, place = tensor.node.op, self.place_of(tensor)
        if isinstance(op, Constant):
            found = self.constant(op.value)
        elif place is not None:
            found = self.address(place.whole) + 4 * place.channel
        else:
            found = self.buffers.add(Buffer("arena", tensor.spec.nbytes))
        self._addresses[tensor] = found
        return found

    def view(self, tensor: Tensor, of: Address) -> None:
        """`tensor` lies at an address that exists already (a reshape, a contiguous slice)."""
        self._addresses[tensor] = of

    def pixel_stride(self, tensor: Tensor) -> int:
        """Elements from one pixel (the last axis but one) to the next: the channels, of the concatenation that the
        tensor is a part of if it is one."""
        return self.root(tensor).shape[-1]

    def placed(self, tensor: Tensor) -> bool:
        """Is the tensor written into its place in a concatenation, and so not dense?"""
        return self.place_of(tensor) is not None

    def placed_already(self, tensor: Tensor) -> bool:
        """Does it have an address already: is it given, or has a step written it? (What was fused into another's
        expression never does.)"""
        return tensor in self._addresses or self._outer is not None and self._outer.placed_already(tensor)

    def root(self, tensor: Tensor) -> Tensor:
        """The tensor in whose memory it is placed; itself if it is not placed."""
        place = self.place_of(tensor)
        return tensor if place is None else place.whole

    def place_of(self, tensor: Tensor) -> Place | None:
        """Where in another tensor it lies; None if in memory of its own."""
        found = self._places.get(tensor)
        return found if found is not None or self._outer is None else self._outer.place_of(tensor)

    def constant(self, value: np.ndarray) -> Address:
        """Data known now, e.g. an index table."""
        value = np.ascontiguousarray(value)
        return self.buffers.add(Buffer("constant", value.nbytes, value=value))

    def tables(self, values: Mapping[str, np.ndarray]) -> dict[str, Address]:
        """The addresses of constants, each of which is kept once."""
        return {
            name: self.once((value.dtype.str, value.shape, value.tobytes()), partial(self.constant, value))
            for name, value in values.items()
        }

    def temporary(self, nbytes: int) -> Address:
        """Memory that only the steps that mention it use. If all its writers depend on parameters alone (packed
        weights), it is computed once and kept; otherwise it lives in the arena between its first and its last
        mention."""
        return self.buffers.add(Buffer("arena", nbytes))

    def once(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """`make()` the first time that `key` is met: e.g. packed weights that several steps share. Name tensors in the
        key."""
        around: Lowering | None = self
        while around is not None:
            if key in around._once:
                found: Kept = around._once[key]
                return found
            around = around._outer
        kept = self._once[key] = make()
        return kept

    def scratch(self, nbytes: int) -> dict[str, Address | int]:
        """`nbytes` of scratch per thread: pass `**ctx.scratch(n)` for the kernel's arguments `scratch` and
        `scratch_stride`."""
        need = rounded(nbytes) + 2 * ALIGNMENT  # neighbours do not share a line
        self.buffers.scratch_bytes = max(need, self.buffers.scratch_bytes)
        return {"scratch": Address(self.buffers.scratch), "scratch_stride": SCRATCH_STRIDE}

    def epilogue(self, group: Group) -> tuple[Epilogue, dict[str, Address | int | float]]:
        """The group's epilogue and the kernel arguments `e0, e1, …` for it."""
        if not isinstance(group, AnchoredGroup):
            return NO_EPILOGUE, {}
        return group.epilogue, {f"e{i}": self.address(t) for i, t in enumerate(group.operands)}

    # --- steps -------------------------------------------------------------------------------------------------------

    def step(
        self,
        kernel: Kernel,
        *,
        algorithm: str = "",
        reason: str = "",
        considered: tuple[Considered, ...] = (),
        shapes: str = "",
        flops: int = 0,
        nbytes: int = 0,
        predicted: float = 0.0,
        parallel: bool | None = None,
        label: str | None = None,
        **arguments: Any,
    ) -> None:
        """Append a step. Addresses in `kernel.outputs` are written, all others read; give every other argument as int
        or float.

        Args:
            predicted: nanoseconds on one thread, by the family's own reckoning; 0: by flops and bytes.
            parallel: do all threads share it? None: if there is enough to do.
            label: the layer; None: the group's.
        """
        if set(arguments) != set(kernel.arguments):
            raise AssertionError(f"{kernel.name} takes {kernel.arguments}, got {tuple(arguments)}")
        ordered = tuple((a, arguments[a]) for a in kernel.arguments)
        buffers = [(a, v.buffer) for a, v in ordered if isinstance(v, Address) and v.buffer != self.buffers.scratch]
        self.steps.append(
            Step(
                kernel,
                ordered,
                reads=tuple(b for a, b in buffers if a not in kernel.outputs),
                writes=tuple(b for a, b in buffers if a in kernel.outputs),
                label=self._label if label is None else label,
                algorithm=algorithm or kernel.name,
                reason=reason,
                considered=considered,
                shapes=shapes,
                flops=flops,
                nbytes=nbytes,
                predicted=predicted,
                parallel=predicted_ns(flops, nbytes) > SMALL_WORK_NS if parallel is None else parallel,
            )
        )

    def call_out(self, node: Node, reason: str) -> None:
        """Append a step that runs the node's reference."""
        inputs = tuple((self.address(t), t.spec) for t in node.inputs)
        outputs = tuple((self.address(t), t.spec) for t in node.outputs)
        self.steps.append(
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

    def lower(self, group: Group) -> None:
        """Append the steps of a group. Raises Refused for one of several nodes that has no machine code."""
        self._label = group.label
        if is_view(group):
            self.view(group.output, self.address(group.anchor.inputs[0]))
            return
        function = _registered.get(type(group)) or _registered.get(type(group.anchor.op))
        before = len(self.steps)
        reason = function(self, group) if function is not None else "no machine code for it"
        if reason is None:
            return
        if len(self.steps) != before:
            raise AssertionError(f"{group.anchor.op.name}: the lowering refused after it had appended steps")
        if len(group.nodes) != 1:
            raise Refused(group, reason)
        self.call_out(group.anchor, reason)

    # --- one within another ------------------------------------------------------------------------------------------

    def within(self, threads: int | None = None, whole: Mapping[Tensor, Tensor] | None = None) -> Lowering:
        """Another one, whose buffers are this one's and whose steps are its own.

        Args:
            threads: that will run its steps; None: as many as here.
            whole: tensors for some images → those for the whole batch. The former lie in buffers of their own.
        """
        inner = Lowering.__new__(Lowering)
        inner.facts, inner.choices, inner.notes, inner.buffers = self.facts, self.choices, self.notes, self.buffers
        inner.setting = self.setting if threads is None else replace(self.setting, threads=threads)
        inner.inputs, inner.parameters, inner.steps = self.inputs, self.parameters, []
        inner._whole = dict(whole or {})
        inner._places, inner._addresses, inner._once = {}, {}, {}
        inner._outer, inner._label = self, ""
        return inner

    def accept(self, inner: Lowering) -> None:
        """Take over the steps of a lowering within this one, and what it knows."""
        self.steps += inner.steps
        self._once |= inner._once
        self._addresses |= inner._addresses

    def place(self, tensor: Tensor, place: Place) -> None:
        """Let a tensor lie in another, before it has an address."""
        self._places[tensor] = place


def is_view(group: Group) -> bool:
    """Does its output lie where its input lies?"""
    return isinstance(group.anchor.op, (Reshape, StopGradient)) and len(group.nodes) == 1
