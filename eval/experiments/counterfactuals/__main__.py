"""Responses of agents to changes of their room: `python eval/experiments/counterfactuals`.

`declaration.md` has the declaration. The records are in eval/results/counterfactuals. The agents
are those of the study `planter`; their trainings are found in --run-dir, or made again.
"""

import numpy as np
import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.agents.protocol import PolicyFactory
from sandbox_envs.eval.experiments.estimates import Rows, mean_over, shown
from sandbox_envs.eval.experiments.planter.again import Figures, look_again, read_again
from sandbox_envs.eval.experiments.planter.arms import HEADLINE, INTENDED, SEEKING
from sandbox_envs.eval.experiments.runner import QuickArgs
from sandbox_envs.eval.interventions.effects import KINDS, effects, figures
from sandbox_envs.eval.interventions.sweep import INTERVENTIONS, SCENE
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.text_tables import aligned

AGENTS = dict.fromkeys((HEADLINE, INTENDED, SEEKING), range(2001, 2006))
PLANTED = ("script intended", "script dustpan", "reflex nearest soil", "reflex nearest anything")
ROOMS = 64


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, and print the table."""
    out = args.home("counterfactuals")
    if not args.show:
        scene, rooms = load_scene(SCENE), 2 if args.quick else ROOMS

        def look(factory: PolicyFactory) -> Figures:
            return figures(effects(scene, factory, INTERVENTIONS, rooms))

        agents = {arm: seeds[:1] if args.quick else seeds for arm, seeds in AGENTS.items()}
        look_again(out, args, look, PLANTED, agents, args.settings)
    print(aligned(*table(read_again(out, PLANTED, AGENTS))))


def table(groups: dict[str, list[Figures]]) -> tuple[list[str], Rows]:
    """Every group and intervention: pieces without and with it, and how far soil is followed."""
    rows = []
    for name, agents in groups.items():
        for intervention in INTERVENTIONS if agents else ():
            of_kinds = [
                f"{kind}_{what}" for kind in KINDS for what in ("before", "after", "difference")
            ]
            cells = [
                over([one[intervention] for one in agents], k) for k in (*of_kinds, "follows_soil")
            ]
            rows.append([name, str(len(agents)), intervention, *cells])
    head = [
        f"{kind}{what}" for kind in KINDS for what in (" unchanged", " changed", ", difference")
    ]
    return ["agents", "n", "intervention", *head, "follows the soil"], rows


def over(agents: list[Figures], figure: str) -> str:
    """The mean of a figure over agents, those left out for which it is undefined, as text."""
    means = np.array([one[figure]["mean"] for one in agents if one[figure] is not None])
    return shown(mean_over(means))


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
