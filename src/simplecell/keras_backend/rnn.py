"""Recurrence over time: one step function applied to each time step, on arrays or unrolled into a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras.src import tree

from simplecell.keras_backend.control_flow import stack_structures
from simplecell.keras_backend.conversion import cast, convert_to_tensor
from simplecell.keras_backend.indexing import unstack
from simplecell.ops import elementwise, shaping


def rnn(
    step_function: Callable[[Any, Any], tuple[Any, Any]],
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, Any]:
    """Apply `output, states = step_function(input, states)` along time.

    Args:
        inputs: array or structure of arrays, (batch, time, …), or (time, batch, …) if `time_major`.
        mask: (batch, time) or (batch, time, 1); where False, the states stay and the output is the one before (0 if
            `zero_output_for_mask`).
        go_backwards: start at the last time step; outputs come in the order in which they were computed.
        unroll: for Keras's interface: a traced loop is always unrolled.

    Returns:
        last output (batch, …), all outputs (batch, time, …) or the last one alone (batch, 1, …), last states.
    """
    axis = 0 if time_major else 1
    columns = [unstack(convert_to_tensor(x), axis=axis) for x in tree.flatten(inputs)]
    steps = len(columns[0])
    if steps == 0:
        raise ValueError(
            f"A recurrent layer needs at least one time step. Received inputs of shape {tree.flatten(inputs)[0].shape}."
        )
    present = None
    if mask is not None:
        mask = cast(convert_to_tensor(mask), "bool")
        present = [shaping.reshape(m, (m.shape[0], -1)) for m in unstack(mask, axis=axis)]
    states = tree.map_structure(convert_to_tensor, tuple(initial_states))
    given = tuple(constants or ())
    outputs: list[Any] = []
    output: Any = None
    for t in reversed(range(steps)) if go_backwards else range(steps):
        x = tree.pack_sequence_as(inputs, [column[t] for column in columns])
        new_output, new_states = step_function(x, (*states, *given))
        if present is not None:
            before = output
            if zero_output_for_mask or before is None:
                before = tree.map_structure(lambda o: np.zeros(o.shape, o.dtype), new_output)
            new_output = tree.map_structure(lambda new, old, t=t: _where(present[t], new, old), new_output, before)
            kept = [
                _where(present[t], new, old)
                for new, old in zip(tree.flatten(new_states), tree.flatten(states), strict=True)
            ]
            new_states = tree.pack_sequence_as(states, kept)
        output, states = new_output, new_states
        if return_all_outputs:
            outputs.append(output)
    stacked = stack_structures(outputs if return_all_outputs else [output])
    if not time_major:
        stacked = tree.map_structure(lambda x: shaping.transpose(x, (1, 0, *range(2, len(x.shape)))), stacked)
    return output, stacked, states


def _where(present: Any, new: Any, old: Any) -> Any:
    """`new` in the rows of the batch that are present, else `old`."""
    condition = (
        shaping.reshape(present, (present.shape[0], *([1] * (len(new.shape) - 1))))
        if present.shape[1] == 1
        else present
    )
    return elementwise.select(condition, new, cast(old, new.dtype))


def cudnn_ok(*args: Any, **kwargs: Any) -> bool:
    return False


def _refuse(*args: Any, **kwargs: Any) -> Any:
    # Keras asks for a fused kernel, and takes this answer to mean "use the generic loop".
    raise NotImplementedError


lstm: Callable[..., Any] = _refuse
gru: Callable[..., Any] = _refuse
bidirectional_lstm: Callable[..., Any] = _refuse
bidirectional_gru: Callable[..., Any] = _refuse

__all__: Sequence[str] = ["bidirectional_gru", "bidirectional_lstm", "cudnn_ok", "gru", "lstm", "rnn"]
