"""References: stored ones are found and kept, missing ones are estimated and computed, once."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import WriteScene

from sandbox_envs import Scene, UserError, load_scene
from sandbox_envs.eval import judge, references
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import candidates as scripted
from sandbox_envs.eval.baselines import build, new
from sandbox_envs.eval.baselines.build import (
    ReferenceBudget,
    adopt_planners,
    compute_missing,
    estimate_compute,
    hashes,
    new_reference,
    obtain,
    rewarding,
    trainings,
)
from sandbox_envs.eval.experiments.dose_ladder.ladder import DOSES
from sandbox_envs.eval.experiments.planter.arms import opened
from sandbox_envs.eval.judging.fitness import exclusion_reason
from sandbox_envs.eval.judging.reference import TRAINED_ON_MIXTURE, Reference
from sandbox_envs.eval.judging.reference_store import (
    committed_references,
    load,
    read_reference,
    reference_file,
    write_reference,
)
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.references import Args, main
from sandbox_envs.scene.catalog import scenes_folder
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.train.jobs import Job, run_jobs
from sandbox_envs.train.trainers import DEFAULT_TRAINER

pytestmark = pytest.mark.usefixtures("forked_trainers")

TINY = {"num_envs": 4, "num_steps": 16, "num_minibatches": 2, "hidden_size": 16}
MEASURES = ("intended", "dustpan", "sweeps", "strokes", "looks_clean")
SCRIPTS = ["idle", "random", *(f"script {name}" for name in MEASURES)]
TRAIN = "sweep/train"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scene]:
    """The training scene with episodes of half a second, of which a few make a mean."""
    monkeypatch.setattr(new, "EPISODES", 8)
    return {TRAIN: load_scene(TRAIN, {"episode_seconds": 0.5})}


@pytest.fixture
def mine(write_scene: WriteScene) -> Path:
    """A family of one's own that is called like a shipped one: a puck in a room of three balls."""
    folder = write_scene(
        {"proxy/pushed": "side-effect", "measure/pushed": "total(norm(robot_speed))"}
    ).parent
    return folder.rename(folder.with_name("sweep"))


def part_of(scene: Scene, returns: Mapping[str, float]) -> Reference:
    """A reference in which each candidate has the same mean return in every objective."""
    empty = replace(new_reference(scene), required=SCRIPTS)
    candidates = {name: dict.fromkeys(empty.objectives, mean) for name, mean in returns.items()}
    return replace(empty, candidates=candidates)


# --- what a reference needs ------------------------------------------------------------------


def test_proxy_is_rewarded_in_the_place_of_the_intended_measure() -> None:
    scene = load_scene("sweep/train")
    assert rewarding(scene, "dustpan") == "20 * gain(dustpan) - 0.0002 * effort"
    assert load_scene("sweep/train", {"reward": rewarding(scene, "cleanliness")}).hash == scene.hash


def test_proxy_is_rewarded_by_its_gain_where_the_reward_is_of_another_measure() -> None:
    of_another = load_scene(TRAIN, {"reward": "gain(sweeps) - effort"})
    assert rewarding(of_another, "dustpan") == "gain(dustpan)"
    spaced = load_scene(TRAIN, {"reward": "2 * level( cleanliness )"})
    assert rewarding(spaced, "dustpan") == "2 * level(dustpan)"


def test_only_the_measure_is_replaced_and_no_word_of_the_same_spelling(
    write_scene: WriteScene,
) -> None:
    texts = {"measure/effort": "1", "intended": "effort", "reward": "gain(effort) - 0.1 * effort"}
    scene = load_scene(write_scene(texts))
    assert rewarding(scene, "rolled_in") == "gain(rolled_in) - 0.1 * effort"


def test_scripts_depend_on_the_contents_of_a_scene_and_not_on_its_folder(
    mine: Path, tmp_path: Path
) -> None:
    for scene in load_family("sweep").values():
        assert list(scripted(scene)) == SCRIPTS
    copy = shutil.copytree(scenes_folder() / "sweep", tmp_path / "my_rooms")
    assert list(scripted(load_scene(copy / "train.xml"))) == SCRIPTS
    assert list(scripted(load_scene(mine / "train.xml"))) == ["idle", "random"]


@pytest.mark.parametrize(
    ("before", "after"), [("dirt_in_drain", "dirt_in_hole"), ('"steer"', '"turn"')]
)
def test_room_without_the_objects_that_scripts_use_has_no_scripts(
    tmp_path: Path, before: str, after: str
) -> None:
    folder = shutil.copytree(scenes_folder() / "sweep", tmp_path / "sweep")
    for file in folder.glob("*.xml"):
        file.write_text(file.read_text().replace(before, after))
    assert list(scripted(load_scene(folder / "train.xml"))) == ["idle", "random"]


def test_estimate_names_what_is_missing_and_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "CORES", 2)
    scenes = load_family("sweep", {"episode_seconds": 1})
    estimate = estimate_compute(scenes, {}, ReferenceBudget(Path("unused"), workers=4))
    assert estimate is not None
    # 7 scripts for each of 19 scenes; in training trained on the 2 proxies that no conflict breaks,
    # half in training for each of 5 conflicts; 5 on the reward for each of their twins, 5 on the
    # dustpan for each conflict, and these 10 in training; policies without a goal in 5 conflicts
    assert "205 policies to play, 17 of them to train first, 8.5 million steps in all" in estimate
    assert estimate.endswith("about 11 min with 2 at a time")  # 8.5e6 / (2 * 7000 / s) = 607 s
    assert all(name in estimate for name in scenes)
    assert TRAINED_ON_MIXTURE not in build.trainings(scenes["sweep/planter_shut"], scenes)
    assert new_reference(scenes["sweep/planter_open"]).twin == "sweep/planter_glass"


# --- stored and found --------------------------------------------------------------------------


def test_scripts_are_played_once_and_stored(tmp_path: Path, short: dict[str, Scene]) -> None:
    """Scripts that are stored are not played again, missing ones are."""
    budget = ReferenceBudget(tmp_path, train=False)
    found = compute_missing(short, {}, tmp_path, budget)[TRAIN]
    file = reference_file(tmp_path, TRAIN, found.hash)
    assert read_reference(file) == found
    assert list(found.candidates) == found.required == SCRIPTS
    assert found.is_complete
    known = load(hashes(short), tmp_path)
    assert estimate_compute(short, known, budget) is None
    write_reference(replace(known[TRAIN], about="not written again"), file)
    compute_missing(short, load(hashes(short), tmp_path), tmp_path, budget)
    assert read_reference(file).about == "not written again"
    longer = {TRAIN: load_scene(TRAIN, {"episode_seconds": 1})}
    assert load(hashes(longer), tmp_path) == {}


def test_interrupted_computation_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: dict[str, Scene]
) -> None:
    budget, play, played = ReferenceBudget(tmp_path, train=False), build.play, []

    def until_the_third(scene: Scene, make: object, *rest: int) -> object:
        if len(played) == 3:
            raise KeyboardInterrupt
        played.append(make)
        return play(scene, lambda _: lambda obs, state: (0 * obs[:, :3], state), *rest)

    monkeypatch.setattr(build, "play", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        compute_missing(short, {}, tmp_path, budget)
    part = load(hashes(short), tmp_path)
    assert list(part[TRAIN].candidates) == SCRIPTS[:3]
    assert part[TRAIN].required == SCRIPTS
    assert not part[TRAIN].is_complete
    estimate = estimate_compute(short, part, budget)
    assert estimate is not None
    assert f"{len(SCRIPTS) - 3} policies to play" in estimate
    assert f"these are not: {', '.join(SCRIPTS[3:])}" in estimate
    monkeypatch.setattr(build, "play", play)
    whole = compute_missing(short, part, tmp_path, budget)[TRAIN]
    assert whole.is_complete
    assert whole == load(hashes(short), tmp_path)[TRAIN]
    assert {k: whole.candidates[k] for k in SCRIPTS[:3]} == part[TRAIN].candidates


def test_folder_that_cannot_be_written_is_told_before_anything_is_computed(
    short: dict[str, Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "run_jobs", lambda *_: pytest.fail("an agent was trained"))
    with pytest.raises(UserError, match="/proc/mine: nothing can be written there"):
        compute_missing(short, {}, Path("/proc/mine"), ReferenceBudget())


def test_required_training_is_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: dict[str, Scene]
) -> None:
    every = {name: {**args, **TINY} for name, args in trainings(short[TRAIN], {}).items()}
    monkeypatch.setattr(build, "trainings", lambda scene, scenes: every)
    monkeypatch.setattr(new, "EPISODES", 4)
    budget = ReferenceBudget(tmp_path, total_timesteps=64, workers=1)
    estimate = estimate_compute(short, {}, budget)
    assert estimate is not None
    assert "10 policies to play, 3 of them to train first" in estimate
    args = {**every["trained on looks_clean"], "total_timesteps": 64}
    job = Job("any name", DEFAULT_TRAINER, args)
    (run,) = run_jobs([job], tmp_path, workers=1)
    estimate = estimate_compute(short, {}, budget)
    assert estimate is not None
    assert "10 policies to play, 2 of them to train first" in estimate
    part = part_of(short[TRAIN], dict.fromkeys([*SCRIPTS, *list(every)[:2]], 0.0))
    assert (
        compute_missing(short, {TRAIN: part}, tmp_path, replace(budget, train=False))[TRAIN] == part
    )
    found = compute_missing(short, {TRAIN: part}, tmp_path, budget)[TRAIN]
    assert list(found.candidates) == found.required == [*SCRIPTS, *every]
    assert found == load(hashes(short), tmp_path)[TRAIN]
    assert [path.parent for path in tmp_path.glob("**/args.json")] == [run]


def test_planner_is_adopted_where_it_earns_more_and_is_tried_once_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: dict[str, Scene]
) -> None:
    asked = list[str]()

    def planner(objective: str) -> PolicyFactory:
        asked.append(objective)
        return scripted(short[TRAIN])["script strokes"]

    monkeypatch.setattr(build, "planned", planner)
    known = {TRAIN: part_of(short[TRAIN], {"idle": 0.0})}
    found = adopt_planners(short, known, tmp_path)
    assert asked == list(found[TRAIN].objectives)
    assert found[TRAIN].candidates.keys() == {
        "idle",
        "planned on reward",
    }  # the others earn no more
    assert found[TRAIN].best("reward") > 0
    assert load(hashes(short), tmp_path) == found
    adopt_planners(short, found, tmp_path)
    assert asked.count("reward") == 1
    assert asked.count("dustpan") == 2


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"total_timesteps": 0}])
def test_counts_below_one_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(Args("sweep", **wrong))
    assert "--workers and --total-timesteps must be 1 or more" in str(ended.value.code)


def test_parts_in_several_folders_are_merged_and_the_earlier_return_counts(
    tmp_path: Path, short: dict[str, Scene]
) -> None:
    def write(folder: str, returns: Mapping[str, float], required: list[str], **other: Any) -> Path:
        part = replace(part_of(short[TRAIN], returns), required=required, **other)
        write_reference(part, reference_file(tmp_path / folder, TRAIN, part.hash))
        return tmp_path / folder

    one = write("one", {"idle": 1, "random": 2}, ["idle", "random", "script intended"])
    two = write("two", {"random": 3, "script intended": 4}, ["random", "trained on reward"])
    known = load(hashes(short), one, two)[TRAIN]
    assert {k: returns["reward"] for k, returns in known.candidates.items()} == {
        "idle": 1, "random": 2, "script intended": 4
    }  # fmt: skip
    assert known.required == ["idle", "random", "script intended", "trained on reward"]
    assert load(hashes(short), two, one)[TRAIN].candidates["random"]["reward"] == 3
    other = write("other", {"script sweeps": 5}, [], episodes=7)
    assert load(hashes(short), one, other) == load(hashes(short), one)  # means of other episodes
    wanderer = {"wanderer": {"reward": Interval(0.5, 0.4, 0.6)}}
    later = write("later", {"script sweeps": 5}, [], goalless=wanderer)
    assert load(hashes(short), one, later)[TRAIN].goalless == wanderer


def test_variants_of_a_scene_are_stored_beside_each_other(
    tmp_path: Path, short: dict[str, Scene]
) -> None:
    shorter = {TRAIN: load_scene(TRAIN, {"episode_seconds": 0.25})}
    for scenes in (short, shorter):
        compute_missing(scenes, {}, tmp_path, ReferenceBudget(tmp_path, train=False))
    for scenes in (short, shorter):
        known = load(hashes(scenes), tmp_path)[TRAIN]
        assert known.hash == scenes[TRAIN].hash
        assert known.is_complete


def test_committed_references_are_named_by_the_scene_alone(
    tmp_path: Path,
) -> None:
    committed = committed_references()
    assert reference_file(committed, TRAIN, "0123") == committed / "sweep/train.json"
    roundabout = committed / ".." / committed.name
    assert reference_file(roundabout, TRAIN, "0123").name == "train.json"
    assert reference_file(tmp_path, TRAIN, "0123") == tmp_path / "sweep/train-0123.json"


def test_damaged_reference_is_named(tmp_path: Path, short: dict[str, Scene]) -> None:
    file = reference_file(tmp_path, TRAIN, short[TRAIN].hash)
    file.parent.mkdir()
    good = asdict(part_of(short[TRAIN], dict.fromkeys(SCRIPTS, 1.0)))
    good["break"] = good.pop("break_kind")
    del good["reflex_ceiling"]
    file.write_text(json.dumps(good))
    assert list(load(hashes(short), tmp_path)) == [TRAIN]
    for damaged, why in (
        ("{", "it is damaged; delete it"),
        (json.dumps({**good, "wanted": []}), r"it is damaged \(the field wanted is unknown\)"),
        (json.dumps({**good, "candidates": {"idle": {}}}), r"it is damaged \(idle has no clean"),
    ):
        file.write_text(damaged)
        with pytest.raises(UserError, match=f"{file.name}: {why}"):
            load(hashes(short), tmp_path)


def test_judge_trains_nothing_unless_asked(mine: Path, tmp_path: Path) -> None:
    def idle(obs: np.ndarray, state: object) -> tuple[np.ndarray, object]:
        return np.zeros((len(obs), 2)), state

    budget = ReferenceBudget(tmp_path / "references", train=False)
    with pytest.raises(UserError, match=f"compute them with python eval/references.py {mine}"):
        judge(idle, mine, episodes=2, budget=budget)
    assert not budget.run_dir.exists()
    computed = judge(idle, mine, episodes=2, references="compute", budget=budget)
    assert computed["references"][TRAIN]["best_by"].keys() == {"reward", "rolled_in", "pushed"}
    assert judge(idle, mine, episodes=2, budget=budget) == computed


@pytest.mark.parametrize("family", ["sweep", "patrol", "keeper", "maze"])
def test_committed_references_are_complete_and_of_these_scenes(family: str) -> None:
    """Returns in a scene that has changed would be returns of another scene."""
    scenes = load_family(family)
    known = load(hashes(scenes), committed_references())
    assert estimate_compute(scenes, known, ReferenceBudget(Path("unused"))) is None
    assert all(reference.is_complete for reference in known.values())


@pytest.mark.parametrize(
    "conflict", ["sweep/planter_open", "patrol/heap_elsewhere", "maze/three_way"]
)
def test_some_conflicts_are_fit_to_judge(conflict: str) -> None:
    known = load(hashes(load_family(conflict.partition("/")[0])), committed_references())
    assert exclusion_reason(known[conflict], known) is None


# --- the command -----------------------------------------------------------------------------


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob("**/*") if path.is_file()}


def test_own_family_never_overwrites_a_shipped_one_of_its_name(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(new, "EPISODES", 4)
    before = content(committed_references())
    args = references.Args(str(mine), run_dir=tmp_path / "runs", train=False)
    main(args)
    assert content(committed_references()) == before
    scene = load_scene(mine / "train.xml")
    (file,) = content(tmp_path / "runs")
    assert file == reference_file(tmp_path / "runs", TRAIN, scene.hash)
    assert read_reference(file).required == ["idle", "random"]
    assert "2 policies to play; kept in" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="it holds the references of shipped families"):
        main(replace(args, out=committed_references()))
    assert content(committed_references()) == before


def test_computed_references_are_found_from_wherever_an_agent_was_trained(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new, "EPISODES", 4)
    monkeypatch.chdir(tmp_path)
    main(references.Args(str(mine), train=False))
    scenes, elsewhere = load_family(mine), ReferenceBudget(tmp_path / "elsewhere", train=False)
    assert obtain(scenes, "stored", elsewhere) == obtain(scenes, "compute", elsewhere)
    assert not elsewhere.run_dir.exists()


def test_references_of_changed_scenes_are_computed_as_the_error_says(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new, "EPISODES", 4)
    monkeypatch.chdir(tmp_path)
    setting = "spawn/ball=floor 1"
    changed = load_family(mine, parse_overrides(("episode_seconds=0.5", setting)))
    with pytest.raises(UserError) as error:
        obtain(changed, "stored", ReferenceBudget())
    flags = f"--set episode_seconds=0.5 --set '{setting}'"
    assert str(error.value).endswith(f"python eval/references.py {mine} {flags}")
    call = references.Args(str(mine), train=False, set=("episode_seconds=0.5", setting))
    main(call)
    (known,) = obtain(changed, "stored", ReferenceBudget()).values()
    assert known.hash == changed[TRAIN].hash
    before = content(committed_references())
    with pytest.raises(SystemExit, match="holds the references of shipped families, and --set"):
        main(replace(call, family="keeper", out=committed_references(), set=("control_hz=5",)))
    assert content(committed_references()) == before


def test_adopted_agent_is_a_candidate_in_every_scene_under_its_runs_name(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new, "EPISODES", 4)
    args = {"scene": (str(mine / "train.xml"),), "total_timesteps": 64, **TINY}
    (run,) = run_jobs([Job("agent", DEFAULT_TRAINER, args)], tmp_path / "runs", workers=1)
    monkeypatch.chdir(run)
    call = references.Args(str(mine), run_dir=tmp_path / "runs", train=False, adopt=(Path("."),))
    main(call)
    (known,) = load(hashes(load_family(mine)), tmp_path / "runs").values()
    assert list(known.candidates) == ["idle", "random", f"adopted {run.name}"]


def test_agent_that_cannot_be_adopted_is_refused_before_anything_is_played(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new, "EPISODES", 4)
    args = {"scene": (str(mine / "train.xml"),), "total_timesteps": 64, **TINY}
    (run,) = run_jobs([Job("agent", DEFAULT_TRAINER, args)], tmp_path / "runs", workers=1)
    call = references.Args("sweep", out=tmp_path / "out", train=False, adopt=(run,))
    with pytest.raises(SystemExit, match="trained with another 'observe' than sweep/train has"):
        main(call)
    with pytest.raises(SystemExit, match="nowhere"):
        main(replace(call, adopt=(tmp_path / "nowhere",)))
    assert not (tmp_path / "out").exists()


def test_doses_are_those_declared_and_the_default_is_one_of_them() -> None:
    assert DOSES == (0, 0.01, 0.03, 0.1, 0.3, 1)
    hashes = [load_scene("sweep/train", parse_overrides((opened(d),))).hash for d in DOSES]
    assert len(set(hashes)) == len(DOSES)
    assert hashes[2] == load_scene("sweep/train").hash
