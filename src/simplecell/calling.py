"""What a compiled model is called with: arrays that fit it, or an error that says why they do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Shape = tuple[int, ...]
InputSpec = tuple[tuple["int | None", ...], np.dtype[Any]]
"""Shape without the batch axis (None: open), and dtype."""

_NUMBERS = "biuf"
"""Kinds of dtypes that are converted to a model's input. Those of bfloat16 and the like are `V`, and have a name of
their own."""


@dataclass(frozen=True)
class ModelInputs:
    """A model's inputs, in the order in which arrays are given for them.

    `structure` is what the model is called with: dicts, lists and tuples around the number of each input.
    """

    specs: tuple[InputSpec, ...]
    names: tuple[str, ...]
    structure: Any

    def packed(self, leaves: Sequence[Any]) -> Any:
        """One thing for each input, as the model is called with them."""
        return _filled(self.structure, leaves)


def _filled(structure: Any, leaves: Sequence[Any]) -> Any:
    if isinstance(structure, dict):
        return {key: _filled(value, leaves) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_filled(value, leaves) for value in structure]
    return leaves[structure]


def numbered(structure: Any, is_leaf: Callable[[Any], bool]) -> tuple[Any, list[str], list[Any]]:
    """The structure with numbers for its leaves; their names by their places in it (`image`, `views/0`); the leaves.
    Those of a dict come in the order of its keys, as in Keras."""
    names: list[str] = []
    leaves: list[Any] = []

    def walk(part: Any, path: tuple[str, ...]) -> Any:
        if isinstance(part, dict):
            found = {key: walk(part[key], (*path, str(key))) for key in sorted(part, key=str)}
            return {key: found[key] for key in part}
        if isinstance(part, (list, tuple)) and not is_leaf(part):
            return [walk(value, (*path, str(i))) for i, value in enumerate(part)]
        names.append("/".join(path))
        leaves.append(part)
        return len(leaves) - 1

    return walk(structure, ()), names, leaves


def is_shape(x: Any) -> bool:
    """Is it a tuple or list of sizes, which may be None?"""
    return isinstance(x, (list, tuple)) and bool(x) and all(n is None or isinstance(n, (int, np.integer)) for n in x)


def holds_arrays(part: Sequence[Any]) -> bool:
    """Are there arrays in a list, or in lists and dicts in it? Else it is one, of numbers."""
    return any(
        isinstance(v, dict)
        or (hasattr(v, "__array__") and not isinstance(v, np.generic))
        or (isinstance(v, (list, tuple)) and holds_arrays(v))
        for v in part
    )


def model_inputs(model: Any, hint: str = "") -> ModelInputs:
    """Shapes without the batch axis, dtypes and names of a Keras model's inputs.

    Args:
        hint: what else the caller could do if they are not known, for the error.

    Raises:
        ValueError: the model is not built.
    """
    if not getattr(model, "built", False):
        raise ValueError(
            "model: must be built, so that its input shapes are known. Call it once on data, or "
            f"`model.build(input_shape)`{hint}."
        )
    try:
        inputs = model.inputs
    except AttributeError:
        inputs = None
    if inputs:
        owner = getattr(model, "_functional", None) or model  # a Sequential model has a functional one inside
        structure, paths, tensors = numbered(getattr(owner, "_inputs_struct", list(inputs)), lambda part: False)
        if isinstance(structure, list) and len(tensors) == 1 and structure == [0]:
            structure = 0
        names = paths if isinstance(structure, dict) else [t.name for t in tensors]
        specs = [(tuple(t.shape[1:]), np.dtype(t.dtype)) for t in tensors]
        return ModelInputs(tuple(specs), _distinct(names), structure)
    shapes = getattr(model, "_build_shapes_dict", None)
    if not shapes:
        raise ValueError(
            f"model: its input shapes are not known. Call it once on data, or `model.build(input_shape)`{hint}."
        )
    given = [shape for shape in shapes.values() if shape is not None]
    structure, names, leaves = numbered(given if len(given) > 1 else given[0], is_shape)
    specs = [(tuple(shape[1:]), np.dtype("float32")) for shape in leaves]
    return ModelInputs(tuple(specs), input_names(names), structure)


def fixed_batch_size(model: Any) -> int | None:
    """The batch size that all of the model's inputs fix (`keras.Input(batch_shape=…)`); None if they leave it open."""
    sizes = {t.shape[0] for t in getattr(model, "inputs", None) or () if t.shape}
    return sizes.pop() if len(sizes) == 1 else None


def input_names(paths: Sequence[str]) -> tuple[str, ...]:
    """Names for inputs that have none: `x`, or their places in the structure."""
    return tuple("x" if not path else f"x{path}" if path.isdigit() else path for path in paths)


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        name if names.count(name) == 1 else f"{name}#{names[: i + 1].count(name)}" for i, name in enumerate(names)
    )


def inputs_of(x: Any, specs: Sequence[InputSpec], names: Sequence[str] = ()) -> list[np.ndarray]:
    """The arrays of `x`, of the inputs' dtypes, C-contiguous: one array, a list or tuple with one for each input (or
    lists, tuples and dicts of them, as the model takes them), or a dict by the inputs' names. Nested lists of numbers
    are arrays."""
    by_name = isinstance(x, dict) and bool(names)
    several = isinstance(x, (list, tuple)) and (len(specs) > 1 or any(hasattr(item, "__array__") for item in x))
    given = _by_name(x, names) if by_name else list(x) if several else [x]
    if len(given) != len(specs):
        given = (_unnested(given, specs) if several else None) or given
    if len(given) != len(specs):
        raise ValueError(
            f"x: the model has {len(specs)} input(s), got {len(given)} array(s). Pass a list with one for each."
        )
    try:
        arrays = [_input(position, item, *specs[position]) for position, item in enumerate(given)]
    except ValueError:
        nested = _unnested(given, specs) if several else None
        if nested is None:
            raise
        arrays = [_input(position, item, *specs[position]) for position, item in enumerate(nested)]
    batches = {array.shape[0] for array in arrays}
    if 0 in batches and len(batches) > 1:
        raise ValueError(
            f"x: the inputs have {', '.join(str(a.shape[0]) for a in arrays)} samples. Pass as many of each."
        )
    return arrays


def _unnested(given: Sequence[Any], specs: Sequence[InputSpec]) -> list[Any] | None:
    """The arrays of lists, tuples and dicts in `given`, if they are one for each input; None if not."""
    leaves = numbered(list(given), lambda part: not holds_arrays(part))[2]
    fit = len(leaves) == len(specs) and all(np.ndim(x) == len(shape) + 1 for x, (shape, _) in zip(leaves, specs))
    return leaves if fit else None


def _by_name(x: dict[Any, Any], names: Sequence[str]) -> list[Any]:
    _, paths, leaves = numbered(x, lambda part: not holds_arrays(part))
    given = dict(zip(paths, leaves, strict=True))
    if set(given) != set(names):
        raise ValueError(
            f"x: the model's inputs are named {', '.join(map(repr, names))}, got {', '.join(map(repr, given))}. Pass a "
            "dict with one array for each."
        )
    return [given[name] for name in names]


def _input(position: int, x: Any, shape: tuple[int | None, ...], dtype: np.dtype[Any]) -> np.ndarray:
    if type(x) is np.ndarray and x.dtype == dtype and x.flags.c_contiguous and x.flags.aligned and x.shape[1:] == shape:
        return x
    array = converted(f"x: input {position}", x, dtype)
    if array.ndim != len(shape) + 1 or any(
        known is not None and known != n for n, known in zip(array.shape[1:], shape)
    ):
        raise ValueError(
            f"x: input {position} must have shape (batch, {', '.join(map(str, shape))}), got {array.shape}."
            + (" Add the batch axis with x[None]." if array.shape == shape else "")
        )
    return np.require(array, requirements=["C", "A"])


def converted(what: str, x: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """`x` as an array of `dtype`. Raises ValueError for what is no array of real numbers (or complex ones, where
    `dtype` is complex); `what` names it."""
    if x is None or isinstance(x, (dict, set, str, bytes)):
        raise ValueError(
            f"{what} must be an array of numbers, got {'None' if x is None else type(x).__name__}. Pass a NumPy array."
        )
    try:
        array = np.asarray(x)
        if array.dtype == object:
            array = _of_objects(array, dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            f"{what} cannot be made an array of {dtype.name}: {error}. Pass an array of numbers, with rows of one "
            "length."
        ) from error
    kind = array.dtype.kind
    if not (
        kind in _NUMBERS
        or (kind == "c" and dtype.kind == "c")
        or (kind == "V" and array.dtype.names is None and array.dtype.name[:4] != "void")
    ):
        hint = (
            "Pass its real part, or its magnitude, or both as channels"
            if kind == "c"
            else "Convert it to numbers first"
        )
        raise ValueError(f"{what} must hold numbers that become {dtype.name}, got {array.dtype.name}. {hint}.")
    with np.errstate(over="ignore", invalid="ignore"):  # as wherever Keras casts
        return array.astype(dtype, copy=False)


def _of_objects(array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """An array of Python's numbers (or of one array per sample) as one of `dtype`."""
    if any(isinstance(value, (str, bytes, type(None))) for value in array.flat):
        raise ValueError("it holds strings or None")
    if any(isinstance(value, (complex, np.complexfloating)) for value in array.flat) and dtype.kind != "c":
        raise ValueError("it holds complex numbers")
    if array.ndim and array.size and all(isinstance(value, np.ndarray) for value in array.flat):
        return np.stack(list(array.flat)).reshape(*array.shape, *array.flat[0].shape).astype(dtype)
    return array.astype(dtype)


def outputs_of(
    out: Any, results: Sequence[tuple[Shape, np.dtype[Any]]], inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The arrays of `out`, which the program writes to while it still reads `inputs`."""
    arrays = list(out) if isinstance(out, (list, tuple)) else [out]
    # An array's dtype against a dtype: the name of a dtype takes 3 µs, as long as all the rest of a call.
    fits = len(arrays) == len(results) and all(
        isinstance(a, np.ndarray)
        and a.shape == shape
        and a.dtype == dtype
        and a.flags.c_contiguous
        and a.flags.aligned
        and a.flags.writeable
        for a, (shape, dtype) in zip(arrays, results)
    )
    if not fits:
        wanted = ", ".join(f"{dtype.name}{list(shape)}" for shape, dtype in results)
        came = ", ".join(
            f"{a.dtype.name}{list(a.shape)}" if isinstance(a, np.ndarray) else type(a).__name__ for a in arrays
        )
        raise ValueError(
            f"out: must be writeable, C-contiguous and of shape and dtype {wanted}; got {came}. Make it with np.empty."
        )
    shared = overlapping(arrays, inputs)
    if shared == "input":
        raise ValueError(
            "out: overlaps `x` in memory, which the program still reads while it writes its output. Make it with "
            "np.empty."
        )
    if shared == "output":
        raise ValueError("out: two of its arrays overlap in memory. Make each with np.empty.")
    return arrays


def overlapping(outputs: Sequence[np.ndarray], inputs: Sequence[np.ndarray]) -> str:
    """Does one of the outputs share memory with an "input", or another "output"? Of contiguous arrays, the bounds are
    all there is."""
    if len(outputs) > 4:  # each with each would be too many
        spans = sorted(
            (start, start + a.nbytes, kind)
            for arrays, kind in ((outputs, "output"), (inputs, "input"))
            for a in arrays
            if a.nbytes
            for start in (a.__array_interface__["data"][0],)
        )
        last = dict.fromkeys(("input", "output"), 0)
        for start, end, kind in spans:
            for other in ("input", "output"):
                if start < last[other] and (kind, other) != ("input", "input"):
                    return "input" if "input" in (kind, other) else "output"
            last[kind] = max(last[kind], end)
        return ""
    for i, array in enumerate(outputs):
        if any(np.may_share_memory(array, x) for x in inputs):
            return "input"
        if any(np.may_share_memory(array, other) for other in outputs[:i]):
            return "output"
    return ""


def check_shape(
    position: int, shape: Sequence[Any], known: Sequence[int | None], argument: str = "input_shape"
) -> None:
    """`shape`, with a batch axis, against an input's without one."""
    if len(shape) != len(known) + 1 or any(k is not None and k != n for n, k in zip(shape[1:], known)):
        wanted = ", ".join(map(str, ("batch", *known)))
        raise ValueError(
            f"{argument}: input {position} has shape ({wanted}), got {tuple(shape)}. Give it with its batch axis."
        )
    for n in shape:
        if n is not None and (not isinstance(n, (int, np.integer)) or n < 1):
            raise ValueError(f"{argument}: sizes must be whole numbers from 1 on, got {tuple(shape)}.")


def check_batch_size(batch_size: Any) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1, or None for any; got {batch_size!r}.")
