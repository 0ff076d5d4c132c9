"""Populations: who learns from what, who is copied, and that a stopped one goes on exactly."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import run_command, run_here
from conftest import WriteScene
from safetensors.torch import load_file

from sandbox_envs import SandboxVectorEnv, UserError
from sandbox_envs.train import population, sweep
from sandbox_envs.train.jobs import find_run, is_finished, run_jobs
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.population import (
    CHANGES,
    EXPLOITS,
    Args,
    Member,
    Population,
    PopulationJob,
    Tally,
    Together,
)
from sandbox_envs.train.run import Run
from sandbox_envs.train.trainers import trainer

pytestmark = pytest.mark.usefixtures("forked_trainers")

# a puck that is in the pit from the start, which pays in the next episode alone
CARRYING = {
    "carry/boost": "ever(robot_in_pit)",
    "measure/east": "x(robot_at)",
    "measure/boosted": "total(carried(boost))",
    "intended": "east",
    "reward": "gain(east) + gain(boosted)",
}
SENSOR = (
    '<site name="here" type="box" size="3 3 1"/>'
    '<insidesite name="robot_in_pit" site="here" objtype="xbody" objname="robot"/>'
)
SMALL = {"members": 4, "num_envs": 4, "episodes": 2, "argument": ("hidden_size=8",
         "num_minibatches=2", "learning_rate=0.01")}  # fmt: skip
GENERATION = 4 * 4 * 2 * 20  # steps of one


@pytest.fixture
def path(write_scene: WriteScene) -> Path:
    world, sensor = SENSOR.split("/>", 1)
    return write_scene(CARRYING, world=f"{world}/>", sensor=sensor)


def trained(folder: Path, scene: Path, generations: float, **given: Any) -> Path:
    """A small population's run."""
    values = {**SMALL, "total_timesteps": int(GENERATION * generations), **given}
    return population.main(Args(scene=str(scene), run_dir=str(folder), **values))


def exploits(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / EXPLOITS).read_text().splitlines()]


def members(run: Path) -> list[dict[str, torch.Tensor]]:
    return [load_file(run / "members" / str(k) / "policy.safetensors") for k in range(4)]


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


# --- a whole training ------------------------------------------------------------------------


def test_command_trains_and_its_members_and_price_splits_can_be_read(
    path: Path, tmp_path: Path
) -> None:
    job = PopulationJob("some", "ppo_mlp", {**SMALL, "scene": str(path), "total_timesteps": 4000})
    (run,) = run_jobs([job], tmp_path / "runs", 1)
    assert run_jobs([job], tmp_path / "runs", 1) == [run]  # not trained again
    assert "__population__s1__" in run.name
    rows = exploits(run)
    assert [row["generation"] for row in rows] == list(range(4000 // GENERATION))
    assert all(sum(row["copies"]) == 4 for row in rows)
    assert rows[-1]["copies"] == [1] * 4  # nobody is copied at the end
    assert any(row["copies"] != [1] * 4 for row in rows)
    change = np.mean(rows[-1]["end"]) - np.mean(rows[0]["start"])
    assert abs(sum(row["selected"] + row["learned"] for row in rows) - change) < 1e-12
    best = int(np.argmax(rows[-1]["fitness"]))
    assert equal(load_file(run / "policy.safetensors"), members(run)[best])
    actions, _ = load_policy(run / "members" / "3")(np.zeros((2, 3), np.float32))
    assert np.isfinite(actions).all()


def test_grid_of_populations_is_trained_by_one_command(path: Path, tmp_path: Path) -> None:
    """Arguments that vary may be those of the population or of its members."""
    given = {**SMALL, "total_timesteps": GENERATION}
    values = [f"{name}={value}" for name, value in given.items() if name != "argument"]
    varied = [*values, *SMALL["argument"], "copy=both | none"]
    flags = ["--population", "--trainer=ppo_mlp", f"--scene={path}", "--seeds=1", "--workers=1"]
    flags += [f"--vary={text}" for text in varied]
    done = run_here(sweep, *flags, "--local", f"--run-dir={tmp_path / 'runs'}")
    assert done.stdout.startswith("2 trials, 0 of them finished")
    for copied in ("both", "none"):
        assert re.search(rf"^population of ppo_mlp, copy={copied} +1 of 1 ", done.stdout, re.M)
        job = PopulationJob("", "ppo_mlp", {**given, "scene": str(path), "copy": copied})
        run = find_run(job, tmp_path / "runs")
        assert run is not None and is_finished(run) and exploits(run)


@pytest.mark.parametrize("trainer_name", ["ppo_mlp", "ppo_lstm"])
def test_stopped_population_goes_on_exactly(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer_name: str
) -> None:
    """It is stopped within a generation; the learning rates, too, are as if it never was."""
    whole = trained(tmp_path / "whole", path, 3, trainer=trainer_name, updates=2)
    updates = iter(range(100))
    with monkeypatch.context() as stopping, pytest.raises(SystemExit):
        stopping.setattr(Run, "interrupted", property(lambda _: next(updates) >= 5))
        trained(tmp_path / "stopped", path, 3, trainer=trainer_name, updates=2)
    (run,) = (tmp_path / "stopped").iterdir()
    assert len(exploits(run)) == 1
    population.main(Args(resume=str(run)))
    assert exploits(run) == exploits(whole)
    assert all(map(equal, members(run), members(whole)))


def test_note_says_which_generations_a_damaged_history_has_lost(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    updates = iter(range(100))
    with monkeypatch.context() as stopping, pytest.raises(SystemExit):
        stopping.setattr(Run, "interrupted", property(lambda _: next(updates) >= 9))
        trained(tmp_path / "runs", path, 4, updates=2)
    (run,) = (tmp_path / "runs").iterdir()
    rows = (run / EXPLOITS).read_bytes().splitlines(keepends=True)
    (run / EXPLOITS).write_bytes(rows[0] + rows[1][:9] + b"\0" + rows[1][10:])
    population.main(Args(resume=str(run)))
    assert [row["generation"] for row in exploits(run)] == [0, 2, 3]
    note = f"note: exploits.jsonl has lost its lines after step {GENERATION}; it goes on"
    assert note in capsys.readouterr().out


def test_line_that_cannot_be_written_for_a_while_is_written_later(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, tries = population.append_line, iter(range(100))

    def full_at_first(file: Path, row: dict[str, Any]) -> None:
        if next(tries) < 2:
            raise OSError(28, "No space left on device", str(file))
        write(file, row)

    monkeypatch.setattr(population, "append_line", full_at_first)
    assert [row["generation"] for row in exploits(trained(tmp_path, path, 3))] == [0, 1, 2]


def test_runs_of_trainers_and_of_populations_are_not_taken_for_each_other(
    path: Path, tmp_path: Path, tiny_keeper_run: Path
) -> None:
    run = trained(tmp_path, path, 1, trainer="ppo_lstm")
    with pytest.raises(UserError, match="it is a run of population; resume it with that"):
        trainer("ppo_lstm").main(trainer("ppo_lstm").Args(resume=str(run)))
    with pytest.raises(UserError, match="it is a run of ppo_lstm; resume it with that"):
        population.main(Args(resume=str(tiny_keeper_run)))


# --- who learns from what --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ppo_mlp", "ppo_lstm", "ppo_transformer"])
def test_members_act_together_as_each_does_alone_whatever_the_order_of_rows(name: str) -> None:
    """Also after a reset in the middle; rows are taken out of order, as ended episodes are."""
    torch.manual_seed(0)
    agents = [trainer(name).Agent(5, 2, 16) for _ in range(3)]
    together = Together(
        [Member(agent, torch.optim.Adam(agent.parameters()), 0.1) for agent in agents]
    )
    obs, starts = torch.randn(4, 6, 5), torch.zeros(6, dtype=torch.bool)
    starts[[0, 3]] = True
    state, alone = together.initial_state(6), [agent.initial_state(2) for agent in agents]
    order = torch.tensor([5, 0, 3, 1])
    with torch.no_grad():
        for t in range(4):
            if t == 2:
                state = together.reset_state(state, starts)
                parts = starts.chunk(3)
                alone = [a.reset_state(s, p) for a, s, p in zip(agents, alone, parts, strict=True)]
            some = tuple(part[:, order].clone() for part in state)
            shuffled, its_values, _ = together.act(obs[t, order], some)
            distribution, values, state = together.act(obs[t], state)
            own = [a.act(o, s) for a, o, s in zip(agents, obs[t].chunk(3), alone, strict=True)]
            alone = [new for _, _, new in own]
            torch.testing.assert_close(distribution.mean, torch.cat([d.mean for d, _, _ in own]))
            torch.testing.assert_close(values, torch.cat([v for _, v, _ in own]))
            torch.testing.assert_close(shuffled.mean, distribution.mean[order])
            torch.testing.assert_close(its_values, values[order])


def test_member_learns_from_its_own_simulations_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rewards of others are changed, and it learns the same."""
    found = []
    for others_get in (0.0, 100.0):
        args = Args(scene=str(path), **SMALL)
        some = Population(args, SandboxVectorEnv(path, 16))
        some.begin_generation()
        step = some.envs.step

        def changed(actions: np.ndarray, get: float = others_get, step: Callable = step) -> Any:
            obs, rewards, *rest = step(actions)
            return obs, rewards + get * (np.arange(16) // 4 != 2), *rest

        monkeypatch.setattr(some.envs, "step", changed)
        some.iterate(1.0)
        found.append([member.agent.state_dict() for member in some.members])
    assert [equal(one, other) for one, other in zip(*found, strict=True)] == [
        False, False, True, False
    ]  # fmt: skip


def test_fitness_counts_the_last_episodes_of_a_generation() -> None:
    """Two members of two simulations, in the second generation of three episodes: 12 to 23."""
    tally = Tally(Args(members=2, num_envs=2, episodes=3, window=2), ["east"])
    for index in range(12, 24):
        ended = {"episode_index": index, "return/reward": 1.0 * index, "return/east": -1.0 * index}
        tally.add([ended], generation=1)
    assert tally.returns["reward"].tolist() == [
        np.mean([16, 17, 20, 21]),
        np.mean([18, 19, 22, 23]),
    ]
    assert tally.returns["east"].tolist() == (-tally.returns["reward"]).tolist()


# --- what is copied --------------------------------------------------------------------------


def after_an_exploit(path: Path, copy: str) -> tuple[Population, np.ndarray, list[Any]]:
    """A population after one exploit, whom each is a copy of, and the weights before."""
    args = Args(scene=str(path), copy=copy, **{**SMALL, "episodes": 1})
    some = Population(args, SandboxVectorEnv(path, 16))
    some.begin_generation()
    some.iterate(1.0)
    before = [{k: v.clone() for k, v in m.agent.state_dict().items()} for m in some.members]
    row = some.end_generation(last=False)
    return some, np.array(row["donors"]), before


@pytest.mark.parametrize("copy", ["both", "weights", "hyperparameters", "none"])
def test_exploit_copies_what_it_is_asked_to(path: Path, copy: str) -> None:
    some, donors, before = after_an_exploit(path, copy)
    replaced = np.flatnonzero(donors != np.arange(4))
    assert len(replaced) == (copy != "none")
    weights = donors if copy in ("both", "weights") else np.arange(4)
    for number, member in enumerate(some.members):
        assert equal(member.agent.state_dict(), before[weights[number]])
        states = [some.members[k].optimizer.state_dict()["state"][0]["exp_avg"]
                  for k in (number, weights[number])]  # fmt: skip
        assert torch.equal(*states)
        changed = number in replaced and copy in ("both", "hyperparameters")
        rates = [0.01 * change for change in CHANGES] if changed else [0.01]
        assert any(member.learning_rate == pytest.approx(rate) for rate in rates)


def test_copies_learn_on_independently(path: Path) -> None:
    some, donors, _ = after_an_exploit(path, "weights")
    (copied,) = np.flatnonzero(donors != np.arange(4))
    some.begin_generation()
    some.iterate(1.0)
    one, other = (some.members[k].agent.state_dict() for k in (copied, donors[copied]))
    assert not equal(one, other)


# --- what an episode leaves to the next ------------------------------------------------------


@pytest.mark.parametrize(("episodes", "boosted"), [(1, 0.0), (2, 0.5)])
def test_generation_begins_with_episodes_that_are_left_nothing(
    path: Path, tmp_path: Path, episodes: int, boosted: float
) -> None:
    """All go to the pit in every episode; in a generation of one nobody profits."""
    run = trained(tmp_path, path, 2, episodes=episodes, trait="boosted")
    assert {np.mean(row["end"]).round(2) for row in exploits(run)} == {boosted}


@pytest.mark.parametrize(("swap", "profits"), [(False, 1), (True, 2)])
def test_swapped_benefit_goes_to_the_next_member(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: bool, profits: int
) -> None:
    """Only the second member drives east, which is what counts in the next episode."""
    act = Together.act

    def second_drives_east(self: Together, obs: Any, state: Any) -> Any:
        distribution, values, state = act(self, obs, state)
        east = torch.where(state[-1][0] == 1, 1.0, -1.0)[:, None].expand(-1, 2)
        return torch.distributions.Normal(east, distribution.stddev * 0.01), values, state

    monkeypatch.setattr(Together, "act", second_drives_east)
    texts = {"set": ("carry/boost=x(robot_at) > 0",), "trait": "boosted", "copy": "none"}
    run = trained(tmp_path, path, 2, swap=swap, **texts)
    for row in exploits(run):
        assert [k for k, boosted in enumerate(row["end"]) if boosted > 0] == [profits]


# --- wrong arguments -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--argument", "gamma"], '--argument "gamma": write NAME=VALUE, as in "gamma=0.99"'),
        (["--argument", "gama=1"], "--argument gama: did you mean 'gamma'?"),
        (["--argument", "num_steps=4"], "--argument num_steps: the population decides it"),
        (
            ["--trainer", "ppo_lstm", "--argument", "reward_model=runs/x"],
            "--argument reward_model: m",
        ),
        (
            ["--argument", "gamma=0.9", "--argument", "gamma=0.8"],
            "--argument gamma: it is given tw",
        ),
        (["--argument", "gamma=high"], "--argument gamma: high must be like 0.98"),
        (["--updates", "7"], "--updates 7: an episode of keeper/train has"),
        (["--share", "0.1"], "--share 0.1: of 8 members that is nobody"),
        (["--window", "9"], "--window 9: a generation has only 4 episodes"),
        (["--trait", "goals"], "--trait goals: "),
        (["--trainer", "ppo"], "unknown trainer 'ppo'"),
        (["--trainer", "ppo_menu"], "--trainer ppo_menu: its actions choose skills"),
        (["--members", "1"], "--members 1: it must be 2 or more"),
    ],
)
def test_wrong_argument_is_told_in_a_sentence_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    given = population.tyro.cli(
        Args, args=["--scene", "keeper/train", "--run-dir", str(tmp_path / "runs"), *arguments]
    )
    with pytest.raises(UserError) as error:
        population.main(given)
    assert str(error.value).startswith(sentence)
    assert not (tmp_path / "runs").exists()


def test_what_cannot_be_copied_is_refused_from_python_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--copy weight: did you mean 'weights'?"):
        population.main(Args(scene="keeper/train", run_dir=str(tmp_path), copy="weight"))


def test_trainer_that_shares_no_update_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(trainer("ppo_mlp"), "update")
    with pytest.raises(UserError, match="--trainer ppo_mlp: .* this trainer lacks: update"):
        population.main(Args(scene="keeper/train", run_dir=str(tmp_path / "runs")))


def test_error_of_the_command_is_one_sentence(tmp_path: Path) -> None:
    done = run_command("sandbox_envs.train.population", "--share", "0.1", cwd=tmp_path, status=1)
    assert "Traceback" not in done.stderr and "that is nobody" in done.stderr
    assert not list(tmp_path.iterdir())
