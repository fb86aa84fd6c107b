"""Run a function twice: on arrays, and traced into a program."""

from simplecell.keras_backend.step_program import StepProgram
from simplecell.keras_backend.tracing import trace_function


def traced(function, *arrays):
    """`function(*arrays)`, run as a program that was traced from shapes and dtypes alone."""
    return StepProgram(trace_function(lambda data: function(*data), list(arrays)), precision="fast")(list(arrays))
