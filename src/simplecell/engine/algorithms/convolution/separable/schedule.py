"""How convolutions that are joined are cut into groups of rows and tiles, and what their kernel is given."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.separable.weights import pairs_pay
from simplecell.engine.algorithms.sliding import MOST_PIXELS, Sliding
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.code.tile import Tile, best_tile
from simplecell.engine.code.window import WindowColumns
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target

STAGES = ("expand", "depthwise", "project")


@dataclass(frozen=True)
class SeparableProblem:
    """A depthwise convolution, with a pointwise one before it, after it, or both."""

    window: Sliding
    """of the depthwise one"""
    ic: int
    """of src"""
    oc: int
    """of dst"""
    expands: bool
    projects: bool

    @property
    def flops(self) -> int:
        w, (_, height, width) = self.window, self.window.axes
        before = w.n * height.size * width.size * self.ic if self.expands else 0
        after = w.n * height.outputs * width.outputs * self.oc if self.projects else 0
        return 2 * w.oc * (before + w.taps * w.n * height.outputs * width.outputs + after)


@dataclass(frozen=True)
class Ring:
    """The depthwise convolution as it reads from the ring."""

    taps: tuple[int, int]
    stride: int
    """of columns"""
    pixels: int
    """outputs in registers; not more than a row has"""
    vectors: int
    """of channels in a block: those of the expansion's tile"""

    def __str__(self) -> str:
        return f"k{self.taps[0]}x{self.taps[1]}s{self.stride}_{self.pixels}x{self.vectors}"


@dataclass(frozen=True)
class Blocking:
    """Tiles of the pointwise convolutions, where there are such, and how the depthwise one reads."""

    expand: Tile | None
    reads: Ring | WindowColumns
    project: Tile | None
    pairs: bool
    """the projection takes two steps of depth at a time"""
    rows: int
    """of dst in a group"""

    @staticmethod
    def of(problem: SeparableProblem, setting: Setting) -> Blocking:
        """Of a depthwise convolution whose columns can be unrolled, if nothing expands."""
        p, window, target = problem, problem.window, setting.target
        lanes, h, w = target.lanes, window.height, window.width
        expand = best_tile(target, ceil_div(window.oc, lanes), w.size) if p.expands else None
        reads = columns_of(window, target) if expand is None else _ring(window, expand, target)
        assert not isinstance(reads, str)
        rows = 1 if expand is None else _rows(window, setting)  # a row by itself stays in the first-level cache
        pairs = p.projects and pairs_pay(p.oc, window.oc, lanes)
        last = ((h.outputs - 1) % rows + 1) * w.outputs  # pixels of the last group
        vectors = 2 * p.oc // lanes if pairs else ceil_div(p.oc, lanes)
        return Blocking(expand, reads, best_tile(target, vectors, last) if p.projects else None, pairs, rows)


def columns_of(window: Sliding, target: Target) -> WindowColumns | str:
    """Tiles of a row that is read from src, or why the columns cannot be unrolled."""
    return window.columns(_most(window, target))


def _most(window: Sliding, target: Target) -> int:
    """Outputs of the depthwise convolution in registers at a time, at most."""
    return min(MOST_PIXELS, target.registers - window.width.taps - 3)


def _ring(window: Sliding, expand: Tile, target: Target) -> Ring:
    w, most = window.width, min(_most(window, target), window.width.outputs)
    pixels = next((p for p in (8, 7, 6, 5, 4) if p <= most and w.outputs % p == 0), most)
    return Ring((window.height.taps, w.taps), w.stride, pixels, expand.vectors)


def _rows(window: Sliding, setting: Setting) -> int:
    """Rows of a group: so many that what lies between fits a share of the second-level cache, and that threads have
    equally many."""
    h, w = window.height, window.width
    fitting = max(1, setting.target.l2 // 8 // (4 * w.outputs * window.oc))
    groups = ceil_div(h.outputs, fitting)
    if window.n % setting.threads:
        groups = round_up(groups, setting.threads)
    return ceil_div(h.outputs, groups)


@dataclass(frozen=True)
class SeparableSchedule(Schedule):
    """Extents of src (`i…`) and dst (`o…`); the depthwise convolution's taps and stride of rows, and padding above and
    left."""

    n: int
    ih: int
    iw: int
    oh: int
    ow: int
    ic: int
    channels: int
    """between"""
    oc: int
    kh: int
    sh: int
    ph: int
    pw: int
    rows: int
    """of dst in a group"""
    pitch: int
    """columns of the ring"""

    @staticmethod
    def of(problem: SeparableProblem, cut: Blocking) -> SeparableSchedule:
        p, window = problem, problem.window
        h, w = window.height, window.width
        pitch = max(w.pad, 0) + max(w.size, (w.outputs - 1) * w.stride + w.taps - w.pad)
        return SeparableSchedule(
            window.n, h.size, w.size, h.outputs, w.outputs, p.ic, window.oc, p.oc, h.taps, h.stride, h.pad, w.pad,
            cut.rows, pitch,
        )  # fmt: skip

    def scratch_bytes(self, cut: Blocking, lanes: int) -> int:
        """of one thread: the rings of all blocks of channels, and a group of rows to project"""
        ring = self.kh * self.pitch * round_up(self.channels, cut.expand.vectors * lanes) if cut.expand else 0
        return 4 * (ring + (self.rows * self.ow * self.channels if cut.project else 0))
