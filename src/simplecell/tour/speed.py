"""Chapter 5: how fast it ran, and on which machine code."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import simplecell

from .learning import Learned
from .story import Chapter, Check, Code, Output, Story, Table, Text

_ISA = {
    "amx": "AVX-512, vectors of 16 numbers, and AMX, which multiplies tiles of 16 × 32 by 32 × 16",
    "avx512": "AVX-512: vectors of 16 numbers",
    "avx2": "AVX2 with fused multiply-add: vectors of 8 numbers",
    "x86-64": "the x86-64 baseline (SSE2): vectors of 4 numbers",
    "neon": "NEON: vectors of 4 numbers",
}


def tell(story: Story, learned: Learned) -> None:
    story.show(
        Chapter(5, "How fast it ran, and on which machine code"),
        Text(
            "The network did not run layer by layer. simplecell wrote it down as a graph, derived its gradients, and "
            "had LLVM turn both into machine code for this very processor: "
            "one program for a whole training step, one for a prediction. `simplecell.compile` gives the network as "
            "one function."
        ),
        Code("program = simplecell.compile(model)\nprogram(images)\nprint(program.describe())"),
    )
    one, many = learned.images[:1], learned.images[:256]
    program = simplecell.compile(learned.model, threads=1)
    expected = np.asarray(learned.model.predict(many, verbose=0))
    agrees = bool(np.allclose(program(many), expected, rtol=1e-4, atol=1e-5))
    single, several = _seconds(lambda: program(one)), _seconds(lambda: program(many))
    through_keras = _seconds(lambda: learned.model.predict(many, 256, verbose=0))
    rows = [
        [
            "training",
            f"{learned.images_per_epoch / learned.seconds_per_epoch:,.0f} images a second",
            f"{learned.seconds_per_epoch:.2f} s for an epoch of {learned.images_per_epoch:,}",
        ],
        ["one image, `program(x)`, one thread", f"{1 / single:,.0f} images a second", f"{single * 1e6:,.0f} µs each"],
        ["256 images, `program(x)`, one thread", f"{256 / several:,.0f} images a second", f"{several * 1e3:.2f} ms"],
        [
            "256 images, `model.predict(x)`",
            f"{256 / through_keras:,.0f} images a second",
            f"{through_keras * 1e3:.2f} ms",
        ],
    ]
    story.show(
        Table(["what", "how fast", ""], rows),
        Text(_machine_code()),
        Text("What became of each layer, for one image: the algorithm, its work, and the time that was predicted "
        "and measured. The reasons stand below."),
        Output(_clean(program.describe(batch_size=1))),
        Check("The compiled function gives what `model.predict` gives.", agrees),
    )  # fmt: skip


def _machine_code() -> str:
    from simplecell.engine.host import SETTING, host

    try:
        target = host()
    except (ImportError, OSError) as error:
        return (
            f"LLVM could not be loaded here ({error}), so there is no machine code: all of it ran on the ops' "
            "NumPy references, which give the same, slowly."
        )
    kind = _ISA.get(target.name, f"vectors of {target.lanes} numbers")
    return (
        f"The machine code is for `{target.name}`, {kind}, on a processor that LLVM calls `{target.cpu}`. The "
        f"setting `{SETTING}` forces a lower one."
    )


def _seconds(run: Callable[[], Any], budget: float = 0.5) -> float:
    """The median time of a call, over as many as fit into `budget` seconds (at least 3), after one to warm up."""
    run()
    times: list[float] = []
    end = time.perf_counter() + budget
    while len(times) < 3 or (time.perf_counter() < end and len(times) < 1000):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _clean(text: str) -> str:
    """Without the escape sequences that colour a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
