"""Pointwise, depthwise, pointwise in one kernel, against float64 NumPy, between guard pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.separable.kernel import Separable
from simplecell.engine.algorithms.convolution.separable.schedule import Ring
from simplecell.engine.algorithms.convolution.separable.weights import pairs_pay
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue, Expression, Instruction
from simplecell.engine.code.tile import Tile, best_tile
from simplecell.engine.host import target
from tests.engine.algorithms.sliding import Window, depthwise, normal, planned
from tests.engine.harness import available_targets, guarded, run

ADD = Epilogue(Expression(("float32", "float32"), (Instruction("add", (0, 1), "float32"),), (2,)), ("channel",))
ADD_TENSOR = Epilogue(ADD.expression, ("full",))
SAME = ((0, 0), (1, 1), (1, 1))
CASES = [
    # images, channels of src, between, of dst, window; expand, project; rows of a group, vectors of a block
    (2, 3, 17, 5, Window((1, 6, 9), (1, 3, 3), padding=SAME), True, True, 2, 1),
    (1, 4, 48, 33, Window((1, 9, 10), (1, 3, 3), (1, 2, 2), padding=((0, 0), (0, 1), (0, 1))), True, True, 3, 2),
    (1, 8, 8, 7, Window((1, 5, 20), (1, 3, 3), padding=SAME), False, True, 4, 1),
    (2, 34, 34, 8, Window((1, 7, 15), (1, 5, 2), (1, 1, 2), padding=((0, 0), (4, 1), (1, 0))), False, True, 2, 1),
    (1, 2, 15, 15, Window((1, 7, 8), (1, 5, 5), padding=((0, 0), (2, 2), (2, 2))), True, False, 7, 1),
    (1, 6, 20, 8, Window((1, 7, 16), (1, 2, 3), (1, 3, 1)), True, True, 2, 1),
]


def packed(weights: np.ndarray, width: int) -> np.ndarray:
    """(ic, oc) → (blocks, ic, width), zeros where there is no channel."""
    ic, oc = weights.shape
    padded = np.pad(weights, ((0, 0), (0, -oc % width)))
    return np.ascontiguousarray(padded.reshape(ic, -1, width).swapaxes(0, 1))


def in_pairs(weights: np.ndarray) -> np.ndarray:
    """(depth, oc) → (depth / 2, oc, 2)."""
    return np.ascontiguousarray(weights.reshape(-1, 2, weights.shape[1]).swapaxes(1, 2))


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize("case", CASES, ids=str)
def test_separable(case: Any, on: str) -> None:
    n, ic, channels, oc, window, expands, projects, rows, vectors = case
    (_, ih, iw), (_, oh, ow), lanes = window.size, window.outputs, target(on).lanes
    src, bias = normal(1, n, ih, iw, ic), normal(5, channels)
    first, middle, last = normal(2, ic, channels), normal(3, *window.taps, 1, channels), normal(4, channels, oc)
    residual = normal(6, n, oh, ow, oc)
    expand = Tile(3, vectors) if expands else None
    pairs = projects and pairs_pay(oc, channels, lanes)
    project = Tile(4, 2 * oc // lanes) if pairs else best_tile(target(on), -(-oc // lanes), ow) if projects else None
    epilogues = (ADD if expands else NO_EPILOGUE, ADD, ADD_TENSOR if projects else NO_EPILOGUE)
    (_, kh, kw), (_, sh, sw) = window.taps, window.strides
    reads = Ring((kh, kw), sw, min(5, ow), vectors) if expands else planned(window)
    kernel = Separable(expand, reads, project, pairs, channels % lanes != 0, epilogues)

    wide = src.astype(np.float64) @ first + bias if expands else src
    expected = depthwise(wide[:, None], middle, window)[:, 0] + bias
    if projects:
        expected = expected @ last + residual

    left, right = window.padding[2]
    blocks, pitch = -(-channels // (vectors * lanes)), left + iw + right
    values = (blocks * kh * pitch * vectors * lanes if expands else 0) + (rows * ow * channels if projects else 0)
    results = []
    for threads, end in ((1, True), (2, False), (3, True)):
        scratch = guarded(np.full((threads, values), np.nan, np.float32), end)
        dst = guarded(np.full(expected.shape, np.nan, np.float32), end)
        arguments = {
            **{
                "src": guarded(src, end),
                "dst": dst,
                "depthwise": guarded(middle, end),
                "depthwise0": guarded(bias, end),
            },
            **{"n": n, "ih": ih, "iw": iw, "oh": oh, "ow": ow, "ic": ic, "channels": channels, "oc": oc},
            **{"kh": kh, "sh": sh, "ph": window.padding[1][0], "pw": left, "rows": rows, "pitch": pitch},
            **{"scratch": scratch, "scratch_stride": 4 * values},
        }
        if expand:
            arguments |= {"expand": guarded(packed(first, expand.vectors * lanes), end), "expand0": guarded(bias, end)}
        if project:
            arguments |= {
                "project": guarded(in_pairs(last) if pairs else packed(last, project.vectors * lanes), end),
                "project0": guarded(residual, end),
            }
        run(kernel, threads, on, **arguments)
        results.append(dst)
    # Sums of up to 17 · 25 · 3 products of size 1: below 100, and rounded some 30 times.
    np.testing.assert_allclose(results[0], expected, atol=2e-4)
    for again in results[1:]:
        np.testing.assert_array_equal(results[0], again)


def test_names_tell_which_stage_has_an_epilogue() -> None:
    tile = best_tile(target(), 1, 8)
    possible = ((ADD, NO_EPILOGUE, ADD), (NO_EPILOGUE, ADD, ADD), (ADD, ADD, NO_EPILOGUE))
    names = {Separable(tile, Ring((3, 3), 1, 4, 1), tile, epilogues=stages).name for stages in possible}
    assert len(names) == 3
