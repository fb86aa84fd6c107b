"""docs/keras-functions.md names every step that leaves the fast path."""

from __future__ import annotations

from pathlib import Path

from simplecell.graph.graph import Graph
from simplecell.ops.callout import CallOut
from tests.keras_backend.cases import numbered
from tests.keras_backend.drawn import drawn, traced


def test_call_outs_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "keras-functions.md").read_text(encoding="utf-8")
    steps = {
        name
        for row in page.splitlines()
        if row.startswith("| `")
        for name in row.split("|")[1].replace("`", "").replace(",", " ").split()
    }
    recorded = set()
    for _, case in numbered():
        arrays, call = drawn(case, "float32")
        inputs, outputs = traced(arrays, call)
        recorded |= {node.op.label for node in Graph.of(inputs, outputs).nodes if isinstance(node.op, CallOut)}
    assert recorded == steps
