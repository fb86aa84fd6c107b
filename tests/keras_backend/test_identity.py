"""What a compiled function is found by: changes of what it reads are seen, wherever they are."""

from __future__ import annotations

import collections
import dataclasses
import logging
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import simplecell

X = np.ones(3, "float32")


def factor(function: Callable[[Any], Any]) -> float:
    """What a function multiplies by."""
    _, (slope,) = simplecell.value_and_gradients(function, X)
    return float(slope[0])


class Slots:
    __slots__ = ("nothing", "scale")


@dataclasses.dataclass
class Parts:
    scale: float = 2.0
    unused: int = 0


class Wrapped:
    """Whose content is reached by syntax alone."""

    def __init__(self) -> None:
        self.data = {"scale": 2.0}

    def __getitem__(self, name: str) -> float:
        return self.data[name]

    def __getattr__(self, name: str) -> float:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.data[name]

    def __rmul__(self, x: Any) -> Any:
        return x * self.data["scale"]

    __array_ufunc__ = None


class Base:
    scale = [2.0]

    def method(self, x: Any) -> Any:
        return x * self.scale[0]

    @staticmethod
    def static(x: Any) -> Any:
        return x * Base.scale[0]

    @classmethod
    def of_class(cls, x: Any) -> Any:
        return x * cls.scale[0]


class Derived(Base):
    def method(self, x: Any) -> Any:
        return super().method(x)


class Weighted(keras.losses.Loss):
    def __init__(self) -> None:
        super().__init__(reduction="sum")
        self.weight = 2.0

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return y_pred * self.weight


Point = collections.namedtuple("Point", "scale")


def changing_items(holder: Any, key: Any) -> tuple[Callable[[Any], Any], Callable[[], None]]:
    return lambda x: x * holder[key], lambda: holder.__setitem__(key, 9.0)


def slots() -> Any:
    held = Slots()
    held.scale = 2.0
    return lambda x: x * held.scale, lambda: setattr(held, "scale", 9.0)


def named_tuple() -> Any:
    point = Point([2.0])
    return lambda x: x * point.scale[0], lambda: point.scale.__setitem__(0, 9.0)


def read_only_view() -> Any:
    inside = {"scale": 2.0}
    view = types.MappingProxyType(inside)
    return lambda x: x * view["scale"], lambda: inside.update(scale=9.0)


def attribute_of_a_function() -> Any:
    def function(x: Any) -> Any:
        return x * function.scale  # type: ignore[attr-defined]

    function.scale = 2.0  # type: ignore[attr-defined]
    return function, lambda: setattr(function, "scale", 9.0)


def wrapped(function: Callable[[Any, Any], Any]) -> Callable[[], Any]:
    def case() -> Any:
        held = Wrapped()
        return lambda x: function(x, held), lambda: held.data.update(scale=9.0)

    return case


def of_class(function: Callable[[Any], Any]) -> Callable[[], Any]:
    def case() -> Any:
        Base.scale = [2.0]
        return function, lambda: Base.scale.__setitem__(0, 9.0)

    return case


def loss() -> Any:
    held = Weighted()
    return lambda x: held(X, x), lambda: setattr(held, "weight", 9.0)


DERIVED = Derived()
CASES = {
    "deque": lambda: changing_items(collections.deque([2.0]), 0),
    "ordered dict": lambda: changing_items(collections.OrderedDict(a=2.0), "a"),
    "default dict": lambda: changing_items(collections.defaultdict(float, a=2.0), "a"),
    "a list's subclass": lambda: changing_items(type("Values", (list,), {})([2.0]), 0),
    "slots": slots,
    "named tuple": named_tuple,
    "view": read_only_view,
    "attribute of a function": attribute_of_a_function,
    "getitem": wrapped(lambda x, held: x * held["scale"]),
    "getattr": wrapped(lambda x, held: x * held.scale),
    "operator": wrapped(lambda x, held: x * held),
    "attribute of a class": of_class(lambda x: x * Base.scale[0]),
    "its own, by an object": of_class(lambda x: x * DERIVED.scale[0]),
    "static method": of_class(lambda x: Base.static(x)),
    "class method": of_class(lambda x: DERIVED.of_class(x)),
    "method that is overridden": of_class(lambda x: DERIVED.method(x)),
    "loss of one's own": loss,
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_changes_are_seen(case: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Base, "scale", [2.0])
    function, change = case()
    assert factor(function) == 2
    change()
    assert factor(function) == 9


def test_what_is_not_read_makes_no_new_program(monkeypatch: pytest.MonkeyPatch) -> None:
    from simplecell.keras_backend import value_and_gradients as module

    made, make = [], module._made
    monkeypatch.setattr(module, "_made", lambda *args: made.append(0) or make(*args))
    held = Parts()
    for held.unused in range(3):
        assert factor(lambda x: x * held.scale) == 2
    assert len(made) == 1
    held.scale = 9.0
    assert factor(lambda x: x * held.scale) == 9


def test_python_s_own_code_is_not_looked_into() -> None:
    from simplecell.keras_backend.identity import identity

    _, objects = identity(lambda x: logging.getLogger("a").info("%s", x))
    assert len(objects) < 10  # else each call would take milliseconds


def test_one_variable_is_not_a_list() -> None:
    v = keras.Variable(np.ones(3))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    for one, name in ((v, "Variable"), (X, "ndarray"), (model, "Sequential"), ({"v": v}, "dict")):
        with pytest.raises(
            TypeError, match=f"variables: must be a list or tuple of them, got one {name}. Pass .*train"
        ):
            simplecell.value_and_gradients(lambda x: x * v, X, variables=one)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="variables: must be a list or tuple of them, got one Tensor"):
        simplecell.value_and_gradients(lambda x: simplecell.gradients(x * x, x)[0], X)
