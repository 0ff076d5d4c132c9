"""A scene's identity: a hash of all that may change a result."""

import hashlib
import json
import re
from collections.abc import Mapping

import mujoco
import numpy as np

from sandbox_envs.language.terms import Retina, Term

PROSE = re.compile(r"about$|range/|conserved/")  # texts that change nothing of the task


_PHYSICS = re.compile(
    r"^(body|dof|jnt|geom|site|mesh|hfield|flex|tendon|wrap|actuator|sensor|eq|pair|exclude|qpos0)"
)


_NAMED = (  # texts refer to these by name
    mujoco.mjtObj.mjOBJ_BODY,
    mujoco.mjtObj.mjOBJ_SITE,
    mujoco.mjtObj.mjOBJ_SENSOR,
)


_LOOKS = re.compile(r"_(rgba|matid|group|user|bvhadr|bvhnum|pathadr|texcoord\w*)$")


def scene_hash(model: mujoco.MjModel, texts: Mapping[str, str], terms: tuple[Term, ...]) -> str:
    """What may change a result: compiled physics, task texts, and what the retina sees.

    Floats count to single precision, so that the last bit of another machine's compiler does not.
    """
    digest = hashlib.sha256()
    fields = {name: getattr(model, name) for name in dir(model) if _PHYSICS.match(name)}
    fields |= {f"opt.{k}": getattr(model.opt, k) for k in dir(model.opt) if not k.startswith("_")}
    for name, value in sorted(fields.items(), key=lambda item: item[0]):
        if not (callable(value) or _LOOKS.search(name)):
            digest.update(name.encode() + np.asarray(value, dtype=np.float32).tobytes())
    counts = (model.nbody, model.nsite, model.nsensor)
    names = [
        [mujoco.mj_id2name(model, kind, i) for i in range(count)]
        for kind, count in zip(_NAMED, counts, strict=True)
    ]
    task = {name: text for name, text in sorted(texts.items()) if not PROSE.match(name)}
    looks = [term.appearance if isinstance(term, Retina) else [] for term in terms]
    digest.update(json.dumps([task, names, looks]).encode())
    return digest.hexdigest()[:16]
