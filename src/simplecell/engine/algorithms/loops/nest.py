"""Loop nests: what lies where, and with which strides."""

from __future__ import annotations

from collections.abc import Sequence

CONTIGUOUS, BROADCAST, STRIDED = "contiguous", "broadcast", "strided"
"""How an operand moves along the innermost axis: by one element, not at all, by a run-time number of elements."""


def dense_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of a C-contiguous array."""
    strides: list[int] = []
    step = 1
    for extent in reversed(shape):
        strides.insert(0, step)
        step *= extent
    return tuple(strides)


def broadcast_strides(shape: Sequence[int], to: Sequence[int]) -> tuple[int, ...]:
    """Strides with which a dense array of `shape` is read in a loop over `to` (NumPy's broadcasting)."""
    padded = (1,) * (len(to) - len(shape)) + tuple(shape)
    return tuple(0 if extent == 1 else stride for extent, stride in zip(padded, dense_strides(padded)))


def simplified(
    shape: Sequence[int], strides: Sequence[Sequence[int]], leading: int = 0
) -> tuple[list[int], list[list[int]]]:
    """The same loop nest with as few axes as can be: those of extent 1 dropped, ordered for the operand number
    `leading` (its smallest stride innermost), neighbours merged where every operand moves through both at one pace."""
    axes = [d for d, extent in enumerate(shape) if extent != 1]
    axes.sort(key=lambda d: (-abs(strides[leading][d]) if strides[leading][d] else -(1 << 62), d))
    extents: list[int] = []
    moves: list[list[int]] = []
    for d in axes:
        move = [s[d] for s in strides]
        if extents and all(outer == inner * shape[d] for outer, inner in zip(moves[-1], move)):
            extents[-1] *= shape[d]
            moves[-1] = move
        else:
            extents.append(shape[d])
            moves.append(move)
    return extents, moves


def how(stride: int) -> str:
    """How an operand of this stride moves along the innermost axis."""
    return BROADCAST if stride == 0 else CONTIGUOUS if stride == 1 else STRIDED


# --- names of run-time arguments -------------------------------------------------------------------------------------


def operand_names(inputs: int, outputs: int) -> tuple[str, ...]:
    """Of their addresses."""
    return (*(f"i{k}" for k in range(inputs)), *(f"o{k}" for k in range(outputs)))


def extent_names(rank: int) -> tuple[str, ...]:
    """Of the outer axes' extents."""
    return tuple(f"d{k}" for k in range(rank))


def stride_names(operand: str, rank: int) -> tuple[str, ...]:
    """Of an operand's strides along the outer axes."""
    return tuple(f"{operand}_s{k}" for k in range(rank))
