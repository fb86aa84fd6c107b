"""One call of each array function: arguments for which it is smooth, so that its gradient can be checked as well.

An `Arg` says how an array argument is drawn; everything else is passed as it is. In the column `smooth`, no gradient is
asked of a function that has none (indices, counts, comparisons) or that is documented to raise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Arg:
    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    # f: float, i: integer, b: bool, c: symmetric positive definite matrices, d: distinct floats, off round values
    kind: str = "f"

    def draw(self, rng: np.random.Generator, dtype: str) -> np.ndarray:
        if self.kind == "i":
            return rng.integers(int(self.low), int(self.high), self.shape).astype("int32")
        if self.kind == "b":
            return rng.random(self.shape) < 0.5
        if self.kind == "c":
            a = rng.normal(size=self.shape)
            return (a @ np.swapaxes(a, -1, -2) + 2 * np.eye(self.shape[-1])).astype(dtype)
        if self.kind == "d":
            n = int(np.prod(self.shape))
            return (
                ((rng.permutation(n) + 0.37) / n * (self.high - self.low) + self.low).reshape(self.shape).astype(dtype)
            )
        return rng.uniform(self.low, self.high, self.shape).astype(dtype)


def F(*shape: int) -> Arg:
    return Arg(shape)


def P(*shape: int) -> Arg:
    """Positive."""
    return Arg(shape, 0.5, 2.0)


def U(*shape: int) -> Arg:
    """Within (−1, 1)."""
    return Arg(shape, -0.9, 0.9)


def D(*shape: int) -> Arg:
    """All different."""
    return Arg(shape, kind="d")


def I(*shape: int, low: int = 0, high: int = 4) -> Arg:  # noqa: E743
    return Arg(shape, low, high, "i")


def B(*shape: int) -> Arg:
    return Arg(shape, kind="b")


def SPD(*shape: int) -> Arg:
    return Arg(shape, kind="c")


@dataclass(frozen=True)
class Case:
    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True

    def __str__(self) -> str:
        options = ",".join(f"{k}={v}" for k, v in self.kwargs.items() if not isinstance(v, (Arg, np.ndarray)))
        return f"{self.function}({options})" if options else self.function


def smooth(function: str, *args: Any, **kwargs: Any) -> Case:
    return Case(function, args, kwargs)


def flat(function: str, *args: Any, **kwargs: Any) -> Case:
    return Case(function, args, kwargs, smooth=False)


_UNARY = """absolute square cbrt exp exp2 expm1 sin cos tanh sinh cosh arctan arcsinh negative deg2rad rad2deg sinc
fabs copy real conj conjugate ravel array""".split()
_UNARY_POSITIVE = "sqrt reciprocal log log2 log10 log1p".split()
_UNARY_UNIT = "tan arcsin arccos arctanh".split()
_UNARY_FLAT = """sign floor ceil trunc isnan isinf isfinite isposinf isneginf logical_not signbit imag isreal angle i0
nonzero_count ones_like zeros_like""".split()
_BINARY = """add subtract multiply maximum minimum arctan2 fmax fmin hypot logaddexp logaddexp2""".split()
_BINARY_POSITIVE = "divide true_divide power divide_no_nan".split()
_BINARY_FLAT = """equal not_equal greater greater_equal less less_equal logical_and logical_or logical_xor isclose
heaviside nextafter floor_divide""".split()
_INTEGERS = "bitwise_and bitwise_or bitwise_xor gcd lcm mod floor_divide".split()

NUMPY = [
    *(smooth(f, F(3, 5)) for f in _UNARY),
    *(smooth(f, P(3, 5)) for f in _UNARY_POSITIVE),
    *(smooth(f, U(3, 5)) for f in _UNARY_UNIT),
    smooth("arccosh", Arg((3, 5), 1.5, 3)),
    *(flat(f, F(3, 5)) for f in _UNARY_FLAT if f != "nonzero_count"),
    *(smooth(f, F(3, 5), F(5)) for f in _BINARY),
    *(smooth(f, P(3, 5), P(3, 1)) for f in _BINARY_POSITIVE),
    *(flat(f, F(3, 5), F(5)) for f in _BINARY_FLAT),
    *(flat(f, I(3, 5, low=1, high=9), I(5, low=1, high=9)) for f in _INTEGERS),
    *(flat(f, I(3, 5, low=1, high=9), I(5, low=0, high=4)) for f in ("left_shift", "right_shift")),
    flat("bitwise_not", I(3, 5)),
    smooth("mod", P(3, 5), Arg((5,), 3, 4)),
    smooth("fmod", F(3, 5), Arg((5,), 3, 4)),
    smooth("ldexp", F(3, 5), I(5)),
    flat("round", F(3, 5)),
    flat("round", F(3, 5), decimals=1),
    smooth("nan_to_num", F(3, 5)),
    smooth("clip", F(3, 5), -1.0, 1.0),
    smooth("power", F(3, 5), 2),
    smooth("add", F(3, 5), 1),
    flat("allclose", F(3, 5), F(3, 5)),
    # reductions
    *(
        smooth(f, D(3, 4, 5), axis=a, keepdims=k)
        for f in ("sum", "mean", "var", "std", "max", "min", "ptp")
        for a, k in ((None, False), ((0, 2), True))
    ),
    smooth("amax", D(3, 4), axis=1),
    smooth("amin", D(3, 4), axis=0),
    smooth("max", D(3, 4), axis=1, initial=10.0),
    smooth("prod", P(3, 4), axis=1),
    smooth("average", F(3, 4), axis=1, weights=P(4)),
    smooth("cumsum", F(3, 4), axis=1),
    smooth("cumsum", F(3, 4)),
    smooth("cumprod", P(3, 4), axis=0),
    *(flat(f, B(3, 4), axis=1) for f in ("any", "all", "count_nonzero")),
    *(flat(f, D(3, 4), axis=a) for f in ("argmax", "argmin", "nanargmax", "nanargmin") for a in (None, 1)),
    *(smooth(f, D(3, 5), axis=1) for f in ("nansum", "nanmean", "nanstd", "nanvar", "nanmax", "nanmin", "nancumsum")),
    smooth("nanprod", P(3, 5), axis=1),
    smooth("nancumprod", P(3, 5), axis=1),
    # order
    smooth("sort", D(3, 5)),
    smooth("sort", D(3, 5), axis=0),
    flat("argsort", D(3, 5)),
    flat("argpartition", D(6), 2),
    *(smooth("quantile", D(3, 5), 0.3, axis=1, method=m) for m in ("linear", "lower", "higher", "midpoint", "nearest")),
    smooth("quantile", D(3, 5), np.array([0.1, 0.8]), keepdims=True),
    smooth("percentile", D(3, 5), 40, axis=0),
    smooth("median", D(3, 4), axis=1),
    smooth("nanmedian", D(3, 4), axis=1),
    smooth("nanquantile", D(3, 4), 0.3),
    smooth("nanpercentile", D(3, 4), 30, axis=1),
    flat("searchsorted", np.array([0.0, 0.5, 1.0]), F(4)),
    flat("digitize", F(4), np.array([0.0, 0.5, 1.0])),
    flat("digitize", F(4), np.array([1.0, 0.5, 0.0])),
    flat("searchsorted", np.linspace(-2, 2, 300), F(2, 3), side="right"),
    flat("isin", I(4), I(3)),
    flat("isin", I(2, 4), I(3), invert=True),
    flat("isin", I(4), I(300, high=9)),
    flat("searchsorted", np.linspace(-2, 2, 400), F(5)),
    flat("histogram", F(10), bins=4, range=(-2.0, 2.0)),
    flat("bincount", I(7), minlength=5),
    flat("bincount", I(3, 7), weights=F(3, 7), minlength=4),
    flat("unique", I(7), size=5),
    # shapes
    smooth("reshape", F(3, 4), (2, -1)),
    smooth("transpose", F(2, 3, 4), (1, 2, 0)),
    smooth("swapaxes", F(2, 3, 4), 0, 2),
    smooth("moveaxis", F(2, 3, 4), (0, 1), (2, 0)),
    smooth("expand_dims", F(3, 4), (0, 2)),
    smooth("squeeze", F(3, 1, 4)),
    smooth("broadcast_to", F(3, 1), (2, 3, 4)),
    smooth("concatenate", [F(2, 3), F(2, 4)], axis=1),
    smooth("append", F(2, 3), F(4)),
    smooth("stack", [F(2, 3), F(2, 3)], axis=1),
    *(smooth(f, [F(2, 3), F(2, 3)]) for f in ("hstack", "vstack", "dstack")),
    smooth("split", F(4, 6), 3, axis=1),
    smooth("array_split", F(7, 2), 3),
    smooth("hsplit", F(4, 6), (2, 3)),
    smooth("vsplit", F(4, 6), 2),
    smooth("dsplit", F(2, 2, 4), 2),
    smooth("tile", F(2, 3), (2, 1, 2)),
    smooth("repeat", F(2, 3), 2, axis=1),
    smooth("repeat", F(2, 3), np.array([1, 3]), axis=0),
    smooth("flip", F(2, 3)),
    smooth("fliplr", F(2, 3)),
    smooth("flipud", F(2, 3)),
    *(smooth("rot90", F(2, 3), k=k) for k in (1, 2, 3)),
    smooth("roll", F(2, 5), 2, axis=1),
    smooth("roll", F(2, 5), 7),
    *(smooth("pad", F(3, 4), ((1, 2), (0, 2)), mode=m) for m in ("constant", "reflect", "symmetric", "edge", "wrap")),
    smooth("pad", F(3, 4), 1, constant_values=2.0),
    # positions and conditions
    smooth("take", F(4, 5), I(2, 3), axis=1),
    smooth("take", F(4, 5), np.array([-1, 3])),
    smooth("take_along_axis", F(4, 5), I(4, 2), axis=1),
    smooth("take_along_axis", F(4, 5), I(1, 5, low=-4), axis=0),
    flat("unravel_index", I(5, high=12), (3, 4)),
    smooth("where", B(3, 4), F(3, 4), F(4)),
    smooth("select", [B(4), B(4)], [F(4), F(4)], 2.0),
    smooth("diag", F(4)),
    smooth("diag", F(4), k=-2),
    smooth("diag", F(4, 5), k=1),
    smooth("diagflat", F(2, 2)),
    smooth("diagonal", F(2, 4, 5), offset=1, axis1=1, axis2=2),
    smooth("trace", F(4, 5), offset=-1),
    smooth("tril", F(2, 4, 5), k=1),
    smooth("triu", F(2, 4, 5), k=-1),
    # products
    smooth("matmul", F(2, 3, 4), F(4, 5)),
    smooth("matmul", F(4), F(2, 4, 5)),
    smooth("matmul", F(3, 4), F(4)),
    smooth("matmul", F(4), F(4)),
    smooth("dot", F(2, 3, 4), F(5, 4, 2)),
    smooth("vdot", F(2, 3), F(3, 2)),
    smooth("inner", F(2, 3), F(4, 3)),
    smooth("outer", F(2, 3), F(4)),
    smooth("tensordot", F(2, 3, 4), F(4, 3, 5), axes=((1, 2), (1, 0))),
    smooth("kron", F(2, 3), F(3, 2)),
    smooth("cross", F(4, 3), F(3)),
    smooth("cross", F(4, 2), F(4, 3)),
    smooth("einsum", "bij,bjk->bik", F(2, 3, 4), F(2, 4, 5)),
    smooth("einsum", "...ij,jk,kl", F(2, 3, 4), F(4, 5), F(5, 2)),
    smooth("einsum", "ii->i", F(4, 4)),
    smooth("einsum", "ij,ij->", F(3, 4), F(3, 4)),
    smooth("einsum", "i,j->ji", F(3), F(4)),
    smooth("einsum", "ijk->ki", F(2, 3, 4)),
    smooth("diff", F(3, 6), n=2),
    smooth("trapezoid", F(3, 6), x=np.arange(6.0) ** 2),
    smooth("trapezoid", F(3, 6), dx=0.5, axis=0),
    smooth("corrcoef", F(3, 6)),
    *(smooth("correlate", F(7), F(3), mode=m) for m in ("valid", "same", "full")),
    smooth("correlate", F(4), F(7), mode="same"),
    smooth("slogdet", SPD(2, 3, 3)),
    # made
    smooth("linspace", F(3), F(3), num=5),
    smooth("linspace", F(), F(), num=5, endpoint=False, axis=0),
    smooth("logspace", U(2), U(2), num=4),
    smooth("geomspace", P(2), P(2), num=4),
    smooth("meshgrid", F(3), F(4)),
    smooth("meshgrid", F(3), F(4), indexing="ij"),
    smooth("vander", P(4), N=3),
    smooth("full_like", F(3, 4), F()),
]

NN = [
    *(
        smooth(f, D(4, 6))
        for f in """relu relu6 sigmoid sparse_sigmoid tanh tanh_shrink softplus softsign soft_shrink sparse_plus silu
        squareplus log_sigmoid leaky_relu hard_sigmoid hard_silu elu selu gelu celu glu hard_tanh
        hard_shrink softmax log_softmax""".split()
    ),
    smooth("sparsemax", F(4, 6)),
    smooth("gelu", F(4, 6), approximate=False),
    smooth("threshold", D(4, 6), 0.55, -1.0),
    smooth("softmax", F(2, 3, 4), axis=(0, 2)),
    smooth("softmax", F(2, 3), axis=None),
    *(
        smooth(f, D(2, 7, 6, 3), (2, 2), (2, 2), padding=p)
        for f in ("max_pool", "average_pool")
        for p in ("valid", "same")
    ),
    smooth("max_pool", D(2, 3, 7), 3, strides=2, data_format="channels_first"),
    smooth("average_pool", F(1, 4, 4, 4, 2), (2, 1, 2), (2, 1, 2)),
    *(smooth(f, D(2, 7, 6, 3), (3, 4)) for f in ("adaptive_max_pool", "adaptive_average_pool")),
    smooth("adaptive_average_pool", F(2, 6, 3), 3),
    smooth("conv", F(2, 7, 6, 4), F(3, 3, 2, 6), strides=2, padding="same"),
    smooth("conv", F(2, 9, 4), F(3, 4, 5), dilation_rate=2),
    smooth("conv", F(1, 3, 5, 5, 4), F(2, 3, 2, 3, 2), padding="same", data_format="channels_first"),
    smooth("conv", F(2, 9, 8, 3), F(2, 3, 3, 2), strides=(2, 1), dilation_rate=(1, 2)),
    smooth("depthwise_conv", F(2, 6, 6, 3), F(3, 3, 3, 2), padding="same"),
    smooth("separable_conv", F(2, 6, 6, 3), F(3, 3, 3, 2), F(1, 1, 6, 4)),
    smooth("conv_transpose", F(2, 4, 5, 3), F(3, 3, 2, 3), strides=2, padding="same"),
    smooth("conv_transpose", F(2, 5, 3), F(2, 4, 3), strides=3),
    smooth("conv_transpose", F(1, 4, 4, 2), F(3, 3, 3, 2), strides=2, padding="valid", output_padding=1),
    smooth("conv_transpose", F(1, 2, 5), F(3, 3, 2), dilation_rate=2, data_format="channels_first"),
    flat("one_hot", I(3, 2), 4),
    flat("one_hot", I(3, 2), 4, axis=0),
    flat("multi_hot", I(3, 2), 4),
    smooth("categorical_crossentropy", P(4, 3), P(4, 3)),
    smooth("categorical_crossentropy", P(4, 3), F(4, 3), from_logits=True),
    smooth("sparse_categorical_crossentropy", I(4, 2, high=3), P(4, 2, 3)),
    smooth("sparse_categorical_crossentropy", I(4, 1, high=3), F(4, 3), from_logits=True),
    smooth("sparse_categorical_crossentropy", I(4, 2, high=3), P(4, 3, 2), axis=1),
    smooth("binary_crossentropy", Arg((4, 3), 0.1, 0.9), Arg((4, 3), 0.1, 0.9)),
    smooth("binary_crossentropy", Arg((4, 3), 0.1, 0.9), F(4, 3), from_logits=True),
    smooth("moments", F(4, 3, 2), [0, 1]),
    smooth("batch_normalization", F(4, 3, 2), F(2), P(2), axis=-1, offset=F(2), scale=F(2)),
    smooth("batch_normalization", F(4, 3, 2), F(3), P(3), axis=1),
    smooth("ctc_loss", I(2, 3, low=1, high=4), F(2, 7, 5), np.array([3, 2]), np.array([7, 6])),
    flat("ctc_decode", F(2, 5, 4), np.array([5, 4])),
    flat("ctc_decode", F(2, 5, 4), np.array([5, 4]), strategy="beam_search", top_paths=2),
    smooth("psnr", F(3, 4), F(3, 4), 2.0),
    smooth("dot_product_attention", F(2, 5, 4, 3), F(2, 6, 2, 3), F(2, 6, 2, 3), is_causal=True),
    smooth(
        "dot_product_attention", F(2, 5, 2, 3), F(2, 6, 2, 3), F(2, 6, 2, 3), bias=F(2, 2, 5, 6), mask=B(2, 1, 5, 6)
    ),
    smooth("unfold", F(2, 3, 6, 5), (3, 2), padding=1, stride=2),
    smooth("fold", F(2, 12, 9), 4, 2),
    smooth("depth_to_space", F(2, 2, 3, 8), 2),
    smooth("depth_to_space", F(2, 8, 2, 3), 2, data_format="channels_first"),
    smooth("space_to_depth", F(2, 4, 6, 3), 2),
    smooth("space_to_depth", F(2, 3, 4, 6), 2, data_format="channels_first"),
]

MATH = [
    smooth("segment_sum", F(6, 2), I(6, low=-1, high=5), num_segments=4),
    *(smooth(f, D(6, 2), np.array([0, 1, 1, 2, 2, 0]), num_segments=3) for f in ("segment_max", "segment_min")),
    smooth("segment_prod", P(6, 2), np.array([0, 1, 1, 2, 2, 0]), num_segments=3),
    smooth("top_k", D(3, 6), 2),
    flat("in_top_k", I(3), D(3, 5), 2),
    smooth("logsumexp", F(3, 4), axis=1),
    smooth("logsumexp", F(3, 4), keepdims=True),
    smooth("cdist", F(2, 3, 4), F(2, 5, 4)),
    smooth("extract_sequences", F(2, 9), 4, 2),
    *(smooth(f, (F(2, 5), F(2, 5))) for f in ("fft", "fft2", "ifft2")),
    *(smooth("rfft", F(2, n), length) for n, length in ((6, None), (7, None), (5, 8), (9, 4))),
    *(smooth("irfft", (F(2, 4), F(2, 4)), length) for length in (None, 7, 5, 10)),
    smooth("stft", F(2, 16), 6, 3, 8),
    smooth("istft", (F(2, 5, 5), F(2, 5, 5)), 6, 3, 8),
    smooth("rsqrt", P(3, 4)),
    smooth("erf", F(3, 4)),
    smooth("erfc", F(3, 4)),
    smooth("erfinv", U(3, 4)),
    smooth("logdet", SPD(2, 3, 3)),
]

LINALG = [
    smooth("cholesky", SPD(2, 3, 3)),
    smooth("cholesky", SPD(3, 3), upper=True),
    smooth("cholesky_inverse", SPD(3, 3)),
    smooth("det", SPD(2, 3, 3)),
    smooth("inv", SPD(2, 3, 3)),
    smooth("solve", SPD(2, 3, 3), F(2, 3, 4)),
    smooth("solve", SPD(2, 3, 3), F(2, 3)),
    smooth("solve_triangular", SPD(3, 3), F(3, 2), lower=True),
    smooth("eigh", SPD(3, 3)),
    smooth("qr", F(4, 3)),
    flat("qr", F(4, 3), mode="complete"),
    flat("svd", F(4, 3)),
    smooth("svd", F(4, 3), compute_uv=False),
    flat("lu_factor", F(2, 4, 4)),
    smooth("lstsq", F(5, 3), F(5, 2)),
    smooth("lstsq", F(5, 3), F(5)),
    smooth("pinv", F(4, 3)),
    smooth("pinv", F(2, 3, 4)),
    flat("matrix_rank", F(4, 3)),
    *(smooth("norm", F(3, 4), ord=o, axis=(0, 1)) for o in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)),
    *(smooth("norm", P(3, 4), ord=o, axis=1, keepdims=True) for o in (None, 1, 2, 3, np.inf, -np.inf)),
    smooth("norm", F(2, 3, 4)),
]

IMAGE = [
    smooth("rgb_to_grayscale", P(2, 3, 4, 3)),
    smooth("rgb_to_hsv", Arg((2, 3, 4, 3), 0.0, 1.0, "d")),
    smooth("hsv_to_rgb", Arg((2, 3, 4, 3), 0.0, 1.0, "d")),
    *(smooth("resize", F(2, 5, 6, 2), (7, 3), interpolation=m) for m in ("nearest", "bilinear", "bicubic", "lanczos3")),
    smooth("resize", F(5, 6, 2), (3, 3), antialias=True),
    smooth("resize", F(2, 2, 5, 6), (4, 4), crop_to_aspect_ratio=True, data_format="channels_first"),
    smooth("resize", F(2, 5, 6, 2), (4, 4), pad_to_aspect_ratio=True, fill_value=1.0),
    smooth("resize", F(2, 4, 8, 2), (4, 4), pad_to_aspect_ratio=True, fill_value=1.0),
    *(
        smooth(
            "affine_transform",
            F(2, 5, 6, 2),
            np.array([[1.1, 0.2, -0.3, 0.1, 0.9, 0.45, 0, 0], [0.9, 0.1, 0.6, 0.2, 1.3, -0.8, 0, 0]]),
            fill_mode=m,
        )
        for m in ("constant", "nearest", "wrap", "mirror", "reflect")
    ),
    smooth("affine_transform", F(5, 6, 2), np.array([1.1, 0.2, -0.3, 0.1, 0.9, 0.45, 0, 0]), interpolation="nearest"),
    smooth(
        "perspective_transform",
        F(5, 6, 2),
        np.array([[0.0, 0.0], [0.3, 4.2], [5.1, 0.1], [5.0, 4.0]]),
        np.array([[0.2, 0.1], [0.0, 4.0], [5.0, 0.0], [4.8, 4.1]]),
    ),
    smooth("map_coordinates", F(4, 5), Arg((2, 7), -1.8, 4.7), 1, fill_mode="reflect"),
    smooth("map_coordinates", F(4, 5), Arg((2, 7), -1.8, 4.7), 1),
    smooth("gaussian_blur", F(2, 6, 5, 2), (3, 5), (1.0, 0.7), data_format="channels_last"),
    smooth("sobel_edges", F(2, 6, 5, 2), data_format="channels_last"),
    *(
        smooth("scale_and_translate", F(5, 6, 2), (4, 8, 2), np.array([0.8, 1.3]), np.array([0.1, -0.2]), (0, 1), m)
        for m in ("linear", "cubic", "lanczos3")
    ),
]

CASES = [
    Case(f"{module}.{c.function}", c.args, c.kwargs, c.smooth)
    for module, cases in (("numpy", NUMPY), ("nn", NN), ("math", MATH), ("linalg", LINALG), ("image", IMAGE))
    for c in cases
]


def numbered() -> list[tuple[str, Case]]:
    """Each case with a name that stays when other cases come and go."""
    seen: dict[str, int] = {}
    names = []
    for case in CASES:
        seen[str(case)] = seen.get(str(case), 0) + 1
        names.append((f"{case} #{seen[str(case)]}", case))
    return names
