"""Each op is in the tables that say something about ops, or stands here as one that need not be: a new one that is
forgotten runs as a call-out, for the whole batch at once, and counts as one that reads everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simplecell import ops
from simplecell.engine import algorithms
from simplecell.engine.algorithms.families import FAMILIES
from simplecell.engine.planning import images, lowering
from simplecell.inspection import dependence
from simplecell.ops.base import Op

ROOT = Path(__file__).resolve().parents[2]
OPS = {name for name in ops.__all__ if isinstance(kind := getattr(ops, name), type) and issubclass(kind, Op)} - {"Op"}
PYTHON = {"CallOut", "CustomGradient"}
"""A function of the user's, and an op that is gone when programs are planned."""
ALWAYS_WHOLE = {
    "ArgReduce", "Cumulative", "Gather", "OneHot", "Reverse", "ScatterAdd", "UpdateSlice",
    "RandomBits", "RandomNormal", "RandomUniform",
    "AveragePoolGradient", "ConvolutionGradientSrc", "ConvolutionGradientWeights", "MaxPoolGradient", "ResizeGradient",
}  # fmt: skip
"""They are computed for the whole batch at once, whatever their images have to do with each other."""
ELEMENTWISE = {"Binary", "BroadcastTo", "Cast", "Select", "StopGradient", "Unary"}
"""Always in a group with an expression."""
READING_EVERYTHING = {
    "RandomBits", "RandomNormal", "RandomUniform", "ScatterAdd",
    "AveragePoolGradient", "ConvolutionGradientWeights", "MaxPoolGradient", "ResizeGradient",
}  # fmt: skip


def names(table: object) -> set[str]:
    return {kind.__name__ for kind in table if issubclass(kind, Op)}  # type: ignore[attr-defined]


TABLES = {
    "machine code (@lowers, in a module that families.py names)": (names(lowering._registered), PYTHON),
    "engine/planning/images.py": (names(images._RULES) | ELEMENTWISE, PYTHON | ALWAYS_WHOLE),
    "inspection/dependence.py": (names(dependence._RULES), PYTHON | READING_EVERYTHING),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_op_has_its_place(table: str) -> None:
    there, need_not = TABLES[table]
    assert OPS - there - need_not == set(), f"not in {table}"
    assert need_not - OPS == set() and there & need_not == set(), f"in {table} after all, or no op any more"


def test_every_op_is_described() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## graph/")[0]
    assert {name for name in OPS if not re.search(rf"`{name}\b", text)} == set()


def test_what_is_registered_is_named_in_families() -> None:
    folder = Path(algorithms.__path__[0])  # of the package under test, wherever it is installed
    named = {Path(str(module.__file__)) for module in FAMILIES}
    registering = {
        path
        for path in folder.rglob("*.py")
        if re.search(r"^@(lowers|chooses|joins)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    by_neighbour = {folder / "convolution" / "separable" / "joining.py"}  # `algorithm.py` beside it imports it
    assert registering - named == by_neighbour
