"""Cache blocking across layers: which runs of groups are executed for a few images of the batch at a time, and for how
many.

A layer of 16 images at 56×56×256 writes 51 MB, and the next one reads them from memory. Taken an image at a time, a run
of layers finds what it reads in the second-level cache or near it; but it reads its weights again for each piece of the
batch. So early layers are taken in small pieces and late ones in large pieces (ResNet-50, batch 16, one core: 43 ms an
image with all layers whole, 37 so).

The pieces change no bits: algorithms are chosen by the whole batch (`Lowering.whole`), and kernels compute each image
by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2, prod
from typing import Any

import numpy as np

from simplecell.engine.planning.algorithm import Choice
from simplecell.engine.planning.choices import Choices
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.images import Images
from simplecell.engine.planning.setting import Setting
from simplecell.graph.tensor import Tensor
from simplecell.ops.convolution import Convolution

L2_SHARE = 0.375
"""Share of L2 within which what a group reads and writes costs nothing but its instructions."""
DOUBLING_NS = 0.0115
"""Nanoseconds that a byte costs more each time that what a group touches doubles, from there on. Measured in
ResNet-50's 1×1 convolutions, 14×14×256 to 56×56×256, batch 1 to 16, whose operands take from 2 to 115 MB: 0.026 ns at
3.5 MB, 0.035 at 7, 0.045 at 14, 0.057 at 28, 0.08 at 58 and 115."""
FAR = 64
"""L2s that memory is away: further out nothing gets slower."""
STREAM_NS, HIDDEN, WEIGHT_NS = 0.07, 0.6, 0.012
"""of a byte of weights, each time that they are read, from memory. They are fetched while others are multiplied: what
takes less than that share of the time of the multiplications is not seen, but for a little in every case. (F(4,3) of
14×14 256→256: as fast for 2 images as for 4 or 16, for 1 it takes 0.3 ms more.)"""
BEHIND_TAPS = 0.1
"""What is seen of the bytes of convolutions with larger kernels: they copy or transform their inputs while others are
multiplied."""
FLAT = 1.01
"""Winograd convolutions whose predicted cost for one image is within that of the whole batch's need no closer look."""
SIZES = (1, 2, 4, 8, 16, 32)
"""Numbers of images that are tried."""
STEP_NS = 1000.0
"""To begin a step."""
SEGMENT_NS = 10_000.0
"""What one more segment must gain, lest the plan changes its mind at every layer."""
MEETING_NS = 2000.0
"""For threads to meet after a step, and to wait for the last one."""


@dataclass(frozen=True)
class Segment:
    """Groups that are run together for at most `most` images at a time; `wanted` are those of their tensors that others
    read."""

    groups: tuple[Group, ...]
    most: int
    wanted: frozenset[Tensor]

    def __str__(self) -> str:
        return "\n".join([f"at most {self.most} images at a time:", *(f"  {g}" for g in self.groups)])


def segments(
    groups: Sequence[Group], outputs: Sequence[Tensor], images: Images, choices: Choices, setting: Setting
) -> list[Segment]:
    """The groups, in an order in which they can run: at first what depends on parameters alone, then the segments.
    `outputs` are the graph's."""
    changing = set(images.inputs)
    before: list[Group] = []
    run: list[Group] = []
    for group in groups:
        depends = not changing.isdisjoint(group.reads)
        (run if depends else before).append(group)
        if depends:
            changing.update(group.outputs)
    readers: dict[Tensor, set[Group | None]] = defaultdict(set)
    for t in outputs:
        readers[t].add(None)
    for group in groups:
        for t in group.reads:
            readers[t].add(group)

    def segment(members: Sequence[Group], most: int) -> Segment:
        wanted = frozenset(t for g in members for t in g.outputs if not readers[t] <= set(members))
        return Segment(tuple(members), most, wanted)

    cuts = _cut(run, images, _Costs(images, choices, setting))
    return [segment(before, images.batch), *(segment(run[i:j], most) for i, j, most in cuts)]


def _cut(groups: Sequence[Group], images: Images, costs: _Costs) -> list[tuple[int, int, int]]:
    """(first group, end, images at a time) of each segment: the cheapest way to cut the run of groups, by dynamic
    programming.

    Costs are nanoseconds per image of one thread, without the arithmetic, which is the same for all.
    """
    sizes, each = costs.sizes, costs.each
    if not sizes:
        return [(0, len(groups), images.batch)]
    made_at = {t: i for i, g in enumerate(groups) for t in g.outputs}
    best = np.zeros(len(groups) + 1)
    choice: list[tuple[int, int]] = [(0, 0)]
    open_ = np.full((len(sizes) + 1, len(groups)), np.inf)  # cost of a segment that begins at a group, up to here
    for j, group in enumerate(groups):
        if group in images.independent:
            open_[:, j] = SEGMENT_NS / each
            base, inputs = costs.of(group)
            open_[:, : j + 1] += base[:, None]
            for t, inside, outside in inputs:
                produced = made_at.get(t, -1)
                open_[:, : produced + 1] += inside[:, None]
                open_[:, produced + 1 : j + 1] += outside
        else:
            open_[:, : j + 1] = np.inf
            open_[-1, j] = 0
        total = open_[:, : j + 1] + best[None, : j + 1]
        column, first = divmod(int(total.argmin()), j + 1)
        best[j + 1] = total[column, first]
        choice.append((first, column))
    found: list[tuple[int, int, int]] = []
    end = len(groups)
    while end:
        first, column = choice[end]
        found.append((first, end, images.batch if column == len(sizes) else sizes[column]))
        end = first
    return found[::-1]


Reading = tuple[Tensor, np.ndarray, float]
"""A tensor that carries images, and the cost of reading it: inside of the segment that makes it (for each number of
images), and outside."""


class _Costs:
    """What a group costs by the number of images that are taken at a time."""

    def __init__(self, images: Images, choices: Choices, setting: Setting) -> None:
        self.images, self.choices, self.setting = images, choices, setting
        self.each = images.batch // setting.threads
        """images of a thread"""
        self.sizes = [n for n in SIZES if n < self.each]
        # In the last column all images are taken at once, and the threads share each step.
        self.columns = np.array([*self.sizes, self.each])

    def of(self, group: Group) -> tuple[np.ndarray, list[Reading]]:
        """All but its inputs, and those."""
        images, columns, each, l2 = self.images, self.columns, self.each, self.setting.target.l2
        made = sum(t.spec.nbytes for t in group.outputs) / images.batch
        inputs = [t for t in dict.fromkeys(group.reads) if t in images.carrying]
        touched = made + sum(t.spec.nbytes for t in inputs) / images.batch
        seen = BEHIND_TAPS if _has_taps(group) else 1.0
        ns = seen * np.array([_byte_ns(n * touched, l2) for n in columns])
        meeting = (columns == each) * (self.setting.threads > 1) * MEETING_NS
        base = 2 * made * ns + (STEP_NS + meeting) / columns  # what is written is fetched first
        base += self._weights(group)
        found = []
        for t in inputs:
            nbytes = t.spec.nbytes / images.batch
            # outside it is written and read far away
            found.append((t, nbytes * ns, 3 * seen * nbytes * _byte_ns(each * nbytes, l2)))
        return base, found

    def _weights(self, group: Group) -> np.ndarray:
        """Nanoseconds per image that come of reading the weights again for each piece."""
        choice = self.choices.get(group.anchor.outputs[0]) if _has_taps(group) else None
        if choice is not None and choice.algorithm.knows_weights:
            return self._again(choice)
        columns = self.columns
        nbytes = sum(t.spec.nbytes for t in dict.fromkeys(group.reads) if t not in self.images.carrying)
        arithmetic = nbytes / 4 * 2 * prod(group.shape[1:-1]) / (0.85 * self.setting.target.peak)
        again = np.maximum(nbytes * STREAM_NS / columns - HIDDEN * arithmetic, 0)
        return np.asarray(again + WEIGHT_NS * nbytes / columns)

    def _again(self, choice: Choice[Any]) -> np.ndarray:
        """By an algorithm whose cost knows how many share a pass over the weights."""
        least = choice.cost / self.images.batch
        found = np.full(len(self.columns), least)
        for i, n in enumerate(self.columns):
            found[i] = choice.algorithm.cost(choice.problem.for_images(int(n)), self.setting) / n
            if found[i] < FLAT * least:  # so it stays for more images
                found[i:] = least
                break
        return found


def _byte_ns(touched: float, l2: int) -> float:
    """of a byte that a group reads or writes while it touches so many."""
    return DOUBLING_NS * log2(min(max(touched / (L2_SHARE * l2), 1), FAR / L2_SHARE))


def _has_taps(group: Group) -> bool:
    op = group.anchor.op
    return isinstance(op, Convolution) and op.groups == 1 and prod(group.anchor.inputs[1].shape[:-2]) > 1
