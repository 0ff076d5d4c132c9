"""Trained agents, read from run folders and checked before anything is played."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import Policy
from sandbox_envs.eval.agents.together import is_series
from sandbox_envs.eval.judging.verdict_file import AgentMetadata
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.arguments import (
    FREE_IN_A_GROUP,
    OF_THE_CALL,
    OF_THE_SCENES,
    environment,
    without,
)
from sandbox_envs.train.jobs import learned_with
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.run_files import Training, progress, read_training
from sandbox_envs.train.run_folder import CHECKPOINTS
from sandbox_envs.train.run_scenes import trained_scenes
from sandbox_envs.train.trainers import ON_MENUS
from sandbox_envs.vector import observation_space


@dataclass(frozen=True)
class TrainedAgent:
    """A trained agent and what is known of its training."""

    folder: Path
    """its run's"""
    policy: Policy = field(repr=False)
    """how it acts"""
    training: Training = field(repr=False)
    """what the run was started with"""
    scenes: Sequence[Scene] = field(repr=False)
    """the scenes it was trained on, as they were"""
    metadata: AgentMetadata = field(repr=False)
    """what verdicts say of it"""

    @property
    def home(self) -> Path:
        """The folder that its run lies in; of a kept checkpoint that of the run that kept it."""
        above = self.folder.resolve().parents
        is_inside = self.training.kept is not None and above[0].name == CHECKPOINTS
        return above[2] if is_inside else above[0]

    @property
    def family(self) -> Path:
        """The folder of the scenes' family."""
        return self.scenes[0].path.resolve().parent


def read_trained_agents(
    folders: Sequence[Path], unfinished: bool = False, places: Sequence[str] = ()
) -> list[TrainedAgent]:
    """The agents of some runs of one family: independent ones, or one training in order of steps.

    unfinished: also take runs whose training was stopped before its end. places: the scenes that
    each was trained on, by name or file, where they are not found by themselves.

    Raises:
        UserError: a folder is not a run or has no policy, one of its scenes has changed, its
            training was stopped, or the runs are of several families, only some are of one
            training, or they have the same name.
    """
    if not folders:
        raise UserError("name at least one run folder")
    agents = [_read(Path(folder), unfinished, places) for folder in folders]
    first = agents[0]
    for other in agents[1:]:
        if other.family != first.family:
            raise UserError(
                f"{first.folder} and {other.folder} are of different families "
                f"({first.family.name} and {other.family.name}); judge them apart"
            )
    _check_names(agents)
    if is_series([agent.metadata for agent in agents]):
        agents.sort(key=lambda agent: agent.metadata.steps or 0)
    return agents


def check_fits(agent: TrainedAgent, scene: Scene) -> None:
    """Raise UserError if an agent does not act in a scene, or was trained to observe otherwise."""
    if agent.training.trainer in ON_MENUS:
        raise UserError(
            f"{agent.folder}: its actions choose skills, as {agent.training.trainer} trains it, "
            "and only an agent that acts by controls can be judged; use another trainer"
        )
    given = observation_space(scene).shape[0]
    needed = getattr(agent.policy, "observation_size", given)
    if agent.training.wrappers and needed != given:
        raise UserError(
            f"{agent.folder}: it was trained in {environment(agent.training.wrappers)}, which gave "
            f"it {needed} numbers to observe where {scene.name} gives {given}; judge it as a "
            "callable, in the same wrappers: sandbox_envs.eval.judge(load_policy(RUN), wrap=...)"
        )
    for trained in agent.scenes:
        for what in ("observe", "control_hz"):
            if trained.texts.get(what) != scene.texts.get(what):
                raise UserError(
                    f"{agent.folder}: it was trained with another '{what}' than {scene.name} "
                    "has; eval/break_proxies.py and others that take --set judge it with the "
                    "same --set as in its training"
                )


def differences(agents: Sequence[TrainedAgent]) -> list[str]:
    """Arguments in which trainings differ, except seed and machine: counts would mix these."""
    trainings = [agent.training for agent in agents]
    alike = len({training.scenes for training in trainings}) == 1  # however they were spelled
    free = {*FREE_IN_A_GROUP, *(OF_THE_SCENES if alike else ())}
    traits = [
        {**learned_with(t), "trainer": t.trainer, "scene": [name for name, _ in t.scenes]}
        for t in trainings
    ]
    names = set().union(*traits) - free
    return sorted(k for k in names if any(t.get(k) != traits[0].get(k) for t in traits))


def _read(folder: Path, unfinished: bool, places: Sequence[str]) -> TrainedAgent:
    scenes, training = trained_scenes(folder, places), read_training(folder)
    families = dict.fromkeys(str(scene.path.resolve().parent) for scene in scenes)
    if len(families) > 1:
        raise UserError(
            f"{folder}: it was trained on scenes of several families ({', '.join(families)}), "
            "and is judged by none of them; train it on one"
        )
    policy = load_policy(folder)
    done, total = progress(folder)
    if done < total and not unfinished and not training.kept:
        raise UserError(
            f"{folder}: its training was stopped after {done} of {total} steps; finish it with "
            "--resume, or judge it as it is with --unfinished"
        )
    metadata = _metadata(_name_of(folder, training, done), training, done, total)
    return TrainedAgent(folder, policy, training, scenes, metadata)


def metadata_of(folder: Path, name: str | None = None) -> AgentMetadata:
    """The metadata in a verdict of a run's agent, under this name, or else that of its folder."""
    training, (done, total) = read_training(folder), progress(folder)
    called = _name_of(folder, training, done) if name is None else name
    return _metadata(called, training, done, total)


def _name_of(folder: Path, training: Training, done: int) -> str:
    """The name of a run's folder; of a checkpoint that it kept, with the steps."""
    return f"{training.kept}__step{done}" if training.kept else folder.resolve().name


def _metadata(name: str, training: Training, done: int, total: int) -> AgentMetadata:
    return AgentMetadata(
        name=name,
        trainer=training.trainer,
        seed=training.args.get("seed"),
        steps=done,
        unfinished=done < total,
        trained_on=dict(training.scenes),
        args=without(learned_with(training), *OF_THE_CALL),
        versions=training.versions,
        commit=training.commit,
    )


def _check_names(agents: Sequence[TrainedAgent]) -> None:
    """Films and pages of an agent go by its name."""
    named: dict[str, Path] = {}
    for agent in agents:
        if (name := agent.metadata.name) in named:
            raise UserError(
                f"{named[name]} and {agent.folder} have the same name, by which films and pages "
                "go; rename one of the folders"
            )
        named[name] = agent.folder
