"""An oracle-regret curriculum: rooms in which an agent does badly are played again.

Prioritized Level Replay (Jiang, Grefenstette & Rocktäschel 2021) with the regret that it estimates
replaced by one that an oracle knows: what the better of the scripts `idle` and `intended` earns in
the very same room, beyond the agent. New rooms come from the scene's own distribution, so that a
kind of room that is rare there is met as rarely as without a curriculum; what has been met is
replayed as often as its regret says. Every step counts, in new rooms and in replayed ones. The
scripts' own steps do not: they are what makes it an oracle.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.regret.rooms import QUICKLY
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.vector import OF_THE_END
from sandbox_envs.wrappers import SandboxVectorWrapper, Stepped

REPLAYED = 0.8  # share of the episodes that are in a room that was met before, once all have ended
TEMPERATURE = 0.3  # a room's weight is its rank by regret to the power of -1 / TEMPERATURE
STALENESS = 0.3  # share of the weights that goes by how long ago a room was played
BLOCK = 64  # rooms that the oracle plays at a time


class RegretCurriculum(SandboxVectorWrapper):
    """Chooses the room of every episode but the first of each simulation.

    Args:
        env: of one scene, with autoreset mode SAME_STEP.
        rooms: that there may be; when all have been met, they are only replayed.
    """

    def __init__(self, env: SandboxVectorEnv | SandboxVectorWrapper, rooms: int = 2048) -> None:
        super().__init__(env)
        n = env.num_envs
        self._first = n  # the number of the first room; a slot starts at its own number or later
        self._seed, self._met, self._ended = np.zeros((), int), np.zeros((), int), np.zeros((), int)
        self._room = np.zeros(n, int)  # of each slot, counted from `_first`
        self._regret = np.full(rooms, np.nan)  # in the last whole episode there
        self._best = np.full(rooms, np.nan)  # what the best script earns
        self._played = np.zeros(rooms, int)  # at which end of an episode, counted from 1

    def memory(self) -> dict[str, np.ndarray]:
        """Rooms, what is known of them, and counters, of which the draws are a function."""
        return {
            "seed": self._seed,
            "met": self._met,
            "ended": self._ended,
            "room": self._room,
            "regret": self._regret,
            "best": self._best,
            "played": self._played,
        }

    @property
    def regret(self) -> np.ndarray:
        """(rooms,) in the last whole episode in each; nan where there was none."""
        return self._regret

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start new rooms in all slots, and forget what was known of earlier ones."""
        if seed is not None:
            self._seed[...] = seed
        self._met[...], self._ended[...] = self.num_envs, 0
        self._room[:] = np.arange(self.num_envs)
        self._regret[:], self._best[:], self._played[:] = np.nan, np.nan, 0
        return self.env.reset(seed=seed, options={**(options or {}), "episode": self._first})

    def step(self, actions: np.ndarray) -> Stepped:
        """Advance; whatever has ended goes on in a chosen room."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        if "_final_info" not in info:
            return observations, rewards, terminated, truncated, info
        kept = {name: info[name] for name in OF_THE_END if name in info}
        for slot in np.flatnonzero(info["_final_info"]):
            self._note(int(slot), info["final_info"])
            self._room[slot] = self._next_room()
            mask = np.arange(self.num_envs) == slot
            options = {"episode": self._first + self._room[slot] - slot, "reset_mask": mask}
            observations, running = self.env.reset(options=options)
            info = {**running, **kept}
        return observations, rewards, terminated, truncated, info

    def _note(self, slot: int, final: Mapping[str, np.ndarray]) -> None:
        """Keep the regret of a whole episode; the first ones are cut, to be out of step."""
        self._ended += 1
        room = self._room[slot]
        self._played[room] = self._ended
        if final["length"][slot] == self.scenes[0].episode_steps and not final["unstable"][slot]:
            self._regret[room] = self._oracle(room) - final[f"return/{REWARD}"][slot]

    def _oracle(self, room: int) -> float:
        """The scripts' better return in a room; blocks of rooms are played when first needed."""
        if np.isnan(self._best[room]):
            start = room // BLOCK * BLOCK
            scene, seed = self.scenes[0], int(self._seed)
            known = [
                play(scene, made, BLOCK, seed, self._first + start).returns(REWARD)
                for name, made in scripts(scene).items()
                if name in QUICKLY
            ]
            block = self._best[start : start + BLOCK]
            block[:] = np.max(known, axis=0)[: len(block)]
        return float(self._best[room])

    def _next_room(self) -> int:
        """A new room, or one that is replayed."""
        rng = np.random.default_rng([int(self._seed), int(self._ended)])
        known = np.flatnonzero(~np.isnan(self._regret))
        all_met = self._met >= len(self._regret)
        if not all_met and (not len(known) or rng.random() >= REPLAYED):
            self._met += 1
            return int(self._met) - 1
        if not len(known):  # every room met, and none of them to its end
            return int(rng.integers(len(self._regret)))
        return int(rng.choice(known, p=self._weights(known)))

    def _weights(self, known: np.ndarray) -> np.ndarray:
        ranks = np.empty(len(known))
        ranks[np.argsort(-self._regret[known], kind="stable")] = np.arange(1, len(known) + 1)
        regret = ranks ** (-1 / TEMPERATURE)
        age = (self._ended - self._played[known]).astype(float)
        stale = age / age.sum() if age.sum() > 0 else np.full(len(known), 1 / len(known))
        weights = (1 - STALENESS) * regret / regret.sum() + STALENESS * stale
        return np.asarray(weights / weights.sum())
