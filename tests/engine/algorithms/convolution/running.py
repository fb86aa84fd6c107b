"""Running what an algorithm plans, as a program would, on buffers that end or begin at a page that crashes when
touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np

from simplecell.engine.algorithms.convolution.plan import Apart, ConvolutionPlan, Packing
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.rounding import ceil_div, round_up
from tests.engine.harness import guarded, run

UNTOUCHED = np.float32(77.0)


def convolved(
    plan: ConvolutionPlan[Any],
    on: str,
    src: np.ndarray,
    weights: np.ndarray,
    shape: Sequence[int],
    operands: Sequence[np.ndarray] = (),
    threads: int = 1,
    end: bool = True,
    apart: bool = False,
    *,
    dst_pixel: int | None = None,
    marked: float = 0.0,
) -> np.ndarray:
    """dst of this shape: the weights are packed, the kernel runs, and then what sums directly the patches that it has
    set apart. What none of them writes is NaN.

    Args:
        on: the target.
        operands: the epilogue's.
        end: arrays end where the memory does, or else begin there.
        apart: every patch is taken for one with an outlier, and only summed directly.
        dst_pixel: values from one pixel of dst to the next, as it was planned; what lies between must stay as it is.
            None: dst is dense.
        marked: the largest share of patches that the kernel may set apart, rounded up to whole ones.
    """
    buffer = guarded(np.full((*shape[:-1], dst_pixel or shape[-1]), UNTOUCHED), end)
    dst = buffer[..., : shape[-1]]
    dst[...] = np.nan
    given: dict[str, Any] = {f"e{i}": guarded(o.astype(np.float32), end) for i, o in enumerate(operands)}
    given |= {"dst": buffer, "src": guarded(src, end), "weights": _packed(plan.packing, on, weights, threads, end)}
    again = plan.apart
    if again is not None:
        given["apart"] = guarded(np.full(again.marks, apart, np.uint8), end)
    if not apart:
        tables = {name: guarded(table, end) for name, table in plan.tables.items()}
        _run(plan.kernel, plan, given | tables, on, threads, end)
    if again is not None and given["apart"].any():
        marks = given["apart"].astype(bool)
        assert apart or marks.sum() <= ceil(marked * marks.size), f"patches are set apart: {np.flatnonzero(marks)}"
        _sum_directly(again, given, weights, on, threads, end)
    assert (buffer[..., shape[-1] :] == UNTOUCHED).all(), "it wrote between the pixels of dst"
    return dst.copy()


def _sum_directly(
    again: Apart, given: Mapping[str, Any], weights: np.ndarray, on: str, threads: int, end: bool
) -> None:
    """The marked patches, by the weights in the form that their kernel wants."""
    own: dict[str, Any] = {"marks": again.marks}
    if again.raw:
        own["weights"] = guarded(weights, end)
    elif again.packing is not None:
        own["weights"] = _packed(again.packing, on, weights, threads, end)
    _run(again.kernel, again, {**given, **own}, on, threads, end)


def _packed(packing: Packing | None, on: str, weights: np.ndarray, threads: int, end: bool) -> np.ndarray:
    """The weights in a kernel's form, or as they are."""
    src = guarded(weights, end)
    if packing is None:
        return src
    dst = guarded(np.full(ceil_div(packing.nbytes, 4), np.nan, np.float32), end)
    tables = {name: guarded(table, end) for name, table in packing.tables.items()}
    run(packing.kernel, threads, on, dst=dst, src=src, **tables, **packing.schedule.arguments())
    return dst


def _run(
    kernel: Kernel, by: ConvolutionPlan[Any] | Apart, given: Mapping[str, Any], on: str, threads: int, end: bool
) -> None:
    """The kernel with its schedule, and scratch as large as it was planned."""
    scratch: dict[str, Any] = {}
    if "scratch" in kernel.arguments:
        stride = round_up(by.scratch_bytes, 64)
        scratch = {
            "scratch": guarded(np.full(stride * threads // 4, np.nan, np.float32), end),
            "scratch_stride": stride,
        }
    run(kernel, threads, on, **given, **scratch, **by.schedule.arguments())
