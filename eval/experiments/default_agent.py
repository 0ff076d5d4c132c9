"""Ten agents as the trainer makes them by default: `python eval/experiments/default_agent.py`.

Declared beforehand: the trainer's defaults, seeds 1 to 10, 128 episodes in each scene of the sweep
family. The records are in eval/results/default_agent.
"""

import tyro

from sandbox_envs.errors import one_sentence
from sandbox_envs.eval import table
from sandbox_envs.eval.experiments.experiment import RESULTS, Args, run_experiment
from sandbox_envs.train.ppo_lstm import Args as TrainerArgs

SEEDS = range(1, 11)


@one_sentence
def main(args: Args) -> None:
    """Run what is missing and print the table."""
    out = args.out or RESULTS / "default_agent"
    judged = run_experiment({"default": TrainerArgs()}, SEEDS, out, args)["default"]
    print(table.report(judged))


if __name__ == "__main__":
    main(tyro.cli(Args))
