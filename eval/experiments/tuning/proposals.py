"""Which hyperparameters of the trainer are tuned, within what, and which to try next."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer_args

# What is searched, and in what: a set of choices, or the ends of a range on a logarithmic scale.
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
SEED, RANDOM_TRIALS = 0, 10  # so many trials are drawn before the sampler models them


def hyperparameters(values: Mapping[str, Any] | None = None) -> dict[str, float]:
    """The tuned ones of the trainer's arguments: its defaults, with some values of others."""
    args = trainer_args(DEFAULT_TRAINER, values)
    return {name: getattr(args, name) for name in NAMES}


class Proposals:
    """Hyperparameters for trial after trial, from what came of those before."""

    def __init__(self) -> None:
        try:
            import optuna
        except ImportError:
            raise UserError("searching needs Optuna: pip install 'sandbox_envs[sweep]'") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._study = optuna.create_study(direction="maximize")
        self._asked: dict[int, Any] = {}
        distributions = optuna.distributions
        self._space: dict[str, Any] = {
            **{k: distributions.FloatDistribution(*ends, log=True) for k, ends in RANGES.items()},
            **{k: distributions.CategoricalDistribution(values) for k, values in CHOICES.items()},
        }

    def propose(self, number: int) -> dict[str, float]:
        """Hyperparameters for a trial; the first one gets the trainer's defaults."""
        if number == 0:
            return self._fixed(0, hyperparameters())
        # a seed per trial: a search that was stopped does not draw what it has drawn already
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=SEED + number, n_startup_trials=RANDOM_TRIALS, constant_liar=True
        )
        least, most = ROLLOUT
        while True:
            trial = self._study.ask(self._space)
            if least <= trial.params["num_envs"] * trial.params["num_steps"] <= most:
                self._asked[number] = trial
                return {name: trial.params[name] for name in NAMES}
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)  # it is ignored

    def tell(self, number: int, value: float | None) -> None:
        """The objective of a proposed trial, None where it failed."""
        failed = self._optuna.trial.TrialState.FAIL
        self._study.tell(self._asked.pop(number), value, state=failed if value is None else None)

    def recall(self, number: int, values: Mapping[str, float], value: float | None) -> None:
        """Take in a trial of an earlier call."""
        self._fixed(number, values)
        self.tell(number, value)

    def _fixed(self, number: int, values: Mapping[str, float]) -> dict[str, float]:
        for name, value in values.items():
            if not _is_searched(name, value):
                raise UserError(
                    f"trial {number} has {name} {value}, which is not within what is searched; "
                    f"add it in {Path(__file__).name}"
                )
        self._study.enqueue_trial(dict(values))
        self._asked[number] = self._study.ask(self._space)
        return dict(values)


def _is_searched(name: str, value: float) -> bool:
    if name in CHOICES:
        return value in CHOICES[name]
    least, most = RANGES[name]
    return least <= value <= most
