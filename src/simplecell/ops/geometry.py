"""Output sizes and padding of convolutions and pooling, written once for layers, references, engine, inspection and
errors.

Padding is always a pair (low, high) per spatial axis: so many zeros before the first and after the last element.
"""

from __future__ import annotations

from collections.abc import Sequence

Pairs = tuple[tuple[int, int], ...]
Padding = str | int | Sequence[int | Sequence[int]]


def dilated(kernel: int, dilation: int = 1) -> int:
    """Extent of a kernel of `kernel` taps that stand `dilation` apart. Example: `dilated(3, 2)` is 5."""
    return (kernel - 1) * dilation + 1


def output_size(size: int, kernel: int, stride: int = 1, padding: tuple[int, int] = (0, 0), dilation: int = 1) -> int:
    """Number of positions at which the kernel fits: `floor((size + low + high - dilated) / stride) + 1`, at least 0."""
    return max((size + sum(padding) - dilated(kernel, dilation)) // stride + 1, 0)


def same_padding(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Padding for which the output has `ceil(size / stride)` elements; what cannot be halved goes to the right
    (bottom)."""
    total = max((-(-size // stride) - 1) * stride + dilated(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def per_axis(value: int | Sequence[int], rank: int, what: str) -> tuple[int, ...]:
    """One positive integer per spatial axis, from one for all or one for each."""
    values = (int(value),) * rank if isinstance(value, int) else tuple(int(v) for v in value)
    if len(values) != rank or any(v < 1 for v in values):
        raise ValueError(
            f"`{what}` must be a positive integer, or {rank} of them (one per spatial axis); came {value!r}."
        )
    return values


def resolve_padding(
    padding: Padding,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int] | None = None,
) -> Pairs:
    """Pairs for `padding`: "valid" (none), "same", "causal" (all before the first element), an integer, or one integer
    or (low, high) pair per spatial axis. Example: `resolve_padding("same", (5,), (3,), (2,))` is `((1, 1),)`."""
    rank = len(sizes)
    dilation = tuple(dilation) if dilation is not None else (1,) * rank
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * rank
        if padding == "same":
            return tuple(same_padding(*axis) for axis in zip(sizes, kernel, strides, dilation, strict=True))
        if padding == "causal":
            return tuple((dilated(k, d) - 1, 0) for k, d in zip(kernel, dilation, strict=True))
        raise ValueError(
            f'`padding` must be "valid", "same", "causal", an integer, or one integer or '
            f"(low, high) pair per spatial axis; came {padding!r}."
        )
    several: Sequence[int | Sequence[int]] = (padding,) * rank if isinstance(padding, int) else tuple(padding)
    pairs = tuple((int(p), int(p)) if isinstance(p, int) else tuple(int(e) for e in p) for p in several)
    if len(pairs) != rank or any(len(p) != 2 or min(p) < 0 for p in pairs):
        raise ValueError(
            f"`padding` must have one non-negative integer or (low, high) pair for each of {rank} axes; came "
            f"{padding!r}."
        )
    return tuple((p[0], p[1]) for p in pairs)


def transposed_geometry(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: str = "valid",
    output_padding: int | None = None,
    dilation: int = 1,
) -> tuple[int, tuple[int, int]]:
    """(output size, (crop before, crop after)) of a transposed convolution, as Keras defines it.

    Uncropped, `size` inputs spread to `(size - 1) * stride + dilated` outputs. "valid" keeps them all, and at least
    `size * stride` (zeros after the last). "same" keeps `size * stride`. `output_padding` p fixes the size instead:
    uncropped + p, respectively `(size - 1) * stride + dilated % 2 + p`. A negative crop means that zeros are appended.
    """
    extent = dilated(kernel, dilation)
    full = (size - 1) * stride + extent
    if output_padding is not None and output_padding < 0:
        raise ValueError(f"`output_padding` must not be negative; came {output_padding}.")
    if padding == "valid":
        extra = max(stride - extent, 0) if output_padding is None else output_padding
        return full + extra, (0, -extra)
    if padding != "same":
        raise ValueError(f'`padding` of a transposed convolution must be "valid" or "same"; came {padding!r}.')
    kept = stride + extent - 2 if output_padding is None else extent + extent % 2 - 2 + output_padding
    low = extent - 1 - min(kept - kept // 2, extent - 1)
    out = full - 2 * (extent - 1) + kept
    return out, (low, full - low - out)
