"""Scripts for the room with a lamp and two pads of the lever family.

intended        goes to the lamp at once, and stays
violet, orange  go to the pad of that colour first
"""

from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.draws import present
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted.requirements import Requirements, view_of
from sandbox_envs.skills import Puck

PADS = ("violet", "orange")
NEEDS = Requirements(
    bodies=("puck", "lamp", "pad"),
    sites=PADS,
    joints=("puck_x", "puck_y"),
    actuators=("push_x", "push_y"),
)


class Errands:
    """The options of a puck in an episode: go to the lamp, or to one of the pads first.

    Options of a planner (`eval/rollouts/options.py`). Which pads it has been to in this episode it
    takes from the scene's measures, so that it remembers nothing itself.
    """

    count = 1 + len(PADS)
    """0: the lamp; then the pads"""

    def __init__(self, envs: SandboxVectorEnv) -> None:
        self.envs, self.view = envs, view_of(envs)
        self.drive = Puck(self.view).drive
        self.pads = [int(self.view.site_ids(pad)[0]) for pad in PADS]

    def actions(self, options: np.ndarray) -> np.ndarray:
        """Actions (n, 2) of an option (n,) in each simulation."""
        info = present(self.envs)[1]
        goal = self.view.position("lamp")[:, 0, :2].copy()
        for number, (pad, site) in enumerate(zip(PADS, self.pads, strict=True), 1):
            first = (options == number) & (info[pad] == 0)
            goal[first] = self.view.site_xpos[first, site, :2]
        return self.drive(goal)


def _script(option: int) -> PolicyFactory:
    def make(envs: SandboxVectorEnv) -> Policy:
        errands = Errands(envs)

        def act(obs: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            return errands.actions(np.full(len(obs), option)), state

        return act

    return make


SCRIPTS: dict[str, PolicyFactory] = {
    name: _script(option) for option, name in enumerate(("intended", *PADS))
}
