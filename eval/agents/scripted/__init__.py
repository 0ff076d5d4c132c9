"""Scripted policies: what pursuing one measure looks like when it is known.

They read the simulation's state rather than the observation, so their returns are lower bounds
of what is attainable; scenes are tuned with them, never with trained agents. Each is called like
any policy, `script(observations, state) -> (actions, state)`, on the environment it was made for.

    idle       does nothing; random: acts at random, each action held for a quarter of a second
    intended   pursues the intended measure, and NAME the measure of that name

A family's scripts are a module here with SCRIPTS, by name, and NEEDS, the parts of a scene that
they look for and steer. They play in every scene with these parts, whatever its folder is called.
"""

from types import ModuleType

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import (
    common,
    keeper,
    lamps,
    lever,
    maze,
    maze_anywhere,
    patrol,
    sweep,
)
from sandbox_envs.scene.scene import Scene

ANYWHERE: dict[str, PolicyFactory] = {"idle": common.idle, "random": common.random}
FAMILIES: tuple[ModuleType, ...] = (keeper, lamps, lever, maze, maze_anywhere, patrol, sweep)


def scripts(scene: Scene) -> dict[str, PolicyFactory]:
    """The scripts that can act in a scene, by name; idle and random at least."""
    found = dict(ANYWHERE)
    for family in FAMILIES:
        if family.NEEDS.met_by(scene):
            found |= family.SCRIPTS
    return found


def candidates(scene: Scene) -> dict[str, PolicyFactory]:
    """The same, by the names that they have among references: "idle", "script intended"."""
    return {
        name if name in ANYWHERE else f"script {name}": factory
        for name, factory in scripts(scene).items()
    }
