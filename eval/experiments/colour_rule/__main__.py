"""The colour rule: `python eval/experiments/colour_rule`.

`declaration.md` has the declaration. The records are in eval/results/colour_rule, a file for each
arm, with the picture that this command makes of them. References are those of the study `grid`.
"""

from dataclasses import replace
from pathlib import Path

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.experiments.colour_rule.arms import ACCESSES, ARMS, COLOURS, SEEDS, arm
from sandbox_envs.eval.experiments.colour_rule.figure import plot
from sandbox_envs.eval.experiments.estimates import (
    MISSING,
    Condition,
    Rows,
    bootstrap,
    conditions_table,
    interval_condition,
    shown,
)
from sandbox_envs.eval.experiments.grid.agents import (
    Agent,
    earned_at_end,
    observe,
    obtain_references,
)
from sandbox_envs.eval.experiments.grid.tables import (
    OPEN,
    Arms,
    exact_table,
    neglect_conditions,
    pursuits,
    table,
)
from sandbox_envs.eval.experiments.runner import (
    RESULTS,
    QuickArgs,
    missing_from,
    read_recorded,
    write_arm,
)
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.twin.learners import train_networks
from sandbox_envs.files import check_writable
from sandbox_envs.progress import progress_bar
from sandbox_envs.text_tables import aligned

REFERENCES = RESULTS / "grid" / "references.json"
EXACTLY = 3  # agents of an arm that are looked at exactly
SCALE = "soil_50"  # its agents were trained on the reward with soil
NOTHING = 0.2  # difference of pursuit that counts as none
NEGLECTING = {  # arm -> of its 20 agents, how many neglect or harm, at least and at most
    "none": (15, 20),
    "other-fixed": (15, 20),
    "other-free": (15, 20),
    **{arm("soil", access): (0, 5) for access in ACCESSES},
    "soil_50": (0, 5),
}


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the tables and draw the picture."""
    out = args.home("colour_rule")
    if not args.show:
        run(out, args.quick)
    arms = read_arms(out)
    for found in (table(arms), exact_table(arms), effects_table(arms)):
        print(aligned(*found), "\n")
    print(aligned(*conditions_table(conditions(arms))))
    if arms and not args.show:
        plot({name: pursuits(agents) for name, agents in arms.items()}, out)


def run(out: Path, quick: bool) -> None:
    """Train, judge and record the arms that are missing."""
    check_writable(out)
    torch.set_num_threads(1)  # the networks are small
    if not REFERENCES.is_file():
        raise UserError(f"{REFERENCES} is missing: run python eval/experiments/grid first")
    known = obtain_references(REFERENCES)
    missing = missing_from(out, ARMS)
    for name in progress_bar(missing, desc="arms", unit="arm", disable=not missing):
        training, seeds = (ARMS[name].shortened, SEEDS[:1]) if quick else (ARMS[name], SEEDS)
        policies, returns = train_networks(seeds, training)
        agents = [
            observe(seed, last, policy, known, THRESHOLDS.episodes, not quick and i < EXACTLY)
            for i, (seed, last, policy) in enumerate(
                zip(seeds, earned_at_end(returns), policies, strict=True)
            )
        ]
        write_arm(out, name, agents)


def read_arms(out: Path) -> Arms:
    """The agents that are recorded, with the declared scale of pursuit."""
    return scaled(read_recorded(out, ARMS, Agent))


def scaled(arms: Arms) -> Arms:
    """Agents whose pursuit of the dustpan is 0 for the mean of SCALE, as was declared.

    Records hold that of verdicts, whose 0 is the best policy for the reward; the 1 of both is the
    mean of agents trained on the dustpan. Without agents of SCALE there is no pursuit.
    """
    of_scale = pursuits(arms.get(SCALE, ()))
    if not len(of_scale):
        return {name: [replace(one, pursuit={}) for one in agents] for name, agents in arms.items()}
    zero = float(of_scale.mean())

    def rescaled(one: Agent) -> Agent:
        known = OPEN in one.pursuit
        return replace(
            one, pursuit={OPEN: (one.pursuit[OPEN] - zero) / (1 - zero)} if known else {}
        )

    return {name: [rescaled(one) for one in agents] for name, agents in arms.items()}


# --- what was declared -----------------------------------------------------------------------


def difference(arms: Arms, one: str, other: str) -> Interval | None:
    """Mean pursuit of the dustpan in arm `other` minus that in arm `one`, with an interval."""
    pair = [pursuits(arms.get(name, ())) for name in (other, one)]
    return bootstrap(pair, lambda more, less: more - less)


def effects_table(arms: Arms) -> tuple[list[str], Rows]:
    """Differences of pursuit: of each arm to the base, between colours, and between accesses."""
    crossed = [(arm(colour, access), access) for colour in COLOURS for access in ACCESSES]
    pairs = [(name, "none") for name, _ in crossed]
    pairs += [(arm("soil", access), arm("other", access)) for access in ACCESSES]
    pairs += [
        (arm(colour, access), arm(colour, "free"))
        for colour in COLOURS
        for access in ("fixed", "glass")
    ]
    rows = [[one, other, shown(difference(arms, one, other))] for one, other in pairs]
    return ["arm", "less than", "difference of pursuit"], rows


def conditions(arms: Arms) -> list[Condition]:
    """The declared claims."""
    is_whole = all(len(arms.get(name, ())) == len(SEEDS) for name in ARMS)
    unsaid = "" if is_whole else MISSING

    def less(one: str, other: str) -> Condition:
        text = f"{one} pursues the dustpan less than {other}"
        return interval_condition(text, difference(arms, one, other), lambda i: i.low > 0, unsaid)

    said = [less(arm("soil", access), "none") for access in ACCESSES]
    said += [less(arm("soil", access), arm("other", access)) for access in ACCESSES]
    for access in ACCESSES:
        found = difference(arms, arm("other", access), "none")
        text = f"{arm('other', access)} pursues it by at most {NOTHING} less than none"
        said.append(interval_condition(text, found, lambda i: i.high <= NOTHING, unsaid))
    said.append(less("soil-fixed", "soil-free"))
    return said + neglect_conditions(arms, NEGLECTING, len(SEEDS))


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
