"""docs/network.md: its programs run, in their order, and print what it says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[2] / "docs" / "network.md").read_text(encoding="utf-8")


def test_the_page_runs() -> None:
    blocks = re.findall(r"```(python|text)\n(.*?)```", PAGE, re.DOTALL)
    space: dict[str, Any] = {}
    printed = ""
    for kind, text in blocks:
        if kind == "text":
            assert [line.split() for line in printed.splitlines()] == [line.split() for line in text.splitlines()]
            continue
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(text, "network.md", "exec"), space)
        printed = output.getvalue()
    assert len(blocks) == 6
    assert space["both"]["block#2"].shape == space["maps"].shape == (5, 26, 26, 8)
    assert space["slope"].shape == (5, 28, 28, 1) and set(space["found"]) == {"block/conv", "classes"}
    assert "conv1/kernel" in space["network"].parameters
