"""Bodies that are in no episode of a scene, by a text `spawn/BODY` that says "never".

They stay in the compiled model with their names, sites and looks, so that formulas, observations
and scripts need not know. But they stand still far away, without joints and contacts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import mujoco

from sandbox_envs.errors import SceneError

_COUNTS = ("nbody", "ngeom", "nsite", "nu", "nsensor", "neq", "ntendon", "npair", "nexclude")


def without_motion(
    path: Path,
    spec: mujoco.MjSpec,
    model: mujoco.MjModel,
    parked: Mapping[int, Sequence[float]],
) -> mujoco.MjModel:
    """The scene compiled with some bodies fixed to the world where they are parked.

    Args:
        path: the scene file, which has been checked.
        spec: what was read from it; it is changed.
        model: compiled from it.
        parked: body on the world -> its pose: x, y, z and yaw.

    Raises:
        SceneError: something of the scene refers to a joint of such a body.
    """
    names = ", ".join(model.body(body).name for body in parked)
    try:
        _fix(spec, {model.body(body).name: pose for body, pose in parked.items()})
        fixed = spec.compile()
    except (ValueError, RuntimeError) as error:
        raise SceneError(f"{path}: without the joints of {names}: {error}; {_ADVICE}") from None
    if any(getattr(fixed, count) != getattr(model, count) for count in _COUNTS):
        raise SceneError(f"{path}: something refers to the joints of {names}; {_ADVICE}")
    return fixed


_ADVICE = "write 'absent' for 'never' in their spawn text, which keeps them"


def _fix(spec: mujoco.MjSpec, parked: Mapping[str, Sequence[float]]) -> None:
    for name, pose in parked.items():
        body = spec.body(name)
        for joint in body.find_all(mujoco.mjtObj.mjOBJ_JOINT):
            spec.delete(joint)
        for geom in body.find_all(mujoco.mjtObj.mjOBJ_GEOM):
            geom.contype = geom.conaffinity = 0
        body.mocap, body.pos = False, pose[:3]
