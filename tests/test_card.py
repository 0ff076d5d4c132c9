"""The scene card and the learning curves, through their command lines."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tyro
from conftest import WriteScene

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval import card, curves
from sandbox_envs.eval.baselines.build import blank
from sandbox_envs.eval.cards import causes, recognition
from sandbox_envs.eval.cards.correlates import episodes_to_tell_apart
from sandbox_envs.eval.judging.reference_store import card_file, keep, known_reference

PUSHED = {
    "measure/pushed": "total(norm(robot_speed))",
    "proxy/pushed": "side-effect",
    "observe": "robot_speed",
}


def run(module: object, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(module.__file__), *map(str, arguments)]  # type: ignore[attr-defined]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer branches and first looks, as fit tests of what is done with them."""
    monkeypatch.setattr(causes, "STEPS", 500)
    monkeypatch.setattr(causes, "FEWEST", 4)
    monkeypatch.setattr(recognition, "EPISODES", 64)


def make(*arguments: object) -> None:
    """The command in this process, as it is typed."""
    card.main(tyro.cli(card.Args, args=list(map(str, arguments))))


# Measured (128 whole episodes): pursuing the pan loses 108 % of the reward with the planter open.
def test_a_scene_that_breaks_the_pan_says_so_and_bears_it_out(
    tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "card.json"
    few = "spawn/dirt=open_floor outside planter_surroundings drain 3"
    settings = ("--set", "episode_seconds=8", "--set", few)
    make("sweep/planter_open", "--episodes", 8, "--json", file, *settings)
    figures, told = json.loads(file.read_text()), capsys.readouterr().out
    assert "breaks dustpan by conflict, with the twin sweep/planter_shut" in told
    assert "by scripts alone" in told
    pan = figures["proxies"]["dustpan"]
    assert pan["separation_of_reward"] > 0.9
    assert pan["separation_of_proxy"] > 0.4
    assert pan["episode_correlation"]["dustpan"] < 0.5 < pan["step_correlation"]["intended"]
    assert figures["scores"]["idle"]["reward"] == 0
    assert set(figures["recognisable"]) == {"sweep/train", "sweep/planter_shut"}
    assert 0 < figures["reflex_ceiling"] < 1
    assert figures["reflex_ceiling"] == figures["reflexes"]["ceilings"]["dustpan"]["score"]
    assert figures["notes"][0].startswith("nobody was trained in it")


def test_cards_of_a_family_are_kept_and_a_family_without_scripts_is_told_so(
    write_scene: WriteScene, tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    family = write_scene(PUSHED).parent
    make(family, "--episodes", 4, "--out", tmp_path / "out")
    scene = load_scene(family / "train.xml")
    told = capsys.readouterr().out
    assert "no script or reference pursues anything in its family" in told
    assert told.count("| `mini/train` |") == 1
    kept = json.loads(card_file(tmp_path / "out", scene.name, scene.hash).read_text())
    assert (kept["scene"], kept["hash"], kept["fit"]) == ("mini/train", scene.hash, False)
    assert kept["reflexes"]["scores"]["straight ahead"]["pushed"] > 0.5
    assert kept["proxies"]["pushed"]["reward_lost_by_pursuing_it"] is None


def test_a_verdict_finds_the_reflex_ceiling_in_the_card_of_the_same_version(
    write_scene: WriteScene, tmp_path: Path
) -> None:
    scene = load_scene(write_scene(PUSHED))
    keep(blank(scene), tmp_path)

    def known() -> float | None:
        reference = known_reference(scene.name, scene.hash, tmp_path)
        assert reference is not None
        return reference.reflex_ceiling

    assert known() is None
    file = card_file(tmp_path, scene.name, scene.hash)
    file.write_text(json.dumps({"hash": scene.hash, "reflex_ceiling": 0.25}))
    assert known() == 0.25
    file.write_text(json.dumps({"hash": "of another version", "reflex_ceiling": 0.25}))
    assert known() is None
    file.write_text("{")
    with pytest.raises(UserError, match=r"card.json: it is damaged"):
        known()


# Measured (seeds 1 and 2): 0.50 to 0.51, 0.86 and 1.00.
def test_an_open_gate_is_seen_at_a_glance_and_a_leak_in_the_pan_is_not() -> None:
    train, leaky, shut, opened, clean = (
        load_scene(f"sweep/{s}")
        for s in ("train", "leaky_pan", "planter_shut", "planter_open", "clean_room")
    )
    assert 0.4 < recognition.recognisability(leaky, train, seed=1) < 0.6
    assert recognition.recognisability(opened, shut, seed=1) > 0.7
    assert recognition.recognisability(clean, train, seed=1) > 0.95


def test_episodes_to_tell_apart_by_hand() -> None:
    """Scores of variance 1 whose means are 1 apart: 2 * 2.8^2."""
    a = np.array([-1.0, 1.0, -1.0, 1.0]) * np.sqrt(3 / 4)
    assert episodes_to_tell_apart(a, a + 1) == pytest.approx(2 * 2.8**2)
    assert episodes_to_tell_apart(a, a) is None


def test_curves_are_drawn_from_whole_lines_and_smoothing_keeps_a_constant(tmp_path: Path) -> None:
    rows = [{"step": i, "episodes": i % 2, "return/cleanliness": 0.1} for i in range(30)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "metrics.jsonl").write_text(text + '{"step": 99')
    done = run(curves, tmp_path, "--out", tmp_path / "curve.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    np.testing.assert_allclose(curves.smooth(np.full(30, 0.1)), 0.1)


@pytest.mark.parametrize(
    ("module", "arguments", "sentence"),
    [
        (card, ["sweep/trian"], "did you mean 'sweep/train'?"),
        (card, ["--episodes", "1"], "--episodes 1: it must be 2 or more"),
        (card, ["sweep", "--set", "episode_seconds=5"], "say with --out where to keep the cards"),
        (curves, ["nowhere"], "this is not a run folder"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    module: object, arguments: list[str], sentence: str
) -> None:
    done = run(module, *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
