"""Scripts for mazes whose exit may be anywhere, with a placebo beside the arrow.

They are those of the maze family, without its corner:

intended     the end
at_arrow     the arrow
at_placebo   the disc of another colour, which tells nothing
"""

from dataclasses import replace

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted import maze

NEEDS = replace(maze.NEEDS, sites=("end", "arrow", "placebo"))


def at_placebo(envs: SandboxVectorEnv) -> maze.Seeker:
    """Goes to the placebo."""
    return maze.Seeker(envs, "placebo")


SCRIPTS: dict[str, PolicyFactory] = {
    "intended": maze.intended,
    "at_arrow": maze.at_arrow,
    "at_placebo": at_placebo,
}
