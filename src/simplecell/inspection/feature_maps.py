"""Feature maps: what every layer returns, in one compiled pass."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from simplecell.calling import inputs_of
from simplecell.drawing.pictures import data_uri, png
from simplecell.drawing.thumbnails import thumbnail
from simplecell.graph.network import Network
from simplecell.graph.tensor import Tensor
from simplecell.inspection.networks import all_outputs, calls_of, channel_axis, named_outputs, network_of
from simplecell.inspection.passes import Probe, probe_of
from simplecell.precision import KERAS


class FeatureMaps(dict[str, np.ndarray]):
    """A dict of arrays by the names of the layers' calls; in a notebook, a table with a picture of each."""

    def __init__(self, arrays: Mapping[str, np.ndarray], channel_axes: Mapping[str, int]) -> None:
        super().__init__(arrays)
        self._channel_axes = dict(channel_axes)

    def _repr_html_(self) -> str:
        """Name, shape, range and the first maps of the first sample."""
        head = "<tr><th>layer</th><th>shape</th><th>least … most</th><th>the first maps of the first sample</th></tr>"
        return f"<table>{head}{''.join(map(self._row, self))}</table>"

    def _row(self, name: str) -> str:
        array = self[name]
        cells = [f"<code>{escape(name)}</code>", " × ".join(map(str, array.shape))]
        if array.size and array.ndim > 1 and array.dtype.kind in "biuf":
            maps = np.moveaxis(array[0], self._channel_axes[name] - 1, -1)
            picture = f'<img alt="maps of {escape(name)}" src="{data_uri(png(thumbnail(maps)))}">'
            cells += [f"{float(array.min()):.4g} … {float(array.max()):.4g}", picture]
        else:
            cells += ["", ""]
        return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def feature_maps(
    model: Any, x: Any, layers: Any = None, out: Mapping[str, np.ndarray] | None = None, precision: str = KERAS
) -> FeatureMaps:
    """What the layers of a model return for `x`, in one pass. The model, its weights and its states stay as they are.

    The values equal those of a prediction up to rounding: where only the last output is wanted, the engine folds
    layers into each other (a normalization into the weights before it). Asked for one layer or for all, they are the
    same bits.

    Args:
        model: a built Keras model, or a `Network`.
        x: a batch `(n, …)`, as the model takes it.
        layers: a name (`conv`, `conv#2` for the layer's second call, `outer/inner` for a layer inside of another one),
            a pattern of names (`conv*`), a layer (all of its calls), (layer or name, number of the call), or a list of
            these; None: all.
        out: an earlier result, of as many samples: its arrays are written to and returned.
        precision: as of `simplecell.compile`; `tight` is that of `predict`.

    Returns:
        A dict of arrays `(n, …)`, in the order in which the layers are called, by the names of the calls; a call that
        returns several arrays has `name:place` for each.

    Raises:
        KeyError: there is no such layer (it says which there are).
        ValueError: for a model that is not built, an `x` or an `out` that does not fit.

    Example:
        >>> maps = feature_maps(model, x)
        >>> maps["conv1"].shape
        >>> feature_maps(model, x2, "conv*", out=maps_of_conv)
    """
    network = network_of(model, x)
    arrays = inputs_of(x, network.input_specs, tuple(network.inputs))
    count = arrays[0].shape[0]
    calls = calls_of(network, layers)
    names = list(all_outputs(network) if layers is None else named_outputs(calls))
    probe = probe_of(network, layers, precision)
    shapes = _shapes(probe, names, count)
    axes = {name: channel_axis(c, t.ndim) for c in calls for name, t in named_outputs([c]).items()}
    results = FeatureMaps(_checked(out, shapes), axes)
    step = probe.piece or max(count, 1)
    for first in range(0, count, step):
        part = {name: a[first : first + step] if probe.piece else a for name, a in results.items()}
        _fill(probe, [a[first : first + step] for a in arrays], part)
    return results


def _fill(probe: Probe, arrays: list[np.ndarray], results: Mapping[str, np.ndarray]) -> None:
    network = probe.network.at(arrays[0].shape[0])
    named = _tensors(network, results)
    into: dict[Tensor, np.ndarray] = {}
    for name, tensor in named.items():
        into.setdefault(tensor, results[name])
    made = probe.run(arrays, into)
    for name, tensor in named.items():
        value = made.value(tensor)
        if value is not results[name]:
            np.copyto(results[name], value)


def _tensors(network: Network, names: Any) -> dict[str, Tensor]:
    found = all_outputs(network)
    return {name: found[name] for name in names}


def _shapes(probe: Probe, names: list[str], count: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    network = probe.network
    if probe.piece:
        return {k: ((count, *t.shape[1:]), t.dtype) for k, t in _tensors(network, names).items()}
    return {k: (t.shape, t.dtype) for k, t in _tensors(network.at(count), names).items()}


def _checked(
    out: Mapping[str, np.ndarray] | None, shapes: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]
) -> dict[str, np.ndarray]:
    if out is None:
        return {name: np.empty(shape, dtype) for name, (shape, dtype) in shapes.items()}
    if not isinstance(out, Mapping) or set(out) != set(shapes):
        came = ", ".join(map(str, out)) if isinstance(out, Mapping) else type(out).__name__
        raise ValueError(f"out: must be an earlier result for the same layers ({', '.join(shapes)}), got {came}.")
    for name, (shape, dtype) in shapes.items():
        a = out[name]
        if not (isinstance(a, np.ndarray) and a.shape == shape and a.dtype == dtype and a.flags.c_contiguous):
            came = f"{a.dtype}{list(a.shape)}" if isinstance(a, np.ndarray) else type(a).__name__
            raise ValueError(f"out: `{name}` must be a C-contiguous array {dtype}{list(shape)}, got {came}.")
    return {name: out[name] for name in shapes}
