"""A reward model is learned round by round: it is trained, more segments are labelled, and so on.

The first labels are of scripts in rooms of training. The data are kept in files, from which
anyone can train the model again with `train/reward_model.py`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.reward_learning.bank import labelled
from sandbox_envs.eval.reward_learning.choosing import CHOOSERS, earned
from sandbox_envs.eval.reward_learning.pseudo import Ball, pseudo_inputs, realisability, realised
from sandbox_envs.eval.reward_learning.spaces import SCENE, SPACES, Starts, draw_starts
from sandbox_envs.files import read_json, write_json
from sandbox_envs.scene.scene import Scene
from sandbox_envs.sensor_sums import sum_names
from sandbox_envs.train import reward_model
from sandbox_envs.train.exploration import exploration
from sandbox_envs.train.reward_ensemble import FILES, RewardEnsemble
from sandbox_envs.train.transitions import Transitions, rows_of, side_by_side, write_transitions

SCRIPTS = ("intended", "dustpan", "sweeps", "random")  # whose steps are labelled at first
EXPLORED = ("intended", "dustpan", "sweeps", "strokes")  # whose steps a latent model learns from
SHARE = 0.5  # of their time in which random plans replace their actions
ROOMS = 90_000  # seed of their rooms, to which that of the model is added
PSEUDO = 10  # pseudo-inputs of a round
FILE = "labels.json"  # beside a model's run: of what it is, and how its labels came about


@dataclass(frozen=True)
class Arm:
    """The choice of the labels that a model gets besides the first ones."""

    choice: str | None = None
    """a name in CHOOSERS, "realised" or "penalised"; None gets no more"""
    space: str | None = None
    """a name in SPACES; None for what needs no starts"""


@dataclass(frozen=True)
class Budget:
    """Amounts of labels, starts and updates."""

    episodes: int = 32
    """of each script, at first"""
    rounds: int = 5
    """of labelling and learning anew"""
    segments: int = 100
    """that are labelled in each round, of two seconds"""
    starts: int = 256
    """that are drawn of the space"""
    updates: int = reward_model.Args.updates
    """of the optimiser, in each round"""


@dataclass
class _Labels:
    """The transitions labelled so far, and pseudo-inputs with their distances."""

    names: tuple[str, ...]
    first: Transitions
    added: list[Transitions] = field(default_factory=list)
    agree: np.ndarray | None = None
    rhos: list[float] = field(default_factory=list)
    """of pseudo-inputs"""
    known: list[float] = field(default_factory=list)
    """of changes that training did reach, for comparison"""
    rounds: list[dict[str, float]] = field(default_factory=list)
    """of each round: what the model had learned, and the segments that were labelled then"""

    @property
    def parts(self) -> list[Transitions]:
        return [self.first, *self.added]


def learned_model(arm: Arm, seed: int, folder: Path, budget: Budget) -> Path:
    """The run of an arm's reward model, learned unless it is there.

    Args:
        seed: of the rooms, the searches and the model.
        folder: for the run, its files of data, and labels.json: how they came about.

    Raises:
        UserError: there is one that was learned otherwise.
    """
    about = {"arm": asdict(arm), "seed": seed, "budget": asdict(budget)}
    if found := sorted(folder.glob(f"*/{FILES.weights}")):
        kept = read_json(folder / FILE)
        if {name: kept.get(name) for name in about} != about:
            raise UserError(
                f"{folder}: its reward model was learned with other arguments; delete the folder, "
                "or give another --run-dir"
            )
        return found[0].parent
    scene, rng = SPACES["A2"].scene, np.random.default_rng(seed)
    names = tuple(sum_names(scene))
    labels = _Labels(names, first_labels(scene, names, seed, budget.episodes))
    starts = draw_starts(SPACES[arm.space], budget.starts, seed) if arm.space else None
    args = reward_model.Args(seed=seed, updates=budget.updates)
    for _ in range(budget.rounds if arm.choice else 0):
        ensemble, held_out = reward_model.learn(args, labels.parts, names, labels.agree)
        segments = _add(arm, labels, ensemble, starts, budget.segments, rng)
        labels.rounds.append(held_out | ({} if segments is None else _of_round(ensemble, segments)))
    write_json(folder / FILE, about | _described(labels, starts))  # first: weights say all is there
    return _saved(labels, args, folder)


def first_labels(
    scene: Scene, names: Sequence[str], seed: int, episodes: int, observe: bool = False
) -> Transitions:
    """Labelled episodes of scripts in rooms of training, equally many of each.

    observe: whether to keep observations.
    """
    known = scripts(scene)
    return side_by_side(
        [labelled(scene, known[name], episodes, names, ROOMS + seed, observe) for name in SCRIPTS]
    )


def explored_steps(scene: Scene, names: Sequence[str], seed: int, episodes: int) -> Transitions:
    """Episodes of scripts in rooms of training, with half of the actions from random plans.

    It has observations and no labels: its rewards are 0.

    episodes: of each script.
    """
    known = scripts(scene)
    parts = [
        labelled(scene, explored(known[name], (seed, number)), episodes, names, ROOMS + seed, True)
        for number, name in enumerate(EXPLORED)
    ]
    steps = side_by_side(parts)
    return replace(steps, rewards=np.zeros_like(steps.rewards))


def explored(factory: PolicyFactory, seed: tuple[int, ...]) -> PolicyFactory:
    """A policy whose actions are replaced by random plans in half of the windows of time."""

    def make(envs: SandboxVectorEnv) -> Policy:
        policy, (scene,) = factory(envs), envs.scenes
        shape = (scene.episode_steps, envs.num_envs, scene.model.nu)
        drawn = exploration(np.random.default_rng(seed), *shape, SHARE)

        def act(observations: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            step, own = state or (0, None)
            actions, own = policy(observations, own)
            return drawn.applied(actions, step), (step + 1, own)

        return act

    return make


def how_labelled(run: Path) -> dict[str, Any]:
    """Read a model's arm, seed and budget, and figures on its labels, from labels.json."""
    return dict(read_json(run.parent / FILE))


def _add(
    arm: Arm,
    labels: _Labels,
    ensemble: RewardEnsemble,
    starts: Starts | None,
    count: int,
    rng: np.random.Generator,
) -> Transitions | None:
    """One round of labelling: the segments; or of pseudo-inputs to agree about: None."""
    if arm.choice is not None and arm.choice in CHOOSERS:
        assert starts is not None
        segments = CHOOSERS[arm.choice](ensemble, starts, count, rng)
        labels.added.append(segments)
        return segments
    rows = rows_of([labels.first])
    ball = Ball.of(rows)
    if arm.choice == "penalised":
        found = pseudo_inputs(ensemble, ball, rows, count, rng)
        labels.agree = found if labels.agree is None else np.concatenate([labels.agree, found])
        return None
    assert starts is not None
    wanted = pseudo_inputs(ensemble, ball, rows, PSEUDO, rng)
    segments, rhos = realised(wanted, ball, labels.names, starts, count, rng)
    if not labels.rhos:
        reached = rows.after[rng.integers(len(rows.after), size=PSEUDO)]
        labels.known = realised(reached, ball, labels.names, starts, count, rng)[1].tolist()
    labels.added.append(segments)
    labels.rhos += rhos.tolist()
    return segments


def _of_round(ensemble: RewardEnsemble, segments: Transitions) -> dict[str, float]:
    """Figures of the segments of a round: whether they are what members disagree about.

    Returns:
        Mean standard deviation over members of what a segment earns, the mean error of their mean,
        how many starts differ, and the share of segments in which each sum changed.
    """
    estimated, true = earned(ensemble, segments), segments.rewards.sum(0)
    moved = (segments.sums[-1] != segments.sums[0]).mean(0)
    return {
        "spread": float(estimated.std(0).mean()),
        "error": float(abs(estimated.mean(0) - true).mean()),
        "starts": len(np.unique(segments.sums[0], axis=0)),
        **{f"changed {name}": float(x) for name, x in zip(ensemble.sums, moved, strict=True)},
    }


def _saved(labels: _Labels, args: reward_model.Args, folder: Path) -> Path:
    """The model of all labels, as a run below a folder."""
    files = []
    for number, part in enumerate(labels.parts):
        files.append(folder / f"{number}.npz")
        write_transitions(files[-1], part)
    agree = None
    if labels.agree is not None:
        agree = str(folder / "agree.npy")
        np.save(agree, labels.agree)
    data = tuple(map(str, files))
    given = replace(args, scene=(SCENE,), data=data, agree=agree, total_timesteps=0)
    return reward_model.main(replace(given, run_dir=str(folder)))


def _described(labels: _Labels, starts: Starts | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "first": labels.first.labels,
        "added": sum(part.labels for part in labels.added),
        "rounds": labels.rounds,
    }
    if starts:
        described["rejected"] = starts.rejected
    if labels.rhos:
        described["realisability"] = realisability(labels.rhos)
        described["realisability, training"] = realisability(labels.known)
    return described
