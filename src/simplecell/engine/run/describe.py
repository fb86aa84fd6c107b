"""What the engine made of a graph, as text: per step the algorithm and why, shapes, GFLOP, bytes, predicted and
measured time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, zip_longest

from simplecell.engine.code.kernel import Kernel
from simplecell.engine.machine.machine import machine
from simplecell.engine.precision import PROMISES
from simplecell.engine.run.program import Part, Program, Step, predicted_ns
from simplecell.engine.target import Target

COLUMNS = ("layer", "algorithm", "shapes", "MFLOP", "KiB", "predicted µs", "measured µs", "GFLOP/s")


def describe(program: Program, target: Target, threads: int, measured: Sequence[float] | None = None) -> str:
    """A table with one row per step (one for all pieces of the batch, where a segment takes a few images at a time), a
    summary, and the reasons, one line for each that differs."""
    rows = _rows(program.run, measured)
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


def _rows(steps: Sequence[Step], measured: Sequence[float] | None) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    numbered = list(enumerate(steps))
    for segment, members in groupby(numbered, key=lambda e: e[1].part.segment if e[1].part is not None else None):
        group = list(members)
        if segment is None:
            rows += [_row(s.label, [s], [measured[i]] if measured else []) for i, s in group]
            continue
        pieces: dict[Part, list[tuple[int, Step]]] = {}
        for i, s in group:
            assert s.part is not None
            pieces.setdefault(s.part, []).append((i, s))
        rows.append((_title(list(pieces)), *("" for _ in COLUMNS[1:])))
        for together in zip_longest(*pieces.values()):  # the same step of each piece
            found = [e for e in together if e is not None]
            rows.append(
                _row(
                    f"│ {found[0][1].label}", [s for _, s in found], [measured[i] for i, _ in found] if measured else []
                )
            )
    return rows


def _title(pieces: Sequence[Part]) -> str:
    counts = sorted({p.count for p in pieces})
    sizes = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
    own = len({p.thread for p in pieces if p.thread is not None})
    return f"┌ {sizes} of {pieces[0].of} images at a time, {len(pieces)} times" + (
        f", {own} threads each by itself" if own > 1 else ""
    )


def _row(label: str, steps: Sequence[Step], measured: Sequence[float]) -> tuple[str, ...]:
    """One row for steps that differ only in their images."""
    first, flops, seconds = steps[0], sum(s.flops for s in steps), sum(measured)
    nbytes = sum(s.nbytes for s in steps)
    predicted = sum(s.predicted or predicted_ns(s.flops, s.nbytes) for s in steps)
    return (
        label or "·",
        first.algorithm,
        first.shapes,
        f"{flops / 1e6:.2f}" if flops else "",
        f"{nbytes / 1024:.0f}" if nbytes else "",
        f"{predicted / 1e3:.1f}" if flops or nbytes else "",
        "" if not measured else f"{seconds * 1e6:.1f}",
        "" if not seconds or not flops else f"{flops / seconds / 1e9:.1f}",
    )


def _fit(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 3 else cell.rjust(width)


def _mib(nbytes: int) -> str:
    return f"{nbytes / 2**20:.2f} MiB"
