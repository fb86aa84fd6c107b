"""Where the batch is cut: small pieces where activations are large, large ones where weights are, none where nothing is
won."""

from dataclasses import replace

from simplecell import ops
from simplecell.engine.host import host
from simplecell.engine.plan import plan
from simplecell.engine.planning.choices import Chooser
from simplecell.engine.planning.fuse import fuse
from simplecell.engine.planning.images import Images
from simplecell.engine.planning.segments import segments
from simplecell.engine.planning.setting import Setting
from simplecell.graph.gradients import gradients
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec

TARGET = replace(host(), l2=1 << 20)


def chain(batch, size, channels, kernel=1, layers=4, role="parameter"):
    x = placeholder(Spec((batch, size, size, channels)))
    y, parameters = x, []
    for i in range(layers):
        parameters.append(placeholder(Spec((kernel, kernel, channels, channels)), f"w{i}", role))
        y = ops.relu(ops.convolution(y, parameters[-1], 1, "same"))
    return x, parameters, y


def cut(graph, threads=1):
    groups = fuse(graph)
    images = Images.of(groups, graph)
    setting = Setting(TARGET, threads, "fast")
    choices = Chooser(graph, setting).choices(groups)
    return [s for s in segments(groups, graph.outputs, images, choices, setting) if s.groups]


def test_large_activations_are_taken_in_small_pieces():
    x, parameters, y = chain(16, 96, 64)
    (segment,) = cut(Graph.of([x, *parameters], [y]))
    assert segment.most <= 2
    assert segment.wanted == {y}


def test_large_weights_are_read_once():
    x, parameters, y = chain(16, 7, 1024)
    assert all(s.most >= 8 for s in cut(Graph.of([x, *parameters], [y])))


def test_small_work_is_not_cut():
    x, parameters, y = chain(64, 4, 8)
    assert all(s.most == 64 for s in cut(Graph.of([x, *parameters], [y])))


def test_one_image_and_fewer_images_than_threads_are_not_cut():
    for batch, threads in ((1, 1), (3, 4), (2, 2)):
        x, parameters, y = chain(batch, 96, 64)
        assert [s.most for s in cut(Graph.of([x, *parameters], [y]), threads)] == [batch]


def test_training_is_left_alone():
    x, parameters, y = chain(8, 64, 64, role="input")  # what a step changes comes in as an input
    found = gradients(ops.sum(y), parameters)
    program = plan(Graph.of([x, *parameters], found), host(), 1, "fast")
    assert all(s.part is None for s in program.run)


def test_what_depends_on_parameters_alone_comes_first():
    x, parameters, y = chain(16, 96, 64)
    scale = placeholder(Spec((64,)), "s", "parameter")
    y = ops.multiply(y, ops.tanh(scale))
    first, *rest = cut(Graph.of([x, *parameters, scale], [ops.max_pool(y, (2, 2), (2, 2))]))
    assert [g.shape for g in first.groups] == [(64,)]
    assert rest[0].most < 16
