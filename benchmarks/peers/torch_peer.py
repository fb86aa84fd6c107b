"""PyTorch on oneDNN: channels_last, inference mode, a frozen TorchScript trace optimised for inference (prepacked
weights, fused ReLU)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor


def prepare(graph: Graph, x: np.ndarray, threads: int) -> Any:
    import torch

    torch.set_num_threads(threads)
    module = _module(graph)
    layout = {4: torch.channels_last, 5: torch.channels_last_3d}.get(x.ndim, torch.contiguous_format)
    given = torch.from_numpy(np.moveaxis(x, -1, 1).copy() if x.ndim > 2 else x).to(memory_format=layout)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = module.eval().to(memory_format=layout) if x.ndim in (4, 5) else module.eval()
        traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, given)))
        for _ in range(3):
            traced(given)
    keep: list[Any] = []

    def run() -> None:
        with torch.inference_mode():
            keep[:] = [traced(given)]

    def result() -> np.ndarray:
        y = keep[0].numpy()
        return np.moveaxis(y, 1, -1) if y.ndim > 2 else y

    run()
    return run, result


def _module(graph: Graph) -> Any:
    """The graph as a module; convolutions with their bias and weights as parameters."""
    import torch

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleDict()
            self.plan: list[tuple[Callable[..., Any], tuple[str, ...], str]] = []

        def forward(self, x: Any) -> Any:
            values = {"x": x}
            for function, inputs, output in self.plan:
                values[output] = function(*(values[i] for i in inputs))
            return values["y"]

    module = Module()
    names: dict[Tensor, str] = {graph.inputs[0]: "x"}
    bias = _biases(graph)
    for i, node in enumerate(graph.nodes):
        if isinstance(node.op, (Placeholder, Constant)) or node in bias.values():
            if node in bias.values():
                names[node.outputs[0]] = names[next(t for t in node.inputs if not isinstance(t.node.op, Constant))]
            continue
        function, inputs = _function(torch, module, f"m{i}", node, bias.get(node))
        names[node.outputs[0]] = f"v{i}"
        module.plan.append((function, tuple(names[t] for t in inputs), f"v{i}"))
    module.plan.append((lambda v: v, (names[graph.outputs[0]],), "y"))
    return module


def _biases(graph: Graph) -> dict[Node, Node]:
    """Convolution or matmul → the addition of a constant channel vector that alone uses it."""
    users: dict[Tensor, list[Node]] = {}
    for node in graph.nodes:
        for t in node.inputs:
            users.setdefault(t, []).append(node)
    found = {}
    for node in graph.nodes:
        following = users.get(node.outputs[0], []) if isinstance(node.op, (ops.Convolution, ops.MatMul)) else []
        if len(following) == 1 and isinstance(following[0].op, ops.Binary) and following[0].op.function == "add":
            other = next((t for t in following[0].inputs if t is not node.outputs[0]), None)
            if (
                other is not None
                and isinstance(other.node.op, Constant)
                and other.spec.size == node.outputs[0].shape[-1]
            ):
                found[node] = following[0]
    return found


def _function(
    torch: Any, module: Any, name: str, node: Node, bias: Node | None
) -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    op: Any = node.op
    rank = len(node.outputs[0].shape)
    nn, F = torch.nn, torch.nn.functional
    if isinstance(op, (ops.Convolution, ops.MatMul)):
        shift = None
        if bias is not None:
            shift = next(t.node.op.value for t in bias.inputs if isinstance(t.node.op, Constant)).reshape(-1)  # type: ignore[attr-defined]
        weights = node.inputs[1].node.op
        assert isinstance(weights, Constant)
        if isinstance(op, ops.MatMul):
            layer = nn.Linear(*weights.value.shape, bias=shift is not None)
            value = weights.value.T
        else:
            value = np.moveaxis(weights.value, (-1, -2), (0, 1))
            kind = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[rank]
            ic = value.shape[1] * op.groups
            even = all(lo == hi for lo, hi in op.padding)
            padding = tuple(lo for lo, _ in op.padding) if even else 0
            layer = kind(
                ic, value.shape[0], value.shape[2:], op.strides, padding, op.dilation, op.groups, bias=shift is not None
            )
            if not even:
                pads = [n for lo, hi in reversed(op.padding) for n in (lo, hi)]
                layer = nn.Sequential(nn.ConstantPad2d(pads, 0.0) if rank == 4 else nn.ConstantPad1d(pads, 0.0), layer)
        inner = layer[1] if isinstance(layer, nn.Sequential) else layer
        with torch.no_grad():
            inner.weight.copy_(torch.from_numpy(np.array(value, order="C")))
            if shift is not None:
                inner.bias.copy_(torch.from_numpy(np.array(shift)))
        module.parts[name] = layer
        return layer, (node.inputs[0],)
    if isinstance(op, ops.Unary):
        simple = {
            "relu": F.relu,
            "sigmoid": torch.sigmoid,
            "tanh": torch.tanh,
            "exp": torch.exp,
            "erf": torch.erf,
            "negative": torch.neg,
        }
        return simple[op.function], node.inputs
    if isinstance(op, ops.Binary):
        function = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
        "maximum": torch.maximum, "minimum": torch.minimum}[op.function]  # fmt: skip
        constants = [t.node.op.value if isinstance(t.node.op, Constant) else None for t in node.inputs]
        if constants[0] is None and constants[1] is None:
            return function, node.inputs
        which = 0 if constants[0] is not None else 1
        value = constants[which]
        if value.size == 1 and op.function in ("maximum", "minimum"):  # relu6 and its like
            number = float(value.reshape(()))
            source = node.inputs[1 - which].node
            if (
                op.function == "minimum"
                and number == 6.0
                and isinstance(source.op, ops.Unary)
                and source.op.function == "relu"
            ):
                return F.relu6, node.inputs[1 - which : 2 - which]  # of what relu has left: the same value
            if op.function == "maximum":
                return (lambda a: torch.clamp_min(a, number)), (node.inputs[1 - which],)
            return (lambda a: torch.clamp_max(a, number)), (node.inputs[1 - which],)
        if value.size == 1:
            number = float(value.reshape(()))
            return (lambda a: function(number, a) if which == 0 else function(a, number)), (node.inputs[1 - which],)
        shaped = value.reshape((1,) * (rank - value.ndim) + value.shape)
        fixed = torch.from_numpy(np.ascontiguousarray(np.moveaxis(shaped, -1, 1) if rank > 2 else shaped))
        return (lambda a: function(fixed, a) if which == 0 else function(a, fixed)), (node.inputs[1 - which],)
    if isinstance(op, (ops.MaxPool, ops.AveragePool)):
        pads = [n for lo, hi in reversed(op.padding) for n in (lo, hi)]
        low = [lo for lo, _ in op.padding]
        even = all(lo == hi for lo, hi in op.padding)
        if isinstance(op, ops.MaxPool):
            pool = {3: F.max_pool1d, 4: F.max_pool2d, 5: F.max_pool3d}[rank]
            if even:
                return (lambda a: pool(a, op.size, op.strides, low)), node.inputs
            return (lambda a: pool(F.pad(a, pads, value=-float("inf")), op.size, op.strides)), node.inputs
        pool = {3: F.avg_pool1d, 4: F.avg_pool2d, 5: F.avg_pool3d}[rank]
        if not even:
            raise NotImplementedError("uneven average pooling")
        return (lambda a: pool(a, op.size, op.strides, low, count_include_pad=False)), node.inputs
    if isinstance(op, ops.Reduce):
        source = len(node.inputs[0].shape)
        axes = [a if source <= 2 or a == 0 else 1 if a == source - 1 else a + 1 for a in (a % source for a in op.axes)]
        function = {"sum": torch.sum, "max": torch.amax}[op.function]
        return (lambda a: function(a, dim=axes, keepdim=op.keepdims)), node.inputs
    if isinstance(op, ops.Reshape):
        source = node.inputs[0].shape

        def reshape(a: Any) -> Any:
            a = a.movedim(1, -1) if len(source) > 2 else a
            a = a.reshape(node.outputs[0].shape)
            return a.movedim(-1, 1) if rank > 2 else a

        return reshape, node.inputs
    if isinstance(op, ops.Pad):
        widths = op.widths
        pads = [n for lo, hi in [widths[-1], *widths[1:-1]][::-1] for n in (lo, hi)]
        return (lambda a: F.pad(a, pads, value=op.value)), node.inputs
    if isinstance(op, ops.Concatenate):
        return (lambda *a: torch.cat(a, dim=1 if rank > 2 and op.axis % rank == rank - 1 else op.axis)), node.inputs
    if isinstance(op, ops.Softmax):
        return (lambda a: torch.softmax(a, dim=1 if op.axis % rank == rank - 1 else op.axis)), node.inputs
    raise NotImplementedError(repr(op))
