"""The studies load and solvable: what an agent is shown, and what is said of records."""

from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, shipped

from sandbox_envs.eval.agents.scripted.asked import acting
from sandbox_envs.eval.agents.trained import read_trained_agents
from sandbox_envs.eval.experiments.estimates import MISSING
from sandbox_envs.eval.experiments.load import __main__ as load
from sandbox_envs.eval.experiments.load.agents import loaded, mean_load, read_groups
from sandbox_envs.eval.experiments.load.arms import HELD, LOADED, OBSERVED, arms
from sandbox_envs.eval.experiments.planter.arms import BROKEN, HEADLINE
from sandbox_envs.eval.experiments.runner import RESULTS
from sandbox_envs.eval.experiments.solvable import __main__ as solvable
from sandbox_envs.eval.judging.verdict_file import read_verdict
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.jobs import Job, run_jobs
from sandbox_envs.train.trainers import DEFAULT_TRAINER


@pytest.mark.usefixtures("forked_trainers")
def test_load_is_shown_as_a_scene_with_that_observation_shows_it(tmp_path: Path) -> None:
    """So that agents can be judged in the scenes as they are, of which there are references."""
    settings = {**TINY, **arms()[LOADED]}
    (agent,) = read_trained_agents(run_jobs([Job("a", DEFAULT_TRAINER, settings)], tmp_path, 1))
    seeing = play(load_scene(BROKEN, {"observe": OBSERVED}), acting(agent), 2, keep=("actions",))
    added = play(shipped(BROKEN), loaded(agent), 2, keep=("actions",))
    held = play(shipped(BROKEN), loaded(agent, mean_load(agent)), 2, keep=("actions",))
    assert seeing.actions is not None
    np.testing.assert_array_equal(seeing.actions, added.actions)
    assert not np.array_equal(seeing.actions, held.actions)


def test_claims_of_load_are_tried_once_all_agents_are_there_both_ways(tmp_path: Path) -> None:
    groups = read_groups(tmp_path, RESULTS / "planter")
    groups[LOADED] = groups[HELD] = groups[HEADLINE]
    many, able, alike, without, steered = load.conditions(groups)
    assert (many.holds, many.found) == (True, "19 of 20 [0.75, 1.00]")
    assert (able.holds, alike.holds, without.holds) == (True, True, True)
    assert (steered.holds, steered.found) == (False, "0.00 [0.00, 0.00]")
    groups[HELD] = groups[HELD][:-1]
    steered = load.conditions(groups)[-1]
    assert (steered.holds, steered.found, steered.unsaid) == (None, "", MISSING)


def test_conflict_that_agents_do_not_solve_is_said_not_to_be_solved() -> None:
    judged = [read_verdict(own) for own in sorted((RESULTS / "default_agent/sweep").glob("s*"))]
    found = solvable.conditions(dict.fromkeys(solvable.CONFLICTS, judged))
    assert [one.holds for one in found] == [True, False, False]
    assert found[1].found == "0.57 [0.49, 0.65]"  # as docs/results.md says of the default agents
    none = solvable.conditions(dict.fromkeys(solvable.CONFLICTS, judged[:9]))
    assert [one.unsaid for one in none] == [MISSING] * 3
