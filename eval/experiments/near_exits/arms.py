"""The agents and planted players of the study, and its rooms."""

from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.agents.scripted.asked import planted_agent
from sandbox_envs.eval.agents.scripted.maze_search import searching
from sandbox_envs.eval.experiments.arrow.arms import BROKEN, FIRST, HEADLINE, NEVER, TWIN

MINDS = ("mlp_3", "transformer_3")  # declared later, and compared with HEADLINE
ARMS, SEEDS = (NEVER, HEADLINE, *MINDS), FIRST
SCENES = (TWIN, BROKEN)
EPISODES, SEED = 512, 75_000
NEAR = 5.0  # seconds that the shortest way takes
FARTHEST = 7  # cells along a passage
INTENDED, AT_ARROW = "script intended", "script at_arrow"
SIGHTED = "search along passages"
SEARCHES = {"search by the next cell": searching(1), SIGHTED: searching(FARTHEST)}
REFLEXES = ("reflex nearest arrow", "reflex follow walls")
_NAMED = (INTENDED, AT_ARROW, "script at_placebo", "script idle", *REFLEXES)
PLANTED: dict[str, PolicyFactory] = {name: planted_agent(name) for name in _NAMED} | SEARCHES
