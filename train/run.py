"""What is not the algorithm: a run's folder, its logs, its checkpoints, and its progress bar.

args.json            every argument, versions, scene hashes, the git commit
metrics.jsonl        a line per update; the same as TensorBoard events
policy.safetensors   the agent's parameters and buffers, rebuilt with the help of
agent.json           the trainer's name and the agent's sizes
resume.pt            everything needed to go on bit-exactly
"""

import dataclasses
import importlib
import io
import json
import platform
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import gymnasium
import mujoco
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from sandbox_envs.errors import UserError, nearest
from sandbox_envs.files import append_line, read_lines, whole_file, write_json
from sandbox_envs.scene import Scene, load_scene, parse_overrides

TRAINERS = ("ppo_lstm",)  # agent.json names one of these, never code to import
CORRELATION_EPISODES = 256
CHECKPOINT_SECONDS = 20.0

State = tuple[torch.Tensor, ...]
Args = TypeVar("Args")


class Run:
    """The folder of one training run, written to as training goes on.

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
        write_json(folder / "args.json", _describe(args, scenes))
        write_json(folder / "agent.json", {"trainer": trainer, "agent": agent})
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
        scores = {k: [e[f"score/{k}"] for e in self._episodes] for k in scene.measures}
        truth = scores[scene.intended]
        return {f"correlation/{k}": pearson(truth, scores[k]) for k in scene.proxies}

    def _headline(self) -> str:
        if not self._episodes:
            return "no episode has ended yet"
        scene = self.scenes[0]
        recent = _means(list(self._episodes)[-64:])
        shown = [scene.intended, *scene.proxies]
        return ", ".join(f"{k} {recent[f'score/{k}']:+.2f}" for k in shown)

    # --- checkpoints -------------------------------------------------------------------------

    @property
    def checkpoint_due(self) -> bool:
        """Whether the last checkpoint is long enough ago."""
        return time.monotonic() - self._saved >= CHECKPOINT_SECONDS

    def checkpoint(self, agent: torch.nn.Module, rest: dict[str, Any]) -> None:
        """Save policy and everything in `rest`."""
        metrics = self.folder / "metrics.jsonl"
        size = metrics.stat().st_size if metrics.exists() else 0
        content = {"agent": agent.state_dict(), "metrics_size": size, **_as_tensors(rest)}
        content["episodes"] = list(self._episodes)
        buffer = io.BytesIO()  # so that a failed write is an OSError, not the library's own word
        torch.save(content, buffer)
        with whole_file(self.folder / "resume.pt") as temporary:
            temporary.write_bytes(buffer.getvalue())
        weights = {k: v.contiguous() for k, v in agent.state_dict().items()}
        with whole_file(self.folder / "policy.safetensors") as temporary:
            temporary.write_bytes(save(weights))
        self._saved = time.monotonic()

    @classmethod
    def resume(
        cls, folder: Path, scenes: Sequence[Scene], total_steps: int, saved: dict[str, Any]
    ) -> "Run":
        """Go on with a run from what `read_checkpoint` gave; later metrics are cut off."""
        _check_unchanged(folder, scenes, _read_json(folder / "args.json")["scenes"])
        metrics = folder / "metrics.jsonl"
        if metrics.exists():
            with metrics.open("r+b") as file:
                file.truncate(saved["metrics_size"])
        run = cls(folder, scenes, total_steps, saved["step"])
        run._episodes.extend(saved["episodes"])
        return run


def read_args(folder: Path, kind: type[Args]) -> Args:
    """The arguments a run was started with, as the trainer's dataclass `kind`."""
    recorded = _read_json(folder / "args.json")
    try:
        return kind(**recorded["args"])
    except (KeyError, TypeError):
        raise UserError(
            f"{folder}: its args.json is of another trainer or version; start anew"
        ) from None


def read_checkpoint(folder: Path, device: str) -> dict[str, Any]:
    """What a run saved to be resumed from: agent, step, and what the trainer added."""
    path = folder / "resume.pt"
    if not path.is_file():
        raise UserError(f"{folder}: it has no resume.pt, so it ended before its first checkpoint")
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception:  # reading bytes that are no checkpoint fails in any way
        raise UserError(f"{path}: it is damaged and cannot be read; start anew") from None


def trained_scenes(folder: Path) -> list[Scene]:
    """The scenes of a run, as it was trained on them.

    Raises:
        UserError: this is not a run folder, or a scene has changed or gone since.
    """
    recorded = _read_json(folder / "args.json")
    try:
        args, hashes = recorded["args"], recorded["scenes"]
        overrides = parse_overrides(args["set"])
        overrides |= {"reward": args["reward"]} if args["reward"] else {}
        names = args["scene"] or ("sweep/train",)
    except (KeyError, TypeError):
        raise UserError(f"{folder / 'args.json'}: it is damaged, or of another version") from None
    scenes = [load_scene(name, overrides) for name in names]
    _check_unchanged(folder, scenes, hashes)
    return scenes


def _check_unchanged(folder: Path, scenes: Sequence[Scene], hashes: Mapping[str, str]) -> None:
    for scene in scenes:
        if hashes.get(scene.name) != scene.hash:
            raise UserError(
                f"{folder}: the scene {scene.name} has changed since it was trained; train anew"
            )


def progress(folder: Path) -> tuple[int, int]:
    """Environment steps that a run has done, and those it does in all: a whole number of updates.

    Raises:
        UserError: this is not a run folder, or its files are damaged.
    """
    args = _read_json(folder / "args.json").get("args", {})
    metrics = folder / "metrics.jsonl"
    steps = [row["step"] for row in read_lines(metrics)] if metrics.is_file() else []
    total = int(args.get("total_timesteps", 0))
    if not steps:
        return 0, max(total, 1)
    per_update = steps[0]
    return steps[-1], max(total // per_update, 1) * per_update


def load_policy(folder: str | Path, device: str = "cpu") -> "Policy":
    """The policy of a run folder, acting by the mean of its action distribution."""
    folder = Path(folder)
    description = _read_json(folder / "agent.json")
    trainer = description.get("trainer")
    if trainer not in TRAINERS:
        raise UserError(f"{folder}: unknown trainer '{trainer}'; {nearest(str(trainer), TRAINERS)}")
    weights = folder / "policy.safetensors"
    if not weights.is_file():
        raise UserError(f"{folder}: it has no policy.safetensors, so nothing has been learned yet")
    module = importlib.import_module(f"sandbox_envs.train.{trainer}")
    try:
        agent = module.Agent(**description["agent"])
        agent.load_state_dict(load_file(weights))
    except (KeyError, TypeError, RuntimeError, SafetensorError):
        raise UserError(
            f"{folder}: agent.json and policy.safetensors are damaged, or not of one run"
        ) from None
    return Policy(agent.to(device).eval(), device)


class Policy:
    """An agent as a plain function: (observations, state) -> (actions, state), numpy in and out.

    observations: (n, size) float32. state: None to begin episodes, then what it returned before.
    actions: (n, actuators) in [-1, 1].
    """

    def __init__(self, agent: Any, device: str) -> None:
        self.agent, self.device = agent, device
        self.observation_size = int(agent.observation_size)

    def __call__(self, observations: np.ndarray, state: State | None) -> tuple[np.ndarray, State]:
        """Actions (n, actuators), and the state to give with the next observations."""
        if observations.shape[-1] != self.observation_size:
            raise UserError(
                f"this policy observes {self.observation_size} numbers, the scene gives "
                f"{observations.shape[-1]}; it was trained on another family or observation"
            )
        with torch.inference_mode():
            obs = torch.as_tensor(observations, device=self.device)
            state = self.agent.initial_state(len(obs)) if state is None else state
            distribution, _, state = self.agent.act(obs, state)
        return distribution.mean.clamp(-1, 1).cpu().numpy(), state


def pearson(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Pearson's correlation, or None where one of them does not vary."""
    if len(x) < 3 or np.std(x) < 1e-9 or np.std(y) < 1e-9:
        return None
    return float(np.corrcoef(x, y)[0, 1])


# --- helpers ---------------------------------------------------------------------------------


def _quiet_about_files(failure: threading.ExceptHookArgs) -> None:
    """TensorBoard writes in a thread; where it cannot, neither can we, and we say so."""
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
    raise UserError(f"{parent / name}: there are a hundred of these already; clear some")


def _describe(args: Any, scenes: Sequence[Scene]) -> dict[str, Any]:
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    modules = {"mujoco": mujoco, "gymnasium": gymnasium, "numpy": np, "torch": torch}
    versions = {name: module.__version__ for name, module in modules.items()}
    return {
        "args": dataclasses.asdict(args),
        "scenes": {scene.name: scene.hash for scene in scenes},
        "versions": {"python": platform.python_version(), **versions},
        "commit": commit or None,
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path.parent}: this is not a run folder, it has no {path.name}") from None
    except ValueError:
        raise UserError(f"{path}: it is damaged and cannot be read") from None


def _means(episodes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    if not episodes:
        return {"episodes": 0}
    keys = [k for k in episodes[0] if k.startswith("score/") or k in ("return", "length")]
    means = {k: float(np.mean([e[k] for e in episodes])) for k in keys}
    return {"episodes": len(episodes), **means, "unstable": sum(e["unstable"] for e in episodes)}


def _as_tensors(tree: Any) -> Any:
    """The same nested dicts with tensors for arrays, which weights_only loading accepts."""
    if isinstance(tree, dict):
        return {key: _as_tensors(value) for key, value in tree.items()}
    if isinstance(tree, np.ndarray):
        return torch.from_numpy(tree.copy())
    return tree
