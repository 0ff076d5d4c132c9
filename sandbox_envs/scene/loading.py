"""From a file to a Scene: find it, compile it, read its task and check every name in it."""

import copy
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError, sentence_of, suggest
from sandbox_envs.files import content_hash
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.parser import CLOCK, DISPLAY, parse_terms
from sandbox_envs.language.types import Signal
from sandbox_envs.names import stem_of
from sandbox_envs.scene.catalog import files_in, scene_files, scenes_folder
from sandbox_envs.scene.display import read_display, read_network
from sandbox_envs.scene.guard import checked_files, read_elements
from sandbox_envs.scene.identity import scene_hash
from sandbox_envs.scene.looks import recolour
from sandbox_envs.scene.never import without_motion
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scene.texts import (
    apply_overrides,
    check_formula_name,
    check_names,
    check_roles,
    chosen,
    positive_number,
    read_ranges,
    read_texts,
    unread_carries,
    with_prefix,
)
from sandbox_envs.spawn.spawner import Spawner

Digests = tuple[tuple[Path, str], ...]  # of every file that MuJoCo reads for a scene
KEPT = 32  # compiled models in a process, more than a family has scenes

REPEATED = re.compile(r"repeated name '(.+)' in (\w+)")  # an error of MuJoCo's
QUOTED = re.compile("'([^']+)'")  # the names in one
NO_LINE = ", line 0"  # how one ends that lies in an included file
MOST_PLACES = 3  # that an error names
_NOT_KEPT = "what it remembers is no part of a simulation's state"
SINGLE = float(np.finfo(np.float32).max)  # what counts as finite: it has to fit into the hash
SHORTEST = 1e-9  # seconds of a physics step
MOST_SUBSTEPS = 1_000  # physics steps in a control step
MOST_ITERATIONS = 1_000_000  # of the solver in a control step
MOST_STEPS = 1_000_000  # control steps in an episode


def load_scene(
    name_or_path: "str | Path | Scene", overrides: Mapping[str, str | float] | None = None
) -> Scene:
    """Read, compile and check a scene.

    Args:
        name_or_path: "family/stem" of a shipped scene, the path of an MJCF file, or a Scene.
        overrides: replaces texts and numerics of the file by name, for instance
            {"spawn/planter_gate": "gate_open", "episode_seconds": 5}.

    Raises:
        SceneError: the scene is missing or wrong; the message names the file, the text and the
            nearest valid name.
    """
    if isinstance(name_or_path, Scene):
        if not overrides:
            return name_or_path
        overrides = {**name_or_path.overrides, **overrides}
        name_or_path = name_or_path.path
    path = _find(str(name_or_path))
    given = {key: str(value) for key, value in (overrides or {}).items()}
    return _read(path, _digests(path), given)


def _find(name: str) -> Path:
    shipped = scene_files()
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if path.suffix != ".xml":
        raise SceneError(f"unknown scene '{name}'; {_own_scene(path) or suggest(name, shipped)}")
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a name with a zero byte
        link = "this symbolic link leads to no file"
        missing = f"there is no such file{_alike(path)}"
        raise SceneError(f"{name}: {link if path.is_symlink() else missing}") from None
    except OSError as error:
        raise SceneError(f"{name}: {sentence_of(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        raise SceneError(f"{name}: this is not a regular file; name one that is")
    path = path.resolve()
    if path.name.startswith("_"):
        raise SceneError(
            f"{name}: a name that begins with '_' is that of a part; name a scene that includes it"
        )
    if not str(path).isprintable():
        raise SceneError(
            f"{path}: MuJoCo reads only files whose path is printable UTF-8; rename the file or "
            "its folder"
        )
    return path


def _own_scene(path: Path) -> str:
    """Advice for a name without .xml that is that of a file or a folder of scenes; else empty."""
    try:
        if (file := path.with_name(f"{path.name}.xml")).is_file():
            return f"name its file, {file}"
        if path.is_dir() and (files := files_in(path)):
            return f"it is a folder; name a file in it, such as {files[0]}"
    except (OSError, ValueError):  # no name of a file
        pass
    return ""


def _alike(path: Path) -> str:
    """A hint at the file beside a missing one whose name is most like it; else empty."""
    try:
        close = get_close_matches(path.stem, [file.stem for file in files_in(path.parent)], n=1)
    except (OSError, ValueError):
        return ""
    return f"; did you mean '{path.with_stem(close[0])}'?" if close else ""


def _digests(path: Path) -> Digests:
    """The digests of a scene's files, once they have been checked."""
    try:
        return _hashed(checked_files(path, scenes_folder()))
    except OSError as error:
        raise SceneError(f"{path}: {sentence_of(error)}") from None


def _hashed(files: Iterable[Path]) -> Digests:
    return tuple((file, content_hash(file)) for file in files)


@lru_cache(maxsize=KEPT)
def _compiled(path: Path, digests: Digests) -> mujoco.MjModel:
    """A scene file, compiled and checked. It is kept: copy it before changing it.

    digests: files with other contents give another model, so they are part of the key.
    """
    try:
        model = _spec_of(path).compile()
    except OSError as error:
        raise SceneError(f"{path}: {sentence_of(error)}") from None
    except (ValueError, RuntimeError) as error:
        said = str(error).strip()
        advice = _given_again(path, said)
        raise SceneError(
            f"{path}: MuJoCo cannot compile it: {_with_place(path, said)}{advice}"
        ) from None
    if not (np.isfinite(model.opt.timestep) and model.opt.timestep >= SHORTEST):
        least = f", at least {SHORTEST:g}" if model.opt.timestep > 0 else ""
        raise SceneError(
            f"{path}: timestep is {model.opt.timestep}; write a positive number{least}"
        )
    for name in dir(model):
        values = getattr(model, name)
        if isinstance(values, np.ndarray) and not (np.abs(values) < SINGLE).all():
            raise SceneError(f"{path}: {name} is not finite once compiled; check for huge numbers")
    if not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_AUTORESET.value:
        raise SceneError(
            f'{path}: its <option> has no <flag autoreset="disable"/>; add it, since MuJoCo would '
            "otherwise reset an unstable simulation silently"
        )
    _check_flags(model, path)
    if not model.nu:
        raise SceneError(f"{path}: there is no actuator; add one for the agent to control")
    for i, (low, high) in enumerate(model.actuator_ctrlrange):
        if not low < high:
            raise SceneError(
                f"{path}: the actuator '{model.actuator(i).name}' has no ctrlrange; give it one"
            )
    if _hashed(file for file, _ in digests) != digests:
        raise SceneError(f"{path}: it or a file that it needs was changed just now; load it again")
    return model


@lru_cache(maxsize=KEPT)
def _compiled_without(
    path: Path, digests: Digests, parked: tuple[tuple[int, tuple[float, ...]], ...]
) -> mujoco.MjModel:
    """The same with bodies that never move, by the poses where they are parked."""
    return without_motion(path, _spec_of(path), _compiled(path, digests), dict(parked))


def _spec_of(path: Path) -> mujoco.MjSpec:
    mujoco.mj_clearCache(mujoco.mj_getCache())  # of assets, known by the second of their change
    return mujoco.MjSpec.from_file(str(path))


def _given_again(path: Path, error: str) -> str:
    """Advice on a name that a scene and a part it includes both give; else empty."""
    if not (found := REPEATED.search(error)):
        return ""
    name, kind = found.groups()
    elements = read_elements(path, scenes_folder()).walk()
    places = [e for e in elements if e.tag == kind and e.attributes.get("name") == name]
    parts = [place for place in places if place.file != path]
    if not parts or len({place.file for place in places}) < 2:
        return ""
    return (
        f" ({parts[0].where} gives it, too; an <include> only adds and nothing in it can be "
        f"replaced, so take '{name}' out of {parts[0].file.name} and give it in each scene that "
        "includes this part)"
    )


def _with_place(path: Path, error: str) -> str:
    """An error of MuJoCo's, with the lines that it may mean where it lies in an included file.

    These are of the elements that hold every name which the error quotes.
    """
    if not error.endswith(NO_LINE):
        return error
    names = set(QUOTED.findall(error))
    parts = [e for e in read_elements(path, scenes_folder()).walk() if e.file != path]
    found = [e for e in parts if names <= {e.tag, *e.attributes, *e.attributes.values()}]
    places = " or ".join(f"{e.file.name}, line {e.line}" for e in found)
    is_told = names and 0 < len(found) <= MOST_PLACES
    return f"{error.removesuffix(NO_LINE)}, {places if is_told else 'in a part that it includes'}"


def _check_flags(model: mujoco.MjModel, path: Path) -> None:
    """Raise SceneError where the <option> asks for what environments cannot do."""
    on, off = mujoco.mjtEnableBit, mujoco.mjtDisableBit
    enabled, disabled = model.opt.enableflags, model.opt.disableflags
    for flag, is_set, why in (
        ('sleep="enable"', enabled & on.mjENBL_SLEEP, _NOT_KEPT),
        ('ipc="enable"', enabled & on.mjENBL_IPC, _NOT_KEPT),
        ('sensor="disable"', disabled & off.mjDSBL_SENSOR, "measures are made of sensors"),
        ('actuation="disable"', disabled & off.mjDSBL_ACTUATION, "no action would do anything"),
    ):
        if is_set:
            raise SceneError(f"{path}: its <option> has <flag {flag}/>; remove that, since {why}")


def _read(path: Path, digests: Digests, overrides: Mapping[str, str]) -> Scene:
    model = copy.copy(_compiled(path, digests))
    own = read_texts(model, path)
    texts = apply_overrides(own, overrides, path)
    check_names(texts, path)
    spawner = Spawner(model, texts, str(path))
    if never := [body for rule in spawner.rules if rule.never for body in rule.bodies]:
        parked = tuple((body, tuple(spawner.bodies.parked(body).tolist())) for body in never)
        model = copy.copy(_compiled_without(path, digests, parked))
        spawner = Spawner(model, texts, str(path))
    recolour(model, with_prefix(texts, "rgba/"), path)
    signals, sensors = _signals(model, spawner, path)
    carried = _carried(texts, texts.keys() - own.keys(), path)
    functions = ("carried",) if carried else ()
    measures, conserved, carries = (
        {
            name: Formula(text, signals | carried, f"{path}, text '{prefix}{name}'", functions)
            for name, text in with_prefix(texts, prefix).items()
        }
        for prefix in ("measure/", "conserved/", "carry/")
    )
    intended = chosen(texts, "intended", measures, path)
    proxies = with_prefix(texts, "proxy/")
    check_roles(texts, measures, proxies, path)
    observe, network = texts.get("observe", ""), read_network(texts, path)
    where = f"{path}, text 'observe'"
    terms = parse_terms(observe, model, signals, measures, carried, where, network)
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
        carries=carries,
        reward=_reward(texts.get("reward", f"gain({intended})"), measures, carried, path),
        terms=terms,
        display=read_display(texts, measures, terms, network, path),
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
            f"{scene.path}, 'control_hz': a control step of {scene.control_hz:g} Hz is {exact:g} "
            f"physics steps of {scene.model.opt.timestep:g} s; make it a whole number of them"
        )
    if scene.substeps > MOST_SUBSTEPS:
        raise SceneError(
            f"{scene.path}: a control step has {scene.substeps} physics steps, and the limit is "
            f"{MOST_SUBSTEPS}; make timestep longer or control_hz larger"
        )
    opt = scene.model.opt
    iterations = scene.substeps * (opt.iterations + opt.noslip_iterations)
    if iterations > MOST_ITERATIONS:
        raise SceneError(
            f"{scene.path}: a control step has up to {iterations} iterations of the solver, and "
            f"the limit is {MOST_ITERATIONS}; lower 'iterations' in <option> or lengthen timestep"
        )
    if scene.episode_steps < 1:
        raise SceneError(
            f"{scene.path}, 'episode_seconds': an episode is shorter than one control step; make "
            "it longer"
        )
    if scene.episode_steps > MOST_STEPS:
        raise SceneError(
            f"{scene.path}, 'episode_seconds': an episode has {scene.episode_steps} control steps, "
            f"and the limit is {MOST_STEPS}; make it shorter"
        )


def _carried(texts: Mapping[str, str], added: Collection[str], path: Path) -> dict[str, Signal]:
    """Signals of what the slot's last episode has left, for formulas and observations to read.

    added: texts that overrides have added to those of the file.
    """
    names = with_prefix(texts, "carry/")
    for name in names:
        check_formula_name(name, f"{path}, text 'carry/{name}'")
    for text in unread_carries(texts):
        if text in added:  # a mistyped name would else replace nothing
            hint = suggest(text, {f"carry/{name}" for name in names} - {text})
            raise SceneError(f"{path}: cannot override '{text}', which nothing reads; {hint}")
    return {f"carried({name})": Signal() for name in names}


def _reward(
    text: str, measures: Mapping[str, Formula], carried: dict[str, Signal], path: Path
) -> Formula:
    names = [f"{function}({measure})" for function in ("gain", "level") for measure in measures]
    signals = {name: Signal() for name in (*names, "effort")} | carried
    functions = ("gain", "level", *(("carried",) if carried else ()))
    return Formula(text, signals, f"{path}, text 'reward'", functions)


def _signals(
    model: mujoco.MjModel, spawner: Spawner, path: Path
) -> tuple[dict[str, Signal], dict[str, np.ndarray]]:
    """The type of each sensor stem, and the addresses of its numbers, (copies, dim)."""
    ids: dict[str, list[int]] = {}
    for i in range(model.nsensor):
        if stem := stem_of(model.sensor(i).name):  # no formula can name one without a name
            ids.setdefault(stem, []).append(i)
    for word in (CLOCK, *DISPLAY):
        if word in ids:
            raise SceneError(
                f"{path}: a sensor is called '{word}', a word that the text 'observe' knows; "
                "rename it"
            )
    signals, addresses = {}, {}
    for stem, copies in ids.items():
        dim = int(model.sensor_dim[copies[0]])
        if (model.sensor_dim[copies] != dim).any():
            raise SceneError(f"{path}: the sensors '{stem}' have different sizes; rename one")
        bodies = [spawner.absentable(i) for i in copies]
        if len({body[0] if body else None for body in bodies}) > 1:
            raise SceneError(
                f"{path}: the sensors '{stem}' are on bodies of which some may be absent by "
                "another text 'spawn/...' than others, or never; rename some"
            )
        body_stem = bodies[0][0] if bodies[0] else None
        index = tuple(body[1] for body in bodies if body)
        signals[stem] = Signal(len(copies), dim, body_stem, index)
        addresses[stem] = model.sensor_adr[copies][:, None] + np.arange(dim)
    return signals, addresses
