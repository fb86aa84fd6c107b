"""The register tile: which shape is chosen, and its sums; convolution and Winograd test it in use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from simplecell.engine.code.emit import Emitter
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.tile import Ahead, Tile, accumulate, best_tile, tiles, zeros
from simplecell.engine.host import target
from tests.engine.harness import available_targets, guarded, run


@dataclass(frozen=True)
class Product(Kernel):
    """dst[pixel, vector lanes] = src[pixel, depth] · weights[depth, lanes]"""

    tile: Tile
    ahead: bool
    steps: int

    arguments = ("dst", "src", "weights", "stride", "depth")

    @property
    def name(self) -> str:
        return f"test_tile_{self.tile}_{int(self.ahead)}_{self.steps}"

    def emit(self, e: Emitter) -> None:
        weights, t = e.pointer("weights"), self.tile
        ahead = Ahead(1, weights, e.const(3)) if self.ahead else None
        acc = accumulate(
            e, t, zeros(e, t), e.pointer("src"), e.index("stride"), weights, e.index("depth"), ahead, unroll=self.steps
        )
        for i, a in enumerate(acc[: t.accumulators]):
            e.store(a, e.pointer("dst"), i * e.lanes)


@pytest.mark.parametrize("name", available_targets())
def test_sums(name: str) -> None:
    t = target(name)
    for tile, ahead, steps in (
        (next(iter(tiles(t))), True, 1),
        (Tile(9, 1), False, 1),
        (next(iter(tiles(t))), True, 2),
        (Tile(4, 3), False, 3),
    ):
        rng = np.random.default_rng(0)
        for depth in (0, steps, 13 * steps):
            src = rng.standard_normal((tile.pixels, depth + 2)).astype(np.float32)
            weights = rng.standard_normal((depth, tile.vectors * t.lanes)).astype(np.float32)
            read = guarded(src.ravel()[: src.size - 2])  # the last pixel ends with its depth
            dst = guarded(np.full((tile.pixels, tile.vectors * t.lanes), np.nan, np.float32))
            run(
                Product(tile, ahead, steps),
                1,
                name,
                dst=dst,
                src=read,
                weights=guarded(weights),
                stride=depth + 2,
                depth=depth,
            )
            np.testing.assert_allclose(dst, src[:, :depth] @ weights, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", available_targets())
def test_a_tile_is_never_wider_than_the_row(name: str) -> None:
    for pixels in range(1, 40):
        for vectors in (1, 2, 3, 5, 32):
            assert best_tile(target(name), vectors, pixels).pixels <= pixels


@pytest.mark.skipif("avx512" not in available_targets(), reason="sizes for 32 registers")
def test_rows_of_networks_are_filled() -> None:
    t = target("avx512")
    for pixels, vectors in ((56, 4), (28, 8), (14, 16), (7, 32), (49, 32), (35, 4), (17, 12), (149, 2)):
        tile = best_tile(t, vectors, pixels)
        done = -(-pixels // tile.pixels) * tile.pixels * -(-vectors // tile.vectors) * tile.vectors
        assert done <= 1.09 * pixels * vectors


def test_groups_divide_pixels() -> None:
    with pytest.raises(ValueError, match="groups must divide pixels"):
        Tile(7, 2, 2)
