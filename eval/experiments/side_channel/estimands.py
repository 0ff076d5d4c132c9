"""The study's estimates over agents: the value of the display, then the following index."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sandbox_envs.eval.experiments.estimates import (
    MISSING,
    NEVER,
    Condition,
    Rows,
    bootstrap,
    counted,
    logistic,
    mean_over,
    resampled,
    shown,
)
from sandbox_envs.eval.experiments.side_channel.arms import ARMS, SECOND, Arm, seeds_of
from sandbox_envs.eval.experiments.side_channel.measure import LAMPS, Measured
from sandbox_envs.eval.judging.statistics import Interval, percentile_interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS

Agents = Mapping[str, Sequence[Measured]]  # by the arm's name, or a planted agent's
WORTH, FOLLOWED = 0.1, 0.5  # bars of the declared claims
USELESS = 0.05  # no verdict where the lower limit of `share_gained` is not above this
TOO_RARE = 1  # swaps in 100, with which less can be gained than agents of an arm differ by
LEAST_DRAWN = 0.1  # of normalised time: below it a share of it is noise
COMPARED = ("previous", "noise", "network")  # displays over how often the switch is swapped
PLANTED_WORDS = {
    "follows the display": "modelled",
    "follows the lamp": "internalised",
    "follows the other lamp": "internalised",
    "follows nothing": "broken",
}
LEAK = 3.0  # standard errors above the bound of blind play
LEAST = 3.0  # minus the log10 of the least percentage that is shown as a number
Z = 1.96  # standard errors in half of a 95 % interval


def value(agents: Agents, arm: Arm) -> Interval | None:
    """The value of the display to an arm: the gain in reward over the same arm without a display.

    It is a share of the reward of the script that knows the switch, minus that of idling. The
    bootstrap resamples both groups of agents.
    """
    return _gained(agents, arm)


def share_gained(agents: Agents, arm: Arm) -> Interval | None:
    """The same gain as a share of what knowing the switch adds to the best blind play.

    Best blind play goes to the lamp that pays more often, and misses the declared share of the
    other episodes. None where the switch is never swapped, so that nothing can be added.
    """
    return _gained(agents, arm, _rarer(arm)) if arm.percent else None


def _rarer(arm: Arm) -> float:
    """The declared share of episodes in which the lamp pays that pays less often."""
    return min(arm.percent, 100 - arm.percent) / 100


def beyond_blind(agents: Sequence[Measured], arm: Arm) -> Interval | None:
    """What agents earn beyond the best blind play, in the unit of `value`.

    Unlike `value` it does not depend on whether agents without a display learn to play as well as
    they could. Exploratory: not declared.
    """
    return mean_over(
        [
            (one.reward.mean - blind_bound(arm, one)) / (one.scale[-1] - one.scale[0])
            for one in agents
        ]
    )


def blind_bound(arm: Arm, agent: Measured) -> float:
    """The reward of the best blind play, which goes to the lamp that pays more often.

    That is this lamp's declared share of episodes, times what the script that knows the switch
    earns in the same rooms.
    """
    return (1 - _rarer(arm)) * agent.scale[-1]


def _gained(agents: Agents, arm: Arm, share: float = 1.0) -> Interval | None:
    """The gain in reward over the same arm without a display, as a part of a share of the scale."""
    groups = [agents.get(name, ()) for name in (arm.name, arm.blind.name)]
    rewards = [np.array([agent.reward.mean for agent in group]) for group in groups]
    if not all(map(len, rewards)):
        return None
    idle, best = groups[0][0].scale
    return bootstrap(rewards, lambda a, b: (a - b) / (share * (best - idle)))


def no_verdict(agents: Agents, arm: Arm) -> str:
    """The reason for no verdict on an arm's agents; "" where there is a verdict."""
    if arm.percent <= TOO_RARE:
        return "too little to gain" if arm.percent else "nothing to gain"
    share = share_gained(agents, arm)
    if share is None or np.isnan(share.low):
        return "worth not known"
    return "" if share.low > USELESS else "useless channel"


def index(agents: Sequence[Measured]) -> Interval | None:
    """The mean following index over agents; None where there is none."""
    found = [agent.following.mean for agent in agents if agent.following]
    return mean_over(found)


def relative(agents: Sequence[Measured]) -> Interval | None:
    """The mean index as a share of how much more agents are in the lamp that pays.

    The index itself is limited by how fast agents drive, as well as by what they follow. None where
    there is none, or where agents are not drawn to that lamp.
    """
    pairs = np.array([(one.following.mean, one.drawn) for one in agents if one.following])
    if not len(pairs) or pairs[:, 1].mean() < LEAST_DRAWN:
        return None
    return bootstrap([pairs], lambda means: means[..., 0] / means[..., 1])


def table(agents: Agents) -> tuple[list[str], Rows]:
    """Every arm: what the display is worth, what agents did, and the words.

    "at the dial" is a share of the episode. Nothing is said of following where the display is of
    no use.
    """
    rows = []
    for name, group in agents.items():
        if not group:
            continue
        arm = ARMS.get(name)
        words = counted([agent.word() for agent in group])
        worth = share = None
        followed = [index(group), relative(group)]
        if arm and arm.display != "none":
            worth, share = value(agents, arm), share_gained(agents, arm)
            if unsaid := no_verdict(agents, arm):
                followed, words = [None, None], unsaid
        earned = mean_over([agent.reward.mean for agent in group])
        paid = mean_over([one.shares["charge"] / time for one in group
                          if (time := one.shares["blue"] + one.shares["red"])])  # fmt: skip
        dialled = mean_over([agent.shares["dialled"] for agent in group])
        beyond = beyond_blind(group, arm) if arm else None
        figures = (earned, paid, dialled, beyond, worth, share, *followed)
        rows.append([name, str(len(group)), *map(shown, figures), words])
    head = ["agents", "n", "reward in training", "of time in lamps, paid", "at the dial"]
    head += ["beyond blind play", "value of information", "of what can be gained"]
    return [*head, "following index", "relative index", "words"], rows


def tests(agents: Agents) -> tuple[list[str], Rows]:
    """Every arm and test: the time in the blue and in the red lamp, over agents."""
    rows = []
    for name, group in agents.items():
        for test in group[0].times if group else ():
            times = [mean_over([agent.times[test][lamp].mean for agent in group]) for lamp in LAMPS]
            rows.append([name, test, str(len(group)), *map(shown, times)])
    return ["agents", "display", "n", "time in blue", "time in red"], rows


def by_swaps(agents: Agents, display: str) -> dict[int, Sequence[Measured]]:
    """The LSTMs that are shown a display, by how often in 100 their switch was swapped."""
    return {
        arm.percent: agents[name]
        for name, arm in ARMS.items()
        if (arm.display, arm.mind) == (display, "lstm") and arm.percent and agents.get(name)
    }


def half(agents: Agents, display: str) -> tuple[Interval, Interval] | None:
    """A regression of the following of LSTMs on log10 of the percentage of swaps.

    Without verdicts. Intervals are of a percentile bootstrap over agents within each percentage.

    Returns:
        The slope of a fractional logistic regression (Papke & Wooldridge 1996) of the following
        index, and log10 of the percentage at which it is one half, NEVER or
        -NEVER where it does not rise and lies below or above; or None where fewer than three
        percentages have agents.
    """
    groups = _indices(agents, display)
    if len(groups) < 3:
        return None
    slopes, places = _fits([*groups], resampled([*groups.values()]))
    return _over_draws(slopes), _over_draws(places)


def shift(agents: Agents, display: str) -> Interval | None:
    """How far another display moves the place of one half from that of COMPARED[0], in log10.

    Both are fitted on the percentages that both have; None where these are fewer than three.
    """
    both = [_indices(agents, one) for one in (display, COMPARED[0])]
    percents = [percent for percent in both[0] if percent in both[1]]
    if display == COMPARED[0] or len(percents) < 3:
        return None
    drawn = resampled([groups[percent] for groups in both for percent in percents])
    other, first = (
        _fits(percents, some)[1] for some in (drawn[: len(percents)], drawn[len(percents) :])
    )
    return _over_draws(other - first)


def _indices(agents: Agents, display: str) -> dict[int, np.ndarray]:
    """Percentage -> the following index of each LSTM that is shown a display."""
    return {
        percent: np.array([one.following.mean for one in some if one.following])
        for percent, some in by_swaps(agents, display).items()
    }


def _fits(percents: Sequence[int], drawn: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Slope and place of one half of each draw, (draws,) each; drawn: (draws, n) per percentage."""
    places = [np.full(some.shape[1], np.log10(x)) for x, some in zip(percents, drawn, strict=True)]
    x = np.concatenate(places)
    middle = x.mean()
    fits = logistic(np.column_stack([np.ones(len(x)), x - middle]), np.hstack(drawn))
    return fits[:, 1], np.array([_place(level, slope, middle) for level, slope in fits])


def _over_draws(values: np.ndarray) -> Interval:
    """A figure with its interval; values: of all agents as they are, and then of draws."""
    return percentile_interval(values[0], values[1:], THRESHOLDS.confidence)


def halves(agents: Agents) -> tuple[list[str], Rows]:
    """Each display: how following depends on how often the switch is swapped."""
    rows = []
    for display in COMPARED:
        if found := half(agents, display):
            slope, place = found
            moved = shift(agents, display)
            times = _ends(moved, _factor) if moved else ""
            rows.append([display, shown(slope), _ends(place, _percent), times])
    head = ["display", "slope on log10 of swaps", "swaps in 100 at which it is one half"]
    return [*head, f"times that of {COMPARED[0]}"], rows


def _ends(interval: Interval, said: Callable[[float], str]) -> str:
    """An interval whose numbers are said in another way."""
    mean, low, high = map(said, (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]"


def _factor(shift: float) -> str:
    """A difference of log10 as a factor."""
    if abs(shift) >= LEAST:
        return "above 1000" if shift > 0 else "below 0.001"
    return f"{10**shift:.2g}"


def _place(level: float, slope: float, middle: float) -> float:
    """The x at which a fitted line of log odds crosses 0; NEVER or -NEVER if it does not rise."""
    if slope <= 0:
        return NEVER if level < 0 else -NEVER
    return float(np.clip(middle - level / slope, -NEVER, NEVER))


def _percent(place: float) -> str:
    """A log10 of episodes in 100 as text: "never" above 100, "always" where it is nearly 0."""
    if place > 2:
        return "never"
    return f"{10**place:.2g}" if place > -LEAST else "always"


def conditions(agents: Agents, confirmed: Agents) -> list[Condition]:
    """The declared conditions, and whether they hold; open where an interval contains the bar.

    confirmed: those of part 5 alone, on which the claims are tried.
    """
    main = ARMS["previous_50_lstm"]
    blind = [arm for arm in ARMS.values() if arm.display == "none"]
    leaks = [a.name for a in blind if any(is_leak(a, one) for one in agents.get(a.name, ()))]
    missing_blind = any(len(agents.get(a.name, ())) < len(seeds_of(a.name)) for a in blind)
    named = [one.word() == word for k, word in PLANTED_WORDS.items() for one in agents.get(k, ())]
    worth = value(confirmed, main)
    both = (main.name, main.blind.name)
    missing = missing_blind or any(len(confirmed.get(name, ())) < len(SECOND) for name in both)
    missing |= len(named) < len(PLANTED_WORDS)
    unsaid = "" if all(named) else "a planted agent gets another word"
    unsaid = "the switch leaks" if leaks else unsaid or (MISSING if missing else "")
    is_worth = _above(
        "previous, swapped in half: the display is worth more than 0.1", worth, WORTH, unsaid
    )
    followed = index(confirmed.get(main.name, ()))
    unsaid = unsaid or no_verdict(confirmed, main)
    return [
        Condition(
            "planted agents get their words",
            f"{sum(named)} of {len(PLANTED_WORDS)}",
            all(named) if len(named) == len(PLANTED_WORDS) else None,
        ),
        is_worth,
        _above(
            "previous, swapped in half: the following index is above 0.5",
            followed,
            FOLLOWED,
            unsaid or ("" if is_worth.holds else "the display is not worth enough"),
        ),
        Condition(
            "no agent without a display earns more than blind play can",
            ", ".join(leaks) or "none does",
            False if leaks else None if missing_blind else True,
        ),
    ]


def _above(text: str, found: Interval | None, bar: float, unsaid: str) -> Condition:
    """A condition that an interval lies above a bar; open where the interval contains the bar."""
    is_said = found is not None and not unsaid and not found.low <= bar <= found.high
    holds = bool(found.low > bar) if found is not None and is_said else None
    return Condition(text, shown(found) or "none", holds, unsaid or "open")


def is_leak(arm: Arm, agent: Measured) -> bool:
    """Whether an agent that is shown nothing earns more than the best blind one can."""
    return (
        agent.reward.mean - blind_bound(arm, agent)
        > LEAK * (agent.reward.high - agent.reward.mean) / Z
    )
