"""Control flow. On arrays it is Python's own. On tensors: branches are all traced and the result selected, loops of
known length unrolled; a loop whose end depends on a value becomes one step that runs its two graphs (condition, body)
as long as it takes."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import KerasVariable
from keras.src.backend.common.stateless_scope import StatelessScope, get_stateless_scope, in_stateless_scope

from simplecell.graph.closing import close_over
from simplecell.graph.tensor import Tensor, as_tensor, placeholder
from simplecell.keras_backend.conversion import cast, constant, convert_to_tensor, is_tensor
from simplecell.ops import elementwise, shaping
from simplecell.ops.base import Symbolic, apply
from simplecell.ops.callout import CallOut
from simplecell.ops.elementwise import Select
from simplecell.precision import KERAS


def _symbolic(structure: Any) -> bool:
    return any(isinstance(x, Symbolic) for x in tree.flatten(structure))


def _is_true(x: Any) -> bool | None:
    """The predicate's truth, None where it is not known yet."""
    if isinstance(x, bool):
        return x
    value = constant(x)
    return None if value is None else bool(value)


# --- branches ---------------------------------------------------------------------------------------------------------


class _Branch(StatelessScope):
    """Runs a branch of a traced condition: its assignments are kept apart until the branches meet."""

    def __init__(self) -> None:
        super().__init__(collect_losses=True, initialize_variables=False)
        self.updated: dict[int, KerasVariable] = {}

    def add_update(self, update: tuple[KerasVariable, Any]) -> None:
        self.updated[id(update[0])] = update[0]
        super().add_update(update)


def _select_branch(choices: Sequence[Callable[[], Any]], conditions: Sequence[Any]) -> Any:
    """Trace all `choices`; result (and variables) of the first whose condition holds, else of the last."""
    scopes: list[_Branch] = []
    results = []
    for choice in choices:
        with _Branch() as scope:
            results.append(choice())
        scopes.append(scope)

    def pick(*values: Any) -> Any:
        if all(v is None or not (is_tensor(v) or isinstance(v, (bool, int, float, KerasVariable))) for v in values):
            return values[0]
        values = tuple(convert_to_tensor(v) for v in values)
        result = values[-1]
        for condition, value in zip(reversed(conditions), reversed(values[:-1]), strict=True):
            result = _select(condition, value, result)
        return result

    updated = {key: variable for scope in scopes for key, variable in scope.updated.items()}
    for key, variable in updated.items():
        now = [scope.state_mapping.get(key) for scope in scopes]
        variable.assign(pick(*(variable.value if value is None else value for value in now)))
    outer = get_stateless_scope()
    if outer is not None and outer.collect_losses:
        for scope in scopes:
            outer.losses.extend(scope.losses)
    for result in results[1:]:
        tree.assert_same_structure(results[0], result)
    return tree.map_structure(pick, *results)


def _select(condition: Any, a: Any, b: Any) -> Any:
    if a.shape != b.shape:
        raise ValueError(
            f"All branches must give results of one shape. Received: {tuple(a.shape)} and {tuple(b.shape)}."
        )
    if a is b:
        return a
    dtype = np.result_type(a.dtype, b.dtype).name if a.dtype != b.dtype else a.dtype.name
    return apply(Select(), condition, cast(a, dtype), cast(b, dtype))


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """`true_fn()` if `pred` else `false_fn()`. With a traced `pred` both are traced, and results and assigned variables
    selected."""
    truth = _is_true(pred)
    if truth is not None:
        return true_fn() if truth else false_fn()
    condition = cast(pred.value if isinstance(pred, KerasVariable) else pred, "bool")
    if condition.size != 1:
        raise ValueError(f"`pred` of `cond` must be a scalar. Received: shape={tuple(condition.shape)}")
    if in_stateless_scope():
        return _select_branch([true_fn, false_fn], [shaping.reshape(condition, ())])
    with StatelessScope():
        return _select_branch([true_fn, false_fn], [shaping.reshape(condition, ())])


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`, the index clamped to the branches there are."""
    known = constant(index)
    if known is not None:
        return branches[int(np.clip(int(known), 0, len(branches) - 1))](*operands)
    choices = [lambda branch=branch: branch(*operands) for branch in branches]
    conditions = [elementwise.less_equal(cast(index, "int32"), np.int32(i)) for i in range(len(branches) - 1)]
    return _select_branch(choices, conditions)


# --- loops of known length --------------------------------------------------------------------------------------------


def _take(x: Any, i: int) -> Any:
    """`x[i]` along the first axis."""
    return shaping.squeeze(shaping.take_slice(x, 0, i, i + 1), 0) if isinstance(x, Symbolic) else np.asarray(x[i])


def stack_structures(items: Sequence[Any]) -> Any:
    """Equal structures of arrays or tensors, stacked leaf by leaf along a new first axis."""
    return tree.map_structure(lambda *leaves: shaping.stack([convert_to_tensor(x) for x in leaves], 0), *items)


def _converted(structure: Any) -> Any:
    return tree.map_structure(lambda x: None if x is None else convert_to_tensor(x), structure)


def scan(
    f: Callable[..., Any], init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: Any = 1
) -> tuple[Any, Any]:
    """`carry, y = f(carry, x)` over the first axis of `xs`; the last carry, and the ys stacked. Unrolled where it is
    traced."""
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ValueError(f"`unroll` must be an positive integer or boolean. Received: unroll={unroll}")
    if xs is None and length is None:
        raise ValueError("Got no `xs` to scan over and `length` not provided.")
    xs = _converted(xs)
    count = int(length) if length is not None else tree.flatten(xs)[0].shape[0]
    carry = _converted(init)
    ys: list[Any] = [None] * count
    for i in reversed(range(count)) if reverse else range(count):
        x = None if xs is None else tree.map_structure(lambda leaf, i=i: _take(leaf, i), xs)
        carry, y = f(carry, x)
        ys[i] = tree.map_structure(lambda c: np.zeros(c.shape, c.dtype), carry) if y is None else y
    if not ys:
        return carry, tree.map_structure(lambda c: np.zeros((0, *c.shape), c.dtype), carry)
    return carry, stack_structures(ys)


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    return scan(lambda carry, x: (carry, f(x)), (), xs)[1]


def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """`function` of each element along the first axis (of all `elements`, if they are several), stacked."""
    elements = _converted(elements)
    count = tree.flatten(elements)[0].shape[0]
    return stack_structures(
        [function(tree.map_structure(lambda leaf, i=i: _take(leaf, i), elements)) for i in range(count)]
    )


def associative_scan(f: Callable[..., Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All prefixes of `elems` combined by the associative `f`, in a number of calls that grows with the logarithm of
    the length."""
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    leaves = [convert_to_tensor(x) for x in tree.flatten(elems)]
    sizes = [x.shape[axis] for x in leaves]
    if any(n != sizes[0] for n in sizes):
        raise ValueError(
            "Array inputs to associative_scan must have the same first dimension. (saw: "
            f"{[tuple(x.shape) for x in leaves]})"
        )

    def part(x: Any, start: int, stop: int) -> Any:
        return shaping.take_slice(x, axis % len(x.shape), start, stop)

    def combine(a: list[Any], b: list[Any]) -> list[Any]:
        return tree.flatten(f(tree.pack_sequence_as(elems, a), tree.pack_sequence_as(elems, b)))

    if reverse:
        leaves = [shaping.reverse(x, axis) for x in leaves]
    # Hillis and Steele: after the pass of distance d, place i holds the combination of the 2d elements that end at i.
    n, distance = sizes[0], 1
    while distance < n:
        combined = combine([part(x, 0, n - distance) for x in leaves], [part(x, distance, n) for x in leaves])
        leaves = [shaping.concatenate([part(x, 0, distance), y], axis) for x, y in zip(leaves, combined, strict=True)]
        distance *= 2
    if reverse:
        leaves = [shaping.reverse(x, axis) for x in leaves]
    return tree.pack_sequence_as(elems, leaves)


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """`val = body_fun(i, val)` for i from `lower` up to, not including, `upper`."""
    first, last = constant(lower), constant(upper)
    if first is not None and last is not None:
        value = init_val
        for i in range(int(first), int(last)):
            value = body_fun(i, value)
        return value
    start = convert_to_tensor(lower, "int32")
    end = convert_to_tensor(upper, "int32")
    flat = tree.flatten(init_val)

    def body(i: Any, *leaves: Any) -> tuple[Any, ...]:
        value = body_fun(i, tree.pack_sequence_as(init_val, list(leaves)))
        return (elementwise.add(i, np.int32(1)), *tree.flatten(value))

    results = while_loop(lambda i, *leaves: elementwise.less(i, end), body, (start, *flat))
    return tree.pack_sequence_as(init_val, list(results[1:]))


# --- loops of unknown length ------------------------------------------------------------------------------------------


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """`loop_vars = body(*loop_vars)` while `cond(*loop_vars)`, at most `maximum_iterations` times.

    With a traced condition the loop is one step of the program, which cannot be differentiated.
    """
    several = isinstance(loop_vars, (tuple, list))
    state = _converted(tuple(loop_vars) if several else (loop_vars,))

    def step(values: tuple[Any, ...]) -> tuple[Any, ...]:
        result = body(*values)
        return tuple(result) if isinstance(result, (list, tuple)) and several else (result,)

    count = 0
    while maximum_iterations is None or count < maximum_iterations:
        truth = _is_true(cond(*state))
        if truth is None:
            left = None if maximum_iterations is None else maximum_iterations - count
            state = _traced_while(cond, step, state, left)
            break
        if not truth:
            break
        state = step(state)
        count += 1
    return state if several else state[0]


def _traced_while(cond: Callable[..., Any], step: Callable[[Any], Any], state: Any, limit: int | None) -> Any:
    from simplecell.engine.build import build

    initial = [as_tensor(x) for x in tree.flatten(state)]
    inside = [placeholder(t.spec, f"loop variable {i}") for i, t in enumerate(initial)]
    packed = tree.pack_sequence_as(state, list(inside))
    with StatelessScope():
        going = as_tensor(cast(cond(*packed), "bool"))
        after = [as_tensor(convert_to_tensor(x)) for x in tree.flatten(step(packed))]
    for t, new in zip(inside, after, strict=True):
        if t.spec != new.spec:
            raise ValueError(
                f"`body` of `while_loop` must keep shapes and dtypes. A loop variable of {t.spec} came back as "
                f"{new.spec}."
            )
    test, test_captures = close_over(inside, [going])
    graph, captures = close_over(inside, after)
    k, m = len(inside), len(test_captures)
    programs: list[Any] = []

    def run(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        if not programs:
            programs.extend(build(g, precision=KERAS) for g in (test, graph))
        values, for_test, for_body = list(arrays[:k]), list(arrays[k : k + m]), list(arrays[k + m :])
        count = 0
        while (limit is None or count < limit) and bool(programs[0]([*values, *for_test])[0]):
            values = programs[1]([*values, *for_body])
            count += 1
        return tuple(np.array(v) for v in values)

    op = CallOut(run, tuple(t.spec for t in inside), "while_loop")
    tensors: Sequence[Tensor] = apply(op, *initial, *test_captures, *captures)
    return tree.pack_sequence_as(state, builtins.list(tensors))
