"""Traced functions, compiled and run as machine code, give what they give eagerly. A sample: the engine has tests of
its own."""

from __future__ import annotations

import numpy as np
import pytest
from keras.src import tree

from simplecell.engine.build import build
from simplecell.graph.graph import Graph
from tests.keras_backend.cases import Case, numbered
from tests.keras_backend.drawn import drawn, traced

# Every function of networks, NaNs among constants, and every eighth of the rest.
NAN = ("numpy.nanvar", "numpy.nanmin", "numpy.median", "numpy.nan_to_num")
CASES = [(n, c) for i, (n, c) in enumerate(numbered()) if c.function.startswith(("nn.", *NAN)) or i % 8 == 0]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[n for n, _ in CASES])
def test_compiled_equals_eager(name: str, case: Case) -> None:
    arrays, call = drawn(case, "float32")
    eager = [np.asarray(y) for y in tree.flatten(call(*arrays))]
    inputs, outputs = traced(arrays, call)
    results = build(Graph.of(inputs, outputs), threads=1)([np.ascontiguousarray(a) for a in arrays])
    for ours, theirs in zip(results, eager, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        # Sums of at most a hundred float32 terms of size about 4, in other orders, and functions within a few units in
        # the last place.
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=3e-5)
