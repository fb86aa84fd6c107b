"""The halo: copying the input rows that a block of output rows reads into scratch, with zeros where they lie outside
the picture."""

from __future__ import annotations

from collections.abc import Sequence

from simplecell.engine.code.emit import Emitter, Index, Value


def copy_run(e: Emitter, dst: Value, src: Value, count: Index) -> None:
    """dst[:count] = src[:count]"""
    in_vectors = count // e.lanes * e.lanes
    with e.loop(in_vectors, step=e.lanes, name="copy") as i:
        e.store(e.load(src, i.index), dst, i.index)
    with e.when(count > in_vectors):
        mask = e.mask(count - in_vectors)
        e.store(e.load(src, in_vectors, mask=mask), dst, in_vectors, mask=mask)


def zero_run(e: Emitter, dst: Value, count: Index) -> None:
    """dst[:count] = 0"""
    in_vectors = count // e.lanes * e.lanes
    with e.loop(in_vectors, step=e.lanes, name="zero") as i:
        e.store(e.zero(), dst, i.index)
    with e.when(count > in_vectors):
        e.store(e.zero(), dst, in_vectors, mask=e.mask(count - in_vectors))


def copy_row(
    e: Emitter,
    dst: Value,
    src: Value,
    first: Index,
    count: Index,
    width: Index,
    channels: Index,
    pitch: Index,
    inside: Sequence[Value],
) -> None:
    """Copy pixels first … first + count - 1 of a row of `width` pixels of `channels` values; pixels outside it become
    zeros.

    first may be negative. src is the row's pixel 0, and is read only where `inside` (conditions, all of them) holds;
    else the row becomes zeros. pitch: values from one pixel to the next in dst, at least `channels`.
    """
    b = e.b
    low, high = first.maximum(0), (first + count).minimum(width)
    condition = low < high
    for c in inside:
        condition = b.and_(condition, c)
    low, high = e.select(condition, low - first, count), e.select(condition, high - first, count)
    # pixels [0, low) and [high, count) of dst are zeros, [low, high) are copied
    zero_run(e, dst, low * pitch)
    with e.otherwise_when(pitch.equals(channels)) as (dense, spaced):
        with dense:
            copy_run(e, e.at(dst, low * pitch), e.at(src, (first + low) * channels), (high - low) * channels)
        with spaced, e.loop(high, start=low, name="pixel") as p:
            copy_run(e, e.at(dst, p.index * pitch), e.at(src, (first + p.index) * channels), channels)
    zero_run(e, e.at(dst, high * pitch), (count - high) * pitch)
