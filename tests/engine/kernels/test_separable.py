"""Pointwise, depthwise, pointwise in one kernel, against float64 NumPy, between guard pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simplecell.engine.expression import NO_EPILOGUE, Epilogue, Expression, Instruction
from simplecell.engine.kernels.separable import Separable
from simplecell.engine.kernels.tile import best_tile
from simplecell.engine.target import target
from tests.engine.harness import available_targets, guarded, run
from tests.engine.kernels.sliding import Window, depthwise, normal
from tests.engine.kernels.test_depthwise import planned

ADD = Epilogue(Expression(("float32", "float32"), (Instruction("add", (0, 1), "float32"),), (2,)), ("channel",))
ADD_TENSOR = Epilogue(ADD.expression, ("full",))
SAME = ((0, 0), (1, 1), (1, 1))
CASES = [
    # images, channels of src, between, of dst, window; expand, project
    (2, 3, 17, 5, Window((1, 6, 9), (1, 3, 3), padding=SAME), True, True),
    (1, 4, 16, 33, Window((1, 9, 10), (1, 3, 3), (1, 2, 2), padding=((0, 0), (0, 1), (0, 1))), True, True),
    (1, 8, 8, 7, Window((1, 5, 19), (1, 3, 3), padding=SAME), False, True),
    (1, 2, 15, 15, Window((1, 7, 8), (1, 5, 5), padding=((0, 0), (2, 2), (2, 2))), True, False),
]


def packed(weights: np.ndarray, width: int) -> np.ndarray:
    """(ic, oc) → (blocks, ic, width), zeros where there is no channel."""
    ic, oc = weights.shape
    padded = np.pad(weights, ((0, 0), (0, -oc % width)))
    return np.ascontiguousarray(padded.reshape(ic, -1, width).swapaxes(0, 1))


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize("case", CASES, ids=str)
def test_separable(case: Any, on: str) -> None:
    n, ic, channels, oc, window, expands, projects = case
    (_, ih, iw), (_, oh, ow), lanes = window.size, window.outputs, target(on).lanes
    src, bias = normal(1, n, ih, iw, ic), normal(5, channels)
    first, middle, last = normal(2, ic, channels), normal(3, *window.taps, 1, channels), normal(4, channels, oc)
    residual = normal(6, n, oh, ow, oc)
    expand = best_tile(target(on), -(-channels // lanes), iw) if expands else None
    project = best_tile(target(on), -(-oc // lanes), ow) if projects else None
    epilogues = (ADD if expands else NO_EPILOGUE, ADD, ADD_TENSOR if projects else NO_EPILOGUE)
    kernel = Separable(expand, planned(window), project, channels % lanes != 0, epilogues)

    wide = src.astype(np.float64) @ first + bias if expands else src
    expected = depthwise(wide[:, None], middle, window)[:, 0] + bias
    if projects:
        expected = expected @ last + residual

    ring, line = window.taps[1] * iw * channels if expands else 0, ow * channels if projects else 0
    results = []
    for threads, end in ((1, True), (2, False), (3, True)):
        scratch = guarded(np.full((threads, ring + line), np.nan, np.float32), end)
        dst = guarded(np.full(expected.shape, np.nan, np.float32), end)
        arguments = {
            **{"src": guarded(src, end), "dst": dst, "depthwise": guarded(middle, end), "depthwise0": guarded(bias, end)},
            **{"n": n, "ih": ih, "iw": iw, "oh": oh, "ow": ow, "ic": ic, "channels": channels, "oc": oc},
            **{"kh": window.taps[1], "sh": window.strides[1], "ph": window.padding[1][0], "pw": window.padding[2][0]},
            **{"scratch": scratch, "scratch_stride": 4 * (ring + line)},
        }
        if expand:
            arguments |= {"expand": guarded(packed(first, expand.vectors * lanes), end), "expand0": guarded(bias, end)}
        if project:
            arguments |= {"project": guarded(packed(last, project.vectors * lanes), end), "project0": guarded(residual, end)}
        run(kernel, threads, on, **arguments)
        results.append(dst)
    # Sums of up to 17 · 25 · 3 products of size 1: below 100, and rounded some 30 times.
    np.testing.assert_allclose(results[0], expected, atol=2e-4)
    for again in results[1:]:
        np.testing.assert_array_equal(results[0], again)


def test_names_tell_which_stage_has_an_epilogue() -> None:
    tile = best_tile(target(), 1, 8)
    columns = planned(CASES[0][4])
    names = {
        Separable(tile, columns, tile, True, stages).name for stages in ((ADD, NO_EPILOGUE, ADD), (NO_EPILOGUE, ADD, ADD), (ADD, ADD, NO_EPILOGUE))
    }
    assert len(names) == 3
