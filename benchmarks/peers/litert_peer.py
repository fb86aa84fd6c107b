"""LiteRT (TensorFlow Lite) with its XNNPACK delegate, the frozen graph written as a flatbuffer: channels-last, as it
likes it.

Bias, ReLU and ReLU6 are fused into the convolutions as its converter would; padding that is not `SAME` is a PAD before,
which XNNPACK fuses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor
from simplecell.ops.geometry import same_padding


def prepare(graph: Graph, x: np.ndarray, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=_Writer(graph).model(), num_threads=threads)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    output = interpreter.get_output_details()[0]["index"]
    return interpreter.invoke, lambda: interpreter.get_tensor(output)


class _Writer:
    def __init__(self, graph: Graph) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.s, self.graph = schema, graph
        self.model_t = schema.ModelT()
        self.model_t.version = 3
        self.model_t.buffers = [schema.BufferT()]
        self.model_t.operatorCodes = []
        self.sub = schema.SubGraphT()
        self.sub.tensors, self.sub.operators = [], []
        self.codes: dict[int, int] = {}
        self.numbers: dict[Tensor, int] = {}
        self.users: dict[Tensor, list[Node]] = {}
        for node in graph.nodes:
            for t in node.inputs:
                self.users.setdefault(t, []).append(node)
        self.done: set[Node] = set()

    def model(self) -> bytes:
        import flatbuffers

        for t in self.graph.inputs:
            self.numbers[t] = self.tensor(t.shape)
        for node in self.graph.nodes:
            if node not in self.done and not isinstance(node.op, (Placeholder, Constant)):
                self.node(node)
        self.sub.inputs = [self.numbers[t] for t in self.graph.inputs]
        self.sub.outputs = [self.numbers[t] for t in self.graph.outputs]
        self.model_t.subgraphs = [self.sub]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model_t.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def tensor(self, shape: Any, value: np.ndarray | None = None) -> int:
        t = self.s.TensorT()
        t.shape, t.type, t.buffer, t.name = list(shape), 0, 0, f"t{len(self.sub.tensors)}"
        if value is not None:
            data = self.s.BufferT()
            data.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
            self.model_t.buffers.append(data)
            t.buffer, t.type = len(self.model_t.buffers) - 1, {"float32": 0, "int32": 2}[value.dtype.name]
        self.sub.tensors.append(t)
        return len(self.sub.tensors) - 1

    def weight(self, value: np.ndarray) -> int:
        return self.tensor(value.shape, value)

    def emit(self, name: str, inputs: list[int], output: int, options: Any = None) -> int:
        code = getattr(self.s.BuiltinOperator, name)
        if code not in self.codes:
            entry = self.s.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
            self.codes[code] = len(self.model_t.operatorCodes)
            self.model_t.operatorCodes.append(entry)
        operator = self.s.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = self.codes[code], inputs, [output]
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(self.s.BuiltinOptions, type(options).__name__[:-1])
        self.sub.operators.append(operator)
        return output

    def of(self, t: Tensor) -> int:
        if t not in self.numbers:
            op = t.node.op
            assert isinstance(op, Constant)
            self.numbers[t] = self.weight(op.value.astype(np.float32))
        return self.numbers[t]

    def follow(self, node: Node, oc: int) -> tuple[np.ndarray, int, Node]:
        """The bias and activation that follow a convolution or product alone: (bias, activation code, last node)."""
        bias, activation = np.zeros(oc, np.float32), 0
        last = node
        following = self.users.get(last.outputs[0], [])
        if len(following) == 1 and isinstance(following[0].op, ops.Binary) and following[0].op.function == "add":
            other = next((t for t in following[0].inputs if t is not last.outputs[0]), None)
            if other is not None and isinstance(other.node.op, Constant) and other.spec.size == oc:
                bias, last = other.node.op.value.reshape(-1).astype(np.float32), following[0]
                following = self.users.get(last.outputs[0], [])
        if len(following) == 1 and isinstance(following[0].op, ops.Unary) and following[0].op.function == "relu":
            activation, last = 1, following[0]
            following = self.users.get(last.outputs[0], [])
            if (
                len(following) == 1
                and isinstance(following[0].op, ops.Binary)
                and following[0].op.function == "minimum"
            ):
                six = [t for t in following[0].inputs if isinstance(t.node.op, Constant)]
                if six and six[0].spec.size == 1 and float(six[0].node.op.value.reshape(())) == 6.0:  # type: ignore[attr-defined]
                    activation, last = 3, following[0]
        n = node
        while n is not last:
            self.done.add(n)
            n = self.users[n.outputs[0]][0]
        self.done.add(last)
        return bias, activation, last

    def node(self, node: Node) -> None:
        op: Any = node.op
        shape = node.outputs[0].shape
        self.done.add(node)
        if isinstance(op, ops.Convolution):
            self.convolution(node)
            return
        if isinstance(op, ops.MatMul):
            value = node.inputs[1].node.op.value  # type: ignore[attr-defined]
            bias, activation, last = self.follow(node, shape[-1])
            options = self.s.FullyConnectedOptionsT()
            options.fusedActivationFunction = activation
            output = self.tensor(shape)
            self.numbers[last.outputs[0]] = self.emit(
                "FULLY_CONNECTED",
                [self.of(node.inputs[0]), self.weight(np.ascontiguousarray(value.T)), self.weight(bias)],
                output,
                options,
            )
            return
        output = self.tensor(shape)
        if isinstance(op, ops.Unary):
            self.emit(
                {"relu": "RELU", "sigmoid": "LOGISTIC", "tanh": "TANH", "exp": "EXP", "negative": "NEG"}[op.function],
                [self.of(node.inputs[0])],
                output,
            )
        elif isinstance(op, ops.Binary):
            names = {
                "add": "ADD",
                "subtract": "SUB",
                "multiply": "MUL",
                "divide": "DIV",
                "maximum": "MAXIMUM",
                "minimum": "MINIMUM",
            }
            options = {
                "add": self.s.AddOptionsT,
                "subtract": self.s.SubOptionsT,
                "multiply": self.s.MulOptionsT,
                "divide": self.s.DivOptionsT,
            }
            self.emit(
                names[op.function],
                [self.of(t) for t in node.inputs],
                output,
                options.get(op.function, self.s.MaximumMinimumOptionsT)(),
            )
        elif isinstance(op, (ops.MaxPool, ops.AveragePool)):
            options = self.s.Pool2DOptionsT()
            options.strideH, options.strideW = op.strides
            options.filterHeight, options.filterWidth = op.size
            source = self.of(node.inputs[0])
            options.padding = 1
            spatial = node.inputs[0].shape[1:-1]
            if op.padding == tuple(same_padding(n, k, s) for n, k, s in zip(spatial, op.size, op.strides)):
                options.padding = 0
            elif any(p != (0, 0) for p in op.padding):
                raise NotImplementedError("pooling with explicit padding")
            self.emit("MAX_POOL_2D" if isinstance(op, ops.MaxPool) else "AVERAGE_POOL_2D", [source], output, options)
        elif isinstance(op, ops.Reduce):
            options = self.s.ReducerOptionsT()
            options.keepDims = op.keepdims
            self.emit(
                {"sum": "SUM", "max": "REDUCE_MAX"}[op.function],
                [self.of(node.inputs[0]), self.weight(np.array(op.axes, np.int32))],
                output,
                options,
            )
        elif isinstance(op, ops.Reshape):
            self.emit(
                "RESHAPE",
                [self.of(node.inputs[0]), self.weight(np.array(shape, np.int32))],
                output,
                self.s.ReshapeOptionsT(),
            )
        elif isinstance(op, ops.Softmax):
            options = self.s.SoftmaxOptionsT()
            options.beta = 1.0
            self.emit("SOFTMAX", [self.of(node.inputs[0])], output, options)
        elif isinstance(op, ops.Concatenate):
            options = self.s.ConcatenationOptionsT()
            options.axis = op.axis
            self.emit("CONCATENATION", [self.of(t) for t in node.inputs], output, options)
        elif isinstance(op, ops.Pad):
            self.emit(
                "PAD",
                [self.of(node.inputs[0]), self.weight(np.array(op.widths, np.int32))],
                output,
                self.s.PadOptionsT(),
            )
        else:
            raise NotImplementedError(repr(op))
        self.numbers[node.outputs[0]] = output

    def convolution(self, node: Node) -> None:
        op: Any = node.op
        value = node.inputs[1].node.op.value  # type: ignore[attr-defined]
        shape = node.outputs[0].shape
        if value.ndim != 4:
            raise NotImplementedError("LiteRT's fast kernels are two-dimensional")
        ic = node.inputs[0].shape[-1]
        bias, activation, last = self.follow(node, shape[-1])
        source = self.of(node.inputs[0])
        spatial = node.inputs[0].shape[1:-1]
        same = op.padding == tuple(
            same_padding(n, k, s, d) for n, k, s, d in zip(spatial, value.shape, op.strides, op.dilation)
        )
        if not same and any(p != (0, 0) for p in op.padding):
            widths = np.array([(0, 0), *op.padding, (0, 0)], np.int32)
            padded = self.tensor([n + lo + hi for n, (lo, hi) in zip(node.inputs[0].shape, widths.tolist())])
            source = self.emit("PAD", [source, self.weight(widths)], padded, self.s.PadOptionsT())
        depthwise = op.groups == ic > 1
        options = self.s.DepthwiseConv2DOptionsT() if depthwise else self.s.Conv2DOptionsT()
        options.padding = 0 if same else 1
        options.strideH, options.strideW = op.strides
        options.dilationHFactor, options.dilationWFactor = op.dilation
        options.fusedActivationFunction = activation
        if depthwise:
            options.depthMultiplier = shape[-1] // ic
            kernel = value.reshape(1, *value.shape[:2], shape[-1])
        else:
            kernel = np.moveaxis(value, -1, 0)
        name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        output = self.emit(
            name, [source, self.weight(np.ascontiguousarray(kernel)), self.weight(bias)], self.tensor(shape), options
        )
        self.numbers[last.outputs[0]] = output
