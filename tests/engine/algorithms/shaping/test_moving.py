"""Ops that move data, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.ops import elementwise as ew
from simplecell.ops import shaping as s
from tests.engine.graphs import compare, draw

RNG = np.random.default_rng(5)


def array(*shape: int, dtype: str = "float32") -> np.ndarray:
    return draw(RNG, shape, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "bool", "int16", "int64", "float16"])
def test_transpose(dtype: str) -> None:
    compare(lambda x: s.transpose(x, (0, 3, 1, 2)), array(2, 5, 7, 19, dtype=dtype))


@pytest.mark.parametrize(
    "permutation", [(1, 0), (2, 0, 1), (2, 1, 0), (1, 0, 2), (0, 2, 1), (3, 1, 0, 2), (0, 2, 1, 3), (4, 2, 0, 3, 1)]
)
def test_permutations(permutation: tuple[int, ...]) -> None:
    compare(lambda x: s.transpose(x, permutation), array(*(17, 33, 2, 3, 5)[: len(permutation)]))


def test_transposing_axes_of_one_element_moves_nothing() -> None:
    program = compare(lambda x: ew.negative(s.transpose(x, (2, 0, 1))), array(4, 5, 1))
    assert len(program.run) == 1


def test_reshape_and_slices_of_leading_rows_are_views() -> None:
    program = compare(lambda x: ew.add(s.reshape(s.take_slice(x, 0, 2, 5), (3, 20)), 1.0), array(6, 4, 5))
    assert len(program.run) == 1


def test_a_view_of_an_input_as_output() -> None:
    compare(lambda x: (s.reshape(x, (6,)), s.take_slice(x, 0, 1, 2), s.reshape(x, (3, 2))), array(2, 3), call_outs=True)


@pytest.mark.parametrize(
    "bounds", [((1, 0, 2), (4, 6, 7), (1, 1, 1)), ((0, 1, 0), (5, 6, 7), (2, 3, 2)), ((2, 2, 2), (2, 6, 7), (1, 1, 1))]
)
def test_slice(bounds: tuple[tuple[int, ...], ...]) -> None:
    compare(lambda x: s.strided_slice(x, *bounds), array(5, 6, 7), call_outs=True)


@pytest.mark.parametrize("axes", [(0,), (2,), (0, 1, 2)])
def test_reverse(axes: tuple[int, ...]) -> None:
    compare(lambda x: s.reverse(x, axes), array(3, 4, 21))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concatenate(axis: int) -> None:
    shapes = [[3, 4, 5] for _ in range(3)]
    for k, shape in enumerate(shapes):
        shape[axis] = 2 * k + 1
    compare(lambda *x: s.concatenate(x, axis), *(array(*shape) for shape in shapes))
    compare(lambda x: s.concatenate([x, x], axis), array(3, 4, 5))


def test_tile_repeat_roll_stack() -> None:
    compare(lambda x: (s.tile(x, (2, 3)), s.repeat(x, 3, 1), s.roll(x, 2, 1), s.stack([x, x], 1)), array(3, 5))


def test_update_slice() -> None:
    compare(lambda x, u: s.update_slice(x, u, (1, 2)), array(4, 19), array(2, 17))


def test_empty_arrays() -> None:
    compare(lambda x: (s.transpose(x), s.concatenate([x, x], 1), s.reverse(x, 0)), array(0, 3), call_outs=True)
