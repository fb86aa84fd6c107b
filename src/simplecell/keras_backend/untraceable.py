"""Layers that change pictures at random (RandomCrop, RandAugment, AugMix …), and others that are marked as not to be
compiled (`supports_jit=False`).

Many of them can be traced all the same. One that cannot, as shapes or Python's `if` depend on values, or that draws
from Python's own random numbers, which a trace would fix for good, runs inside of the program as a call-out, op by op.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common.stateless_scope import StatelessScope, get_stateless_scope

from simplecell.graph.tensor import Tensor
from simplecell.graph.unknown import UnknownValue, Untraceable
from simplecell.keras_backend.eager_tensor import EagerScope
from simplecell.keras_backend.tracing import current_trace
from simplecell.ops.base import Spec, apply, spec_of
from simplecell.ops.callout import CallOut


@contextlib.contextmanager
def layers_that_may_be_called_out(model: Any) -> Iterator[None]:
    """While a step of `model` is traced inside, its layers of that kind do as said above."""
    layers = _suspects(model)
    for layer in layers:
        layer.__dict__["call"] = _traced_or_called_out(layer, layer.call)
    try:
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("call", None)


def _suspects(model: Any) -> list[Any]:
    """Layers of that kind, also those that have one inside; models are taken apart. What an inner one has settled is no
    matter to the outer one."""
    from keras.src.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer import (
        BaseImagePreprocessingLayer,
    )
    from keras.src.models.model import Model

    def of_that_kind(layer: Any) -> bool:
        return isinstance(layer, BaseImagePreprocessingLayer) or not layer.supports_jit

    layers = {id(layer): layer for layer in model._flatten_layers(include_self=False)}
    return [x for x in layers.values() if not isinstance(x, Model) and any(map(of_that_kind, x._flatten_layers()))]


def _traced_or_called_out(layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:
    def traced_or_called_out(*args: Any, **kwargs: Any) -> Any:
        scope = current_trace()
        if (
            scope is None
            or isinstance(scope, EagerScope)
            or not any(isinstance(x, Tensor) for x in tree.flatten((args, kwargs)))
        ):
            return call(*args, **kwargs)
        python = random.getstate()
        with contextlib.suppress(Untraceable), scope.attempt():
            outputs = call(*args, **kwargs)
            if random.getstate() != python:
                raise UnknownValue(f"{layer.name} draws from Python's random numbers")
            return outputs
        random.setstate(python)
        return _called_out(layer, call, args, kwargs)

    return traced_or_called_out


class _Apart(StatelessScope):
    """Inside, variables have their values, also within a trace; what is assigned is forgotten."""

    def __enter__(self) -> Any:
        self._around: Any = get_stateless_scope()
        entered = super().__enter__()
        self.original_scope: Any = None
        return entered

    def __exit__(self, *args: Any, **kwargs: Any) -> None:
        self.original_scope = self._around
        super().__exit__(*args, **kwargs)


def _called_out(layer: Any, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """`call(*args, **kwargs)`, on arrays, when the program runs. Variables that it assigns (states of random
    generators) are assigned at once."""
    leaves = tree.flatten((args, kwargs))
    places = [i for i, x in enumerate(leaves) if isinstance(x, Tensor)]

    def run(arrays: Any) -> Any:
        filled = list(leaves)
        for place, array in zip(places, arrays, strict=True):
            filled[place] = np.array(array)
        again, named = tree.pack_sequence_as((args, kwargs), filled)
        with np.errstate(all="ignore"):
            return call(*again, **named)

    python = random.getstate()
    with _Apart():  # nothing is changed by a look at the shapes
        example = run([np.zeros(leaves[i].shape, leaves[i].dtype) for i in places])
    random.setstate(python)
    specs: tuple[Spec, ...] = tuple(spec_of(np.asarray(x)) for x in tree.flatten(example))

    def function(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.asarray(x) for x in tree.flatten(run(arrays)))

    def gradient(inputs: Any, outputs: Any, diff_outputs: Any) -> Any:
        raise UnknownValue(
            f"The gradient of {layer.name}, which cannot be traced, is not known: train with run_eagerly=True."
        )

    outputs = apply(CallOut(function, specs, f"call of {layer.name}", gradient), *(leaves[i] for i in places))
    return tree.pack_sequence_as(example, list(outputs))
