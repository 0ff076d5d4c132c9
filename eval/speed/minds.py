"""Training speed of agents with other minds, and the number of agents that an hour makes.

Every trainer has its own defaults, in the same scene. An agent of a study is trained, and judged in
three scenes (training, twin, conflict), 128 episodes each; the price of a claim is how many of them
an hour gives. It is counted from the rates at which one process trains, and plays a trained agent.
"""

from collections.abc import Iterator
from functools import partial

import torch

from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.rollouts.episodes import MAX_PARALLEL, play
from sandbox_envs.eval.speed.timing import Contender, Figure, Setting, Task, Tick, by_turns, ratio
from sandbox_envs.eval.speed.training import Training, measured_args
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.train.policy import Policy
from sandbox_envs.train.trainers import DEFAULT_TRAINER, TRAINERS, trainer_args

LEAST = {False: 0.5, True: 1.5}  # of the default trainer's rate: with memory, and without
SCENES, SECONDS_PER_HOUR = 3, 3600
PLAYED_STEPS = 100  # control steps of the episodes that are timed


def minds(setting: Setting) -> Iterator[Task]:
    """Each trainer's rate over the default one's, and agents per hour."""
    yield Task("minds", 2 * len(TRAINERS) * setting.few, partial(_minds, setting))


def _minds(setting: Setting, tick: Tick) -> Iterator[Figure]:
    trainings = {
        name: Training(setting.scene, measured_args(setting, name), name=name) for name in TRAINERS
    }
    rates = by_turns(
        {name: one.contender() for name, one in trainings.items()},
        setting.few,
        setting.seconds,
        tick,
    )
    playing = by_turns(
        {name: _playing(setting, one) for name, one in trainings.items()},
        setting.few,
        setting.seconds,
        tick,
    )
    for name in TRAINERS:
        if name != DEFAULT_TRAINER:
            remembers = bool(trainings[name].agent.initial_state(1))
            what = f"training, {name} / {DEFAULT_TRAINER}"
            yield ratio(f"{name}_over_default", what, rates[name], rates[DEFAULT_TRAINER],
                        wanted=LEAST[not remembers])  # fmt: skip
        yield Figure(f"training_{name}", f"training, {name}", rates[name], "steps/s")
        steps = trainer_args(name).total_timesteps
        judged = SCENES * THRESHOLDS.episodes * setting.scene.episode_steps
        hourly = [
            SECONDS_PER_HOUR / (steps / training + judged / played)
            for training, played in zip(rates[name], playing[name], strict=True)
        ]
        what = f"agents trained and judged in {SCENES} scenes, {name}"
        yield Figure(f"agents_{name}", what, hourly, "per hour")


def _playing(setting: Setting, training: Training) -> Contender:
    """Playing the agent as evaluation does, for the first seconds of its episodes."""
    scene, parallel = setting.scene, setting.num_envs or MAX_PARALLEL
    steps = min(PLAYED_STEPS, scene.episode_steps)
    changed: dict[str, str | float] = {**scene.overrides}
    changed["episode_seconds"] = steps / scene.control_hz
    short = load_scene(str(scene.path), changed)
    policy = Policy(training.agent, "cpu")

    def work() -> None:
        with torch.inference_mode():
            play(short, lambda _envs: policy, parallel)

    return Contender(work, steps * parallel)
