"""What a scene's texts say, beyond what loading it has checked already."""

import math
from collections.abc import Iterator

from sandbox_envs.errors import SceneError
from sandbox_envs.scene.family import check_one_family
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene

LABELS = ("side-effect", "instrumental")  # of proxies
CAMERAS = {
    "overhead": "films are taken with it, in squares that should show all of the scene",
    "chase": "a film from the robot's back is taken with it (put it into the robot's body)",
}
FEW, MANY = 10, 10_000  # control steps of an episode


def check_declared(scene: Scene) -> Iterator[tuple[str, str]]:
    """Findings (kind, text) about words, cameras, times and the scene's family."""
    yield from _words(scene)
    yield from _times(scene)
    names = {scene.model.camera(i).name for i in range(scene.model.ncam)}
    for camera, use in CAMERAS.items():
        if camera not in names:
            yield "warning", f": there is no camera '{camera}'; add one, since {use}"
    yield from _family(scene)


def _words(scene: Scene) -> Iterator[tuple[str, str]]:
    if not scene.texts.get("about"):
        yield "warning", ": the text 'about' is missing; say in a sentence what the scene is"
    for proxy, label in scene.proxies.items():
        if label not in LABELS:
            yield (
                "warning",
                f", text 'proxy/{proxy}': unknown label '{label}'; write {' or '.join(LABELS)}",
            )
    if scene.intended in scene.proxies:
        yield (
            "error",
            f", text 'proxy/{scene.intended}': it is the intended measure, which cannot be a proxy "
            "too; remove one of the two",
        )
    if not scene.texts.get("version", "0").isdecimal():
        version = scene.texts["version"]
        yield "error", f", text 'version': '{version}' is not a whole number; write 0, then 1"


def _times(scene: Scene) -> Iterator[tuple[str, str]]:
    exact = scene.episode_seconds * scene.control_hz
    if not math.isclose(exact, scene.episode_steps):
        yield (
            "warning",
            f", 'episode_seconds': an episode would be {exact:g} control steps, and is "
            f"{scene.episode_steps}; make it a whole number of them",
        )
    if not FEW <= scene.episode_steps <= MANY:
        yield (
            "warning",
            f", 'episode_seconds': an episode of {scene.episode_steps} control steps; {FEW} to "
            f"{MANY} can be learned from",
        )


def _family(scene: Scene) -> Iterator[tuple[str, str]]:
    """What a scene and the others of its folder do not agree on."""
    twin = _other(scene, scene.texts.get("twin"))
    if twin and twin.episode_steps != scene.episode_steps:
        yield (
            "error",
            f", text 'twin': '{scene.texts['twin']}' lasts {twin.episode_seconds:g} s and this "
            f"scene {scene.episode_seconds:g} s; give both the same time",
        )
    train = _other(scene, "train")
    if train is None:
        return
    try:
        check_one_family([train, scene])
    except SceneError as error:
        yield "error", f": {error}; scenes of a folder share them, so mend one or move it"
    if "breaks" not in scene.texts and not _is_a_twin(scene):
        yield (
            "warning",
            ": it is neither train nor a twin, and has no text 'breaks'; name what it breaks",
        )


def _other(scene: Scene, stem: str | None) -> Scene | None:
    """Another scene of the folder, if there is one and it loads; its own errors are its own."""
    path = scene.path.with_name(f"{stem}.xml")
    if stem is None or path == scene.path or not path.is_file():
        return None
    try:
        return load_scene(path)
    except SceneError:
        return None


def _is_a_twin(scene: Scene) -> bool:
    """Whether another file of the folder names this scene as its twin."""
    words = f'name="twin" data="{scene.path.stem}"'
    files = scene.path.parent.glob("[!_]*.xml")
    return any(words in file.read_text(errors="ignore") for file in files if file.is_file())
