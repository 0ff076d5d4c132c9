"""A run's folder as training writes it: arguments, logs, checkpoints; and the progress bar.

args.json            every argument, versions, scene hashes, the git commit
metrics.jsonl        a line per update; the same as TensorBoard events
policy.safetensors   the agent's parameters and buffers, and the step they are of; rebuilt with
agent.json           the trainer's name, the agent's sizes and number of parameters
resume.pt            everything needed to resume bit-exactly
checkpoints/STEP     policies of earlier steps, for `keep_every` or `checkpoints`; run folders
                     without resume.pt
members/NUMBER       the same for the members of a population, at its end
"""

import os
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from tqdm import tqdm

from sandbox_envs.files import atomic_write, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.arguments import fingerprint
from sandbox_envs.train.capacity import parameter_count
from sandbox_envs.train.checkpoint import save_checkpoint
from sandbox_envs.train.divergence import NOTABLE, DivergedError, check_stable, unstable_share
from sandbox_envs.train.log import Log, cut
from sandbox_envs.train.metrics import REWARD
from sandbox_envs.train.run_files import InitialWeights, read_training
from sandbox_envs.train.run_folder import (
    MEMBERS,
    describe,
    extend,
    keep_checkpoint,
    lock,
    new_run,
    remove_later_checkpoints,
    removed_if_failed,
)
from sandbox_envs.train.run_scenes import check_unchanged, check_wrapped_alike
from sandbox_envs.train.signals import StopRequests
from sandbox_envs.train.statistics import pearson
from sandbox_envs.train.tracking import start_tracking
from sandbox_envs.train.trainers import check_contract
from sandbox_envs.training_envs import TrainingEnvs

CORRELATION_EPISODES = 256
CHECKPOINT_SECONDS = 20.0


class Run:
    """The folder of one training run, written during training.

    Use it as a context manager: on the first Ctrl-C (or SIGTERM) `interrupted` becomes true, so
    that the trainer can finish its update and save; the second one stops at once.
    """

    def __init__(
        self, folder: Path, scenes: Sequence[Scene], args: Any, saved: Mapping[str, Any]
    ) -> None:
        self.folder, self.scenes, self.args = folder, scenes, args
        self._resumed, self._done = bool(saved), int(saved.get("step", 0))
        self._step = self._saved_step = self._done
        self._episodes = deque(saved.get("episodes", ()), maxlen=CORRELATION_EPISODES)
        self._unstable = self._ended = 0
        self._noted: set[str] = set()
        self._saved: float | None = None  # when this process last did
        self._stop = StopRequests()

    @classmethod
    def create(
        cls,
        run_dir: str,
        trainer: str,
        args: Any,
        envs: TrainingEnvs,
        agent: Mapping[str, Any],
        update_steps: int,
        initial_weights: InitialWeights | None = None,
        called: str = "",
    ) -> "Run":
        """Begin a new run in a folder of its own below `run_dir`; a failure leaves no folder.

        Args:
            run_dir: the folder in which the run makes its own folder.
            trainer: its name in `trainers.TRAINERS`.
            args: its `Args`, of which `seed` and `total_timesteps` are needed.
            envs: what it trains in; its scenes and wrappers are recorded.
            agent: the arguments with which the trainer's Agent is rebuilt, as plain JSON.
            update_steps: environment steps between two calls of `log`.
            initial_weights: taken from another run, which `begin_with` gave.
            called: what the folder's name has in place of the trainer's.

        Raises:
            UserError: the arguments are not such that a run can be kept, or nothing can be written
                in `run_dir`.
        """
        check_contract(trainer, args, agent)
        scenes = list(envs.scenes)
        folder = new_run(Path(run_dir), scenes, called or trainer, args.seed)
        with removed_if_failed(folder):
            described = describe(folder, args, envs, update_steps, initial_weights)
            marked = fingerprint(trainer, described["args"])
            agent_file = {
                "trainer": trainer,
                "agent": dict(agent),
                "parameters": parameter_count(trainer, agent),
                "arguments": marked,
            }
            write_json(folder / "agent.json", agent_file)
            write_json(folder / "args.json", described)  # last: it makes this a run
        return cls(folder, scenes, args, {})

    @classmethod
    def resume(cls, folder: Path, envs: TrainingEnvs, args: Any, saved: Mapping[str, Any]) -> "Run":
        """Go on with a run from what `read_checkpoint` gave; later metrics are cut off.

        The caller holds the run (`run_folder.held`) from before it reads anything of it to the end:
        otherwise a second process could go on from what the first one has left behind.

        Args:
            folder: the run's.
            envs: of the same scenes, in the same wrappers.
            args: of the run, with the total that is to be reached from now on.
            saved: its checkpoint.

        Raises:
            UserError: a scene has changed, or the wrappers are others.
        """
        training = read_training(folder)
        check_unchanged(folder, envs.scenes, training.scenes)
        check_wrapped_alike(folder, envs, training.wrappers)
        return cls(folder, envs.scenes, args, saved)

    def __enter__(self) -> "Run":
        start = nullcontext() if self._resumed else removed_if_failed(self.folder)
        with start, ExitStack() as stack:
            if self._resumed:
                self._go_on()
            else:
                stack.callback(os.close, lock(self.folder))
            self.training = read_training(self.folder)
            self._start_tracking()
            self._log = Log(self.folder, self._done if self._resumed else None)
            stack.callback(self._log.close)
            total = self.training.total_steps
            self._bar = stack.enter_context(
                progress_bar(total=total, initial=self._done, unit="step", unit_scale=True)
            )
            self._began = time.monotonic()
            stack.enter_context(self._stop)
            self._resources = stack.pop_all()
        return self

    def _go_on(self) -> None:
        """Bring args.json and metrics.jsonl to where a resumed training begins."""
        if self.args.total_timesteps > read_training(self.folder).total_steps:
            # first: args.json says that the run was made longer, and that all this is done
            remove_later_checkpoints(self.folder, self._done)
            extend(self.folder, self.args.total_timesteps, self._done)
        cut(self.folder / "metrics.jsonl", self._done, self._done)

    def _start_tracking(self) -> None:
        config = {**self.training.args, "scenes": dict(self.training.scenes)}
        if self.training.wrappers:
            config["wrappers"] = list(self.training.wrappers)
        self._tracker = start_tracking(self.args, self.folder, config)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        try:
            self._resources.close()
        finally:
            self._tracker.stop(exit_code=int(kind is not None))
        if isinstance(error, DivergedError):
            step = self._step + (self.training.update_steps or 0)
            raise DivergedError(
                f"{self.folder}: the training ended at step {step} of "
                f"{self.training.total_steps}: {error}; "
                f"the policy of step {self._saved_step} is kept"
            ) from None

    @property
    def interrupted(self) -> bool:
        """Whether the training was asked to stop."""
        return bool(self._stop.number)

    def conclude(self, finished: bool) -> None:
        """Say how the training ended; one that was stopped ends the process as its signal does."""
        if self._unstable:
            print(f"note: {self._unstable} of {self._ended} episodes were unstable")
        if finished:
            print(f"{self.folder}: finished")
        else:
            print(f"{self.folder}: stopped; resume it with --resume {self.folder}")
            sys.exit(128 + self._stop.number)

    # --- the log -----------------------------------------------------------------------------

    def log(
        self, step: int, episodes: Sequence[dict[str, float]], losses: dict[str, float]
    ) -> None:
        """Record one update: the episodes that ended in it (their final infos), and the losses.

        Raises:
            DivergedError: nearly all recent episodes were unstable.
        """
        episodes = [_logged(episode) for episode in episodes]
        self._episodes.extend(episodes)
        self._ended += len(episodes)
        self._unstable += int(sum(episode["unstable"] for episode in episodes))
        row = {"step": step, **_means(episodes), **self._correlations(), **losses}
        seconds = time.monotonic() - self._began
        rate = {"steps_per_second": (step - self._done) / seconds, "seconds": seconds}
        self._tracker.log({**row, **rate}, step)
        try:
            self._log.add({**row, **rate}, step)
        except OSError as error:
            self._note(f"{error.strerror} ({error.filename}); the training goes on", error)
        self._bar.set_postfix_str(self._headline(), refresh=False)
        self._bar.update(step - self._bar.n)
        if (share := unstable_share(self._episodes)) >= NOTABLE:
            self._note(f"{share:.0%} of the last {len(self._episodes)} episodes were unstable")
        check_stable(self._episodes)
        self._step = step

    def _note(self, text: str, about: object = "unstable") -> None:
        """Say something once, not at every update."""
        key = about if isinstance(about, str) else type(about).__name__
        if key not in self._noted:
            self._noted.add(key)
            tqdm.write(f"note: {text}")

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
        return self._saved is None or time.monotonic() - self._saved >= CHECKPOINT_SECONDS

    def checkpoint(self, agent: torch.nn.Module, rest: dict[str, Any]) -> None:
        """Save policy and everything in `rest`, of which "step" is the steps done.

        Where it cannot be written, the training goes on and tries again later, unless this is its
        first checkpoint, so that nothing is lost yet, or its last.

        Raises:
            OSError: the first or last checkpoint cannot be written.
        """
        try:
            self._save(agent, rest)
        except OSError as error:
            left = self.training.total_steps - rest["step"]
            last = self.interrupted or left < (self.training.update_steps or 0)
            if self._saved is None or last:
                raise
            self._saved = time.monotonic()
            self._note(
                f"{error.strerror} ({error.filename}): nothing can be saved; the training goes on, "
                f"and tries again every {CHECKPOINT_SECONDS:.0f} s",
                "checkpoint",
            )
        else:
            self._saved, self._saved_step = time.monotonic(), rest["step"]
            self._noted.discard("checkpoint")

    def keep(self, agent: torch.nn.Module, step: int) -> None:
        """Keep this update's policy in checkpoints/STEP, if it is one to be kept.

        It is if `keep_every` steps, or the next of `checkpoints` equal parts of the training, have
        passed. So is that of the last update, so that the folder holds the whole course.

        Which ones are kept follows from the steps alone, also where a run is resumed. One that
        cannot be written is left out with a note.
        """
        update, total = self.training.update_steps or 0, self.training.total_steps
        parts, whole = getattr(self.args, "checkpoints", 0), total
        if every := getattr(self.args, "keep_every", 0):
            parts, whole = 1, every
        last = total - step < update
        if not parts or (step * parts // whole == (step - update) * parts // whole and not last):
            return
        try:
            self._log.write()
            keep_checkpoint(self.folder, step, _policy_file(agent, step))
        except OSError as error:
            self._note(
                f"{error.strerror} ({error.filename}): the policy of step {step} is not kept; the "
                "training goes on",
                "kept",
            )

    def keep_members(self, agents: Sequence[torch.nn.Module], step: int) -> None:
        """Keep the policies of a population in members/NUMBER, each as a run folder of its own.

        Raises:
            OSError: one cannot be written.
        """
        self._log.write()
        for number, agent in enumerate(agents):
            keep_checkpoint(self.folder, number, _policy_file(agent, step), MEMBERS)

    def _save(self, agent: torch.nn.Module, rest: dict[str, Any]) -> None:
        self._log.save()
        # write the policy first: a run with a final resume.pt is never resumed
        with atomic_write(self.folder / "policy.safetensors") as temporary:
            temporary.write_bytes(_policy_file(agent, rest["step"]))
        content = {"agent": _weights(agent), **rest, "episodes": list(self._episodes)}
        save_checkpoint(self.folder, content, self.training)


# --- helpers ---------------------------------------------------------------------------------


def _weights(agent: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: values.contiguous() for name, values in agent.state_dict().items()}


def _policy_file(agent: torch.nn.Module, step: int) -> bytes:
    """The content of policy.safetensors."""
    return bytes(save(_weights(agent), metadata={"step": str(step)}))


def _logged(episode: Mapping[str, float]) -> dict[str, float]:
    """An episode's final info by the keys of metrics.jsonl, as in all runs so far."""
    return {REWARD if key == "return/reward" else key: value for key, value in episode.items()}


def _means(episodes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    if not episodes:
        return {"episodes": 0}
    keys = [k for k in episodes[0] if k.startswith("return/") or k in (REWARD, "length")]
    means = {k: float(np.mean([e[k] for e in episodes])) for k in keys}
    return {"episodes": len(episodes), **means, "unstable": sum(e["unstable"] for e in episodes)}
