"""A scene: one MJCF file, read into what an environment needs to know.

The file's physics is MuJoCo's business. Its `<custom>` texts carry the task: what is measured,
which measure is intended, what is rewarded and observed, and where an episode starts. This
module reads them and checks every name, so that a wrong file ends here, in one sentence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np

from sandbox_envs.language.formula import Formula
from sandbox_envs.language.terms import Term
from sandbox_envs.language.types import Signal
from sandbox_envs.spawn.spawner import Spawner


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


# --- finding and compiling the file ----------------------------------------------------------


# --- reading the task ------------------------------------------------------------------------


# --- sensors as signals ----------------------------------------------------------------------


# --- identity --------------------------------------------------------------------------------
