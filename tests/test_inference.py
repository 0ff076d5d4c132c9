"""Objectives inferred from choices: planted weights are recovered, and reflexes have no goal."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import run_command, run_here
from scipy.special import log_softmax

from sandbox_envs.eval import infer as command
from sandbox_envs.eval.agents.scripted.asked import planted_agent
from sandbox_envs.eval.inference.choice import angle, fit, probabilities
from sandbox_envs.eval.inference.infer import GOALS, SCENES, Bank, Inference

ROOMS = 24


def draw(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Choices of an agent that is Boltzmann rational, with features in any unit."""
    centred = features - features.mean(1, keepdims=True)
    p = np.exp(log_softmax(centred / centred.std((0, 1)) @ weights, axis=1))
    rng = np.random.default_rng(0)
    return np.array([rng.choice(len(row), p=row) for row in p])


# --- the model -------------------------------------------------------------------------------


@pytest.mark.parametrize("planted", [(2.0, 0.0, 0.0), (0.0, 1.5, -0.5), (1.0, -1.0, 1.0)])
def test_planted_weights_are_recovered_in_any_unit(planted: tuple[float, ...]) -> None:
    features = np.random.default_rng(1).normal(size=(400, 6, 3)) * (1.0, 100.0, 1e-3)
    weights = np.array(planted)
    found = fit(features, draw(features, weights))
    deviations = np.sqrt(np.diag(found.covariance))
    assert (np.abs(found.mode - weights) < 3.5 * deviations).all()
    assert angle(found.mode, weights) < 10
    assert deviations.max() < 0.2


def test_features_that_never_differ_within_a_menu_tell_nothing() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(200, 4, 2))
    features[:, :, 1] = rng.normal(size=(200, 1))  # the same for all items of a menu
    found = fit(features, draw(features[:, :, :1], np.array([2.0])))
    assert abs(found.mode[1]) < 1e-6
    assert found.mode[0] > 1


def test_what_is_chosen_always_leaves_finite_weights() -> None:
    features = np.tile(np.eye(3), (50, 1, 1))
    found = fit(features, np.zeros(50, int))
    assert np.isfinite(found.mode).all()
    assert np.isfinite(found.log_likelihood(features, np.ones(50, int))).all()


def test_evidence_prefers_the_feature_that_was_used() -> None:
    rng = np.random.default_rng(3)
    used, other = rng.normal(size=(2, 300, 5, 1))
    chosen = draw(used, np.array([1.5]))
    both = {float(i): fit(x, chosen).log_evidence for i, x in enumerate((used, other))}
    assert probabilities(both)[0.0] > 0.999
    assert sum(probabilities(both).values()) == pytest.approx(1)


# --- on real scenes --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bank() -> Bank:
    """Decisions of the open planter alone."""
    return Bank(ROOMS, SCENES[:1])


def infer(bank: Bank, name: str) -> Inference:
    return bank.infer(bank.chosen(planted_agent(name)))


def test_items_truly_gain_what_they_pursue(bank: Bank) -> None:
    cleanliness, dustpan, effort = np.moveaxis(bank.gains[-1].mean(0), -1, 0)
    assert bank.items[int(cleanliness.argmax())] == "script intended"
    assert bank.items[int(dustpan.argmax())] == "script dustpan"
    assert bank.items[int(effort.argmin())] == "script idle"
    assert (np.diff(bank.gains[..., GOALS.index("effort")], axis=0) >= 0).all()


def test_an_item_of_the_menu_chooses_itself(bank: Bank) -> None:
    for name in ("script idle", "script intended", "script dustpan", "reflex nearest soil"):
        chosen = bank.chosen(planted_agent(name))[:ROOMS]  # at the beginning of episodes
        same = bank.parts[0].paths
        own = same[np.arange(ROOMS), chosen]
        expected = same[:, bank.items.index(name)]
        np.testing.assert_allclose(own, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "named"),
    [((6.0, 0.0, 0.0), "cleanliness"), ((0.0, 6.0, 0.0), "dustpan"), ((0.0, 0.0, -6.0), None)],
)
def test_planted_objectives_are_named(
    bank: Bank, weights: tuple[float, ...], named: str | None
) -> None:
    vector = np.array(weights)
    found = bank.infer(draw(bank.gains[-1], vector))
    assert found.pursued == named
    assert angle(np.array([found.weights[k].mean for k in GOALS]), vector) < 40


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("script dustpan", "dustpan"),
        ("script idle", None),
        ("reflex nearest soil", None),
        ("reflex straight ahead", None),
    ],
)
def test_scripts_and_reflexes_are_told_apart(bank: Bank, name: str, named: str | None) -> None:
    assert infer(bank, name).pursued == named


# --- the command -----------------------------------------------------------------------------


def test_command_takes_a_run_and_a_script_and_writes_figures(
    tiny_run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "found.json"
    few = ("--rooms", "4", "--scenes", SCENES[0])
    done = run_command("eval/infer.py", tiny_run, "--planted", "script idle", *few, "--json", file)
    assert "choices speak for" in done.stdout
    found = json.loads(file.read_text())
    assert found["script idle"]["pursued"] is None
    assert found[tiny_run.name].keys() >= {"weights", "pursued"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--planted", "script idel"], "did you mean 'script idle'?"),
        (["--planted", "script idle", "--scenes", "planter"], "--scenes planter: "),
        (["--planted", "script idle", "--scenes", "sweep/choice"], "must last 13 seconds"),
        (["--planted", "script idle", "--scenes"], "--scenes: name at least one"),
        (
            ["--planted", "script idle", "--scenes", SCENES[0], SCENES[0]],
            f"--scenes {SCENES[0]}: it is named twice",
        ),
        (
            [
                "--planted",
                "script idle",
                "--rooms",
                "4",
                "--scenes",
                SCENES[0],
                "sweep/placebo",
            ],
            f"sweep/placebo: its menu differs from that of {SCENES[0]}",
        ),
        (["--planted", "script idle", "--rooms", "3"], "--rooms 3: it must be 4 or more"),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments: list[str], said: str) -> None:
    done = run_here(command, *arguments, status=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
