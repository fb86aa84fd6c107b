"""Data movement through the whole engine, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.shaping.algorithm import pieces
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


@pytest.mark.parametrize("mode", ["constant", "reflect", "symmetric", "edge", "circular"])
@pytest.mark.parametrize("widths", [((0, 0), (1, 2), (3, 0)), ((9, 8), (0, 0), (0, 11)), ((0, 1), (5, 0), (1, 1))])
def test_pad(mode: str, widths: tuple[tuple[int, int], ...]) -> None:
    compare(lambda x: s.pad(x, widths, mode, 2.5 if mode == "constant" else 0.0), array(3, 1, 4))


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "edge", "circular"])
def test_pieces_of_a_padded_axis(mode: str) -> None:
    for n in (1, 2, 5):
        for low, high in ((0, 3), (7, 0), (11, 12)):
            line = np.arange(n)
            parts = [line[p[2] + p[3] * np.arange(p[1])] for p in pieces(n, low, high, mode)]
            want = np.pad(line, (low, high), mode="wrap" if mode == "circular" else mode)  # type: ignore[call-overload]
            assert np.array_equal(np.concatenate(parts), want)
            assert np.array_equal(
                np.cumsum([0] + [p[1] for p in pieces(n, low, high, mode)])[:-1],
                [p[0] for p in pieces(n, low, high, mode)],
            )


def test_pad_integers_and_bools() -> None:
    compare(lambda x: s.pad(x, ((1, 1), (2, 0)), "constant", 7), array(2, 3, dtype="int32"))
    compare(lambda x: s.pad(x, ((1, 1), (2, 0)), "constant", 1), array(2, 3, dtype="bool"))


def test_tile_repeat_roll_stack() -> None:
    compare(lambda x: (s.tile(x, (2, 3)), s.repeat(x, 3, 1), s.roll(x, 2, 1), s.stack([x, x], 1)), array(3, 5))


def test_update_slice() -> None:
    compare(lambda x, u: s.update_slice(x, u, (1, 2)), array(4, 19), array(2, 17))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("index_dtype", ["int32", "int64", "uint8", "int8"])
def test_gather(dtype: str, index_dtype: str) -> None:
    """Negative indices count from the end; those out of range give NaN or 0 and touch no memory."""
    indices = np.array([[0, 4, 2], [1, 5, 100]], index_dtype)
    if index_dtype.startswith("int"):
        indices[0, 2], indices[1, 0] = -1, -6
    for axis in (0, 1):
        compare(
            lambda x, i, axis=axis: s.gather(x, i, axis),
            array(*((5, 37) if axis == 0 else (3, 5, 1)), dtype=dtype),
            indices,
        )


def test_gather_single_elements() -> None:
    compare(lambda x, i: s.gather(x, i, 1), array(3, 700), RNG.integers(-710, 710, (61, 21)).astype(np.int32))


def test_gather_with_hostile_indices() -> None:
    big = np.array([2**31 - 1, -(2**31), 2**30], np.int32)
    compare(lambda x, i: s.gather(x, i, 0), array(4, 3), big)
    compare(lambda x, i: s.gather(x, i, 0), array(4), big)
    compare(lambda x, i: s.gather(x, i, 0), array(4, 3), np.array([2**63 - 1, -(2**63), 0], np.int64))
    compare(lambda x, i: s.gather(x, i, 0), array(4, 3), np.array([2**64 - 1, 2**63, 3], np.uint64))


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_scatter_add(dtype: str) -> None:
    indices = np.array([3, 1, 3, -1, 9, -8, 0, 3], np.int32)
    compare(lambda i, u: s.scatter_add(i, u, (4, 35), 0), indices, array(8, 35, dtype=dtype), rtol=1e-6, atol=1e-4)
    compare(lambda i, u: s.scatter_add(i, u, (3, 4, 2), 1), indices, array(3, 8, 2, dtype=dtype), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bool", "int32", "uint8"])
def test_one_hot(dtype: str) -> None:
    compare(lambda i: s.one_hot(i, 19, dtype), np.array([[0, 18], [19, -1], [7, 2**31 - 1]], np.int32))


def test_empty_arrays() -> None:
    compare(lambda x: (s.transpose(x), s.concatenate([x, x], 1), s.reverse(x, 0)), array(0, 3), call_outs=True)
    compare(lambda x, i: s.gather(x, i, 0), array(3, 4), np.zeros((0,), np.int32))
    compare(lambda x, i: s.gather(x, i, 0), array(0, 4), np.zeros((2,), np.int32))
