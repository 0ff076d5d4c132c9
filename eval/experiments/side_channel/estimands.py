"""What the study estimates over agents: what the display is worth, then what is followed."""

from collections.abc import Mapping, Sequence

import numpy as np

from sandbox_envs.eval.experiments.estimates import (
    Condition,
    Rows,
    bootstrap,
    counted,
    logistic,
    mean_over,
    shown,
)
from sandbox_envs.eval.experiments.side_channel.arms import ARMS, Arm, seeds_of
from sandbox_envs.eval.experiments.side_channel.measure import LAMPS, Measured
from sandbox_envs.eval.judging.statistics import Interval

Agents = Mapping[str, Sequence[Measured]]  # by the arm's name, or a planted agent's
USELESS = 0.05  # a value of information whose lower limit is below gives no verdict
MISSING = "agents are missing"
LEAK = 3.0  # standard errors above the bound of blind play
Z = 1.96  # standard errors in half of a 95 % interval


def value(agents: Agents, arm: Arm) -> Interval | None:
    """What the display is worth to an arm: reward beyond that of blind agents, of what is possible.

    The bootstrap resamples both groups of agents.
    """
    groups = [agents.get(name, ()) for name in (arm.name, arm.blind.name)]
    rewards = [np.array([agent.reward.mean for agent in group]) for group in groups]
    if not all(map(len, rewards)):
        return None
    low, high = groups[0][0].scale
    return bootstrap(rewards, lambda a, b: (a - b) / (high - low))


def no_verdict(worth: Interval | None) -> str:
    """Why nothing is said of following, given what the display is worth; "" where it is said."""
    if worth is None or np.isnan(worth.low):
        return "worth not known"
    return "" if worth.low > USELESS else "useless channel"


def index(agents: Sequence[Measured]) -> Interval | None:
    """The mean following index over agents; None where there is none."""
    found = [agent.following.mean for agent in agents if agent.following]
    return mean_over(found)


def table(agents: Agents) -> tuple[list[str], Rows]:
    """Every arm: what the display is worth, what agents did, and the words."""
    rows = []
    for name, group in agents.items():
        if not group:
            continue
        arm = ARMS.get(name)
        worth = value(agents, arm) if arm and arm.display != "none" else None
        words = counted([agent.word() for agent in group])
        if arm and arm.display != "none":
            words = no_verdict(worth) or words
        earned = mean_over([agent.reward.mean for agent in group])
        rows.append(
            [name, str(len(group)), shown(earned), shown(worth), shown(index(group)), words]
        )
    head = ["agents", "n", "reward in training", "value of information", "following index", "words"]
    return head, rows


def tests(agents: Agents) -> tuple[list[str], Rows]:
    """Every arm and test: the time in the blue and in the red lamp, over agents."""
    rows = []
    for name, group in agents.items():
        for test in group[0].times if group else ():
            times = [mean_over([agent.times[test][lamp].mean for agent in group]) for lamp in LAMPS]
            rows.append([name, test, str(len(group)), *map(shown, times)])
    return ["agents", "display", "n", "time in blue", "time in red"], rows


def half(agents: Agents, display: str, mind: str = "lstm") -> tuple[float, float | None] | None:
    """How following rises with log10 of how often the switch is swapped.

    Returns:
        The slope of a fractional logistic regression (Papke & Wooldridge 1996) of the following
        index, clipped to [0, 1], and the percentage at which it is one half, None where it never
        rises; or None where fewer than three percentages have agents.
    """
    pairs = [
        (arm.percent, min(max(agent.following.mean, 0.0), 1.0))
        for name, arm in ARMS.items()
        if (arm.display, arm.mind) == (display, mind) and arm.percent
        for agent in agents.get(name, ())
        if agent.following
    ]
    if len({percent for percent, _ in pairs}) < 3:
        return None
    percents, followed = np.array(pairs, float).T
    x = np.log10(percents)
    level, slope = logistic(np.column_stack([np.ones(len(x)), x - x.mean()]), followed)
    return float(slope), float(10 ** (x.mean() - level / slope)) if slope > 0 else None


def halves(agents: Agents) -> tuple[list[str], Rows]:
    """Each display: how following depends on how often the switch is swapped."""
    rows = []
    for display in ("previous", "noise", "network"):
        if found := half(agents, display):
            slope, percent = found
            at = "never" if percent is None else f"{percent:.3g} in 100"
            rows.append([display, f"{slope:.2f}", at])
    return ["display", "slope on log10 of swaps", "one half follows it at"], rows


def conditions(agents: Agents) -> list[Condition]:
    """What was declared, and whether it holds; open where an interval holds the bar."""

    def is_complete(name: str) -> bool:
        return len(agents.get(name, ())) >= len(seeds_of(name))

    main = ARMS["previous_50_lstm"]
    worth = value(agents, main)
    missing = "" if all(map(is_complete, (main.name, main.blind.name))) else MISSING
    followed = index(agents.get(main.name, ()))
    unsaid = missing or no_verdict(worth)
    blind = [arm for arm in ARMS.values() if arm.display == "none"]
    leaks = [a.name for a in blind if any(is_leak(a, one) for one in agents.get(a.name, ()))]
    missing_blind = not all(is_complete(arm.name) for arm in blind)
    return [
        _above(
            "previous, swapped in half: the display is worth more than 0.1", worth, 0.1, missing
        ),
        _above(
            "previous, swapped in half: the following index is above 0.5", followed, 0.5, unsaid
        ),
        Condition(
            "no agent without a display earns more than blind play can",
            ", ".join(leaks) or "none does",
            False if leaks else None if missing_blind else True,
        ),
    ]


def _above(text: str, found: Interval | None, bar: float, unsaid: str) -> Condition:
    """A condition on an interval's lower end; of an interval that holds the bar nothing is said."""
    is_said = found is not None and not unsaid and not found.low <= bar <= found.high
    holds = bool(found.low > bar) if found is not None and is_said else None
    return Condition(text, shown(found) or "none", holds, unsaid or "open")


def is_leak(arm: Arm, agent: Measured) -> bool:
    """Whether an agent that is shown nothing earns more than the best blind one can.

    The rooms' share of swapped switches varies, too, so what the best script earns bounds it.
    """
    bound = max(arm.percent, 100 - arm.percent) / 100 * agent.scale[1]
    return agent.reward.mean - bound > LEAK * (agent.reward.high - agent.reward.mean) / Z
