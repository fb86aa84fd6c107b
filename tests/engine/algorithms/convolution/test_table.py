"""From a graph with a convolution to numbers: the table's choices, epilogues, precision and threads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.blocks import even
from simplecell.engine.algorithms.convolution.costs import MEMORY_BYTES_PER_NS
from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.direct.schedule import DirectSchedule
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd.algorithm import Winograd
from simplecell.engine.algorithms.convolution.winograd.schedule import blocking
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.build import Executable, build
from simplecell.engine.code.expression import NO_EPILOGUE
from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.host import host, target
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import Tensor, placeholder
from simplecell.ops.activation import relu
from simplecell.ops.base import Spec
from simplecell.ops.convolution import Convolution, convolution
from tests.engine.harness import available_targets


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine code for this CPU's vectors, without the matrix unit that some have."""
    if host().matrix:
        monkeypatch.setattr("simplecell.engine.host.host", lambda: target("avx512"))


def parameter(*shape: int, dtype: str = "float32") -> Tensor:
    return placeholder(Spec(shape, dtype), "p", "parameter")


def run(
    inputs: list[Tensor], output: Tensor, threads: int = 1, precision: str = "fast"
) -> tuple[Executable, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    graph = Graph.of(inputs, [output])
    arrays = [rng.standard_normal(t.shape).astype(t.spec.dtype) for t in inputs]
    executable = build(graph, threads=threads, precision=precision)
    executable.set_parameters(arrays[1:])
    return executable, executable([arrays[0]])[0], evaluate(graph, arrays)[0]


def algorithm(executable: Executable) -> str:
    assert executable.program is not None
    return next(s.algorithm for s in executable.program.run if s.flops)


def layer(size: int, ic: int, oc: int, k: int, **options: Any) -> tuple[list[Tensor], Tensor]:
    x, w, b = (
        placeholder(Spec((1, size, size, ic), "float32"), "x"),
        parameter(k, k, ic // options.get("groups", 1), oc),
        parameter(oc),
    )
    return [x, w, b], relu(convolution(x, w, padding="same", **options) + b)


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        ((24, 32, 48, 3), {}, "winograd"),
        ((17, 33, 20, 5), {}, "winograd"),
        ((24, 32, 48, 3), {"strides": 2}, "direct"),
        ((24, 32, 48, 3), {"dilation": 2}, "direct"),
        ((24, 3, 48, 3), {}, "direct"),
        ((24, 32, 48, 1), {}, "direct"),
        ((12, 32, 64, 3), {"groups": 2}, "direct"),
        ((12, 9, 6, 3), {"groups": 3, "strides": 2, "dilation": 2}, ""),
        ((50, 1, 1, 21), {}, "fourier"),
        ((50, 2, 3, 15), {"dilation": 2}, "fourier"),
        ((50, 1, 1, 3), {}, "planar"),
        ((50, 1, 1, 21), {"strides": 2}, "direct"),
    ],
)
@pytest.mark.usefixtures("vectors")
def test_results_and_algorithms(arguments: tuple[int, int, int, int], options: dict[str, Any], expected: str) -> None:
    executable, out, reference = run(*layer(*arguments, **options))
    assert expected in algorithm(executable)
    assert np.abs(out - reference).max() <= 3e-5 * np.abs(reference).max()


def test_long_signals_and_weights_that_change_in_each_run() -> None:
    """Transforming the weights of a long kernel costs more than a few direct sums: it pays only if they are kept."""
    x, w, b = placeholder(Spec((1, 300, 1), "float32"), "x"), parameter(96, 1, 64), parameter(64)
    executable, out, reference = run([x, w, b], relu(convolution(x, w, padding="same", strides=2) + b))
    assert "spectral" in algorithm(executable)
    assert np.abs(out - reference).max() <= 1e-6 * np.abs(reference).max()
    w = placeholder(w.spec, "w")
    assert "direct" in algorithm(build(Graph.of([x, w, b], [convolution(x, w, padding="same", strides=2) + b])))


def test_exact_precision_sums_directly() -> None:
    executable, out, reference = run(*layer(24, 32, 48, 3), precision="exact")
    assert "direct" in algorithm(executable)
    assert np.abs(out - reference).max() <= 2e-6 * np.abs(reference).max()


def test_epilogue_takes_bias_relu_and_a_residual_in() -> None:
    inputs, h = layer(10, 16, 16, 3)
    executable, out, reference = run(inputs, relu(h + inputs[0]))
    assert executable.program is not None
    assert len(executable.program.run) == 1
    np.testing.assert_allclose(out, reference, rtol=1e-4, atol=1e-4)


def test_the_same_bits_for_any_number_of_threads() -> None:
    inputs, h = layer(15, 35, 49, 3)
    w, v = parameter(1, 1, 49, 70), parameter(3, 3, 70, 17)
    output = convolution(convolution(h, w), v, strides=2)
    one = run([*inputs, w, v], output)[1]
    for threads in (2, 3):
        assert (run([*inputs, w, v], output, threads)[1] == one).all()


@pytest.mark.parametrize("size", [3, 5, 9, 14])
def test_threads_do_not_change_the_algorithm(size: int) -> None:
    """Another algorithm would give other bits."""
    inputs, output = layer(size, 16, 48, 3)
    names = {algorithm(build(Graph.of(inputs, [output]), threads=t)).rsplit(" ", 1)[0] for t in (1, 2, 4)}
    assert len(names) == 1


@pytest.mark.skipif(not host().matrix, reason="this CPU has no AMX, or the system does not let this process use it")
@pytest.mark.parametrize(
    ("arguments", "options", "precision", "expected", "error"),
    [
        ((24, 64, 64, 3), {}, "fast", "matrix bf16x2", 2e-5),
        ((28, 128, 128, 3), {"strides": 2}, "tight", "matrix bf16x3", 1e-6),
        ((24, 64, 64, 3), {}, "exact", "direct", 1e-6),
        ((24, 64, 64, 3), {"strides": 2}, "fast", "matrix bf16x2", 2e-5),
        ((24, 64, 64, 3), {"dilation": 2}, "fast", "matrix bf16x2", 2e-5),
        ((7, 512, 64, 3), {}, "fast", "matrix bf16x2", 2e-5),  # so many input channels are taken in parts
        ((48, 128, 64, 1), {}, "fast", "matrix bf16x2", 2e-5),
        ((12, 32, 64, 3), {"groups": 2}, "fast", "direct", 1e-6),
    ],
)
def test_matrix_units_where_they_pay(
    arguments: tuple[int, int, int, int], options: dict[str, Any], precision: str, expected: str, error: float
) -> None:
    executable, out, reference = run(*layer(*arguments, **options), precision=precision)
    assert expected in algorithm(executable)
    assert np.abs(out - reference).max() <= error * np.abs(reference).max()


@pytest.mark.usefixtures("vectors")
def test_the_reason_names_what_was_considered() -> None:
    fast, strided = run(*layer(24, 32, 48, 3))[0], run(*layer(24, 32, 48, 3, strides=2))[0]
    assert fast.program is not None and strided.program is not None
    assert "direct" in fast.program.run[0].reason and "winograd F(2,3)" in fast.program.run[0].reason
    assert "not winograd" in strided.program.run[0].reason and "strides" in strided.program.run[0].reason


def test_weights_are_packed_once_and_float64_runs_its_reference() -> None:
    executable = run(*layer(8, 32, 16, 3))[0]
    assert executable.program is not None
    assert len(executable.program.prepare) == 1
    x, w = placeholder(Spec((1, 6, 6, 3), "float64"), "x"), parameter(3, 3, 3, 4, dtype="float64")
    executable, out, reference = run([x, w], convolution(x, w))
    assert executable.program is not None
    assert executable.program.call_outs
    np.testing.assert_allclose(out, reference)


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_folded_normalization_is_multiplied_by_the_packing(kernel: int) -> None:
    x, w, b = layer(9, 32, 40, kernel)[0]
    scale = parameter(40)
    executable, out, reference = run([x, w, b, scale], convolution(x, w * scale, padding="same") + b)
    assert executable.program is not None
    (packing,) = executable.program.prepare
    assert packing.name.endswith("_scaled") and executable.program.preparing_bytes == 0
    assert np.abs(out - reference).max() <= 3e-5 * np.abs(reference).max()


def test_a_product_that_others_read_too_stays() -> None:
    x, w, b = layer(9, 32, 40, 1)[0]
    scale = parameter(40)
    product = w * scale
    inputs = [x, w, scale]
    graph = Graph.of(inputs, [convolution(x, product), product])
    arrays = [np.random.default_rng(0).standard_normal(t.shape).astype(np.float32) for t in inputs]
    executable = build(graph, threads=1)
    executable.set_parameters(arrays[1:])
    for got, expected in zip(executable(arrays[:1]), evaluate(graph, arrays), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def problem(size: int, channels: int, n: int = 1) -> ConvolutionProblem:
    made = ConvolutionProblem.of(
        Convolution((1, 1), ((1, 1), (1, 1)), (1, 1)), (n, size, size, channels), (3, 3, channels, channels)
    )
    assert made is not None
    return made


@pytest.mark.parametrize("name", available_targets())
def test_plans_hold_what_kernels_rely_on(name: str) -> None:
    """Rows are no narrower than the tile, columns are whole tiles, blocks and parts cover all output channels, and
    threads share evenly."""
    t = target(name)
    for p in (problem(56, 64), problem(7, 512), problem(13, 20), problem(1, 16), problem(200, 48)):
        for threads in (1, 2, 4):
            plan = Direct().plan(p, Setting(t, threads, "fast"), NO_EPILOGUE, p.oc)
            assert isinstance(plan.schedule, DirectSchedule)
            a, tile = plan.schedule.loops, plan.kernel.tile
            assert tile.pixels <= a.ow and a.block_columns % tile.pixels == 0
            assert a.blocks * tile.vectors * t.lanes >= p.oc and 1 <= a.parts <= a.blocks
            cut = blocking(p, Transform(4), t, threads)
            assert cut.block % cut.tile.pixels == 0
    units = ceil_div(p.dst[1], a.block_rows) * a.parts
    assert even(units * ceil_div(p.dst[2], a.block_columns), 4)


def test_memory_decides_between_transforms() -> None:
    """7×7 pixels with 512 channels: the weights of F(4,3) are four times those of direct convolution, for four tiles.
    Where vectors are wide products take little of the time (planned for such a CPU, whichever this is); with few lanes
    they take most of it, and F(4,3) saves most of them."""
    t = Target("avx512", 16, 32, True, "sapphirerapids", "", "x86_64-unknown-linux-gnu", l2=2**21)
    few, many, setting = problem(7, 512), problem(7, 512, n=64), Setting(t, 1, "fast")
    assert Winograd(4, 3).cost(few, setting) > Winograd(2, 3).cost(few, setting)
    assert Winograd(4, 3).cost(many, setting) < Winograd(2, 3).cost(many, setting)


def test_weights_that_come_from_memory_count_as_large_as_they_are() -> None:
    settings = [Setting(target(), 1, "fast", weights_from_memory=from_memory) for from_memory in (False, True)]
    p = problem(7, 512)
    alone, within = (Winograd(4, 3).cost(p, setting) for setting in settings)
    assert within >= 4 * 36 * 512 * 512 / MEMORY_BYTES_PER_NS and within > alone
    small = problem(56, 64)
    alone, within = (Winograd(4, 3).cost(small, setting) for setting in settings)
    assert within == pytest.approx(alone, rel=0.05)


def test_a_step_carries_its_table_s_prediction() -> None:
    x, w = placeholder(Spec((1, 28, 28, 64))), placeholder(Spec((3, 3, 64, 64)), "w", "parameter")
    program = build(Graph.of([x, w], [convolution(x, w, 1, "same")]), threads=1, precision="exact").program
    assert program is not None
    (step,) = program.run
    assert f"direct {step.predicted / 1e3:.0f}" in step.reason


def test_a_step_knows_where_the_next_one_s_weights_are() -> None:
    x, w, u, b = (
        placeholder(Spec((1, 14, 14, 32), "float32"), "x"),
        parameter(1, 1, 32, 48),
        parameter(3, 3, 48, 32),
        parameter(48),
    )
    executable, out, expected = run([x, w, u, b], convolution(relu(convolution(x, w) + b), u, padding="same"))
    assert executable.program is not None
    first, second = (dict(s.arguments) for s in executable.program.run if s.flops)
    assert first["next_weights"] == second["weights"] != first["weights"]
    assert second["next_weights"] == 0
    assert np.abs(out - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("l2", [64 * 2**10, 512 * 2**10, 2**20])
@pytest.mark.parametrize("outputs", [2, 4, 6])
def test_wide_layers_have_a_cut_for_every_cache(outputs: int, l2: int) -> None:
    """Also where a block as large as is wanted does not fit."""
    on = replace(target(), l2=l2, matrix=False)
    for size, channels in ((7, 512), (14, 512), (28, 512), (14, 2048)):
        op = Convolution((1, 1), ((1, 1), (1, 1)), (1, 1))
        problem = ConvolutionProblem.of(op, (1, size, size, channels), (3, 3, channels, channels))
        assert problem is not None
        cut = blocking(problem, Transform(outputs), on)
        assert cut.block % cut.tile.pixels == 0 and 0 < cut.cost < float("inf")
