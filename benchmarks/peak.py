"""The core's float32 peak, measured: independent multiply-adds on registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simplecell.engine.code.emit import Emitter
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.host import host
from simplecell.engine.run.program import Address, Buffer, Program, Step
from simplecell.engine.run.runtime import Bound
from simplecell.ops.base import Spec

CHAINS = 12  # two FMA units with a latency of four or five cycles want ten independent sums
ROUNDS = 200_000


@dataclass(frozen=True)
class Peak(Kernel):
    """`rounds` rounds of CHAINS vector FMAs."""

    arguments = ("src", "dst", "rounds")

    @property
    def name(self) -> str:
        return "peak_fma_f32"

    def emit(self, e: Emitter) -> None:
        x = e.load(e.pointer("src"))
        start = [e.fmul(x, e.number(float(i + 1))) for i in range(CHAINS)]
        with e.loop(e.index("rounds"), carry=start) as loop:
            loop.carry([e.fma(x, x, v) for v in loop.values])
        total = loop.results[0]
        for v in loop.results[1:]:
            total = e.fadd(total, v)
        e.store(total, e.pointer("dst"), e.thread * e.lanes)


def fma_loop(threads: int) -> tuple[Callable[[], object], int]:
    """A function that runs the loop on `threads` threads, and the FLOP of one call."""
    target = host()
    step = Step(Peak(), (("src", Address(0)), ("dst", Address(1)), ("rounds", ROUNDS)), (0,), (1,), parallel=True)
    src, dst = np.full(target.lanes, 0.5, np.float32), np.zeros(target.lanes * threads, np.float32)
    specs = (Spec(src.shape),), (), (Spec(dst.shape),)
    bound = Bound(
        Program((Buffer("input", src.nbytes), Buffer("output", dst.nbytes)), (), (step,), *specs, 0, 0), target, threads
    )
    return lambda: bound.run([src], [dst]), 2 * CHAINS * ROUNDS * target.lanes * threads
