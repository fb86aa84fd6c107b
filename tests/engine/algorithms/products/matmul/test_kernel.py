"""Matrix products against NumPy, on guarded buffers, at sizes around the vector width."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.products.matmul.kernel import MatMul
from simplecell.engine.algorithms.products.matmul.schedule import MatMulSchedule
from simplecell.engine.code.tile import Tile
from simplecell.engine.host import target
from tests.engine.harness import available_targets, guarded, run

FLAVOURS = [
    (False, "direct", False),
    (True, "direct", False),
    (False, "copied", True),
    (False, "transposed", True),
    (True, "transposed", False),
]


def product(
    on: str,
    tile: Tile,
    transpose_a: bool,
    panels: str,
    blocked: bool,
    m: int,
    n: int,
    k: int,
    threads: int,
    end: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(m * 10000 + n * 100 + k)
    a, b = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, n)).astype(np.float32)
    lanes = target(on).lanes
    kernel = MatMul(tile, transpose_a, panels, ragged=True, blocked=blocked)  # type: ignore[arg-type]
    k_block = 16 if blocked else max(k, 1)
    schedule = MatMulSchedule(
        m=m, n=n, k=k, lda=m if transpose_a else k, ldb=k if panels == "transposed" else n, m_block=8, k_block=k_block,
        outer=1, inner=1, a_outer=0, a_inner=0, b_outer=0, b_inner=0,
    )  # fmt: skip
    arguments = schedule.arguments() | {
        "a": guarded(a.T if transpose_a else a, end),
        "b": guarded(b.T if panels == "transposed" else b, end),
        "dst": guarded(np.full((m, n), np.nan, np.float32), end),
    }
    if panels != "direct":
        size = schedule.panel_bytes(tile, lanes)
        arguments |= {"scratch": guarded(np.zeros((threads, size // 4), np.float32), end), "scratch_stride": size}
    run(kernel, on=on, threads=threads, **arguments)
    return np.array(arguments["dst"]), a.astype(np.float64) @ b.astype(np.float64)


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize("transpose_a, panels, blocked", FLAVOURS)
def test_products(on: str, transpose_a: bool, panels: str, blocked: bool) -> None:
    w = target(on).lanes
    for m, n, k in [
        (1, 1, 1),
        (6, 2 * w, w),
        (7, w - 1, w + 1),
        (11, w + 1, 2 * w - 1),
        (23, 2 * w + 1, 37),
        (1, 3 * w, 5),
    ]:
        got, want = product(on, Tile(6, 2), transpose_a, panels, blocked, m, n, k, threads=1, end=m != 7)
        np.testing.assert_allclose(got, want, atol=1e-6 * k, err_msg=f"{m}x{n}x{k}")  # k roundings of values near 1


@pytest.mark.parametrize("transpose_a, panels, blocked", FLAVOURS)
def test_bits_do_not_depend_on_threads(transpose_a: bool, panels: str, blocked: bool) -> None:
    on = available_targets()[0]
    one, two, three = (
        product(on, Tile(6, 2), transpose_a, panels, blocked, 29, 41, 53, threads)[0] for threads in (1, 2, 3)
    )
    assert one.tobytes() == two.tobytes() == three.tobytes()


def test_batches_and_broadcasting() -> None:
    """Two batch axes, of which each operand may repeat one."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 1, 5, 7)).astype(np.float32), rng.standard_normal((1, 3, 7, 19)).astype(np.float32)
    dst = guarded(np.full((2, 3, 5, 19), np.nan, np.float32))
    schedule = MatMulSchedule(
        m=5, n=19, k=7, lda=7, ldb=19, m_block=5, k_block=7,
        outer=2, inner=3, a_outer=35, a_inner=0, b_outer=0, b_inner=133,
    )  # fmt: skip
    run(MatMul(Tile(6, 2)), threads=2, a=guarded(a), b=guarded(b), dst=dst, **schedule.arguments())
    np.testing.assert_allclose(dst, a @ b, rtol=1e-5, atol=1e-5)


def test_an_empty_sum_is_zero() -> None:
    for blocked in (False, True):
        got, _ = product(available_targets()[0], Tile(6, 2), False, "direct", blocked, 3, 5, 0, threads=1)
        assert not got.any()
