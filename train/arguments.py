"""The kinds of arguments that trainers have, and the ranges of their values.

A trainer's own arguments decide what is learned; those named below do not. Code that compares
trainings takes each kind from here. This module needs neither torch nor MuJoCo.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox_envs.errors import UserError

# where the run lies, who follows it, and how errors are shown
OF_THE_CALL = ("run_dir", "resume", "debug", "track", "wandb_project_name", "wandb_entity")
# these, settings of the machine, and which policies are kept: none of them changes what is learned
OF_THE_MACHINE = ("device", "torch_threads", "keep_every", "checkpoints", *OF_THE_CALL)
# arguments that select and change scenes; the scenes' hashes identify them better
OF_THE_SCENES = ("scene", "set", "reward")
# arguments, of trainers or agents, that earlier versions had not, and what stands for their lack.
# A new argument comes last, with the value that changes nothing: so runs and records that lack it
# are still those of the trainings that have this value.
LATER: Mapping[str, Any] = {
    "num_layers": 1,
    "sums": [],
    "aux_coef": 0.0,
    "reward_model": None,
    "initial_weights": None,
}
# arguments that name another run: what counts is its weights' hash, wherever it lies
OF_RUNS = ("initial_weights", "reward_model")
# arguments in which agents of one group may differ: each is an independent draw
FREE_IN_A_GROUP = ("seed", *OF_THE_MACHINE)

# the least and the most that numbers may be, by name; the most keeps typing errors from using up
# memory, and no useful training comes near it
RANGES: Mapping[str, tuple[float, float]] = {
    "seed": (0, 2**63 - 1),
    "total_timesteps": (1, 10**15),
    "keep_every": (0, 10**15),
    "checkpoints": (0, 10_000),
    "num_envs": (1, 2**16),
    "num_steps": (1, 2**16),
    "num_minibatches": (1, 2**16),
    "update_epochs": (1, 1000),
    "hidden_size": (1, 8192),
    "num_layers": (1, 64),
    "torch_threads": (1, 1024),
    "learning_rate": (0, math.inf),
    "gamma": (0, 1),
    "gae_lambda": (0, 1),
    "clip_coef": (0, math.inf),
    "ent_coef": (0, math.inf),
    "vf_coef": (0, math.inf),
    "aux_coef": (0, math.inf),
    "horizon": (1, 8),
    "iterations": (0, 100),
    "members": (2, 1024),
    "episodes": (1, 100_000),
    "window": (0, 100_000),
    "updates": (1, 1_000_000),
    "share": (0, 0.5),
    "max_grad_norm": (0, math.inf),
}


def check_ranges(args: Any) -> None:
    """Raise UserError where a number of a trainer's arguments is out of its range.

    args: a trainer's `Args`. All of its numbers must be finite, and those with a name in `RANGES`
    lie between the two there.
    """
    for name, value in vars(args).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{flag(name)} {value}: it must be a finite number")
    for name, (least, most) in RANGES.items():
        value = getattr(args, name, None)
        if value is None:
            continue
        if value < least:
            raise UserError(f"{flag(name)} {value}: it must be {least} or more")
        if value > most:
            raise UserError(f"{flag(name)} {value}: it must be {most} or less")
    if getattr(args, "keep_every", 0) and getattr(args, "checkpoints", 0):
        raise UserError(
            f"--checkpoints {args.checkpoints}: --keep-every {args.keep_every} says which policies "
            "are kept, too; give one of the two"
        )


def check_minibatches(num_envs: int, num_steps: int, num_minibatches: int) -> None:
    """Raise UserError where a minibatch would be empty or of one sample.

    A minibatch is a share of the simulations with all their steps. Advantages are divided by their
    standard deviation in it, and one number has none.
    """
    if num_minibatches > num_envs:
        raise UserError(
            f"--num-minibatches {num_minibatches}: at most one per simulation, and "
            f"--num-envs is {num_envs}"
        )
    most = -(-num_envs // num_minibatches)  # as torch.chunk shares them out
    if (num_envs % most or most) * num_steps < 2:
        raise UserError(
            f"--num-minibatches {num_minibatches}: a minibatch has only one sample, whose "
            "advantage has no standard deviation; make --num-steps 2 or more, or take fewer "
            "minibatches"
        )


def flag(name: str) -> str:
    """An argument as it is written on a command line."""
    return "--" + name.replace("_", "-")


def without(args: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The arguments except those of some names."""
    return {name: value for name, value in args.items() if name not in names}


def _learned(
    args: Mapping[str, Any], *but: str, later: Mapping[str, Any] = LATER
) -> dict[str, Any]:
    """The arguments that decide what is learned, but some; those of `later` only if they differ."""
    kept = without(args, *OF_THE_MACHINE, *but)
    return {k: v for k, v in kept.items() if k not in later or v != later[k]}


def environment(wrappers: Sequence[str]) -> str:
    """A training's environment in words; wrappers: their names, outermost first."""
    if not wrappers:
        return "an environment without wrappers"
    return f"a wrapped environment ({' around '.join(wrappers)})"


def identity_of(trainer: str, args: Mapping[str, Any], scenes: Sequence[tuple[str, str]]) -> str:
    """A text that identifies a training: trainings with equal texts have equal agents.

    Args:
        trainer: its name.
        args: its arguments. Those of `OF_RUNS` are records, dicts with a "hash", or None.
        scenes: name and hash of each, in order.
    """
    hyper = _learned(args, *OF_THE_SCENES, *OF_RUNS)
    hyper |= {name: args[name]["hash"] for name in OF_RUNS if args.get(name)}
    plain = json.loads(json.dumps([trainer, scenes, hyper]), parse_int=float)  # 1 is 1.0
    return json.dumps(plain, sort_keys=True)


def origin_of(trainer: str, args: Mapping[str, Any], scenes: Sequence[tuple[str, str]]) -> str:
    """A text that all checkpoints of one training share, even if it was made longer in between.

    Args:
        trainer, args, scenes: as `identity_of` takes them; args as `jobs.learned_with` gives them.
    """
    if extended := args.get("extended"):
        args = {**without(args, "extended"), "total_timesteps": extended[0][1]}
    return identity_of(trainer, args, scenes)


def fingerprints(trainer: str, args: Mapping[str, Any], *free: str) -> list[str]:
    """The `fingerprint` of a training, and those of versions in which `LATER` ended earlier."""
    shorter = [dict(list(LATER.items())[:n]) for n in reversed(range(len(LATER) + 1))]
    return [fingerprint(trainer, args, *free, later=later) for later in shorter]


def fingerprint(
    trainer: str, args: Mapping[str, Any], *free: str, later: Mapping[str, Any] = LATER
) -> str:
    """A short text for a trainer and its hyperparameters, by which an edited run is noticed.

    It leaves out what a run may change on its way: the machine, where the scenes lie, the length.

    Args:
        trainer: its name.
        args: its arguments.
        free: names of more arguments to leave out.
        later: arguments that count only where they differ from these.
    """
    kept = _learned(args, "scene", "total_timesteps", *free, later=later)
    plain = json.loads(json.dumps([trainer, kept]), parse_int=float)  # 1 is 1.0
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
