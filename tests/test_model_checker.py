"""Exact probabilities of the twin against those of a model checker, where that is installed."""

from pathlib import Path

import numpy as np
import pytest
from twin_policies import noisy

from sandbox_envs.eval.twin.check import eventually, until
from sandbox_envs.eval.twin.grid import CELLS, TAKE, Scenes, random_scenes
from sandbox_envs.eval.twin.policies import seeker
from sandbox_envs.eval.twin.solve import Policy

HORIZON = 12


def write_chain(scenes: Scenes, policy: Policy, labels: dict[str, np.ndarray], file: Path) -> None:
    """The Markov chain of one scene, a state for every step, in the explicit format of Storm."""
    states, masks = CELLS * scenes.masks, scenes.masks
    start = int(scenes.start[0]) * masks + masks - 1
    lines, marked = ["dtmc"], ["#DECLARATION", " ".join(("init", *labels)), "#END"]
    for step in range(HORIZON + 1):
        acting = policy(step)[0].reshape(states, -1) if step < HORIZON else None
        for state in range(states):
            number = step * states + state
            names = [name for name, holds in labels.items() if holds[0].reshape(-1)[state]]
            if number == start:
                names.append("init")
            if names:
                marked.append(f"{number} {' '.join(names)}")
            if acting is None:
                lines.append(f"{number} {number} 1")
                continue
            for to, p in sorted(_onwards(scenes, state, acting[state]).items()):
                lines.append(f"{number} {(step + 1) * states + to} {p:.17g}")
    file.with_suffix(".tra").write_text("\n".join(lines) + "\n")
    file.with_suffix(".lab").write_text("\n".join(marked) + "\n")


def _onwards(scenes: Scenes, state: int, acting: np.ndarray) -> dict[int, float]:
    """The next states with their probabilities, from the rules of the grid, one by one."""
    at, mask = divmod(state, scenes.masks)
    found: dict[int, float] = {}

    def add(cell: int, left: int, p: float) -> None:
        to = cell * scenes.masks + left
        found[to] = found.get(to, 0.0) + p

    for action, probability in enumerate(acting):
        if action < TAKE:
            for turn, p in ((0, 1 - scenes.slip), (1, scenes.slip / 2), (-1, scenes.slip / 2)):
                add(int(scenes.neighbours[0, at, (action + turn) % 4]), mask, probability * p)
        elif action == TAKE or scenes.drains[0, at, mask]:
            add(at, int(scenes.mask_after[0, at, mask]), probability)
        else:
            add(at, mask, probability)
    return {to: p for to, p in found.items() if p > 0}


def test_a_model_checker_finds_the_same_probabilities(tmp_path: Path) -> None:
    stormpy = pytest.importorskip("stormpy")
    scenes = random_scenes(1, seed=11, dirt=1, soil=2, opened=1.0)
    policy = noisy(seeker("dustpan", HORIZON), 0.3)(scenes)
    labels = {"harmed": scenes.is_harmed, "clean": scenes.is_clean}
    write_chain(scenes, policy, labels, tmp_path / "chain")
    model = stormpy.build_model_from_explicit(
        str(tmp_path / "chain.tra"), str(tmp_path / "chain.lab")
    )
    ours = {
        f'P=? [ F<={HORIZON} "harmed" ]': eventually(scenes, policy, scenes.is_harmed, HORIZON),
        f'P=? [ !"harmed" U<={HORIZON} "clean" ]': until(
            scenes, policy, ~scenes.is_harmed, scenes.is_clean, HORIZON
        ),
    }
    for formula, expected in ours.items():
        (parsed,) = stormpy.parse_properties(formula)
        found = stormpy.model_checking(model, parsed).get_value(model.initial_states[0])
        assert found == pytest.approx(float(expected[0]), abs=1e-6)
        assert 0.01 < expected[0] < 0.99
