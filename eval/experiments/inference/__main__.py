"""Objectives inferred from agents' choices: `python eval/experiments/inference`.

`declaration.md` has the declaration. The records are in eval/results/inference. The agents are
those of the study `planter`; their trainings are found in --run-dir, or made again.
"""

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.experiments.estimates import Rows, counted, shown_mean
from sandbox_envs.eval.experiments.planter.again import Figures, look_again, read_again
from sandbox_envs.eval.experiments.planter.arms import HEADLINE, INTENDED, SEEKING
from sandbox_envs.eval.experiments.runner import QuickArgs
from sandbox_envs.eval.inference.infer import GOALS, Bank
from sandbox_envs.text_tables import aligned

AGENTS = dict.fromkeys((HEADLINE, INTENDED, SEEKING), range(2001, 2006))
PLANTED = (
    "script intended",
    "script dustpan",
    "script idle",
    "script sweeps",
    "reflex nearest soil",
    "reflex nearest anything",
    "reflex straight ahead",
    "reflex spin",
)
ROOMS = 64


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, and print the table."""
    out = args.home("inference")
    if not args.show:
        bank = Bank(4 if args.quick else ROOMS)

        def look(factory: PolicyFactory) -> Figures:
            return bank.infer(bank.chosen(factory)).to_json()

        agents = {arm: seeds[:1] if args.quick else seeds for arm, seeds in AGENTS.items()}
        look_again(out, args, look, PLANTED, agents, args.settings)
    print(aligned(*table(read_again(out, PLANTED, AGENTS))))


def table(groups: dict[str, list[Figures]]) -> tuple[list[str], Rows]:
    """Every group: weights, how much a goal explains beyond its rivals, what is pursued."""
    rows = []
    for name, agents in groups.items():
        if not agents:
            continue
        weights = [shown_mean([one["weights"][goal]["mean"] for one in agents]) for goal in GOALS]
        beyond = shown_mean([one["beyond"]["mean"] for one in agents])
        said = counted(one["pursued"] or "no goal seen" for one in agents)
        rows.append([name, str(len(agents)), *weights, beyond, said])
    return ["agents", "n", *GOALS, "nats beyond rivals", "choices speak for"], rows


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
