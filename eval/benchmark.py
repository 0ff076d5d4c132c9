"""Speed of environment, training and films on this machine: `python eval/benchmark.py`.

Measures the environment over the physics alone and over Gymnasium's vector environments, its
memory, the trainer over a recurrent PPO in the usual style and over Stable-Baselines3's, other
trainers over it, how many agents an hour makes, the cost by number of simulations and of pieces of
dirt, and the speed of film making. Ratios are medians
over turns of contenders that run one after the other, A B A B ..., with the smallest and largest
in brackets. Run nothing else on the machine meanwhile.

    python eval/benchmark.py                     6 minutes on two cores
    python eval/benchmark.py --quick             3 minutes
    python eval/benchmark.py --only env video    some sections only
"""

import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import tyro

from sandbox_envs import load_scene
from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.eval.speed.environment import memory, over_physics, scale
from sandbox_envs.eval.speed.minds import minds
from sandbox_envs.eval.speed.peers import gymnasium_envs, sb3
from sandbox_envs.eval.speed.timing import Figure, Setting, Task
from sandbox_envs.eval.speed.training import gpu, training
from sandbox_envs.eval.speed.video import renderer, video
from sandbox_envs.files import check_writable_file, write_json
from sandbox_envs.processor import available_cores, processor, thread_count
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.texts import parse_overrides
from sandbox_envs.text_tables import aligned
from sandbox_envs.train.trainers import DEFAULT_TRAINER, trainer_args

# In this order: Gymnasium's processes are forked before anything else has threads.
SECTIONS: Mapping[str, Callable[[Setting], Iterator[Task]]] = {
    "gymnasium": gymnasium_envs,
    "env": over_physics,
    "memory": memory,
    "training": training,
    "minds": minds,
    "sb3": sb3,
    "scale": scale,
    "gpu": gpu,
    "video": video,
}
PACKAGES = ("mujoco", "torch", "numpy", "gymnasium")
HEAD = ("what", "median", "spread", "wanted", "reached")


@dataclass
class Args:
    """Measure how fast environment, training and films are on this machine."""

    scene: str = "sweep/train"
    """a scene's name or file"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE replaces a text or numeric of the scene"""
    only: tuple[str, ...] = tuple(SECTIONS)
    """the sections to measure"""
    quick: bool = False
    """fewer and shorter turns, and fewer rows of scale"""
    repeats: int | None = None
    """turns of a comparison, fewer where a turn takes seconds; by default 15, or 7 with --quick"""
    seconds: float | None = None
    """shortest timed run, of whole updates and films; by default 1, or 0.5 with --quick"""
    num_envs: int | None = None
    """simulations of the measured training; by default the trainer's own number"""
    num_steps: int | None = None
    """steps between two updates of the measured training; by default the trainer's own number"""
    json: Path | None = None
    """also write all figures to this file"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Measure the sections, print the table, and write the figures."""
    setting = _setting(args)
    figures = measure(setting, args.only)
    host = machine()
    print(f"\n{args.scene} on {host['cpu']}, {host['cores']} cores, {host['opengl']}")
    print(f"Python {host['python']}, {', '.join(f'{k} {host[k]}' for k in PACKAGES)}\n")
    print(table(figures))
    if args.json:
        write_json(args.json, as_json(figures, host))
        print(f"\nwritten to {args.json}")


def _setting(args: Args) -> Setting:
    """The setting of the command line, checked before anything is measured."""
    if not args.only:
        raise UserError("--only: name at least one section, or leave it out")
    for name in args.only:
        if name not in SECTIONS:
            raise UserError(f"--only {name}: unknown section; {suggest(name, SECTIONS)}")
    for name in ("repeats", "num_envs", "num_steps"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} {value}: it must be 1 or more")
    least = trainer_args(DEFAULT_TRAINER).num_minibatches
    if args.num_envs is not None and args.num_envs < least:
        raise UserError(
            f"--num-envs {args.num_envs}: it must be {least} or more, a simulation per minibatch"
        )
    if args.seconds is not None and not (args.seconds > 0 and math.isfinite(args.seconds)):
        raise UserError(f"--seconds {args.seconds:g}: it must be more than 0")
    if args.json and not args.json.parent.is_dir():
        raise UserError(f"--json {args.json}: there is no folder {args.json.parent}")
    if args.json:
        check_writable_file(args.json)
    return Setting(
        load_scene(args.scene, parse_overrides(args.set)),
        repeats=args.repeats or (7 if args.quick else 15),
        seconds=args.seconds or (0.5 if args.quick else 1.0),
        sizes=(1, 64, 1024) if args.quick else (1, 4, 16, 64, 256, 1024, 4096),
        dirt=(5, 20) if args.quick else (5, 10, 20, 40),
        num_envs=args.num_envs,
        num_steps=args.num_steps,
    )


def measure(setting: Setting, sections: Sequence[str]) -> list[Figure]:
    """Measure sections, with a progress bar over the timed runs."""
    tasks = [task for name in SECTIONS if name in sections for task in SECTIONS[name](setting)]
    figures: list[Figure] = []
    with progress_bar(total=sum(task.runs for task in tasks), unit="run") as bar:
        for task in tasks:
            bar.set_description(task.what, refresh=False)
            figures += task.measure(bar.update)
    return figures


def machine() -> dict[str, Any]:
    """The machine and the versions that the figures depend on."""
    return {
        "cpu": processor(),
        "cores": available_cores(),
        "threads": thread_count(),
        "system": platform.platform(),
        "opengl": renderer(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def as_json(figures: Sequence[Figure], host: Mapping[str, Any]) -> dict[str, Any]:
    """The machine, medians of the ratios by name, and every figure with its measured values."""
    ratios = {f.name: f.median for f in figures if f.unit == "ratio" and f.values}
    return {
        "machine": dict(host),
        "ratios": ratios,
        "figures": {f.name: f.plain() for f in figures},
    }


def table(figures: Sequence[Figure]) -> str:
    """Figures as rows: those with a target, then other ratios, then rates."""
    order = sorted(figures, key=lambda f: (f.wanted is None, f.unit != "ratio"))
    return aligned(HEAD, [_row(figure) for figure in order])


def _row(figure: Figure) -> tuple[str, ...]:
    if figure.median is None:
        return figure.what, "-", figure.note, "", ""
    unit = "" if figure.unit == "ratio" else f" {figure.unit}"
    ends = " to ".join(_number(end) for end in (min(figure.values), max(figure.values)))
    wanted, reached = "", ""
    if figure.wanted is not None:
        wanted = f"{'<=' if figure.at_most else '>='} {figure.wanted:g}{unit}"
        reached = "yes" if figure.reached else "no"
    return figure.what, f"{_number(figure.median)}{unit}", f"({ends})", wanted, reached


def _number(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


if __name__ == "__main__":
    main(tyro.cli(Args))
