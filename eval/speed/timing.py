"""Timing by turns: contenders that do the same work are run A B A B ..., and compared turn by turn.

A machine is never alone and its clock is never steady, so two rates are comparable only when they
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
    """What is measured and how long.

    repeats: turns. seconds: of each timed run, at least. sizes: numbers of simulations of the
    table of scale; dirt: numbers of pieces. num_envs, num_steps: of the training that is measured,
    None for the trainer's own.
    """

    scene: Scene
    repeats: int
    seconds: float
    sizes: Sequence[int]
    dirt: Sequence[int]
    num_envs: int | None = None
    num_steps: int | None = None

    @property
    def updates(self) -> int:
        """Turns where one is an update of the trainer, which takes seconds."""
        return max(1, self.repeats * 2 // 3)

    @property
    def few(self) -> int:
        """Turns of what takes longer still, or is not compared with anything."""
        return max(1, self.repeats // 5)


@dataclass(frozen=True)
class Contender:
    """One way to do some work.

    work: does one piece of it. amount: how much that is, in control steps for instance.
    prepare: run before every piece, and not timed.
    """

    work: Callable[[], Any]
    amount: float
    prepare: Callable[[], Any] = lambda: None

    def rate(self, seconds: float) -> float:
        """Amount per second, over at least one piece and at least `seconds`."""
        pieces, spent = 0, 0.0
        while not pieces or spent < seconds:
            self.prepare()
            begun = time.perf_counter()
            self.work()
            spent += time.perf_counter() - begun
            pieces += 1
        return pieces * self.amount / spent


def by_turns(
    contenders: Mapping[str, Contender], repeats: int, seconds: float, tick: Tick, warm: bool = True
) -> Rates:
    """Run all contenders by turns; with `warm` each first does a piece that is not timed."""
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
    """One measured number, with what it was in each turn.

    values: one per turn; none where it could not be measured, and then `note` says why.
    unit: "ratio" for what has none. wanted: the least (or, with at_most, the largest) median to
    be content with; None where there is no such number.
    """

    name: str
    what: str
    values: Sequence[float] = ()
    unit: str = "ratio"
    wanted: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def median(self) -> float | None:
        """The number to quote."""
        return median(self.values) if self.values else None

    @property
    def reached(self) -> bool | None:
        """Whether it is as wanted; None where nothing is, or nothing was measured."""
        if self.median is None or self.wanted is None:
            return None
        return self.median <= self.wanted if self.at_most else self.median >= self.wanted

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        ends = {"min": min(self.values), "max": max(self.values)} if self.values else {}
        judged = {} if self.wanted is None else {"wanted": self.wanted, "reached": self.reached}
        note = {"note": self.note} if self.note else {}
        told = {"what": self.what, "unit": self.unit, "median": self.median, **ends}
        return {**told, "values": list(self.values), **judged, **note}


@dataclass(frozen=True)
class Task:
    """Something to measure in one go; runs: how often `measure` calls its tick."""

    what: str
    runs: int
    measure: Callable[[Tick], Iterable[Figure]] = field(repr=False)


def ratio(
    name: str, what: str, over: Sequence[float], under: Sequence[float], **rest: Any
) -> Figure:
    """The ratio of two contenders' rates, turn by turn."""
    return Figure(name, what, [a / b for a, b in zip(over, under, strict=True)], **rest)
