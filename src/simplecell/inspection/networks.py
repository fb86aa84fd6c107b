"""From what users pass, a model or a network, to the network that is looked at."""

from __future__ import annotations

from typing import Any

from simplecell.graph.network import Network
from simplecell.graph.parts import LayerCall
from simplecell.graph.tensor import Tensor


def network_of(model: Any, x: Any = None) -> Network:
    """The network of a model at inference; a network as it is."""
    if isinstance(model, Network):
        return model
    from simplecell.keras_backend.model_trace import trace

    return trace(model, x)


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
