"""`simplecell.trace`: a Keras model as a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras.src import backend, tree

from simplecell.calling import (
    ModelInputs,
    check_batch_size,
    check_shape,
    fixed_batch_size,
    holds_arrays,
    input_names,
    inputs_of,
    is_shape,
    model_inputs,
    numbered,
)
from simplecell.graph.listing import BATCH
from simplecell.graph.network import Network
from simplecell.keras_backend.tracing import trace_function
from simplecell.keras_backend.untraceable import layers_that_may_be_called_out


def trace(model: Any, x: Any = None, batch_size: int | None = None, training: bool = False) -> Network:
    """A Keras model as a network: its graph, its parameters by name, and each layer's place in it. Needs no LLVM.

    Args:
        model: a Keras model (Sequential, functional or subclassed).
        x: where the model is not built, or leaves sizes open: arrays like those that it will be called with, or their
            shapes with the batch axis (which may be None), in the structure that the model takes.
        batch_size: of the network; None: it runs for any, and prints `n` for it. Where the model's inputs fix the batch
            size (`keras.Input(batch_shape=…)`, as stateful layers want), None is that one.
        training: trace what the model does while it trains: dropout drops, batch normalization uses the batch's own
            means. What it then assigns (moving averages, states of random generators) is in `network.updates`.

    Returns:
        A Network: `print(network)`, `network(x)`, `network.outputs_of(layer)`, `network.with_outputs(layer)`,
        `simplecell.compile(network)`.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: for sizes that are not known, an `x` that does not fit, or a wrong batch size.

    Example:
        >>> network = simplecell.trace(model)
        >>> print(network)
        >>> network.with_outputs("conv1")(x)      # its feature maps
    """
    if not isinstance(model, backend_layer()):
        raise TypeError(f"model: must be a Keras model, got {type(model).__name__}.")
    if batch_size is not None:
        check_batch_size(batch_size)
    else:
        batch_size = fixed_batch_size(model)
    inputs = (
        model_inputs(model, ", or pass `x`: an array like its input, or the shape")
        if x is None
        else _inputs_given(model, x)
    )
    for name, (shape, _) in zip(inputs.names, inputs.specs, strict=True):
        if None in shape:
            raise ValueError(
                f"x: the model leaves sizes of its input `{name}` open: (batch, {', '.join(map(str, shape))}). Pass an "
                "array of the shape that you want, or that shape, as `x`."
            )
    return ModelTrace(model, inputs, bool(training))(batch_size)


@dataclass(frozen=True)
class ModelTrace:
    """Traces one model for any batch size (None: an open one)."""

    model: Any
    inputs: ModelInputs
    training: bool = False

    def __call__(self, batch_size: int | None) -> Network:
        size = BATCH if batch_size is None else batch_size
        network = trace_model(
            self.model, self.inputs, [(size, *shape) for shape, _ in self.inputs.specs], self.training
        )
        return replace(network, batch_size=batch_size, origin=self)


def trace_model(model: Any, inputs: ModelInputs, shapes: Sequence[tuple[Any, ...]], training: bool = False) -> Network:
    """The model's network for inputs of these shapes (batch axis first)."""
    arrays = [
        np.broadcast_to(np.zeros((), dtype), shape) for shape, (_, dtype) in zip(shapes, inputs.specs, strict=True)
    ]
    with layers_that_may_be_called_out(model):
        return trace_function(
            lambda data: model(data, training=training),
            inputs.packed(arrays),
            name=model.name,
            root=model,
            inputs=inputs.names,
            outputs=lambda result: _output_names(model, result),
        )


def _output_names(model: Any, result: Any) -> list[str]:
    leaves = tree.flatten(result)
    own = getattr(model, "output_names", None)
    if isinstance(result, (list, tuple)) or len(leaves) == 1 and not isinstance(result, dict):
        if own is not None and len(own) == len(leaves):
            return list(own)
        return ["output"] if len(leaves) == 1 else [f"output{i}" for i in range(len(leaves))]
    return ["/".join(map(str, path)) for path, _ in tree.flatten_with_path(result)]


def _inputs_given(model: Any, x: Any) -> ModelInputs:
    """The inputs of the model, of the sizes that `x` has."""
    try:
        known = model_inputs(model) if getattr(model, "inputs", None) else None
    except (AttributeError, ValueError):
        known = None
    structure, paths, leaves = numbered(x, lambda part: is_shape(part) or not _holds_more(part))
    shapes = [tuple(leaf) if is_shape(leaf) else np.shape(leaf) for leaf in leaves]
    if known is None:
        specs = [
            (shape[1:], np.dtype(backend.standardize_dtype(getattr(leaf, "dtype", "float32"))))
            for shape, leaf in zip(shapes, leaves, strict=True)
        ]
        inputs = ModelInputs(tuple(specs), input_names(paths), structure)
        _build(model, inputs)
        return inputs
    if all(is_shape(leaf) for leaf in leaves):
        if isinstance(x, dict):
            if set(paths) != set(known.names):
                raise ValueError(f"x: the model's inputs are named {', '.join(known.names)}, got {', '.join(paths)}.")
            shapes = [shapes[paths.index(name)] for name in known.names]
        if len(shapes) != len(known.specs):
            raise ValueError(
                f"x: the model has {len(known.specs)} input(s), got {len(shapes)} shape(s). Pass one for each."
            )
        for position, (shape, (sizes, _)) in enumerate(zip(shapes, known.specs, strict=True)):
            check_shape(position, shape, sizes, "x")
    else:
        shapes = [array.shape for array in inputs_of(x, known.specs, known.names)]
    specs = [(shape[1:], dtype) for shape, (_, dtype) in zip(shapes, known.specs, strict=True)]
    return replace(known, specs=tuple(specs))


def _holds_more(part: Any) -> bool:
    """Are there arrays or shapes in it?"""
    return holds_arrays(part) or any(is_shape(v) or (isinstance(v, (list, tuple)) and _holds_more(v)) for v in part)


def _build(model: Any, inputs: ModelInputs) -> None:
    """Have the model make its variables, if it has not."""
    if not all(layer.built for layer in model._flatten_layers()):
        tensors = [backend.KerasTensor((None, *shape), dtype.name) for shape, dtype in inputs.specs]
        backend.compute_output_spec(model, inputs.packed(tensors))


def backend_layer() -> type:
    """Keras's class of layers, of which models are."""
    from keras.src.layers.layer import Layer  # which has a base in this package

    return Layer
