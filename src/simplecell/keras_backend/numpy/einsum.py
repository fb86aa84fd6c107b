"""Einstein sums as transposes, reductions and matrix products, two operands at a time."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import dtype_of, promote
from simplecell.keras_backend.numpy.indexing import diagonal
from simplecell.keras_backend.numpy.linear import product
from simplecell.keras_backend.numpy.reductions import reduce
from simplecell.ops import shaping


def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    arrays = [convert_to_tensor(x) for x in operands]
    int8 = all(dtype_of(a) == "int8" for a in arrays) and len(arrays) > 1
    arrays = promote(*arrays, rule=lambda dtype: "int32" if int8 else dtype)
    labels, output = parse(subscripts, [len(a.shape) for a in arrays])
    _check_sizes(subscripts, labels, [a.shape for a in arrays])
    terms = [_without_repeats(a, names) for a, names in zip(arrays, labels)]
    for i, j in _order(labels, output, [a.shape for a in arrays]):
        right, left = terms.pop(max(i, j)), terms.pop(min(i, j))
        needed = set(output).union(*(names for _, names in terms))
        terms.append(_contract(left, right, needed))
    (x, names) = terms[0]
    x, names = _sum_out(x, names, set(output))
    return shaping.transpose(x, tuple(names.index(n) for n in output))


def parse(subscripts: str, ranks: list[int]) -> tuple[list[str], str]:
    """Labels of each operand and of the output, one character per axis; `...` becomes characters of its own."""
    left, arrow, output = subscripts.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(ranks):
        raise ValueError(f"`einsum` names {len(parts)} operands in {subscripts!r}, but received {len(ranks)}.")
    rest = max((rank - len(p.replace("...", "")) for p, rank in zip(parts, ranks) if "..." in p), default=0)
    ellipsis = "".join(chr(0x2460 + i) for i in range(rest))
    labels = []
    for part, rank in zip(parts, ranks):
        own = rank - len(part.replace("...", ""))
        part = part.replace("...", ellipsis[rest - own :] if own else "")
        if len(part) != rank:
            raise ValueError(f"`einsum` {subscripts!r} names {len(part)} axes for an operand that has {rank}.")
        labels.append(part)
    if arrow:
        output = output.replace("...", ellipsis)
    else:
        counts = "".join(labels)
        output = ellipsis + "".join(sorted(c for c in set(counts) if c not in ellipsis and counts.count(c) == 1))
    for name in output:
        if not any(name in p for p in labels):
            raise ValueError(f"`einsum` {subscripts!r}: the output names {name!r}, which no operand has.")
    return labels, output


def _check_sizes(subscripts: str, labels: list[str], shapes: list[Any]) -> None:
    sizes: dict[str, int] = {}
    for names, shape in zip(labels, shapes):
        for name, size in zip(names, shape):
            if sizes.setdefault(name, size) != size and 1 not in (size, sizes[name]):
                raise ValueError(
                    f"`einsum` {subscripts!r}: axes of one label must have one size, but {name!r} is {sizes[name]} and "
                    f"{size} long. "
                    f"Received: operands of shapes {[tuple(s) for s in shapes]}"
                )
            sizes[name] = max(size, sizes[name])


def _order(labels: list[str], output: str, shapes: list[Any]) -> list[tuple[int, ...]]:
    """Which two terms to multiply at each turn: left to right for two, else what NumPy's search finds cheapest."""
    if len(labels) <= 2:
        return [(0, 1)] * (len(labels) - 1)
    names = sorted(set("".join(labels)))
    letters = {n: chr(ord("a") + i) if i < 26 else chr(ord("A") + i - 26) for i, n in enumerate(names)}
    text = ",".join("".join(letters[n] for n in part) for part in labels) + "->" + "".join(letters[n] for n in output)
    path = np.einsum_path(text, *(np.broadcast_to(np.float32(0), s) for s in shapes), optimize=("greedy", 1 << 62))[0][
        1:
    ]
    if any(len(step) != 2 for step in path):
        return [(0, 1)] * (len(labels) - 1)
    return [tuple(step) for step in path]


def _without_repeats(x: Any, names: str) -> tuple[Any, str]:
    """A label that one operand has twice means its diagonal."""
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            x = diagonal(x, 0, first, second)
            names = names[:first] + names[first + 1 : second] + names[second + 1 :] + name
    return x, names


def _sum_out(x: Any, names: str, needed: set[str]) -> tuple[Any, str]:
    axes = tuple(i for i, n in enumerate(names) if n not in needed)
    if not axes:
        return x, names
    return reduce("sum", x, axes, False), "".join(n for n in names if n in needed)


def _contract(left: tuple[Any, str], right: tuple[Any, str], needed: set[str]) -> tuple[Any, str]:
    """The product of two terms, summed over what neither the output nor another term needs."""
    (a, names_a), (b, names_b) = _sum_out(*left, needed | set(right[1])), _sum_out(*right, needed | set(left[1]))
    sizes = dict(zip(names_b, b.shape)) | {n: s for n, s in zip(names_a, a.shape) if s != 1 or n not in names_b}
    shared = [n for n in names_a if n in names_b]
    batch = [n for n in shared if n in needed]
    summed = [n for n in shared if n not in needed]
    free_a = [n for n in names_a if n not in names_b]
    free_b = [n for n in names_b if n not in names_a]
    a, b = (_with_sizes(x, names, sizes) for x, names in ((a, names_a), (b, names_b)))
    names = "".join(batch + free_a + free_b)
    shape = tuple(sizes[n] for n in names)
    if not summed and not (free_a and free_b):  # a product value by value: no sum, no outer product
        return ops.multiply(_aligned(a, names_a, names), _aligned(b, names_b, names)), names
    lead = tuple(sizes[n] for n in batch)
    m, k, n = (prod(sizes[name] for name in group) for group in (free_a, summed, free_b))
    a = shaping.reshape(shaping.transpose(a, tuple(names_a.index(x) for x in batch + free_a + summed)), (*lead, m, k))
    b = shaping.reshape(shaping.transpose(b, tuple(names_b.index(x) for x in batch + summed + free_b)), (*lead, k, n))
    return shaping.reshape(product(a, b), shape), names


def _with_sizes(x: Any, names: str, sizes: dict[str, int]) -> Any:
    """Axes of length 1 broadcast against the other operand's (only `...` may ask for it)."""
    shape = tuple(sizes[n] for n in names)
    return x if tuple(x.shape) == shape else shaping.broadcast_to(x, shape)


def _aligned(x: Any, names: str, wanted: str) -> Any:
    present = [n for n in wanted if n in names]
    x = shaping.transpose(x, tuple(names.index(n) for n in present))
    size = dict(zip(present, x.shape))
    return shaping.reshape(x, tuple(size.get(n, 1) for n in wanted))
