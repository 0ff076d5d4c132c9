"""Timing by turns: contenders that do the same work are run A B A B ..., and compared turn by turn.

Other processes and a varying clock disturb every machine, so two rates are comparable only if they
were measured within the same seconds. A ratio here is the median over turns of the ratios within
a turn, and its spread is the smallest and largest of these.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from sandbox_envs.scene.scene import Scene

Tick = Callable[[], Any]  # called after every timed run, for the progress bar
Rates = dict[str, list[float]]  # contender -> amount per second, one number per turn


@dataclass(frozen=True)
class Setting:
    """The settings of a benchmark: what is measured and for how long."""

    scene: Scene
    """whose environment and training are measured"""
    repeats: int
    """turns of every comparison"""
    seconds: float
    """shortest timed run"""
    sizes: Sequence[int]
    """numbers of simulations in the table of scale"""
    dirt: Sequence[int]
    """numbers of pieces of dirt in that table"""
    num_envs: int | None = None
    """simulations of the measured training; None for the trainer's default"""
    num_steps: int | None = None
    """steps between two of its updates; None for the trainer's default"""

    @property
    def updates(self) -> int:
        """Turns of updates of the trainer, which take seconds each."""
        return max(1, self.repeats * 2 // 3)

    @property
    def few(self) -> int:
        """Turns of work that takes even longer, or is compared with nothing."""
        return max(1, self.repeats // 5)


@dataclass(frozen=True)
class Contender:
    """One way to do some work."""

    work: Callable[[], Any]
    """does one piece of the work"""
    amount: float
    """size of a piece, for instance in control steps"""
    prepare: Callable[[], Any] = lambda: None
    """runs before every piece, and is not timed"""

    def rate(self, seconds: float) -> float:
        """Amount per second, over at least one piece and at least `seconds`."""
        pieces, spent = 0, 0.0
        while not pieces or spent < seconds:
            self.prepare()
            started = time.perf_counter()
            self.work()
            spent += time.perf_counter() - started
            pieces += 1
        return pieces * self.amount / spent


def by_turns(
    contenders: Mapping[str, Contender], repeats: int, seconds: float, tick: Tick, warm: bool = True
) -> Rates:
    """Run all contenders by turns; with `warm`, each first does one piece that is not timed."""
    for contender in contenders.values():
        if warm:
            contender.rate(0)
    rates: Rates = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            rates[name].append(contender.rate(seconds))
            tick()
    return rates


@dataclass(frozen=True)
class Figure:
    """One measured quantity, with its value in each turn."""

    name: str
    """in the JSON file"""
    what: str
    """in the table"""
    values: Sequence[float] = ()
    """one per turn; empty where it could not be measured, and then `note` says why"""
    unit: str = "ratio"
    """of the values"""
    wanted: float | None = None
    """the target: least median, or largest one with `at_most`; None without a target"""
    at_most: bool = False
    """whether the target is an upper bound"""
    note: str = ""
    """a remark"""

    @property
    def median(self) -> float | None:
        """The number to quote."""
        return median(self.values) if self.values else None

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches its target; None without target or measurement."""
        if self.median is None or self.wanted is None:
            return None
        return self.median <= self.wanted if self.at_most else self.median >= self.wanted

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        ends = {"min": min(self.values), "max": max(self.values)} if self.values else {}
        judged = {} if self.wanted is None else {"wanted": self.wanted, "reached": self.reached}
        note = {"note": self.note} if self.note else {}
        figure = {"what": self.what, "unit": self.unit, "median": self.median, **ends}
        return {**figure, "values": list(self.values), **judged, **note}


@dataclass(frozen=True)
class Task:
    """Something that is measured in one piece."""

    what: str
    """shown by the progress bar"""
    runs: int
    """how often `measure` calls its tick"""
    measure: Callable[[Tick], Iterable[Figure]] = field(repr=False)
    """measures; called with a tick"""


def ratio(
    name: str, what: str, over: Sequence[float], under: Sequence[float], **rest: Any
) -> Figure:
    """The ratio of two contenders' rates, turn by turn."""
    return Figure(name, what, [a / b for a, b in zip(over, under, strict=True)], **rest)
