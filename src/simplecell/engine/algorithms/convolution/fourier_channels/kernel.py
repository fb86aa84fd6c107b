"""Convolution of signals with long kernels, to many channels: Fourier transforms along the signal, vectors along the
channels."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from simplecell.engine.algorithms.convolution.fourier_channels.schedule import FourierChannelsSchedule
from simplecell.engine.algorithms.convolution.fourier_levels import Levels
from simplecell.engine.algorithms.convolution.outliers import energy_after, too_large, total
from simplecell.engine.code.emit import F32, I8, Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.fourier import ColumnTransforms
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.tile_store import Operands


@dataclass(frozen=True)
class ConvolutionFourierChannels(Kernel):
    """dst[n, x, oc] = epilogue(Σ over taps and ic of src · weights), any stride, by overlap-save.

    A signal is read as rows of `run` = stride · ic values, of which each output takes the next `taps`: with a stride of
    4 and one channel, rows of four values and a kernel of a quarter of the taps. So the stride disappears, and what it
    would throw away is not computed.

    A block is `size` = Π radices rows, of which it gives `step` outputs. `blocks` blocks at a time:

    1. rows → scratch `[block][row][part][run]`, zeros outside the signal and for the imaginary part;
    2. all passes but the last on vectors of a row's values;
    3. for each run of rows that the last pass splits: that pass; for each frequency a product of complex matrices,
       (blocks × run) · (run × half); the first pass back. The first `half` output channels are the real, the others the
       imaginary part: weights are transformed so;
    4. the other passes back;
    5. the rows that do not wrap around → dst, through the epilogue; and in `apart`, a byte for each group of rows (and
       that for each of the `parts`), whether they are to be summed directly (see fourier_levels.py).

    The work is divided over images, groups of blocks, and `parts` of the output channels.
    """

    radices: tuple[int, ...]
    blocks: int
    vectors: int
    """of output channels in a tile of products"""
    epilogue: Epilogue = NO_EPILOGUE
    local: bool = False
    """Outputs are also summed directly where they are quiet beside the others of their block."""

    outputs = ("dst", "apart")

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*_ARGUMENTS, *(Levels.names() if self.local else ()), *self.epilogue.arguments)

    @property
    def size(self) -> int:
        return prod(self.radices)

    @property
    def name(self) -> str:
        shape = f"{'x'.join(map(str, self.radices))}_{self.blocks}b_{self.vectors}v"
        options = (shape, "local" * self.local, self.epilogue.name)
        return kernel_name("convolution_forward", "fourier_channels", "float32", *options)

    def emit(self, e: Emitter) -> None:
        _FourierChannels(e, self).emit()


_ADDRESSES = ("dst", "src", "weights", "twiddles", "apart", "scratch", "scratch_stride")
_ARGUMENTS = (*_ADDRESSES, *FourierChannelsSchedule.names())


class _FourierChannels:
    def __init__(self, e: Emitter, kernel: ConvolutionFourierChannels) -> None:
        self.e, self.k = e, kernel
        self.src, self.dst, self.weights = e.pointer("src"), e.pointer("dst"), e.pointer("weights")
        self.n, self.length, self.pad, self.rows, self.oc, self.pixel = (
            e.index(a) for a in "n length pad rows oc dst_pixel".split()
        )
        self.run, self.step, self.parts, self.half = (e.index(a) for a in ("run", "step", "parts", "half"))
        self.scratch = e.scratch()
        self.sums_in, self.outputs, self.sums_out = (
            e.at(self.scratch, e.index(a)) for a in ("sums_in", "outputs", "sums_out")
        )
        factors = e.pointer("twiddles")
        self.ins, self.outs = (
            ColumnTransforms(e, kernel.radices, factors, p * 2, p) for p in (e.index("pitch_in"), e.index("pitch_out"))
        )
        self.operands = Operands.of(e, kernel.epilogue)
        self.apart, self.group, self.groups = e.pointer("apart"), e.index("group"), e.index("groups")
        self.width = kernel.vectors * e.lanes
        self.last = kernel.radices[-1]

    def emit(self) -> None:
        e, k = self.e, self.k
        blocks = (self.rows + (self.step - 1)) // self.step
        groups = (blocks + (k.blocks - 1)) // k.blocks
        tiles = self.half // self.width
        first, last = e.my_share(self.n * groups * self.parts)
        with e.loop(last, start=first, name="unit") as unit:
            part, u = unit.index % self.parts, unit.index // self.parts
            image, row = u // groups, u % groups * k.blocks * self.step
            begin, end = tiles * part // self.parts * self.width, tiles * (part + 1) // self.parts * self.width
            with e.loop(k.blocks, name="block") as b:
                self._copy(image, row + b.index * self.step, b.index)
                if k.local:
                    self._measure(b.index)
                with e.loop(self.run, step=e.lanes, name="column") as c:
                    self.ins.forward(e.at(self.scratch, self.ins.row * k.size * b.index + c.index))
            with e.loop(k.size // self.last, name="rows") as r:
                self._frequencies(r.index * self.last, begin, end)
            with e.loop(k.blocks, name="block") as b:
                with e.loop(end, start=begin, step=e.lanes, name="column") as c:
                    self.outs.back(e.at(self.outputs, self.outs.row * k.size * b.index + c.index))
                marks = e.at(self.apart, (part * self.n + image) * self.groups, I8)
                self._mark(marks, row + b.index * self.step, b.index, begin, end)
                self._store(image, row + b.index * self.step, b.index, begin, end)

    def _levels(self, block: Index) -> Value:
        """Where a block's energies lie: of all its rows, then of each group."""
        return self.e.at(self.scratch, self.e.index("levels") + block * (self.k.size + 1))

    def _measure(self, block: Index) -> None:
        """Before the transform overwrites the inputs: their energies (sums of squares)."""
        e = self.e
        levels = self._levels(block)
        with e.loop(e.const(self.k.size) // self.group, carry=[F32(0.0)], name="group") as g:
            with e.loop(self.group, carry=[e.zero()], name="row") as r:
                line = e.at(self.scratch, self.ins.row * (block * self.k.size + g.index * self.group + r.index))
                with e.loop(self.run, step=e.lanes, carry=r.values, name="vector") as v:
                    v.carry([energy_after(e, v.values[0], [e.load(line, v.index)])])
                r.carry(v.results)
            energy = total(e, r.results[0])
            e.store(energy, levels, g.index + 1)
            g.carry([e.fadd(g.values[0], energy)])
        e.store(g.results[0], levels)

    def _mark(self, marks: Value, row: Index, block: Index, begin: Index, end: Index) -> None:
        """Which groups of a block's outputs are to be summed directly? A value that is not finite, or so large
        that sums overflow, spoils all rows: the first one tells."""
        e = self.e
        line = e.at(self.outputs, self.outs.row * self.k.size * block)
        with e.loop(end, start=begin, step=e.lanes, carry=[e.zero()], name="vector") as v:
            values = [e.load(line, self.outs.pitch * part + v.index) for part in range(2)]
            v.carry([energy_after(e, v.values[0], values)])
        good = e.b.not_(too_large(e, total(e, v.results[0])))
        left = self.rows - row  # groups behind the last output are not apart
        of_a_block = (self.step + (self.group - 1)) // self.group
        with e.loop(e.select(left > 0, self.step, 0), step=self.group, name="group") as g:
            number, fits = g.index // self.group, good
            if self.k.local:
                levels = self._levels(block)
                inner = e.at(levels, number + e.index("first") + 1)
                with e.loop(e.index("inner"), carry=[F32(0.0)], name="inner", at_least_once=True) as i:
                    i.carry([e.fadd(i.values[0], e.load(inner, i.index, lanes=1))])
                energy, loud = i.results[0], e.b.fmul(e.load(levels, lanes=1), e.scalar("quiet"))
                less = e.b.and_(e.b.fcmp_ordered("<", energy, loud), e.b.fcmp_ordered(">", energy, F32(0.0)))
                fits = e.b.and_(good, e.b.not_(less))
            apart = e.b.and_(g.index < left, e.b.not_(fits))
            e.store(e.b.zext(apart, I8), marks, row // self.step * of_a_block + number)

    def _copy(self, image: Index, row: Index, block: Index) -> None:
        """A block's rows → scratch. Those behind the signal's end are zeros."""
        e = self.e
        source = e.at(self.src, image * self.length)
        with e.loop(self.k.size, name="row") as r:
            first = (row + r.index) * self.run - self.pad
            target = e.at(self.scratch, self.ins.row * (block * self.k.size + r.index))
            with e.loop(self.run, step=e.lanes, name="vector") as v:
                at = first + v.index
                before, behind = e.mask(at * -1), e.mask((self.run - v.index).minimum(self.length - at))
                mask = e.b.and_(e.b.not_(before), behind)
                e.store(e.load(source, at, mask=mask), target, v.index)
                e.store(e.zero(), target, self.ins.pitch + v.index)

    def _frequencies(self, first: Index, begin: Index, end: Index) -> None:
        """Of one run of rows, for output channels from `begin` to `end`."""
        e, k = self.e, self.k
        with e.loop(k.blocks, name="block") as b, e.loop(self.run, step=e.lanes, name="column") as c:
            source = e.at(self.scratch, self.ins.row * (b.index * k.size + first) + c.index)
            self.ins.across(source, e.at(self.sums_in, self.ins.row * (b.index * self.last) + c.index), -1)
        with e.loop(self.last, name="row") as q, e.loop(end, start=begin, step=self.width, name="tile") as x:
            self._products(first + q.index, q.index, x.index)
        with e.loop(k.blocks, name="block") as b, e.loop(end, start=begin, step=e.lanes, name="column") as c:
            target = e.at(self.outputs, self.outs.row * (b.index * k.size + first) + c.index)
            self.outs.across(e.at(self.sums_out, self.outs.row * (b.index * self.last) + c.index), target, 1)

    def _products(self, frequency: Index, row: Index, column: Index) -> None:
        """One tile: all blocks, `vectors` vectors of output channels from `column` on."""
        e, k = self.e, self.k
        weights = e.at(self.weights, (frequency * self.half + column) * self.run * 2)
        at = e.at(self.sums_in, self.ins.row * row)
        carry: list[Value] = [e.zero()] * (2 * k.blocks * k.vectors)
        with e.loop(self.run, carry=[*carry, weights, at], name="value", at_least_once=True) as loop:
            *acc, w, x = loop.values
            real = [e.load(w, v * e.lanes) for v in range(k.vectors)]
            imaginary = [e.load(w, self.width + v * e.lanes) for v in range(k.vectors)]
            for part in range(2):  # first all of one part: sums follow upon each other at a distance
                for b in range(k.blocks):
                    value = e.broadcast(x, self.ins.row * self.last * b + self.ins.pitch * part)
                    other = e.b.fneg(value) if part else value
                    for v in range(k.vectors):
                        i = 2 * (b * k.vectors + v)
                        up, across = (imaginary, real) if part else (real, imaginary)
                        acc[i], acc[i + 1] = e.fma(other, up[v], acc[i]), e.fma(value, across[v], acc[i + 1])
            loop.carry([*acc, e.at(w, 2 * self.width), e.at(x, 1)])
        for b in range(k.blocks):
            for v in range(k.vectors):
                target = e.at(self.sums_out, self.outs.row * (row + b * self.last) + column + v * e.lanes)
                for part in range(2):
                    e.store(loop.results[2 * (b * k.vectors + v) + part], target, self.outs.pitch * part)

    def _store(self, image: Index, row: Index, block: Index, begin: Index, end: Index) -> None:
        e, k = self.e, self.k
        with e.loop(self.step.minimum(self.rows - row), name="row") as r, e.loop(2, name="part") as part:
            line = e.at(self.outputs, self.outs.row * (block * k.size + r.index) + self.outs.pitch * part.index)
            pixel = (image * self.rows + row + r.index) * self.pixel
            channel = self.half * part.index
            with e.loop(end.minimum(self.oc - channel), start=begin, step=e.lanes, name="vector") as v:
                at = channel + v.index
                mask = e.mask(self.oc - at)
                e.store(self.operands.apply(e, e.load(line, v.index), pixel, at, mask), self.dst, pixel + at, mask=mask)
