"""A configuration's layer, with its values and gradients, on whatever backend this process has: the part that both
sides share."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from tests.oracle.configurations import Configuration


def make_layer(configuration: Configuration) -> Any:
    import keras

    def make(name: str, arguments: dict[str, Any]) -> Any:
        return getattr(keras.layers, name)(**{k: resolve(v) for k, v in arguments.items()})

    def resolve(value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], tuple):
            return [resolve(v) for v in value]
        is_layer = isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dict)
        return make(*value) if is_layer else value

    return make(configuration.layer, configuration.arguments)


class Problem:
    """The layer, built and with weights that depend on the configuration alone."""

    def __init__(self, configuration: Configuration, dtype: str) -> None:
        import keras

        self.configuration = configuration
        rng = np.random.default_rng(zlib.crc32(str(configuration).encode()))
        arrays = [i.draw(rng) for i in configuration.inputs]
        self.arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]
        self.layer = make_layer(configuration)
        inputs = [keras.KerasTensor(a.shape, a.dtype.name) for a in self.arrays]
        specs = keras.tree.flatten(self.call(inputs))
        for variable in self.layer.variables:
            if variable.dtype == dtype:
                variable.assign(_weight(variable.path, tuple(variable.shape), rng).astype(dtype))
        self.weightings = [rng.normal(size=tuple(s.shape)).astype(dtype) for s in specs]

    def call(self, inputs: list[Any]) -> Any:
        options = {} if self.configuration.training is None else {"training": self.configuration.training}
        return self.layer(list(inputs), **options) if self.configuration.as_list else self.layer(*inputs, **options)

    def loss(self, inputs: list[Any]) -> tuple[Any, list[Any]]:
        """A number that depends on every output, and the outputs."""
        import keras

        outputs = keras.tree.flatten(self.call(inputs))
        total: Any = 0.0
        for output, weighting in zip(outputs, self.weightings, strict=True):
            total = total + keras.ops.sum(output * keras.ops.convert_to_tensor(weighting))
        return total, outputs

    def differentiable(self) -> list[int]:
        return [i for i, a in enumerate(self.arrays) if a.dtype.kind == "f"]


def _weight(path: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    name = path.rpartition("/")[2]
    if "variance" in name:
        return rng.uniform(0.5, 2.0, shape)
    if name in ("gamma", "scale"):
        return 1 + 0.3 * rng.normal(size=shape)
    # sums of products stay of size one, whatever the number of terms
    terms = max(1, int(np.prod(shape[:-1])))
    return rng.normal(size=shape) / np.sqrt(terms) if len(shape) > 1 else 0.5 * rng.normal(size=shape)


def on_jax(configuration: Configuration, dtype: str) -> dict[str, np.ndarray]:
    """Outputs, gradients of inputs and weights, and what non-trainable variables became."""
    import jax

    problem = Problem(configuration, dtype)
    layer = problem.layer
    trainable = [v.value for v in layer.trainable_variables]
    fixed = [v.value for v in layer.non_trainable_variables]
    places = problem.differentiable()

    def loss(trainable: Any, wanted: Any) -> Any:
        import keras

        arrays = list(problem.arrays)
        for i, x in zip(places, wanted, strict=True):
            arrays[i] = x
        pairs = [
            *zip(layer.trainable_variables, trainable, strict=True),
            *zip(layer.non_trainable_variables, fixed, strict=True),
        ]
        with keras.StatelessScope(state_mapping=pairs) as scope:
            total, outputs = problem.loss(arrays)
        after = [v if (found := scope.get_current_value(v)) is None else found for v in layer.non_trainable_variables]
        return total, (outputs, [a.value if hasattr(a, "value") else a for a in after])

    wanted = [problem.arrays[i] for i in places]
    (_, (outputs, after)), (diff_weights, diff_inputs) = jax.jit(
        jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    )(trainable, wanted)
    return named(outputs, diff_inputs, diff_weights, after)


def on_simplecell(configuration: Configuration) -> dict[str, np.ndarray]:
    """The same by one program, with machine code."""
    import keras

    from simplecell.keras_backend.gradients import gradients
    from simplecell.keras_backend.step_program import StepProgram
    from simplecell.keras_backend.tracing import trace_function

    problem = Problem(configuration, "float32")
    layer = problem.layer
    places = problem.differentiable()

    def step(data: list[Any]) -> Any:
        total, outputs = problem.loss(data)
        found = gradients(total, [*layer.trainable_variables, *(data[i] for i in places)])
        count = len(layer.trainable_variables)
        return outputs, found[count:], found[:count]

    program = StepProgram(trace_function(step, problem.arrays), precision="fast")
    outputs, diff_inputs, diff_weights = program(problem.arrays)
    zeros = [np.zeros_like(problem.arrays[i]) if g is None else g for i, g in zip(places, diff_inputs, strict=True)]
    result = named(outputs, zeros, diff_weights, [v.value for v in layer.non_trainable_variables])
    eager = Problem(configuration, "float32")
    for i, y in enumerate(keras.tree.flatten(eager.call(eager.arrays))):
        result[f"eager {i}"] = np.asarray(y)
    return result


def named(outputs: Any, diff_inputs: Any, diff_weights: Any, after: Any) -> dict[str, np.ndarray]:
    groups = {"output": outputs, "diff_input": diff_inputs, "diff_weight": diff_weights, "state": after}
    return {f"{name} {i}": np.asarray(value) for name, values in groups.items() for i, value in enumerate(values)}
