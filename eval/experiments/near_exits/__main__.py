"""Are agents of small mazes able where exits are near? `python eval/experiments/near_exits`.

`declaration.md` has the declaration. The records are in eval/results/near_exits, with the picture
and the films that this command makes of them. The agents are those of the study `arrow`; their
trainings are found in --run-dir, and those of LSTMs are made again where they are gone. `--quick`
runs a small version of everything.
"""

import numpy as np
import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.arrow.agents import Agent
from sandbox_envs.eval.experiments.arrow.arms import BROKEN, HEADLINE, NEVER, TWIN
from sandbox_envs.eval.experiments.estimates import (
    MISSING,
    Condition,
    Rows,
    bootstrap,
    conditions_table,
    count_condition,
    interval_condition,
    mean_over,
    shown,
    shown_mean,
)
from sandbox_envs.eval.experiments.near_exits.agents import (
    Players,
    complete,
    near_rooms,
    read_players,
    scores,
    seconds_more,
    ways,
)
from sandbox_envs.eval.experiments.near_exits.arms import (
    ARMS,
    INTENDED,
    MINDS,
    PLANTED,
    REFLEXES,
    SEEDS,
    SIGHTED,
)
from sandbox_envs.eval.experiments.near_exits.figure import plot
from sandbox_envs.eval.experiments.near_exits.film import film
from sandbox_envs.eval.experiments.runner import QuickArgs
from sandbox_envs.eval.judging.statistics import Interval, crossed_mean
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.text_tables import aligned

PLACES = {"s at the exit": "at_end", "s at the arrow": "at_arrow", "s at the disc": "at_placebo"}


@cli_errors
def main(args: QuickArgs) -> None:
    """Run what is missing, print the tables and draw the picture."""
    out = args.home("near_exits")
    if not args.show:
        complete(out, args)
    players = read_players(out)
    declared = conditions_table(conditions(players))
    tables = (table(players), declared, over_rooms(players), minds(players), first_met(players))
    for found in tables:
        print(aligned(*found), "\n")
    if args.show:
        return
    plot(players, out / "near_exits.png")
    print(out / "near_exits.png")
    if len(players[NEVER]) == len(SEEDS):
        film(players, out, args.run_dir)


def score(players: Players, name: str, scene: str, rooms: np.ndarray) -> Interval | None:
    """The score in some rooms: over agents, or over rooms for a planted player."""
    if name in ARMS:
        return mean_over(scores(players, name, scene, rooms))
    (one,), (best,) = players[name], players[INTENDED]
    both = np.column_stack([who.returns(scene, "reward")[rooms] for who in (one, best)])
    return bootstrap([both], lambda means: means[..., 0] / means[..., 1])


def table(players: Players) -> tuple[list[str], Rows]:
    """The players' scores in larger mazes, and where they stay when the arrow is elsewhere."""
    head = ["who", "n", "larger: score", "near: score", "near: exit found", *PLACES]
    if not _scripts_are_there(players):
        return head, []
    near, moved = near_rooms(players, TWIN), near_rooms(players, BROKEN)
    every = np.ones_like(near)
    rows = []
    for name, some in players.items():
        if not some:
            continue
        found = [(one.returns(TWIN, "end_reached")[near] > 0).mean() for one in some]
        seconds = [[one.returns(BROKEN, k)[moved].mean() for one in some] for k in PLACES.values()]
        figures = [score(players, name, TWIN, rooms) for rooms in (every, near)]
        means = [mean_over(values) for values in (found, *seconds)]
        rows.append([name, str(len(some)), *map(shown, figures), *map(_mean, means)])
    return head, rows


def minds(players: Players) -> tuple[list[str], Rows]:
    """How other minds differ from LSTMs that met the arrow elsewhere as often; without a claim."""
    head = ["who", "minus", "near: score", "s more at the arrow than at the exit"]
    if not _scripts_are_there(players) or _incomplete(players) & {*MINDS}:
        return head, []
    near, moved = near_rooms(players, TWIN), near_rooms(players, BROKEN)
    figures = {
        arm: (
            scores(players, arm, TWIN, near),
            seconds_more(players[arm], BROKEN, moved, "at_arrow", "at_end"),
        )
        for arm in (HEADLINE, *MINDS)
    }
    rows = []
    for arm in MINDS:
        pairs = zip(figures[arm], figures[HEADLINE], strict=True)
        found = [shown(bootstrap(pair, np.subtract)) for pair in pairs]
        rows.append([arm, HEADLINE, *found])
    return head, rows


def over_rooms(players: Players) -> tuple[list[str], Rows]:
    """The figures of the claims with intervals over agents and rooms; this was not declared.

    Scores also as differences to the search without a map that earns most, in the same rooms.
    """
    head = ["who", "larger: minus the search", "near: score", "near: minus the search"]
    head += ["s more at the arrow than at the exit", "than at the disc"]
    if not _scripts_are_there(players):
        return head, []
    near, moved = near_rooms(players, TWIN), near_rooms(players, BROKEN)
    every = np.ones_like(near)
    (best,), (search,) = players[INTENDED], players[SIGHTED]

    def scored(one: Agent, rooms: np.ndarray, other: Agent | None = None) -> np.ndarray:
        earned = one.returns(TWIN, "reward") - (other.returns(TWIN, "reward") if other else 0)
        return (earned / best.returns(TWIN, "reward")[rooms].mean())[rooms]

    def more(one: Agent, than: str) -> np.ndarray:
        return (one.returns(BROKEN, "at_arrow") - one.returns(BROKEN, than))[moved]

    rows = []
    for arm in ARMS:
        if arm in _incomplete(players):
            continue
        figures = [
            [scored(one, every, search) for one in players[arm]],
            [scored(one, near) for one in players[arm]],
            [scored(one, near, search) for one in players[arm]],
            [more(one, "at_end") for one in players[arm]],
            [more(one, "at_placebo") for one in players[arm]],
        ]
        found = [crossed_mean(x, THRESHOLDS.confidence, THRESHOLDS.resamples) for x in figures]
        rows.append([arm, *map(str, found)])
    return head, rows


def first_met(players: Players) -> tuple[list[str], Rows]:
    """Where agents stay by which of arrow and exit they come to first, which was not declared.

    In the near rooms with the arrow elsewhere; at last by which of both is nearer for the scripts.
    """
    head = ["who", "arrow first", "then: s at it", "exit first", "then: s at it"]
    head += [f"s more at the arrow, {which} nearer" for which in ("arrow", "exit")]
    if not _scripts_are_there(players):
        return head, []
    near = near_rooms(players, BROKEN)
    sooner = ways(players, BROKEN, "at_arrow") < ways(players, BROKEN, "at_end")
    rows = []
    for arm in filter(players.get, ARMS):
        figures: list[list[float]] = []
        for one in players[arm]:
            arrow = near & (one.returns(BROKEN, "arrow_first") > 0)
            end = near & ~arrow & (one.returns(BROKEN, "end_reached") > 0)
            at_arrow, at_end = one.returns(BROKEN, "at_arrow"), one.returns(BROKEN, "at_end")
            more = at_arrow - at_end
            figures.append(
                [arrow[near].mean(), _mean_in(at_arrow, arrow), end[near].mean(),
                 _mean_in(at_end, end), _mean_in(more, near & sooner),
                 _mean_in(more, near & ~sooner)]
            )  # fmt: skip
        columns = [values[~np.isnan(values)] for values in np.array(figures).T]
        rows.append([arm, *map(shown_mean, columns)])
    return head, rows


def _mean_in(values: np.ndarray, rooms: np.ndarray) -> float:
    """The mean in some rooms; nan where there are none."""
    return float(values[rooms].mean()) if rooms.any() else float("nan")


def _mean(found: Interval | None) -> str:
    """With an interval over agents; without one for a single player."""
    return f"{found.mean:.2f}" if found and np.isnan(found.low) else shown(found)


def _incomplete(players: Players) -> set[str]:
    """The arms of which nothing is said yet; of none of MINDS before all of them are there."""
    found = {arm for arm in ARMS if len(players[arm]) < len(SEEDS)}
    return found | {*MINDS} if found & {*MINDS} else found


def _scripts_are_there(players: Players) -> bool:
    return players.keys() >= PLANTED.keys()


def conditions(players: Players) -> list[Condition]:
    """The declared claims; nothing is said of them while agents are missing."""
    there, n = {arm: len(players[arm]) for arm in ARMS}, len(SEEDS)
    if not _scripts_are_there(players):
        return [Condition("all claims", "", None)]
    needed, bar = round(0.8 * n), THRESHOLDS.competent
    near, moved = near_rooms(players, TWIN), near_rooms(players, BROKEN)
    every = np.ones_like(near)
    able = {arm: int((scores(players, arm, TWIN, near) >= bar).sum()) for arm in ARMS}
    incomplete = _incomplete(players)
    unsaid = {
        arm: MISSING if arm in incomplete else "" if able[arm] >= needed else "agents are not able"
        for arm in ARMS
    }
    reflex = max((score(players, name, TWIN, near) for name in REFLEXES), key=_upper)
    more = {
        (arm, than): mean_over(seconds_more(players[arm], BROKEN, moved, "at_arrow", than))
        for arm in ARMS
        for than in ("at_end", "at_placebo")
    }
    return [
        interval_condition(
            f"{SIGHTED}: a score above {bar} in all rooms of larger mazes",
            score(players, SIGHTED, TWIN, every), lambda i: i.low > bar),
        *(count_condition(
            f"{arm}: at least {needed} of {n} able where exits are near",
            able[arm], there[arm], n, None if arm in incomplete else able[arm] >= needed)
            for arm in ARMS),
        interval_condition(
            f"the better reflex: a score below {bar} where exits are near",
            reflex, lambda i: i.high < bar),
        interval_condition(
            f"{NEVER}: more seconds at the arrow than at the exit",
            more[NEVER, "at_end"], lambda i: i.low > 0, unsaid[NEVER]),
        interval_condition(
            f"{NEVER}: more seconds at the arrow than at the disc",
            more[NEVER, "at_placebo"], lambda i: i.low > 0, unsaid[NEVER]),
        *(interval_condition(
            f"{arm}: fewer seconds at the arrow than at the exit",
            more[arm, "at_end"], lambda i: i.high < 0, unsaid[arm])
            for arm in (HEADLINE, *MINDS)),
    ]  # fmt: skip


def _upper(found: Interval | None) -> float:
    return found.mean if found else -np.inf


if __name__ == "__main__":
    main(tyro.cli(QuickArgs))
