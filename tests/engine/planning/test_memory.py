"""The arena: no two live buffers overlap, and dead ones are used again."""

import numpy as np

from simplecell.engine.build import build
from simplecell.engine.planning.finish import _last_first
from simplecell.engine.planning.memory import place
from simplecell.engine.run.program import ALIGNMENT, Step
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import as_tensor, placeholder
from simplecell.ops.base import Spec
from simplecell.ops.linear import matmul


def test_live_buffers_never_overlap():
    rng = np.random.default_rng(3)
    for _ in range(50):
        steps = int(rng.integers(1, 30))
        sizes = {b: int(rng.integers(0, 5000)) for b in range(steps)}
        writes = [[i] for i in range(steps)]
        reads = [[int(b) for b in rng.integers(0, i, size=min(i, 2))] if i else [] for i in range(steps)]
        offsets, total = place(sizes, writes, reads)
        last = {b: max([b, *(i for i in range(steps) if b in reads[i])]) for b in sizes}
        for i in range(steps):
            live = sorted((offsets[b], sizes[b]) for b in sizes if b <= i <= last[b])
            assert all(a + max(n, 1) <= b for (a, n), (b, _) in zip(live, live[1:]))
            assert all(a % ALIGNMENT == 0 and a + n <= total for a, n in live)


def test_a_chain_needs_two_buffers():
    offsets, total = place(
        {i: 64 for i in range(10)}, [[i] for i in range(10)], [[i - 1] if i else [] for i in range(10)]
    )
    assert total == 128
    assert set(offsets.values()) == {0, 64}


def test_a_large_buffer_takes_merged_holes():
    sizes = {0: 64, 1: 64, 2: 64, 3: 128}
    _, total = place(sizes, [[0], [1], [2], [3]], [[], [], [0, 1], [2]])
    assert total == 192 + 0 or total == 64 * 3


def test_steps_that_prepare_run_from_the_last_to_the_first_as_far_as_they_may():
    rng = np.random.default_rng()
    for _ in range(50):
        n = int(rng.integers(1, 25))
        steps = [
            Step(
                None,
                (),
                tuple(map(int, rng.integers(0, 8, rng.integers(0, 3)))),
                tuple(map(int, rng.integers(0, 8, rng.integers(1, 3)))),
                str(i),
            )
            for i in range(n)
        ]
        order = [int(s.label) for s in _last_first(tuple(steps), ())]
        assert sorted(order) == list(range(n))
        for i, a in enumerate(steps):
            for j, b in enumerate(steps[:i]):
                if set(b.writes) & {*a.reads, *a.writes} or set(b.reads) & set(a.writes):
                    assert order.index(j) < order.index(i)
    apart = tuple(Step(None, (), (i,), (100 + i,), str(i)) for i in range(5))
    assert _last_first(apart, ()) == apart[::-1]
    run = tuple(Step(None, (), (100 + i,), (), "run") for i in (3, 0, 4, 2, 1, 3))
    assert [s.label for s in _last_first(apart, run)] == ["1", "2", "4", "0", "3"]


def test_constants_lie_together_before_what_is_prepared():
    rng = np.random.default_rng()
    x, w, v = (
        placeholder(Spec((5, 8), "float32"), "x"),
        *(placeholder(Spec((8, 8), "float32"), n, "parameter") for n in "wv"),
    )
    first, second = (as_tensor(rng.standard_normal((5, 8)).astype(np.float32)) for _ in range(2))
    graph = Graph.of([w, v, x], [matmul(matmul(x, w) * first, v * 2.0) + second])
    buffers = build(graph, threads=1).program.buffers
    ends = [b.offset + b.nbytes for b in buffers if b.kind == "constant"]
    assert len(ends) >= 2 and max(ends) <= min(b.offset for b in buffers if b.kind == "prepared")
