"""An outlier, a NaN or an infinity changes nothing outside of the windows that see it, whatever the algorithm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.table import ALGORITHMS
from simplecell.engine.host import host, target
from simplecell.engine.planning.algorithm import Choice
from simplecell.engine.planning.fuse import single
from simplecell.engine.planning.plan import alone
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.runtime import Bound
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Node, placeholder
from simplecell.ops.base import Spec
from simplecell.ops.pooling import MaxPool
from tests.engine.algorithms.convolution.cases import Case, problem_of
from tests.engine.harness import available_targets

CASES = [
    Case((2, 14, 14, 17), (3, 3), 24, padding="same"),
    Case((1, 21, 19, 16), (3, 3), 33),
    Case((1, 15, 17, 16), (5, 5), 16, padding="same"),
    Case((1, 15, 17, 16), (7, 7), 17, padding="same"),
    Case((2, 6, 9, 10, 16), (3, 3, 3), 16, padding="same"),
    Case((1, 9, 40, 16), (1, 7), 16, padding="same"),
    Case((2, 90, 18), (9,), 20, padding="causal"),
    Case((1, 60, 61, 1), (11, 11), 1, padding="same"),
    Case((2, 50, 75, 2), (5, 6), 3, padding="same"),
    Case((1, 70, 70, 1), (31, 31), 2, padding="same"),
    Case((1, 3000, 1), (200,), 2, padding="same"),
    Case((1, 700, 3), (40,), 17, 3, padding="same"),
    Case((2, 900, 8), (96,), 40, padding="same"),
    Case((1, 32, 33, 1), (3, 3), 1, padding="same"),
    Case((1, 32, 33, 3), (7, 7), 3, padding="same"),
    Case((1, 13, 16, 12), (3, 3), 18, 2, "same"),
    Case((1, 12, 19, 12), (3, 2), 18, dilation=2, groups=2),
    Case((1, 20, 21, 16), (1, 1), 32),
]
TARGETS = [*available_targets(), *(["amx"] if host().matrix else [])]
NUMBERS = (1e3, 1e6, 1e30, 3e38, np.nan, np.inf, -np.inf)


def bound_of(problem: ConvolutionProblem) -> float:
    """Of the typical output, for those that do not see the outlier: rounding alone grows with the root of the terms."""
    return 1e-5 * max(1.0, (problem.taps * problem.ic / 256) ** 0.5)


def lowered(
    case: Case, algorithm: ConvolutionAlgorithm, precision: str, on: str, threads: int = 1, pool: Any = None
) -> Bound | None:
    """The convolution alone, by one algorithm; None if that refuses."""
    op, shape, _ = problem_of(case)
    problem = ConvolutionProblem.of(op, case.src, shape, pool)
    assert problem is not None
    t = target(on)
    src, weights = (
        placeholder(Spec(case.src, "float32"), role="input"),
        placeholder(Spec(shape, "float32"), role="parameter"),
    )
    node = Node.make(op, (src, weights))
    group, setting = single(node), Setting(t, threads, precision)
    if pool is not None:
        pooled = Node.make(pool, node.outputs)
        group = replace(group, nodes=(node, pooled), outputs=pooled.outputs, pool=pool)
    if algorithm.refuses(problem, setting) is not None or (
        pool is not None and algorithm.refuses_pool(problem, setting, None) is not None
    ):
        return None
    choices = {node.outputs[0]: Choice(problem, algorithm, 0.0, ())}
    return Bound(alone(Graph.of([src, weights], [group.output]), group, setting, choices), t, threads)


def run(bound: Bound, x: np.ndarray) -> np.ndarray:
    spec = bound.program.outputs[0]
    out = np.full(spec.shape, 77.0, np.float32)
    bound.run([x], [out])
    return out


def kinds(values: np.ndarray) -> np.ndarray:
    """0 for a finite number, else which kind of value it is."""
    return np.isnan(values) * 1 + np.isposinf(values) * 2 + np.isneginf(values) * 3


def everywhere(case: Case) -> list[tuple[int, ...]]:
    """Some places of an image: its first pixel, its last, and others."""
    rng = np.random.default_rng(5)
    ends = [(0, *(0 for _ in case.src[1:])), tuple(n - 1 for n in case.src)]
    return ends + [tuple(int(rng.integers(n)) for n in case.src) for _ in range(4)]


@pytest.mark.parametrize("on", TARGETS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_outlier_changes_nothing_outside_of_the_windows_that_see_it(case: Case, on: str) -> None:
    rng = np.random.default_rng(7)
    op, shape, problem = problem_of(case)
    weights = rng.standard_normal(shape).astype(np.float32)
    x = (1 + 0.1 * rng.standard_normal(case.src)).astype(np.float32)
    plain = op.reference(x.astype(np.float64), weights.astype(np.float64))
    typical = np.sqrt((plain**2).mean())
    tried = 0
    for algorithm in ALGORITHMS:
        for precision in ("fast", "tight", "exact"):
            bound = lowered(case, algorithm, precision, on)
            if bound is None:
                continue
            tried += 1
            bound.prepare([weights])
            for place, value in zip(everywhere(case) * 2, NUMBERS * 2):
                changed = x.copy()
                changed[place] = value
                with np.errstate(all="ignore"):
                    expected = op.reference(changed.astype(np.float64), weights.astype(np.float64))
                    expected = np.where(
                        np.abs(expected) > np.finfo(np.float32).max, np.sign(expected) * np.inf, expected
                    )
                found, what = run(bound, changed), f"{algorithm.name} {precision}: {value} at {place}"
                unseen = expected == plain
                np.testing.assert_array_equal(kinds(found)[unseen], 0, what)
                if not np.isfinite(value):
                    np.testing.assert_array_equal(kinds(found), kinds(expected), what)
                largest = (
                    np.abs(expected[np.isfinite(expected)]).max()
                    if precision == "fast" and np.isfinite(value)
                    else typical
                )
                error = np.abs(found[unseen] - expected[unseen]).max() if unseen.any() else 0.0
                assert error <= (3e-5 if precision == "fast" else bound_of(problem)) * max(largest, typical), what
    assert tried >= 3


def bands(shape: tuple[int, ...], axis: int, width: int) -> np.ndarray:
    """The number of its band for each pixel of one image: bands are `width` wide and follow each other along the
    axis."""
    numbers = np.arange(shape[axis]) // width
    return np.broadcast_to(numbers.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape)


@pytest.mark.parametrize("on", TARGETS)
@pytest.mark.parametrize(("case", "axis"), [(c, a) for c in CASES[:15] for a in range(1, len(c.src) - 1)], ids=str)
@pytest.mark.parametrize("step", [1e2, 1e5, 1e10])
def test_quiet_bands_beside_loud_ones_keep_their_digits(case: Case, axis: int, step: float, on: str) -> None:
    """Inside each band, where no window sees another, outputs are within 1e-5 of that band's typical output."""
    rng = np.random.default_rng(8)
    op, shape, _ = problem_of(case)
    taps = shape[axis - 1]
    width = 4 * taps
    src = list(case.src)
    src[axis] = 5 * width
    case = Case(tuple(src), case.kernel, case.oc, case.strides, case.padding)
    op, shape, problem = problem_of(case)
    number = bands(case.src, axis, width)
    scale = {1e2: 1e-4, 1e5: 1e-10, 1e10: 1e-10}[step] * step ** (number % 3 if step == 1e10 else number)
    x = (scale * rng.standard_normal(case.src)).astype(np.float32)
    weights = rng.standard_normal(shape).astype(np.float32)
    expected = op.reference(x.astype(np.float64), weights.astype(np.float64))
    # the bands that the first and the last tap of an output look at
    stride, low = op.strides[axis - 1], op.padding[axis - 1][0]
    first = np.arange(expected.shape[axis]) * stride - low
    first, last = np.clip(first, 0, src[axis] - 1), np.clip(first + taps - 1, 0, src[axis] - 1)
    own = np.where(first // width == last // width, first // width, -1)
    for algorithm in ALGORITHMS:
        bound = lowered(case, algorithm, "tight", on)
        if bound is None:
            continue
        bound.prepare([weights])
        error = np.abs(run(bound, x) - expected)
        for band in range(5):
            inside = np.flatnonzero(own == band)
            if len(inside):
                there = np.take(expected, inside, axis)
                assert np.take(error, inside, axis).max() <= bound_of(problem) * np.sqrt((there**2).mean()), (
                    algorithm.name,
                    band,
                )


@pytest.mark.parametrize("size", [(2, 2), (2, 4)])
def test_pooled_outputs_are_those_of_all_outputs(size: tuple[int, int]) -> None:
    case = Case((2, 17, 18, 16), (3, 3), 24, padding="same")
    rng = np.random.default_rng(9)
    op, shape, _ = problem_of(case)
    weights, x = rng.standard_normal(shape).astype(np.float32), rng.standard_normal(case.src).astype(np.float32)
    x[0, 5, 6, 3], x[1, 0, 0, 0], x[1, 16, 17, 1] = 1e8, np.inf, np.nan
    pool = MaxPool(size, size, ((0, 0), (0, 0)))
    tried = 0
    for algorithm in ALGORITHMS:
        for precision in ("fast", "tight"):
            whole, pooled = (lowered(case, algorithm, precision, target().name, pool=p) for p in (None, pool))
            if whole is None or pooled is None:
                continue
            tried += 1
            for bound in (whole, pooled):
                bound.prepare([weights])
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(
                    run(pooled, x), pool.reference(run(whole, x)), f"{algorithm.name} {precision}"
                )
    assert tried >= 2


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bits_do_not_depend_on_threads(case: Case) -> None:
    rng = np.random.default_rng(10)
    _, shape, _ = problem_of(case)
    weights, x = rng.standard_normal(shape).astype(np.float32), rng.standard_normal(case.src).astype(np.float32)
    for place, value in zip(everywhere(case), (1e6, np.nan, np.inf)):
        x[place] = value
    for algorithm in ALGORITHMS:
        results = []
        for threads in (1, 2, 3):
            bound = lowered(case, algorithm, "tight", target().name, threads)
            if bound is not None:
                bound.prepare([weights])
                results.append(run(bound, x))
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other, algorithm.name)
