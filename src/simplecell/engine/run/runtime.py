"""A program bound to memory: addresses are filled in once, inputs and outputs at each call."""

from __future__ import annotations

import ctypes
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from simplecell.engine.code.kernel import Kernel
from simplecell.engine.machine.machine import machine
from simplecell.engine.run import runner
from simplecell.engine.run.program import ALIGNMENT, Address, Program, Step, meet, rounded
from simplecell.engine.run.threads import team
from simplecell.engine.target import Target
from simplecell.forks import renew_in_child
from simplecell.ops.base import Spec
from simplecell.ops.dtypes import to_dtype


def aligned(nbytes: int) -> np.ndarray:
    """Bytes that begin on a cache line."""
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + nbytes]


Stretches = list[tuple[int, int] | Callable[[], None]]
"""What is to be done in turn: steps at an address in the table, that many; or a call-out."""


class Bound:
    """A program with its memory and its table of steps for the runner. One run at a time: others wait.

    Wherever an exception (a signal's, a call-out's) or a fork stops it, what it holds is whole, or is known not to be
    (docs/threads.md).
    """

    def __init__(self, program: Program, target: Target, threads: int) -> None:
        self.program = program
        self.threads = threads
        self._target = target
        kernels = [s.kernel for s in (*program.prepare, *program.run) if s.kernel is not None]
        self._functions = machine(target).addresses(k for k in kernels if k.if_marked is None or program.call_outs)
        self._if_marked = machine(target).functions("runner", runner.module, "if_marked")[0]
        self._rare: list[tuple[int, Kernel]] = []
        """kernels that are compiled when they are needed, and where in the table their addresses go"""
        self._missing = ctypes.c_int64(0)
        """1: one of them was needed"""
        self._team = team(target, threads if program.parallel else 1)
        self._memory: list[np.ndarray] = []
        self._parameters: dict[int, np.ndarray] = {}
        """by position; kept alive for the steps that read them"""
        self._unfinished = ""
        """"prepare" or "freeze", from their beginning to their end"""
        self._bases = self._place(program, threads)
        # where a caller's array's address goes: (table's word, offset) by (kind, position)
        self._patches: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self._words: list[int] = []
        prepare, run = self._table(program.prepare), self._table(program.run)
        self._table_memory = np.array(self._words, np.int64)
        base = int(self._table_memory.ctypes.data)
        for table in (prepare, run):
            for at in table.argument_slots:
                self._table_memory[at] = base + 8 * int(self._table_memory[at])
            table.address = base + 8 * table.start
        self._prepare, self._run = prepare, run
        self._whole_run = run.stretches(0, len(program.run))
        self._slots = {key: [(w, o) for w, o in places] for key, places in self._patches.items()}
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Nobody is running it, and the table may be torn."""
        self._lock = threading.Lock()
        self._current: dict[tuple[str, int], int] = {}
        """which addresses the table has; 0 while it is being changed"""

    # --- running -----------------------------------------------------------------------------------------------------

    def prepare(self, parameters: Sequence[np.ndarray]) -> None:
        """Take the parameters (kept alive by this object) and compute what depends on them alone."""
        with self._lock:
            if self._unfinished != "freeze":
                self._unfinished = "prepare"
                self._parameters = dict(enumerate(parameters))
            self._finish()

    def _finish(self) -> None:
        """Prepare: now, or once more where that was interrupted."""
        if self._unfinished == "freeze":
            raise RuntimeError(
                "`freeze` was interrupted while it let go of the weights, and the program cannot run any more. Make a "
                "new one."
            )
        for position, array in self._parameters.items():
            self._give("parameter", position, array)
        passing = aligned(self.program.preparing_bytes)
        self._give("preparing", 0, passing)
        self._go(self._prepare.stretches(0, len(self.program.prepare)))
        self._unfinished = ""

    def freeze(self, parameters: list[np.ndarray], prepared: bool) -> None:
        """As `prepare` (unless that is done), but each parameter is let go when the last step that reads it is; those
        that `run` reads stay. The list is emptied, so that the caller's keeps none alive.

        Args:
            parameters: the parameters, of which nobody else should hold references.
            prepared: whether `prepare` has had these parameters.
        """
        with self._lock:
            prepared = prepared and not self._unfinished
            if not prepared:
                self._unfinished = "freeze"
            held = self._parameters = dict(enumerate(parameters))
            parameters.clear()
            for position in held:
                self._give("parameter", position, held[position])
            reads = [self._parameters_read(step) for step in self.program.prepare]
            kept = set[int]().union(*map(self._parameters_read, self.program.run))
            for position in held.keys() - kept.union(*reads):
                del held[position]
            passing = aligned(0 if prepared else self.program.preparing_bytes)
            self._give("preparing", 0, passing)
            for i, read in enumerate(reads):
                if not prepared:
                    self._go(self._prepare.stretches(i, i + 1))
                for position in read - kept.union(*reads[i + 1 :]):
                    del held[position]
            self._unfinished = ""

    def _parameters_read(self, step: Step) -> set[int]:
        """Their positions."""
        return {b.position for b in (self.program.buffers[i] for i in step.reads) if b.kind == "parameter"}

    def run(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
        """One run. Arrays are C-contiguous and of exactly the program's specs; the caller has seen to that."""
        with self._lock:
            self._go_whole(inputs, outputs)

    def _go_whole(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
        if self._unfinished:
            self._finish()
        for position, array in enumerate(inputs):
            self._give("input", position, array)
        for position, array in enumerate(outputs):
            self._give("output", position, array)
        self._go(self._whole_run)

    def measure(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], repeats: int = 10) -> list[float]:
        """Median seconds of each step of `run`, each timed by itself. Steps that threads run side by side share the
        time that they take together."""
        steps = self.program.run
        count = len(steps)
        last = [i for i in range(count) if i + 1 == count or (steps[i].thread or 0) >= (steps[i + 1].thread or 0)]
        ends = [i + 1 for i in last]
        timed = [(first, end, self._run.stretches(first, end)) for first, end in zip([0, *ends], ends)]
        times = np.empty((repeats, count))
        with self._lock:
            self._go_whole(inputs, outputs)
            for r in range(repeats):
                for first, end, stretches in timed:
                    start = time.perf_counter()
                    self._go(stretches)
                    times[r, first:end] = (time.perf_counter() - start) / (end - first)
        return [float(t) for t in np.median(times, axis=0)]

    def _give(self, kind: str, position: int, array: np.ndarray) -> None:
        key = (kind, position)
        places = self._slots.get(key)
        if not places:
            return
        address = _address(array)
        if self._current.get(key) == address:
            return
        self._current[key] = 0  # until all of the words have it: a signal's exception may come between any two
        words = self._table_memory
        for word, offset in places:
            words[word] = address + offset
        self._current[key] = address

    def _go(self, stretches: Stretches) -> None:
        for stretch in stretches:
            if isinstance(stretch, tuple):
                self._team.run(*stretch)
            else:
                stretch()
        if self._missing.value:
            self._compile_missing()
            self._go(stretches)  # which are one stretch: it has changed nothing that it reads

    def _compile_missing(self) -> None:
        """(All of them have been compiled from the start where there are call-outs, which must not be run twice.)"""
        found = machine(self._target).addresses(kernel for _, kernel in self._rare)
        for word, kernel in self._rare:
            self._table_memory[word] = found[kernel]
        self._missing.value = 0

    # --- binding -----------------------------------------------------------------------------------------------------

    def _place(self, program: Program, threads: int) -> dict[int, int]:
        """The base address of every buffer that the caller does not bring, but for those that only `prepare` needs."""
        stride = rounded(program.scratch_bytes)
        self._scratch_stride = stride
        blocks = {
            "arena": aligned(program.arena_bytes),
            "scratch": aligned(stride * threads),
            "kept": aligned(program.kept_bytes),
        }
        self._memory += blocks.values()
        block_of = {"arena": "arena", "scratch": "scratch", "constant": "kept", "prepared": "kept"}
        bases: dict[int, int] = {}
        for i, b in enumerate(program.buffers):
            block = block_of.get(b.kind)
            if block is None:
                continue
            bases[i] = int(blocks[block].ctypes.data) + b.offset
            if b.value is not None:
                blocks[block][b.offset : b.offset + b.nbytes] = np.ascontiguousarray(b.value).reshape(-1).view(np.uint8)
        return bases

    def _table(self, steps: Sequence[Step]) -> _Table:
        """Append the steps and their arguments to the words; addresses within the words are fixed up later."""
        table = _Table(len(self._words))
        start = table.start
        self._words += [0] * (runner.STEP_WORDS * len(steps))
        for i, step in enumerate(steps):
            at = start + runner.STEP_WORDS * i
            barrier = meet(step, steps[i + 1] if i + 1 < len(steps) else None)
            if step.kernel is None:
                table.call_outs[i] = self._call_out(step)
                continue
            if step.kernel.if_marked is None:
                self._words[at] = self._functions[step.kernel]
                self._words[at + 1] = len(self._words)
            else:
                self._words[at] = self._if_marked
                self._words[at + 1] = len(self._words)
                self._add_condition(step, step.kernel)
            alone = 0 if step.thread is None else runner.SOLO | step.thread << runner.OWNER
            self._words[at + 2] = alone | (runner.BARRIER if barrier else 0)
            table.argument_slots.append(at + 1)
            for name, value in step.arguments:
                word = self._scratch_stride if name == "scratch_stride" else self._word(value)
                self._words.append(word + (step.thread or 0) * self._scratch_stride if name == "scratch" else word)
        return table

    def _add_condition(self, step: Step, kernel: Kernel) -> None:
        """What stands before the arguments of a step that `if_marked` runs."""
        arguments = dict(step.arguments)
        assert kernel.if_marked is not None
        for name in kernel.if_marked:
            self._words.append(self._word(arguments[name]))
        if kernel not in self._functions:
            self._rare.append((len(self._words), kernel))
        self._words += [self._functions.get(kernel, 0), ctypes.addressof(self._missing)]

    def _word(self, value: Address | int | float) -> int:
        if isinstance(value, Address):
            buffer = self.program.buffers[value.buffer]
            if buffer.kind in ("input", "parameter", "output"):
                self._patches.setdefault((buffer.kind, buffer.position), []).append((len(self._words), value.offset))
                return 0
            if buffer.kind == "preparing":
                self._patches.setdefault(("preparing", 0), []).append((len(self._words), buffer.offset + value.offset))
                return 0
            return self._bases[value.buffer] + value.offset
        if isinstance(value, float):
            return int(struct.unpack("<I", struct.pack("<f", value))[0])
        return int(value)

    def _call_out(self, step: Step) -> Callable[[], None]:
        """A function that runs the step's reference. What it raises is the run's exception: no machine code is under
        way."""
        op, position = step.op, len(self._words)
        assert op is not None
        # words hold the addresses: the caller's arrays come and go
        for address, _ in (*step.inputs, *step.outputs):
            self._words.append(self._word(address))
        specs = [s for _, s in (*step.inputs, *step.outputs)]
        count = len(step.inputs)

        def call() -> None:
            arrays = [view(int(self._table_memory[position + k]), spec) for k, spec in enumerate(specs)]
            for array in arrays[:count]:
                array.flags.writeable = False
            result = op.reference(*arrays[:count])
            several = result if isinstance(result, tuple) else (result,)
            for target, value in zip(arrays[count:], several, strict=True):
                value = np.asarray(value)
                if value.shape != target.shape:
                    raise ValueError(
                        f"`{op.name}` promised shape {target.shape} when it was traced and gave {value.shape} when it "
                        "ran."
                    )
                target[...] = value

        return call


def _address(array: Any) -> int:
    """Where an array begins; the quick way (0.4 µs instead of 1) is for those that are not empty and may be written
    to."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError, BufferError):
        return int(array.__array_interface__["data"][0])


class _Table:
    """Steps in the table's memory: where they begin, which words hold their arguments' addresses, which are
    call-outs."""

    def __init__(self, start: int) -> None:
        self.start, self.address = start, 0
        self.argument_slots: list[int] = []
        self.call_outs: dict[int, Callable[[], None]] = {}

    def stretches(self, first: int, end: int) -> Stretches:
        """Steps from `first` to before `end`: stretches of machine code, and the call-outs between them."""
        found: Stretches = []
        while first < end:
            following = next((i for i in range(first, end) if i in self.call_outs), end)
            if following > first:
                found.append((self.address + 8 * runner.STEP_WORDS * first, following - first))
            if following < end:
                found.append(self.call_outs[following])
            first = following + 1
        return found


def view(address: int, spec: Spec) -> np.ndarray:
    """The array at an address."""
    nbytes = spec.nbytes
    if nbytes == 0:
        return np.empty(spec.shape, to_dtype(spec.dtype))
    memory: Any = (ctypes.c_uint8 * nbytes).from_address(address)
    flat: np.ndarray = np.frombuffer(memory, np.uint8).view(to_dtype(spec.dtype))
    return flat.reshape(spec.shape)
