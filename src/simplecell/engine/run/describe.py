"""What the engine made of a graph, as text: per step the algorithm and why, shapes, GFLOP, bytes, predicted and
measured time."""

from __future__ import annotations

from collections.abc import Sequence

from simplecell.engine.code.kernel import Kernel
from simplecell.engine.machine.machine import machine
from simplecell.engine.run.program import Part, Program
from simplecell.engine.run.records import Pieces, Record, grouped
from simplecell.engine.target import Target
from simplecell.precision import PROMISES

COLUMNS = ("layer", "algorithm", "shapes", "MFLOP", "KiB", "predicted µs", "measured µs", "GFLOP/s")


def describe(program: Program, target: Target, threads: int, measured: Sequence[float] | None = None) -> str:
    """A table with one row per step (one for all pieces of the batch, where a segment takes a few images at a time), a
    summary, and the reasons, one line for each that differs."""
    rows = _rows(program, measured)
    widths = [max(len(c), *(len(r[i]) for r in rows), 1) if rows else len(c) for i, c in enumerate(COLUMNS)]
    line = "  ".join
    text = [
        f"{len(program.run)} steps, {program.flops / 1e9:.3f} GFLOP, on {target.name} ({target.lanes} float32 per "
        f"vector), {threads} thread(s)",
        f"memory: arena {_mib(program.arena_bytes)}, scratch {_mib(program.scratch_bytes)} per thread, constants and "
        "prepared weights "
        f"{_mib(program.kept_bytes)} ({len(program.prepare)} steps when weights change)",
        f"precision {program.precision}: {PROMISES[program.precision]}",
        "",
        line(_fit(c, w, i) for i, (c, w) in enumerate(zip(COLUMNS, widths))),
        line("─" * w for w in widths),
        *(line(_fit(c, w, i) for i, (c, w) in enumerate(zip(r, widths))) for r in rows),
    ]
    if measured:
        text.append(
            f"total measured: {sum(measured) * 1e3:.3f} ms, {program.flops / max(sum(measured), 1e-12) / 1e9:.1f} "
            "GFLOP/s"
        )
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


def _rows(program: Program, measured: Sequence[float] | None) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for entry in grouped(program, measured):
        if isinstance(entry, Pieces):
            rows.append((_title(entry.parts), *("" for _ in COLUMNS[1:])))
            rows += [_row(f"│ {r.label}", r) for r in entry.records]
        else:
            rows.append(_row(entry.label, entry))
    return rows


def _title(pieces: Sequence[Part]) -> str:
    counts = sorted({p.count for p in pieces})
    sizes = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
    own = len({p.thread for p in pieces if p.thread is not None})
    return f"┌ {sizes} of {pieces[0].of} images at a time, {len(pieces)} times" + (
        f", {own} threads each by itself" if own > 1 else ""
    )


def _row(label: str, r: Record) -> tuple[str, ...]:
    seconds = r.measured or 0.0
    return (
        label or "·",
        r.algorithm,
        r.shapes,
        f"{r.flops / 1e6:.2f}" if r.flops else "",
        f"{r.nbytes / 1024:.0f}" if r.nbytes else "",
        f"{r.predicted * 1e6:.1f}" if r.flops or r.nbytes else "",
        "" if r.measured is None else f"{seconds * 1e6:.1f}",
        "" if not seconds or not r.flops else f"{r.flops / seconds / 1e9:.1f}",
    )


def _fit(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 3 else cell.rjust(width)


def _mib(nbytes: int) -> str:
    return f"{nbytes / 2**20:.2f} MiB"
