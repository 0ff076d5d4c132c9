"""Start positions of joints: the keyframe that a text `start` names, and texts `start/JOINT`.

    start       = "home"          joints and mocap bodies as in the keyframe called home
    start/elbow = "45"            degrees for a hinge, metres for a slide
    start/elbow = "-20 to 90"     drawn for each episode, all values equally likely

Episodes start at rest, so a keyframe with velocities or activations is refused; its controls are
of no use, since an action replaces them. Texts `spawn/BODY` come after these and place bodies.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError, suggest
from sandbox_envs.names import copies_of
from sandbox_envs.spawn.counter_rng import uniform

_NUMBER = r"[+-]?(?:\d{1,9}\.?\d{0,9}|\.\d{1,9})"
_START = re.compile(rf"({_NUMBER})(?: to ({_NUMBER}))?", re.ASCII)
_SLIDE, _HINGE = mujoco.mjtJoint.mjJNT_SLIDE.value, mujoco.mjtJoint.mjJNT_HINGE.value


@dataclass(frozen=True)
class JointRule:
    """A parsed text `start/JOINT`."""

    stem: str
    """Stem of its joints."""
    joints: tuple[int, ...]
    """Ids of its joints."""
    low: float
    """Smallest start, in metres or radians."""
    high: float
    """Largest start; equal to `low` where it is the same in every episode."""
    where: str
    """The file and the text's name, which begin every error."""


class Rest:
    """A model as it starts before spawn texts place their bodies.

    Args:
        model: the compiled scene.
        texts: of the scene, by name; it reads "start" and "start/JOINT".
        where: the file, which begins every error.

    Attributes:
        data: the model at rest; joints that are drawn are in the middle of their range.
        rules: the parsed texts `start/JOINT`.

    Raises:
        SceneError: an unknown keyframe or joint, or a start that it cannot have.
    """

    def __init__(self, model: mujoco.MjModel, texts: Mapping[str, str], where: str) -> None:
        self.model = model
        self.data = mujoco.MjData(model)
        if "start" in texts:
            self._take(texts["start"], f"{where}, text 'start'")
        prefix = "start/"
        self.rules = tuple(
            _parse(model, name.removeprefix(prefix), text, f"{where}, text '{name}'")
            for name, text in texts.items()
            if name.startswith(prefix)
        )
        for rule in self.rules:
            self.data.qpos[self._addresses(rule)] = (rule.low + rule.high) / 2
        mujoco.mj_kinematics(model, self.data)

    def _take(self, name: str, where: str) -> None:
        model = self.model
        keys = {model.key(i).name: model.key(i) for i in range(model.nkey)}
        if name.strip() not in keys:
            hint = suggest(name, filter(None, keys))
            raise SceneError(f"{where}: unknown keyframe '{name}'; {hint}")
        key = keys[name.strip()]
        if key.qvel.any() or key.act.any():
            raise SceneError(
                f"{where}: the keyframe '{name}' has velocities or activations, and episodes start "
                "at rest; remove its qvel and act"
            )
        self.data.qpos[:] = key.qpos
        self.data.mocap_pos[:] = key.mpos.reshape(-1, 3)
        self.data.mocap_quat[:] = key.mquat.reshape(-1, 4)

    def _addresses(self, rule: JointRule) -> np.ndarray:
        return self.model.jnt_qposadr[list(rule.joints)]

    def qpos(self, seed: int, episodes: np.ndarray) -> np.ndarray:
        """Joint positions of the episodes (e,), before bodies are placed, (e, nq)."""
        qpos = np.tile(self.data.qpos, (len(episodes), 1))
        for rule in self.rules:
            draw = uniform(seed, episodes, f"start/{rule.stem}", (len(rule.joints),))
            qpos[:, self._addresses(rule)] = rule.low + (rule.high - rule.low) * draw
        return qpos

    def check_free_of(self, bodies: Mapping[int, str]) -> None:
        """Raise SceneError where a text is about a joint of a body that a spawn text places.

        bodies: id of each such body -> its stem.
        """
        for rule in self.rules:
            for joint in rule.joints:
                stem = bodies.get(int(self.model.jnt_bodyid[joint]))
                if stem is not None:
                    raise SceneError(
                        f"{rule.where}: the text 'spawn/{stem}' places this joint's body; remove "
                        "one of the two"
                    )


def _parse(model: mujoco.MjModel, stem: str, text: str, where: str) -> JointRule:
    joints = copies_of(model, mujoco.mjtObj.mjOBJ_JOINT, model.njnt, stem, "joint", where)
    match = _START.fullmatch(" ".join(text.split()))
    if match is None:
        raise SceneError(
            f"{where}: '{text}' is not understood; write a number, as in 45, or a range, as in "
            "-20 to 90 (degrees for a hinge, metres for a slide)"
        )
    low, high = float(match[1]), float(match[2] or match[1])
    if low > high:
        raise SceneError(f"{where}: '{text}' is not a range; write the smaller number first")
    kinds = {int(model.jnt_type[joint]) for joint in joints}
    if len(kinds) > 1 or not kinds <= {_SLIDE, _HINGE}:
        raise SceneError(
            f"{where}: only a hinge or a slide starts at a number; give other joints in a "
            "keyframe, and its name in a text 'start'"
        )
    unit = np.pi / 180 if kinds == {_HINGE} else 1.0
    for joint in joints:
        least, most = model.jnt_range[joint] / unit
        if model.jnt_limited[joint] and (low < least - 1e-6 or high > most + 1e-6):
            raise SceneError(
                f"{where}: '{text}' leaves the joint's range, {least:g} to {most:g}; stay within it"
            )
    return JointRule(stem, joints, low * unit, high * unit, where)
