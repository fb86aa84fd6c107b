"""Reductions of the rows that have one number."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import callout, cast, constant, dtype_of, known
from simplecell.ops import shaping
from simplecell.ops.base import Spec, apply


def _arguments(data: Any, segment_ids: Any, num_segments: int | None) -> tuple[Any, Any, int]:
    """The data with the axes of `segment_ids` merged into one, the ids in one axis, and the number of segments."""
    data, segment_ids = convert_to_tensor(data), cast(convert_to_tensor(segment_ids), "int32")
    if num_segments is None:
        ids = known("segment reduction (without `num_segments`)", segment_ids)
        num_segments = int(ids.max()) + 1 if ids.size else 0
    ndim = len(segment_ids.shape)
    data = shaping.reshape(data, (int(np.prod(data.shape[:ndim])), *data.shape[ndim:]))
    return data, shaping.reshape(segment_ids, (int(np.prod(segment_ids.shape)),)), int(num_segments)


def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Ids outside 0 … num_segments − 1 are left out."""
    data, ids, segments = _arguments(data, segment_ids, num_segments)
    # One more row takes what is left out.
    outside = ops.logical_or(ops.less(ids, constant(0, ids)), ops.greater_equal(ids, constant(segments, ids)))
    ids = ops.select(outside, constant(segments, ids), ids)
    total = shaping.scatter_add(ids, data, (segments + 1, *data.shape[1:]), 0)
    return shaping.take_slice(total, 0, 0, segments)


def _reduced(function: Any, initial: Any, label: str, data: Any, segment_ids: Any, num_segments: int | None) -> Any:
    data, ids, segments = _arguments(data, segment_ids, num_segments)
    start = initial(np.dtype(data.dtype)) if callable(initial) else initial

    def compute(values: np.ndarray, ids: np.ndarray) -> np.ndarray:
        result = np.full((segments, *values.shape[1:]), start, values.dtype)
        inside = (ids >= 0) & (ids < segments)
        function.at(result, ids[inside], values[inside])
        return result

    def gradient(inputs: Any, outputs: Any, diffs: Any) -> Any:
        """To the values that are the extreme of their segment, in equal parts; for a product, times the others."""
        (values, ids), (result,), (diff,) = inputs, outputs, diffs
        back, own = (apply(shaping.Gather(0), v, ids) for v in (diff, result))
        if function is np.multiply:
            return [back * own / values, None]
        hit = cast(ops.equal(values, own), dtype_of(values))
        ties = apply(shaping.Gather(0), shaping.scatter_add(ids, hit, tuple(result.shape), 0), ids)
        return [back * hit / ops.maximum(ties, constant(1, ties)), None]

    return callout(
        compute, data, ids, label=label, specs=Spec((segments, *data.shape[1:]), dtype_of(data)), gradient=gradient
    )


def _lowest(dtype: np.dtype) -> Any:
    return -np.inf if dtype.kind not in "iub" else np.iinfo(dtype).min if dtype.kind != "b" else False


def _highest(dtype: np.dtype) -> Any:
    return np.inf if dtype.kind not in "iub" else np.iinfo(dtype).max if dtype.kind != "b" else True


def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    return _reduced(np.maximum, _lowest, "segment_max", data, segment_ids, num_segments)


def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    return _reduced(np.minimum, _highest, "segment_min", data, segment_ids, num_segments)


def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    return _reduced(np.multiply, 1, "segment_prod", data, segment_ids, num_segments)
