"""The stages of planning, from a graph to a program. Each is a value that one function makes of the one before."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.planning.choices import Choices, Chooser
from simplecell.engine.planning.facts import Facts
from simplecell.engine.planning.finish import finish
from simplecell.engine.planning.fuse import singles
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.images import Images
from simplecell.engine.planning.joins import Groups, group
from simplecell.engine.planning.lowering import Lowering, Refused
from simplecell.engine.planning.pieces import lower_in_pieces
from simplecell.engine.planning.placement import places
from simplecell.engine.planning.segments import Segment, segments
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.program import Program
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Tensor


@dataclass(frozen=True)
class Stages:
    """All that is made on the way. `print` shows it."""

    groups: Groups
    """which nodes are computed together"""
    choices: Choices
    """by which algorithm"""
    segments: tuple[Segment, ...]
    """for how many images of the batch at a time"""
    program: Program
    """by which steps, in which memory"""

    @property
    def in_memory(self) -> frozenset[Tensor]:
        """The values of the graph that a step writes; the others exist inside of steps alone, or not at all."""
        return frozenset(t for g in self.groups.all for t in g.outputs)

    def __str__(self) -> str:
        chosen = [f"{t.spec}: {c.algorithm.name}, {c.reason}" for t, c in self.choices.items()]
        parts = {"groups": [str(self.groups)], "choices": chosen, "segments": map(str, self.segments)}
        return "\n\n".join("\n".join([f"{title}:", *lines]) for title, lines in parts.items())


def stages(graph: Graph, setting: Setting) -> Stages:
    """Everything from the graph to the program."""
    chooser = Chooser(graph, setting)
    groups = group(chooser)
    choices = chooser.choices(groups.all)
    images = Images.of(groups.all, graph)
    cut = tuple(segments(groups.all, graph.outputs, images, choices, setting))
    return Stages(groups, choices, cut, steps(groups, choices, cut, images, setting, chooser.facts))


def steps(
    groups: Groups, choices: Choices, cut: tuple[Segment, ...], images: Images, setting: Setting, facts: Facts
) -> Program:
    """The program of the segments' steps."""
    ctx = Lowering(facts, setting, choices, places(groups.all, facts.graph.outputs), groups.notes)
    for segment in cut:
        if segment.most < images.batch:
            try:
                lower_in_pieces(ctx, segment, images)
                continue
            except Refused:
                pass  # then all images at once
        for g in segment.groups:
            _lower(ctx, g)
    return finish(ctx)


def _lower(ctx: Lowering, g: Group) -> None:
    try:
        ctx.lower(g)
    except Refused as refused:
        for single in singles(refused.group):
            ctx.lower(single)


def alone(graph: Graph, g: Group, setting: Setting, choices: Choices) -> Program:
    """The program of a graph that is one group, by an algorithm that is given."""
    ctx = Lowering(Facts(graph), setting, choices, {}, {})
    ctx.lower(g)
    return finish(ctx)
