"""Which convolutions are joined: a depthwise one with the pointwise ones before and after it, where that pays.

Groups are joined after fusion has given each convolution its epilogue. costs.py has what was measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.depthwise.schedule import window_of
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.separable.costs import LONG, MOST_TAPS
from simplecell.engine.algorithms.convolution.separable.schedule import SeparableProblem, columns_of
from simplecell.engine.algorithms.sliding import Sliding
from simplecell.engine.planning.choices import Chooser
from simplecell.engine.planning.groups import AnchoredGroup, Group, JoinedGroup
from simplecell.engine.planning.joins import Groups, joins
from simplecell.engine.target import Target
from simplecell.graph.tensor import Tensor
from simplecell.ops.convolution import Convolution


@dataclass(frozen=True, eq=False)
class SeparableGroup(JoinedGroup):
    """A pointwise convolution, a depthwise one and another pointwise one, in this order; either of the pointwise ones
    may be missing."""

    @property
    def depthwise(self) -> Group:
        return next(g for g in self.members if _is_depthwise(g))

    @property
    def expand(self) -> Group | None:
        return None if self.members[0] is self.depthwise else self.members[0]

    @property
    def project(self) -> Group | None:
        return None if self.members[-1] is self.depthwise else self.members[-1]

    @property
    def problem(self) -> SeparableProblem:
        ic = self.members[0].anchor.inputs[0].shape[-1]
        expands, projects = self.expand is not None, self.project is not None
        return SeparableProblem(_window(self.depthwise), ic, self.shape[-1], expands, projects)


@joins(order=1)
def joined(groups: Sequence[Group], chooser: Chooser) -> Groups:
    """The groups, with separable convolutions joined where it pays."""
    target, threads = chooser.setting.target, chooser.setting.threads
    made_by = {t: g for g in groups for t in g.outputs}
    users = Counter(t for g in groups for t in set(g.reads))
    users.update(chooser.facts.graph.outputs)
    read_by = {t: g for g in groups for t in g.reads}
    gone: set[Group] = set()
    replaced: dict[Group, Group] = {}
    for group in groups:
        if group in gone or not _is_depthwise(group):
            continue
        before, after = made_by.get(group.inputs[0]), read_by.get(group.output)
        if before is not None and (before in gone or users[before.output] > 1 or not _expands(before, group, target)):
            before = None
        if after is not None and (users[group.output] > 1 or not _projects(group, after, target)):
            after = None
        if not _pays(before, group, after, target, threads):
            continue
        parts = [g for g in (before, group, after) if g is not None]
        gone.update(parts)
        replaced[parts[-1]] = _join(before, group, after)
    return Groups(tuple(replaced.get(g, g) for g in groups if g in replaced or g not in gone))


def _pays(before: Group | None, group: Group, after: Group | None, target: Target, threads: int) -> bool:
    if before is None and (after is None or isinstance(columns_of(_window(group), target), str)):
        return False
    if _beyond_cache(group.output if before is None else before.output, target):
        return True
    n, rows, columns, _ = group.output.shape
    return before is not None and after is not None and columns >= LONG and n * rows >= LONG * threads


def _join(before: Group | None, depthwise: Group, after: Group | None) -> Group:
    parts = [g for g in (before, depthwise, after) if g is not None]
    inside = {g.output for g in parts[:-1]}
    inputs = tuple(dict.fromkeys(t for g in parts for t in g.reads if t not in inside))
    last = parts[-1]
    nodes = tuple(n for g in parts for n in g.nodes)
    return SeparableGroup(nodes, last.anchor, inputs, last.outputs, last.shape, tuple(parts))


def _is_depthwise(group: Group) -> bool:
    op = group.anchor.op
    if not isinstance(op, Convolution) or group.anchor.outputs[0].spec.dtype != "float32":
        return False
    src, weights = group.anchor.inputs
    if (
        len(src.shape) != 4
        or op.dilation != (1, 1)
        or 0 in group.output.shape
        or weights.shape[0] * weights.shape[1] > MOST_TAPS
    ):
        return False
    return op.groups == src.shape[-1] == weights.shape[-1] > 1


def _is_pointwise(group: Group) -> bool:
    op = group.anchor.op
    if not isinstance(op, Convolution) or op.groups != 1 or len(group.shape) != 4:
        return False
    kernel = group.anchor.inputs[1].shape[:2]
    return kernel == (1, 1) and op.strides == (1, 1) and op.padding == ((0, 0), (0, 0))


def _local(group: Group) -> bool:
    """Does the epilogue read nothing of the output's own shape?"""
    return not isinstance(group, AnchoredGroup) or "full" not in group.epilogue.kinds


def _beyond_cache(tensor: Tensor, target: Target) -> bool:
    return tensor.spec.nbytes > target.l2 // 2


def _small_weights(group: Group, target: Target) -> bool:
    """They are read once for each group of rows, so they should stay close."""
    return group.anchor.inputs[1].spec.nbytes <= target.l2 // 8


def _expands(before: Group, group: Group, target: Target) -> bool:
    ring = group.anchor.inputs[1].shape[0] * before.output.shape[2] * before.output.shape[3] * 4
    return (
        _is_pointwise(before)
        and _local(before)
        and _small_weights(before, target)
        and ring <= target.l2 // 4
        and group.inputs[0] is before.output
    )


def _projects(group: Group, after: Group, target: Target) -> bool:
    return (
        _is_pointwise(after)
        and _local(group)
        and _small_weights(after, target)
        and after.inputs[0] is group.output
        and sum(t is group.output for t in after.reads) == 1
    )


def _window(depthwise: Group) -> Sliding:
    op, (src, weights) = depthwise.anchor.op, depthwise.anchor.inputs
    assert isinstance(op, Convolution)
    problem = ConvolutionProblem.of(op, src.shape, weights.shape)
    assert problem is not None
    return window_of(problem, problem.oc)
