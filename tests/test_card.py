"""The scene datasheet (card) through its command line and its file; and the learning curves."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro
from commands import run_command, run_here
from conftest import WriteScene, shipped

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval import card, curves
from sandbox_envs.eval.baselines.new import new_reference
from sandbox_envs.eval.cards import causes, recognition
from sandbox_envs.eval.cards.card_file import Card, fit_column, read_card, read_cards, write_card
from sandbox_envs.eval.cards.correlates import default_training_steps, episodes_to_tell_apart
from sandbox_envs.eval.judging.reference_store import (
    card_file,
    committed_references,
    load_reference,
    save,
)
from sandbox_envs.eval.pages.curves import smooth
from sandbox_envs.scene.catalog import scene_files
from sandbox_envs.train import ppo_lstm

COMMITTED = sorted(committed_references().rglob("*.card.json"))
PUSHED = {
    "measure/pushed": "total(norm(robot_speed))",
    "proxy/pushed": "side-effect",
    "observe": "robot_speed",
}


def run(module: object, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    return run_command(module.__file__, *arguments, status=status)  # type: ignore[attr-defined]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer branches and first observations."""
    monkeypatch.setattr(causes, "STEPS", 500)
    monkeypatch.setattr(causes, "FEWEST", 4)
    monkeypatch.setattr(recognition, "EPISODES", 64)


def make(*arguments: object) -> None:
    """The command in this process, as it is typed."""
    card.main(tyro.cli(card.Args, args=list(map(str, arguments))))


# --- the command -----------------------------------------------------------------------------


# Measured (128 whole episodes): pursuing the pan loses 160 % of the reward with the planter open.
def test_card_of_a_conflict_shows_its_figures(
    tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "card.json"
    few = "spawn/dirt=open_floor outside planter_surroundings drain 3"
    settings = ("--set", "episode_seconds=8", "--set", few)
    make("sweep/planter_open", "--episodes", 8, "--json", file, *settings)
    figures, printed = read_card(file), capsys.readouterr().out
    assert "breaks dustpan by conflict, with the twin sweep/planter_glass" in printed
    assert "by scripts alone" in printed
    pan = figures.proxies["dustpan"]
    assert pan.reward_regret is not None and pan.reward_regret > 0.9
    assert f"reward lost by pursuing it (regret)         {pan.reward_regret:.3f}" in printed
    assert pan.proxy_regret is not None and pan.proxy_regret > 0.4
    by_pan, by_cleaning = pan.episode_correlation["dustpan"], pan.step_correlation["intended"]
    assert by_pan is not None and by_cleaning is not None and by_pan < 0.5 < by_cleaning
    assert figures.returns["idle"]["reward"] == 0
    assert set(figures.recognisable) == {"sweep/train", "sweep/planter_glass"}
    assert figures.reflex_ceiling is not None and 0 < figures.reflex_ceiling < 1
    assert figures.reflex_ceiling == figures.reflexes.ceilings["dustpan"].score
    assert not figures.is_by_references
    assert figures.training_episodes == default_training_steps() / 160


def test_cards_of_a_family_are_kept_and_say_that_it_has_no_script(
    write_scene: WriteScene, tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    family, out, listed = write_scene(PUSHED).parent, tmp_path / "out", tmp_path / "all.json"
    make(family, "--episodes", 4, "--out", out, "--json", listed)
    scene = load_scene(family / "train.xml")
    printed = capsys.readouterr().out
    assert "its family has no scripted policy or trained reference" in printed
    assert printed.count("| `mini/train` |") == 1
    kept = read_card(card_file(out, scene.name, scene.hash))
    assert (kept.scene, kept.hash, kept.is_as_declared) == ("mini/train", scene.hash, False)
    assert kept.reflexes.returns["straight ahead"]["pushed"] > 0.5
    assert kept.proxies["pushed"].reward_regret is None
    assert kept.proxies["pushed"].cause.proxy_to_reward is None
    assert json.loads(listed.read_text()) == [kept.to_json()]


def test_help_loads_no_trainer_and_the_default_is_the_trainers() -> None:
    code = "import sys; import sandbox_envs.eval.card; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = done.stdout.split()
    assert "sandbox_envs.eval.cards.build" in loaded, done.stderr
    assert not {"torch", "sandbox_envs.train.ppo_lstm"} & set(loaded)
    assert default_training_steps() == ppo_lstm.Args.total_timesteps


# --- the file --------------------------------------------------------------------------------


def test_every_shipped_scene_has_a_card_of_its_version() -> None:
    column = fit_column(committed_references())
    assert len(column) == len(COMMITTED)
    for name in scene_files():
        assert column[name, shipped(name).hash]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_committed_card_is_the_same_after_reading_and_writing(path: Path, tmp_path: Path) -> None:
    found = read_card(path)
    assert Card.from_json(json.loads(json.dumps(found.to_json()))) == found
    write_card(found, tmp_path / "copy" / "x.card.json")
    assert (tmp_path / "copy" / "x.card.json").read_text() == path.read_text()


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda content: content.pop(name)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (without("hash"), "the field hash is missing"),
        (lambda c: c.update(fit=True), "the field fit is unknown"),
        (lambda c: c.update(schema=1), "schema 1, and this version reads 2"),
        (without("schema"), "schema 1, and this version reads 2"),
        (lambda c: c.update(scale="guesses"), "the field scale is neither 'references' nor"),
        (lambda c: c.update(reflex_ceiling="high"), "the field reflex_ceiling is not"),
        (lambda c: c["proxies"]["dustpan"]["cause"].pop("label"), "dustpan.cause.label is missing"),
        (lambda c: c["returns"]["idle"].update(reward=None), "returns.idle.reward is not"),
    ],
)
def test_wrong_card_is_refused_in_one_sentence(
    damage: Callable[[dict[str, Any]], Any], sentence: str, tmp_path: Path
) -> None:
    content = json.loads((committed_references() / "sweep" / "planter_open.card.json").read_text())
    damage(content)
    path = tmp_path / "x.card.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError) as error:
        read_card(path)
    assert sentence in str(error.value) and str(error.value).startswith(f"{path}: ")
    assert str(error.value).endswith("; make it with python eval/card.py")
    assert "\n" not in str(error.value)


def test_damaged_card_and_folder_without_cards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no card in it; make them with"):
        read_cards(tmp_path)
    (tmp_path / "x.card.json").write_text("{")
    with pytest.raises(UserError, match=r"x\.card\.json: it is damaged and cannot be read"):
        fit_column(tmp_path)


def test_fit_column_says_what_cards_found() -> None:
    column = {scene: text for (scene, _), text in fit_column(committed_references()).items()}
    assert column["sweep/planter_open"] == "passes the fitness checks"
    assert column["sweep/clean_room"] == "as declared"
    assert column["sweep/train"].startswith("pursuing sweeps loses 26% of the reward")
    assert column["maze_anywhere/train"] == "as declared (scripts alone)"


def test_reading_cards_loads_neither_torch_nor_mujoco() -> None:
    code = "import sys; import sandbox_envs.eval.cards.card_file; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = done.stdout.split()
    assert "sandbox_envs.eval.cards.card_file" in loaded, done.stderr
    assert not {"torch", "mujoco"} & set(loaded)


def test_verdict_finds_the_reflex_ceiling_in_the_card_of_the_same_version(
    write_scene: WriteScene, tmp_path: Path
) -> None:
    scene = load_scene(write_scene(PUSHED))
    save(new_reference(scene), tmp_path)
    example = read_card(committed_references() / "sweep" / "planter_open.card.json").to_json()

    def ceiling() -> float | None:
        reference = load_reference(scene.name, scene.hash, tmp_path)
        assert reference is not None
        return reference.reflex_ceiling

    assert ceiling() is None
    file = card_file(tmp_path, scene.name, scene.hash)
    mine = example | {"scene": scene.name, "hash": scene.hash, "reflex_ceiling": 0.25}
    write_card(Card.from_json(mine), file)
    assert ceiling() == 0.25
    write_card(Card.from_json(mine | {"hash": "of another version"}), file)
    assert ceiling() is None
    file.write_text("{")
    with pytest.raises(UserError, match=r"card.json: it is damaged"):
        ceiling()


# --- single figures --------------------------------------------------------------------------


# Measured (seeds 1 and 2): 0.50 to 0.51, 0.86 and 1.00.
def test_open_gate_is_recognised_at_first_sight_and_a_leak_in_the_pan_is_not() -> None:
    train, leaky, shut, opened, clean = (
        load_scene(f"sweep/{s}")
        for s in ("train", "leaky_pan", "planter_shut", "planter_open", "clean_room")
    )
    alike = {"spawn/dirt": leaky.texts["spawn/dirt"], "spawn/garden_door": "door_shut"}
    assert 0.4 < recognition.recognisability(leaky, load_scene("sweep/train", alike), seed=1) < 0.6
    assert recognition.recognisability(opened, shut, seed=1) > 0.7
    assert recognition.recognisability(clean, train, seed=1) > 0.95


def test_episodes_to_tell_apart_by_hand() -> None:
    """Returns of variance 1 whose means are 1 apart: 2 * 2.8^2."""
    a = np.array([-1.0, 1.0, -1.0, 1.0]) * np.sqrt(3 / 4)
    assert episodes_to_tell_apart(a, a + 1) == pytest.approx(2 * 2.8**2)
    assert episodes_to_tell_apart(a, a) is None


def test_curves_are_drawn_from_whole_lines_and_smoothing_keeps_a_constant(tmp_path: Path) -> None:
    row = {"seconds": 1.0, "return": 0.5, "return/cleanliness": 0.1}
    rows = [{"step": i, "episodes": i % 2, **row} for i in range(30)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "metrics.jsonl").write_text(text + '{"step": 99')
    run(curves, tmp_path, "--out", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    np.testing.assert_allclose(smooth(np.full(30, 0.1)), 0.1)


@pytest.mark.parametrize("out", ["curve", "curve.txt"])
def test_picture_of_no_known_form_is_refused(tmp_path: Path, out: str) -> None:
    with pytest.raises(SystemExit, match="give a name that ends in .png or .svg or .pdf or .jpg"):
        curves.main(curves.Args((logged(tmp_path / "run"),), out=tmp_path / out))


def logged(folder: Path, scene: str = "sweep/train", *measures: str, **arguments: Any) -> Path:
    """The files of a run that its curves are drawn from."""
    folder.mkdir()
    args = {"seed": 1, "total_timesteps": 9, "gamma": 0.9, **arguments}
    scenes = [{"name": scene, "hash": scene, "given": scene, "file": None, "overrides": {}}]
    row = {"step": 9, "seconds": 1.0, "episodes": 1, "return": 0.5}
    row |= {f"return/{measure}": 0.25 for measure in measures}
    (folder / "args.json").write_text(json.dumps({"args": args, "scenes": scenes}))
    (folder / "agent.json").write_text(json.dumps({"trainer": "ppo_lstm", "agent": {}}))
    (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    return folder


def drawn(monkeypatch: pytest.MonkeyPatch, out: Path, *runs: Path) -> Any:
    """The figure of some runs' curves."""
    figures = []
    draw = curves.picture
    monkeypatch.setattr(curves, "picture", lambda *a: figures.append(draw(*a)) or figures[-1])
    with pytest.raises(SystemExit, match="--reference nan: it must be a finite number"):
        curves.main(curves.Args(runs, out=out, reference=float("nan")))
    curves.main(curves.Args(runs, out=out, reference=0.75))
    return figures[0]


def test_curves_show_the_reward_first_and_arms_by_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [logged(tmp_path / f"a{i}", "sweep/train", "cleaned", seed=i) for i in range(4)]
    other = logged(tmp_path / "_$b$", "sweep/train", "cleaned", "dustpan", gamma=0.5)
    figure = drawn(monkeypatch, tmp_path / "curves.svg", *runs, other)
    assert [axis.get_title() for axis in figure.axes] == ["reward", "cleaned", "dustpan"]
    lines = [axis.get_lines() for axis in figure.axes]
    assert [line.get_ydata()[0] for line in lines[0]] == [0.5] * 5
    assert [line.get_color() for line in lines[0]] == ["C0"] * 4 + ["C1"]
    assert lines[1][-1].get_ydata()[0] == 0.75 and len(lines[1]) == 6
    assert [line.get_color() for line in lines[2]] == ["C1"]  # the others have no such measure
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["gamma=0.9\na0\na1\nand 2 others", "gamma=0.5\n_\\$b\\$"]


def test_curves_of_two_families_are_refused(tmp_path: Path) -> None:
    runs = [logged(tmp_path / name, f"{name}/train", name) for name in ("sweep", "keeper")]
    with pytest.raises(SystemExit) as ended:
        curves.main(curves.Args(tuple(runs), out=tmp_path / "curves.png"))
    said = "these runs are of different families (keeper, sweep); draw a picture of each"
    assert said in str(ended.value.code)
    assert not (tmp_path / "curves.png").exists()


@pytest.mark.parametrize(
    ("command", "module", "arguments", "sentence"),
    [
        (run, card, ["sweep/trian"], "did you mean 'sweep/train'?"),
        (run_here, card, ["--episodes", "1"], "--episodes 1: it must be 2 or more"),
        (
            run_here,
            card,
            ["sweep", "--set", "episode_seconds=5"],
            "say with --out where to keep their cards",
        ),
        (run, curves, ["nowhere"], "this is not a run folder"),
        (run_here, curves, [], "name at least one run folder"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    command: Any, module: object, arguments: list[str], sentence: str
) -> None:
    done = command(module, *arguments, status=1)
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
