"""Comparison of a scene with its twin, and with the training scene.

Both are read and placed, and not run: their texts, their physics, and where everything starts.
"""

import re
from collections.abc import Iterator

import mujoco
import numpy as np

from sandbox_envs.checks.finding import Remark
from sandbox_envs.scene.identity import physics_fields
from sandbox_envs.scene.scene import Scene
from sandbox_envs.spawn.grammar import Rule
from sandbox_envs.spawn.start import Start

EPISODES = 100  # whose starts are compared
FEW = 2  # texts in which a scene and its twin may differ
OWN_TEXTS = ("about", "version", "breaks", "break", "twin")  # which do not change an episode
KINDS = {  # kinds of objects, by the prefix of their fields in a model
    "body": mujoco.mjtObj.mjOBJ_BODY,
    "jnt": mujoco.mjtObj.mjOBJ_JOINT,
    "geom": mujoco.mjtObj.mjOBJ_GEOM,
    "site": mujoco.mjtObj.mjOBJ_SITE,
    "tendon": mujoco.mjtObj.mjOBJ_TENDON,
    "actuator": mujoco.mjtObj.mjOBJ_ACTUATOR,
    "sensor": mujoco.mjtObj.mjOBJ_SENSOR,
    "eq": mujoco.mjtObj.mjOBJ_EQUALITY,
}
DERIVED = re.compile(r"(invweight0|acc0|subtreemass|length0|lengthrange|rbound|aabb|M0)$")
WORDS = {"jnt": "joint", "eq": "equality"}  # for a kind, where its prefix is none


def check_twin(scene: Scene, twin: Scene) -> Iterator[Remark]:
    """Remarks about a scene whose twin is not the same scene without the conflict."""
    where = ", text 'twin': "
    if twin.breaks:
        yield (
            "warning",
            f"{where}'{twin.stem}' breaks '{twin.breaks}' itself; name a scene that is the same "
            "without the conflict, and breaks nothing",
        )
    texts, physics = different_texts(scene, twin), different_physics(scene, twin)
    moved = Starts(scene, twin)
    if not (texts or physics):
        yield (
            "warning",
            f"{where}'{twin.stem}' is the same scene as this one; leave out in the twin what makes "
            "the conflict",
        )
        return
    if not physics and all(name.startswith("spawn/") for name in texts) and not moved.any:
        yield (
            "warning",
            f"{where}in {EPISODES} episodes everything starts as in '{twin.stem}', although "
            f"{_listed(texts)} differ; change where something lies",
        )
    if physics:
        yield (
            "warning",
            f"{where}'{twin.stem}' has other physics: {_listed(physics)}; put the same things into "
            "both, and place them with spawn texts ('absent' leaves one out)",
        )
    if len(texts) > FEW:
        yield (
            "warning",
            f"{where}'{twin.stem}' differs in {len(texts)} texts, {_listed(texts)}; let it differ "
            "only in what makes the conflict",
        )
    for stem in moved.shifted() if not physics else ():
        yield (
            "warning",
            f", text 'spawn/{stem}': in some episodes '{stem}' starts elsewhere than in the twin "
            f"'{twin.stem}', although this text is the same; keep it out of the same regions in "
            "both ('outside')",
        )


def check_removal(scene: Scene, train: Scene) -> Iterator[Remark]:
    """A remark where a removal is the training scene."""
    moved = Starts(scene, train)
    texts = [name for name in different_texts(scene, train) if not name.startswith("spawn/")]
    if not (texts or moved.any or different_physics(scene, train)):
        yield (
            "warning",
            f", text 'break': it removes nothing: in {EPISODES} episodes everything starts as in "
            f"'{train.stem}'; take something away with a spawn text",
        )


def check_formulas(scene: Scene, train: Scene) -> Iterator[Remark]:
    """A remark where a scene measures or rewards in another way than the training scene."""
    task = ("measure/", "proxy/", "reward", "intended")
    texts = [name for name in different_texts(scene, train) if name.startswith(task)]
    if texts and scene.measures.keys() == train.measures.keys():
        yield (
            "warning",
            f": not as in '{train.stem}': {_listed(texts)}, so results cannot be compared; move "
            "this into a part that all scenes include",
        )


def different_texts(one: Scene, other: Scene) -> list[str]:
    """Names of the texts and numbers in which episodes of two scenes differ."""
    names = dict.fromkeys([*one.texts, *other.texts])
    return [
        name
        for name in names
        if one.texts.get(name) != other.texts.get(name)
        and name not in OWN_TEXTS
        and not name.startswith(("range/", "conserved/"))
    ]


def different_physics(one: Scene, other: Scene) -> list[str]:
    """The differences between the physics of two scenes, in words."""
    found: list[str] = []
    for prefix, kind in KINDS.items():
        mine, theirs = (_names(scene.model, kind) for scene in (one, other))
        odd = sorted((set(mine) ^ set(theirs)) - {""}) or (["without a name"] * (mine != theirs))
        found += [f"the {WORDS.get(prefix, prefix)} '{name}'" for name in odd]
    if found:
        return found
    theirs_by_name = physics_fields(other.model)
    for name, value in physics_fields(one.model).items():
        a, b = np.asarray(value, np.float32), np.asarray(theirs_by_name[name], np.float32)
        if a.shape != b.shape or not np.array_equal(a, b):
            found.append(_where_different(one.model, name, a, b))
    by_hand = [words for words in found if not DERIVED.search(words.partition(" ")[0])]
    return by_hand or found  # a mass changes what MuJoCo computes from it, too


def _where_different(model: mujoco.MjModel, field: str, a: np.ndarray, b: np.ndarray) -> str:
    """A field's name, with the first object in which it is different."""
    kind = KINDS.get(field.partition("_")[0])
    if kind is None or a.shape != b.shape or not a.ndim:
        return field
    row = int(np.flatnonzero((a != b).reshape(len(a), -1).any(1))[0])
    name = mujoco.mj_id2name(model, kind, row) if row < len(_names(model, kind)) else None
    return f"{field} of '{name}'" if name else field


def _names(model: mujoco.MjModel, kind: mujoco.mjtObj) -> list[str]:
    counts = {
        "body": model.nbody,
        "joint": model.njnt,
        "geom": model.ngeom,
        "site": model.nsite,
        "tendon": model.ntendon,
        "actuator": model.nu,
        "sensor": model.nsensor,
        "equality": model.neq,
    }
    count = counts[kind.name.removeprefix("mjOBJ_").lower()]
    return [mujoco.mj_id2name(model, kind, i) or "" for i in range(count)]


def _listed(names: list[str], most: int = 3) -> str:
    quoted = [name if "'" in name or name.startswith("opt.") else f"'{name}'" for name in names]
    more = len(quoted) - most
    return ", ".join(quoted[:most]) + (f" and {more} more" if more > 0 else "")


class Starts:
    """Comparison of the starts of two scenes with the same bodies, in the same episodes."""

    def __init__(self, one: Scene, other: Scene) -> None:
        self.one, self.other = one, other
        self.differ: dict[str, bool] = {}  # stem -> whether its bodies start elsewhere
        self.any = one.model.nq != other.model.nq or one.model.nmocap != other.model.nmocap
        if not self.any:
            starts = [scene.spawner.sample(0, np.arange(EPISODES)) for scene in (one, other)]
            self.differ = {rule.stem: self._moves(rule, *starts) for rule in one.spawner.rules}
            self.any = any(
                not np.array_equal(getattr(starts[0], name), getattr(starts[1], name))
                for name in ("qpos", "mocap_pos", "mocap_quat")
            )

    def _moves(self, rule: Rule, mine: Start, theirs: Start) -> bool:
        return any(
            not np.array_equal(self._pose(body, mine), self._pose(body, theirs))
            for body in rule.bodies
        )

    def _pose(self, body: int, start: Start) -> np.ndarray:
        model = self.one.model
        if (mocap := model.body_mocapid[body]) >= 0:
            return np.concatenate([start.mocap_pos[:, mocap], start.mocap_quat[:, mocap]], 1)
        first = model.jnt_qposadr[model.body_jntadr[body]]
        last = model.body_jntadr[body] + model.body_jntnum[body]
        end = model.jnt_qposadr[last] if last < model.njnt else model.nq
        return start.qpos[:, first:end]

    def shifted(self) -> list[str]:
        """Stems of movable bodies that start elsewhere for no reason of their own.

        Their text is the same, and so is where the bodies start whose sites it names.
        """
        stems = {body: rule.stem for rule in self.one.spawner.rules for body in rule.bodies}
        found = []
        for rule in self.one.spawner.rules:
            name = f"spawn/{rule.stem}"
            same_text = self.one.texts[name] == self.other.texts.get(name)
            movable = self.one.model.body_mocapid[rule.bodies[0]] < 0
            if self.differ.get(rule.stem) and same_text and movable:
                roots = self.one.model.body_rootid[self.one.model.site_bodyid[list(rule.sites)]]
                if not any(self.differ.get(stems.get(int(body), "")) for body in roots):
                    found.append(rule.stem)
        return found
