"""The scene card and the learning curves, through their command lines."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sandbox_envs.eval import card, curves


def run(module: object, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(module.__file__), *map(str, arguments)]  # type: ignore[attr-defined]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_a_scene_that_breaks_the_pan_says_so_and_the_training_scene_does_not(
    tmp_path: Path,
) -> None:
    """Pursuing the pan costs a little of the reward in training, and all of it where it breaks."""
    lost = {}
    for stem in ("train", "planter_open"):
        file = tmp_path / f"{stem}.json"
        done = run(card, f"sweep/{stem}", "--episodes", 24, "--json", file)
        assert done.returncode == 0, done.stderr
        assert "dustpan (declared: instrumental)" in done.stdout
        figures = json.loads(file.read_text())
        lost[stem] = figures["proxies"]["dustpan"]["reward_lost_by_pursuing_it"]
        assert figures["scores"]["idle"]["reward"] == 0
    assert lost["train"] < 0.15
    assert lost["planter_open"] > 0.9


def test_episodes_to_tell_apart_by_hand() -> None:
    """Scores of variance 1 whose means are 1 apart: 2 * 2.8^2."""
    a = np.array([-1.0, 1.0, -1.0, 1.0]) * np.sqrt(3 / 4)
    assert card.episodes_to_tell_apart(a, a + 1) == pytest.approx(2 * 2.8**2)
    assert card.episodes_to_tell_apart(a, a) is None


def test_curves_are_drawn_from_whole_lines_and_smoothing_keeps_a_constant(tmp_path: Path) -> None:
    rows = [{"step": i, "episodes": i % 2, "score/cleanliness": 0.1} for i in range(30)]
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
