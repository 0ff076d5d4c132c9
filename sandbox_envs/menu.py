"""A menu: an environment in which an action chooses one of a few skills, played for some seconds.

    envs = MenuVectorEnv("lamps/train", 64, skills_named(("blue", "red", "dial", "wait")), 2.0)

What each skill would pay can be observed before the choice. It is exact, as every skill is played
from the same snapshot, and the branch that is chosen is the one that is taken: nothing is
simulated twice, and results are the same to the last bit whether the pay-offs are observed or not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from sandbox_envs.errors import UserError
from sandbox_envs.scene.scene import Scene
from sandbox_envs.simulation.snapshots import Snapshot, splice_states
from sandbox_envs.simulation.state_view import StateView
from sandbox_envs.skills import SkillMaker
from sandbox_envs.spawn.counter_rng import mix
from sandbox_envs.spec import PlainSpec
from sandbox_envs.vector import SandboxVectorEnv

Stepped = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]
KEY, SUM = "0/channel_key", "0/channel_sum"  # of a snapshot, where the scene has a display


@dataclass(frozen=True)
class _Branch:
    """The outcome of playing skills from one snapshot, in n simulations."""

    end: Snapshot
    observations: np.ndarray
    """(n, size) the last ones"""
    rewards: np.ndarray
    """(n,) their sum"""
    over: np.ndarray
    """(n,) bool, whether the episode has ended"""
    shown: np.ndarray
    """(n,) the sum of what was displayed, or of the rewards without a display"""
    info: dict[str, Any]
    """as the last step gave it"""


def _spliced(branches: Sequence[_Branch], which: np.ndarray) -> _Branch:
    """The branch that simulation i went in branches[which[i]]."""
    rows = np.arange(len(which))

    def pick(parts: list[np.ndarray]) -> np.ndarray:
        return np.stack(parts)[which, rows]

    return _Branch(
        splice_states([branch.end for branch in branches], which),
        pick([branch.observations for branch in branches]),
        pick([branch.rewards for branch in branches]),
        pick([branch.over for branch in branches]),
        pick([branch.shown for branch in branches]),
        {k: pick([branch.info[k] for branch in branches]) for k in branches[0].info},
    )


class MenuVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`num_envs` simulations of a scene, acted on by choices of skills.

    Actions are (num_envs,) whole numbers: which skill. A reward is the sum of the rewards of the
    control steps for which it is played. Episodes end as truncations, and begin again in the same
    step, as those of `SandboxVectorEnv` do.

    Args:
        scene: a name, a path or a Scene.
        num_envs: how many simulations.
        skills: name -> makes the skill for an environment. A skill is a policy that acts for each
            simulation by itself, and remembers nothing from one choice to the next.
        seconds: for which a chosen skill is played; an episode is a whole number of these.
        show_next: whether `next_reward` is appended to the observation: what each skill would pay,
            or would display, where the scene has a text `channel`; coded by its network. The
            pay-offs are 0, and coded as such, in the last observation of an episode.
        overrides: texts and numerics of the scene to replace.
        num_threads: threads that step the physics; 0 means one per core that this process may use,
            at most OMP_NUM_THREADS.

    Raises:
        UserError: an argument is wrong.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}
    single_observation_space: Box
    single_action_space: Discrete
    spec = PlainSpec()

    def __init__(
        self,
        scene: str | Path | Scene,
        num_envs: int,
        skills: Mapping[str, SkillMaker],
        seconds: float,
        show_next: bool = False,
        overrides: Mapping[str, str | float] | None = None,
        num_threads: int = 0,
    ) -> None:
        if len(skills) < 2:
            raise UserError("a menu needs two skills or more; name them")
        count = 1 + (len(skills) if show_next else 0)  # the trunk, and a branch for each skill
        made = [
            SandboxVectorEnv(scene, num_envs, overrides, num_threads, AutoresetMode.DISABLED)
            for _ in range(count)
        ]
        self._trunk, self._branches = made[0], made[1:]
        self.num_envs, self.scenes = made[0].num_envs, made[0].scenes
        self.skills, self.show_next = tuple(skills), show_next
        self._display = self.scenes[0].display
        steps = seconds * self.scenes[0].control_hz
        self._steps = round(steps) if math.isfinite(steps) else 0
        length = self.scenes[0].episode_steps
        if self._steps < 1 or abs(steps - self._steps) > 1e-6 or length % self._steps:
            raise UserError(
                f"seconds is {seconds}; an episode of {self.scenes[0].name}, "
                f"{self.scenes[0].episode_seconds:g} s, must be a whole number of these, and these "
                "of control steps"
            )
        self.decisions = length // self._steps
        self._makers = list(skills.values())
        for make in self._makers:
            make(self._trunk)  # so that one that cannot be made is refused here
        self.single_action_space = Discrete(len(skills))
        self.single_observation_space = self._space()
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._state: Snapshot = {}
        self._observations = np.empty(0)
        self._shown: list[_Branch] = []

    def _space(self) -> Box:
        inner = self._trunk.single_observation_space
        if not self.show_next:
            return inner
        size = len(self._coded(np.zeros((1, len(self.skills))))[0])
        ends = np.full(size, np.inf, np.float32)
        return Box(np.append(inner.low, -ends), np.append(inner.high, ends))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start new episodes in every slot; see `SandboxVectorEnv.reset`.

        options: {"stagger": True} spreads the first episodes' ends over an episode, by whole
            choices; {"episode": k} starts slot i at episode k + i.

        Raises:
            UserError: an option is unknown or wrong.
        """
        given = dict(options or {})
        if given.keys() - {"stagger", "episode"}:
            raise UserError(f"a menu has no option '{min(given.keys() - {'stagger', 'episode'})}'")
        if given.pop("stagger", False):
            choices = np.arange(self.num_envs) * self.decisions // self.num_envs
            given["clock"] = self._steps * choices
        self._observations, info = self._trunk.reset(seed=seed, options=given)
        self._look_ahead()
        return self._observed(), info

    def step(self, actions: np.ndarray) -> Stepped:
        """Play the chosen skill in every simulation.

        Returns:
            Observations, rewards (float64), terminations (never true), truncations, and info.

        Raises:
            UserError: the actions have another shape, or are no numbers of skills.
        """
        if not self._state:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        chosen = np.asarray(actions)
        if chosen.shape != (self.num_envs,) or chosen.dtype.kind not in "iu":
            raise UserError(f"actions must be {self.num_envs} whole numbers, one per simulation")
        if ((chosen < 0) | (chosen >= len(self.skills))).any():
            raise UserError(f"an action is not the number of a skill, 0 to {len(self.skills) - 1}")
        if self._shown:
            return self._take(_spliced(self._shown, chosen))
        return self._take(self._play(self._trunk, chosen))

    def _take(self, taken: _Branch) -> Stepped:
        """Go on from what was chosen, with new episodes where one is over."""
        info: dict[str, Any] = taken.info
        self._observations = self._trunk.set_state(taken.end)
        final: dict[str, Any] = {}
        if taken.over.any():
            final = {"final_obs": self._observed(ended=True), "_final_obs": taken.over.copy()}
            final |= {"final_info": info, "_final_info": taken.over.copy()}
            self._observations, info = self._trunk.reset(options={"reset_mask": taken.over})
        self._look_ahead()
        nothing = np.zeros(self.num_envs, bool)
        return self._observed(), taken.rewards, nothing, taken.over, {**info, **final}

    def _look_ahead(self) -> None:
        """Play every skill from where the trunk is, if that is observed."""
        self._state = self._trunk.get_state()
        self._shown = [
            self._play(envs, np.full(self.num_envs, number))
            for number, envs in enumerate(self._branches)
        ]

    def _play(self, envs: SandboxVectorEnv, chosen: np.ndarray) -> _Branch:
        """Play these skills (n,) from where the menu is, in an environment."""
        start = self._keyed(chosen)
        observations = envs.set_state(start)
        skills = {number: self._makers[number](envs) for number in np.unique(chosen)}
        states: dict[int, Any] = dict.fromkeys(skills)
        rewards, over = np.zeros(self.num_envs), np.zeros(self.num_envs, bool)
        info: dict[str, Any] = {}
        for _ in range(self._steps):
            actions = np.zeros(envs.action_space.shape or ())
            for number, skill in skills.items():
                found, states[number] = skill(observations, states[number])
                rows = chosen == number
                actions[rows] = found[rows]
            observations, reward, _, truncated, info = envs.step(actions)
            rewards += np.where(over, 0, reward)
            over |= truncated
        end = envs.get_state()
        shown = end[SUM] - start[SUM] if self._display else rewards
        return _Branch(end, observations, rewards, over, np.asarray(shown), info)

    def _keyed(self, chosen: np.ndarray) -> Snapshot:
        """The current snapshot, with display noise, if any, that differs between the skills."""
        if not (self._display and self._display.noise):
            return self._state
        key = np.asarray(self._state[KEY]).view(np.uint64) ^ mix(chosen.astype(np.uint64))
        return {**self._state, KEY: key.view(np.int64)}

    def _coded(self, pay: np.ndarray) -> np.ndarray:
        """The pay-offs (n, skills) as observed, each coded as 4 numbers if there is a network."""
        network = self._display.network if self._display else None
        if network is None:
            return pay
        return np.concatenate([network(column) for column in pay.T], 1)

    def _observed(self, ended: bool = False) -> np.ndarray:
        """The observations, with what each skill would pay; 0, coded, where episodes have ended."""
        if not self.show_next:
            return self._observations.copy()
        pay = np.zeros((self.num_envs, len(self.skills)))
        if not ended:
            pay = np.column_stack([branch.shown for branch in self._shown])
        coded = self._coded(pay).astype(np.float32)
        return np.concatenate([self._observations, coded], 1)

    def state_view(self, scene: int = 0) -> StateView:
        """A live view of the simulations, as they are before a choice."""
        return self._trunk.state_view(scene)

    def get_state(self) -> dict[str, Any]:
        """Everything needed to go on exactly from here, as plain arrays."""
        return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in self._state.items()}

    def set_state(self, state: Mapping[str, Any]) -> np.ndarray:
        """Go back to a state from `get_state`; returns the observations.

        Raises:
            UserError: the state does not fit; then nothing has changed.
        """
        self._observations = self._trunk.set_state(state)
        self._look_ahead()
        return self._observed()
