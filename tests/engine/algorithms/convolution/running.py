"""Running the plan of a convolution on guarded buffers, whatever the algorithm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan, Packing
from simplecell.engine.code.rounding import round_up
from tests.engine.harness import guarded, run


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
) -> np.ndarray:
    """dst of this shape. What is not written is NaN; outside of the arrays lie pages that must not be touched.

    Args:
        on: the target.
        operands: the epilogue's.
        end: arrays end where the memory does, or else begin there.
        apart: every tile is taken for one with an outlier, and summed directly.
    """
    packed = _packed(plan.packing, on, weights, threads, end)
    given = {f"e{i}": guarded(o.astype(np.float32), end) for i, o in enumerate(operands)}
    given |= {"dst": guarded(np.full(shape, np.nan, np.float32), end), "src": guarded(src, end)}
    again = plan.apart
    marks = None if again is None else guarded(np.full(again.marks, apart, np.uint8), end)
    if not apart:
        more = {} if marks is None else {"apart": marks}
        _run(
            plan.kernel,
            on,
            threads,
            end,
            plan.scratch_bytes,
            given | more | _tables(plan.tables, end),
            plan,
            weights=packed,
        )
    if again is not None and marks is not None and marks.any():
        if again.raw:
            packed = guarded(weights, end)
        elif again.packing is not None:
            packed = _packed(again.packing, on, weights, threads, end)
        more = {"apart": marks, "marks": again.marks}
        _run(again.kernel, on, threads, end, again.scratch_bytes, given | more, again, weights=packed)
    return given["dst"].copy()


def _tables(tables: Mapping[str, np.ndarray], end: bool) -> dict[str, np.ndarray]:
    return {name: guarded(value, end) for name, value in tables.items()}


def _packed(packing: Packing | None, on: str, weights: np.ndarray, threads: int, end: bool) -> np.ndarray:
    if packing is None:
        return guarded(weights, end)
    packed = guarded(np.full(packing.nbytes // 4, np.nan, np.float32), end)
    given = packing.schedule.arguments() | _tables(packing.tables, end)
    run(packing.kernel, threads, on, dst=packed, src=guarded(weights, end), **given)
    return packed


def _run(
    kernel: Any, on: str, threads: int, end: bool, nbytes: int, given: dict[str, Any], what: Any, **more: Any
) -> None:
    if "scratch" in kernel.arguments:
        stride = round_up(nbytes, 64)
        scratch = guarded(np.full(stride * threads // 4, np.nan, np.float32), end)
        more |= {"scratch": scratch, "scratch_stride": stride}
    run(kernel, threads, on, **given, **what.schedule.arguments(), **more)
