"""The agents that a command line names: run folders, scripts and reflexes of one family."""

from collections.abc import Sequence
from pathlib import Path

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.errors import UserError, suggest
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.reflexes import reflexes
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.agents.trained import TrainedAgent, check_fits, read_trained_agents
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene


def asked_agents(
    runs: Sequence[Path], names: Sequence[str], scene: str
) -> dict[str, PolicyFactory]:
    """Name -> an agent that acts in any scene of a scene's family.

    Args:
        runs: run folders.
        names: of scripts and reflexes, "script intended" or "reflex nearest soil".
        scene: of the family.

    Raises:
        UserError: nothing is named, a name is unknown, or a run is of another family.
    """
    if not runs and not names:
        raise UserError("name a run folder, or scripts and reflexes by --planted")
    one = load_scene(scene)
    known = planted(one) if names else {}
    for name in names:
        if name not in known:
            raise UserError(f"--planted '{name}': {suggest(name, known)}")
    agents = read_trained_agents(runs) if runs else []
    for agent in agents:
        family = agent.scenes[0].family
        if family != one.family:
            raise UserError(
                f"{agent.folder}: it was trained in {family}; this knows {one.family} alone"
            )
        check_fits(agent, one)
    trained = {agent.metadata.name: acting(agent) for agent in agents}
    return {name: planted_agent(name) for name in names} | trained


def planted(scene: Scene) -> dict[str, PolicyFactory]:
    """Scripts, whose goal is known, and reflexes, which have none."""
    return _named_scripts(scene) | {f"reflex {k}": made for k, made in reflexes(scene).items()}


def _named_scripts(scene: Scene) -> dict[str, PolicyFactory]:
    return {f"script {name}": made for name, made in scripts(scene).items()}


def planted_agent(name: str) -> PolicyFactory:
    """A script or a reflex that acts in any scene of its family."""

    def make(envs: SandboxVectorEnv) -> Policy:
        scene = envs.scenes[0]
        known = _named_scripts(scene)
        if name not in known:  # what a reflex is made from takes trials of the scene
            known = planted(scene)
        if name not in known:
            raise UserError(f"{scene.name} has no '{name}'; {suggest(name, known)}")
        return known[name](envs)

    return make


def acting(agent: TrainedAgent) -> PolicyFactory:
    """A trained agent, which is the same in every environment."""
    return lambda _envs: agent.policy
