import subprocess
import sys

import numpy as np
import pytest

from simplecell import filters


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_every_filter(rank):
    for name in filters.names(rank):
        array = filters.named(name, rank)
        assert array.shape == (3,) * rank and array.dtype == np.float32
        array[:] = 9
        assert filters.named(name, rank).max() < 9  # a copy each time


def test_sums():
    for rank in (1, 2, 3):
        for name in filters.names(rank):
            total = filters.named(name, rank).sum()
            expected = {"bump": 1, "line_1d": 1, "vertical": 3, "horizontal": 3, "diagonal": 3, "antidiagonal": 3}.get(
                name, 0
            )
            assert total == expected, name


def test_directions():
    """Each answers strongest to what it is named for."""
    right = np.broadcast_to(np.arange(3, dtype=np.float32), (3, 3))
    assert (filters.named("sobel_x") * right).sum() == 8 and (filters.named("sobel_y") * right).sum() == 0
    assert (filters.named("prewitt_x") * right).sum() == 6 and (filters.named("prewitt_y") * right.T).sum() == 6
    lines = {name: filters.named(name) for name in ("vertical", "horizontal", "diagonal", "antidiagonal")}
    for name, line in lines.items():
        assert max(lines, key=lambda other: (filters.named(other + "_line") * line).sum()) == name
    volume = np.broadcast_to(np.arange(3, dtype=np.float32)[:, None, None], (3, 3, 3))
    assert (filters.named("sobel_z", 3) * volume).sum() == 32 and (filters.named("sobel_x", 3) * volume).sum() == 0
    assert filters.named("laplacian").tolist() == [[0, 1, 0], [1, -4, 1], [0, 1, 0]]


def test_errors():
    with pytest.raises(
        ValueError, match="expected one of the 2-dimensional filters vertical, horizontal, .* received 'line_1d'"
    ):
        filters.named("line_1d")
    with pytest.raises(ValueError, match="rank: expected 1, 2 or 3, received 4"):
        filters.names(4)


def test_exports_and_laziness():
    assert all(hasattr(filters, name) for name in filters.__all__)
    code = "import sys, simplecell.filters as f; f.named('bump'); print('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == [
        "False"
    ]
