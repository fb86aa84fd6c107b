"""Cross-entropies, stable where they are given logits, and the peak signal-to-noise ratio."""

from __future__ import annotations

from typing import Any

from keras.src.backend import config

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating, promote
from simplecell.keras_backend.labels import checked_labels
from simplecell.keras_backend.nn.activations import log_softmax
from simplecell.keras_backend.nn.encoding import one_hot
from simplecell.keras_backend.numpy.reductions import mean, reduce
from simplecell.keras_backend.numpy.shaping import squeeze


def _log_probabilities(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return log_softmax(output, axis)
    output = output / reduce("sum", output, axis, True)
    return ops.log(_clipped(output))


def _clipped(probability: Any) -> Any:
    """Away from 0 and 1, whose logarithms are infinite."""
    margin = config.epsilon()
    return ops.minimum(ops.maximum(probability, constant(margin, probability)), constant(1 - margin, probability))


def _floats(target: Any, output: Any) -> list[Any]:
    return promote(convert_to_tensor(target), convert_to_tensor(output), rule=floating)


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    target, output = _floats(target, output)
    if tuple(target.shape) != tuple(output.shape):
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    if len(target.shape) < 1:
        raise ValueError(
            "Arguments `target` and `output` must be at least rank 1. "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    return ops.negative(reduce("sum", target * _log_probabilities(output, from_logits, axis), axis, False))


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    target, output = cast(convert_to_tensor(target), "int32"), convert_to_tensor(output)
    output = cast(output, floating(dtype_of(output)))
    if len(target.shape) == len(output.shape) and target.shape[-1] == 1:
        target = squeeze(target, -1)
    if len(output.shape) < 1:
        raise ValueError(f"Argument `output` must be at least rank 1. Received: output.shape={tuple(output.shape)}")
    lead = list(output.shape)
    classes = lead.pop(axis)
    if tuple(target.shape) != tuple(lead):
        raise ValueError(
            "Arguments `target` and `output` must have the same shape up until the last dimension: "
            f"target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    target = checked_labels(target, classes)
    chosen = one_hot(target, classes, axis, dtype=dtype_of(output))
    return ops.negative(reduce("sum", chosen * _log_probabilities(output, from_logits, axis), axis, False))


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    target, output = _floats(target, output)
    if tuple(target.shape) != tuple(output.shape):
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    if from_logits:  # −t·log σ(x) − (1 − t)·log(1 − σ(x)) = log(1 + eˣ) − t·x
        return ops.softplus(output) - target * output
    output = _clipped(output)
    one = constant(1, output)
    return ops.negative(target * ops.log(output) + (one - target) * ops.log(one - output))


def psnr(x1: Any, x2: Any, max_val: Any) -> Any:
    x1, x2 = _floats(x1, x2)
    if tuple(x1.shape) != tuple(x2.shape):
        raise ValueError(f"Input shapes {tuple(x1.shape)} and {tuple(x2.shape)} must match for PSNR calculation.")
    peak = convert_to_tensor(max_val, dtype_of(x1))
    ten = constant(10, x1)
    return ten * ops.log10(ops.square(peak) / mean(ops.square(x1 - x2)))
