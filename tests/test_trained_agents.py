"""Trained agents are read from run folders, and every damage is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import run_command
from conftest import TINY
from safetensors.torch import load_file, save_file
from trainings import change

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval.agents.trained import check_fits, differences, read_trained_agents
from sandbox_envs.files import append_line
from sandbox_envs.train import ppo_lstm
from sandbox_envs.train.jobs import Job, run_jobs
from sandbox_envs.train.run_files import progress, read_args
from sandbox_envs.train.run_scenes import trained_scenes
from sandbox_envs.train.trainers import DEFAULT_TRAINER, ON_MENUS, trainer, trainer_args

pytestmark = pytest.mark.usefixtures("forked_trainers")


def job(name: str, **arguments: Any) -> Job:
    return Job(name, DEFAULT_TRAINER, {**TINY, **arguments})


def train(folder: Path, **arguments: Any) -> Path:
    return run_jobs([job("job", **arguments)], folder, workers=1)[0]


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished training, to be damaged."""
    return shutil.copytree(tiny_run, tmp_path / "run")


def family(folder: Path) -> Path:
    return shutil.copytree(load_scene("sweep/train").path.parent, folder)


# --- what is read ----------------------------------------------------------------------------


def test_metadata_of_an_agent_is_what_it_was_trained_with(run: Path) -> None:
    (agent,) = read_trained_agents([run])
    metadata = agent.metadata
    assert (metadata.name, metadata.seed, metadata.steps) == ("run", 1, 128)
    assert metadata.trained_on == {"sweep/train": load_scene("sweep/train").hash}
    assert metadata.args["reward"] is None
    assert metadata.args["set"] == []
    assert "run_dir" not in metadata.args


def test_step_of_a_policy_without_one_is_that_of_the_log(run: Path) -> None:
    """So did earlier versions."""
    weights = run / "policy.safetensors"
    save_file(load_file(weights), weights)
    assert progress(run) == (128, 128)
    log = run / "metrics.jsonl"
    last = json.loads(log.read_text().splitlines()[-1])
    append_line(log, {**last, "step": 192})
    assert progress(run)[0] == 192


def test_run_on_a_file_is_read_and_resumed_from_any_folder(tmp_path: Path) -> None:
    family(tmp_path / "mine")
    sizes = [f"--{k.replace('_', '-')}={v}" for k, v in TINY.items()]
    begin = [*sizes, "--scene=mine/train.xml", "--run-dir=runs"]
    run_command(ppo_lstm.__file__, *begin, cwd=tmp_path)
    (run,) = (tmp_path / "runs").iterdir()
    assert read_trained_agents([run])[0].family == (tmp_path / "mine").resolve()
    run_command(ppo_lstm.__file__, f"--resume={run}", "--total-timesteps=192")
    assert progress(run) == (192, 192)
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(UserError, match=r"runs/mine-train.*: .*mine/train\.xml: there is no such"):
        trained_scenes(run)


def test_differences_are_in_training_and_not_in_spelling(run: Path, tmp_path: Path) -> None:
    path = str(load_scene("sweep/train").path)
    settings = ("episode_seconds=25",)
    same = job("same", seed=2, scene=(path,), set=settings, torch_threads=2)
    other = job("other", scene=(path,), reward="gain(dustpan)", gamma=0.9)
    alike, unlike = run_jobs([same, other], tmp_path / "runs", 2)
    assert differences(read_trained_agents([run, alike])) == []
    assert differences(read_trained_agents([run, unlike])) == ["gamma", "reward"]


# --- what is refused -------------------------------------------------------------------------


def test_two_runs_of_one_name_are_refused(run: Path, tmp_path: Path) -> None:
    other = train(tmp_path / "other", seed=2)
    moved = shutil.move(other, tmp_path / "other" / "run")
    with pytest.raises(UserError, match=r"have the same name, by which films and pages go"):
        read_trained_agents([run, moved])


def test_run_on_two_families_is_refused(tmp_path: Path) -> None:
    files = [str(family(tmp_path / name) / "train.xml") for name in ("mine", "yours")]
    run = train(tmp_path / "runs", scene=tuple(files))
    with pytest.raises(UserError, match=r"on scenes of several families \(.*mine, .*yours\)"):
        read_trained_agents([run])


def test_agent_whose_actions_choose_skills_is_not_judged(tmp_path: Path) -> None:
    few = {"total_timesteps": 16, "num_envs": 4, "num_steps": 4, "num_minibatches": 2}
    args = trainer_args(ON_MENUS[0], {**few, "hidden_size": 8, "run_dir": str(tmp_path)})
    (agent,) = read_trained_agents([trainer(ON_MENUS[0]).main(args)])
    with pytest.raises(UserError, match="its actions choose skills, as ppo_menu trains it"):
        check_fits(agent, agent.scenes[0])


def not_finite(run: Path) -> None:
    weights = load_file(run / "policy.safetensors")
    weights["actor_logstd"] = torch.full_like(weights["actor_logstd"], torch.nan)
    save_file(weights, run / "policy.safetensors")


def lacks(name: str) -> Callable[[Path], object]:
    return lambda run: (run / name).unlink()


def says(name: str, content: str | bytes) -> Callable[[Path], object]:
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda run: (run / name).write_bytes(raw)


def has(*keys: str | int, to: Any) -> Callable[[Path], object]:
    return lambda run: change(run / "args.json", *keys, to=to)


ARGS, AGENT, LOG, POLICY = "args.json", "agent.json", "metrics.jsonl", "policy.safetensors"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (says(ARGS, "[]"), ARGS),
        (says(ARGS, "{"), ARGS),
        (says(ARGS, "{}"), ARGS),
        (says(ARGS, b'{"args": "\xff"}'), ARGS),
        (says(ARGS, "[" * 100_000), ARGS),
        (has("args", to=[]), ARGS),
        (has("args", to={}), ARGS),
        (has("args", "set", to=[1]), ARGS),
        (has("args", "set", to=None), ARGS),
        (has("args", "set", to=["gravity"]), ARGS),
        (has("args", "total_timesteps", to="many"), ARGS),
        (has("args", "total_timesteps", to=None), ARGS),
        (has("args", "total_timesteps", to=0), ARGS),
        (has("scenes", to=["sweep/train"]), ARGS),
        (has("scenes", to={}), ARGS),
        (has("scenes", to=[]), ARGS),
        (has("scenes", 0, "hash", to=1), ARGS),
        (has("scenes", 0, "given", to=None), ARGS),
        (has("scenes", 0, "file", to=[1]), ARGS),
        (has("scenes", 0, "overrides", to=[]), ARGS),
        (has("scenes", 0, "overrides", to={"reward": 1}), ARGS),
        (has("wrappers", to="ObserveReward"), ARGS),
        (has("wrappers", to=[1]), ARGS),
        (lacks(AGENT), "this is not a run folder, it has no agent.json"),
        (says(AGENT, "{"), "/agent.json: it is damaged"),
        (says(AGENT, '{"trainer": "os"}'), "/agent.json: unknown trainer 'os'; valid: ppo_lstm"),
        (says(AGENT, '{"trainer": "ppo_lstm"}'), f"{AGENT} and {POLICY} are damaged, or not of "),
        (says(AGENT, "[]"), AGENT),
        (says(AGENT, "{}"), AGENT),
        (says(AGENT, '{"trainer": "ppo_lstm", "agent": 3}'), AGENT),
        (says(AGENT, '{"trainer": "ppo_lstm", "agent": {"hidden_size": 0}}'), AGENT),
        (says(LOG, '{"step": 64}\n[]\n'), LOG),
        (says(LOG, '{"step": 64}\n{}\n'), LOG),
        (says(LOG, '{"step": 0}\n'), LOG),
        (says(LOG, '{"step": "64"}\n'), LOG),
        (says(LOG, b'{"step": 64, "x": "\xff"}\n'), LOG),
        (lacks(POLICY), "it has no policy.safetensors; train for at least one update"),
        (says(POLICY, "half"), f"{AGENT} and {POLICY} are damaged, or not of one run"),
        (says(POLICY, ""), POLICY),
        (not_finite, POLICY),
    ],
)
def test_every_damage_ends_in_one_sentence_that_names_the_file(
    run: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(run)
    with pytest.raises(UserError) as refusal:
        read_trained_agents([run])
    assert str(run) in str(refusal.value)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"), [("num_envs", "4"), ("gamma", None), ("reward", 1), ("debug", "no")]
)
def test_run_with_a_damaged_argument_is_not_resumed(run: Path, name: str, value: Any) -> None:
    change(run / "args.json", "args", name, to=value)
    with pytest.raises(UserError, match=r"run/args\.json: (it is damaged|an argument was changed)"):
        read_args(run)
