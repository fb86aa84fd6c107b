"""Pointwise convolution to few channels, two steps of depth at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.separable.weights import PackPairs, paired, pairs_pay
from simplecell.engine.code.emit import Emitter
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue, Expression, Instruction
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.tile import Tile
from simplecell.engine.code.tile_store import Operands
from simplecell.engine.host import target
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets, guarded, run

FLOATS = ("float32",) * 4
# (sum + bias) · scale + residual
EPILOGUE = Epilogue(
    Expression(
        FLOATS,
        tuple(Instruction(f, o, "float32") for f, o in (("add", (0, 1)), ("multiply", (4, 2)), ("add", (5, 3)))),
        (6,),
    ),
    ("channel", "scalar", "full"),
)


@dataclass(frozen=True)
class Rows(Kernel):
    """All pixels at once."""

    tile: Tile
    epilogue: Epilogue

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("dst", "src", "weights", "depth", "pixels", *self.epilogue.arguments)

    @property
    def name(self) -> str:
        return f"test_paired_{self.tile}_{self.epilogue.name}"

    def emit(self, e: Emitter) -> None:
        src, weights, dst = (e.pointer(a) for a in ("src", "weights", "dst"))
        paired(
            e,
            self.tile,
            src,
            e.index("depth"),
            e.index("pixels"),
            weights,
            Operands.of(e, self.epilogue),
            dst,
            e.const(0),
        )


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize(("vectors", "pixels", "depth"), [(1, 9, 2), (2, 7, 16), (3, 5, 10), (5, 4, 6)])
@pytest.mark.parametrize("end", [True, False])
def test_paired(vectors: int, pixels: int, depth: int, end: bool, on: str) -> None:
    lanes = target(on).lanes
    oc = vectors * lanes // 2
    if not pairs_pay(oc, depth, lanes):
        pytest.skip("vectors of one lane")
    src, weights = normal(1, pixels, depth), normal(2, depth, oc)
    bias, scale, residual = normal(3, oc), normal(4, 1), normal(5, pixels, oc)
    packed = guarded(np.full((depth // 2, oc, 2), np.nan, np.float32), end)
    for threads in (1, 2):
        run(PackPairs(), threads, on, dst=packed, src=guarded(weights, end), depth=depth, oc=oc)
    np.testing.assert_array_equal(packed, weights.reshape(-1, 2, oc).swapaxes(1, 2))

    plain = src.astype(np.float64) @ weights
    for epilogue, expected in ((NO_EPILOGUE, plain), (EPILOGUE, (plain + bias) * scale + residual)):
        dst = guarded(np.full((pixels, oc), np.nan, np.float32), end)
        operands = (
            {"e0": guarded(bias, end), "e1": guarded(scale, end), "e2": guarded(residual, end)}
            if epilogue.kinds
            else {}
        )
        run(
            Rows(Tile(4, vectors), epilogue),
            1,
            on,
            dst=dst,
            src=guarded(src, end),
            weights=packed,
            depth=depth,
            pixels=pixels,
            **operands,
        )
        # Sums of at most 16 products of size 1.
        np.testing.assert_allclose(dst, expected, atol=1e-5)
