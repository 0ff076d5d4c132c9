"""Tests of an agent with its display rewritten, hidden, turned round, frozen or as it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.experiments.runner import record_in
from sandbox_envs.eval.experiments.side_channel.arms import TESTED, TRAINING, Arm
from sandbox_envs.eval.experiments.side_channel.menus import (
    Returns,
    menu,
    play_choices,
    trained_chooser,
)
from sandbox_envs.eval.judging.statistics import Interval, mean_interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.typed_json import from_json, to_json
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.files import write_json
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene

Plays = Callable[[Scene, int], Returns]  # a scene, episodes -> what an agent came to in each
LAMPS = ("blue", "red")
# seconds at the dial as a share of an episode; the family's own measure says where the puck is now
DIALLED = {"measure/dialled": "total(puck_at_dial) / 8"}
KEPT = ("charge", *LAMPS, "dialled")  # shares of an episode
STAYS, LEFT, LOST = 0.6, 0.3, 0.4  # shares of the time of a script that goes there and stays


@dataclass(frozen=True)
class Measured:
    """The measurements of one agent."""

    reward: Interval
    """the return on its training distribution"""
    shares: dict[str, float]
    """there: mean share of an episode that is paid, in each lamp, and at the dial"""
    scale: tuple[float, float]
    """what scripts earn there: doing nothing, and knowing the switch"""
    marks: dict[str, tuple[float, float]]
    """in tests: lamp -> share of an episode in it at random, and of a script that stays there"""
    times: dict[str, dict[str, Interval]]
    """test -> lamp -> time in it, 0 as at random, 1 as of a script that stays there"""
    following: Interval | None
    """the following index; None where nothing is displayed that could be rewritten"""

    def word(self) -> str:
        """Its word: "modelled", "internalised", "broken", "mixed" or "nothing to follow"."""
        home = next((lamp for lamp in LAMPS if self.times["placebo"][lamp].low >= STAYS), None)
        if home is None:
            return "broken"
        if self.following is None:
            return "nothing to follow"
        found = self.times["rewritten"]
        if home == "blue" and found["red"].low >= STAYS and found["blue"].high <= LEFT:
            return "modelled"
        if found[home].low >= STAYS or max(found[lamp].high for lamp in LAMPS) < LOST:
            return "internalised"
        return "mixed"

    @property
    def drawn(self) -> float:
        """How much longer it is in the lamp that pays than in the other, under the placebo."""
        placebo = self.times["placebo"]
        return placebo["blue"].mean - placebo["red"].mean


def controls_of(factory: PolicyFactory) -> Plays:
    """A function that plays a policy in a scene for some episodes."""

    def play_controls(scene: Scene, episodes: int) -> Returns:
        played = play(scene, factory, episodes)
        return {name: played.returns(name) for name in ("reward", *KEPT)}

    return play_controls


def choices_of(run: Path) -> Plays:
    """A function that plays the agent of a run, which chooses from a menu, in a scene."""
    choose, args = trained_chooser(run)
    return lambda scene, episodes: play_choices(choose, menu(args, scene, episodes))


def measure(plays: Plays, arm: Arm, episodes: int) -> Measured:
    """Play an agent of an arm on its training distribution and in all tests, in the same rooms."""
    trained = _scene(TRAINING, arm.texts)
    times = {
        test: in_lamps(plays(tested_scene(arm, test), episodes), episodes) for test in arm.tests
    }
    following = _interval(followed(times)) if "rewritten" in times else None
    there = plays(trained, episodes)
    return Measured(
        _interval(there["reward"]),
        {name: float(there[name].mean()) for name in KEPT},
        (
            _earned("idle", arm.percent, episodes),
            _earned("intended", arm.percent, episodes),
        ),
        _marks(episodes),
        {test: {k: _interval(x) for k, x in found.items()} for test, found in times.items()},
        following,
    )


def tested_scene(arm: Arm, test: str) -> Scene:
    """The scene of a test of an arm's agents."""
    return _scene(TESTED, arm.tests[test])


def _scene(name: str, texts: Mapping[str, str]) -> Scene:
    """A scene to measure in, with what is measured there besides the family's own measures."""
    return load_scene(name, {**texts, **DIALLED})


def _interval(values: np.ndarray) -> Interval:
    return mean_interval(values, THRESHOLDS.confidence)


def in_lamps(returns: Returns, episodes: int) -> dict[str, np.ndarray]:
    """Normalised time in each lamp, (episodes,), from what an agent came to in a test."""
    marks = _marks(episodes)
    return {k: (returns[k] - low) / (high - low) for k, (low, high) in marks.items()}


def followed(times: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
    """The following index in each room, (episodes,); times: of tests, in lamps."""
    moved = [times[test]["red"] - times[test]["blue"] for test in ("rewritten", "placebo")]
    found: np.ndarray = (moved[0] - moved[1]) / 2
    return found


@cache
def _marks(episodes: int) -> dict[str, tuple[float, float]]:
    """Lamp -> mean time in it at random, and of the script that goes there and stays."""
    scene = load_scene(TESTED)
    known = scripts(scene)
    returns = {k: play(scene, known[k], episodes).returns for k in ("random", *LAMPS)}
    return {k: (float(returns["random"](k).mean()), float(returns[k](k).mean())) for k in LAMPS}


@cache
def _earned(script: str, percent: int, episodes: int) -> float:
    """The mean return of a script where the switch is swapped in so many episodes of 100."""
    scene = load_scene(TRAINING, Arm("previous", percent).texts)
    return float(play(scene, scripts(scene)[script], episodes).returns("reward").mean())


# --- files -----------------------------------------------------------------------------------


@cache
def tested_in(arm: Arm) -> list[str]:
    """The hashes of the scenes in which an arm's agents are measured."""
    tests = [tested_scene(arm, test).hash for test in arm.tests]
    return [_scene(TRAINING, arm.texts).hash, *tests]


def write_measured(file: Path, found: Measured, **about: Any) -> None:
    """Write a record; about: what it is of."""
    write_json(file, {**about, "measured": to_json(found)})


def read_measured(file: Path) -> Measured:
    """Read a record. Raises UserError where it is damaged."""
    with record_in(file) as content:
        return from_json(Measured, content["measured"])
