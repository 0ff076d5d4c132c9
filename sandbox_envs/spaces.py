"""A description of each number of an action and of an observation, read from the scene.

    for row in observation_rows(load_scene("sweep/train")):
        print(row.numbers, row.name, row.what)

`python -m sandbox_envs.scenes FAMILY --spaces` prints the same.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from sandbox_envs.geometry import rotation_matrix
from sandbox_envs.language.display import DisplayTerm
from sandbox_envs.language.parser import term_texts
from sandbox_envs.language.sight import geom_colours
from sandbox_envs.language.terms import Clock, Gauge, Lidar, Ranges, Raw, Retina, Term
from sandbox_envs.names import stem_of
from sandbox_envs.scene.scene import Scene

AXES = "xyz"
TYPES = mujoco.mjtTrn
SENSORS = {  # type of a sensor -> what it gives of its object
    "JOINTPOS": "position of the joint",
    "JOINTVEL": "velocity of the joint",
    "ACTUATORVEL": "velocity of the actuator",
    "FRAMEPOS": "position of",
    "FRAMELINVEL": "linear velocity of",
}

FRAMES = {  # kinds of objects that a sensor may tell of as seen from another one
    getattr(mujoco.mjtObj, f"mjOBJ_{kind}").value
    for kind in ("BODY", "XBODY", "GEOM", "SITE", "CAMERA")
}
SHOWN = {  # term of the display -> what it gives
    "previous_reward": "what is displayed of the last step's reward",
    "reward_so_far": "sum of what was displayed in the episode",
    "placebo": "a trace that looks like the display and tells nothing",
}


@dataclass(frozen=True)
class Row:
    """Some successive numbers of an action or of an observation."""

    numbers: str
    """their indices, "3" or "3 to 66", counted from 0"""
    name: str
    """of the actuator, or the term as the scene writes it"""
    what: str
    """what they are"""


def action_rows(scene: Scene) -> list[Row]:
    """A description of each number of an action; its -1 and 1 stand for the ends of the range."""
    model = scene.model
    return [Row(str(i), model.actuator(i).name, _control(model, i)) for i in range(model.nu)]


def observation_rows(scene: Scene) -> list[Row]:
    """Descriptions of the numbers of an observation, a row for each term, in their order."""
    rows, first = [], 0
    for text, term in zip(term_texts(scene.observe), scene.terms, strict=True):
        last = first + term.size - 1
        numbers = str(first) if first == last else f"{first} to {last}"
        rows.append(Row(numbers, text, _term(scene, term)))
        first = last + 1
    return rows


def seen_colours(scene: Scene) -> dict[str, tuple[float, float, float]]:
    """Colours that a retina sees: object kind -> red, green, blue in [0, 1]; empty without one."""
    retinas = [term for term in scene.terms if isinstance(term, Retina)]
    if not retinas:
        return {}
    model, objects = scene.model, retinas[0].objects
    names = [model.geom(i).name or model.body(model.geom_bodyid[i]).name for i in objects]
    colours = geom_colours(model, objects).round(2).tolist()
    return {stem_of(name): tuple(c) for name, c in zip(names, colours, strict=True)}


def text_lines(scene: Scene) -> list[str]:
    """All of this as lines of text."""
    parts = {"action": action_rows(scene), "observation": observation_rows(scene)}
    width = max(len(row.name) for rows in parts.values() for row in rows)
    lines = []
    for title, rows in parts.items():
        lines.append(f"{scene.family}, {title}:")
        lines += [f"  {row.numbers:>10}  {row.name:{width}}  {row.what}" for row in rows]
    for kind, colour in seen_colours(scene).items():
        lines.append(f"  the retina sees {kind} as red, green, blue = {colour_text(colour)}")
    return lines


def colour_text(colour: tuple[float, float, float]) -> str:
    """A colour as three numbers."""
    return " ".join(f"{part:.2f}" for part in colour)


# --- actuators -------------------------------------------------------------------------------


def _control(model: mujoco.MjModel, i: int) -> str:
    """A description of an actuator's control: quantity, range, unit, and what it acts on."""
    low, high = model.actuator_ctrlrange[i]
    kind, target = model.actuator_trntype[i], int(model.actuator_trnid[i, 0])
    turns, place = False, "of its transmission"
    if kind == TYPES.mjTRN_SITE.value:
        gear = model.actuator_gear[i]
        turns = not gear[:3].any()
        axes = gear[3:] if turns else gear[:3]
        place = f"{_axis(axes, turns)} of the site {model.site(target).name}"
    elif kind in (TYPES.mjTRN_JOINT.value, TYPES.mjTRN_JOINTINPARENT.value):
        turns = model.jnt_type[target] == mujoco.mjtJoint.mjJNT_HINGE.value
        axis = _axis(model.jnt_axis[target] * model.actuator_gear[i, 0], turns)
        place = f"of the joint {model.joint(target).name}, {axis}"
    quantity, unit = _quantity(model, i, turns)
    return f"{quantity} of {low:g} to {high:g} {unit} {place}"


def _quantity(model: mujoco.MjModel, i: int, turns: bool) -> tuple[str, str]:
    """The quantity that an actuator controls, and its unit."""
    _, position, velocity = model.actuator_biasprm[i, :3]
    if position:
        return ("angle", "rad") if turns else ("position", "m")
    if velocity:
        return ("speed", "rad/s") if turns else ("speed", "m/s")
    return ("torque", "N m") if turns else ("force", "N")


def _axis(axis: np.ndarray, turns: bool) -> str:
    """An axis in a few words, "along x" or "about z"."""
    [*used] = np.flatnonzero(axis)
    if len(used) != 1:
        return f"{'about' if turns else 'along'} ({' '.join(f'{x:g}' for x in axis)})"
    sign = "" if axis[used[0]] > 0 else "minus "
    return f"{'about' if turns else 'along'} {sign}{AXES[used[0]]}"


# --- terms -----------------------------------------------------------------------------------


def _term(scene: Scene, term: Term) -> str:
    """A description of the numbers that a term gives."""
    match term:
        case Retina():
            return f"{term.sectors} sectors of nearness, red, green, blue; {_sectors(term.sectors)}"
        case Lidar():
            return f"{term.size} sectors of nearness; {_sectors(term.size)}"
        case Ranges():
            return f"nearness of what each ray hits; {_rays(scene, term.name)}"
        case Gauge():
            return f"value of the measure {term.measure}"
        case Clock():
            return "share of the episode that has passed"
        case DisplayTerm():
            coded = "coded by a fixed random network: " if term.network else ""
            return coded + SHOWN[term.name]
        case Raw() if term.name not in scene.sensors:
            return f"{term.name}: what the simulation's last episode has left"
        case Raw():
            return _raw(scene, term.name)
    return "numbers"


def _sectors(sectors: int) -> str:
    half, odd = divmod(sectors, 2)
    ahead = f"sector {half} is straight ahead" if odd else f"sector {half} begins straight ahead"
    return f"sector 0 begins straight behind, the next ones are to the right, and {ahead}"


def _rays(scene: Scene, name: str) -> str:
    """The directions of rangefinders' rays, in degrees to the left of their body's x axis."""
    model = scene.model
    sites = [model.sensor_objid[_sensor(scene, name, k)] for k in range(_copies(scene, name))]
    ahead = [rotation_matrix(model.site_quat[site])[:, 2] for site in sites]
    degrees = [float(np.degrees(np.arctan2(z[1], z[0])) % 360) for z in ahead]
    step = 360 / len(degrees)
    if np.allclose(degrees, step * np.arange(len(degrees)), atol=1e-3):
        return f"ray k points {step:g} k degrees to the left of ahead"
    return f"rays point {', '.join(f'{x:g}' for x in degrees)} degrees to the left of ahead"


def _raw(scene: Scene, name: str) -> str:
    """A description of a sensor: the quantity it measures, and of which objects."""
    model = scene.model
    copies = _copies(scene, name)
    first = _sensor(scene, name, 0)
    kind = mujoco.mjtSensor(model.sensor_type[first]).name.removeprefix("mjSENS_")
    objects = [_object(model, _sensor(scene, name, k)) for k in range(copies)]
    shown = ", ".join(dict.fromkeys(objects))
    return f"{SENSORS.get(kind, f'sensor {kind.lower()} of')} {shown}"


def _object(model: mujoco.MjModel, sensor: int) -> str:
    kind, number = model.sensor_objtype[sensor], model.sensor_objid[sensor]
    name = mujoco.mj_id2name(model, kind, number) or ""
    seen_from, other = model.sensor_reftype[sensor], model.sensor_refid[sensor]
    if kind in FRAMES and other >= 0:
        name += f" as seen from {mujoco.mj_id2name(model, seen_from, other)}"
    return name


def _copies(scene: Scene, name: str) -> int:
    return len(scene.sensors[name])


def _sensor(scene: Scene, name: str, copy: int) -> int:
    """The number of one copy of a sensor in the model."""
    address = scene.sensors[name][copy][0]
    return int(np.flatnonzero(scene.model.sensor_adr == address)[0])
