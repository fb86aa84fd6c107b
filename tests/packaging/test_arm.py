"""What tools/arm.sh runs is there: tests/arm.txt names tests of this checkout."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTED = [
    line for line in (ROOT / "tests" / "arm.txt").read_text(encoding="utf-8").splitlines() if line.startswith("tests/")
]


@pytest.mark.parametrize("entry", LISTED)
def test_what_is_listed_exists(entry: str) -> None:
    path, _, name = entry.partition("::")
    assert (ROOT / path).exists()
    if name:
        module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
        assert name.partition("[")[0] in functions


def test_nothing_is_listed_twice() -> None:
    assert len(set(LISTED)) == len(LISTED) > 30
