"""What an algorithm is to the planner, in every family: what it refuses, what it costs, what it makes of a problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from simplecell.engine.code.kernel import Kernel
from simplecell.engine.planning import tune
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.program import Considered

P = TypeVar("P")
K = TypeVar("K", bound=Kernel)

DRAW = 0.92
"""A later entry must be predicted to take less than this share of an earlier one's time: predictions are not better
than that, and the tables prefer what is more accurate."""
TIMED = 3.0
"""When tuning, algorithms predicted to take less than so many times the best one's time are timed."""


@dataclass(frozen=True)
class Schedule:
    """The numbers that a kernel is given when it runs. A subclass has a field for each of them, by the argument's name;
    a field that is a Schedule stands for its own fields, and one that is None for none."""

    def arguments(self) -> dict[str, Any]:
        """The kernel's arguments by name."""
        found: dict[str, Any] = {}
        for name in _names(type(self)):
            value = getattr(self, name)
            if isinstance(value, Schedule):
                found |= value.arguments()
            elif value is not None:
                found[name] = value
        return found

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of the fields that are always there, those without the default None, for `Kernel.arguments`."""
        return _names(cls, always=True)


def _names(schedule: type[Schedule], always: bool = False) -> tuple[str, ...]:
    """Of the fields of a kind of schedule: all, or those that are always there."""
    key = schedule, always
    if key not in _known_names:
        _known_names[key] = tuple(f.name for f in fields(schedule) if not (always and f.default is None))
    return _known_names[key]


_known_names: dict[tuple[type[Schedule], bool], tuple[str, ...]] = {}


@dataclass(frozen=True)
class Plan(Generic[K]):
    """What an algorithm makes of a problem: a kernel, and all that it is given but addresses."""

    kernel: K
    schedule: Schedule
    scratch_bytes: int = 0
    """of each thread"""
    tables: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)
    """constants that the kernel reads, by the argument that takes their address"""
    title: str = ""
    """the algorithm's name with its tile, as `describe` prints it"""
    reason: str = ""
    """why it is cut so, where there is something to say"""


class Algorithm(Generic[P]):
    """One way to compute problems of one kind. A table of them is in order of preference: of two that are predicted to
    take nearly the same time, the earlier is chosen."""

    name: str
    decisive: ClassVar[bool] = False
    """Where it does not refuse, those behind it in the table are not asked."""
    knows_weights: ClassVar[bool] = False
    """Does its cost know how often weights are read again where a batch is computed a few images at a time?"""

    def refuses(self, problem: P, setting: Setting) -> str | None:
        """Why it cannot compute the problem, or None."""
        raise NotImplementedError

    def cost(self, problem: P, setting: Setting) -> float:
        """Predicted nanoseconds on one thread."""
        raise NotImplementedError

    def weights_cost(self, problem: P, setting: Setting) -> float:
        """Predicted nanoseconds to bring the weights into its form, where that is to be done in each run."""
        return 0.0


@dataclass(frozen=True)
class Choice(Generic[P]):
    """Which algorithm computes a problem, and what spoke for it."""

    problem: P
    algorithm: Algorithm[P]
    cost: float
    """predicted nanoseconds on one thread"""
    considered: tuple[Considered, ...]

    @property
    def reason(self) -> str:
        """In one line: times that were measured and predicted; the refusals, where they left no choice."""
        timed = [f"{c.name} {c.seconds * 1e6:.0f}" for c in self.considered if c.seconds is not None]
        offered = [c for c in self.considered if c.refusal is None]
        notes = ["timed µs: " + ", ".join(timed)] if timed else []
        notes.append("predicted µs: " + ", ".join(f"{c.name} {c.cost / 1e3:.0f}" for c in offered))
        if len(offered) == 1:
            refused = {
                (c.name.split()[0].rstrip(","), c.refusal): None for c in self.considered if c.refusal is not None
            }
            notes += [f"not {family}: {why}" for family, why in refused]
        return "; ".join(notes)


def choose(
    table: Sequence[Algorithm[P]],
    problem: P,
    setting: Setting,
    *,
    kind: str = "",
    draw: float = DRAW,
    weights_change: bool = False,
    runs: Callable[[Algorithm[P]], Callable[[], object]] | None = None,
) -> Choice[P]:
    """The cheapest algorithm that does not refuse; the earlier in the table wins a near draw.

    Args:
        table: algorithms, of which at least one refuses nothing.
        kind: of the problem, where problems of other tables look alike: for tuning.
        draw: an earlier algorithm wins unless a later one is predicted to take less than this share of its time.
        weights_change: they are brought into an algorithm's form in each run.
        runs: an algorithm → a function that runs it on the problem, for tuning; None: it is not timed.
    """
    considered: list[Considered] = []
    offered: list[tuple[float, Algorithm[P]]] = []
    for algorithm in table:
        refusal = algorithm.refuses(problem, setting)
        if refusal is not None:
            considered.append(Considered(algorithm.name, refusal))
            continue
        cost = algorithm.cost(problem, setting)
        if weights_change:
            cost += algorithm.weights_cost(problem, setting)
        considered.append(Considered(algorithm.name, None, cost))
        offered.append((cost, algorithm))
        if algorithm.decisive:
            break
    best = offered[0]
    for entry in offered[1:]:
        best = entry if entry[0] < draw * best[0] else best
    cost, chosen = best
    if setting.tune and runs is not None and len(offered) > 1:
        timed = {a.name: a for c, a in offered if c < TIMED * best[0]}
        what = f"{kind} of {problem}" if kind else str(problem)
        seconds = tune.times(
            f"{what} on {setting.target.name} {setting.target.cpu}, {setting.threads} threads",
            {name: partial(runs, a) for name, a in timed.items()},
        )
        chosen = timed[min(seconds, key=seconds.__getitem__)]
        cost = next(c for c, a in offered if a is chosen)
        considered = [Considered(c.name, c.refusal, c.cost, seconds.get(c.name)) for c in considered]
    return Choice(problem, chosen, cost, tuple(considered))
