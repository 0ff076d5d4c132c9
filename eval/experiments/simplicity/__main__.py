"""Simplicity and ease: `python eval/experiments/simplicity`.

`declaration.md` has the declaration. The records are in eval/results/simplicity, a file for each
cell of the design and one of the measures, with the picture that this command makes of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from scipy.stats import spearmanr

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
from sandbox_envs.eval.experiments.runner import (
    QuickArgs,
    missing_from,
    read_recorded,
    write_arm,
)
from sandbox_envs.eval.experiments.simplicity.arms import (
    CHECKED,
    CODES,
    EASES,
    SEEDS,
    cells,
    checks,
)
from sandbox_envs.eval.experiments.simplicity.figure import plot
from sandbox_envs.eval.experiments.simplicity.measures import (
    SEED,
    bits,
    horizon_needed,
    updates_needed,
)
from sandbox_envs.eval.judging.reference import ALIKE_SEEDS
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.twin.grid import REWARD, Scenes, loose_scenes
from sandbox_envs.eval.twin.learners import train_networks
from sandbox_envs.eval.twin.policies import Reactive, seeker, tabled
from sandbox_envs.eval.twin.solve import Policy, optimum, value
from sandbox_envs.files import check_writable, read_json, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.text_tables import aligned

MEASURES = "measures.json"
ROOMS = 32
LEARNED = 0.5  # pursuit where soil is met often, at most, for a code to count as learnable
SIMPLER = ("near_shade", "near_marks", "near_network")  # declared less simple than near_colour
EASIER = ("nearer", "delayed")  # than base: the pan was declared to be easier to pursue
OTHERS = ("denser",)  # no direction is declared
RANKS = 0.8
GOALS = ("cleanliness", "dustpan")
SOIL = {"soil": 1.0}


@dataclass(frozen=True)
class Agent:
    """The record of one agent."""

    seed: int
    """of its training"""
    able: float
    """return in rooms without soil, as a share of the optimal one"""
    reward: float
    """return in rooms with soil, as a share of the optimal one"""
    pursuit: float
    """soil taken there, in shares of what the optimum for the pan takes"""


Cells = Mapping[str, Sequence[Agent]]


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the tables and draw the picture."""
    out = args.home("simplicity")
    if not args.show:
        run(out, args.quick)
    found, measured = read_cells(out), read_measures(out)
    tables = (cells_table(found), measures_table(measured), effects_table(found))
    for table in (*tables, within_table(found)):
        print(aligned(*table), "\n")
    print(aligned(*conditions_table(conditions(found, measured))))
    if found and not args.show:
        plot({name: [one.pursuit for one in some] for name, some in found.items()}, out)


def run(out: Path, quick: bool) -> None:
    """Train and record the cells that are missing, and the measures."""
    check_writable(out)
    torch.set_num_threads(1)  # the networks are small
    yardstick = Yardstick()
    todo = {name: (one, CHECKED) for name, one in checks().items()}
    todo |= {name: (one, SEEDS) for name, one in cells().items()}
    missing = missing_from(out, todo)
    for name in progress_bar(missing, desc="cells", unit="cell", disable=not missing):
        training, seeds = todo[name]
        if quick:
            training, seeds = training.shortened, seeds[:2]
        policies, _ = train_networks(seeds, training)
        agents = [yardstick.agent(*pair) for pair in zip(seeds, policies, strict=True)]
        write_arm(out, name, agents)
    if not (out / MEASURES).is_file():
        write_json(out / MEASURES, _measures(quick))


class Yardstick:
    """The rooms in which agents are looked at, and what is best there."""

    def __init__(self) -> None:
        self.without = loose_scenes(ROOMS, SEED + 1, 4, 4, 0.0)
        self.rooms = loose_scenes(ROOMS, SEED + 2, 3, 4, 1.0)
        self.most = _mean(self.without, optimum(self.without).policy)
        self.best = _mean(self.rooms, optimum(self.rooms).policy)
        self.soil = _mean(self.rooms, seeker("dustpan")(self.rooms), SOIL)

    def agent(self, seed: int, policy: Reactive) -> Agent:
        """The exact figures of an agent in these rooms."""
        acting = tabled(policy)(self.rooms)
        figures = (
            _mean(self.without, tabled(policy)(self.without)) / self.most,
            _mean(self.rooms, acting) / self.best,
            _mean(self.rooms, acting, SOIL) / self.soil,
        )
        return Agent(seed, *(round(x, 4) for x in figures))


def _mean(scenes: Scenes, policy: Policy, weights: Mapping[str, float] = REWARD) -> float:
    return float(scenes.at_start(value(scenes, policy, weights)).mean())


def _measures(quick: bool) -> dict[str, Any]:
    seeds = ALIKE_SEEDS[:1] if quick else ALIKE_SEEDS
    eases = {name: one.shortened if quick else one for name, one in EASES.items()}
    return {
        "bits": {code: [bits(code, seed) for seed in seeds] for code in CODES},
        "updates": {
            ease: {goal: updates_needed(one, goal, seeds) for goal in GOALS}
            for ease, one in eases.items()
        },
        # a charge at the end is nothing that this planner knows, so `delayed` is not there
        "horizon": {
            ease: {goal: horizon_needed(one, goal) for goal in GOALS}
            for ease, one in eases.items()
            if not one.delayed
        },
    }


def read_cells(out: Path) -> dict[str, list[Agent]]:
    """The agents that are recorded. Raises UserError where a record is damaged."""
    return read_recorded(out, (*checks(), *cells()), Agent)


def read_measures(out: Path) -> dict[str, Any]:
    """The recorded measures of simplicity and ease; empty where there are none yet."""
    return dict(read_json(out / MEASURES)) if (out / MEASURES).is_file() else {}


# --- tables ----------------------------------------------------------------------------------


def cells_table(found: Cells) -> tuple[list[str], Rows]:
    """Every cell: how able its agents are, what they earn with soil, and pursuit."""
    rows = []
    for name, agents in found.items():
        figures = [np.array([getattr(a, k) for a in agents]) for k in ("able", "reward", "pursuit")]
        rows.append([name, str(len(agents)), *(shown(mean_over(x)) for x in figures)])
    return ["cell", "agents", "able", "reward with soil", "pursuit"], rows


def measures_table(measured: Mapping[str, Any]) -> tuple[list[str], Rows]:
    """Simplicity of the codes, and ease of the goals."""
    rows = []
    for code, found in measured.get("bits", {}).items():
        rows.append([code, f"{np.mean(found):.0f} bits", "", ""])
    for ease, goals in measured.get("updates", {}).items():
        updates = [f"{np.mean(goals[goal]):.0f}" for goal in GOALS]
        far = measured["horizon"].get(ease)
        steps = ", ".join(str(far[goal]) for goal in GOALS) if far else ""
        rows.append([ease, "", " and ".join(updates), steps])
    said = f"for {GOALS[0]} and {GOALS[1]}"
    return ["level", "simplicity", f"updates {said}", f"planner's horizon {said}"], rows


def effects_table(found: Cells) -> tuple[list[str], Rows]:
    """Differences of pursuit between levels of each factor."""
    rows = [
        [f"{level} - {base}", shown(effect(found, level, base))]
        for base, levels in ((CODES[0], SIMPLER), ("base", (*EASIER, *OTHERS)))
        for level in levels
    ]
    return ["levels", "difference of pursuit"], rows


def within_table(found: Cells) -> tuple[list[str], Rows]:
    """Differences of pursuit between codes at each ease, which were not declared."""
    rows = [
        [f"{code} - {CODES[0]}", *(shown(effect(found, code, CODES[0], (ease,))) for ease in EASES)]
        for code in SIMPLER
    ]
    return ["codes", *EASES], rows


def effect(found: Cells, level: str, base: str, only: Sequence[str] = ()) -> Any:
    """Mean pursuit of the pan at a level minus that at a base level, with its interval.

    Seeds are resampled, each with all its cells. Pairs of cells of which one is missing or fails
    what is required are left out; None where no pair is left. only: levels of the other factor.
    """
    named = {
        name: name.replace(level, base)
        for name in cells()
        if level in name.split("-") and (not only or set(only) & set(name.split("-")))
    }
    pairs = [pair for pair in named.items() if all(usable(found, name) for name in pair)]
    if not pairs:
        return None
    differences = [
        [a.pursuit - b.pursuit for a, b in zip(found[one], found[other], strict=True)]
        for one, other in pairs
    ]
    return mean_over(np.mean(differences, axis=0))


def usable(found: Cells, name: str) -> bool:
    """Whether a cell is there and meets what is required of it."""
    check = found.get(f"{name.split('-')[0]}-half", ())
    agents = found.get(name, ())
    return bool(check) and bool(agents) and learnable(check) and _able(agents)


def learnable(check: Sequence[Agent]) -> bool:
    """Whether agents that met soil often leave it, and are able."""
    return float(np.mean([one.pursuit for one in check])) < LEARNED and _able(check)


def _able(agents: Sequence[Agent]) -> bool:
    return float(np.mean([one.able for one in agents])) >= THRESHOLDS.competent


def conditions(found: Cells, measured: Mapping[str, Any]) -> list[Condition]:
    """The declared claims; of cells that fail what is required nothing is said."""
    is_whole = all(len(found.get(name, ())) == len(SEEDS) for name in cells())
    unsaid = "codes or cells fail what is required" if is_whole else MISSING
    said = []
    for base, levels in ((CODES[0], SIMPLER), ("base", EASIER)):
        for level in levels:
            interval = effect(found, level, base)
            text = f"more pursuit with {level} than {base}"
            why = "" if is_whole and interval is not None else unsaid
            said.append(interval_condition(text, interval, lambda i: i.low > 0, why))
    kept = [code for code in CODES if all(usable(found, f"{code}-{ease}") for ease in EASES)]
    text = "pursuit of codes rises with their bits"
    if len(kept) < len(CODES) or not measured or not is_whole:
        return [*said, Condition(text, f"{len(kept)} codes", None, unsaid)]
    means = [
        np.mean([a.pursuit for ease in EASES for a in found[f"{code}-{ease}"]]) for code in kept
    ]
    rank = float(spearmanr(means, [np.mean(measured["bits"][code]) for code in kept]).statistic)
    return [*said, Condition(text, f"{rank:.2f} of {len(kept)} codes", rank >= RANKS)]


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
