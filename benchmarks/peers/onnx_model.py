"""A frozen graph as an ONNX model: what ONNX Runtime, OpenVINO, MNN and ncnn read.

ONNX is channels-first. A tensor of rank 3 or more is kept so (n, c, *spatial) inside, and the model's input and output
too, so that no peer pays for a layout that its experts would not use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from simplecell import ops
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor

UNARY = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exp": "Exp", "erf": "Erf", "negative": "Neg",
    "absolute": "Abs",
    "sqrt": "Sqrt", "reciprocal": "Reciprocal", "softplus": "Softplus", "floor": "Floor",
}  # fmt: skip
BINARY = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "power": "Pow",
    "maximum": "Max",
    "minimum": "Min",
}


def channels_first(x: np.ndarray) -> np.ndarray:
    """(n, *spatial, c) → (n, c, *spatial), contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim > 2 else x


def onnx_model(graph: Graph) -> onnx.ModelProto:
    """Raises NotImplementedError for an op that the benchmarks' networks do not need."""
    return _Writer(graph).model()


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.names: dict[Tensor, str] = {}

    def model(self) -> onnx.ModelProto:
        inputs = []
        for i, t in enumerate(self.graph.inputs):
            self.names[t] = f"input{i}"
            inputs.append(helper.make_tensor_value_info(f"input{i}", TensorProto.FLOAT, _first(t.shape)))
        for node in self.graph.nodes:
            if isinstance(node.op, Placeholder):
                continue
            self.names[node.outputs[0]] = self._node(node)
        outputs = []
        for i, t in enumerate(self.graph.outputs):
            self.emit("Identity", [self.names[t]], name=f"output{i}")
            outputs.append(helper.make_tensor_value_info(f"output{i}", TensorProto.FLOAT, _first(t.shape)))
        graph = helper.make_graph(self.nodes, "graph", inputs, outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

    def emit(self, kind: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        name = name or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{kind}_{name}", **attributes))
        return name

    def weight(self, value: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _operand(self, t: Tensor, rank: int) -> str:
        """A tensor to broadcast against one of that rank: its channel axis comes second."""
        op = t.node.op
        if isinstance(op, Constant):
            value = op.value.astype(np.float32)
            if value.size == 1:
                return self.weight(value.reshape(()))
            value = value.reshape((1,) * (rank - value.ndim) + value.shape)
            return self.weight(channels_first(value))
        return self.names[t]

    def _node(self, node: Node) -> str:
        op = node.op
        if isinstance(op, Constant):
            return self.weight(op.value)
        handler = _HANDLERS.get(type(op))
        if handler is None:
            raise NotImplementedError(f"{op!r} has no ONNX form here")
        return handler(self, node)


def _first(shape: tuple[int, ...]) -> list[int]:
    return [shape[0], shape[-1], *shape[1:-1]] if len(shape) > 2 else list(shape)


def _pads(padding: Any) -> list[int]:
    return [lo for lo, _ in padding] + [hi for _, hi in padding]


def _axis(axis: int, rank: int) -> int:
    """Where an axis of the channels-last tensor is in the channels-first one."""
    axis %= rank
    return axis if rank <= 2 or axis == 0 else 1 if axis == rank - 1 else axis + 1


def _convolution(w: _Writer, node: Node) -> str:
    op: Any = node.op
    weights = node.inputs[1].node.op
    assert isinstance(weights, Constant)
    kernel = np.moveaxis(weights.value, (-1, -2), (0, 1))  # (*k, ic, oc) → (oc, ic, *k)
    return w.emit(
        "Conv",
        [w.names[node.inputs[0]], w.weight(kernel)],
        strides=list(op.strides),
        pads=_pads(op.padding),
        dilations=list(op.dilation),
        group=op.groups,
    )


def _binary(w: _Writer, node: Node) -> str:
    op: Any = node.op
    rank = len(node.outputs[0].shape)
    return w.emit(BINARY[op.function], [w._operand(t, rank) for t in node.inputs])


def _reduce(w: _Writer, node: Node) -> str:
    op: Any = node.op
    rank = len(node.inputs[0].shape)
    axes = sorted(_axis(a, rank) for a in op.axes)
    if not op.keepdims and any(rank - len(axes) > 2 for _ in (0,)):
        raise NotImplementedError("a reduction that leaves spatial axes")
    x = w.names[node.inputs[0]]
    if op.function == "sum":
        return w.emit("ReduceSum", [x, w.weight(np.array(axes, np.int64))], keepdims=int(op.keepdims))
    return w.emit({"max": "ReduceMax", "min": "ReduceMin"}[op.function], [x], axes=axes, keepdims=int(op.keepdims))


def _reshape(w: _Writer, node: Node) -> str:
    source, target = node.inputs[0].shape, node.outputs[0].shape
    x = w.names[node.inputs[0]]
    if len(source) > 2 and max(source[1:-1]) > 1:
        x = w.emit("Transpose", [x], perm=[0, *range(2, len(source)), 1])
    shape = target if len(target) <= 2 or max(target[1:-1]) > 1 else tuple(_first(target))
    x = w.emit("Reshape", [x, w.weight(np.array(shape, np.int64))])
    if len(target) > 2 and max(target[1:-1]) > 1:
        x = w.emit("Transpose", [x], perm=[0, len(target) - 1, *range(1, len(target) - 1)])
    return x


def _pool(w: _Writer, node: Node) -> str:
    op: Any = node.op
    shape = {"kernel_shape": list(op.size), "strides": list(op.strides), "pads": _pads(op.padding)}
    return w.emit("MaxPool" if isinstance(op, ops.MaxPool) else "AveragePool", [w.names[node.inputs[0]]], **shape)


def _pad(w: _Writer, node: Node) -> str:
    op: Any = node.op
    widths = _first(op.widths)  # type: ignore[arg-type]
    pads = [lo for lo, _ in widths] + [hi for _, hi in widths]  # type: ignore[attr-defined]
    return w.emit("Pad", [w.names[node.inputs[0]], w.weight(np.array(pads, np.int64)), w.weight(np.float32(op.value))])


def _concatenate(w: _Writer, node: Node) -> str:
    op: Any = node.op
    return w.emit("Concat", [w.names[t] for t in node.inputs], axis=_axis(op.axis, len(node.outputs[0].shape)))


def _matmul(w: _Writer, node: Node) -> str:
    op: Any = node.op
    if op.transpose_a or op.transpose_b or len(node.outputs[0].shape) > 2:
        raise NotImplementedError(repr(op))
    return w.emit("MatMul", [w.names[t] for t in node.inputs])


_HANDLERS: dict[type, Callable[[_Writer, Node], str]] = {
    ops.Convolution: _convolution,
    ops.Unary: lambda w, n: w.emit(UNARY[n.op.function], [w.names[n.inputs[0]]]),  # type: ignore[attr-defined]
    ops.Binary: _binary,
    ops.Reduce: _reduce,
    ops.Reshape: _reshape,
    ops.MaxPool: _pool,
    ops.AveragePool: _pool,
    ops.Pad: _pad,
    ops.Concatenate: _concatenate,
    ops.MatMul: _matmul,
    ops.Softmax: lambda w, n: w.emit("Softmax", [w.names[n.inputs[0]]], axis=_axis(n.op.axis, len(n.outputs[0].shape))),  # type: ignore[attr-defined]
}
