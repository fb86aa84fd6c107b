"""Resizing and its gradient → steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from simplecell.engine.algorithms.resampling.kernel import ResizeKernel
from simplecell.engine.algorithms.resampling.schedule import ResizeSchedule
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.resampling import Resize, ResizeGradient, axis_weights

MOST_UNROLLED = 4
"""taps of a plane"""


def taps(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (outputs, inputs) whose rows are zero but for a few neighbours: where these start (int64), and their
    weights (outputs, taps; float32)."""
    outputs, size = matrix.shape
    used = matrix != 0
    first = np.where(used.any(1), used.argmax(1), 0)
    end = np.where(used.any(1), size - used[:, ::-1].argmax(1), 1)
    count = int((end - first).max())
    first = np.minimum(first, size - count)
    return first.astype(np.int64), np.take_along_axis(matrix, first[:, None] + np.arange(count), 1).astype(np.float32)


@lowers(Resize, ResizeGradient)
def resampling(ctx: Lowering, group: Group) -> str | None:
    """Append the step of a resizing or its gradient: both mix a few neighbours along each axis, as tables say."""
    op, (src,), dst = group.anchor.op, group.anchor.inputs, group.output
    assert isinstance(op, (Resize, ResizeGradient))
    if src.spec.dtype != "float32":
        return f"resize: {src.spec.dtype} has no machine code, float32 has"
    if len(src.shape) > 5:
        return "resize: more than 3 spatial axes"
    missing = 5 - len(src.shape)
    sizes, outputs = ((1,) * missing + shape[1:-1] for shape in (src.shape, dst.shape))
    tables = [_table(op, i, o) for i, o in zip(sizes, outputs)]
    kd, kh, kw = (w.shape[1] for _, w in tables)
    copy = op.method == "nearest" and isinstance(op, Resize)
    unrolled = kh * kw <= MOST_UNROLLED
    planes = outputs[0] > 1 or sizes[0] > 1
    channels = src.shape[-1]
    ragged = channels % ctx.target.lanes != 0
    kernel = ResizeKernel(kh if unrolled else 0, kw if unrolled else 0, copy, planes, ragged)
    (od, oh, ow), (id_, ih, iw) = outputs, sizes
    schedule = ResizeSchedule(src.shape[0], od, oh, ow, id_, ih, iw, channels, kd, kh, kw)
    arguments: dict[str, Any] = schedule.arguments()
    for axis, i, o, table in zip("dhw", sizes, outputs, tables):
        key = (type(op), op.method, op.antialias, i, o)
        for what, array in zip(("start", "weights"), table):
            arguments[f"{what}_{axis}"] = ctx.once(("resize", what, *key), partial(ctx.constant, array))
    ctx.step(
        kernel,
        algorithm=f"resize {op.method}" + " gradient" * isinstance(op, ResizeGradient),
        reason="nearest: copied"
        if copy
        else f"{_product((kd, kh, kw))} taps" + ("" if unrolled else f", more than {MOST_UNROLLED}: in a loop"),
        shapes=f"{src.spec} → {dst.spec}",
        flops=0 if copy else 2 * kd * kh * kw * dst.spec.size,
        nbytes=src.spec.nbytes + dst.spec.nbytes,
        src=ctx.address(src),
        dst=ctx.address(dst),
        **arguments,
    )
    return None


def _table(op: Resize | ResizeGradient, size: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """`taps` of one axis."""
    if isinstance(op, Resize):
        return taps(_matrix(op, size, outputs))
    return taps(_matrix(op, outputs, size).T)


def _matrix(op: Resize | ResizeGradient, size: int, outputs: int) -> np.ndarray:
    return np.eye(size) if size == outputs else axis_weights(size, outputs, op.method, op.antialias)


def _product(numbers: Sequence[int]) -> str:
    return "×".join(str(n) for n in numbers if n > 1) or "1"
