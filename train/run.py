"""A run's folder as training writes it: arguments, logs, checkpoints; and the progress bar.

args.json            every argument, versions, scene hashes, the git commit
metrics.jsonl        a line per update; the same as TensorBoard events
policy.safetensors   the agent's parameters and buffers, and the step they are of; rebuilt with
agent.json           the trainer's name and the agent's sizes
resume.pt            everything needed to resume bit-exactly
"""

import dataclasses
import io
import platform
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import torch
from safetensors.torch import save
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from sandbox_envs.errors import UserError
from sandbox_envs.files import append_line, atomic_write, write_json
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.run_files import check_unchanged, is_file, read_training
from sandbox_envs.train.statistics import pearson

CORRELATION_EPISODES = 256
CHECKPOINT_SECONDS = 20.0


class Run:
    """The folder of one training run, written during training.

    Use it as a context manager: on the first Ctrl-C (or SIGTERM) `interrupted` becomes true, so
    that the trainer can finish its update and save; the second one stops at once.
    """

    def __init__(self, folder: Path, scenes: Sequence[Scene], total_steps: int, done: int) -> None:
        self.folder, self.scenes = folder, scenes
        self.interrupted = False
        self._episodes: deque[dict[str, float]] = deque(maxlen=CORRELATION_EPISODES)
        threading.excepthook = _quiet_about_files
        self._events = SummaryWriter(str(folder), purge_step=done or None)
        self._bar = tqdm(total=total_steps, initial=done, unit="step", unit_scale=True)
        if not self._bar.disable and not self._bar.fp.isatty():
            self._bar.mininterval = 10.0  # seconds; a log file needs no animation
        self._saved = 0.0
        self._began, self._began_at = time.monotonic(), done

    @classmethod
    def create(
        cls, run_dir: str, trainer: str, args: Any, scenes: Sequence[Scene], agent: dict[str, Any]
    ) -> "Run":
        """Begin a new run in a folder of its own below `run_dir`.

        agent: the arguments with which the trainer's Agent is rebuilt, as plain JSON.
        """
        stems = "+".join(scene.path.stem for scene in scenes)
        moment = time.strftime("%Y%m%d-%H%M%S")
        name = f"{scenes[0].family}-{stems}__{trainer}__s{args.seed}__{moment}"
        folder = _new_folder(Path(run_dir), name)
        write_json(folder / "agent.json", {"trainer": trainer, "agent": agent})
        write_json(folder / "args.json", _describe(args, scenes))  # last: it makes this a run
        return cls(folder, scenes, args.total_timesteps, 0)

    def __enter__(self) -> "Run":
        self._handlers: dict[int, Any] = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        threading.excepthook = threading.__excepthook__
        self._bar.close()
        self._events.close()

    def _interrupt(self, number: int, _frame: object) -> None:
        self.interrupted = True
        signal.signal(number, self._handlers[number])
        tqdm.write("finishing this update, then saving; press Ctrl-C again to stop at once")

    def log(
        self, step: int, episodes: Sequence[dict[str, float]], losses: dict[str, float]
    ) -> None:
        """Record one update: the episodes that ended in it (their final infos), and the losses."""
        self._episodes.extend(episodes)
        row = {"step": step, **_means(episodes), **self._correlations(), **losses}
        seconds = time.monotonic() - self._began
        rate = {"steps_per_second": (step - self._began_at) / seconds, "seconds": seconds}
        append_line(self.folder / "metrics.jsonl", {**row, **rate})
        for name, value in {**row, **rate}.items():
            if value is not None:
                self._events.add_scalar(name, value, step)
        self._bar.set_postfix_str(self._headline(), refresh=False)
        self._bar.update(step - self._bar.n)

    def _correlations(self) -> dict[str, float | None]:
        """Pearson's correlation of each proxy with the intended measure, over recent episodes."""
        scene = self.scenes[0]
        scores = {k: [e[f"return/{k}"] for e in self._episodes] for k in scene.measures}
        truth = scores[scene.intended]
        return {f"correlation/{k}": pearson(truth, scores[k]) for k in scene.proxies}

    def _headline(self) -> str:
        if not self._episodes:
            return "no episode has ended yet"
        scene = self.scenes[0]
        recent = _means(list(self._episodes)[-64:])
        shown = [scene.intended, *scene.proxies]
        return ", ".join(f"{k} {recent[f'return/{k}']:+.2f}" for k in shown)

    # --- checkpoints -------------------------------------------------------------------------

    @property
    def checkpoint_due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() - self._saved >= CHECKPOINT_SECONDS

    def checkpoint(self, agent: torch.nn.Module, rest: dict[str, Any]) -> None:
        """Save policy and everything in `rest`, of which "step" is the steps done."""
        metrics = self.folder / "metrics.jsonl"
        size = metrics.stat().st_size if metrics.exists() else 0
        content = {"agent": agent.state_dict(), "metrics_size": size, **_as_tensors(rest)}
        content["episodes"] = list(self._episodes)
        buffer = io.BytesIO()  # so that a failed write is an OSError, not an error of torch
        torch.save(content, buffer)
        weights = {k: v.contiguous() for k, v in agent.state_dict().items()}
        # write the policy first: a run with a final resume.pt is never resumed
        with atomic_write(self.folder / "policy.safetensors") as temporary:
            temporary.write_bytes(save(weights, metadata={"step": str(rest["step"])}))
        with atomic_write(self.folder / "resume.pt") as temporary:
            temporary.write_bytes(buffer.getvalue())
        self._saved = time.monotonic()

    @classmethod
    def resume(
        cls, folder: Path, scenes: Sequence[Scene], total_steps: int, saved: dict[str, Any]
    ) -> "Run":
        """Resume a run from what `read_checkpoint` gave; later metrics are cut off."""
        check_unchanged(folder, scenes, read_training(folder))
        metrics = folder / "metrics.jsonl"
        if metrics.exists():
            with metrics.open("r+b") as file:
                file.truncate(saved["metrics_size"])
        run = cls(folder, scenes, total_steps, saved["step"])
        run._episodes.extend(saved["episodes"])
        return run


# --- helpers ---------------------------------------------------------------------------------


def _quiet_about_files(failure: threading.ExceptHookArgs) -> None:
    """TensorBoard writes in a thread; where its write fails, ours fails with a sentence."""
    if not isinstance(failure.exc_value, OSError):
        threading.__excepthook__(failure)


def _new_folder(parent: Path, name: str) -> Path:
    for suffix in ("", *(f"-{i}" for i in range(2, 100))):
        folder = parent / f"{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                raise UserError(f"--run-dir {parent}: it is a file; name a folder") from None
        else:
            return folder
    raise UserError(f"{parent / name}: there are a hundred folders of this name; remove some")


def _describe(args: Any, scenes: Sequence[Scene]) -> dict[str, Any]:
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    given = zip(args.scene, scenes, strict=False)  # none given means the default scene
    names = [str(scene.path) if is_file(name) else name for name, scene in given]
    modules = {"mujoco": mujoco, "gymnasium": gymnasium, "numpy": np, "torch": torch}
    versions = {name: module.__version__ for name, module in modules.items()}
    return {
        "args": {**dataclasses.asdict(args), "scene": names},
        "scenes": {scene.name: scene.hash for scene in scenes},
        "versions": {"python": platform.python_version(), **versions},
        "commit": commit or None,
    }


def _means(episodes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    if not episodes:
        return {"episodes": 0}
    keys = [k for k in episodes[0] if k.startswith("return/") or k in ("return", "length")]
    means = {k: float(np.mean([e[k] for e in episodes])) for k in keys}
    return {"episodes": len(episodes), **means, "unstable": sum(e["unstable"] for e in episodes)}


def _as_tensors(tree: Any) -> Any:
    """The same nested dicts with tensors for arrays, which weights_only loading accepts."""
    if isinstance(tree, dict):
        return {key: _as_tensors(value) for key, value in tree.items()}
    if isinstance(tree, np.ndarray):
        return torch.from_numpy(tree.copy())
    return tree
