"""Convolutions, pooling and resizing against what Keras on JAX gives, values and gradients (see record_oracle.py)."""

from pathlib import Path

import numpy as np
import pytest

from simplecell import ops
from simplecell.graph.gradients import gradients
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from tests.ops.oracle_cases import CASES, Case

RECORDED = np.load(Path(__file__).parent / "recorded" / "keras_on_jax.npz")


def compute(case: Case, src, weights=None):
    if case.family == "convolution":
        groups = case.shape[-1] // case.kernel[-2]
        return ops.convolution(src, weights, case.strides, case.padding, case.dilation, groups)
    if case.family == "transposed_convolution":
        return ops.transposed_convolution(src, weights, case.strides, case.padding, case.output_padding, case.dilation)
    if case.family == "resize":
        return ops.resize(src, case.kernel, case.method, case.antialias)
    return getattr(ops, case.family)(src, case.kernel, case.strides, case.padding)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.key)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_value_and_gradients(case, dtype):
    arrays = [a.astype(dtype) for a in case.arrays()]
    inputs = [placeholder(ops.spec_of(a)) for a in arrays]
    output = compute(case, *inputs)
    value = RECORDED[f"{case.key}/value"]
    assert output.shape == value.shape
    seed = case.weighting(value.shape).astype(dtype)
    found = evaluate(
        Graph.of(inputs, [output, *gradients([output], inputs, [output.trace(ops.Cast(dtype), [seed])])]), arrays
    )
    # at most some 200 terms of size about 1 are added; float32 rounds each of them and the inputs
    tolerance = 1e-12 if dtype == "float64" else 3e-5
    for got, name in zip(found, ("value", "src", "weights"), strict=False):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, RECORDED[f"{case.key}/{name}"], rtol=0, atol=tolerance)
