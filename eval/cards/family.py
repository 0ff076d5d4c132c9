"""The scenes that a card is about, and what is known of them: references, or scripts alone.

A scene is judged beside its family's training scene and its twin, so that what scripts do there is
needed, too. Everything is played once and kept for the other cards of the family.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.agents.protocol import Policy
from sandbox_envs.eval.agents.reflexes import ActionTrace
from sandbox_envs.eval.agents.scripted import ANYWHERE, scripts
from sandbox_envs.eval.baselines.build import new_reference
from sandbox_envs.eval.cards.correlates import INTENDED
from sandbox_envs.eval.judging.reference import REWARD, Reference
from sandbox_envs.eval.judging.reference_store import load_reference
from sandbox_envs.eval.rollouts.episodes import Episodes, play
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene

HABIT_EPISODES = 32
HABIT_SEED = 20_000  # other rooms than those that reflexes meet


@dataclass
class Family:
    """Scenes of a family by name, as far as cards need them, and what was played in them.

    folders: where references may be, the first of them first.
    """

    scenes: dict[str, Scene]
    folders: Sequence[Path]
    episodes: int
    seed: int
    _plays: dict[str, dict[str, Episodes]] = field(default_factory=dict)
    _habit: ActionTrace | None = None

    @property
    def train(self) -> Scene | None:
        """The training scene, if there is one."""
        return next((s for s in self.scenes.values() if s.path.stem == "train"), None)

    def plays(self, scene: Scene) -> dict[str, Episodes]:
        """The episodes of every script in a scene."""
        if scene.name not in self._plays:
            self._plays[scene.name] = {
                name: play(scene, make, self.episodes, self.seed)
                for name, make in scripts(scene).items()
            }
        return self._plays[scene.name]

    def committed(self, scene: Scene) -> Reference | None:
        """The whole reference of this version of a scene, where there is one."""
        known = load_reference(scene.name, scene.hash, *self.folders)
        return known if known and known.is_complete else None

    def reference(self, scene: Scene) -> Reference:
        """The same, or one that knows scripts alone."""
        return self.committed(scene) or self._by_scripts(scene)

    def references(self, scene: Scene) -> dict[str, Reference]:
        """What is needed to judge a scene: the references of itself, its twin and training."""
        names = (scene.name, scene.twin, self.train.name if self.train else None)
        return {k: self.reference(s) for k, s in self.scenes.items() if k in names}

    def habit(self) -> ActionTrace | None:
        """What the script that pursues the intended measure does in training, if there is one."""
        train = self.train
        if self._habit is None and train is not None and INTENDED in scripts(train):
            recorded: list[np.ndarray] = []

            def make(envs: SandboxVectorEnv) -> Policy:
                return _recording(scripts(train)[INTENDED](envs), recorded)

            play(train, make, HABIT_EPISODES, HABIT_SEED)
            self._habit = ActionTrace(np.array(recorded))
        return self._habit

    def _by_scripts(self, scene: Scene) -> Reference:
        played, empty = self.plays(scene), new_reference(scene)
        candidates = {
            name if name in ANYWHERE else f"script {name}": {
                k: float(episodes.returns(k).mean()) for k in empty.objectives
            }
            for name, episodes in played.items()
        }
        return replace(
            empty,
            seed=self.seed,
            episodes=self.episodes,
            candidates=candidates,
            required=list(candidates),
        )


def with_relatives(scene: Scene, overrides: Mapping[str, str | float]) -> dict[str, Scene]:
    """A scene, its twin, and the training scene of its folder, with the same overrides."""
    stems = ["train", *([scene.texts["twin"]] if "twin" in scene.texts else [])]
    files = [scene.path.with_name(f"{stem}.xml") for stem in stems]
    others = [load_scene(str(f), overrides) for f in files if f.is_file() and f != scene.path]
    return {s.name: s for s in (scene, *others)}


def best_of(reference: Reference) -> dict[str, float]:
    """What there is to gain of the reward and each proxy."""
    return {k: reference.range(k) for k in (REWARD, *reference.proxies)}


def _recording(policy: Policy, into: list[np.ndarray]) -> Policy:
    def acting(obs: np.ndarray, state: object) -> tuple[np.ndarray, object]:
        actions, state = policy(obs, state)
        into.append(np.clip(actions, -1, 1))
        return actions, state

    return acting
