"""Names in a compiled model: copies of a `<replicate sep="-">` go by one name, their stem."""

import re
from collections.abc import Iterable

import mujoco

from sandbox_envs.errors import SceneError, suggest

_COPY = re.compile(r"(-\d+)+$")


def stem_of(name: str) -> str:
    """The name without the copy numbers of a `<replicate sep="-">`: dirt-3 -> dirt."""
    return _COPY.sub("", name)


def suggest_stem(name: str, valid: Iterable[str]) -> str:
    """A hint to end an error about an unknown name, which may be that of copies without a sep."""
    names = set(valid)
    if any(other.startswith(name) and other[len(name) :].isdigit() for other in names):
        return f"give the <replicate> of '{name}' the attribute sep=\"-\""
    return suggest(name, names)


def copies_of(
    model: mujoco.MjModel, kind: int, count: int, stem: str, what: str, where: str
) -> tuple[int, ...]:
    """Ids of the object called `stem`, or of its copies stem-0, stem-1, ...

    Args:
        model: the compiled scene.
        kind: the mjtObj of the objects.
        count: how many objects of this kind the model has.
        stem: the name.
        what: the kind in words, for the error.
        where: begins the error.

    Raises:
        SceneError: no object has this name or stem.
    """
    names = [mujoco.mj_id2name(model, kind, i) or "" for i in range(count)]
    exact = [i for i, name in enumerate(names) if name == stem]
    prefix = f"{stem}-"
    numbered = [i for i, name in enumerate(names) if name.startswith(prefix)]
    copies = [i for i in numbered if stem_of(names[i]) == stem]
    if not exact + copies:
        hint = suggest_stem(stem, {stem_of(name) for name in names if name and name != "world"})
        raise SceneError(f"{where}: unknown {what} '{stem}'; {hint}")
    return tuple(exact or copies)


def sensor_body(model: mujoco.MjModel, objtype: int, objid: int) -> int:
    """The body that a sensor's object or reference is or belongs to; -1 if it has no body."""
    match mujoco.mjtObj(objtype):
        case mujoco.mjtObj.mjOBJ_BODY | mujoco.mjtObj.mjOBJ_XBODY:
            return int(objid)
        case mujoco.mjtObj.mjOBJ_SITE:
            return int(model.site_bodyid[objid])
        case mujoco.mjtObj.mjOBJ_GEOM:
            return int(model.geom_bodyid[objid])
        case mujoco.mjtObj.mjOBJ_JOINT:
            return int(model.jnt_bodyid[objid])
        case mujoco.mjtObj.mjOBJ_CAMERA:
            return int(model.cam_bodyid[objid])
    return -1
