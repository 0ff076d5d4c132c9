"""From a file to a Scene: found, compiled, read and checked."""

from collections.abc import Mapping
from pathlib import Path

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError, suggest
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.parser import parse_terms
from sandbox_envs.language.types import Signal
from sandbox_envs.names import stem_of
from sandbox_envs.scene.catalog import scene_files, scenes_folder
from sandbox_envs.scene.guard import check_source
from sandbox_envs.scene.identity import scene_hash
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import (
    apply_overrides,
    check_names,
    check_roles,
    chosen,
    positive_number,
    read_ranges,
    read_texts,
    with_prefix,
)
from sandbox_envs.spawn.spawner import Spawner

MOST_SUBSTEPS, MOST_STEPS = 1_000, 1_000_000  # of a control step, and of an episode


def load_scene(
    name_or_path: "str | Path | Scene", overrides: Mapping[str, str | float] | None = None
) -> Scene:
    """Read, compile and check a scene.

    Args:
        name_or_path: "family/stem" of a shipped scene, the path of an MJCF file, or a Scene.
        overrides: replaces texts and numerics of the file by name, for instance
            {"spawn/planter_gate": "gate_open", "episode_seconds": 5}.

    Raises:
        SceneError: names the file, the text, and the nearest valid name.
    """
    if isinstance(name_or_path, Scene):
        if not overrides:
            return name_or_path
        overrides = {**name_or_path.overrides, **overrides}
        name_or_path = name_or_path.path
    path = _find(str(name_or_path))
    given = {key: str(value) for key, value in (overrides or {}).items()}
    return _read(path, _compile(path), given)


def _find(name: str) -> Path:
    shipped = scene_files()
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if path.suffix == ".xml":
        if not path.is_file():
            raise SceneError(f"{name}: there is no such file")
        return path.resolve()
    raise SceneError(f"unknown scene '{name}'; {suggest(name, shipped)}")


def _compile(path: Path) -> mujoco.MjModel:
    check_source(path, scenes_folder())
    try:
        model = mujoco.MjModel.from_xml_path(str(path))
    except (ValueError, RuntimeError) as error:
        raise SceneError(f"{path}: MuJoCo cannot compile it: {error}") from None
    if not (np.isfinite(model.opt.timestep) and model.opt.timestep > 0):
        raise SceneError(f"{path}: timestep is {model.opt.timestep}; it must be positive")
    for name in dir(model):
        values = getattr(model, name)
        if isinstance(values, np.ndarray) and not np.isfinite(values).all():
            raise SceneError(f"{path}: {name} is not finite once compiled; look for huge numbers")
    if not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_AUTORESET.value:
        raise SceneError(
            f'{path}: add <flag autoreset="disable"/> to its <option>; otherwise MuJoCo resets '
            "an unstable simulation in silence"
        )
    if not model.nu:
        raise SceneError(f"{path}: there is no actuator; an agent needs something to control")
    for i, (low, high) in enumerate(model.actuator_ctrlrange):
        if not low < high:
            raise SceneError(f"{path}: give the actuator '{model.actuator(i).name}' a ctrlrange")
    return model


def _read(path: Path, model: mujoco.MjModel, overrides: Mapping[str, str]) -> Scene:
    texts = apply_overrides(read_texts(model), overrides, path)
    check_names(texts, path)
    spawner = Spawner(model, with_prefix(texts, "spawn/"), str(path))
    signals, sensors = _signals(model, spawner, path)
    measures, conserved = (
        {
            name: Formula(text, signals, f"{path}, text '{prefix}{name}'")
            for name, text in with_prefix(texts, prefix).items()
        }
        for prefix in ("measure/", "conserved/")
    )
    intended = chosen(texts, "intended", measures, path)
    proxies = with_prefix(texts, "proxy/")
    check_roles(texts, measures, proxies, path)
    observe = texts.get("observe", "")
    terms = parse_terms(observe, model, signals, measures, f"{path}, text 'observe'")
    scene = Scene(
        name=f"{path.parent.name}/{path.stem}",
        path=path,
        model=model,
        texts=texts,
        overrides=dict(overrides),
        signals=signals,
        sensors=sensors,
        measures=measures,
        intended=intended,
        proxies=proxies,
        ranges=read_ranges(texts, measures, path),
        conserved=conserved,
        reward=_reward(texts.get("reward", f"gain({intended})"), measures, path),
        terms=terms,
        spawner=spawner,
        control_hz=positive_number(texts, "control_hz", path),
        episode_seconds=positive_number(texts, "episode_seconds", path),
        hash=scene_hash(model, texts, terms),
    )
    _check_times(scene)
    return scene


def _check_times(scene: Scene) -> None:
    exact = 1 / (scene.control_hz * scene.model.opt.timestep)
    if scene.substeps < 1 or abs(exact - scene.substeps) > 1e-6 * exact:
        raise SceneError(
            f"{scene.path}, 'control_hz': a control step must be a whole number of physics steps, "
            f"and {scene.control_hz:g} Hz is {exact:g} steps of {scene.model.opt.timestep:g} s"
        )
    if scene.substeps > MOST_SUBSTEPS:
        raise SceneError(
            f"{scene.path}: {scene.substeps} physics steps per control step; make timestep longer, "
            f"or control_hz larger, for at most {MOST_SUBSTEPS}"
        )
    if scene.episode_steps < 1:
        raise SceneError(f"{scene.path}, 'episode_seconds': shorter than one control step")
    if scene.episode_steps > MOST_STEPS:
        raise SceneError(
            f"{scene.path}, 'episode_seconds': {scene.episode_steps} control steps; write a "
            f"shorter time, for at most {MOST_STEPS}"
        )


def _reward(text: str, measures: Mapping[str, Formula], path: Path) -> Formula:
    names = [f"{function}({measure})" for function in ("gain", "level") for measure in measures]
    signals = {name: Signal() for name in (*names, "effort")}
    return Formula(text, signals, f"{path}, text 'reward'", functions=("gain", "level"))


def _signals(
    model: mujoco.MjModel, spawner: Spawner, path: Path
) -> tuple[dict[str, Signal], dict[str, np.ndarray]]:
    """The type of each sensor stem, and where its numbers lie: addresses (copies, dim)."""
    ids: dict[str, list[int]] = {}
    for i in range(model.nsensor):
        ids.setdefault(stem_of(model.sensor(i).name), []).append(i)
    signals, addresses = {}, {}
    for stem, copies in ids.items():
        dim = int(model.sensor_dim[copies[0]])
        if (model.sensor_dim[copies] != dim).any():
            raise SceneError(f"{path}: the sensors '{stem}' have different sizes; rename some")
        bodies = [spawner.absentable(model, i) for i in copies]
        body_stem = bodies[0][0] if bodies[0] else None
        index = tuple(body[1] for body in bodies if body)
        signals[stem] = Signal(len(copies), dim, body_stem, index)
        addresses[stem] = model.sensor_adr[copies][:, None] + np.arange(dim)
    return signals, addresses
