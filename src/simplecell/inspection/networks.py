"""From what users pass, a model or a network, a layer, a position, to what is looked at."""

from __future__ import annotations

import fnmatch
import weakref
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simplecell.forks import lock
from simplecell.graph.network import Network
from simplecell.graph.parts import LayerCall
from simplecell.graph.tensor import Tensor

KEPT = 4
"""networks of one model that are kept: of other shapes, or of the model as it was"""

_networks: weakref.WeakKeyDictionary[Any, OrderedDict[Hashable, Network]] = weakref.WeakKeyDictionary()
_lock = lock()


def network_of(model: Any, x: Any = None) -> Network:
    """The network of a model at inference, for any batch size; a network as it is.

    It is traced once for a model, and again when the model is no longer the same (see `fingerprint`).

    Args:
        x: arrays like those that the model is called with, or their shapes with the batch axis: needed where the model
            leaves sizes open.

    Raises:
        TypeError: `model` is neither.
        ValueError: the model is not built, or leaves sizes open.
    """
    if isinstance(model, Network):
        return model
    from simplecell.keras_backend.model_trace import trace

    if not getattr(model, "built", True):
        raise ValueError(
            f"model: `{getattr(model, 'name', model)}` is not built, so that it has no weights to look at. Call it "
            "once on data, or `model.build(input_shape)`."
        )
    try:
        key: Hashable = _sizes(x), fingerprint(model)
    except (AttributeError, TypeError):
        return trace(model, x)  # which says what is wrong with it
    with _lock:
        known = _networks.setdefault(model, OrderedDict())
        kept = known.get(key)
    if kept is None:
        kept = _held_weakly(trace(model, x))
        with _lock:
            while len(known) >= KEPT:
                known.popitem(last=False)
            known[key] = kept
    return kept


def _held_weakly(network: Network) -> Network:
    """The same, without holding the model: what is kept for a model must not keep it alive."""
    origin: Any = network.origin
    return replace(network, origin=_WeakOrigin(weakref.ref(origin.model), origin.inputs))


@dataclass(frozen=True)
class _WeakOrigin:
    """Traces a model again, for another batch size, while it lives."""

    model: weakref.ref[Any]
    inputs: Any

    def __call__(self, batch_size: int | None) -> Network:
        from simplecell.keras_backend.model_trace import ModelTrace

        model = self.model()
        if model is None:
            raise ReferenceError("model: it is gone, and with it the way to its network for another batch size.")
        return replace(ModelTrace(model, self.inputs)(batch_size), origin=self)


def fingerprint(model: Any) -> int:
    """What a Keras model computes, but for the values of its weights: its layers, and their plain public attributes
    (strides, activation, rates). The model has changed if it has another one."""
    found: list[Hashable] = []
    for layer in model._flatten_layers():
        found.append(id(layer))
        attributes = vars(layer)
        for name in _names(type(layer), attributes):
            value = attributes.get(name)
            found.append(id(value) if callable(value) else value)
    return hash(tuple(found))


def _names(kind: type, attributes: dict[str, Any]) -> tuple[str, ...]:
    """The plain public attributes of a layer; for Keras's own classes those of the first one that came."""
    names = _known_names.get(kind)
    if names is None:
        names = tuple(
            name
            for name, value in attributes.items()
            if name[0] != "_" and name not in _NOT_ASKED and (type(value) in _PLAIN or callable(value))
        )
        if kind.__module__.startswith("keras.src.layers."):
            _known_names[kind] = names
    return names


_known_names: weakref.WeakKeyDictionary[type, tuple[str, ...]] = weakref.WeakKeyDictionary()
_NOT_ASKED = frozenset(
    "compiled loss steps_per_execution train_function test_function predict_function stop_training stop_evaluating "
    "stop_predicting build quantize name autocast built supports_jit activity_regularizer trainable".split()
)
"""What `compile`, `fit`, `evaluate` and `predict` set in a model, and what says nothing of a layer's values."""
_PLAIN = (int, float, str, bool, tuple, type(None))


def _sizes(x: Any) -> Hashable:
    """The shapes of arrays without the batch axis, or shapes as they are, in their structure."""
    if x is None or isinstance(x, (int, np.integer)):
        return None if x is None else int(x)
    if isinstance(x, dict):
        return tuple((k, _sizes(v)) for k, v in sorted(x.items()))
    if isinstance(x, (list, tuple)):
        return tuple(_sizes(v) for v in x)
    return "array", *np.shape(x)[1:]


def output_of(network: Network, layer: Any) -> tuple[LayerCall, Tensor]:
    """The call of a layer, and the one tensor that it returns.

    Raises:
        KeyError: there is no such layer.
        ValueError: it returns several.
    """
    call = network.call_of(layer)
    if len(call.outputs) != 1:
        raise ValueError(
            f"layer: `{call.key}` returns {len(call.outputs)} arrays ({', '.join(call.output_names)}), and one is "
            "looked at. Name a layer inside of it."
        )
    return call, call.outputs[0]


def calls_of(network: Network, layers: Any) -> list[LayerCall]:
    """The calls that `layers` names, each once, in their order in the network.

    Args:
        layers: None for all that return an array; a name (`conv`, `conv#2`, `outer/inner`), a pattern of names
            (`conv*`, `block?/conv`), a layer (all of its calls), (layer or name, number of the call), or a list of
            these.

    Raises:
        KeyError: for one that is not there.
    """
    if layers is None:
        return [c for c in network.calls if c.outputs]
    one_call = isinstance(layers, tuple) and len(layers) == 2 and isinstance(layers[1], (int, np.integer))
    many = list(layers) if isinstance(layers, (list, tuple, set)) and not one_call else [layers]
    found: set[LayerCall] = set()
    for layer in many:
        if isinstance(layer, str):
            names = [c for c in network.calls if c.key == layer]
            names = names or [c for c in network.calls if fnmatch.fnmatchcase(c.key, layer)]
            found.update(names or [network.call_of(layer)])
        elif isinstance(layer, (tuple, LayerCall)):
            found.add(network.call_of(layer))
        else:
            network.call_of(layer)  # says which there are, if it is not there
            found.update(c for c in network.calls if c.is_of(layer))
    return [c for c in network.calls if c in found]


def all_outputs(network: Network) -> dict[str, Tensor]:
    """What all calls of a network return, by name (see `named_outputs`)."""
    found = _all_outputs.get(network)
    if found is None:
        found = _all_outputs[network] = named_outputs(network.calls)
    return found


_all_outputs: weakref.WeakKeyDictionary[Network, dict[str, Tensor]] = weakref.WeakKeyDictionary()


def named_outputs(calls: Sequence[LayerCall]) -> dict[str, Tensor]:
    """What the calls return, by name: the call's key, and `key:place` for each of several."""
    return {
        (f"{c.key}:{place}" if len(c.outputs) > 1 else c.key): t
        for c in calls
        for place, t in zip(c.output_names, c.outputs, strict=True)
    }


def channel_axis(call: LayerCall | None, rank: int) -> int:
    """Where the channels of a layer's output (or of a network's input, for None) are: by the layer's data format, else
    by Keras's."""
    found = None if call is None or call.layer is None else getattr(call.layer(), "data_format", None)
    if found is None:
        import keras

        found = keras.config.image_data_format()
    return 1 if found == "channels_first" else rank - 1


def spatial_axes(call: LayerCall | None, rank: int) -> tuple[int, ...]:
    """The axes of an array `(batch, …)` between batch and channels, in their order; none for a vector a sample."""
    return tuple(a for a in range(1, rank) if a != channel_axis(call, rank)) if rank > 2 else ()
