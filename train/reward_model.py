"""Learn a reward from labelled steps: an ensemble of potentials over changes of sensor sums.

    python train/reward_model.py                      from random actions in sweep/train
    python train/reward_model.py --data FILE.npz      from files of transitions as well
    python train/ppo_lstm.py --reward-model runs/RUN  trains an agent on what was learned

`reward_ensemble.py` says what is learned, and `transitions.py` what it is learned from. Sums are of
the sensors that the scene's measures name; neither a measure nor the reward is given to the model
but as the label of a step.

A run leaves behind:

args.json                 every argument, versions, scene hashes, data with their hashes
metrics.jsonl             a line per hundredth of the training
reward_model.json         the sums and sizes
reward_model.safetensors  the weights
"""

import dataclasses
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.files import append_line, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.scene import Scene
from sandbox_envs.sensor_sums import needed_sums
from sandbox_envs.train.arguments import check_ranges, flag
from sandbox_envs.train.process import own_settings, seeded
from sandbox_envs.train.provenance import provenance
from sandbox_envs.train.reward_ensemble import (
    FILES,
    RewardEnsemble,
    agreement,
    fit,
)
from sandbox_envs.train.run_folder import new_run, removed_if_failed
from sandbox_envs.train.run_scenes import asked_scenes
from sandbox_envs.train.transitions import (
    Transitions,
    read_transitions,
    rows_of,
    transitions_hash,
    wander,
)

LOGGED = 100  # lines of metrics.jsonl
LARGEST = 1000  # weight that makes sense


@dataclass
class Args:
    """Learn a reward model from labelled steps."""

    scene: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """a scene's name or file, none for sweep/train; several of a family share the steps"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric of the scene, e.g. "spawn/planter_gate=gate_shut" """
    reward: str | None = None
    """a formula to label steps with instead of the scene's reward, e.g. "gain(dustpan)" """
    data: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """a file of transitions to learn from, too"""
    seed: int = 1
    """seed of the episodes, the actions, the initial weights and the batches"""
    agree: str | None = None
    """a file of NumPy (.npy) with changes of sums, (n, sums), at which members shall agree"""
    agree_coef: float = 1.0
    """weight of their disagreement there"""
    total_timesteps: int = 64_000
    """steps with random actions in the scenes; 0 learns from the files alone"""
    num_envs: int = 128
    """simulations that run side by side"""
    members: int = 5
    """potentials that are learned independently"""
    hidden_size: int = 64
    """width of each potential's two hidden layers"""
    prior_scale: float = 1.0
    """weight of the random functions that are added to the potentials"""
    updates: int = 2000
    """steps of the optimiser"""
    batch_size: int = 128
    """labelled steps in each update, for each member its own"""
    learning_rate: float = 3e-3
    """Adam's step size at the start; it falls linearly to 0"""
    torch_threads: int = 1
    """CPU threads of the updates"""
    run_dir: str = "runs"
    """the folder in which the run makes its own folder"""
    debug: bool = False
    """show the traceback of an error"""


def gather(args: Args, scenes: list[Scene], names: list[str]) -> list[Transitions]:
    """The labelled steps: of random actions in the scenes, and in files."""
    n = args.num_envs // len(scenes)
    if n == 0:
        raise UserError(f"--num-envs {args.num_envs}: {len(scenes)} scenes need as many or more")
    parts = []
    for scene in scenes:
        left, first = args.total_timesteps // (n * len(scenes)), 0
        while left > 0:
            steps = min(left, scene.episode_steps)
            parts.append(wander(scene, names, steps, n, args.seed, first))
            left, first = left - steps, first + n
    for file in args.data:
        part_of_file = read_transitions(Path(file))
        if list(part_of_file.names) != names:
            raise UserError(
                f"--data {file}: it has sums of {', '.join(part_of_file.names)}, and "
                f"{scenes[0].name} has {', '.join(names)}; take data of the same family"
            )
        parts.append(part_of_file)
    if not parts:
        raise UserError(
            f"--total-timesteps {args.total_timesteps}: there is nothing to learn from; give "
            f"--data FILE, or {n * len(scenes)} steps or more, one of each simulation"
        )
    return parts


def learn(
    args: Args,
    parts: Sequence[Transitions],
    names: Sequence[str],
    agree: np.ndarray | None = None,
    on_update: Callable[[int, float], object] = lambda _update, _loss: None,
) -> tuple[RewardEnsemble, dict[str, float]]:
    """A model of some labelled steps, and what `fit` returns.

    Args:
        names: of the sums.
        agree: (n, sums) changes at which members shall agree.
        on_update: is called with the number of updates done and the loss.
    """
    with seeded(args.seed):
        ensemble = RewardEnsemble(names, args.members, args.hidden_size, args.prior_scale)
    found = fit(
        ensemble,
        rows_of(parts),
        args.updates,
        args.batch_size,
        args.learning_rate,
        torch.Generator().manual_seed(args.seed),
        on_update,
        None if agree is None else agreement(torch.as_tensor(agree), args.agree_coef),
    )
    return ensemble.requires_grad_(False), found


def train(
    args: Args,
    parts: Sequence[Transitions],
    names: Sequence[str],
    agree: np.ndarray | None,
    folder: Path,
) -> dict[str, Any]:
    """Learn a model and write its weights; returns what came out."""
    torch.set_num_threads(args.torch_threads)
    every = max(args.updates // LOGGED, 1)
    with progress_bar(total=args.updates, unit="update") as bar:

        def note(done: int, loss: float) -> None:
            bar.update(1)
            if done % every == 0 or done == args.updates:
                append_line(folder / "metrics.jsonl", {"update": done, "loss": loss})

        ensemble, found = learn(args, parts, names, agree, note)
    FILES.write(folder, ensemble, ensemble.sizes, {"r2": f"{found['r2']:.4f}"})
    return found


@own_settings()
def main(args: Args) -> Path:
    """Gather labelled steps, learn from them, and save.

    Returns:
        The run's folder. A run that fails or is stopped leaves none.

    Raises:
        UserError: an argument is wrong. OSError: a file cannot be written.
    """
    _check(args)
    scenes = asked_scenes(vars(args))
    names = needed_sums(scenes[0], "learn a reward from; name one in a measure")
    agree = _read_agree(args, names)
    parts = gather(args, scenes, names)
    folder = new_run(Path(args.run_dir), scenes, Path(__file__).stem, args.seed)
    with removed_if_failed(folder):
        write_json(folder / "args.json", _described(args, scenes, parts))
        found = train(args, parts, names, agree, folder)
    print(
        f"{folder}: finished; {found['labels']} labels, {found['events']} of them events; "
        f"r2 {found['r2']:.3f} of labels held out"
    )
    return folder


def _described(args: Args, scenes: list[Scene], parts: list[Transitions]) -> dict[str, Any]:
    return {
        "args": dataclasses.asdict(args),
        "scenes": [{"name": one.name, "hash": one.hash} for one in scenes],
        "data": [{"labels": one.labels, "hash": transitions_hash(one)} for one in parts],
        **provenance(),
    }


def _read_agree(args: Args, names: Sequence[str]) -> np.ndarray | None:
    """The changes at which members shall agree, (n, sums), if any."""
    if not args.agree:
        return None
    try:
        found = np.load(args.agree, allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"--agree {args.agree}: there is no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        raise UserError(f"--agree {args.agree}: this is no file of numpy.save") from None
    fits = isinstance(found, np.ndarray) and found.ndim == 2 and found.shape[1] == len(names)
    if not fits or found.dtype.kind != "f" or not np.isfinite(found).all():
        raise UserError(
            f"--agree {args.agree}: it must hold finite numbers, (n, {len(names)}): changes of "
            f"{', '.join(names)}"
        )
    return np.asarray(found, np.float32)


def _check(args: Args) -> None:
    check_ranges(dataclasses.replace(args, total_timesteps=max(args.total_timesteps, 1)))
    for name in ("members", "updates", "batch_size"):
        if getattr(args, name) < 2:
            raise UserError(f"{flag(name)} {getattr(args, name)}: it must be 2 or more")
    if args.total_timesteps < 0:
        raise UserError(f"--total-timesteps {args.total_timesteps}: it must be 0 or more")
    for name in ("prior_scale", "agree_coef"):
        if not 0 <= getattr(args, name) < LARGEST:
            raise UserError(
                f"{flag(name)} {getattr(args, name)}: it must be 0 or more, and less than {LARGEST}"
            )


if __name__ == "__main__":
    cli_errors(main)(tyro.cli(Args))
