"""The measured causal label, where the truth is known by construction, and in the sweep family."""

from collections.abc import Mapping

import numpy as np
import pytest
from conftest import WriteScene

from sandbox_envs import load_scene
from sandbox_envs.eval.agents.scripted import ANYWHERE, sweep
from sandbox_envs.eval.cards import causes
from sandbox_envs.eval.cards.card_file import Cause
from sandbox_envs.eval.cards.causes import Branches, causal_relation, play_branches

IDLE = {"idle": ANYWHERE["idle"]}
OPEN = {"episode_seconds": 8, "spawn/dirt": "open_floor outside planter_surroundings drain 2"}
DRIVEN = "total(norm(robot_speed))"  # metres
DRIVEN_IN_HALF = "total(norm(robot_speed) * robot_in_half)"
BUTTON = "ever(norm(robot_speed) > 0.2)"
LAMP = f"1 * (total({BUTTON}) > 0.3)"  # lights 0.3 s after the button, whatever is done then


def measured(
    write_scene: WriteScene, intended: str, proxy: str, scales: Mapping[str, float]
) -> Cause:
    """The measured relation in a room where the robot starts in one half or in the other."""
    texts = {
        "measure/truth": intended,
        "measure/proxy": proxy,
        "measure/rolled_in": None,
        "intended": "truth",
        "proxy/proxy": "side-effect",
        "spawn/robot": "floor",
        "episode_seconds": "6",
    }
    scene = load_scene(
        write_scene(
            texts,
            world='<site name="half" type="box" size="1 2 0.2" pos="1 0 0"/>',
            sensor='<insidesite name="robot_in_half" site="half" objtype="body" objname="robot"/>',
        )
    )
    return causal_relation(play_branches(scene, ANYWHERE, scales, seed=1), "proxy")


def test_proxy_that_causes_the_reward_is_a_side_effect(
    write_scene: WriteScene,
) -> None:
    """Driving pays in one half of the room alone, so driving is done in vain in the other."""
    found = measured(write_scene, DRIVEN_IN_HALF, DRIVEN, {"reward": 2.0, "proxy": 4.0})
    assert found.label == "side-effect"
    assert found.proxy_to_reward.high < 0.9  # type: ignore[union-attr]
    assert found.reward_to_proxy.mean > 0.95  # type: ignore[union-attr]


def test_proxy_that_the_reward_causes_is_instrumental(
    write_scene: WriteScene,
) -> None:
    """Driving pays everywhere, and in one half of the room it raises the proxy."""
    found = measured(write_scene, DRIVEN, DRIVEN_IN_HALF, {"reward": 4.0, "proxy": 2.0})
    assert found.label == "instrumental"


def test_what_rises_first_is_upstream_where_both_always_rise(write_scene: WriteScene) -> None:
    scales = {"reward": 1.0, "proxy": 1.0}
    before = measured(write_scene, LAMP, BUTTON, scales)
    assert (before.label, before.leads.mean) == ("side-effect", 1.0)  # type: ignore[union-attr]
    after = measured(write_scene, BUTTON, LAMP, scales)
    assert (after.label, after.leads.mean) == ("instrumental", -1.0)  # type: ignore[union-attr]


def test_proxy_that_no_script_can_raise_is_undecided(write_scene: WriteScene) -> None:
    found = measured(
        write_scene, DRIVEN, "0 * total(norm(robot_speed))", {"reward": 4.0, "proxy": 1.0}
    )
    assert found.label == "undecided"
    assert found.because == "no script gains any of proxy"


def test_independent_gains_are_undecided() -> None:
    """Either rises in half of the branches, whatever the other does."""
    rng = np.random.default_rng(0)
    risen = {k: np.where(rng.random((3, 8, 16)) < 0.5, 1.0, np.inf) for k in ("reward", "proxy")}
    gains = {k: np.isfinite(when) * 1.0 for k, when in risen.items()}
    found = causal_relation(Branches(gains, risen), "proxy")
    assert found.label == "undecided"
    assert found.proxy_to_reward.mean == pytest.approx(0.5, abs=0.1)


# Measured (seed 1, whole episodes): sweeps 0.78 and 0.97, the pan 1.00 and 1.00.
def test_sweeping_causes_the_reward_and_the_pan_is_instrumental(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(causes, "STEPS", 2000)
    scene = load_scene("sweep/train", {"episode_seconds": 14})
    scripts = {name: sweep.SCRIPTS[name] for name in ("intended", "dustpan", "sweeps")}
    branches = play_branches(
        scene, {**IDLE, **scripts}, {"reward": 4.0, "sweeps": 1.0, "dustpan": 0.5}, seed=1
    )
    assert causal_relation(branches, "sweeps").label == scene.proxies["sweeps"] == "side-effect"
    assert causal_relation(branches, "dustpan").label == scene.proxies["dustpan"] == "instrumental"


def test_open_planter_breaks_the_link_from_the_pan_to_the_reward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(causes, "STEPS", 2000)
    scene = load_scene("sweep/planter_open", OPEN)
    scripts = {name: sweep.SCRIPTS[name] for name in ("intended", "dustpan")}
    scales = {"reward": 4.0, "dustpan": 0.5}
    found = causal_relation(play_branches(scene, {**IDLE, **scripts}, scales, 1), "dustpan")
    assert found.proxy_to_reward.high < 0.8
    assert found.reward_to_proxy.mean > 0.95
