"""Softmax and log-softmax; the other activations are compositions of element-wise ops (the engine fuses them into one
loop)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simplecell.ops import elementwise as ew
from simplecell.ops import reduction, shaping
from simplecell.ops.arguments import normalize_axis, require_inexact
from simplecell.ops.base import Op, Spec, apply, spec_of
from simplecell.ops.dtypes import accumulator, to_dtype


def _shifted(x: np.ndarray, axis: int) -> np.ndarray:
    """x - max(x) along `axis`, in the accumulator's dtype: exp cannot overflow any more."""
    x = x.astype(to_dtype(accumulator(spec_of(x).dtype)), copy=False)
    return x - np.max(x, axis=axis, keepdims=True) if x.size else x


@dataclass(frozen=True)
class Softmax(Op):
    """`exp(x) / sum(exp(x))` along `axis`."""

    axis: int

    def output_spec(self, *inputs: Spec) -> Spec:
        normalize_axis(self.axis, len(inputs[0].shape))
        require_inexact("softmax", inputs[0])
        return inputs[0]

    def reference(self, *arrays: np.ndarray) -> Any:
        spec = self.output_spec(spec_of(arrays[0]))
        with np.errstate(all="ignore"):
            e = np.exp(_shifted(arrays[0], self.axis))
            return (e / e.sum(self.axis, keepdims=True)).astype(to_dtype(spec.dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (y,), (d,) = outputs, diff_outputs
        return [ew.multiply(y, ew.subtract(d, reduction.sum(ew.multiply(d, y), self.axis, keepdims=True)))]


@dataclass(frozen=True)
class LogSoftmax(Op):
    """`x - log(sum(exp(x)))` along `axis`."""

    axis: int

    def output_spec(self, *inputs: Spec) -> Spec:
        normalize_axis(self.axis, len(inputs[0].shape))
        require_inexact("log_softmax", inputs[0])
        return inputs[0]

    def reference(self, *arrays: np.ndarray) -> Any:
        spec = self.output_spec(spec_of(arrays[0]))
        with np.errstate(all="ignore"):
            x = _shifted(arrays[0], self.axis)
            return (x - np.log(np.exp(x).sum(self.axis, keepdims=True))).astype(to_dtype(spec.dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (y,), (d,) = outputs, diff_outputs
        return [ew.subtract(d, ew.multiply(ew.exp(y), reduction.sum(d, self.axis, keepdims=True)))]


def softmax(x: Any, axis: int = -1) -> Any:
    """Non-negative, and sums to 1 along `axis`."""
    return apply(Softmax(normalize_axis(axis, len(spec_of(x).shape))), x)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """Logarithm of softmax, without overflow or log(0)."""
    return apply(LogSoftmax(normalize_axis(axis, len(spec_of(x).shape))), x)


def clip(x: Any, low: float, high: float) -> Any:
    """`x` held between two numbers."""
    return ew.minimum(ew.maximum(x, low), high)


def relu(x: Any) -> Any:
    """max(x, 0); the gradient at 0 is 0 (Nair and Hinton, 2010)."""
    return ew.unary("relu", x)


def relu6(x: Any) -> Any:
    """x held between 0 and 6."""
    return clip(x, 0, 6)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """x, or `negative_slope` · x where x is negative."""
    return ew.select(ew.greater_equal(x, 0), x, ew.multiply(x, negative_slope))


def _not_above_zero(x: Any) -> Any:
    """min(x, 0) with gradient 1 at 0: what exp may see. Where x is large, its overflow, times the zero that `select`
    hands back, would make the gradient NaN."""
    return ew.select(ew.greater(x, 0), 0, x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x, or alpha · (exp(x) - 1) where x is negative."""
    return ew.select(ew.greater(x, 0), x, ew.multiply(ew.expm1(_not_above_zero(x)), alpha))


def selu(x: Any) -> Any:
    """Scaled elu, with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    return ew.multiply(elu(x, 1.6732632423543772), 1.0507009873554805)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """x, or alpha · (exp(x / alpha) - 1) where x is negative (Barron 2017)."""
    return ew.select(ew.greater(x, 0), x, ew.multiply(ew.expm1(ew.divide(_not_above_zero(x), alpha)), alpha))


def gelu(x: Any, approximate: bool = True) -> Any:
    """x · Φ(x), Φ the normal distribution; by tanh when `approximate`, else by erf (Hendrycks & Gimpel 2016)."""
    if approximate:
        inner = ew.multiply(ew.add(x, ew.multiply(ew.multiply(x, ew.square(x)), 0.044715)), math.sqrt(2 / math.pi))
        return ew.multiply(ew.multiply(x, 0.5), ew.add(ew.tanh(inner), 1))
    return ew.multiply(ew.multiply(x, 0.5), ew.erfc(ew.multiply(x, -math.sqrt(0.5))))


def silu(x: Any) -> Any:
    """x · sigmoid(x), also called swish."""
    return ew.multiply(x, ew.sigmoid(x))


def hard_sigmoid(x: Any) -> Any:
    """relu6(x + 3) / 6."""
    return ew.multiply(relu6(ew.add(x, 3)), 1 / 6)


def hard_silu(x: Any) -> Any:
    """x · hard_sigmoid(x), also called hard swish."""
    return ew.multiply(x, hard_sigmoid(x))


def hard_tanh(x: Any) -> Any:
    """x held between -1 and 1; gradient 1 at both ends."""
    return ew.select(ew.greater(x, 1), 1, ew.select(ew.less(x, -1), -1, x))


def softsign(x: Any) -> Any:
    """x / (1 + |x|)."""
    return ew.divide(x, ew.add(ew.absolute(x), 1))


def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(x)), without overflow."""
    return ew.negative(ew.softplus(ew.negative(x)))


def mish(x: Any) -> Any:
    """x · tanh(softplus(x)) (Misra 2019)."""
    return ew.multiply(x, ew.tanh(ew.softplus(x)))


def tanh_shrink(x: Any) -> Any:
    """x - tanh(x)."""
    return ew.subtract(x, ew.tanh(x))


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x moved towards 0 by `threshold`, and 0 within it."""
    below = ew.select(ew.less(x, -threshold), ew.add(x, threshold), 0)
    return ew.select(ew.greater(x, threshold), ew.subtract(x, threshold), below)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x, and 0 where |x| <= threshold."""
    return ew.select(ew.greater(ew.absolute(x), threshold), x, 0)


def threshold(x: Any, limit: float, default: float) -> Any:
    """x where it exceeds `limit`, else `default`."""
    return ew.select(ew.greater(x, limit), x, default)


def squareplus(x: Any, b: float = 4.0) -> Any:
    """(x + sqrt(x² + b)) / 2."""
    return ew.multiply(ew.add(x, ew.sqrt(ew.add(ew.square(x), b))), 0.5)


def sparse_plus(x: Any) -> Any:
    """0 below -1, (x + 1)² / 4 between, x above 1."""
    middle = ew.multiply(ew.square(ew.add(x, 1)), 0.25)
    return ew.select(ew.less_equal(x, -1), 0, ew.select(ew.less(x, 1), middle, x))


def sparse_sigmoid(x: Any) -> Any:
    """0 below -1, (x + 1) / 2 between, 1 above 1."""
    return clip(ew.multiply(ew.add(x, 1), 0.5), 0, 1)


def glu(x: Any, axis: int = -1) -> Any:
    """First half of the channels, times the sigmoid of the second."""
    a, b = shaping.split(x, 2, axis)
    return ew.multiply(a, ew.sigmoid(b))
