"""The matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simplecell.ops import shaping
from simplecell.ops.arguments import broadcast_shapes, require_equal_dtypes
from simplecell.ops.base import Op, Spec, apply, spec_of
from simplecell.ops.dtypes import accumulator, to_dtype


@dataclass(frozen=True)
class MatMul(Op):
    """`(…, m, k) · (…, k, n) → (…, m, n)`; leading axes broadcast. A transposed operand has its last two axes
    swapped."""

    transpose_a: bool = False
    transpose_b: bool = False

    @property
    def name(self) -> str:
        return "matmul"

    def output_spec(self, *inputs: Spec) -> Spec:
        a, b = inputs
        dtype = require_equal_dtypes("matmul", a, b)
        if len(a.shape) < 2 or len(b.shape) < 2:
            raise ValueError(
                f"`matmul` needs operands of rank 2 or more; came {a} and {b}. Add an axis with `expand_dims`."
            )
        m, k = a.shape[-2:] if not self.transpose_a else a.shape[:-3:-1]
        l, n = b.shape[-2:] if not self.transpose_b else b.shape[:-3:-1]
        if k != l:
            raise ValueError(
                f"`matmul` needs as many columns in `a` as rows in `b`; came {a}{' transposed' * self.transpose_a} "
                f"with {k} and "
                f"{b}{' transposed' * self.transpose_b} with {l}."
            )
        return Spec((*broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2]), m, n), dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        a, b = arrays
        dtype = self.output_spec(spec_of(a), spec_of(b)).dtype
        wide = to_dtype(accumulator(dtype))
        a, b = a.astype(wide, copy=False), b.astype(wide, copy=False)
        with np.errstate(all="ignore"):
            y = np.matmul(a.swapaxes(-1, -2) if self.transpose_a else a, b.swapaxes(-1, -2) if self.transpose_b else b)
        return y.astype(to_dtype(dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (a, b), (d,) = inputs, diff_outputs
        shape_a, shape_b = spec_of(a).shape, spec_of(b).shape
        if len(shape_b) == 2 and len(shape_a) > 2 and not self.transpose_a:
            # A matrix applied along leading axes (a Dense layer): one product over all rows, not one per leading index
            # and a sum.
            rows_a, rows_d = shaping.reshape(a, (-1, shape_a[-1])), shaping.reshape(d, (-1, spec_of(d).shape[-1]))
            diff_a, diff_b = self.gradient((rows_a, b), (), (rows_d,))
            return [shaping.reshape(diff_a, shape_a), diff_b]
        if self.transpose_a:
            diff_a = matmul(b, d, self.transpose_b, True)
        else:
            diff_a = matmul(d, b, False, not self.transpose_b)
        if self.transpose_b:
            diff_b = matmul(d, a, True, self.transpose_a)
        else:
            diff_b = matmul(a, d, not self.transpose_a, False)
        return [diff_a, diff_b]


def matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """Matrix product of the last two axes. Example: `matmul(ones((2, 3)), ones((3, 4)))` has shape (2, 4)."""
    return apply(MatMul(transpose_a, transpose_b), a, b)
