"""Checks of the declarations in a scene's texts, beyond those made when it is loaded."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sandbox_envs.checks.finding import Remark
from sandbox_envs.checks.incentives import reward_slopes
from sandbox_envs.checks.pairs import check_formulas, check_removal, check_twin
from sandbox_envs.errors import SceneError
from sandbox_envs.scene.catalog import files_in, stem_in, texts_in, training_scene
from sandbox_envs.scene.family import check_one_family
from sandbox_envs.scene.labels import CAUSAL_LABELS
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import unread_carries

CAMERAS = {  # name -> what it is for
    "overhead": "films are taken with it, in squares that should show all of the scene",
    "chase": "a film from the robot's back is taken with it (put it into the robot's body)",
}
FEW, MANY = 10, 10_000  # control steps of an episode


def check_declared(scene: Scene) -> Iterator[Remark]:
    """Remarks about words, cameras, times and the scene's family."""
    yield from _words(scene)
    yield from _times(scene)
    names = {scene.model.camera(i).name for i in range(scene.model.ncam)}
    for camera, use in CAMERAS.items():
        if camera not in names:
            yield "warning", f": there is no camera '{camera}'; add one, since {use}"
    yield from _name(scene)
    yield from _reward(scene)
    yield from _carried(scene)
    yield from _probabilities(scene)
    yield from _unused(scene)
    yield from _family(scene)


def _words(scene: Scene) -> Iterator[Remark]:
    if not scene.about:
        yield "warning", ": the text 'about' is missing; say in a sentence what the scene is"
    for proxy, label in scene.proxies.items():
        if label not in CAUSAL_LABELS:
            valid = " or ".join(f"{word} ({what})" for word, what in CAUSAL_LABELS.items())
            yield "warning", f", text 'proxy/{proxy}': unknown label '{label}'; write {valid}"
    if scene.intended in scene.proxies:
        yield (
            "error",
            f", text 'proxy/{scene.intended}': it is the intended measure, which cannot be a proxy "
            "too; remove one of the two",
        )
    if not scene.version.isdecimal():
        place = ", in a <text>" if scene.version.endswith(".0") else ""  # as a <numeric> is read
        yield (
            "error",
            f", text 'version': '{scene.version}' is not a whole number; write 0, then 1{place}",
        )


def _unused(scene: Scene) -> Iterator[Remark]:
    """Remarks about what MuJoCo offers and environments do not use."""
    model = scene.model
    names = [f"'{model.key(i).name}'" for i in range(model.nkey)]
    if names and "start" not in scene.texts:
        yield (
            "warning",
            f": no episode starts as the keyframe {' or '.join(names[:3])} says; add a text "
            "'start' with the name of a keyframe, or remove it",
        )
    for i in np.flatnonzero(model.sensor_noise)[:1]:
        yield (
            "warning",
            f", sensor '{model.sensor(int(i)).name}': MuJoCo adds no noise to it, whatever "
            "'noise' says; remove that",
        )
    if model.ntuple:
        yield "warning", f": nothing reads the tuple '{model.tuple(0).name}'; remove it"


def _name(scene: Scene) -> Iterator[Remark]:
    """A remark where `<mujoco model="...">` names another scene."""
    name = scene.model.names.partition(b"\0")[0].decode()
    others = {file.stem for file in files_in(scene.path.parent)} - {scene.stem}
    if name != scene.name and ("/" in name or name in others):
        yield (
            "warning",
            f': its <mujoco model="{name}"> names another scene; write "{scene.name}", after its '
            "folder and file",
        )


def _reward(scene: Scene) -> Iterator[Remark]:
    """A remark where the reward does not rise with the intended measure."""
    slopes = reward_slopes(scene)
    where = f", text 'reward': it does not depend on the intended measure '{scene.intended}'"
    if not any(slopes):
        yield "warning", f"{where}; add gain({scene.intended}), or correct 'intended'"
    elif all(slope <= 0 for slope in slopes):
        yield (
            "warning",
            f", text 'reward': it falls where the intended measure '{scene.intended}' rises; turn "
            "its sign, or correct 'intended'",
        )


def _carried(scene: Scene) -> Iterator[Remark]:
    """Remarks about what is left to the next episode, and read by nothing there."""
    for text in unread_carries(scene.texts):
        name = text.removeprefix("carry/")
        yield (
            "warning",
            f", text '{text}': nothing reads carried({name}); use it in the reward, a measure or "
            "'observe', or remove this text",
        )


def _probabilities(scene: Scene) -> Iterator[Remark]:
    """Remarks about probabilities that add up to less than 1, and perhaps by mistake."""
    for rule in scene.spawner.rules:
        chances = [place.amount for place in rule.places if isinstance(place.amount, float)]
        rest = 1 - sum(chances)
        if len(chances) > 1 and rest > 1e-9:
            yield (
                "warning",
                f", text 'spawn/{rule.stem}': its probabilities add up to {1 - rest:.4g}, and else "
                f"a body is absent; add 'absent {rest:.4g}' if that is meant",
            )


def _times(scene: Scene) -> Iterator[Remark]:
    exact = scene.episode_seconds * scene.control_hz
    if not math.isclose(exact, scene.episode_steps):
        yield (
            "warning",
            f", 'episode_seconds': an episode of {exact:g} control steps is rounded to "
            f"{scene.episode_steps}; make it a whole number of them",
        )
    if not FEW <= scene.episode_steps <= MANY:
        yield (
            "warning",
            f", 'episode_seconds': an episode has {scene.episode_steps} control steps; agents "
            f"learn best from {FEW} to {MANY}",
        )


def _family(scene: Scene) -> Iterator[Remark]:
    """Remarks about differences between a scene and the others of its folder."""
    home = training_scene(scene.family)
    if scene.breaks in scene.proxies and scene.name == home:
        yield (
            "error",
            f", text 'breaks': this is the training scene, in which '{scene.breaks}' is learned; "
            "remove the text, or move it to another scene",
        )
    elif scene.breaks and not scene.path.with_name(f"{stem_in(home)}.xml").is_file():
        yield (
            "warning",
            f": nothing is judged in it, as its folder has no {stem_in(home)}.xml to train in",
        )
    twin = _other(scene, scene.twin) if scene.twin else None
    if twin and twin.episode_steps != scene.episode_steps:
        yield (
            "error",
            f", text 'twin': '{twin.stem}' lasts {twin.episode_seconds:g} s and this scene "
            f"{scene.episode_seconds:g} s; give both the same time",
        )
    if twin:
        yield from check_twin(scene, twin)
    train = _other(scene, home)
    if train is None:
        return
    try:
        check_one_family([train, scene])
    except SceneError as error:
        yield "error", f": {error}; make them equal, or move this scene to another folder"
    else:
        yield from check_formulas(scene, train)
    if scene.break_kind == "removal" and scene.breaks in scene.proxies:
        yield from check_removal(scene, train)
    if not scene.breaks and not _is_a_twin(scene):
        yield (
            "warning",
            ": it is neither the training scene nor a twin, and has no text 'breaks'; add one with "
            "the proxy that it breaks",
        )


def _other(scene: Scene, name: str) -> Scene | None:
    """Another scene of the folder; None if it is this one, is missing or cannot be loaded."""
    path = scene.path.with_name(f"{stem_in(name)}.xml")
    if path == scene.path or not path.is_file():
        return None
    try:
        return load_scene(path)
    except SceneError:
        return None  # a check of that file reports it


def _is_a_twin(scene: Scene) -> bool:
    """Whether another file of the folder names this scene as its twin."""
    for file in files_in(scene.path.parent):
        try:
            if texts_in(Path(os.path.realpath(file))).get("twin") == scene.stem:
                return True
        except (SceneError, OSError):
            continue  # a check of that file reports it
    return False
