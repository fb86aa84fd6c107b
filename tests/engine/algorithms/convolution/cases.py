"""The convolutions that every algorithm is run on, and the epilogues behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue, Expression, Instruction
from simplecell.ops.convolution import Convolution
from simplecell.ops.geometry import resolve_padding

BIAS_RELU_ADD = Epilogue(
    Expression(
        ("float32",) * 4,
        (
            Instruction("add", (0, 1), "float32"),
            Instruction("relu", (4,), "float32"),
            Instruction("add", (5, 2), "float32"),
            Instruction("multiply", (6, 3), "float32"),
        ),
        (7,),
    ),
    ("channel", "full", "scalar"),
)
SIGMOIDS = Epilogue(
    Expression(
        ("float32", "float32"),
        (Instruction("add", (0, 1), "float32"), *(Instruction("negative", (i,), "float32") for i in range(2, 12))),
        (12,),
    ),
    ("channel",),
)
"""Longer than what is written out for every accumulator; an even number of negations."""


@dataclass(frozen=True)
class Case:
    """src `(n, *spatial, ic)`, kernel size, output channels, and Keras's arguments."""

    src: tuple[int, ...]
    kernel: tuple[int, ...]
    oc: int
    strides: int = 1
    padding: Any = "valid"
    dilation: int = 1
    groups: int = 1


CASES = (
    # one value, one channel
    Case((1, 1, 1), (1,), 1),
    Case((2, 17, 1), (3,), 17, padding="same"),
    Case((2, 40, 1), (3,), 1, padding="same"),
    # channels beside the vector width (4, 8 and 16 lanes), rows that are not whole tiles
    Case((1, 7, 7, 5), (3, 3), 47, padding="same"),
    Case((2, 5, 7, 17), (3, 3), 33, padding="same"),
    Case((1, 14, 14, 16), (3, 3), 16, padding="same"),
    Case((1, 13, 7, 18), (3, 3), 17),
    Case((2, 9, 6, 15), (3, 3), 8),
    Case((1, 6, 5, 9), (2, 2), 7),
    # padding of each side its own, none, causal
    Case((3, 9, 6, 19), (3, 3), 49, padding=((0, 2), (3, 1))),
    Case((2, 19, 3), (5,), 33, padding="causal", dilation=2),
    Case((3, 40, 17), (3,), 18, padding="causal"),
    # strides, dilation, both
    Case((3, 9, 15, 3), (3, 2), 15, 2, ((0, 2), (3, 1))),
    Case((2, 8, 13, 4), (3, 3), 16, 2, "same", 2),
    Case((2, 11, 13, 7), (1, 1), 34, 2),
    # pointwise, and deep
    Case((1, 11, 14, 7), (1, 1), 31),
    Case((1, 3, 15, 1024), (1, 1), 17),
    # larger kernels
    Case((1, 9, 10, 16), (5, 5), 31, padding="same"),
    Case((2, 3, 17, 16), (1, 7), 32, padding=((0, 0), (3, 3))),
    Case((2, 17, 3, 17), (7, 1), 33, padding=((3, 3), (0, 0))),
    Case((2, 40, 17), (9,), 18, padding="same"),
    # few channels, wide rows
    Case((1, 9, 97, 1), (3, 3), 1, padding="same"),
    Case((2, 12, 33, 1), (11, 7), 1, padding="same"),
    Case((1, 6, 35, 3), (3, 5), 3, padding=((2, 0), (1, 3))),
    Case((1, 9, 47, 2), (3, 3), 4, padding="same", dilation=2),
    # pictures and signals under long kernels
    Case((1, 45, 131, 1), (31, 31), 1, padding="same"),
    Case((1, 70, 33, 3), (5, 6), 3, padding=((2, 0), (1, 3))),
    Case((2, 1500, 1), (200,), 1, padding="same"),
    Case((1, 700, 2), (131,), 4, padding="causal"),
    Case((1, 700, 3), (40,), 17, 3, padding="same"),
    Case((2, 900, 8), (96,), 40, padding="same"),
    # volumes
    Case((1, 5, 6, 7, 3), (3, 2, 3), 17, 2, "same"),
    Case((2, 3, 4, 6, 2), (2, 2, 2), 18, padding=((1, 0), (0, 1), (2, 2))),
    Case((2, 3, 9, 6, 17), (3, 3, 3), 18, padding="same"),
    Case((1, 4, 5, 39, 1), (3, 3, 3), 1, padding="same"),
    # groups
    Case((1, 6, 8, 12), (3, 3), 18, padding="same", groups=2),
    Case((1, 6, 9, 24), (3, 3), 24, padding="same", groups=8),
    Case((2, 6, 30, 40), (3, 1), 36, groups=2, dilation=2),
    Case((2, 9, 8, 16), (3, 3), 64, padding="same", groups=16),
    Case((1, 9, 10, 16), (3, 3), 16, padding="same", groups=8),
    # depthwise: one filter a channel, several, ragged channels, strides, long windows
    Case((2, 9, 11, 16), (3, 3), 16, padding="same", groups=16),
    Case((1, 8, 9, 19), (3, 3), 19, 2, "same", groups=19),
    Case((1, 7, 12, 5), (5, 3), 10, padding="same", groups=5),
    Case((2, 40, 18), (7,), 18, padding="causal", groups=18),
    Case((1, 5, 6, 7, 8), (3, 3, 3), 8, padding="same", groups=8),
    Case((1, 12, 9, 16), (3, 3), 16, dilation=2, groups=16),
)


def problem_of(case: Case) -> tuple[Convolution, tuple[int, ...], ConvolutionProblem]:
    rank = len(case.kernel)
    strides, dilation = (case.strides,) * rank, (case.dilation,) * rank
    op = Convolution(
        strides, resolve_padding(case.padding, case.src[1:-1], case.kernel, strides, dilation), dilation, case.groups
    )
    weights = (*case.kernel, case.src[-1] // case.groups, case.oc)
    problem = ConvolutionProblem.of(op, case.src, weights)
    assert problem is not None
    return op, weights, problem
