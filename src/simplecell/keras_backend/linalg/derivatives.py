"""Forward-mode derivatives, from two reverse ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src import tree

from simplecell.graph.gradients import gradients
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import as_tensor, placeholder
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import symbolic
from simplecell.ops.base import spec_of


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """(fun(*primals), its derivative in the direction of `tangents`), and what else `fun` gives when `has_aux`.

    The reverse derivative Jᵀ·u is linear in u, so its own reverse derivative for u, in the direction t, is J·t.
    """
    flat_primals = [convert_to_tensor(x) for x in tree.flatten(primals)]
    flat_tangents = [convert_to_tensor(t, x.dtype) for t, x in zip(tree.flatten(tangents), flat_primals)]
    traced = symbolic(*flat_primals, *flat_tangents)
    points = [as_tensor(x) for x in flat_primals] if traced else [placeholder(spec_of(x)) for x in flat_primals]
    outcome = fun(*tree.pack_sequence_as(primals, points))
    value, aux = outcome if has_aux else (outcome, None)
    outputs = [as_tensor(y) for y in tree.flatten(value)]
    directions = []
    for y in outputs:
        seed = placeholder(y.spec, "seed")
        back = [(g, t) for g, t in zip(gradients(y, points, seed), flat_tangents) if g is not None]
        direction: Any = None
        for g, t in back:
            (part,) = gradients(as_tensor(g), [seed], as_tensor(t))
            if part is not None:
                direction = part if direction is None else direction + part
        directions.append(as_tensor(np.zeros(y.shape, y.dtype)) if direction is None else direction)
    extras = [as_tensor(a) for a in tree.flatten(aux)] if has_aux else []
    results: list[Any] = [*outputs, *directions, *extras]
    if not traced:
        results = evaluate(Graph.of(points, results), flat_primals)
    n = len(outputs)
    packed = (tree.pack_sequence_as(value, results[:n]), tree.pack_sequence_as(value, results[n : 2 * n]))
    return (*packed, tree.pack_sequence_as(aux, results[2 * n :])) if has_aux else packed
