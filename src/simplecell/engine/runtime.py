"""A program bound to memory: addresses are filled in once, inputs and outputs at each call."""

from __future__ import annotations

import ctypes
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from simplecell.engine import runner
from simplecell.engine.machine import machine
from simplecell.engine.memory import ALIGNMENT, rounded
from simplecell.engine.program import Address, Program, Step, meet
from simplecell.engine.target import Target
from simplecell.engine.threads import pool
from simplecell.ops.base import Spec
from simplecell.ops.dtypes import to_dtype


def aligned(nbytes: int) -> np.ndarray:
    """Bytes that begin on a cache line."""
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + nbytes]


class Bound:
    """A program with its memory and its table of steps for the runner."""

    def __init__(self, program: Program, target: Target, threads: int) -> None:
        self.program = program
        self.threads = threads
        self._lock = threading.Lock()
        kernels = [s.kernel for s in (*program.prepare, *program.run) if s.kernel is not None]
        self._functions = machine(target).addresses(kernels)
        self._pool = pool(target, threads if program.parallel else 1)
        self._memory: list[np.ndarray] = []
        self._parameters: dict[int, np.ndarray] = {}
        """by position; kept alive for the steps that read them"""
        self._bases = self._place(program, threads)
        self._failure: BaseException | None = None
        self._callbacks: list[Any] = []
        # where a caller's array's address goes: (table's word, offset) by (kind, position)
        self._patches: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self._words: list[int] = []
        self._current: dict[tuple[str, int], int] = {}
        prepare, run = self._table(program.prepare), self._table(program.run)
        self._table_memory = np.array(self._words, np.int64)
        base = int(self._table_memory.ctypes.data)
        for table in (prepare, run):
            for at in table.argument_slots:
                self._table_memory[at] = base + 8 * int(self._table_memory[at])
        self._prepare = (base + 8 * prepare.start, len(program.prepare))
        self._run = (base + 8 * run.start, len(program.run))
        self._slots = {key: [(w, o) for w, o in places] for key, places in self._patches.items()}

    # --- running -----------------------------------------------------------------------------------------------------

    def prepare(self, parameters: Sequence[np.ndarray]) -> None:
        """Take the parameters (kept alive by this object) and compute what depends on them alone."""
        with self._lock:
            self._parameters = dict(enumerate(parameters))
            for position, array in self._parameters.items():
                self._give("parameter", position, array)
            passing = aligned(self.program.preparing_bytes)
            self._give("preparing", 0, passing)
            self._go(self._prepare)

    def freeze(self, parameters: list[np.ndarray], prepared: bool) -> None:
        """As `prepare` (unless that is done), but each parameter is let go when the last step that reads it is; those that `run` reads
        stay. The list is emptied, so that the caller's keeps none alive.

        Args:
            parameters: the parameters, of which nobody else should hold references.
            prepared: whether `prepare` has had these parameters.
        """
        with self._lock:
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
            table = self._prepare[0]
            for i, read in enumerate(reads):
                if not prepared:
                    self._go((table + 8 * runner.STEP_WORDS * i, 1))
                for position in read - kept.union(*reads[i + 1 :]):
                    del held[position]

    def _parameters_read(self, step: Step) -> set[int]:
        """Their positions."""
        return {b.position for b in (self.program.buffers[i] for i in step.reads) if b.kind == "parameter"}

    def run(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
        """One run. Arrays are C-contiguous and of exactly the program's specs; the caller has seen to that."""
        with self._lock:
            for position, array in enumerate(inputs):
                self._give("input", position, array)
            for position, array in enumerate(outputs):
                self._give("output", position, array)
            self._go(self._run)

    def measure(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], repeats: int = 10) -> list[float]:
        """Median seconds of each step of `run`, each timed by itself. Steps that threads run side by side share the time that they take together."""
        self.run(inputs, outputs)
        table, count = self._run
        steps = self.program.run
        last = [i for i in range(count) if i + 1 == count or (steps[i].thread or 0) >= (steps[i + 1].thread or 0)]
        flags = self._table_memory[(table - int(self._table_memory.ctypes.data)) // 8 + 2 :: runner.STEP_WORDS][:count]
        with self._lock:
            before = flags.copy()
            flags[last] |= runner.BARRIER
            times = np.empty((repeats, count))
            for r in range(repeats):
                for first, end in zip([0, *(i + 1 for i in last)], last):
                    start = time.perf_counter()
                    self._go((table + 8 * runner.STEP_WORDS * first, end + 1 - first))
                    times[r, first : end + 1] = (time.perf_counter() - start) / (end + 1 - first)
            flags[:] = before
        return [float(t) for t in np.median(times, axis=0)]

    def _give(self, kind: str, position: int, array: np.ndarray) -> None:
        key = (kind, position)
        places = self._slots.get(key)
        if not places:
            return
        address = _address(array)
        if self._current.get(key) == address:
            return
        self._current[key] = address
        words = self._table_memory
        for word, offset in places:
            words[word] = address + offset

    def _go(self, part: tuple[int, int]) -> None:
        table, count = part
        if count == 0:
            return
        self._failure = None
        self._pool.run(table, count)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    # --- binding -----------------------------------------------------------------------------------------------------

    def _place(self, program: Program, threads: int) -> dict[int, int]:
        """The base address of every buffer that the caller does not bring, but for those that only `prepare` needs."""
        stride = rounded(program.scratch_bytes)
        self._scratch_stride = stride
        blocks = {"arena": aligned(program.arena_bytes), "scratch": aligned(stride * threads), "kept": aligned(program.kept_bytes)}
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
        start = len(self._words)
        self._words += [0] * (runner.STEP_WORDS * len(steps))
        slots = []
        for i, step in enumerate(steps):
            at = start + runner.STEP_WORDS * i
            barrier = meet(step, steps[i + 1] if i + 1 < len(steps) else None)
            self._words[at] = self._functions[step.kernel] if step.kernel is not None else self._call_out(step)
            self._words[at + 1] = len(self._words)
            alone = 0 if step.thread is None else runner.SOLO | step.thread << runner.OWNER
            self._words[at + 2] = alone | (runner.BARRIER if barrier else 0)
            slots.append(at + 1)
            for name, value in step.arguments:
                word = self._scratch_stride if name == "scratch_stride" else self._word(value)
                self._words.append(word + (step.thread or 0) * self._scratch_stride if name == "scratch" else word)
        return _Table(start, slots)

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

    def _call_out(self, step: Step) -> int:
        """The address of a function that runs the step's reference."""
        op, position = step.op, len(self._words)
        assert op is not None
        # the arguments' words hold the addresses: the caller's arrays come and go
        words = [a for a, _ in (*step.inputs, *step.outputs)]
        for address in words:
            self._words.append(self._word(address))
        specs = [s for _, s in (*step.inputs, *step.outputs)]
        count = len(step.inputs)

        def call(_arguments: int, _thread: int, _threads: int) -> None:
            if self._failure is not None:
                return
            try:
                arrays = [view(int(self._table_memory[position + k]), spec) for k, spec in enumerate(specs)]
                for array in arrays[:count]:
                    array.flags.writeable = False
                result = op.reference(*arrays[:count])
                several = result if isinstance(result, tuple) else (result,)
                for target, value in zip(arrays[count:], several, strict=True):
                    value = np.asarray(value)
                    if value.shape != target.shape:
                        raise ValueError(f"`{op.name}` promised shape {target.shape} when it was traced and gave {value.shape} when it ran.")
                    target[...] = value
            except BaseException as failure:  # it must not unwind through machine code; `_go` raises it
                self._failure = failure
                self._pool.stop()

        callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(call)
        self._callbacks.append(callback)
        return ctypes.cast(callback, ctypes.c_void_p).value or 0


def _address(array: Any) -> int:
    """Where an array begins; the quick way (0.4 µs instead of 1) is for those that are not empty and may be written to."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError, BufferError):
        return int(array.__array_interface__["data"][0])


class _Table:
    def __init__(self, start: int, argument_slots: list[int]) -> None:
        self.start, self.argument_slots = start, argument_slots


def view(address: int, spec: Spec) -> np.ndarray:
    """The array at an address."""
    nbytes = spec.nbytes
    if nbytes == 0:
        return np.empty(spec.shape, to_dtype(spec.dtype))
    memory: Any = (ctypes.c_uint8 * nbytes).from_address(address)
    flat: np.ndarray = np.frombuffer(memory, np.uint8).view(to_dtype(spec.dtype))
    return flat.reshape(spec.shape)
