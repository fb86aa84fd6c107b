"""Keras's random functions. Every number is a function of the seed and its place in the array: the same ones come from
arrays and from a traced program, in any number of threads. Seeds are two uint32 words (`SeedGenerator` counts in the
second)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras.src.backend.config import floatx
from keras.src.random.seed_generator import SeedGenerator, draw_seed, make_default_seed

from simplecell.graph.tensor import as_tensor
from simplecell.keras_backend.conversion import cast, convert_to_tensor
from simplecell.keras_backend.eager import WORTH_COMPILING, compose, execute
from simplecell.ops import elementwise, reduction, shaping
from simplecell.ops.base import Spec, Symbolic, apply
from simplecell.ops.callout import CallOut
from simplecell.ops.random import RandomNormal, RandomUniform

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "draw_seed",
    "dropout",
    "gamma",
    "make_default_seed",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]


def _seed(seed: Any) -> Any:
    """Two uint32 words (array or tensor) from whatever Keras allows as a seed."""
    return cast(convert_to_tensor(draw_seed(seed)), "uint32")


def _shape(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(int(n) for n in shape)


def _scaled(x: Any, factor: Any, offset: Any, dtype: str) -> Any:
    """`x · factor + offset` in `dtype`; the parameters may be numbers, arrays or tensors."""
    x = cast(x, dtype)
    factor, offset = (v if isinstance(v, (int, float)) else cast(convert_to_tensor(v), dtype) for v in (factor, offset))
    if not (isinstance(factor, (int, float)) and factor == 1):
        x = elementwise.multiply(x, factor)
    if not (isinstance(offset, (int, float)) and offset == 0):
        x = elementwise.add(x, offset)
    return x


def normal(shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: str | None = None, seed: Any = None) -> Any:
    return _scaled(execute(RandomNormal(_shape(shape)), _seed(seed)), stddev, mean, dtype or floatx())


def uniform(
    shape: Sequence[int], minval: Any = 0.0, maxval: Any = 1.0, dtype: str | None = None, seed: Any = None
) -> Any:
    """Uniform in [minval, maxval)."""
    dtype = dtype or floatx()
    known = isinstance(minval, (int, float)) and isinstance(maxval, (int, float))
    width = (
        maxval - minval
        if known
        else elementwise.subtract(*(cast(convert_to_tensor(v), dtype) for v in (maxval, minval)))
    )
    return _scaled(execute(RandomUniform(_shape(shape)), _seed(seed)), width, minval, dtype)


def truncated_normal(
    shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: str | None = None, seed: Any = None
) -> Any:
    """Normal within two standard deviations, by the inverse of its distribution function."""
    words = _seed(seed)
    large = math.prod(_shape(shape)) >= WORTH_COMPILING
    z = compose(_standard_truncated, (_shape(shape),), words) if large else _standard_truncated(_shape(shape), words)
    return _scaled(z, stddev, mean, dtype or floatx())


def _standard_truncated(shape: tuple[int, ...], seed: Any) -> Any:
    edge = math.erf(2 / math.sqrt(2))
    u = apply(RandomUniform(shape), seed)
    z = elementwise.multiply(elementwise.erfinv(_scaled(u, 2 * edge, -edge, "float32")), math.sqrt(2))
    return elementwise.minimum(elementwise.maximum(z, -2.0), 2.0)  # rounding must not leave the interval


def categorical(logits: Any, num_samples: int, dtype: str = "int32", seed: Any = None) -> Any:
    """`num_samples` classes per row of `logits` (batch, classes), by the Gumbel-max rule."""
    logits = cast(convert_to_tensor(logits), "float32")
    batch, classes = logits.shape
    u = execute(RandomUniform((batch, num_samples, classes)), _seed(seed))
    u = elementwise.maximum(u, 2.0**-25)  # u = 0 is drawn once in 2²⁴; its logarithm is not a number to add
    gumbel = elementwise.negative(elementwise.log(elementwise.negative(elementwise.log(u))))
    scores = elementwise.add(gumbel, shaping.expand_dims(logits, 1))
    return cast(reduction.argmax(scores, 2), dtype)


def dropout(inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Any = None) -> Any:
    """Zeros in place of a share `rate` of `inputs`, the rest divided by 1 - rate. Axes of 1 in `noise_shape` share
    their fate."""
    inputs = convert_to_tensor(inputs)
    if rate == 0:
        return inputs
    if rate >= 1:
        return elementwise.multiply(inputs, 0)
    shape = (
        inputs.shape
        if noise_shape is None
        else [n if m is None else m for m, n in zip(noise_shape, inputs.shape, strict=True)]
    )
    u = execute(RandomUniform(_shape(shape)), _seed(seed))
    keep = elementwise.greater_equal(u, np.float32(rate))
    return elementwise.select(keep, elementwise.multiply(inputs, 1 / (1 - rate)), 0)


# --- by NumPy's generators, in a call-out -----------------------------------------------------------------------------


def _sampled(label: str, spec: Spec, sample: Callable[..., np.ndarray], seed: Any, *parameters: Any) -> Any:
    """`sample(generator, *parameters)`, with a generator that the seed alone determines."""

    def compute(words: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        generator = np.random.Generator(np.random.Philox(key=int(words[0]) | int(words[1]) << 32))
        return np.asarray(sample(generator, *arrays)).astype(spec.dtype)

    inputs = [_seed(seed), *(convert_to_tensor(p) for p in parameters)]
    if any(isinstance(x, Symbolic) for x in inputs):
        return apply(CallOut(compute, spec, label), *(as_tensor(x) for x in inputs))
    return compute(*inputs)


def randint(shape: Sequence[int], minval: Any, maxval: Any, dtype: str = "int32", seed: Any = None) -> Any:
    """Integers in [minval, maxval)."""
    shape = _shape(shape)

    def sample(generator: np.random.Generator, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return generator.integers(np.trunc(low).astype(np.int64), np.trunc(high).astype(np.int64), shape)

    return _sampled("random_integers", Spec(shape, dtype), sample, seed, minval, maxval)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """The slices of `x` along `axis` in random order."""
    x = convert_to_tensor(x)
    n = x.shape[axis]
    order = _sampled("random_permutation", Spec((n,), "int32"), lambda generator: generator.permutation(n), seed)
    return shaping.gather(x, order, axis)


def gamma(shape: Sequence[int], alpha: Any, dtype: str | None = None, seed: Any = None) -> Any:
    shape = _shape(shape)
    return _sampled(
        "random_gamma", Spec(shape, dtype or floatx()), lambda g, a: g.standard_gamma(a, shape), seed, alpha
    )


def beta(shape: Sequence[int], alpha: Any, beta: Any, dtype: str | None = None, seed: Any = None) -> Any:
    shape = _shape(shape)
    return _sampled(
        "random_beta", Spec(shape, dtype or floatx()), lambda g, a, b: g.beta(a, b, shape), seed, alpha, beta
    )


def binomial(shape: Sequence[int], counts: Any, probabilities: Any, dtype: str | None = None, seed: Any = None) -> Any:
    shape = _shape(shape)

    def sample(generator: np.random.Generator, n: np.ndarray, p: np.ndarray) -> np.ndarray:
        return generator.binomial(n.astype(np.int64), p, shape)

    return _sampled("random_binomial", Spec(shape, dtype or floatx()), sample, seed, counts, probabilities)
