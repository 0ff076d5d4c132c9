"""A scene: one MJCF file, read into what an environment needs to know.

The file's physics is MuJoCo's business. Its `<custom>` texts carry the task: what is measured,
which measure is intended, what is rewarded and observed, and where an episode starts. This
module reads them and checks every name, so that a wrong file ends here, in one sentence.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError, UserError, nearest
from sandbox_envs.formula import Formula, Signal
from sandbox_envs.names import stem_of
from sandbox_envs.observe import Term, parse_terms
from sandbox_envs.source import check_source
from sandbox_envs.spawn import Spawner

PREFIXES = ("measure/", "proxy/", "spawn/", "range/", "conserved/")
TEXTS = ("about", "breaks", "break", "twin", "intended", "reward", "observe", "version")
NUMERICS = ("episode_seconds", "control_hz")
PROSE = re.compile(r"about$|range/|conserved/")  # texts that change nothing of the task
MOST_SUBSTEPS, MOST_STEPS = 1_000, 1_000_000  # of a control step, and of an episode
RESERVED = ("return", "length", "episode_index", "unstable", "reward")  # no names for measures


@dataclass(frozen=True, eq=False)
class Scene:
    """A compiled scene; immutable, and shared by any number of environments.

    texts, numerics: the task as written, overrides applied. measures: name -> formula.
    proxies: name -> causal label as declared. ranges: measure -> (least, most), and conserved:
    name -> formula, are what the file declares of every episode, for `check` to hold. hash: of
    the compiled physics and the task's texts, without looks and prose, so it changes when results
    may.
    """

    name: str
    path: Path
    model: mujoco.MjModel = field(repr=False)
    texts: Mapping[str, str] = field(repr=False)
    overrides: Mapping[str, str]
    signals: Mapping[str, Signal] = field(repr=False)
    sensors: Mapping[str, np.ndarray] = field(repr=False)
    measures: Mapping[str, Formula] = field(repr=False)
    intended: str
    proxies: Mapping[str, str]
    ranges: Mapping[str, tuple[float, float]]
    conserved: Mapping[str, Formula] = field(repr=False)
    reward: Formula = field(repr=False)
    terms: tuple[Term, ...] = field(repr=False)
    spawner: Spawner = field(repr=False)
    control_hz: float
    episode_seconds: float
    hash: str

    @property
    def family(self) -> str:
        """The folder's name: scenes of one family are compared with one another."""
        return self.path.parent.name

    @property
    def breaks(self) -> str | None:
        """The proxy (or "capability") that this scene breaks, if it breaks one."""
        return self.texts.get("breaks")

    @property
    def twin(self) -> str | None:
        """The name of the scene that is the same but for the conflict."""
        return f"{self.family}/{self.texts['twin']}" if "twin" in self.texts else None

    @property
    def substeps(self) -> int:
        """Physics steps per control step."""
        return round(1 / (self.control_hz * self.model.opt.timestep))

    @property
    def episode_steps(self) -> int:
        """Control steps per episode."""
        return round(self.episode_seconds * self.control_hz)


def scenes_folder() -> Path:
    """The folder of the shipped scene families, in an installed package or a clone."""
    try:
        return Path(str(resources.files("sandbox_envs.assets"))) / "scenes"
    except ModuleNotFoundError:
        return Path(__file__).resolve().parents[1] / "assets" / "scenes"


def scene_files() -> dict[str, Path]:
    """Every shipped scene, "family/stem" -> file; files that begin with _ are parts, not scenes."""
    files = sorted(scenes_folder().glob("*/[!_]*.xml"))
    return {f"{file.parent.name}/{file.stem}": file for file in files}


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


def parse_overrides(settings: tuple[str, ...]) -> dict[str, str]:
    """The overrides in command-line settings of the form NAME=VALUE."""
    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (name and equals):
            raise UserError(f"--set {setting}: write it as NAME=VALUE, e.g. episode_seconds=5")
        pairs[name.strip()] = value.strip()
    return pairs


# --- finding and compiling the file ----------------------------------------------------------


def _find(name: str) -> Path:
    shipped = scene_files()
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if path.suffix == ".xml":
        if not path.is_file():
            raise SceneError(f"{name}: there is no such file")
        return path.resolve()
    raise SceneError(f"unknown scene '{name}'; {nearest(name, shipped)}")


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


def _custom(model: mujoco.MjModel) -> dict[str, str]:
    """All custom texts and numerics of the model, as text."""
    texts = {}
    for i in range(model.ntext):
        start = model.text_adr[i]
        raw = model.text_data[start : start + model.text_size[i]]
        texts[mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_TEXT, i)] = (
            bytes(raw).rstrip(b"\0").decode()
        )
    for i in range(model.nnumeric):
        numeric = model.numeric(i)
        texts[numeric.name] = " ".join(repr(float(x)) for x in numeric.data)
    return texts


def _override(texts: dict[str, str], overrides: Mapping[str, str], path: Path) -> dict[str, str]:
    known = {*texts, *TEXTS, *NUMERICS}
    for name in overrides:
        if name not in known and not name.startswith(PREFIXES):
            raise SceneError(f"{path}: cannot override '{name}'; {nearest(name, known)}")
    merged = {**texts, **overrides}
    for name in merged.keys() & overrides.keys() & set(NUMERICS):
        with suppress(ValueError):  # as in a file: 15 and 15.0 are one scene, with one hash
            merged[name] = repr(float(merged[name]))
    return merged


# --- reading the task ------------------------------------------------------------------------


def _read(path: Path, model: mujoco.MjModel, overrides: Mapping[str, str]) -> Scene:
    texts = _override(_custom(model), overrides, path)
    _check_words(texts, path)
    spawner = Spawner(model, _named(texts, "spawn/"), str(path))
    signals, sensors = _signals(model, spawner, path)
    measures, conserved = (
        {
            name: Formula(text, signals, f"{path}, text '{prefix}{name}'")
            for name, text in _named(texts, prefix).items()
        }
        for prefix in ("measure/", "conserved/")
    )
    intended = _choice(texts, "intended", measures, path)
    proxies = _named(texts, "proxy/")
    _check_roles(texts, measures, proxies, path)
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
        ranges=_ranges(texts, measures, path),
        conserved=conserved,
        reward=_reward(texts.get("reward", f"gain({intended})"), measures, path),
        terms=terms,
        spawner=spawner,
        control_hz=_number(texts, "control_hz", path),
        episode_seconds=_number(texts, "episode_seconds", path),
        hash=_hash(model, texts, terms),
    )
    _check_times(scene)
    return scene


def _check_words(texts: Mapping[str, str], path: Path) -> None:
    for name in texts:
        if not name.startswith(PREFIXES) and name not in (*TEXTS, *NUMERICS):
            hint = nearest(name, (*TEXTS, *NUMERICS, *PREFIXES))
            raise SceneError(f"{path}: unknown text '{name}'; {hint}")


def _check_roles(
    texts: Mapping[str, str],
    measures: Mapping[str, Formula],
    proxies: Mapping[str, str],
    path: Path,
) -> None:
    """Raise SceneError unless proxies, breaks and twin name what there is."""
    for name in measures.keys() & set(RESERVED):
        raise SceneError(f"{path}, text 'measure/{name}': the name is taken; choose another")
    for proxy in proxies:
        if proxy not in measures:
            hint = nearest(proxy, measures)
            raise SceneError(f"{path}, text 'proxy/{proxy}': there is no such measure; {hint}")
    if texts.keys() & {"breaks", "break"}:
        _choice(texts, "breaks", [*proxies, "capability"], path)
        _choice(texts, "break", ["conflict", "removal"], path)
    _check_twin(texts, path)


def _check_twin(texts: Mapping[str, str], path: Path) -> None:
    """Raise SceneError unless a conflict has a twin, and a twin is another scene of the family."""
    twin = texts.get("twin")
    if twin is None and texts.get("break") == "conflict":
        raise SceneError(
            f"{path}: a conflict needs a twin; add a text 'twin' that names the scene of its "
            "folder that is the same but for the conflict"
        )
    if twin == path.stem:
        raise SceneError(f"{path}, text 'twin': it names the scene itself; name another one")
    if twin is not None:
        others = {file.stem for file in path.parent.glob("[!_]*.xml")} - {path.stem}
        _choice(texts, "twin", sorted(others), path)


def _named(texts: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {k.removeprefix(prefix): v for k, v in texts.items() if k.startswith(prefix)}


def _choice(
    texts: Mapping[str, str], key: str, valid: Mapping[str, object] | list[str], path: Path
) -> str:
    value = texts.get(key)
    if value is None:
        raise SceneError(
            f"{path}: the text '{key}' is missing; add one that says {', '.join(valid)}"
            if valid
            else f"{path}: there are no measures; add a text 'measure/NAME' with a formula"
        )
    if value not in valid:
        raise SceneError(f"{path}, text '{key}': unknown '{value}'; {nearest(value, valid)}")
    return value


def _ranges(
    texts: Mapping[str, str], measures: Mapping[str, Formula], path: Path
) -> dict[str, tuple[float, float]]:
    """The least and the most of each measure whose range is declared."""
    ranges = {}
    for name, text in _named(texts, "range/").items():
        where = f"{path}, text 'range/{name}'"
        if name not in measures:
            raise SceneError(f"{where}: there is no such measure; {nearest(name, measures)}")
        try:
            low, high = map(float, text.split())
        except ValueError:
            low = high = np.nan
        if not low < high:
            raise SceneError(f"{where}: '{text}' is no range; write its least and most, as in 0 1")
        ranges[name] = low, high
    return ranges


def _number(texts: Mapping[str, str], key: str, path: Path) -> float:
    try:
        value = float(texts[key])
    except KeyError:
        raise SceneError(f"{path}: the numeric '{key}' is missing from <custom>") from None
    except ValueError:
        raise SceneError(f"{path}, '{key}': '{texts[key]}' is not a number") from None
    if not (np.isfinite(value) and value > 0):
        raise SceneError(f"{path}, '{key}': {texts[key]} must be a positive number")
    return value


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


# --- sensors as signals ----------------------------------------------------------------------


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


# --- identity --------------------------------------------------------------------------------

_PHYSICS = re.compile(
    r"^(body|dof|jnt|geom|site|mesh|hfield|flex|tendon|wrap|actuator|sensor|eq|pair|exclude|qpos0)"
)
_NAMED = (  # texts refer to these by name
    mujoco.mjtObj.mjOBJ_BODY,
    mujoco.mjtObj.mjOBJ_SITE,
    mujoco.mjtObj.mjOBJ_SENSOR,
)
_LOOKS = re.compile(r"_(rgba|matid|group|user|bvhadr|bvhnum|pathadr|texcoord\w*)$")


def _hash(model: mujoco.MjModel, texts: Mapping[str, str], terms: tuple[Term, ...]) -> str:
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
    digest.update(json.dumps([task, names, [term.appearance for term in terms]]).encode())
    return digest.hexdigest()[:16]
