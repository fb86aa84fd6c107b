"""The configurations that `record_oracle.py` runs in Keras on JAX and that the tests compare with. Needs NumPy
alone."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    family: str
    shape: tuple[int, ...]
    kernel: tuple[int, ...] = ()  # of weights for the convolutions, of windows for pooling, output size for resize
    strides: tuple[int, ...] = ()
    padding: str = "valid"
    dilation: tuple[int, ...] = ()
    output_padding: int | None = None
    method: str = ""
    antialias: bool = False

    @property
    def key(self) -> str:
        return "-".join(str(v).replace(" ", "") for v in asdict(self).values() if v not in ((), "", None))

    def arrays(self) -> list[np.ndarray]:
        """src and, for the convolutions, weights: the same numbers wherever they are made."""
        rng = np.random.default_rng(zlib.crc32(self.key.encode()))
        shapes = [self.shape, self.kernel] if "convolution" in self.family else [self.shape]
        return [rng.normal(size=s) for s in shapes]

    def weighting(self, shape: tuple[int, ...]) -> np.ndarray:
        """What the outputs are multiplied with before they are summed, for gradients."""
        return np.random.default_rng(7).normal(size=shape)


def _cases() -> list[Case]:
    cases: list[Case] = []

    def add(*values: Any, **more: Any) -> None:
        cases.append(Case(*values, **more))

    for padding in ("valid", "same"):
        add("convolution", (2, 11, 3), (3, 3, 4), (2,), padding, (1,))
        add("convolution", (1, 13, 4), (4, 2, 6), (1,), padding, (3,))  # 2 groups
    for padding in ("valid", "same"):
        add("convolution", (2, 7, 9, 3), (3, 3, 3, 5), (1, 1), padding, (1, 1))
        add("convolution", (1, 8, 7, 4), (2, 5, 4, 3), (2, 3), padding, (1, 1))
        add("convolution", (1, 9, 10, 6), (3, 2, 2, 9), (1, 1), padding, (2, 3))  # 3 groups
        add("convolution", (2, 6, 7, 5), (3, 3, 1, 10), (2, 2), padding, (1, 1))  # depthwise, two filters per channel
        add("convolution", (1, 11, 12, 2), (3, 3, 2, 3), (2, 3), padding, (2, 2))
        add("convolution", (1, 5, 4, 3), (1, 1, 3, 2), (2, 2), padding, (1, 1))
        add("convolution", (1, 5, 6, 4, 2), (3, 2, 2, 2, 3), (1, 2, 1), padding, (1, 1, 1))
        for output_padding in (None, 0, 1):
            add("transposed_convolution", (2, 5, 3), (4, 2, 3), (3,), padding, (1,), output_padding)
            add("transposed_convolution", (1, 4, 5, 2), (3, 2, 3, 2), (2, 2), padding, (1, 1), output_padding)
            add("transposed_convolution", (1, 4, 5, 2), (3, 3, 3, 2), (1, 1), padding, (2, 2), output_padding)
        add("transposed_convolution", (1, 3, 4, 2), (1, 2, 3, 2), (3, 4), padding, (1, 1))  # strides beyond the kernel
        add("transposed_convolution", (1, 3, 4, 2, 2), (2, 3, 2, 3, 2), (2, 1, 2), padding, (1, 1, 1))
        for family in ("max_pool", "average_pool"):
            add(family, (2, 9, 3), (3,), (2,), padding)
            add(family, (2, 7, 8, 3), (2, 3), (2, 2), padding)
            add(family, (1, 7, 8, 3), (3, 3), (1, 2), padding)
            add(family, (1, 5, 6, 4, 2), (2, 2, 3), (2, 1, 2), padding)
    for method in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"):
        for size in ((10, 14), (4, 5), (5, 7), (3, 11)):
            add("resize", (2, 5, 7, 3), size, method=method)
            add("resize", (2, 5, 7, 3), size, method=method, antialias=True)
    return cases


CASES = _cases()
