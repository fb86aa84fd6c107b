"""Units of work: pieces of an axis at indices of others, divided among the threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from simplecell.engine.code.emit import Emitter, Index, Value


@contextmanager
def units(e: Emitter, n: Index, chunk: Index, extents: Sequence[Index]) -> Iterator[tuple[Index, Index, list[Index]]]:
    """This thread's share of (outer indices × chunks of an axis of `n`), one after the other.

    `with units(e, n, chunk, extents) as (start, stop, indices)`: a piece [start, stop) of the axis at outer `indices`,
    each below its extent. Divisions happen once per thread; from unit to unit the indices count like an odometer.
    """
    chunks = (n + (chunk - 1)) // chunk
    wheels = [*extents, chunks]
    total = wheels[0]
    for extent in wheels[1:]:
        total = total * extent
    first, last = e.my_share(total)
    rest = first
    indices: list[Index] = []
    for extent in reversed(wheels[1:]):
        indices.insert(0, rest % extent)
        rest = rest // extent
    indices.insert(0, rest)
    with e.loop(last, first, carry=[i.ir for i in indices], name="unit") as loop:
        now = [Index(e, v) for v in loop.values]
        turned: list[Value] = []
        carry = Index(e, 1)
        for value, extent in zip(reversed(now[1:]), reversed(wheels[1:])):
            up = value + carry
            full = up.equals(extent)
            turned.insert(0, e.select(full, 0, up).ir)
            carry = e.select(full, 1, 0)
        turned.insert(0, (now[0] + carry).ir)
        loop.carry(turned)
        start = now[-1] * chunk
        yield start, (start + chunk).minimum(n), now[:-1]
