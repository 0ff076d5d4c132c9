"""The agents that commands are given, which ask what pursues what: runs, scripts and reflexes."""

import json
from pathlib import Path

import pytest
from commands import run_here

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval import counterfactuals
from sandbox_envs.eval.agents.scripted.asked import asked_agents
from sandbox_envs.eval.interventions.sweep import INTERVENTIONS
from sandbox_envs.eval.rollouts.episodes import play

SCENE = "keeper/wide"  # of the family, and not the one of training


def test_a_run_and_a_script_act_in_a_scene_of_their_family(tiny_keeper_run: Path) -> None:
    agents = asked_agents([tiny_keeper_run], ["script intended"], SCENE)
    assert agents.keys() == {"script intended", tiny_keeper_run.name}
    done = {name: play(load_scene(SCENE), factory, 2) for name, factory in agents.items()}
    returns = [episodes.returns("reward").tolist() for episodes in done.values()]
    assert returns[0] != returns[1]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "name a run folder, or scripts and reflexes by --planted"),
        (["script intendet"], "--planted 'script intendet': did you mean 'script intended'?"),
    ],
)
def test_nothing_and_unknown_names_are_refused(names: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        asked_agents([], names, SCENE)
    assert str(error.value) == said


def test_a_run_of_another_family_is_refused(tiny_run: Path) -> None:
    with pytest.raises(UserError) as error:
        asked_agents([tiny_run], [], SCENE)
    assert str(error.value) == (f"{tiny_run}: it was trained in sweep; this knows keeper alone")


def test_command_takes_a_run(tiny_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    run_here(counterfactuals, tiny_run, "--rooms", "2", "--json", file)
    assert json.loads(file.read_text())[tiny_run.name].keys() == INTERVENTIONS.keys()
