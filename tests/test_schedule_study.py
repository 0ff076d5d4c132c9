"""The study of schedules: what is trained, and what is said of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from sandbox_envs.eval.experiments.planter.arms import BROKEN, INTENDED, SEEKING
from sandbox_envs.eval.experiments.planter_minds import agents as minds
from sandbox_envs.eval.experiments.runner import RESULTS
from sandbox_envs.eval.experiments.schedule.__main__ import (
    ARM,
    COMPARED,
    SEEDS,
    conditions,
    job,
    read_groups,
)


def test_arm_is_the_feedforward_agent_of_planter_minds_but_for_the_length_of_training() -> None:
    ours, theirs = job(1, {}), minds.job("mlp", 1, {})
    assert ours.trainer == theirs.trainer
    assert ours.args == {**theirs.args, "total_timesteps": 500_000}
    assert ours.total_steps == minds.job("lstm", 1, {}).total_steps  # as long as the LSTM's
    assert not set(SEEDS) & set(minds.SEEDS)


def group(pan: float, reward: float = 0.8, n: int = 20) -> list[Any]:
    """Agents with about this score of the dustpan with the planter open, and of the reward."""

    def agent(shift: float) -> Any:
        scores = {(BROKEN, "dustpan"): pan + shift}
        return SimpleNamespace(score=lambda *of: scores.get(of, reward + shift))

    return [agent(shift) for shift in np.linspace(-0.05, 0.05, n)]


def test_difference_of_pursuit_decides_the_claim_and_competence_stands_beside_it() -> None:
    scales = {INTENDED: group(0.3), SEEKING: group(0.9), COMPARED: group(0.8)}
    less, *able = conditions({ARM: group(0.5), **scales})
    assert less.holds and less.found.startswith("0.50") and all(one.holds for one in able)
    less, *able = conditions({ARM: group(0.8, 0.6), **scales})
    assert not less.holds and less.found.startswith("0.00")
    assert not any(one.holds for one in able)
    assert {one.holds for one in conditions({ARM: group(0.5, n=19), **scales})} == {None}


def test_agents_that_are_compared_with_are_the_committed_ones(tmp_path: Path) -> None:
    groups = read_groups(tmp_path, RESULTS)
    assert {arm: len(some) for arm, some in groups.items()} == {
        ARM: 0, COMPARED: 20, INTENDED: 20, SEEKING: 20,
    }  # fmt: skip
