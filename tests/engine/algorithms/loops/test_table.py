"""Element-wise graphs through fusion, lowering and machine code, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simplecell.engine.algorithms.loops.problem import LoopProblem
from simplecell.engine.algorithms.loops.table import ALGORITHMS
from simplecell.engine.code.expression import Expression
from simplecell.engine.host import target
from simplecell.engine.planning.algorithm import choose
from simplecell.engine.planning.setting import Setting
from simplecell.ops import activation
from simplecell.ops import elementwise as ew
from simplecell.ops import shaping as s
from simplecell.ops.base import spec_of
from tests.engine.graphs import compare

RNG = np.random.default_rng(21)


def array(*shape: int, dtype: str = "float32") -> np.ndarray:
    return (RNG.standard_normal(shape) * 3).astype(dtype)


@pytest.mark.parametrize(
    "shapes",
    [((), ()), ((1,), (7,)), ((3, 1, 5), (4, 1)), ((2, 3, 4, 5), (3, 1, 1)), ((17, 3), (3,)), ((6, 1), (1, 9))],
)
def test_broadcasting(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    compare(
        lambda a, b: (ew.add(a, b), ew.greater(a, b), ew.maximum(ew.multiply(a, b), a)),
        *(array(*shape) for shape in shapes),
    )


def test_many_axes() -> None:
    """More axes than any loop nest that is likely: strided in each."""
    shape = (2, 3, 2, 2, 3, 2, 2, 2, 3)
    order = (8, 6, 4, 2, 0, 7, 5, 3, 1)
    compare(lambda a: ew.negative(s.transpose(a, order)), array(*shape))


ACTIVATIONS = [
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "hard_sigmoid",
    "hard_silu",
    "softsign",
    "log_sigmoid",
    "mish",
]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    """Within a few ULP of values up to 10; near zero, cancellation against terms of that size."""
    compare(lambda x: getattr(activation, name)(x), array(7, 37), rtol=2e-6, atol=2e-6)


def test_values_that_no_vector_holds_are_moved_all_the_same() -> None:
    compare(lambda x: s.broadcast_to(x, (3, 5)), array(1, 5, dtype="float16"))


def random_graph(seed: int) -> Any:
    """A function of float32, int32 and bool arrays that applies 14 random operations, each to values that exist
    already."""

    def build(*leaves: Any) -> list[Any]:
        rng = np.random.default_rng(seed)
        values = list(leaves)

        def pick(dtype: str) -> Any:
            return values[rng.choice([k for k, v in enumerate(values) if spec_of(v).dtype == dtype])]

        def choose(*names: str) -> str:
            return names[int(rng.integers(len(names)))]

        for _ in range(14):
            kind = int(rng.integers(8))
            if kind == 0:
                values.append(
                    ew.binary(
                        choose("add", "subtract", "multiply", "maximum", "minimum"), pick("float32"), pick("float32")
                    )
                )
            elif kind == 1:
                values.append(
                    ew.unary(choose("tanh", "sigmoid", "absolute", "negative", "floor", "sign", "erf"), pick("float32"))
                )
            elif kind == 2:
                values.append(ew.binary(choose("less", "greater_equal", "equal"), pick("float32"), pick("float32")))
            elif kind == 3:
                values.append(ew.select(pick("bool"), pick("float32"), pick("float32")))
            elif kind == 4:
                values.append(
                    ew.binary(
                        choose("add", "multiply", "bitwise_xor", "floor_divide", "remainder"),
                        pick("int32"),
                        pick("int32"),
                    )
                )
            elif kind == 5:
                values.append(ew.cast(pick(choose("bool", "int32")), "float32"))
            elif kind == 6:
                values.append(ew.binary(choose("logical_and", "logical_or", "not_equal"), pick("bool"), pick("bool")))
            else:
                values.append(ew.binary(choose("add", "multiply"), pick("float32"), float(rng.uniform(-2, 2))))
        return values[len(leaves) :][-5:]

    return build


@pytest.mark.parametrize("seed", range(10))
def test_random_graphs(seed: int) -> None:
    """Rounding differs by a few ULP from NumPy's in tanh, sigmoid and erf; products of up to a dozen values carry it
    on."""
    leaves = [
        array(3, 1, 21),
        array(5, 1),
        array(3, 5, 21),
        array(21, dtype="int32"),
        array(5, 21, dtype="int32"),
        array(3, 5, 1) > 0,
    ]
    compare(random_graph(seed), *leaves, rtol=1e-4, atol=1e-4, call_outs=True)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 64, 65, 100, 127, 128, 129])
def test_short_rows(n: int) -> None:
    """Rows about every vector width, with operands that stay along rows, down them, or both; whole, and inside of
    longer ones."""
    x, channel, row, whole = array(2, 9, n), array(n), array(9, 1), array()
    compare(lambda x, c, r, w: (ew.add(ew.multiply(x, c), r), ew.less(ew.subtract(x, w), c)), x, channel, row, whole)
    compare(lambda x, y: s.concatenate([x, y], 2), x, array(2, 9, 5))
    compare(lambda x: ew.tanh(s.take_slice(x, 1, 0, 8)), x, rtol=3e-7, atol=1e-7)


def test_short_rows_are_taken_down_the_columns() -> None:
    def refusal(extents: tuple[int, ...], strides: tuple[tuple[int, ...], ...]) -> str | None:
        problem = LoopProblem(Expression.identity(), extents, strides, 0, 0)
        choice = choose(ALGORITHMS, problem, Setting(target(), 1, "fast"))
        first = choice.considered[0].refusal
        assert choice.algorithm.name == ("columns" if first is None else "rows")
        return first

    lanes = target().lanes
    assert refusal((100, 2 * lanes), ((0, 2 * lanes), (1, 1))) is None
    assert refusal((100,), ((1, 1),)) == "there is but one row"
    assert refusal((100, 9 * lanes), ((9 * lanes,) * 2, (1, 1))) == "rows of more than 8 vectors"
    assert refusal((7, lanes), ((lanes, lanes), (1, 1))) == "less than 8 rows"
    assert refusal((100, lanes), ((lanes, lanes), (2, 1))) == "rows are not contiguous"
