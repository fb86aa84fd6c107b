"""Ops that combine elements along axes: reductions, positions of extremes, cumulative sums and products."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod as product
from typing import Any

import numpy as np

from simplecell.ops import elementwise as ew
from simplecell.ops import shaping
from simplecell.ops.arguments import normalize_axes, normalize_axis
from simplecell.ops.base import Op, Spec, apply, spec_of
from simplecell.ops.dtypes import accumulator, is_inexact, is_integer, to_dtype

REDUCE_FUNCTIONS = ("sum", "max", "min", "prod", "any", "all")


@dataclass(frozen=True)
class Reduce(Op):
    """`function` (sum max min prod any all) over `axes`, which are sorted and non-negative; the dtype stays."""

    function: str
    axes: tuple[int, ...]
    keepdims: bool = False

    @property
    def name(self) -> str:
        return f"reduce_{self.function}"

    def output_spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if self.function not in REDUCE_FUNCTIONS:
            raise ValueError(f"`function` must be one of {', '.join(REDUCE_FUNCTIONS)}; came {self.function!r}.")
        if self.axes != normalize_axes(self.axes, len(x.shape)):
            raise ValueError(f"`axes` must be sorted and non-negative; came {self.axes}.")
        logical = self.function in ("any", "all")
        if logical != (x.dtype == "bool") and not (x.dtype == "bool" and self.function in ("max", "min")):
            need = "bool" if logical else "a number"
            raise ValueError(f"`{self.function}` needs {need}; came {x}. Convert with `cast` first.")
        if self.function in ("max", "min") and builtins.any(x.shape[a] == 0 for a in self.axes):
            raise ValueError(f"`{self.function}` of no elements is not defined: axes {self.axes} of {x} are empty.")
        if self.keepdims:
            return Spec(tuple(1 if a in self.axes else n for a, n in enumerate(x.shape)), x.dtype)
        return Spec(tuple(n for a, n in enumerate(x.shape) if a not in self.axes), x.dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        (x,) = arrays
        dtype = self.output_spec(spec_of(x)).dtype
        options: dict[str, Any] = {"axis": self.axes, "keepdims": self.keepdims}
        if self.function in ("sum", "prod"):
            options["dtype"] = to_dtype(accumulator(dtype))
        with np.errstate(all="ignore"):
            return np.asarray(getattr(np, self.function)(x, **options)).astype(to_dtype(dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (x,), (y,), (d,) = inputs, outputs, diff_outputs
        shape = spec_of(x).shape
        kept = tuple(1 if a in self.axes else n for a, n in enumerate(shape))
        d = shaping.reshape(d, kept)
        if self.function == "sum":
            return [shaping.broadcast_to(d, shape)]
        if self.function in ("max", "min"):  # ties share the gradient evenly
            winners = ew.equal(x, shaping.reshape(y, kept))
            count = sum(ew.cast(winners, spec_of(x).dtype), self.axes, keepdims=True)
            return [ew.select(winners, ew.divide(d, count), 0)]
        if self.function == "prod":
            return [ew.multiply(_product_of_others(x, self.axes), d)]
        return [None]


def _product_of_others(x: Any, axes: tuple[int, ...]) -> Any:
    """For each element the product of the others along `axes`, without dividing: zeros among them are no exception."""
    shape = spec_of(x).shape
    order = (*(a for a in range(len(shape)) if a not in axes), *axes)
    moved = shaping.transpose(x, order)
    count = product(shape[a] for a in axes)
    flat = shaping.reshape(moved, (*(shape[a] for a in order[: len(shape) - len(axes)]), count))
    rest = spec_of(flat).shape[:-1]
    one = shaping.full((*rest, 1), 1, spec_of(x).dtype)
    head = shaping.take_slice(flat, -1, 0, max_(count - 1, 0))
    tail = shaping.take_slice(flat, -1, min_(1, count), count)
    before = shaping.concatenate([one, cumprod(head, -1)], -1)
    after = shaping.concatenate([cumprod(tail, -1, reverse=True), one], -1)
    others = shaping.reshape(ew.multiply(before, after), spec_of(moved).shape)
    return shaping.transpose(others, tuple(np.argsort(order).tolist()))


@dataclass(frozen=True)
class ArgReduce(Op):
    """Position (int32) of the first largest (`argmax`) or smallest (`argmin`) element along `axis`."""

    function: str
    axis: int
    keepdims: bool = False

    @property
    def name(self) -> str:
        return self.function

    def output_spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if self.function not in ("argmax", "argmin"):
            raise ValueError(f"`function` must be argmax or argmin; came {self.function!r}.")
        axis = normalize_axis(self.axis, len(x.shape))
        if x.shape[axis] == 0:
            raise ValueError(f"`{self.function}` of no elements is not defined: axis {axis} of {x} is empty.")
        return Spec((*x.shape[:axis], *((1,) if self.keepdims else ()), *x.shape[axis + 1 :]), "int32")

    def reference(self, *arrays: np.ndarray) -> Any:
        return np.asarray(getattr(np, self.function)(arrays[0], axis=self.axis, keepdims=self.keepdims)).astype(
            np.int32
        )

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [None]


@dataclass(frozen=True)
class Cumulative(Op):
    """Running `sum` or `prod` along `axis`, the element itself included; from the end when `reverse`."""

    function: str
    axis: int
    reverse: bool = False

    @property
    def name(self) -> str:
        return f"cumulative_{self.function}"

    def output_spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if self.function not in ("sum", "prod"):
            raise ValueError(f"`function` must be sum or prod; came {self.function!r}.")
        normalize_axis(self.axis, len(x.shape))
        if not (is_inexact(x.dtype) or is_integer(x.dtype)):
            raise ValueError(f"`{self.name}` needs a number; came {x}. Convert with `cast` first.")
        return x

    def reference(self, *arrays: np.ndarray) -> Any:
        x = np.flip(arrays[0], self.axis) if self.reverse else arrays[0]
        dtype = spec_of(x).dtype
        with np.errstate(all="ignore"):
            y = (np.cumsum if self.function == "sum" else np.cumprod)(
                x, axis=self.axis, dtype=to_dtype(accumulator(dtype))
            )
        return np.ascontiguousarray(np.flip(y, self.axis) if self.reverse else y).astype(to_dtype(dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (x,), (d,) = inputs, diff_outputs
        if self.function == "sum":
            return [apply(Cumulative("sum", self.axis, not self.reverse), d)]
        return [_cumulative_product_gradient(x, d, normalize_axis(self.axis, len(spec_of(x).shape)), self.reverse)]


def _cumulative_product_gradient(x: Any, d: Any, axis: int, reverse: bool) -> Any:
    """Σ_i d_i · ∂y_i/∂x_k with all n² partial products, so that zeros in x are no exception (dividing by x would
    be)."""
    if reverse:
        flipped = _cumulative_product_gradient(shaping.reverse(x, (axis,)), shaping.reverse(d, (axis,)), axis, False)
        return shaping.reverse(flipped, (axis,))
    rank = len(spec_of(x).shape)
    order = (*(a for a in range(rank) if a != axis), axis)
    x, d = shaping.transpose(x, order), shaping.transpose(d, order)
    n = spec_of(x).shape[-1]
    k, i = np.arange(n)[:, None], np.arange(n)[None, :]
    without_k = cumprod(ew.select(k == i, 1, shaping.expand_dims(x, -2)), -1)  # [k, i]: product up to i, x_k left out
    terms = ew.select(k <= i, ew.multiply(without_k, shaping.expand_dims(d, -2)), 0)
    return shaping.transpose(sum(terms, -1), tuple(np.argsort(order).tolist()))


def _reduce(function: str, x: Any, axes: int | Sequence[int] | None, keepdims: bool) -> Any:
    return apply(Reduce(function, normalize_axes(axes, len(spec_of(x).shape)), bool(keepdims)), x)


max_, min_ = builtins.max, builtins.min


def sum(x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """Sum over `axes` (all of them by default), in the dtype of `x`."""
    return _reduce("sum", x, axes, keepdims)


def max(x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """Largest element over `axes`; among equals the gradient is shared evenly."""
    return _reduce("max", x, axes, keepdims)


def min(x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """Smallest element over `axes`; among equals the gradient is shared evenly."""
    return _reduce("min", x, axes, keepdims)


def prod(x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """Product over `axes`, in the dtype of `x`."""
    return _reduce("prod", x, axes, keepdims)


def any(x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """Whether any element (bool) over `axes` is true."""
    return _reduce("any", x, axes, keepdims)


def all(x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """Whether all elements (bool) over `axes` are true."""
    return _reduce("all", x, axes, keepdims)


def argmax(x: Any, axis: int, keepdims: bool = False) -> Any:
    """Position (int32) of the first largest element along `axis`."""
    return apply(ArgReduce("argmax", normalize_axis(axis, len(spec_of(x).shape)), keepdims), x)


def argmin(x: Any, axis: int, keepdims: bool = False) -> Any:
    """Position (int32) of the first smallest element along `axis`."""
    return apply(ArgReduce("argmin", normalize_axis(axis, len(spec_of(x).shape)), keepdims), x)


def cumsum(x: Any, axis: int, reverse: bool = False) -> Any:
    """Running sum along `axis`."""
    return apply(Cumulative("sum", normalize_axis(axis, len(spec_of(x).shape)), reverse), x)


def cumprod(x: Any, axis: int, reverse: bool = False) -> Any:
    """Running product along `axis`."""
    return apply(Cumulative("prod", normalize_axis(axis, len(spec_of(x).shape)), reverse), x)


def mean(x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """Mean over `axes` of a floating `x`."""
    spec = spec_of(x)
    axes = normalize_axes(axes, len(spec.shape))
    return ew.divide(sum(x, axes, keepdims), product(spec.shape[a] for a in axes))


def variance(x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """Mean of squared distances from the mean over `axes` (divided by n, not n - 1)."""
    return mean(ew.square(ew.subtract(x, mean(x, axes, keepdims=True))), axes, keepdims)


def logsumexp(x: Any, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """`log(sum(exp(x)))` over `axes`, without overflow."""
    axes = normalize_axes(axes, len(spec_of(x).shape))
    largest = ew.stop_gradient(max(x, axes, keepdims=True))
    largest = ew.select(ew.isfinite(largest), largest, 0)  # inf - inf would be NaN
    total = ew.add(ew.log(sum(ew.exp(ew.subtract(x, largest)), axes, keepdims=True)), largest)
    return total if keepdims else shaping.squeeze(total, axes)
