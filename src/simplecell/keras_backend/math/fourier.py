"""Fourier transforms of (real, imaginary) pairs. All are linear: a transform's gradient is its adjoint, another
transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import callout, cast, constant, dtype_of, floating, promote, symbolic
from simplecell.keras_backend.numpy.shaping import along, pad
from simplecell.ops import shaping
from simplecell.ops.base import Spec, apply

Parts = tuple[Any, Any]


def _pair(x: Any) -> Parts:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"Input `x` should be a tuple of two tensors - real and imaginary. Received: x={x}")
    real, imaginary = promote(convert_to_tensor(x[0]), convert_to_tensor(x[1]), rule=floating)
    if tuple(real.shape) != tuple(imaginary.shape):
        raise ValueError(
            "Input `x` should be a tuple of two tensors - real and imaginary. Both the real and imaginary parts should "
            "have the same "
            f"shape. Received: x[0].shape = {tuple(real.shape)}, x[1].shape = {tuple(imaginary.shape)}"
        )
    return real, imaginary


def _parts(z: np.ndarray, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(z.real, dtype), np.ascontiguousarray(z.imag, dtype)


def _or_zero(diff: Any, like: Any) -> Any:
    return np.zeros(like.shape, like.dtype) if diff is None else diff


def _get_complex_tensor_from_tuple(x: Any) -> Any:
    """real + i·imaginary; Keras's `polar` calls it by this name."""
    real, imaginary = _pair(x)
    if symbolic(real, imaginary):
        raise NotImplementedError("A traced model's tensors are real: keep the real and the imaginary part apart.")
    return real + 1j * imaginary


# --- complex to complex: with F the matrix of the transform and N its size, Fᴴ = N·F⁻¹ --------------------------------


def _complex(
    forward: Callable[[Any], Any],
    adjoint: Callable[[Parts], Parts],
    label: str,
    x: Any,
    axes: int,
    scale: Callable[[int], float],
) -> Parts:
    real, imaginary = _pair(x)
    if len(real.shape) < axes:
        raise ValueError(f"Input should have rank >= {axes}. Received: input.shape = {tuple(real.shape)}")
    count = int(np.prod(real.shape[-axes:]))

    def gradient(inputs: Any, outputs: Any, diffs: Any) -> Any:
        parts = adjoint((_or_zero(diffs[0], outputs[0]), _or_zero(diffs[1], outputs[1])))
        return [ops.multiply(p, constant(scale(count), p)) for p in parts]

    spec = Spec(tuple(real.shape), dtype_of(real))
    return callout(
        lambda r, i: _parts(forward(r + 1j * i), r.dtype),
        real,
        imaginary,
        label=label,
        specs=(spec, spec),
        gradient=gradient,
    )


def fft(x: Any) -> Parts:
    return _complex(np.fft.fft, _ifft, "fft", x, 1, float)


def _ifft(x: Any) -> Parts:
    return _complex(np.fft.ifft, fft, "ifft", x, 1, lambda n: 1 / n)


def fft2(x: Any) -> Parts:
    return _complex(np.fft.fft2, ifft2, "fft2", x, 2, float)


def ifft2(x: Any) -> Parts:
    return _complex(np.fft.ifft2, fft2, "ifft2", x, 2, lambda n: 1 / n)


# --- real to half of a spectrum and back ------------------------------------------------------------------------------


def _fit(x: Any, length: int) -> Any:
    """The last axis cropped, or filled up with zeros."""
    size = x.shape[-1]
    if size > length:
        return along(x, -1, 0, length)
    return x if size == length else pad(x, [(0, 0)] * (len(x.shape) - 1) + [(0, length - size)])


def rfft(x: Any, fft_length: int | None = None) -> Parts:
    x = convert_to_tensor(x)
    x = cast(x, floating(dtype_of(x)))
    if len(x.shape) < 1:
        raise ValueError(f"Input should have rank >= 1. Received: input.shape = {tuple(x.shape)}")
    n = x.shape[-1] if fft_length is None else int(fft_length)
    x = _fit(x, n)

    def gradient(inputs: Any, outputs: Any, diffs: Any) -> Any:
        """Re Σₖ dₖ·e^{2πijk/n} over the half that is there: an inverse transform of a half spectrum, that counts inner
        entries twice."""
        weights = _multiplicity(n)
        parts = tuple(ops.multiply(_or_zero(d, o), constant(n / weights, o)) for d, o in zip(diffs, outputs))
        return [irfft(parts, n)]

    spec = Spec((*x.shape[:-1], n // 2 + 1), dtype_of(x))
    return callout(lambda a: _parts(np.fft.rfft(a), a.dtype), x, label="rfft", specs=(spec, spec), gradient=gradient)


def _multiplicity(n: int) -> np.ndarray:
    """How often each entry of the half spectrum stands in the whole one."""
    weights = np.full(n // 2 + 1, 2.0)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights


def irfft(x: Any, fft_length: int | None = None) -> Any:
    real, imaginary = _pair(x)
    if len(real.shape) < 1:
        raise ValueError(f"Input should have rank >= 1. Received: input.shape = {tuple(real.shape)}")
    n = 2 * (real.shape[-1] - 1) if fft_length is None else int(fft_length)
    real, imaginary = _fit(real, n // 2 + 1), _fit(imaginary, n // 2 + 1)

    def gradient(inputs: Any, outputs: Any, diffs: Any) -> Any:
        weights = _multiplicity(n) / n
        return [ops.multiply(p, constant(weights, p)) for p in rfft(diffs[0])]

    return callout(
        lambda r, i: np.ascontiguousarray(np.fft.irfft(r + 1j * i, n), r.dtype),
        real,
        imaginary,
        label="irfft",
        specs=Spec((*real.shape[:-1], n), dtype_of(real)),
        gradient=gradient,
    )


# --- short-time transforms --------------------------------------------------------------------------------------------


def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """(…, n) → (…, sequences, sequence_length)."""
    x = convert_to_tensor(x)
    count = 1 + (x.shape[-1] - sequence_length) // sequence_stride
    positions = np.arange(count, dtype="int32")[:, None] * sequence_stride + np.arange(sequence_length, dtype="int32")
    return apply(shaping.Gather(len(x.shape) - 1), x, positions)


def _window(window: Any, sequence_length: int, fft_length: int, dtype: str) -> Any:
    """The window (periodic, as spectra want it) in the middle of `fft_length` values."""
    if window is None:
        values: Any = np.ones(sequence_length)
    elif isinstance(window, str):
        coefficient = {"hann": 0.5, "hamming": 0.54}.get(window)
        if coefficient is None:
            raise ValueError(
                f"If a string is passed to `window`, it must be one of `'hann'`, `'hamming'`. Received: window={window}"
            )
        values = coefficient - (1 - coefficient) * np.cos(2 * np.pi * np.arange(sequence_length) / sequence_length)
    else:
        values = convert_to_tensor(window)
        if len(values.shape) != 1 or values.shape[0] != sequence_length:
            raise ValueError(
                "The shape of `window` must be equal to [sequence_length]. "
                f"Received: window shape={tuple(values.shape)}, sequence_length={sequence_length}"
            )
    before = (fft_length - sequence_length) // 2
    return pad(cast(convert_to_tensor(values), dtype), [(before, fft_length - sequence_length - before)])


def _float_only(x: Any, name: str) -> str:
    if "float" not in dtype_of(x):
        raise TypeError(f"Invalid input type. Expected `float32` or `float64`. Received: input type={dtype_of(x)}")
    return dtype_of(x)


def stft(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> Parts:
    x = convert_to_tensor(x)
    dtype = _float_only(x, "stft")
    if fft_length < sequence_length:
        raise ValueError(
            f"`fft_length` must equal or larger than `sequence_length`. Received: sequence_length={sequence_length}, "
            f"fft_length={fft_length}"
        )
    win = _window(window, sequence_length, fft_length, dtype)
    if center:
        x = pad(x, [(0, 0)] * (len(x.shape) - 1) + [(fft_length // 2, fft_length // 2)], mode="reflect")
    return rfft(ops.multiply(extract_sequences(x, fft_length, sequence_stride), win), fft_length)


def _overlap_add(x: Any, sequence_stride: int) -> Any:
    """(…, sequences, length) → (…, n): the adjoint of `extract_sequences`."""
    *batch, count, length = x.shape
    positions = np.arange(count, dtype="int32")[:, None] * sequence_stride + np.arange(length, dtype="int32")
    return shaping.scatter_add(positions, x, (*batch, length + sequence_stride * (count - 1)), len(batch))


def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """Frames are weighted with the window again, added where they overlap, and divided by the window's squares added
    likewise.

    Without a window, frames are added as they are.
    """
    frames = irfft(x, fft_length)
    win = _window(window, sequence_length, fft_length, dtype_of(frames))
    result = _overlap_add(ops.multiply(frames, win), sequence_stride)
    if window is not None:
        weight = _overlap_add(shaping.broadcast_to(ops.square(win), tuple(frames.shape[-2:])), sequence_stride)
        tiny = constant(np.finfo(np.float32).tiny, weight)
        result = ops.divide(result, ops.select(ops.greater(weight, tiny), weight, constant(1, weight)))
    start = fft_length // 2 if center else 0
    stop = start + length if length is not None else result.shape[-1] - start
    return _fit(along(result, -1, start, stop), stop - start) if length is not None else along(result, -1, start, stop)
