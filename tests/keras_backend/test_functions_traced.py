"""Every array function means the same traced as eager, and its gradient is the slope that finite differences find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras.src import tree
from keras.src.backend.common import dtypes

from simplecell.graph.gradients import gradients
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import as_tensor
from simplecell.keras_backend import dispatch
from tests.keras_backend.cases import CASES, Arg, Case
from tests.keras_backend.drawn import drawn, traced

_promoted = dtypes.result_type


def _keep_float64(*given: Any) -> str:
    """Keras's promotion, but for its last step: that it makes a float32 of every float64."""
    return "float64" if any(getattr(d, "name", d) == "float64" for d in given) else _promoted(*given)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_traced_equals_eager(case: Case) -> None:
    arrays, call = drawn(case, "float32")
    eager = [np.asarray(y) for y in tree.flatten(call(*arrays))]
    inputs, outputs = traced(arrays, call)
    found = evaluate(Graph.of(inputs, outputs), arrays)
    assert [(y.shape, y.dtype.name) for y in found] == [(y.shape, y.dtype.name) for y in eager]
    assert [(t.shape, t.dtype.name) for t in outputs] == [(y.shape, y.dtype.name) for y in eager]
    for a, b in zip(found, eager, strict=True):
        # The two ways differ in the order of a few float32 operations.
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("case", [c for c in CASES if c.smooth], ids=str)
def test_gradient_is_the_slope(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivative in one random direction, in float64: reverse gradients against a central difference."""
    monkeypatch.setattr(dtypes, "result_type", _keep_float64)
    monkeypatch.setattr(dispatch, "_promotion", dispatch._promotion.__wrapped__)
    arrays, call = drawn(case, "float64")
    inputs, outputs = traced(arrays, call)
    rng = np.random.default_rng(11)
    outputs = [y for y in outputs if y.dtype.kind == "f"]
    weights = [rng.normal(size=y.shape) for y in outputs]
    moving = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    directions = [rng.normal(size=arrays[i].shape) for i in moving]
    if any(isinstance(a, Arg) and a.kind == "c" for a in tree.flatten(case.args)):  # symmetric matrices stay so
        directions = [
            d + np.swapaxes(d, -1, -2) if d.ndim > 1 and d.shape[-1] == d.shape[-2] else d for d in directions
        ]
    back = gradients(outputs, [inputs[i] for i in moving], [as_tensor(w) for w in weights])
    slopes = evaluate(Graph.of(inputs, back), arrays)
    expected = sum(float(np.sum(g * d)) for g, d in zip(slopes, directions, strict=True))

    graph = Graph.of(inputs, outputs)

    def value(step: float) -> float:
        moved = list(arrays)
        for i, d in zip(moving, directions, strict=True):
            moved[i] = arrays[i] + step * d
        return sum(float(np.sum(y * w)) for y, w in zip(evaluate(graph, moved), weights, strict=True))

    h = 1e-6
    # A central difference errs by h² times the third derivative and by rounding / h: 1e-10 of the values.
    assert (value(h) - value(-h)) / (2 * h) == pytest.approx(expected, rel=2e-6, abs=2e-7)
