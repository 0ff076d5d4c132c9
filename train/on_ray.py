"""Jobs as trials of Ray Tune, which only says where and when each one runs.

Trials are subprocesses of the trainer's command line, so that a crash is one trial's. Results are
run folders; nothing is read from Ray's own records, which are thrown away.
"""

import os
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sandbox_envs.errors import UserError
from sandbox_envs.stopping import sigterm_as_interrupt
from sandbox_envs.train.jobs import Job, TrainingProcess
from sandbox_envs.train.metrics import last_step
from sandbox_envs.train.population import PopulationJob

# What is said of each trial when it ends: the reason if it failed, else None.
Report = Callable[[Job, str | None], None]
OBJECT_STORE = 100_000_000  # bytes; no trial puts anything into it
LOOPBACK = "127.0.0.1"
ANSWER = 10.0  # seconds in which a cluster must answer
REFRESH = 2.0  # seconds between two looks at how far the trials are
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # send nothing
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths mean what they mean here
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_MAX_PENDING_TRIALS_PG": "64",
}


def prepare_ray() -> None:
    """Set Ray up, before it is imported anywhere; raise UserError where it is not installed."""
    os.environ.update({name: os.environ.get(name, value) for name, value in SETTINGS.items()})
    try:
        from ray import tune  # noqa: F401
    except ImportError:
        raise UserError(
            "Ray is not installed: pip install 'sandbox_envs[ray]', or train on this machine "
            "with --local"
        ) from None


def trial(config: Mapping[str, Any]) -> dict[str, Any]:
    """Train one job in a process of its own; runs in a worker of Ray's.

    Returns:
        "reason": why it failed, "" if it did not.
    """
    about = config["job"]
    kind = PopulationJob if about["population"] else Job
    job = kind(about["name"], about["trainer"], about["arguments"])
    try:
        training = TrainingProcess(job, Path(about["folder"]))
        try:
            training.process.wait()
        finally:
            training.process.terminate()
            training.process.wait()
        training.run()
    except (UserError, OSError) as error:
        return {"reason": str(error)}
    return {"reason": ""}


def train_on_ray(
    jobs: Sequence[Job],
    folder: Path,
    address: str | None,
    workers: int,
    bar: tqdm,
    report: Report,
) -> None:
    """Train jobs on a Ray cluster, or on this machine, after `prepare_ray`.

    Args:
        jobs: none of them trained.
        folder: of the runs, by its whole path; all nodes see it.
        address: of the cluster; None starts Ray on this machine, for as long as this takes.
        workers: trainings at a time, where Ray is started here.
        bar: advanced by environment steps.
        report: called when a trial ends.

    Raises:
        UserError: there is no cluster at this address.
    """
    import ray
    from ray import tune

    started = not ray.is_initialized()
    with sigterm_as_interrupt():
        if started:
            _connect(address, workers)
        try:
            with tempfile.TemporaryDirectory() as records:
                tuner = tune.Tuner(
                    tune.with_resources(trial, {"cpu": 1}),
                    param_space={"job": tune.grid_search([_config(job, folder) for job in jobs])},
                    tune_config=tune.TuneConfig(scheduler=tune.schedulers.FIFOScheduler()),
                    run_config=tune.RunConfig(
                        name="sweep",
                        storage_path=records,
                        failure_config=tune.FailureConfig(max_failures=0),
                        callbacks=[_following(jobs, folder, bar, report)],
                        verbose=0,
                    ),
                )
                tuner.fit()
        finally:
            if started:
                ray.shutdown()


def _connect(address: str | None, workers: int) -> None:
    """Start Ray here, reachable from here alone, or join a cluster."""
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        options |= {
            "num_cpus": workers,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE,
            "_node_ip_address": LOOPBACK,
        }
    try:
        _check_answers(address)  # Ray itself waits for minutes
        ray.init(address=address, **options)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"--address {address}: no Ray cluster can be joined there: {reason}"
        ) from None


def _check_answers(address: str | None) -> None:
    """Raise OSError or ValueError where nothing answers at HOST:PORT; other forms are Ray's."""
    host, colon, port = (address or "").rpartition(":")
    if colon and "/" not in host:
        socket.create_connection((host, int(port)), timeout=ANSWER).close()


def _config(job: Job, folder: Path) -> dict[str, Any]:
    return {
        "name": job.name,
        "population": isinstance(job, PopulationJob),
        "trainer": job.trainer,
        "arguments": dict(job.args),
        "folder": str(folder),
    }


def _following(jobs: Sequence[Job], folder: Path, bar: tqdm, report: Report) -> Any:
    """A callback of Tune that moves the bar, and reports what has ended."""
    from ray import tune

    class Following(tune.Callback):
        def __init__(self) -> None:
            self.jobs, self.folder = {job.name: job for job in jobs}, folder
            self.bar, self.report = bar, report
            self.looked = 0.0

        def __reduce__(self) -> Any:  # Tune saves its callbacks; of this one nothing is needed
            return tune.Callback, ()

        def on_step_end(self, iteration: int, trials: list[Any], **_info: Any) -> None:
            if time.monotonic() - self.looked > REFRESH:
                self.looked = time.monotonic()
                done = sum(_steps(job, self.folder) for job in self.jobs.values())
                self.bar.update(done - self.bar.n)

        def on_trial_complete(
            self, iteration: int, trials: list[Any], trial: Any, **_info: Any
        ) -> None:
            self._end(trial, (trial.last_result or {}).get("reason", "it ended without a result"))

        def on_trial_error(
            self, iteration: int, trials: list[Any], trial: Any, **_info: Any
        ) -> None:
            self._end(trial, "its worker ended; run this again to resume it")

        def _end(self, trial: Any, reason: str) -> None:
            self.report(self.jobs[trial.config["job"]["name"]], reason or None)

    return Following()


def _steps(job: Job, folder: Path) -> int:
    """Environment steps that a job has done so far."""
    runs = (file.parent for file in (folder / job.name).glob("*/args.json"))
    return max(map(last_step, runs), default=0)
