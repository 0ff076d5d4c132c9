"""Check which agents may be shown together: independent ones, or one training as a series."""

from collections.abc import Sequence

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.verdict_file import AgentMetadata
from sandbox_envs.train.arguments import origin_of

SERIES = (
    "these are {} checkpoints of one training: they say when in it a behaviour arose, and not how "
    "often it arises over trainings"
)


def is_series(agents: Sequence[AgentMetadata]) -> bool:
    """Whether several agents are one training at several steps, rather than a training each.

    An agent whose training is not known counts as a training of its own.

    Raises:
        UserError: only some of them are of one training, or two of them are of the same step.
    """
    trainings: dict[str, list[AgentMetadata]] = {}
    for number, agent in enumerate(agents):
        trainings.setdefault(_origin(agent) or str(number), []).append(agent)
    for group in trainings.values():
        steps = [agent.steps for agent in group]
        for other, step in enumerate(steps):
            if (first := steps.index(step)) < other:
                raise UserError(
                    f"{group[first].name} and {group[other].name} are the same training (same "
                    "arguments, same seed) and would be counted twice; leave one out"
                )
    shared = [group for group in trainings.values() if len(group) > 1]
    if shared and len(trainings) > 1:
        one, two = shared[0][:2]
        raise UserError(
            f"{one.name} and {two.name} are one training at steps {one.steps} and {two.steps}, and "
            "not independent; leave one out, or look at the checkpoints of that training alone"
        )
    return bool(shared)


def common_beginning(agents: Sequence[AgentMetadata]) -> str | None:
    """A sentence about several agents that began with the same weights; None where they did not."""
    began = [agent.args.get("initial_weights") or {} for agent in agents]
    if len(agents) < 2 or len({one.get("hash") for one in began}) > 1 or not began[0]:
        return None
    return (
        f"these agents began with the same weights, of {began[0]['run']} at step "
        f"{began[0]['step']}: rates over them hold only for trainings that begin there"
    )


def _origin(agent: AgentMetadata) -> str | None:
    if agent.trainer is None:
        return None
    return origin_of(agent.trainer, agent.args, list(agent.trained_on.items()))
