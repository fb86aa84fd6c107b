"""Convolutions and epilogues that the tests of several algorithms run."""

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
    src: tuple[int, ...]
    kernel: tuple[int, ...]
    oc: int
    strides: int = 1
    padding: Any = "valid"
    dilation: int = 1
    groups: int = 1


CASES = [
    Case((1, 1, 1), (1,), 1),
    Case((2, 17, 1), (3,), 17, padding="same"),
    Case((2, 19, 3), (5,), 33, padding="causal", dilation=2),
    Case((1, 7, 7, 5), (3, 3), 47, padding="same"),
    Case((3, 9, 15, 3), (3, 2), 15, 2, ((0, 2), (3, 1))),
    Case((2, 8, 13, 4), (3, 3), 16, 2, "same", 2),
    Case((1, 11, 14, 7), (1, 1), 31),
    Case((2, 11, 13, 7), (1, 1), 34, 2),
    Case((1, 5, 6, 7, 3), (3, 2, 3), 17, 2, "same"),
    Case((2, 3, 4, 6, 2), (2, 2, 2), 18, padding=((1, 0), (0, 1), (2, 2))),
    Case((1, 6, 8, 12), (3, 3), 18, padding="same", groups=2),
    Case((1, 6, 9, 24), (3, 3), 24, padding="same", groups=8),
    Case((2, 6, 30, 40), (3, 1), 36, groups=2, dilation=2),
    Case((1, 3, 15, 1024), (1, 1), 17),
]


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
