"""Ops on arrays, at once. Those with much arithmetic run as compiled programs of a single op, kept by op and specs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Node, Tensor, placeholder
from simplecell.keras_backend.conversion import ready
from simplecell.keras_backend.program_cache import ProgramCache
from simplecell.ops.base import Op, Symbolic, apply, spec_of
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc, ConvolutionGradientWeights
from simplecell.ops.linear import MatMul
from simplecell.ops.pooling import AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient
from simplecell.ops.random import RandomNormal, RandomUniform
from simplecell.precision import KERAS

if TYPE_CHECKING:
    from simplecell.engine.build import Executable

_CONVOLUTIONS = (Convolution, ConvolutionGradientSrc, ConvolutionGradientWeights)
_POOLS = (MaxPool, MaxPoolGradient, AveragePool, AveragePoolGradient)
_RANDOM = (RandomUniform, RandomNormal)

# Below this many multiplications (or elements) the reference is done sooner than a program could be looked up, let
# alone built.
WORTH_COMPILING = 1 << 15

_programs: ProgramCache[Executable] = ProgramCache(lambda executable: executable, budget=1 << 28)


def execute(op: Op, *inputs: Any) -> Any:
    """`op` of `inputs`: recorded if one is a tensor, else computed, by machine code where that pays.

    Returns what `op.reference` does: one array, or a tuple of them.
    """
    if any(isinstance(x, Symbolic) for x in inputs):
        return apply(op, *inputs)
    arrays = [np.asarray(x) for x in inputs]
    if not _heavy(op, arrays):
        with np.errstate(all="ignore"):
            return op.reference(*arrays)
    results = _program(op, arrays, lambda tensors: Node.make(op, tensors).outputs)([ready(a) for a in arrays])
    return results[0] if len(results) == 1 else tuple(results)


def compose(function: Callable[..., Any], parameters: tuple[Any, ...], *inputs: Any) -> Any:
    """`function(*parameters, *inputs)`, a composition of ops with one result: recorded if an input is a tensor, else
    one program.

    Args:
        function: a module's function: with its hashable `parameters` it is what the program is kept by.
    """
    if any(isinstance(x, Symbolic) for x in inputs):
        return function(*parameters, *inputs)
    arrays = [np.asarray(x) for x in inputs]
    return _program((function, parameters), arrays, lambda tensors: [function(*parameters, *tensors)])(
        [ready(a) for a in arrays]
    )[0]


def _program(
    key: Any, arrays: Sequence[np.ndarray], record: Callable[[Sequence[Tensor]], Sequence[Tensor]]
) -> Executable:
    specs = tuple(spec_of(a) for a in arrays)

    def make() -> Executable:
        from simplecell.engine.build import build

        inputs = [placeholder(spec) for spec in specs]
        return build(Graph.of(inputs, record(inputs)), precision=KERAS)

    return _programs.get((key, specs), make)


def _heavy(op: Op, arrays: list[np.ndarray]) -> bool:
    if isinstance(op, _RANDOM):
        return prod(op.shape) >= WORTH_COMPILING
    if not all(a.dtype == np.float32 for a in arrays) or not all(a.size for a in arrays):
        return False
    if isinstance(op, _CONVOLUTIONS):
        return True
    if isinstance(op, _POOLS):
        return arrays[0].size >= WORTH_COMPILING
    # NumPy's own matrix product is BLAS; stacked small ones are not.
    return (
        isinstance(op, MatMul)
        and max(a.ndim for a in arrays) > 2
        and arrays[0].size * arrays[1].shape[-1] >= WORTH_COMPILING
    )
