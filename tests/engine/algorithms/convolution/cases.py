"""Convolutions that every algorithm of the table computes, if it does not refuse them; and what rooms share to say
others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue, Expression, Instruction
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target
from simplecell.ops.convolution import Convolution
from simplecell.ops.geometry import resolve_padding
from simplecell.ops.pooling import AveragePool, MaxPool
from simplecell.precision import Precision

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

MEANING: dict[Epilogue, Callable[..., np.ndarray]] = {
    NO_EPILOGUE: lambda y: y,
    BIAS_RELU_ADD: lambda y, bias, other, scale: (np.maximum(y + bias, 0) + other) * scale,
    SIGMOIDS: lambda y, bias: y + bias,
}
"""What an epilogue makes of a convolution and its operands. None makes errors larger."""


@dataclass(frozen=True)
class Case:
    """A convolution. One number for strides or dilation is for all axes; `padding` as Keras has it, or (low, high) for
    each axis. `pool`: windows of a maximum that is taken of what the epilogue gives."""

    src: tuple[int, ...]
    kernel: tuple[int, ...]
    oc: int
    strides: int | tuple[int, ...] = 1
    padding: Any = "valid"
    dilation: int | tuple[int, ...] = 1
    groups: int = 1
    epilogue: Epilogue = NO_EPILOGUE
    pool: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Without what is as usual."""
        words = ["x".join(map(str, self.src)), "x".join(map(str, self.kernel)), f"{self.oc}"]
        words += [
            f"{name} {value}"
            for name, value in (("strides", self.strides), ("dilation", self.dilation), ("groups", self.groups))
            if value != 1
        ]
        return " ".join(
            [
                *words,
                *([] if self.padding == "valid" else [str(self.padding)]),
                *([f"pool {self.pool}"] if self.pool else []),
            ]
        )

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def weights(self) -> tuple[int, ...]:
        """their shape"""
        return (*self.kernel, self.src[-1] // self.groups, self.oc)

    @property
    def op(self) -> Convolution:
        strides, dilation = ((v,) * self.rank if isinstance(v, int) else v for v in (self.strides, self.dilation))
        padding = resolve_padding(self.padding, self.src[1:-1], self.kernel, strides, dilation)
        return Convolution(strides, padding, dilation, self.groups)

    @property
    def max_pool(self) -> MaxPool | None:
        return MaxPool(self.pool, self.pool, ((0, 0),) * self.rank) if self.pool else None


def problem_of(
    case: Case, pool: MaxPool | AveragePool | None = None
) -> tuple[Convolution, tuple[int, ...], ConvolutionProblem]:
    """The op, the shape of the weights, and the problem: with the case's pool, or another one."""
    problem = ConvolutionProblem.of(case.op, case.src, case.weights, pool or case.max_pool)
    assert problem is not None
    return case.op, case.weights, problem


PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def refusal(algorithm: ConvolutionAlgorithm, case: Case, setting: Setting) -> str | None:
    """Of the case, or of its pool."""
    problem = problem_of(case)[2]
    found = algorithm.refuses(problem, setting)
    if found is None and problem.pool is not None:
        found = algorithm.refuses_pool(problem, setting, case.epilogue)
    assert found is None or isinstance(found, str) and found.strip(), f"{algorithm.name} refuses without a reason"
    return found


def accepted(algorithm: ConvolutionAlgorithm, case: Case, on: Target) -> list[Precision]:
    """The precisions for which the algorithm does not refuse the case."""
    return [p for p in PRECISIONS if refusal(algorithm, case, Setting(on, 1, p)) is None]


CASES: dict[str, Case] = {
    # --- signals: one channel and many, short kernels and long ones
    "one value": Case((1, 1, 1), (1,), 1),
    "signal, one channel to many": Case((2, 17, 1), (3,), 17, padding="same", epilogue=SIGMOIDS),
    "signal, one channel": Case((2, 40, 1), (3,), 1, padding="same"),
    "signal, dilated, causal": Case((2, 19, 3), (5,), 33, padding="causal", dilation=2),
    "signal, three taps": Case((3, 40, 17), (3,), 18, padding="causal"),
    "signal, nine taps": Case((2, 40, 17), (9,), 18, padding="same", epilogue=BIAS_RELU_ADD),
    "signal, five taps": Case((2, 41, 16), (5,), 17, padding="same", epilogue=SIGMOIDS),
    "signal, seven taps": Case((1, 33, 17), (7,), 16, padding="causal"),
    "signal, padded beyond the kernel": Case((1, 40, 1), (31,), 16, 3, ((40, 35),)),
    "signal, strided": Case((1, 300, 33), (9,), 40, 4, "same"),
    "signal, pointwise": Case((1, 300, 64), (1,), 65),
    "signal, long kernel": Case((1, 200, 1), (64,), 32, 4, "same", epilogue=SIGMOIDS),
    "signal, strided by three": Case((1, 333, 2), (31,), 33, 3, ((5, 9),)),
    "signal, many channels": Case((1, 150, 20), (7,), 70, padding="causal"),
    "signal, long kernel, strided": Case((1, 700, 3), (40,), 17, 3, padding="same"),
    "signal, long kernel, channels": Case((2, 400, 8), (96,), 40, padding="same"),
    "signal, kernel of its length": Case((3, 90, 1), (90,), 47),
    "signal, kernel of its length, one channel": Case((1, 300, 1), (300,), 2),
    "signal, longer kernel": Case((1, 700, 2), (131,), 4, padding="causal", epilogue=BIAS_RELU_ADD),
    "signal, longest kernel": Case((2, 1500, 1), (200,), 1, padding="same"),
    "signal, pooled": Case((3, 41, 17), (3,), 18, padding="causal", pool=(2,)),
    "signal, groups of two": Case((1, 40, 32), (3,), 32, padding="same", groups=16),
    "signal, depthwise": Case((2, 41, 17), (5,), 17, padding="same", groups=17, epilogue=SIGMOIDS),
    "signal, depthwise, many taps": Case((2, 40, 9), (9,), 9, padding="causal", groups=9),
    "signal, depthwise, multiplied": Case((1, 33, 3), (4,), 9, 2, ((3, 3),), 3, 3, epilogue=BIAS_RELU_ADD),
    # --- pictures: channels about the widths of vectors, 4, 8 and 16
    "3 to 5 channels": Case((1, 7, 9, 3), (3, 3), 5, padding="same"),
    "4 to 4 channels": Case((1, 5, 11, 4), (3, 3), 4),
    "5 to 3 channels": Case((2, 6, 7, 5), (3, 3), 3, padding="same"),
    "7 to 9 channels": Case((1, 7, 7, 7), (3, 3), 9, padding="same"),
    "8 to 8 channels": Case((1, 6, 9, 8), (3, 3), 8, padding="same"),
    "9 to 7 channels": Case((1, 8, 8, 9), (3, 3), 7),
    "15 to 17 channels": Case((2, 5, 7, 15), (3, 3), 17, padding="same"),
    "15 to 8 channels": Case((2, 9, 6, 15), (3, 3), 8),
    "16 to 16 channels": Case((1, 14, 14, 16), (3, 3), 16, padding="same", epilogue=BIAS_RELU_ADD),
    "17 to 15 channels": Case((1, 7, 10, 17), (3, 3), 15, padding="same"),
    "19 to 49 channels, other padding": Case((3, 9, 6, 19), (3, 3), 49, padding=((0, 2), (3, 1)), epilogue=SIGMOIDS),
    "32 to 33 channels": Case((1, 9, 15, 32), (3, 3), 33, padding="same", epilogue=SIGMOIDS),
    "1024 channels": Case((1, 3, 15, 1024), (1, 1), 17),
    # --- maps, kernels and rows of all sizes
    "one pixel": Case((2, 1, 1, 16), (3, 3), 17, padding="same"),
    "two pixels": Case((1, 2, 1, 16), (3, 3), 16, padding="same"),
    "small map": Case((1, 7, 7, 5), (3, 3), 47, padding="same", epilogue=BIAS_RELU_ADD),
    "kernel of the map's size": Case((3, 5, 4, 7), (5, 4), 18),
    "kernel larger than the map": Case((1, 5, 3, 2), (2, 9), 17, padding=((0, 0), (11, 9))),
    "pointwise": Case((1, 11, 14, 7), (1, 1), 31, epilogue=SIGMOIDS),
    "pointwise, strided": Case((2, 11, 13, 7), (1, 1), 34, 2),
    "even kernel, few pixels": Case((1, 6, 5, 9), (2, 2), 7),
    "even kernel": Case((1, 100, 78, 32), (1, 2), 16, padding=((0, 0), (1, 0))),
    "one row": Case((1, 1, 16, 16), (1, 3), 16, padding=((1, 1), (1, 1))),
    "tall kernel, padded below": Case((1, 11, 6, 16), (3, 1), 16, padding=((0, 2), (0, 0))),
    "tall kernel": Case((2, 17, 3, 17), (7, 1), 33, padding=((3, 3), (0, 0))),
    "flat kernel": Case((2, 3, 21, 16), (1, 3), 18, padding=((0, 0), (1, 1))),
    "flat kernel of seven": Case((2, 3, 17, 16), (1, 7), 32, padding=((0, 0), (3, 3)), epilogue=SIGMOIDS),
    "six taps": Case((1, 19, 3, 16), (6, 1), 17, padding=((4, 1), (0, 0))),
    "5x5": Case((1, 9, 10, 16), (5, 5), 31, padding="same", epilogue=SIGMOIDS),
    "5x5, other padding": Case((2, 7, 6, 17), (5, 5), 16, padding=((4, 1), (0, 2)), epilogue=BIAS_RELU_ADD),
    "7x7": Case((1, 11, 12, 17), (7, 7), 16, padding="same", epilogue=BIAS_RELU_ADD),
    "7x7, strided, of colours": Case((2, 19, 21, 3), (7, 7), 40, 2, "same"),
    "strided": Case((2, 15, 13, 40), (3, 3), 33, 2, "same", epilogue=BIAS_RELU_ADD),
    "strides of their own": Case((3, 9, 15, 3), (3, 2), 15, (2, 3), ((0, 2), (3, 1))),
    "strides wider than the kernel": Case((1, 13, 17, 5), (2, 2), 18, (3, 4)),
    "dilated": Case((1, 6, 23, 31), (5, 3), 63, padding=((9, 1), (0, 8)), dilation=2),
    "dilation of its own": Case((1, 9, 12, 6), (3, 3), 20, padding="same", dilation=(1, 3)),
    "strided and dilated": Case((2, 8, 13, 4), (3, 3), 16, 2, "same", 2),
    # --- few channels, vectors along rows
    "long rows": Case((1, 9, 97, 1), (3, 3), 1, padding="same"),
    "long rows, two channels": Case((1, 7, 101, 1), (3, 3), 2, epilogue=BIAS_RELU_ADD),
    "long rows, eight channels": Case((1, 7, 131, 1), (5, 5), 8, padding="same", epilogue=SIGMOIDS),
    "long rows of colours": Case((1, 6, 35, 3), (3, 5), 3, padding=((2, 0), (1, 3))),
    "long rows, dilated": Case((1, 9, 47, 2), (3, 3), 5, padding="same", dilation=2, epilogue=BIAS_RELU_ADD),
    "7x7, one channel": Case((1, 20, 35, 1), (7, 7), 1, padding="same"),
    "large kernel": Case((2, 12, 33, 1), (11, 7), 1, padding="same", epilogue=SIGMOIDS),
    "large kernel, even": Case((2, 61, 50, 1), (9, 4), 8, epilogue=SIGMOIDS),
    "large kernel, to one": Case((1, 40, 45, 1), (31, 31), 1, padding="same"),
    "large kernel, of colours": Case((1, 70, 33, 3), (5, 6), 3, padding=((2, 0), (1, 3)), epilogue=BIAS_RELU_ADD),
    "large kernel, dilated": Case((3, 40, 47, 2), (6, 3), 5, padding="same", dilation=2),
    # --- groups
    "groups": Case((1, 6, 8, 12), (3, 3), 18, padding="same", groups=2),
    "groups, dilated": Case((2, 6, 30, 40), (3, 1), 36, groups=2, dilation=2, epilogue=BIAS_RELU_ADD),
    "small groups": Case((1, 6, 9, 24), (3, 3), 24, padding="same", groups=8),
    "groups of two": Case((2, 7, 9, 32), (3, 3), 32, padding="same", groups=16, epilogue=BIAS_RELU_ADD),
    "groups of two, strided": Case((1, 7, 8, 16), (3, 3), 16, 2, "same", groups=8, epilogue=SIGMOIDS),
    "groups of two, pointwise": Case((1, 6, 12, 32), (1, 1), 32, groups=16),
    "groups of one, multiplied": Case((2, 9, 8, 16), (3, 3), 64, padding="same", groups=16),
    "depthwise": Case((2, 9, 16, 17), (3, 3), 17, padding="same", groups=17, epilogue=BIAS_RELU_ADD),
    "depthwise, strided": Case((1, 11, 14, 15), (3, 3), 15, 2, "same", groups=15),
    "depthwise, two rows": Case((1, 8, 18, 16), (5, 5), 16, padding="same", groups=16, epilogue=SIGMOIDS),
    "depthwise, dilated": Case((1, 8, 22, 8), (2, 3), 8, padding=((1, 0), (6, 0)), dilation=(2, 3), groups=8),
    "depthwise, dilated, sixteen": Case((1, 12, 9, 16), (3, 3), 16, dilation=2, groups=16),
    "depthwise, multiplied": Case((1, 6, 9, 8), (3, 3), 32, padding="same", groups=8),
    "depthwise, multiplied by three": Case((1, 5, 9, 3), (3, 2), 9, (2, 1), ((1, 1), (1, 0)), groups=3),
    # --- pools
    "pooled": Case((1, 46, 23, 3), (3, 3), 32, pool=(2, 2)),
    "pooled, some left over": Case((2, 11, 9, 19), (3, 3), 49, pool=(2, 2), epilogue=SIGMOIDS),
    "pooled, flat windows": Case((1, 9, 10, 16), (5, 5), 31, padding="same", pool=(1, 4)),
    "pooled, an array added": Case((1, 8, 12, 16), (3, 3), 16, padding="same", pool=(2, 2), epilogue=BIAS_RELU_ADD),
    "pooled, 5x5": Case((1, 9, 12, 16), (5, 5), 18, padding="same", pool=(2, 2), epilogue=SIGMOIDS),
    "pooled, tall kernel": Case((2, 17, 3, 17), (7, 1), 33, padding=((3, 3), (0, 0)), pool=(2, 1)),
    "pooled, strided": Case((2, 37, 42, 3), (3, 2), 100, 2, ((0, 2), (3, 1)), pool=(2, 2)),
    "pooled, three by two": Case((1, 12, 13, 33), (3, 3), 33, padding="same", pool=(3, 2)),
    # --- volumes
    "volume": Case((2, 3, 9, 6, 17), (3, 3, 3), 18, padding="same"),
    "volume, strided": Case((1, 5, 6, 7, 3), (3, 2, 3), 17, 2, "same", epilogue=BIAS_RELU_ADD),
    "volume, other padding": Case((2, 3, 4, 6, 2), (2, 2, 2), 18, padding=((1, 0), (0, 1), (2, 2))),
    "volume, flat kernel": Case((2, 3, 8, 6, 16), (1, 3, 3), 16, padding="same", epilogue=SIGMOIDS),
    "volume, padded planes": Case((2, 4, 9, 7, 16), (1, 3, 3), 16, padding=((1, 1), (1, 1), (1, 1))),
    "volume, 5x5": Case((1, 2, 7, 6, 16), (1, 5, 5), 16),
    "volume, 7x7": Case((1, 2, 7, 8, 16), (1, 7, 7), 17, padding="same"),
    "volume, groups of two": Case((1, 3, 4, 9, 32), (2, 1, 3), 32, padding="same", groups=16),
    "volume, two planes": Case((1, 6, 5, 7, 16), (2, 3, 3), 32, padding=((0, 1), (1, 0), (1, 1))),
    "volume, long rows": Case((1, 4, 5, 39, 1), (3, 3, 3), 1, padding="same"),
    "volume, groups": Case((1, 4, 5, 6, 6), (2, 3, 3), 16, padding="same", groups=2),
    "volume, depthwise": Case((1, 5, 6, 7, 5), (3, 2, 3), 5, (1, 2, 1), "same", (1, 1, 2), 5),
    "volume, pooled": Case((1, 4, 9, 10, 17), (3, 3, 3), 18, padding="same", pool=(1, 2, 2)),
}  # fmt: skip
