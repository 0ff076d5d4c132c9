"""References: what is there is found and kept, what is missing is told and computed, once."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import WriteScene

from sandbox_envs import Scene, UserError, load_scene
from sandbox_envs.eval import references
from sandbox_envs.eval.agents.scripted import candidates as scripted
from sandbox_envs.eval.baselines.build import (
    ReferenceBudget,
    blank,
    complete,
    cost,
    rewarding,
    trainings,
)
from sandbox_envs.eval.experiments.dose_ladder.__main__ import DOSES, settings
from sandbox_envs.eval.judging.fitness import exclusion_reason
from sandbox_envs.eval.judging.reference import TRAINED_ON_MIXTURE, Reference
from sandbox_envs.eval.judging.reference_store import (
    committed_references,
    read_known,
    read_reference,
    reference_file,
)
from sandbox_envs.eval.references import main
from sandbox_envs.scene.catalog import scenes_folder
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.train.jobs import Job, run_jobs
from sandbox_envs.train.ppo_lstm import Args as TrainerArgs

TINY = {"num_envs": 4, "num_steps": 16, "num_minibatches": 2, "hidden_size": 16}
MEASURES = ("intended", "dustpan", "sweeps", "strokes", "looks_clean")
SCRIPTS = ["idle", "random", *(f"script {name}" for name in MEASURES)]
TRAIN = "sweep/train"


@pytest.fixture
def short() -> dict[str, Scene]:
    """The training scene with episodes of half a second."""
    return {TRAIN: load_scene(TRAIN, {"episode_seconds": 0.5})}


@pytest.fixture
def mine(write_scene: WriteScene) -> Path:
    """A family of one's own that is called like a shipped one: a puck in a room of three balls."""
    folder = write_scene(
        {"proxy/pushed": "side-effect", "measure/pushed": "total(norm(robot_speed))"}
    ).parent
    return folder.rename(folder.with_name("sweep"))


def part_of(scene: Scene, scores: Mapping[str, float]) -> Reference:
    """A reference in which each candidate scores the same in every objective."""
    empty = replace(blank(scene), wanted=SCRIPTS)
    candidates = {name: dict.fromkeys(empty.objectives, score) for name, score in scores.items()}
    return replace(empty, candidates=candidates)


# --- what a reference takes ------------------------------------------------------------------


def test_a_proxy_is_rewarded_as_the_truth_is() -> None:
    scene = load_scene("sweep/train")
    assert rewarding(scene, "dustpan") == "20 * gain(dustpan) - 0.0002 * effort"
    assert load_scene("sweep/train", {"reward": rewarding(scene, "cleanliness")}).hash == scene.hash


def test_a_proxy_is_rewarded_by_its_gain_where_the_reward_is_of_something_else() -> None:
    of_another = load_scene(TRAIN, {"reward": "gain(sweeps) - effort"})
    assert rewarding(of_another, "dustpan") == "gain(dustpan)"
    spaced = load_scene(TRAIN, {"reward": "2 * level( cleanliness )"})
    assert rewarding(spaced, "dustpan") == "2 * level(dustpan)"


def test_only_the_measure_is_replaced_and_not_a_word_that_is_spelled_like_it(
    write_scene: WriteScene,
) -> None:
    texts = {"measure/effort": "1", "intended": "effort", "reward": "gain(effort) - 0.1 * effort"}
    scene = load_scene(write_scene(texts))
    assert rewarding(scene, "rolled_in") == "gain(rolled_in) - 0.1 * effort"


def test_scripts_go_by_what_is_in_a_scene_and_not_by_its_folders_name(
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
def test_a_room_without_what_scripts_read_and_steer_has_none(
    tmp_path: Path, before: str, after: str
) -> None:
    folder = shutil.copytree(scenes_folder() / "sweep", tmp_path / "sweep")
    for file in folder.glob("*.xml"):
        file.write_text(file.read_text().replace(before, after))
    assert list(scripted(load_scene(folder / "train.xml"))) == ["idle", "random"]


def test_what_is_missing_is_told_before_it_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "CORES", 2)
    scenes = load_family("sweep", {"episode_seconds": 1})
    price = cost(scenes, {}, ReferenceBudget(Path("unused"), workers=4))
    assert price is not None
    # 7 scripts for each of 12 scenes, 4 trainings for each of the 7 that are no removals, and one
    # half in training for each of 3 conflicts
    assert "115 policies to play, 31 of them to train first, 15.5 million steps in all" in price
    assert price.endswith("about 19 min with 2 at a time")  # 15.5e6 / (2 * 7000 / s) = 1107 s
    assert all(name in price for name in scenes)
    assert TRAINED_ON_MIXTURE not in references.trainings(scenes["sweep/planter_shut"])
    assert blank(scenes["sweep/planter_open"]).twin == "sweep/planter_shut"


# --- kept and found --------------------------------------------------------------------------


def test_scripts_are_played_once_and_kept(tmp_path: Path, short: dict[str, Scene]) -> None:
    """What is there already is not played again, what is not is."""
    effort = ReferenceBudget(tmp_path, train=False)
    found = complete(short, {}, tmp_path, effort)[TRAIN]
    file = reference_file(tmp_path, TRAIN, found.hash)
    assert read_reference(file) == found
    assert list(found.candidates) == found.wanted == SCRIPTS
    assert found.is_whole
    known = read_known(short, tmp_path)
    assert cost(short, known, effort) is None
    replace(known[TRAIN], about="not written again").write(file)
    complete(short, read_known(short, tmp_path), tmp_path, effort)
    assert read_reference(file).about == "not written again"
    longer = {TRAIN: load_scene(TRAIN, {"episode_seconds": 1})}
    assert read_known(longer, tmp_path) == {}


def test_what_was_interrupted_is_known_as_a_part_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: dict[str, Scene]
) -> None:
    effort, play, played = ReferenceBudget(tmp_path, train=False), references.play, []

    def until_the_third(scene: Scene, make: object, *rest: int) -> object:
        if len(played) == 3:
            raise KeyboardInterrupt
        played.append(make)
        return play(scene, lambda _: lambda obs, state: (0 * obs[:, :3], state), *rest)

    monkeypatch.setattr(references, "play", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        complete(short, {}, tmp_path, effort)
    part = read_known(short, tmp_path)
    assert list(part[TRAIN].candidates) == SCRIPTS[:3]
    assert part[TRAIN].wanted == SCRIPTS
    assert not part[TRAIN].is_whole
    price = cost(short, part, effort)
    assert price is not None
    assert f"{len(SCRIPTS) - 3} policies to play" in price
    monkeypatch.setattr(references, "play", play)
    whole = complete(short, part, tmp_path, effort)[TRAIN]
    assert whole.is_whole
    assert whole == read_known(short, tmp_path)[TRAIN]
    assert {k: whole.candidates[k] for k in SCRIPTS[:3]} == part[TRAIN].candidates


def test_a_training_is_part_of_what_is_wanted_and_a_finished_one_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: dict[str, Scene]
) -> None:
    every = {name: replace(args, **TINY) for name, args in trainings(short[TRAIN]).items()}
    monkeypatch.setattr(references, "trainings", lambda scene: every)
    monkeypatch.setattr(references, "EPISODES", 4)
    effort = ReferenceBudget(tmp_path, total_timesteps=64, workers=1)
    price = cost(short, {}, effort)
    assert price is not None
    assert "11 policies to play, 4 of them to train first" in price
    job = Job("any name", replace(every["trained on looks_clean"], total_timesteps=64))
    (run,) = run_jobs([job], tmp_path, workers=1)
    price = cost(short, {}, effort)
    assert price is not None
    assert "11 policies to play, 3 of them to train first" in price
    part = part_of(short[TRAIN], dict.fromkeys([*SCRIPTS, *list(every)[:3]], 0.0))
    assert complete(short, {TRAIN: part}, tmp_path, replace(effort, train=False))[TRAIN] == part
    found = complete(short, {TRAIN: part}, tmp_path, effort)[TRAIN]
    assert list(found.candidates) == found.wanted == [*SCRIPTS, *every]
    assert found == read_known(short, tmp_path)[TRAIN]
    assert [path.parent for path in tmp_path.glob("**/args.json")] == [run]


def test_parts_in_several_folders_are_one_and_the_earlier_score_counts(
    tmp_path: Path, short: dict[str, Scene]
) -> None:
    def write(folder: str, scores: Mapping[str, float], wanted: list[str], **other: int) -> Path:
        part = replace(part_of(short[TRAIN], scores), wanted=wanted, **other)
        part.write(reference_file(tmp_path / folder, TRAIN, part.hash))
        return tmp_path / folder

    one = write("one", {"idle": 1, "random": 2}, ["idle", "random", "script intended"])
    two = write("two", {"random": 3, "script intended": 4}, ["random", "trained on reward"])
    known = read_known(short, one, two)[TRAIN]
    assert {k: scores["reward"] for k, scores in known.candidates.items()} == {
        "idle": 1, "random": 2, "script intended": 4
    }  # fmt: skip
    assert known.wanted == ["idle", "random", "script intended", "trained on reward"]
    assert read_known(short, two, one)[TRAIN].candidates["random"]["reward"] == 3
    other = write("other", {"script sweeps": 5}, [], episodes=7)
    assert read_known(short, one, other) == read_known(short, one)  # means of other episodes


def test_variants_of_a_scene_are_kept_beside_each_other(
    tmp_path: Path, short: dict[str, Scene]
) -> None:
    shorter = {TRAIN: load_scene(TRAIN, {"episode_seconds": 0.25})}
    for scenes in (short, shorter):
        complete(scenes, {}, tmp_path, ReferenceBudget(tmp_path, train=False))
    for scenes in (short, shorter):
        known = read_known(scenes, tmp_path)[TRAIN]
        assert known.hash == scenes[TRAIN].hash
        assert known.is_whole


def test_the_committed_ones_are_of_one_version_and_named_by_the_scene_alone(tmp_path: Path) -> None:
    committed = committed_references()
    assert reference_file(committed, TRAIN, "0123") == committed / "sweep/train.json"
    roundabout = committed / ".." / committed.name
    assert reference_file(roundabout, TRAIN, "0123").name == "train.json"
    assert reference_file(tmp_path, TRAIN, "0123") == tmp_path / "sweep/train-0123.json"


def test_a_damaged_reference_is_named(tmp_path: Path, short: dict[str, Scene]) -> None:
    file = reference_file(tmp_path, TRAIN, short[TRAIN].hash)
    file.parent.mkdir()
    file.write_text("{")
    with pytest.raises(UserError, match=f"{file.name}: it is damaged; delete it"):
        read_known(short, tmp_path)


def test_the_committed_references_are_whole_and_of_these_scenes() -> None:
    """Scores in a scene that has changed would be scores of another scene."""
    scenes = load_family("sweep")
    known = read_known(scenes, committed_references())
    assert cost(scenes, known, ReferenceBudget(Path("unused"))) is None
    assert all(reference.is_whole for reference in known.values())
    assert exclusion_reason(known["sweep/planter_open"], known) is None


# --- the command -----------------------------------------------------------------------------


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob("**/*") if path.is_file()}


def test_a_family_of_ones_own_never_overwrites_a_shipped_one_of_its_name(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(references, "EPISODES", 4)
    before = content(committed_references())
    args = references.Args(str(mine), run_dir=tmp_path / "runs", train=False)
    main(args)
    assert content(committed_references()) == before
    scene = load_scene(mine / "train.xml")
    (file,) = content(tmp_path / "runs")
    assert file == reference_file(tmp_path / "runs", TRAIN, scene.hash)
    assert read_reference(file).wanted == ["idle", "random"]
    assert "2 policies to play; kept in" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="it holds the references of shipped families"):
        main(replace(args, out=committed_references()))
    assert content(committed_references()) == before


def test_an_adopted_agent_is_a_candidate_in_every_scene_under_its_runs_name(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "EPISODES", 4)
    base = TrainerArgs(scene=(str(mine / "train.xml"),), total_timesteps=64, **TINY)
    (run,) = run_jobs([Job("agent", base)], tmp_path / "runs", workers=1)
    monkeypatch.chdir(run)
    args = references.Args(str(mine), run_dir=tmp_path / "runs", train=False, adopt=(Path("."),))
    main(args)
    (known,) = read_known(load_family(mine), tmp_path / "runs").values()
    assert list(known.candidates) == ["idle", "random", f"adopted {run.name}"]


def test_an_agent_that_cannot_be_adopted_is_refused_before_anything_is_played(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "EPISODES", 4)
    base = TrainerArgs(scene=(str(mine / "train.xml"),), total_timesteps=64, **TINY)
    (run,) = run_jobs([Job("agent", base)], tmp_path / "runs", workers=1)
    args = references.Args("sweep", out=tmp_path / "out", train=False, adopt=(run,))
    with pytest.raises(SystemExit, match="trained with another 'observe' than sweep/train has"):
        main(args)
    with pytest.raises(SystemExit, match="nowhere"):
        main(replace(args, adopt=(tmp_path / "nowhere",)))
    assert not (tmp_path / "out").exists()


def test_the_doses_are_those_declared_and_the_default_is_one_of_them() -> None:
    assert DOSES == (0, 0.01, 0.03, 0.1, 0.3, 1)
    hashes = [load_scene("sweep/train", parse_overrides(settings(d))).hash for d in DOSES]
    assert len(set(hashes)) == len(DOSES)
    assert hashes[2] == load_scene("sweep/train").hash
