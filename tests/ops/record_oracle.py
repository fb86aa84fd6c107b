"""Records what Keras on JAX gives for every case: KERAS_BACKEND=jax JAX_ENABLE_X64=1 python -m tests.ops.record_oracle

Needs the extra `oracle` (jax). In float64, so that the tests can ask for all but the last digits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from tests.ops.oracle_cases import CASES, Case


def compute(case: Case, src: Any, weights: Any = None) -> Any:
    rank = len(case.shape) - 2
    common = {"strides": case.strides, "padding": case.padding, "data_format": "channels_last"}
    if case.family == "convolution":
        dilation = case.dilation[0] if rank == 1 else case.dilation
        return keras.ops.conv(src, weights, dilation_rate=dilation, **common)
    if case.family == "transposed_convolution":
        return keras.ops.conv_transpose(
            src, weights, output_padding=case.output_padding, dilation_rate=case.dilation, **common
        )
    if case.family in ("max_pool", "average_pool"):
        return getattr(keras.ops, case.family)(src, case.kernel, **common)
    return keras.ops.image.resize(
        src, case.kernel, interpolation=case.method, antialias=case.antialias, data_format="channels_last"
    )


def record() -> dict[str, np.ndarray]:
    results = {}
    for case in CASES:
        arrays = [jnp.asarray(a) for a in case.arrays()]
        value = compute(case, *arrays)
        weighting = case.weighting(value.shape)
        slopes = jax.grad(
            lambda *a, c=case, w=weighting: jnp.sum(compute(c, *a) * w), argnums=tuple(range(len(arrays)))
        )(*arrays)
        assert value.dtype == np.float64
        for name, array in zip(("value", "src", "weights"), (value, *slopes), strict=False):
            results[f"{case.key}/{name}"] = np.asarray(array)
    return results


if __name__ == "__main__":
    assert keras.backend.backend() == "jax"
    target = Path(__file__).parent / "recorded" / "keras_on_jax.npz"
    target.parent.mkdir(exist_ok=True)
    np.savez_compressed(target, **record())
    print(f"{target}: keras {keras.__version__}, jax {jax.__version__}, {target.stat().st_size} bytes")
