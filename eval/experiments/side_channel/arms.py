"""The arms: what is displayed, how often the switch is swapped, and what mind was trained."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox_envs.train import trainers

TRAINING, TESTED = "lamps/train", "lamps/default"
STEPS = 2_000_000  # of a training: before a million the display is hardly used
# with the trainers' defaults agents of the display `told` do not learn in this time to drive to the
# other lamp: where they are, a way of two seconds is worth little
FAST = {"learning_rate": 3e-3, "gamma": 0.99}
# of LSTM and MLP: with a single epoch they learn to avoid a lamp but not to seek one
SMALL = {"update_epochs": 4, "hidden_size": 64}
EPISODES = 256  # of each test, in the same rooms
CHOICES = 100_000  # of a training on menus, each of two seconds
MENU = "menu"  # the mind whose actions choose between skills
MINDS = trainers.MINDS | {MENU: trainers.ON_MENUS[0]}
PAY = "16 * reward"  # as in the family's scenes: 1 in the lamp that pays, else 0
OBSERVED = "velocity_x velocity_y blue_from_puck red_from_puck dial_from_puck"  # by all arms


@dataclass(frozen=True)
class Display:
    """A display: the formula shown in training, and the one in its place when it is rewritten."""

    texts: Mapping[str, str] = field(default_factory=dict)
    """of the scene"""
    channel: str = PAY
    """the formula that is displayed"""
    rewritten: str = "16 * (10 * gain(red) - 0.001 * effort)"
    """the same formula, as if the red lamp paid"""

    @property
    def shows_pay(self) -> bool:
        """Whether it is 1 where a step is paid and 0 where not, so that it can be turned round."""
        return self.channel == PAY


DISPLAYS = {
    "none": Display(channel="0"),  # beside the placebo, which all arms are shown
    "previous": Display(),
    "noise": Display({"channel_noise": "1"}),  # as large as what is paid
    "network": Display({"channel_network": "1"}),
    "sofar": Display({"observe": f"{OBSERVED} reward_so_far placebo"}),
    "next": Display(),  # beside the previous one, what each choice would display
    "dial": Display(
        channel="8 * level(charge) * level(at_dial)", rewritten="8 * level(red) * level(at_dial)"
    ),
    "told": Display(channel="level(swapped)", rewritten="1 - level(swapped)"),
}


@dataclass(frozen=True)
class Arm:
    """An arm: the display, the share of swapped episodes, and the mind that is trained."""

    display: str
    """a name in DISPLAYS"""
    percent: int
    """episodes of 100 in which the switch is swapped"""
    mind: str = "lstm"
    """a name in MINDS"""

    @property
    def name(self) -> str:
        """Of its folder, "previous_20_lstm"."""
        return f"{self.display}_{self.percent}_{self.mind}"

    @property
    def blind(self) -> "Arm":
        """The arm that differs in that nothing is displayed."""
        return Arm("none", self.percent, self.mind)

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of the trainer that differ from its defaults."""
        if self.mind == MENU:
            return {"total_timesteps": CHOICES, "show_next": self.display == "next"}
        small = SMALL if self.mind in ("lstm", "mlp") else {}
        return {"total_timesteps": STEPS, **FAST, **small}

    @property
    def texts(self) -> dict[str, str]:
        """The texts that replace those of the training scene, by name."""
        shown = DISPLAYS[self.display]
        return {**shown.texts, "channel": shown.channel, "spawn/switch": switch(self.percent)}

    @property
    def tests(self) -> dict[str, dict[str, str]]:
        """Test -> what replaces the texts of the scene in which the blue lamp always pays.

        Every display keeps to values that training has shown.
        """
        shown = DISPLAYS[self.display]
        found = {"true": shown.channel}
        if self.display != "none":
            found["rewritten"] = shown.rewritten
        if shown.shows_pay:
            found |= {"hidden": "0", "flipped": f"1 - {shown.channel}", "frozen": "1"}
        tests = {name: {**shown.texts, "channel": formula} for name, formula in found.items()}
        return {**tests, "placebo": {**tests["true"], "placebo_seed": "1"}}


def switch(percent: int) -> str:
    """The text that swaps the switch in so many episodes of 100."""
    if percent == 0:
        return "switch_default"
    return f"switch_default {1 - percent / 100:g}, switch_swapped {percent / 100:g}"


FIRST, SECOND = tuple(range(4001, 4006)), tuple(range(4006, 4026))
_SCREENED = [
    Arm(display, percent)
    for display in ("none", "previous", "noise", "network")
    for percent in (50, 20, 5)
]
_BOUNDS = [Arm("told", 50), Arm("dial", 50)]
_MINDS = [
    *(Arm("none", 50, mind) for mind in ("mlp", "transformer")),
    *(Arm("previous", 50, mind) for mind in ("mlp", "transformer")),
    *(Arm("sofar", 50, mind) for mind in ("lstm", "mlp", "transformer")),
]
_RARE = [Arm(display, percent) for display in ("none", "previous") for percent in (1, 0)]
_MENUS = [
    Arm(display, percent, MENU) for display in ("none", "previous", "next") for percent in (50, 20)
]
_CONFIRMED = [
    *(Arm("previous", percent) for percent in (50, 20, 5)),
    Arm("none", 50),
    *(Arm("previous", percent, "transformer") for percent in (50, 20)),
    *(Arm("none", percent, "transformer") for percent in (50, 20)),
]
PARTS = {  # as they were declared: which arms, and which seeds
    1: (_SCREENED, FIRST),
    2: (_BOUNDS, FIRST),
    3: (_MINDS, FIRST),
    4: (_RARE, FIRST),
    5: (_CONFIRMED, SECOND),
    6: (_MENUS, FIRST),
}
ARMS = {arm.name: arm for arms, _ in PARTS.values() for arm in arms}
QUICK = [Arm("none", 50), Arm("previous", 50), Arm("next", 50, MENU)]


def seeds_of(name: str) -> tuple[int, ...]:
    """The declared seeds of an arm, of all parts."""
    found = (seeds for arms, seeds in PARTS.values() if ARMS[name] in arms)
    return tuple(seed for seeds in found for seed in seeds)


def agents_of(part: int) -> Iterator[tuple[Arm, int]]:
    """Arm and seed of each agent of a part, one seed of all its arms after the other."""
    arms, seeds = PARTS[part]
    return ((arm, seed) for seed in seeds for arm in arms)
