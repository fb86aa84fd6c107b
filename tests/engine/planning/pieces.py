"""Building graphs with parameters, and cutting the batch where a test wants it cut."""

from simplecell import ops
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec


class Network:
    """Builds a graph, and its parameters on the way."""

    def __init__(self, *shape):
        self.x = placeholder(Spec(shape))
        self.parameters = []

    def parameter(self, *shape):
        self.parameters.append(placeholder(Spec(shape), f"w{len(self.parameters)}", "parameter"))
        return self.parameters[-1]

    def convolved(self, x, filters, kernel, strides=1, groups=1):
        w = self.parameter(kernel, kernel, x.shape[-1] // groups, filters)
        return ops.relu(ops.add(ops.convolution(x, w, strides, "same", groups=groups), self.parameter(filters)))

    def graph(self, *outputs):
        return Graph.of([self.x, *self.parameters], list(outputs))


def forced(most):
    """Runs of independent groups, all of them for at most `most` images at a time."""

    def cut(groups, images, costs):
        found = []
        for i, group in enumerate(groups):
            now = most if group in images.independent else images.batch
            if found and found[-1][2] == now:
                found[-1] = (found[-1][0], i + 1, now)
            else:
                found.append((i, i + 1, now))
        return found

    return cut
