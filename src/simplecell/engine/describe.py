"""What the engine made of a graph, as text: per step the algorithm and why, shapes, GFLOP, bytes, predicted and measured time."""

from __future__ import annotations

from collections.abc import Sequence

from simplecell.engine.kernel import Kernel
from simplecell.engine.lowering.context import predicted_ns
from simplecell.engine.machine import machine
from simplecell.engine.program import Program, Step
from simplecell.engine.target import Target

COLUMNS = ("layer", "algorithm", "shapes", "MFLOP", "KiB", "predicted µs", "measured µs", "GFLOP/s")


def describe(program: Program, target: Target, threads: int, measured: Sequence[float] | None = None) -> str:
    """A table with one row per step, a summary, and the reasons, one line for each that differs."""
    rows = [_row(s, measured[i] if measured else None) for i, s in enumerate(program.run)]
    widths = [max(len(c), *(len(r[i]) for r in rows), 1) if rows else len(c) for i, c in enumerate(COLUMNS)]
    line = "  ".join
    text = [
        f"{len(program.run)} steps, {program.flops / 1e9:.3f} GFLOP, on {target.name} ({target.lanes} float32 per vector), {threads} thread(s)",
        f"memory: arena {_mib(program.arena_bytes)}, scratch {_mib(program.scratch_bytes)} per thread, constants and prepared weights "
        f"{_mib(program.kept_bytes)} ({len(program.prepare)} steps when weights change)",
        "",
        line(_fit(c, w, i) for i, (c, w) in enumerate(zip(COLUMNS, widths))),
        line("─" * w for w in widths),
        *(line(_fit(c, w, i) for i, (c, w) in enumerate(zip(r, widths))) for r in rows),
    ]
    if measured:
        text.append(f"total measured: {sum(measured) * 1e3:.3f} ms, {program.flops / max(sum(measured), 1e-12) / 1e9:.1f} GFLOP/s")
    reasons = dict.fromkeys((s.algorithm, s.reason) for s in program.run if s.reason)
    if reasons:
        text += ["", "why:"] + [f"  {a}: {r}" for a, r in reasons]
    if program.call_outs:
        text += ["", f"{len(program.call_outs)} step(s) left the fast path and run their NumPy reference: "
                 + ", ".join(dict.fromkeys(s.op.name for s in program.call_outs if s.op))]  # fmt: skip
    return "\n".join(text)


def assembly(program: Program, target: Target) -> str:
    """The assembly of every kernel of the program."""
    return "\n".join(machine(target).assembly(k) for k in kernels(program))


def intermediate(program: Program, target: Target) -> str:
    """The LLVM IR of every kernel of the program, after LLVM's passes."""
    return "\n".join(str(machine(target).optimized(k)) for k in kernels(program))


def kernels(program: Program) -> list[Kernel]:
    """Each kernel once, in the order of first use."""
    return list(dict.fromkeys(s.kernel for s in (*program.prepare, *program.run) if s.kernel is not None))


def _row(step: Step, seconds: float | None) -> tuple[str, ...]:
    return (
        step.label or "·",
        step.algorithm,
        step.shapes,
        f"{step.flops / 1e6:.2f}" if step.flops else "",
        f"{step.nbytes / 1024:.0f}" if step.nbytes else "",
        f"{(step.predicted or predicted_ns(step.flops, step.nbytes)) / 1e3:.1f}" if step.flops or step.nbytes else "",
        "" if seconds is None else f"{seconds * 1e6:.1f}",
        "" if not seconds or not step.flops else f"{step.flops / seconds / 1e9:.1f}",
    )


def _fit(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 3 else cell.rjust(width)


def _mib(nbytes: int) -> str:
    return f"{nbytes / 2**20:.2f} MiB"
