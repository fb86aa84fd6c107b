"""What convolution of signals by Fourier transforms along channels costs, fitted to 590 timings of eleven layers cut at
random, half within 10%."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.target import Target

PASS_NS, COPY_NS, FAR_NS, FARTHER_NS = 2.4, 0.3, 4.2, 5.3
"""Per row of the transform, for each vector: a pass, the way in and out, and what a column that leaves L1, or a block
that leaves L2, adds."""
VALUE_NS = 0.9
"""for each value of a row of inputs and tile of products, besides the multiplications"""
STREAM = 46.0
"""bytes of weights per nanosecond, where they do not stay in L2"""


def blocks_ns(
    p: ConvolutionProblem,
    target: Target,
    radices: Sequence[int],
    blocks: int,
    vectors: int,
    outputs: int,
    weights_bytes: int,
) -> float:
    """Predicted nanoseconds of `blocks` blocks, transformed together.

    Args:
        vectors: in a tile of products.
        outputs: vectors in a row of them.
        weights_bytes: of all transformed weights.
    """
    size, lanes, run = prod(radices), target.lanes, p.strides[2] * p.ic
    inputs = ceil_div(run, lanes)
    scratch = 8 * size * blocks * (inputs + outputs) * lanes
    far = (FAR_NS if 8 * size * lanes > target.l1 else 0) + (FARTHER_NS if scratch > target.l2 else 0)
    passes = size * blocks * (inputs + outputs) * (len(radices) * PASS_NS + COPY_NS + far)
    products = 8.0 * lanes * blocks * size * run * outputs / target.peak + VALUE_NS * size * run * outputs / vectors
    stream = 0.0 if weights_bytes + scratch <= target.l2 else weights_bytes / STREAM
    return passes + products + stream
