"""Gradients held against central differences in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from simplecell.graph.gradients import gradients
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import Tensor, placeholder
from simplecell.ops import Spec, spec_of

STEP = 1e-5  # truncation grows as its square (1e-10), rounding as 1e-16 / STEP (1e-11): both far below TOLERANCE
TOLERANCE = 1e-6


def run(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """The function traced on placeholders and evaluated: one array, or a list where it returns several."""
    inputs = [placeholder(spec_of(a), f"x{i}") for i, a in enumerate(arrays)]
    result = function(*inputs)
    several = isinstance(result, (tuple, list))
    values = evaluate(Graph.of(inputs, list(result) if several else [result]), arrays)
    return values if several else values[0]


def check_gradient(
    function: Callable[..., Any], *arrays: np.ndarray, wrt: Sequence[int] | None = None, seed: int = 0
) -> None:
    """`function` of tensors, at float64 `arrays`, in random directions: its value's slope must be its gradient's."""
    rng = np.random.default_rng(seed)
    inputs = [placeholder(spec_of(a), f"x{i}") for i, a in enumerate(arrays)]
    output: Tensor = function(*inputs)
    wrt = [i for i, a in enumerate(arrays) if a.dtype == np.float64] if wrt is None else wrt
    weight = rng.normal(size=output.shape)
    weight_input = placeholder(Spec(output.shape, "float64"), "weight")
    found = gradients([output], [inputs[i] for i in wrt], [weight_input])
    slopes = evaluate(Graph.of([*inputs, weight_input], found), [*arrays, weight])
    value = Graph.of(inputs, [output])
    for i, slope in zip(wrt, slopes, strict=True):
        assert slope.shape == arrays[i].shape and slope.dtype == np.float64
        for _ in range(4):
            direction = rng.normal(size=arrays[i].shape)
            ahead, behind = (
                evaluate(value, [a + sign * STEP * direction if j == i else a for j, a in enumerate(arrays)])[0]
                for sign in (1, -1)
            )
            difference = float(np.sum(weight * (ahead - behind)) / (2 * STEP))
            scale = 1 + float(np.sum(np.abs(weight) * (np.abs(ahead) + np.abs(behind)))) + abs(difference)
            np.testing.assert_allclose(float(np.sum(slope * direction)), difference, rtol=0, atol=TOLERANCE * scale)
