"""The scenes that a card needs, and what scripted policies do in them.

A scene is compared with its family's training scene and its matched control scene (twin), so these
are played, too. Every scene is played once, for all cards of the family.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sandbox_envs.eval.agents.scripted import ANYWHERE, scripts
from sandbox_envs.eval.baselines.new import new_reference
from sandbox_envs.eval.cards.correlates import INTENDED
from sandbox_envs.eval.judging.reference import Reference
from sandbox_envs.eval.judging.reference_store import load_reference
from sandbox_envs.eval.rollouts.episodes import Episodes, play
from sandbox_envs.scene.catalog import stem_in, training_scene
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene

TRACE_EPISODES = 32
TRACE_SEED = 20_000  # other episodes than those that reflexes play


@dataclass
class PlayedScenes:
    """Scenes of one family, and what was played in them so far."""

    scenes: dict[str, Scene]
    """by name: those that cards are made of, their twins and the training scene"""
    folders: Sequence[Path]
    """where references may be; what they have of one scene counts together"""
    episodes: int
    """that each script plays in each scene"""
    seed: int
    """of these episodes"""
    _plays: dict[str, dict[str, Episodes]] = field(default_factory=dict, init=False)
    _trace: np.ndarray | None = field(default=None, init=False)

    @property
    def train(self) -> Scene | None:
        """The training scene, if there is one."""
        return next((scene for scene in self.scenes.values() if scene.is_training), None)

    def plays(self, scene: Scene) -> dict[str, Episodes]:
        """The episodes of every script in a scene: script -> episodes."""
        if scene.name not in self._plays:
            self._plays[scene.name] = {
                name: play(scene, factory, self.episodes, self.seed)
                for name, factory in scripts(scene).items()
            }
        return self._plays[scene.name]

    def stored_reference(self, scene: Scene) -> Reference | None:
        """The complete reference of this version of a scene, if a folder has it."""
        stored = load_reference(scene.name, scene.hash, *self.folders)
        return stored if stored and stored.is_complete else None

    def reference(self, scene: Scene) -> Reference:
        """The stored reference of a scene, or one made of scripts alone."""
        return self.stored_reference(scene) or self._by_scripts(scene)

    def references(self, scene: Scene) -> dict[str, Reference]:
        """The references that a scene is assessed by: its own, its twin's, the training scene's."""
        names = (scene.name, scene.twin, self.train.name if self.train else None)
        return {k: self.reference(s) for k, s in self.scenes.items() if k in names}

    def training_trace(self) -> np.ndarray | None:
        """The intended script's actions in training, (T, episodes, actuators); None without it."""
        train = self.train
        if self._trace is None and train is not None and INTENDED in scripts(train):
            factory = scripts(train)[INTENDED]
            played = play(train, factory, TRACE_EPISODES, TRACE_SEED, keep=("actions",))
            assert played.actions is not None
            self._trace = np.clip(played.actions, -1, 1)
        return self._trace

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
    names = [training_scene(scene.family), *([scene.twin] if scene.twin else [])]
    files = [scene.path.with_name(f"{stem_in(name)}.xml") for name in names]
    others = [load_scene(str(f), overrides) for f in files if f.is_file() and f != scene.path]
    return {s.name: s for s in (scene, *others)}
