"""Layers in random configurations: what is compared with Keras on JAX.

A configuration is plain data, so that two processes with different backends build the same layer from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Input:
    shape: tuple[int, ...]
    high: int = 0  # > 0: integers below it

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        if self.high:
            return rng.integers(0, self.high, self.shape).astype("int32")
        return rng.normal(size=self.shape)


@dataclass(frozen=True)
class Configuration:
    """`layer` is a class name in keras.layers with its arguments; an argument that is a (name, arguments) pair is a
    layer itself."""

    layer: str
    arguments: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    training: bool | None = None
    as_list: bool = False
    """the inputs come as one list (merging layers), not as positional arguments"""

    def __str__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.arguments.items())
        shapes = ", ".join(str(i.shape).replace(" ", "") for i in self.inputs)
        return f"{self.layer}({arguments})[{shapes}]" + ("" if self.training is None else f" training={self.training}")


class Draw:
    """Random choices."""

    def __init__(self, seed: Any) -> None:
        self.rng = np.random.default_rng(seed)

    def int(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def ints(self, count: int, low: int, high: int) -> tuple[int, ...]:
        return tuple(self.int(low, high) for _ in range(count))

    def of(self, *options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def maybe(self, share: float = 0.5) -> bool:
        return bool(self.rng.random() < share)

    def channels(self) -> int:
        """Around the vector widths as well."""
        return self.of(1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 19)


def _placed(spatial: tuple[int, ...], channels: int, data_format: str, batch: int) -> tuple[int, ...]:
    return (batch, *spatial, channels) if data_format == "channels_last" else (batch, channels, *spatial)


def _format(d: Draw) -> str:
    return d.of("channels_last", "channels_last", "channels_first")


def _size(rank: int, d: Draw, least: int = 1) -> tuple[int, ...]:
    return d.ints(rank, least, max(least, {1: 23, 2: 11, 3: 6}[rank]))


_ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "gelu", "silu", "elu", "softplus")


def convolution(d: Draw) -> Configuration:
    rank = d.of(1, 2, 2, 3)
    data_format = _format(d)
    kernel = d.ints(rank, 1, {1: 7, 2: 5, 3: 3}[rank])
    strides, dilation = (1,) * rank, (1,) * rank
    if d.maybe():
        strides = d.ints(rank, 1, 3)
    elif d.maybe():
        dilation = d.ints(rank, 1, 3)
    padding = d.of("valid", "same", *(["causal"] if rank == 1 and data_format == "channels_last" else []))
    groups = d.of(1, 1, 1, 2, 3)
    in_channels, filters = d.channels(), d.channels()
    if groups > 1:
        in_channels, filters = groups * d.int(1, 6), groups * d.int(1, 6)
    reach = [(k - 1) * e + 1 for k, e in zip(kernel, dilation)]
    spatial = tuple(d.int(r if padding == "valid" else 1, r + 9) for r in reach)
    return Configuration(
        f"Conv{rank}D",
        dict(
            filters=filters, kernel_size=kernel, strides=strides, dilation_rate=dilation, padding=padding,
            groups=groups,
            data_format=data_format, use_bias=d.maybe(0.7), activation=d.of(*_ACTIVATIONS),
        ),
        (Input(_placed(spatial, in_channels, data_format, d.int(1, 3))),),
    )  # fmt: skip


def transposed_convolution(d: Draw) -> Configuration:
    rank = d.of(1, 2, 2, 3)
    data_format = _format(d)
    kernel = d.ints(rank, 1, {1: 6, 2: 4, 3: 3}[rank])
    strides = d.ints(rank, 1, 3) if d.maybe(0.7) else (1,) * rank
    arguments: dict[str, Any] = {}
    if d.maybe(0.3) and min(strides) > 1:
        arguments["output_padding"] = tuple(d.int(0, s - 1) for s in strides)
    elif d.maybe(0.2) and max(strides) == 1:
        arguments["dilation_rate"] = d.ints(rank, 1, 2)
    return Configuration(
        f"Conv{rank}DTranspose",
        dict(
            filters=d.channels(), kernel_size=kernel, strides=strides, padding=d.of("valid", "same"),
            data_format=data_format,
            use_bias=d.maybe(), activation=d.of("linear", "relu"), **arguments,
        ),
        (Input(_placed(_size(rank, d, 2), d.channels(), data_format, d.int(1, 2))),),
    )  # fmt: skip


def depthwise_convolution(d: Draw) -> Configuration:
    rank = d.of(1, 2)
    data_format = _format(d)
    kernel = d.ints(rank, 1, 5)
    stride, dilation = 1, 1
    if d.maybe():
        stride = d.int(1, 3)
    elif d.maybe():
        dilation = d.int(1, 2)
    padding = d.of("valid", "same")
    spatial = tuple(d.int((k - 1) * dilation + 1 if padding == "valid" else 1, (k - 1) * dilation + 9) for k in kernel)
    separable = d.maybe()
    arguments: dict[str, Any] = dict(
        kernel_size=kernel, strides=(stride,) * rank, dilation_rate=(dilation,) * rank, padding=padding,
        depth_multiplier=d.of(1, 1, 2, 3),
        data_format=data_format, use_bias=d.maybe(), activation=d.of(*_ACTIVATIONS),
    )  # fmt: skip
    if separable:
        arguments["filters"] = d.channels()
    return Configuration(
        f"{'Separable' if separable else 'Depthwise'}Conv{rank}D",
        arguments,
        (Input(_placed(spatial, d.channels(), data_format, d.int(1, 3))),),
    )


def pooling(d: Draw) -> Configuration:
    rank = d.of(1, 2, 2, 3)
    data_format = _format(d)
    kind = d.of("Max", "Average")
    if d.maybe(0.25):
        return Configuration(
            f"Global{kind}Pooling{rank}D",
            dict(data_format=data_format, keepdims=d.maybe()),
            (Input(_placed(_size(rank, d), d.channels(), data_format, d.int(1, 3))),),
        )
    if d.maybe(0.2):
        spatial = _size(rank, d, 3)
        return Configuration(
            f"Adaptive{kind}Pooling{rank}D",
            dict(
                output_size=tuple(d.int(1, n) for n in spatial) if rank > 1 else d.int(1, spatial[0]),
                data_format=data_format,
            ),
            (Input(_placed(spatial, d.channels(), data_format, d.int(1, 3))),),
        )
    size = d.ints(rank, 1, 4)
    padding = d.of("valid", "same")
    spatial = tuple(d.int(k if padding == "valid" else 1, k + 7) for k in size)
    return Configuration(
        f"{kind}Pooling{rank}D",
        dict(pool_size=size, strides=d.of(None, d.ints(rank, 1, 3)), padding=padding, data_format=data_format),
        (Input(_placed(spatial, d.channels(), data_format, d.int(1, 3))),),
    )


def normalization(d: Draw) -> Configuration:
    rank = d.of(0, 1, 2, 2, 3)
    shape = (d.int(2, 5), *d.ints(rank, 2, 6), d.channels())
    kind = d.of(
        "BatchNormalization",
        "BatchNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "UnitNormalization",
        "RMSNormalization",
    )
    axis = d.of(-1, -1, 1)
    if kind == "BatchNormalization":
        return Configuration(
            kind,
            dict(
                axis=axis, momentum=d.of(0.99, 0.5), epsilon=d.of(1e-3, 1e-5), center=d.maybe(0.8), scale=d.maybe(0.8)
            ),
            (Input(shape),),
            training=d.maybe(0.6),
        )
    if kind == "LayerNormalization":
        axes = d.of(axis, axis, list(range(1, rank + 2)))
        return Configuration(kind, dict(axis=axes, center=d.maybe(0.8), scale=d.maybe(0.8)), (Input(shape),))
    if kind == "GroupNormalization":
        groups = d.of(1, 2, 3, -1)
        channels = shape[-1] if groups == -1 else groups * d.int(1, 5)
        shape = (*shape[:-1], channels) if axis == -1 or rank == 0 else (shape[0], channels, *shape[2:])
        return Configuration(
            kind,
            dict(groups=groups, axis=-1 if rank == 0 else axis, center=d.maybe(0.8), scale=d.maybe(0.8)),
            (Input(shape),),
        )
    return Configuration(kind, dict(axis=axis), (Input(shape),))


def dense(d: Draw) -> Configuration:
    if d.maybe(0.5):
        shape = (d.int(1, 9), *d.ints(d.int(0, 2), 1, 5), d.channels())
        return Configuration(
            "Dense",
            dict(units=d.channels(), use_bias=d.maybe(0.7), activation=d.of(*_ACTIVATIONS, "softmax")),
            (Input(shape),),
        )
    a, b, c, e = d.int(1, 5), d.int(2, 7), d.channels(), d.channels()
    equation, output, bias, shape = d.of(
        ("abc,cd->abd", (b, e), "d", (a, b, c)),
        ("abc,cde->abde", (b, 2, e), "de", (a, b, c)),
        ("abcd,cde->abe", (b, e), "e", (a, b, 3, c)),
        ("...x,xy->...y", e, "y", (a, b, c)),
        ("abc,bcd->ad", (e,), None, (a, b, c)),
    )
    return Configuration("EinsumDense", dict(equation=equation, output_shape=output, bias_axes=bias), (Input(shape),))


def merging(d: Draw) -> Configuration:
    shape = (d.int(1, 4), *d.ints(d.int(0, 3), 1, 5), d.channels())
    kind = d.of("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot")
    if kind == "Concatenate":
        axis = d.int(1, len(shape) - 1)
        shapes = [tuple(d.int(1, 9) if i == axis else n for i, n in enumerate(shape)) for _ in range(d.int(2, 4))]
        return Configuration(kind, dict(axis=d.of(axis, axis - len(shape))), tuple(map(Input, shapes)), as_list=True)
    if kind == "Dot":
        batch, m, n, k = d.int(1, 4), d.int(1, 5), d.int(1, 5), d.int(1, 9)
        axes, shapes = d.of(
            (1, [(batch, k), (batch, k)]), ((2, 1), [(batch, m, k), (batch, k, n)]), (2, [(batch, m, k), (batch, n, k)])
        )
        return Configuration(kind, dict(axes=axes, normalize=d.maybe(0.3)), tuple(map(Input, shapes)), as_list=True)
    shapes = [shape] * (2 if kind == "Subtract" else d.int(2, 3))
    if d.maybe(0.3) and len(shape) > 2:
        shapes[-1] = (shape[0], *(1 if d.maybe() else n for n in shape[1:]))
    return Configuration(kind, {}, tuple(map(Input, shapes)), as_list=True)


def activation(d: Draw) -> Configuration:
    shape = (d.int(1, 4), *d.ints(d.int(0, 2), 1, 7), d.channels())
    name = d.of(
        "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_tanh", "leaky_relu",
        "linear", "log_softmax",
        "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign",
        "sparse_plus",
        "sparse_sigmoid", "squareplus", "swish", "tanh", "tanh_shrink", "threshold",
        "LeakyReLU", "PReLU", "ELU", "ReLU", "Softmax",
    )  # fmt: skip
    if name == "glu":
        shape = (*shape[:-1], 2 * shape[-1])
    if name == "threshold":
        return Configuration("ReLU", dict(threshold=0.3, max_value=d.of(None, 1.5)), (Input(shape),))
    match name:
        case "LeakyReLU":
            return Configuration(name, dict(negative_slope=0.2), (Input(shape),))
        case "PReLU":
            return Configuration(name, dict(shared_axes=d.of(None, [1])), (Input((*shape, 3)),))
        case "ELU":
            return Configuration(name, dict(alpha=d.of(1.0, 0.7)), (Input(shape),))
        case "ReLU":
            return Configuration(name, dict(max_value=d.of(None, 1.0), negative_slope=d.of(0.0, 0.1)), (Input(shape),))
        case "Softmax":
            return Configuration(name, dict(axis=d.of(-1, 1, [1, 2])), (Input((*shape, 4)),))
    return Configuration("Activation", dict(activation=name), (Input(shape),))


def reshaping(d: Draw) -> Configuration:
    rank = d.of(1, 2, 2, 3)
    data_format = _format(d)
    kind = d.of("UpSampling", "Cropping", "ZeroPadding", "Resizing", "Reshape", "Permute", "RepeatVector", "Flatten")
    spatial, channels, batch = _size(rank, d, 3), d.channels(), d.int(1, 3)
    last = data_format == "channels_last"
    formatted = {} if rank == 1 and kind == "UpSampling" else {"data_format": data_format}
    shape = _placed(spatial, channels, data_format if formatted else "channels_last", batch)
    match kind:
        case "UpSampling":
            size: Any = d.int(1, 3) if rank == 1 else d.ints(rank, 1, 3)
            more = {"interpolation": d.of("nearest", "bilinear", "bicubic", "lanczos3")} if rank == 2 else {}
            return Configuration(f"UpSampling{rank}D", dict(size=size, **formatted, **more), (Input(shape),))
        case "Cropping":
            cropping = tuple(d.ints(2, 0, 1) for _ in range(rank))
            return Configuration(
                f"Cropping{rank}D",
                dict(cropping=cropping[0] if rank == 1 else cropping, data_format=data_format)
                if rank > 1
                else dict(cropping=cropping[0]),
                (Input(shape if rank > 1 else _placed(spatial, channels, "channels_last", batch)),),
            )
        case "ZeroPadding":
            padding = tuple(d.ints(2, 0, 3) for _ in range(rank))
            return Configuration(
                f"ZeroPadding{rank}D",
                dict(padding=padding[0] if rank == 1 else padding, data_format=data_format),
                (Input(shape),),
            )
        case "Resizing":
            height, width = _size(2, d, 2)
            arguments = dict(
                height=d.int(1, 13),
                width=d.int(1, 13),
                interpolation=d.of("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"),
            )
            arguments["crop_to_aspect_ratio"] = d.maybe(0.2)
            return Configuration(
                kind,
                dict(**arguments, data_format=data_format),
                (Input(_placed((height, width), channels, data_format, batch)),),
            )
        case "Reshape":
            return Configuration(kind, dict(target_shape=(-1, shape[-1])), (Input(shape),))
        case "Permute":
            return Configuration(
                kind, dict(dims=tuple(int(i) + 1 for i in d.rng.permutation(len(shape) - 1))), (Input(shape),)
            )
        case "RepeatVector":
            return Configuration(kind, dict(n=d.int(1, 5)), (Input((batch, channels)),))
    return Configuration("Flatten", dict(data_format="channels_last" if last else "channels_first"),
    (Input(shape),))  # fmt: skip


def attention(d: Draw) -> Configuration:
    batch, queries, keys, width = d.int(1, 3), d.int(1, 7), d.int(1, 7), d.int(2, 17)
    kind = d.of("MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention", "Embedding")
    query, value = Input((batch, queries, width)), Input((batch, keys, width))
    match kind:
        case "MultiHeadAttention":
            return Configuration(
                kind,
                dict(num_heads=d.int(1, 3), key_dim=d.int(1, 9), output_shape=d.of(None, 6), use_bias=d.maybe()),
                (query, value),
            )
        case "GroupQueryAttention":
            heads = d.int(1, 2)
            return Configuration(
                kind, dict(head_dim=d.int(1, 9), num_query_heads=2 * heads, num_key_value_heads=heads), (query, value)
            )
        case "Attention":
            return Configuration(
                kind, dict(use_scale=d.maybe(), score_mode=d.of("dot", "concat")), (query, value, value), as_list=True
            )
        case "AdditiveAttention":
            return Configuration(kind, dict(use_scale=d.maybe()), (query, value), as_list=True)
    return Configuration(
        kind, dict(input_dim=11, output_dim=d.channels()), (Input((batch, *d.ints(d.int(0, 2), 1, 7)), high=11),)
    )


def recurrent(d: Draw) -> Configuration:
    batch, steps, features, units = d.int(1, 4), d.int(1, 7), d.channels(), d.channels()
    kind = d.of(
        "SimpleRNN", "LSTM", "GRU", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "TimeDistributed", "RNN"
    )
    common: dict[str, Any] = dict(return_sequences=d.maybe(), go_backwards=d.maybe(0.3))
    match kind:
        case "Bidirectional":
            inner = d.of("SimpleRNN", "LSTM", "GRU")
            merge = d.of("concat", "sum", "mul", "ave")
            return Configuration(
                kind,
                dict(layer=(inner, dict(units=units, return_sequences=d.maybe())), merge_mode=merge),
                (Input((batch, steps, features)),),
            )
        case "ConvLSTM1D" | "ConvLSTM2D" | "ConvLSTM3D":
            rank = int(kind[-2])
            data_format, padding = _format(d), d.of("valid", "same")
            kernel = d.ints(rank, 1, 3)
            spatial = d.ints(rank, 3, {1: 9, 2: 6, 3: 4}[rank])
            shape = _placed(spatial, d.int(1, 5), data_format, batch)
            arguments = dict(
                filters=d.int(1, 5), kernel_size=kernel, padding=padding, data_format=data_format, **common
            )
            return Configuration(kind, arguments, (Input((shape[0], min(steps, 3), *shape[1:])),))
        case "TimeDistributed":
            inner, arguments, shape = d.of(
                ("Dense", dict(units=units), (features,)),
                ("Conv1D", dict(filters=units, kernel_size=3, padding="same"), (5, features)),
            )
            return Configuration(kind, dict(layer=(inner, arguments)), (Input((batch, steps, *shape)),))
        case "RNN":
            cells = [("LSTMCell", dict(units=5)), ("GRUCell", dict(units=units))]
            return Configuration(kind, dict(cell=d.of(cells, cells[0]), **common), (Input((batch, steps, features)),))
    arguments = dict(units=units, use_bias=d.maybe(0.8), unroll=d.maybe(0.2), **common)
    if kind == "GRU":
        arguments["reset_after"] = d.maybe()
    return Configuration(kind, arguments, (Input((batch, steps, features)),))


FAMILIES: dict[str, Callable[[Draw], Configuration]] = {
    f.__name__: f
    for f in (
        convolution, transposed_convolution, depthwise_convolution, pooling, normalization, dense, merging,
        activation, reshaping, attention,
        recurrent,
    )
}  # fmt: skip


def configurations(family: str, count: int, seed: int = 0) -> list[Configuration]:
    """The first `count` configurations of a family, the same for the same seed."""
    number = list(FAMILIES).index(family)
    return [FAMILIES[family](Draw((seed, number, i))) for i in range(count)]
