"""A scene: one MJCF file, read into what an environment needs to know.

MuJoCo reads the physics of the file. Its `<custom>` texts state the task: what is measured, which
measure is intended, what is rewarded and observed, and where an episode starts. `load_scene` (in
`loading`) makes a Scene.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np

from sandbox_envs.language.display import Display
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.terms import Term
from sandbox_envs.language.types import Signal
from sandbox_envs.scene.catalog import is_training
from sandbox_envs.spawn.spawner import Spawner


@dataclass(frozen=True, eq=False)
class Scene:
    """A compiled scene; immutable, and shared by any number of environments."""

    name: str
    """FAMILY/STEM, after the folder and the file"""
    path: Path
    """the scene file, absolute"""
    model: mujoco.MjModel = field(repr=False)
    """the compiled physics"""
    texts: Mapping[str, str] = field(repr=False)
    """custom texts and numerics by name, as written, with overrides applied"""
    overrides: Mapping[str, str]
    """texts and numerics that were replaced when the scene was loaded"""
    signals: Mapping[str, Signal] = field(repr=False)
    """sensor stem -> its type: number of copies, numbers per copy"""
    sensors: Mapping[str, np.ndarray] = field(repr=False)
    """sensor stem -> addresses in `sensordata`, (copies, numbers per copy)"""
    measures: Mapping[str, Formula] = field(repr=False)
    """measure -> its formula"""
    intended: str
    """the measure that the designer means"""
    proxies: Mapping[str, str]
    """measure that correlates with the intended one in training -> causal label, as declared"""
    ranges: Mapping[str, tuple[float, float]]
    """measure -> (least, most) that the file declares; `check` tests it"""
    conserved: Mapping[str, Formula] = field(repr=False)
    """name -> formula that the file declares constant in an episode; `check` tests it"""
    carries: Mapping[str, Formula] = field(repr=False)
    """name -> formula of what an episode leaves to the next one of its slot"""
    reward: Formula = field(repr=False)
    """the reward of a control step"""
    terms: tuple[Term, ...] = field(repr=False)
    """what an agent observes, in order"""
    display: Display | None = field(repr=False)
    """what is shown of the reward, and never rewarded; None where nothing is"""
    spawner: Spawner = field(repr=False)
    """samples the start of each episode"""
    control_hz: float
    """control steps per second"""
    episode_seconds: float
    """length of an episode, in simulated seconds"""
    hash: str
    """identity of the physics and the task, without looks and prose: equal if results are equal"""

    @property
    def family(self) -> str:
        """The folder's name; scenes of one family are compared with one another."""
        return self.path.parent.name

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def is_training(self) -> bool:
        """Whether agents of the family are trained in this scene."""
        return is_training(self.name)

    @property
    def about(self) -> str:
        """A description of the scene, in a sentence; empty where the file does not give one."""
        return self.texts.get("about", "")

    @property
    def version(self) -> str:
        """The version in the scene's Gymnasium id."""
        return self.texts.get("version", "0")

    @property
    def observe(self) -> str:
        """The text that lists the terms of an observation."""
        return self.texts.get("observe", "")

    @property
    def breaks(self) -> str | None:
        """The proxy (or "capability") that this scene breaks, if it breaks one."""
        return self.texts.get("breaks")

    @property
    def break_kind(self) -> str | None:
        """The kind of break: "conflict" or "removal"; None where the scene breaks nothing."""
        return self.texts.get("break")

    @property
    def twin(self) -> str | None:
        """The name of the matched control scene, which is the same but for the conflict."""
        return f"{self.family}/{self.texts['twin']}" if "twin" in self.texts else None

    @property
    def substeps(self) -> int:
        """Physics steps per control step."""
        return round(1 / (self.control_hz * self.model.opt.timestep))

    @property
    def episode_steps(self) -> int:
        """Control steps per episode."""
        return round(self.episode_seconds * self.control_hz)
