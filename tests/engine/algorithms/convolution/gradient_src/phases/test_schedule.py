"""Phases cover the gradient, each pixel once."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.gradient_src.phases.schedule import phases_of
from simplecell.engine.algorithms.convolution.gradient_src.problem import GradientSrcProblem
from simplecell.ops.convolution import ConvolutionGradientSrc
from simplecell.ops.geometry import output_size

CASES = [
    # spatial, kernel, strides, padding, dilation
    ((17, 18), (3, 3), (2, 2), ((0, 1), (1, 1)), (1, 1)),
    ((9, 8), (1, 1), (2, 3), ((0, 0), (0, 0)), (1, 1)),
    ((9, 9), (2, 2), (4, 3), ((0, 0), (1, 0)), (2, 2)),
    ((20,), (3,), (3,), ((0, 0),), (2,)),
    ((5, 6, 7), (2, 3, 3), (2, 1, 2), ((1, 1), (1, 0), (0, 2)), (1, 1, 1)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_pixel_is_in_one_phase(case: tuple) -> None:
    spatial, kernel, strides, padding, dilation = case
    n, ic, oc = 2, 3, 5
    out = [output_size(i, k, s, p, d) for i, k, s, p, d in zip(spatial, kernel, strides, padding, dilation)]
    op = ConvolutionGradientSrc(spatial, strides, padding, dilation, 1)
    phases = phases_of(GradientSrcProblem(op, (n, *out, oc), (*kernel, ic, oc)))
    found = np.zeros(n * int(np.prod(spatial)) * ic, int)
    for phase in phases:
        s = phase.spread
        z, y, x = phase.outputs
        at = phase.offset + (
            np.arange(n)[:, None, None, None] * s.spread_image
            + np.arange(z)[:, None, None] * s.spread_plane
            + np.arange(y)[:, None] * s.spread_row
            + np.arange(x) * s.spread_pixel
        )
        found[(at[..., None] + np.arange(ic)).reshape(-1)] += 1
    assert (found == 1).all()
    taps = [np.prod([t.count for t in phase.taps]) for phase in phases if phase.reached]
    assert sum(taps) == np.prod(kernel)  # each tap leads to one of them
