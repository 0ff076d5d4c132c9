"""Sweeps: what is trained, what a stopped or failing one leaves, and the same on a Ray cluster."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import run_command, run_here
from conftest import TINY

from sandbox_envs.errors import UserError
from sandbox_envs.train import sweep
from sandbox_envs.train.jobs import find_run, is_finished
from sandbox_envs.train.sweep import Args, arms_of

SMALL = [f"{name}={value}" for name, value in TINY.items()]
FLAGS = ["--scene=keeper/train", *(f"--vary={text}" for text in SMALL)]


def said(**given: Any) -> str:
    with pytest.raises(UserError) as error:
        arms_of(Args(**given))
    return str(error.value)


def runs(folder: Path) -> dict[str, list[str]]:
    """The run folders of each trial."""
    trials = [path for path in folder.iterdir() if path.is_dir()]
    return {path.name: sorted(run.name for run in path.iterdir()) for path in trials}


def times(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.glob("*/*/policy.safetensors")}


# --- what is trained -------------------------------------------------------------------------


def test_every_combination_of_trainers_values_and_seeds_is_a_trial() -> None:
    gate = "spawn/planter_gate=gate_shut | gate_shut 0.97, gate_open 0.03"
    arms = arms_of(
        Args(trainer=("ppo_lstm", "ppo_mlp"), seeds=3, first_seed=7, vary=(gate, "gamma=0.9"))
    )
    assert [arm.name for arm in arms] == [
        f"{trainer}, spawn/planter_gate={value}"
        for trainer in ("ppo_lstm", "ppo_mlp")
        for value in ("gate_shut", "gate_shut 0.97, gate_open 0.03")
    ]
    for arm in arms:
        assert [job.args["seed"] for job in arm.jobs] == [7, 8, 9]
        assert {job.args["gamma"] for job in arm.jobs} == {0.9}
    assert arms[1].jobs[0].args["set"] == ("spawn/planter_gate=gate_shut 0.97, gate_open 0.03",)
    identities = {job.identity for arm in arms for job in arm.jobs}
    assert len(identities) == len({job.name for arm in arms for job in arm.jobs}) == 12


def test_values_that_look_alike_in_a_folders_name_are_trials_of_their_own() -> None:
    alike = "spawn/planter_gate=gate_shut 0.5, gate_open 0.5 | gate_shut 0.5,gate_open 0.5"
    names = [job.name for arm in arms_of(Args(seeds=2, vary=(alike,))) for job in arm.jobs]
    assert len(set(names)) == 4


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"trainer": ("ppo_lst",)}, "unknown trainer 'ppo_lst'; did you mean 'ppo_lstm'?"),
        ({"vary": ("gamma",)}, '--vary "gamma": write NAME=VALUE | VALUE, as "gamma=0.97 | 0.99"'),
        ({"vary": ("gamma=0.9 |",)}, "write NAME=VALUE | VALUE"),
        ({"vary": ("gamma=0.9 | 0.9",)}, "0.9 stands there twice"),
        ({"vary": ("gamma=many",)}, "--vary gamma: many must be like 0.98"),
        ({"vary": ("gamma=7",)}, "--gamma 7.0: it must be 1 or less"),
        ({"vary": ("seed=1 | 2",)}, "give --seeds and --first-seed instead"),
        ({"vary": ("gamma=0.9 | 0.99", "gamma=0.5")}, "--vary gamma: it is given twice"),
        ({"vary": ("carry/boost=0", "carry/boost=1")}, "--vary carry/boost: it is given twice"),
        ({"vary": ("track=true",)}, "--vary track: it belongs to one call of a trainer"),
        ({"trainer": ()}, "--trainer: name at least one"),
        ({"trainer": ("ppo_mlp", "ppo_mlp")}, "--trainer ppo_mlp: it is named twice"),
        (
            {"scene": ("keeper/train",), "vary": ("scene=sweep/train",)},
            "--vary scene: --scene is given, too",
        ),
        ({"vary": ("spawn/planter_gat=gate_shut",)}, "planter_gat"),
        ({"scene": ("sweep/trian",)}, "sweep/trian"),
        ({"population": True, "scene": ("lever/train", "lever/train")}, "give --scene once"),
    ],
)
def test_wrong_sweep_is_refused_before_anything_is_trained(
    given: dict[str, Any], sentence: str
) -> None:
    assert sentence in said(**given)


@pytest.mark.parametrize("given", [["--run-dir", ""], ["--run-dir="]])
def test_empty_folder_is_not_the_working_folder(tmp_path: Path, given: list[str]) -> None:
    done = run_command(sweep.__file__, *given, "--local", cwd=tmp_path, status=1)
    assert done.stderr == "error: run_dir: its text is empty; give one, or leave it out\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("forked_trainers")
def test_failed_trial_stops_no_other_and_is_tried_again_alone(tmp_path: Path) -> None:
    flags = [*FLAGS, "--seeds=1", "--vary=learning_rate=1e-3 | 1e30", f"--run-dir={tmp_path}"]
    done = run_here(sweep, *flags, "--local", status=1)
    assert "Traceback" not in done.stderr
    first, *rows = done.stdout.splitlines()
    assert first == "2 trials, 0 of them finished"
    arm = "ppo_lstm, learning_rate=1e-3"
    assert any(
        row.startswith(f"ppo_lstm-learning_rate-1e-3-s1: finished; {arm}: 1 of 1 finished, ")
        for row in rows
    )
    assert any(row.split()[:5] == ["ppo_lstm,", "learning_rate=1e-3", "1", "of", "1"]
               for row in rows)  # fmt: skip
    assert any(row.split()[:5] == ["ppo_lstm,", "learning_rate=1e30", "0", "of", "1"]
               for row in rows)  # fmt: skip
    assert rows[-1].startswith("ppo_lstm-learning_rate-1e30-s1: training ")
    assert "--learning-rate" in rows[-1]
    before = times(tmp_path)
    again = run_here(sweep, *flags, "--local", status=1)
    assert again.stdout.startswith("2 trials, 1 of them finished")
    finished = [file for file in before if "1e-3" in str(file)]
    assert [times(tmp_path)[file] for file in finished] == [before[file] for file in finished]
    assert len(runs(tmp_path)["ppo_lstm-learning_rate-1e-3-s1"]) == 1


@pytest.mark.usefixtures("forked_trainers")
@pytest.mark.parametrize(
    "where",
    ["--local", pytest.param("--no-local", marks=pytest.mark.slow, id="ray")],
)
def test_killed_sweep_goes_on_and_repeats_nothing(tmp_path: Path, where: str) -> None:
    if where != "--local":
        pytest.importorskip("ray", reason="the extra [ray] is not installed")
    flags = [*FLAGS, "--seeds=2", "--vary=num_layers=1", where, "--workers=1",
             f"--run-dir={tmp_path}"]  # fmt: skip
    longer = [*flags, "--vary=total_timesteps=6400"]
    longer.remove("--vary=total_timesteps=128")
    (first, second) = arms_of(
        Args(scene=("keeper/train",), seeds=2, vary=("total_timesteps=6400", *SMALL[:-1]))
    )[0].jobs
    with subprocess.Popen(
        [sys.executable, sweep.__file__, *longer], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout
        process.stdout.readline()  # how many are finished
        while not ((run := find_run(first, tmp_path)) and is_finished(run)):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    kept = times(tmp_path)[run / "policy.safetensors"]
    done = run_here(sweep, *longer)
    assert done.stdout.startswith("2 trials, 1 of them finished")
    assert "2 of 2" in done.stdout
    assert times(tmp_path)[run / "policy.safetensors"] == kept
    assert len(runs(tmp_path)[second.name]) == 1  # it was resumed, if it had begun


def test_without_ray_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, sweep.__file__, *FLAGS, f"--run-dir={tmp_path / 'runs'}"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: Ray is not installed: pip install 'sandbox_envs[ray]', or train on this machine "
        "with --local"
    )


# --- Ray -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one CPU each, on this machine."""
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    from ray.cluster_utils import Cluster

    nodes = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": 10**8},
    )
    nodes.add_node(num_cpus=1, object_store_memory=10**8)
    yield nodes
    nodes.shutdown()


@pytest.mark.slow
def test_sweep_on_two_nodes_goes_on_after_a_failed_trial_and_repeats_nothing(
    cluster: Any, tmp_path: Path
) -> None:
    flags = [*FLAGS, "--seeds=2", "--vary=learning_rate=1e-3 | 1e30", f"--run-dir={tmp_path}",
             f"--address={cluster.address}"]  # fmt: skip
    done = run_command(sweep.__file__, *flags, status=1)
    assert "2 of 2" in done.stdout
    assert "ppo_lstm-learning_rate-1e30-s2: training " in done.stdout
    before = times(tmp_path)
    more = ("--local", "--vary=gae_lambda=0.95")
    again = run_command(sweep.__file__, *flags[:-1], *more, status=1)
    assert again.stdout.startswith("4 trials, 2 of them finished")
    finished = [file for file in before if "1e-3" in str(file)]
    assert len(finished) == 2
    assert [times(tmp_path)[file] for file in finished] == [before[file] for file in finished]


@pytest.mark.slow
def test_sweep_that_loses_a_node_says_which_trials_to_run_again(
    cluster: Any, tmp_path: Path
) -> None:
    lost = cluster.add_node(num_cpus=2, object_store_memory=10**8)
    flags = [*FLAGS, "--seeds=4", f"--run-dir={tmp_path}", f"--address={cluster.address}"]
    longer = [flag.replace("=128", "=25600") for flag in flags]
    with subprocess.Popen(
        [sys.executable, sweep.__file__, *longer], stdout=subprocess.PIPE, text=True
    ) as process:
        while len(list(tmp_path.glob("*/*/resume.pt"))) < 4:  # so that each can be resumed
            assert process.poll() is None
        cluster.remove_node(lost)
        out, _ = process.communicate(timeout=200)
    assert process.returncode == 1
    assert "its worker ended; run this again to resume it" in out
    assert "2 of 4" in out
    done = run_command(sweep.__file__, *longer)
    assert "4 of 4" in done.stdout
    assert {len(found) for found in runs(tmp_path).values()} == {1}


@pytest.mark.slow
def test_address_without_a_cluster_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    done = run_command(
        sweep.__file__, *FLAGS, f"--run-dir={tmp_path}", "--address=127.0.0.1:1", status=1
    )
    assert "error: --address 127.0.0.1:1: no Ray cluster can be joined there" in done.stderr
