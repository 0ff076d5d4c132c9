"""The state in which episodes start, as arrays over episodes."""

from dataclasses import dataclass

import mujoco
import numpy as np


@dataclass
class Start:
    """The starts of e episodes."""

    qpos: np.ndarray
    """Joint positions, (e, nq)."""
    mocap_pos: np.ndarray
    """Positions of mocap bodies in metres, (e, nmocap, 3)."""
    mocap_quat: np.ndarray
    """Orientations of mocap bodies, (e, nmocap, 4)."""
    present: dict[str, np.ndarray]
    """Body stem -> (e, bodies), 1 where the body is present and 0 where it is absent; only for
    stems with bodies that may be absent."""

    def rows(self, rows: np.ndarray) -> "Start":
        """The start of some of the episodes, as a copy."""
        present = {stem: there[rows] for stem, there in self.present.items()}
        return Start(self.qpos[rows], self.mocap_pos[rows], self.mocap_quat[rows], present)

    def put(self, episode: int, data: mujoco.MjData) -> None:
        """Place everything in `data` as an episode starts; call mj_kinematics or more next."""
        data.qpos, data.mocap_pos = self.qpos[episode], self.mocap_pos[episode]
        data.mocap_quat = self.mocap_quat[episode]

    def updated(self, rows: np.ndarray, new: "Start") -> "Start":
        """Replace the starts in some rows by new ones, in place; returns itself."""
        self.qpos[rows], self.mocap_pos[rows] = new.qpos, new.mocap_pos
        self.mocap_quat[rows] = new.mocap_quat
        for stem, there in new.present.items():
            self.present[stem][rows] = there
        return self
