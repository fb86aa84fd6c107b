"""Named real layers: where the time of real networks goes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Layer:
    """One convolution with bias and ReLU, batch 1, float32. `spatial` is the input's size; padding as Keras's `same`
    unless `valid`."""

    network: str
    spatial: tuple[int, ...]
    ic: int
    oc: int
    kernel: tuple[int, ...]
    stride: int = 1
    groups: int = 1
    padding: str = "same"
    dilation: int = 1

    @property
    def name(self) -> str:
        size, kernel = ("x".join(map(str, v)) for v in (self.spatial, self.kernel))
        return (
            f"{self.network} {size} {self.ic}→{self.oc} k{kernel}"
            + (f" s{self.stride}" if self.stride > 1 else "")
            + (f" d{self.dilation}" if self.dilation > 1 else "")
            + (" depthwise" if self.groups == self.ic > 1 else f" g{self.groups}" if self.groups > 1 else "")
        )

    @property
    def out_spatial(self) -> tuple[int, ...]:
        if self.padding == "same":
            return tuple(-(-n // self.stride) for n in self.spatial)
        return tuple((n - (k - 1) * self.dilation - 1) // self.stride + 1 for n, k in zip(self.spatial, self.kernel))

    @property
    def flops(self) -> int:
        """Multiplications and additions of the direct sum."""
        return 2 * prod(self.out_spatial) * self.oc * self.ic // self.groups * prod(self.kernel)

    @property
    def nbytes(self) -> int:
        """Each input, weight and output once."""
        return 4 * (
            prod(self.spatial) * self.ic
            + prod(self.kernel) * self.ic // self.groups * self.oc
            + prod(self.out_spatial) * self.oc
        )


def _square(network: str, size: int, ic: int, oc: int, k: int, **more: int) -> Layer:
    return Layer(network, (size, size), ic, oc, (k, k), **more)  # type: ignore[arg-type]


FAMILIES: dict[str, list[Layer]] = {
    "3x3": [
        _square("VGG-16", 224, 64, 64, 3),
        _square("VGG-16", 112, 64, 128, 3),
        _square("VGG-16", 112, 128, 128, 3),
        _square("VGG-16", 56, 128, 256, 3),
        _square("VGG-16", 56, 256, 256, 3),
        _square("VGG-16", 28, 256, 512, 3),
        _square("VGG-16", 28, 512, 512, 3),
        _square("VGG-16", 14, 512, 512, 3),
        _square("ResNet-50", 56, 64, 64, 3),
        _square("ResNet-50", 28, 128, 128, 3),
        _square("ResNet-50", 14, 256, 256, 3),
    ],
    "others": [
        _square("ResNet-50", 7, 512, 512, 3),
        _square("ResNet-50", 224, 3, 64, 7, stride=2),
        _square("VGG-16", 224, 3, 64, 3),
        _square("MobileNetV2", 224, 3, 32, 3, stride=2),
        _square("ResNet-50", 56, 64, 64, 1),
        _square("ResNet-50", 56, 64, 256, 1),
        _square("ResNet-50", 56, 256, 64, 1),
        _square("ResNet-50", 28, 512, 128, 1),
        _square("ResNet-50", 14, 1024, 256, 1),
        _square("ResNet-50", 14, 256, 1024, 1),
        _square("ResNet-50", 7, 2048, 512, 1),
        _square("ResNet-50", 56, 256, 512, 1, stride=2),
        _square("ResNet-50", 56, 128, 128, 3, stride=2),
        _square("ResNet-50", 14, 512, 512, 3, stride=2),
        _square("MobileNetV2", 56, 24, 144, 1),
        _square("MobileNetV2", 14, 384, 64, 1),
        _square("MobileNetV2", 7, 320, 1280, 1),
        _square("MobileNetV2", 112, 32, 32, 3, groups=32),
        _square("MobileNetV2", 112, 96, 96, 3, stride=2, groups=96),
        _square("MobileNetV2", 56, 144, 144, 3, groups=144),
        _square("MobileNetV2", 14, 576, 576, 3, groups=576),
        _square("MobileNetV2", 7, 960, 960, 3, groups=960),
        _square("EfficientNet-Lite0", 28, 240, 240, 5, groups=240),
        _square("EfficientNet-Lite0", 14, 672, 672, 5, groups=672),
        Layer("Inception-v3", (17, 17), 192, 192, (1, 7)),
        Layer("Inception-v3", (17, 17), 192, 192, (7, 1)),
        _square("Inception-v3", 35, 48, 64, 5),
        Layer("audio CREPE", (1024,), 1, 128, (512,), stride=4),
        Layer("audio", (4000,), 64, 64, (9,)),
        Layer("audio", (1000,), 128, 128, (3,)),
        Layer("medical 3-D", (32, 32, 32), 32, 32, (3, 3, 3)),
        Layer("medical 3-D", (64, 64, 64), 1, 16, (3, 3, 3)),
    ],
    "filters": [
        Layer("image filter", (1080, 1920), 1, 1, (3, 3)),
        Layer("image filter", (1080, 1920), 1, 8, (5, 5)),
        Layer("image filter", (1080, 1920), 1, 1, (31, 31)),
    ],
}


def small(layers: list[Layer]) -> list[Layer]:
    """Those under a GFLOP: a quick run."""
    return [layer for layer in layers if layer.flops < 1e9]
