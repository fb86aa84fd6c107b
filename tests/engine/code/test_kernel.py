"""Names of kernels, and of their functions in machine code."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from simplecell import ops
from simplecell.engine.algorithms.products.matmul.kernel import MatMul
from simplecell.engine.code.kernel import digest, kernel_name, short
from simplecell.engine.code.tile import Tile
from simplecell.engine.host import target
from simplecell.engine.machine.machine import machine, module_of
from simplecell.engine.plan import plan
from simplecell.engine.run.describe import kernels
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
from simplecell.ops.convolution import Convolution
from simplecell.ops.pooling import MaxPool
from tests.engine.harness import available_targets


def test_words_of_a_name() -> None:
    assert kernel_name("matmul", "copied", "float32", "14x2", "", "ragged") == "matmul_copied_f32_14x2_ragged"
    assert [short(d) for d in ("float64", "uint16", "int8", "bool")] == ["f64", "u16", "i8", "bool"]
    assert digest(("a", 1)) == digest(("a", 1)) != digest(("a", 2)) and len(digest(1)) == 8


@pytest.mark.parametrize("on", available_targets())
def test_machine_code_says_for_which_instruction_set_it_is(on: str) -> None:
    kernel, compiled_for = MatMul(Tile(4, 2), panels="copied"), target(on)
    symbol = kernel.symbol(compiled_for)
    assert symbol == f"matmul_copied_f32_4x2_ragged_{on.replace('-', '_')}"
    assert re.search(rf'define void @"?{symbol}"?\(', str(module_of(kernel, compiled_for)))
    assert re.search(rf"^{symbol}:", machine(compiled_for).assembly(kernel), flags=re.MULTILINE)
    other = replace(compiled_for, name="other")
    assert kernel.symbol(other) != symbol


def test_names_have_what_how_and_the_dtype_in_this_order() -> None:
    x, w, i = (placeholder(Spec(*s)) for s in (((2, 12, 12, 8),), ((3, 3, 8, 16),), ((5,), "int32")))
    y = ops.relu(ops.apply(Convolution((1, 1), ((1, 1), (1, 1)), (1, 1)), x, w))
    pooled = ops.apply(MaxPool((3, 3), (2, 2), ((0, 0), (0, 0))), y)
    rows = ops.reshape(pooled, (50, 16))
    square = ops.matmul(rows, ops.transpose(rows, (1, 0)))
    outputs = [ops.gather(square, i, 0), ops.sum(ops.exp(square), 1), ops.softmax(square), ops.argmax(square, 1)]
    program = plan(Graph.of([x, w, i], outputs), target(), 1, "exact")
    assert not program.call_outs
    names = [k.name for k in kernels(program)]
    for name in names:
        assert re.fullmatch(r"[a-z0-9_]+?_(f|i|u)(8|16|32|64)(_[A-Za-z0-9_]+)?", name), name
    for beginning in (
        "convolution_pack_weights_direct_f32",
        "convolution_forward_direct_f32_",
        "max_pool2d_forward_columns_f32_w3s2",
        "matmul_",
        "gather_rows_f32_i32_nan",
        "reduce_sum_rows_f32_",
        "softmax_rows_f32",
        "argmax_rows_f32",
    ):
        assert any(name.startswith(beginning) for name in names), (beginning, names)
