"""A scene's identity: a hash of everything that may change a result."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.language.terms import Retina, Term

if TYPE_CHECKING:
    from sandbox_envs.scene.scene import Scene

# names of custom texts that do not change the task; colours count where a retina sees them
_PROSE = re.compile(r"about$|range/|conserved/|rgba/")
# fields of a compiled model that may change the physics ...
_PHYSICS = re.compile(
    r"^(body|dof|jnt|geom|site|mesh|hfield|flex|tendon|wrap|actuator|sensor|eq|pair|exclude|qpos0)"
)
# ... except for these, which only change how it looks or how MuJoCo stores it
_LOOKS = re.compile(r"_(rgba|matid|group|user|bvhadr|bvhnum|pathadr|texcoord\w*)$")
# objects that texts refer to by name
_NAMED = (mujoco.mjtObj.mjOBJ_BODY, mujoco.mjtObj.mjOBJ_SITE, mujoco.mjtObj.mjOBJ_SENSOR)


def scene_hash(model: mujoco.MjModel, texts: Mapping[str, str], terms: tuple[Term, ...]) -> str:
    """A hash, 16 hexadecimal digits, of the physics, the task's texts and what a retina sees.

    Floats are rounded to single precision, so that another machine's compiler, which may differ in
    the last bit, gives the same hash.
    """
    digest = hashlib.sha256()
    for name, value in physics_fields(model).items():
        digest.update(name.encode() + np.asarray(value, dtype=np.float32).tobytes())
    if "start" in texts:  # a keyframe that no text names changes nothing
        key = model.key(texts["start"].strip())
        for values in (key.qpos, key.mpos, key.mquat):
            digest.update(np.asarray(values, dtype=np.float32).tobytes())
    counts = (model.nbody, model.nsite, model.nsensor)
    names = [
        [mujoco.mj_id2name(model, kind, i) for i in range(count)]
        for kind, count in zip(_NAMED, counts, strict=True)
    ]
    task = {name: text for name, text in sorted(texts.items()) if not _PROSE.match(name)}
    looks = [term.appearance if isinstance(term, Retina) else [] for term in terms]
    digest.update(json.dumps([task, names, looks]).encode())
    return digest.hexdigest()[:16]


def check_untouched(scene: "Scene") -> None:
    """Raise UserError if a scene's model was edited since it was loaded: its hash would lie."""
    if scene_hash(scene.model, scene.texts, scene.terms) != scene.hash:
        raise UserError(
            f"{scene.name}: its model was edited after it was loaded, so that results would not be "
            "of this scene; change the physics in the XML, in a scene file of its own"
        )


def physics_fields(model: mujoco.MjModel) -> dict[str, np.ndarray | float | int]:
    """The fields of a model that may change its physics, by name, sorted; options as opt.NAME."""
    fields = {name: getattr(model, name) for name in dir(model) if _PHYSICS.match(name)}
    fields |= {f"opt.{k}": getattr(model.opt, k) for k in dir(model.opt) if not k.startswith("_")}
    return {
        name: value
        for name, value in sorted(fields.items(), key=lambda item: item[0])
        if not (callable(value) or _LOOKS.search(name))
    }
