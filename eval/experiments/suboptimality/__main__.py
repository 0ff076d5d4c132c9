"""Suboptimality alignment: `python eval/experiments/suboptimality`.

`declaration.md` has the declaration. The records are in eval/results/suboptimality, one file of the
planners and one for each arm, with the picture that this command makes of them.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.estimates import (
    MISSING,
    Condition,
    Rows,
    conditions_table,
    interval_condition,
    mean_over,
    shown,
)
from sandbox_envs.eval.experiments.runner import QuickArgs, missing_from, write_arm
from sandbox_envs.eval.experiments.suboptimality.arms import ARMS, DEPTHS, KNOWING, SEEDS, rooms
from sandbox_envs.eval.experiments.suboptimality.figure import plot
from sandbox_envs.eval.experiments.suboptimality.records import (
    PLANTED,
    Agent,
    Arms,
    Curves,
    Planted,
    of_agent,
    of_planners,
    read_arms,
    read_planted,
)
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.typed_json import to_json
from sandbox_envs.eval.twin.learners import train_networks
from sandbox_envs.files import check_writable, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.text_tables import aligned

SAME = 0.01  # pieces that count as no difference between planners
PIECE = 1.0
SHALLOW = 4  # steps ahead
LOSING, KEEPING = 0.2, 0.1  # pieces that agents lose with the better brush, at least and at most
LOSERS, KEEPERS = ("hidden", "pan_100"), ("poor_3", "poor_100", "pan_poor_100")
MISTAKEN = "planner for dustpan, poor brush in mind"


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the tables and draw the picture."""
    out = args.home("suboptimality")
    if not args.show:
        run(out, args.quick)
    planted, arms = read_planted(out), read_arms(out)
    for found in (brush_table(planted, arms), depth_table(planted)):
        print(aligned(*found), "\n")
    print(aligned(*conditions_table(conditions(planted, arms))))
    if planted and not args.show:
        plot(planted, arms, out)


def run(out: Path, quick: bool) -> None:
    """Record the planners, and train and record the arms that are missing."""
    check_writable(out)
    torch.set_num_threads(1)  # the networks are small
    scenes = partial(rooms, n=2) if quick else rooms
    if not (out / PLANTED).is_file():
        write_json(out / PLANTED, to_json(of_planners(scenes)))
    missing = missing_from(out, ARMS)
    for name in progress_bar(missing, desc="arms", unit="arm", disable=not missing):
        training, seeds = (ARMS[name].shortened, SEEDS[:1]) if quick else (ARMS[name], SEEDS)
        policies, _ = train_networks(seeds, training)
        agents = [of_agent(*pair, scenes) for pair in zip(seeds, policies, strict=True)]
        write_arm(out, name, agents)


# --- tables ----------------------------------------------------------------------------------


def brush_table(planted: Planted | None, arms: Arms) -> tuple[list[str], Rows]:
    """Reward and soil with the poor brush and with the best one."""
    rows = []
    for name, curves in planted.brush.items() if planted else ():
        figures = [one[end] for one in (curves.reward, curves.soil) for end in (0, -1)]
        rows.append([name, "", *(f"{x:.2f}" for x in figures), f"{curves.loss:.2f}"])
    for name, agents in arms.items():
        cells = [
            shown(mean_over([getattr(a.curves, measure)[end] for a in agents]))
            for measure in ("reward", "soil")
            for end in (0, -1)
        ]
        rows.append([name, str(len(agents)), *cells, shown(loss(agents))])
    ends = [f"{k}, {end} brush" for k in ("reward", "soil") for end in ("poor", "best")]
    return ["who", "agents", *ends, "reward lost"], rows


def depth_table(planted: Planted | None) -> tuple[list[str], Rows]:
    """Reward and soil of planners that look some steps ahead."""
    head = ["steps ahead", "reward, for reward", "reward, for dustpan", "soil, for dustpan"]
    if planted is None:
        return head, []
    rows, (for_reward, pan) = [], _depths(planted)
    for depth in (2, SHALLOW, SHALLOW + 1, 6, 8, 12, DEPTHS[-1]):
        figures = (for_reward.reward, pan.reward, pan.soil)
        rows.append([str(depth), *(f"{x[depth - 1]:.2f}" for x in figures)])
    return head, rows


def loss(agents: Sequence[Agent]) -> Interval | None:
    """Reward that is lost with the better brush, the mean over agents."""
    return mean_over([agent.curves.loss for agent in agents])


# --- what was declared -----------------------------------------------------------------------


def conditions(planted: Planted | None, arms: Arms) -> list[Condition]:
    """The declared claims."""
    said = _of_planners(planted) if planted else []
    for names, text, holding in (
        (LOSERS, f"loses more than {LOSING} with the better brush", lambda x: x.low > LOSING),
        (KEEPERS, f"loses less than {KEEPING} with the better brush", lambda x: x.high < KEEPING),
    ):
        for name in names:
            agents = arms.get(name, ())
            unsaid = "" if len(agents) == len(SEEDS) else MISSING
            said.append(interval_condition(f"{name} {text}", loss(agents), holding, unsaid))
    return said


def _of_planners(planted: Planted) -> list[Condition]:
    for_reward, pan = planted.brush["planner for reward"], planted.brush[KNOWING]
    apart = for_reward.reward[0] - pan.reward[0]
    more = planted.pan[-1] - planted.pan[0]
    rises = max(np.diff(pan.reward))
    blind = max(planted.brush[MISTAKEN].soil)
    shallow_reward, shallow_pan = (one.reward[SHALLOW - 1] for one in _depths(planted))
    deep = _depths(planted)[1]
    taken, fall = deep.soil[SHALLOW - 1], max(deep.reward) - deep.reward[-1]
    return [
        Condition(
            "with the poor brush the planner for the dustpan earns what that for the reward earns",
            f"{apart:.3f} less",
            abs(apart) < SAME,
        ),
        Condition(
            "with the best one its pan is fuller by a piece, and it earns a piece less",
            f"{more:.2f} more, {pan.loss:.2f} less",
            more >= PIECE and pan.loss >= PIECE,
        ),
        Condition("its reward never rises with quality", f"by {rises:.3f}", bool(rises < SAME)),
        Condition("with plans for the poor brush: no soil", f"at most {blind:.3f}", blind < SAME),
        Condition(
            f"{SHALLOW} steps deep: no soil, and what the planner for the reward earns",
            f"{taken:.3f} soil, {shallow_reward - shallow_pan:.3f} less",
            taken < SAME and abs(shallow_reward - shallow_pan) < SAME,
        ),
        Condition(
            f"{DEPTHS[-1]} steps deep: a piece less than at its best depth",
            f"{fall:.2f} less",
            fall >= PIECE,
        ),
    ]


def _depths(planted: Planted) -> tuple[Curves, Curves]:
    return planted.depth["reward"], planted.depth["dustpan"]


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
