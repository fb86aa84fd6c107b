"""Mean and variance, and normalization by them."""

from __future__ import annotations

from typing import Any

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating
from simplecell.keras_backend.numpy.reductions import mean, var
from simplecell.ops import shaping


def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> tuple[Any, Any]:
    if synchronized:
        raise NotImplementedError(
            "Argument synchronized=True is only supported by TensorFlow. Pass synchronized=False."
        )
    x = convert_to_tensor(x)
    dtype = dtype_of(x)
    wide = cast(x, "float32" if dtype in ("float16", "bfloat16") else floating(dtype))
    average, variance = mean(wide, axes, keepdims), var(wide, axes, keepdims)
    if dtype == "float16":  # float16 ends at 65504
        average, variance = (
            ops.minimum(ops.maximum(v, constant(-65504, v)), constant(65504, v)) for v in (average, variance)
        )
    return cast(average, floating(dtype)), cast(variance, floating(dtype))


def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """x·k + b with one k and one b per channel, so that a convolution before it can take both into its weights."""
    x = convert_to_tensor(x)
    x = cast(x, floating(dtype_of(x)))
    shape = [1] * len(x.shape)
    shape[axis] = x.shape[axis]

    def channel(name: str, v: Any) -> Any:
        v = convert_to_tensor(v, dtype_of(x))
        if tuple(v.shape) != (shape[axis],) and tuple(v.shape) != tuple(shape):
            raise ValueError(
                f"`{name}` must be a vector of length `x.shape[axis]` = {shape[axis]}. Received: "
                f"{name}.shape={tuple(v.shape)}"
            )
        return shaping.reshape(v, tuple(shape))

    factor = ops.rsqrt(channel("variance", variance) + constant(epsilon, x))
    if scale is not None:
        factor = factor * channel("scale", scale)
    shift = ops.negative(channel("mean", mean) * factor)
    if offset is not None:
        shift = shift + channel("offset", offset)
    return x * factor + shift
