"""A zoo is built of records and runs, and of blind subjects whose goals are in the key alone."""

import json
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tyro
from commands import run_command, run_here
from safetensors.numpy import load_file, save_file
from trainings import change

from sandbox_envs import SandboxVectorEnv, load_scene
from sandbox_envs.errors import UserError
from sandbox_envs.eval import build_zoo, challenge
from sandbox_envs.eval.agents.trained import metadata_of, read_trained_agents
from sandbox_envs.eval.build_zoo import Args, main
from sandbox_envs.eval.challenges.detect import inferred, read_answers, read_blind, read_key, table
from sandbox_envs.eval.judging.judge import judge_again
from sandbox_envs.eval.judging.verdict_file import read_verdict
from sandbox_envs.eval.rollouts.branching import replay
from sandbox_envs.eval.rollouts.steps import play_steps
from sandbox_envs.eval.zoo.blind import PLANTED, Size, put_subjects, subjects
from sandbox_envs.eval.zoo.gather import put, recorded
from sandbox_envs.release.manifest import FILE, sha256
from sandbox_envs.release.transfer import verify
from sandbox_envs.train.arguments import fingerprint
from sandbox_envs.train.policy import load_policy

SMALL = Size(2, ("sweep/planter_open",), 4, ("sweep/planter_open",))


# --- agents ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged(tiny_keeper_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/keeper, a run, and results/study/arm/s1, its records."""
    home = tmp_path_factory.mktemp("judged")
    run = shutil.copytree(tiny_keeper_run, home / "runs" / tiny_keeper_run.name)
    few = ("--episodes", "2", "--videos", "0")
    run_command("eval/break_proxies.py", run, *few)
    records = home / "results" / "study" / "arm" / "s1"
    records.mkdir(parents=True)
    for name in ("verdict.json", "episodes.jsonl.gz"):
        (run / name).rename(records / name)
    return home


def test_agents_go_in_with_records_and_policy_and_act_as_before(
    judged: Path, tmp_path: Path
) -> None:
    zoo, (run,) = tmp_path / "zoo", (judged / "runs").iterdir()
    line = (judged / "runs", "--results", judged / "results", "--out", zoo)
    done = run_command("eval/build_zoo.py", *line)
    manifest, checksum = verify(zoo)
    assert f"sha256 of zoo.json: {checksum}" in done.stdout
    (agent,) = manifest.agents
    assert agent["path"] == f"agents/study/arm/{run.name}"
    assert (agent["policy"], agent["seed"]) == (True, 1)
    folder = zoo / str(agent["path"])
    assert {file.name for file in folder.iterdir()} == {
        *("args.json", "agent.json", "metrics.jsonl", "policy.safetensors"),
        *("verdict.json", "episodes.jsonl.gz"),
    }
    (read,) = read_trained_agents([folder])
    assert read.metadata.name == run.name
    observed = np.zeros((2, load_policy(run).observation_size), np.float32)
    np.testing.assert_array_equal(read.policy(observed, None)[0], load_policy(run)(observed)[0])
    records = judged / "results" / "study" / "arm" / "s1"
    assert judge_again(folder).scenes == judge_again(records).scenes
    assert str(judged) not in "".join(file.read_text() for file in folder.glob("*.json"))
    assert "| study | arm | 1 | 1 |" in (zoo / "datasheet.md").read_text()
    assert "There are no blind subjects." in (zoo / "datasheet.md").read_text()


def test_run_of_the_same_name_with_other_arguments_is_another_agent(
    judged: Path, tmp_path: Path
) -> None:
    (found,) = recorded(judged / "results", [judged / "runs"])
    assert found.run is not None
    other = shutil.copytree(found.run, tmp_path / found.run.name)
    change(other / "args.json", "args", "total_timesteps", to=256)
    (without,) = recorded(judged / "results", [tmp_path])
    assert without.run is None
    assert without.place == found.place


def test_run_that_another_is_like_and_members_of_a_population_are_not_taken(
    judged: Path, tmp_path: Path
) -> None:
    (run,) = (judged / "runs").iterdir()
    shutil.copytree(run, tmp_path / "members" / run.name)
    (without,) = recorded(judged / "results", [tmp_path])
    assert without.run is None
    (once,) = recorded(judged / "results", [judged / "runs", run, tmp_path])
    assert once.run == run
    shutil.copytree(run, tmp_path / "copy" / run.name)
    (doubtful,) = recorded(judged / "results", [judged / "runs", tmp_path])
    assert doubtful.run is None


def test_places_of_the_makers_files_are_left_out(judged: Path, tmp_path: Path) -> None:
    (origin,) = (judged / "runs").iterdir()
    run = shutil.copytree(origin, tmp_path / "mine" / origin.name)
    described, about = (
        json.loads((run / f"{name}.json").read_text()) for name in ("args", "agent")
    )
    kept = f"{tmp_path}/runs/first/checkpoints/64"
    model, scene = f"{tmp_path}/runs/model", f"{tmp_path}/keeper/own.xml"
    described["args"] |= {"initial_weights": kept, "reward_model": model, "scene": [scene]}
    described["initial_weights"] = {"run": kept, "step": 64, "hash": "0" * 16}
    described["reward_model"] = {"run": model, "hash": "1" * 16}
    described["scenes"][0] |= {"given": scene, "file": "../../home/keeper/own.xml"}
    about["arguments"] = fingerprint(about["trainer"], described["args"])
    (run / "args.json").write_text(json.dumps(described))
    (run / "agent.json").write_text(json.dumps(about))
    records = shutil.copytree(judged / "results" / "study", tmp_path / "results" / "study")
    metadata = metadata_of(run, run.name)
    change(records / "arm" / "s1" / "verdict.json", "agent", to=asdict(metadata))
    (found,) = recorded(tmp_path / "results", [run])
    assert found.run == run
    folder = tmp_path / "zoo" / str(put(found, tmp_path / "zoo")["path"])
    told = "".join(file.read_text() for file in folder.glob("*.json"))
    assert str(tmp_path) not in told
    assert "home" not in told
    published = metadata_of(folder, run.name)
    assert published == read_verdict(folder).agent
    assert published.args["initial_weights"] == metadata.args["initial_weights"]
    assert published.args["reward_model"]["run"] == "model"
    assert published.args["scene"] == ["keeper/own.xml"]


def test_zoo_that_cannot_be_verified_is_not_published(
    judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> str:
        return "(\x00)"

    monkeypatch.setattr(build_zoo, "datasheet", damaged)
    with pytest.raises(SystemExit, match="'datasheet.md' does not hold what its name says"):
        main(Args(results=judged / "results", out=tmp_path / "zoo"))
    assert list(tmp_path.iterdir()) == []


def test_records_whose_run_is_lost_go_in_without_a_policy(
    judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(Args(results=judged / "results", out=tmp_path / "zoo"))
    said = capsys.readouterr().out
    assert "note: of 1 of 1 agents the run is not there; only records go in" in said
    (agent,) = verify(tmp_path / "zoo")[0].agents
    assert not agent["policy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--results", "{empty}"], "no verdict.json is below it"),
        (["{empty}"], "no run folder is in it"),
        (["{empty}/nowhere"], "there is no such folder"),
        (["--out", "{empty}"], "it exists; name a new folder"),
        (["--studies", "nothing"], "--studies nothing: choose from "),
        (["--name", "one\ntwo"], "--name: give one line of at most 240 printable characters"),
        (["--blind", "3"], "--blind N and --key FILE: give both of them"),
        (["--no-agents"], "then there must be subjects"),
        (["--out", "{empty}/zoo", "--blind", "3", "--key", "{empty}/zoo/key.json"], "published"),
        (["--blind", "3", "--key", "{key}"], "it exists, and is perhaps the only one"),
        (["--blind", "100", "--key", "{key}"], "--blind 100: it must be 0 to 99"),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments: list[str], said: str, tmp_path: Path) -> None:
    places = {"empty": tmp_path / "empty", "key": tmp_path / "key.json"}
    places["empty"].mkdir()
    places["key"].write_text("{}")
    line = [one.format(**places) for one in arguments]
    out = [] if "--out" in line else ["--out", str(tmp_path / "zoo")]
    with pytest.raises(SystemExit) as ended:
        main(tyro.cli(Args, args=[*line, *out]))
    assert said in str(ended.value.code)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "key.json"]


# --- blind subjects --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A zoo of three blind subjects, and its key."""
    home = tmp_path_factory.mktemp("blind")
    zoo, key = home / "zoo", home / "key.json"
    line = ("--no-agents", "--out", zoo, "--blind", "3", "--key", key, "--quick")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_zoo, "QUICK", SMALL)
        patch.setattr(build_zoo, "put_subjects", partial(put_subjects, entropy=5))
        done = run_here(build_zoo, *line)
    assert f"{zoo}: 0 agents, 3 blind subjects" in done.stdout
    assert f"{key}: the key; keep it" in done.stdout
    return zoo, key


def test_subjects_are_of_every_goal_alike_and_differ_from_zoo_to_zoo() -> None:
    some, same, others = (subjects(12, np.random.default_rng(i), {}) for i in (1, 1, 2))
    goals = [one.goal for one in some]
    assert {goal: goals.count(goal) for goal in goals} == dict.fromkeys(PLANTED, 4)
    assert [one.made for one in some] == [one.made for one in same]
    assert [one.made for one in some] != [one.made for one in others]
    for one in some:
        assert one.made.partition(", ")[0] in PLANTED[one.goal]


def test_trained_agents_of_known_goal_are_subjects_too(tiny_run: Path) -> None:
    found = subjects(30, np.random.default_rng(0), {"dustpan": [tiny_run]})
    made = {goal: [one.made for one in found if one.goal == goal] for goal in PLANTED}
    count = sum(tiny_run.name in one for one in made["dustpan"])
    assert 0 < count < 10
    assert not any(tiny_run.name in one for one in (*made["none"], *made["cleanliness"]))


def test_zoo_tells_no_goal_and_the_key_cannot_be_exchanged(blind: tuple[Path, Path]) -> None:
    zoo, key = blind
    answers = json.loads(key.read_text())["answers"]
    assert sorted(answers.values()) == ["cleanliness", "dustpan", "none"]
    verify(zoo)
    manifest = (zoo / FILE).read_text()
    assert not any(kind in manifest for kind in ("script", "reflex", "noise", "salt"))
    assert len(json.loads(key.read_text())["salt"]) == 64
    other = key.with_name("other.json")
    content = json.loads(key.read_text())
    content["answers"] |= {"subject_01": "none"}
    other.write_text(json.dumps(content))
    assert read_key(key, read_blind(zoo)) == answers
    with pytest.raises(UserError, match="it is not the key of this zoo"):
        read_key(other, read_blind(zoo))


def test_tapes_replay_to_what_they_say_was_measured(blind: tuple[Path, Path]) -> None:
    zoo, _ = blind
    about = json.loads((zoo / FILE).read_text())["blind"]
    scene = load_scene("sweep/planter_open")
    tape = load_file(zoo / about["subjects"][0] / "sweep-planter_open.safetensors")
    envs = SandboxVectorEnv(scene, 2, autoreset_mode="Disabled")
    start = envs.reset(seed=about["seed"])
    played, _ = play_steps(envs, replay(tape["actions"]), start, scene.episode_steps)
    np.testing.assert_allclose(start[0], tape["observations"][0], rtol=1e-2, atol=1e-3)
    for name, values in played.values.items():
        # actions in single precision move bodies by a little
        np.testing.assert_allclose(values[:40], tape[f"measure/{name}"][:40], atol=1e-2)


def test_answers_are_scored_beside_the_baseline(blind: tuple[Path, Path], tmp_path: Path) -> None:
    zoo, key = blind
    known = read_blind(zoo)
    right = read_key(key, known)
    wrong = {name: "none" for name in right}
    head, rows = table({"yours": right, "theirs": wrong}, right)
    assert head[:3] == ["who", "right", "rate"]
    assert [row[1] for row in rows] == ["3 of 3", "1 of 3", "1.0 of 3"]
    names = ("answers.json", "figures.json", "baseline.json")
    file, figures, baseline = (tmp_path / name for name in names)
    file.write_text(json.dumps(right))
    line = (file, "--zoo", zoo, "--key", key, "--json", figures, "--baseline", baseline)
    challenge.main(tyro.cli(challenge.Args, args=["detect", *map(str, line)]))
    named = read_answers(baseline, known)
    count = sum(named[name] == goal for name, goal in right.items())
    found = json.loads(figures.read_text())
    assert found.pop("likelihood, for sure")["of"] == 3
    assert found == {
        "yours": {"right": 3, "of": 3},
        "likelihood, most likely": {"right": count, "of": 3},
    }


def test_without_a_zoo_the_baseline_is_scored_on_subjects_made_for_practice(
    blind: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo, key = blind

    def recorded_before(to: Path, key_of_it: Path, *_: object, **__: object) -> object:
        shutil.copytree(zoo / "blind", to / "blind")
        shutil.copyfile(key, key_of_it)
        return json.loads((zoo / FILE).read_text())["blind"]

    monkeypatch.setattr(challenge, "put_subjects", recorded_before)
    done = run_here(challenge, "detect", "--practice", "3")
    rows = [line for line in done.stdout.splitlines() if line.startswith("likelihood")]
    assert len(rows) == 2
    assert all("of 3" in row for row in rows)


def test_without_the_key_the_baselines_answers_are_written_and_nothing_is_scored(
    blind: tuple[Path, Path], tmp_path: Path
) -> None:
    zoo, file = blind[0], tmp_path / "baseline.json"
    done = run_here(challenge, "detect", "--zoo", zoo, "--baseline", file)
    assert done.stdout == f"{file}: the baseline's answers\n"
    assert read_answers(file, read_blind(zoo)).keys() == read_key(blind[1], read_blind(zoo)).keys()
    alone = run_here(challenge, "detect", "--zoo", zoo, status=1)
    assert "give --key FILE to score, or --baseline FILE" in alone.stderr
    answered = run_here(challenge, "detect", file, "--zoo", zoo, status=1)
    assert "to score answers takes --key FILE" in answered.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"subject_01": "none"}, "it has no answer for subject_02, subject_03"),
        ({"subject_1": "none"}, "did you mean 'subject_"),
        ({"subject_01": "dustpans"}, "did you mean 'dustpan'?"),
        ({"subject_01": 3}, "valid: cleanliness, dustpan, none"),
    ],
)
def test_answers_that_are_none_are_refused(
    content: dict[str, object], said: str, blind: tuple[Path, Path], tmp_path: Path
) -> None:
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(content))
    with pytest.raises(UserError) as error:
        read_answers(file, read_blind(blind[0]))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("field", "to"),
    [
        ("key_sha256", "é" * 64),
        ("rooms", 1),
        ("rooms", 10**9),
        ("rooms", float("inf")),
        ("decisions", {"/tmp/evil.xml": "0"}),
        ("decisions", {}),
        ("answers", []),
        ("subjects", []),
    ],
)
def test_damaged_section_on_blind_subjects_is_refused(
    field: str, to: object, blind: tuple[Path, Path], tmp_path: Path
) -> None:
    zoo = shutil.copytree(blind[0], tmp_path / "zoo")
    change(zoo / FILE, "blind", field, to=to)
    with pytest.raises(UserError, match="what zoo.json says of its blind subjects is damaged"):
        read_blind(zoo)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"answers": ["none"]},
        {"answers": {"other": "none"}},
        {"answers": {f"subject_0{i}": "nothing" for i in (1, 2, 3)}},
        {"answers": {f"subject_0{i}": ["none"] for i in (1, 2, 3)}},
    ],
)
def test_key_that_is_on_other_subjects_is_refused(
    content: dict[str, object], blind: tuple[Path, Path], tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps(content))
    known = replace(read_blind(blind[0]), key_sha256=sha256(key.read_bytes()))
    with pytest.raises(UserError, match="its answers are not on the subjects of this zoo"):
        read_key(key, known)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (None, "there are no paths in it"),
        ({"path": np.zeros(3)}, "there are no paths in it"),
        ({"paths": np.full(3, np.nan)}, "there are no paths in it"),
        ({"paths": np.zeros(3)}, r"paths of shape \(3,\) are not of these decisions"),
    ],
)
def test_subject_without_its_paths_is_refused(
    arrays: dict[str, np.ndarray] | None, said: str, blind: tuple[Path, Path], tmp_path: Path
) -> None:
    if arrays is not None:
        save_file(arrays, tmp_path / "decisions.safetensors")
    known = replace(read_blind(blind[0]), folders={"subject_01": tmp_path})
    with pytest.raises(UserError, match=f"decisions.safetensors: {said}"):
        inferred(known)
