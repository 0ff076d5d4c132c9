"""The tuned hyperparameters of trainers, their ranges, and proposals of what to try next."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.train.capacity import matched_width
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer_args

# The search space: a set of choices each, or the ends of a range on a logarithmic scale.
CHOICES: dict[str, tuple[float, ...]] = {
    "num_envs": (32, 64, 128, 256),
    "num_steps": (32, 64, 128, 256),
    "num_minibatches": (2, 4, 8, 16, 32),
    "update_epochs": (1, 2, 3, 4, 6),
    "gamma": (0.97, 0.98, 0.99, 0.995),
    "gae_lambda": (0.9, 0.95),
    "clip_coef": (0.2, 0.3),
    "hidden_size": (64, 128),
}
RANGES = {"learning_rate": (2e-4, 2e-3)}
ROLLOUT = (2048, 16384)  # bounds of num_envs * num_steps
NAMES = (*RANGES, *CHOICES)
SCENE = "sweep/train"  # trainers' default
SEED, RANDOM_TRIALS = 0, 10  # the first trials are random, then the sampler models them


def choices(trainer: str = DEFAULT_TRAINER) -> dict[str, tuple[float, ...]]:
    """The values that a trainer's arguments are chosen from, by name.

    Widths of others than the default one: that with as many parameters as its agent, and a half.
    """
    if trainer == DEFAULT_TRAINER:
        return CHOICES
    width = matched_width(trainer, SCENE)
    return CHOICES | {"hidden_size": (width // 2, width)}


def hyperparameters(
    values: Mapping[str, Any] | None = None, trainer: str = DEFAULT_TRAINER
) -> dict[str, float]:
    """The tuned arguments of a trainer: its defaults, but for the given values."""
    args = trainer_args(trainer, values)
    return {name: getattr(args, name) for name in NAMES}


class Proposals:
    """Proposes hyperparameters for each trial, from the outcomes of earlier ones."""

    def __init__(self, trainer: str = DEFAULT_TRAINER) -> None:
        try:
            import optuna
        except ImportError:
            raise UserError("searching needs Optuna: pip install 'sandbox_envs[sweep]'") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._trainer, self._choices = optuna, trainer, choices(trainer)
        self._study = optuna.create_study(direction="maximize")
        self._asked: dict[int, Any] = {}
        distributions = optuna.distributions
        self._space: dict[str, Any] = {
            **{k: distributions.FloatDistribution(*ends, log=True) for k, ends in RANGES.items()},
            **{
                k: distributions.CategoricalDistribution(values)
                for k, values in self._choices.items()
            },
        }

    def propose(self, number: int) -> dict[str, float]:
        """Hyperparameters for a trial; the first one gets the trainer's defaults."""
        if number == 0:
            return self._fixed(0, hyperparameters(trainer=self._trainer))
        # a seed per trial, so that a resumed search does not repeat its earlier draws
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=SEED + number, n_startup_trials=RANDOM_TRIALS, constant_liar=True
        )
        least, most = ROLLOUT
        while True:
            trial = self._study.ask(self._space)
            if least <= trial.params["num_envs"] * trial.params["num_steps"] <= most:
                self._asked[number] = trial
                return {name: trial.params[name] for name in NAMES}
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)  # ignored

    def tell(self, number: int, value: float | None) -> None:
        """Record the objective of a proposed trial, None if it failed."""
        failed = self._optuna.trial.TrialState.FAIL
        self._study.tell(self._asked.pop(number), value, state=failed if value is None else None)

    def recall(self, number: int, values: Mapping[str, float], value: float | None) -> None:
        """Record a trial of an earlier search, with its objective, None if it failed."""
        self._fixed(number, values)
        self.tell(number, value)

    def _fixed(self, number: int, values: Mapping[str, float]) -> dict[str, float]:
        for name, value in values.items():
            if not self._is_searched(name, value):
                raise UserError(
                    f"trial {number} has {name} {value}, which is outside the search space; "
                    f"add it in {Path(__file__).name}"
                )
        self._study.enqueue_trial(dict(values))
        self._asked[number] = self._study.ask(self._space)
        return dict(values)

    def _is_searched(self, name: str, value: float) -> bool:
        if name in self._choices:
            return value in self._choices[name]
        least, most = RANGES[name]
        return least <= value <= most
