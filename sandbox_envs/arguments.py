"""Arguments and options of environments in the notations that people use, or a sentence."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from sandbox_envs.errors import UserError, suggest
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene

SceneLike = str | Path | Scene
MOST_THREADS = 1024
LAST_EPISODE = 2**53  # that a reset may begin with; numbers of episodes are counted in 64 bits


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """`value` as an int, from any number that is whole, such as 4.0 or numpy's.

    Raises:
        UserError: it is no number, not whole, or out of bounds.
    """
    whole = not isinstance(value, bool) and (
        isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    )
    if not whole or value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most}"
        kind = "" if whole else "a whole number, "
        raise UserError(f"{name} is {value!r:.60}; it must be {kind}{bounds}")
    return int(value)


def most_steps(max_episode_steps: int | None) -> int | None:
    """A limit of control steps; Gymnasium's -1 is none."""
    if max_episode_steps in (None, -1):
        return None
    return whole_number("max_episode_steps", max_episode_steps, 1)


def numbers(name: str, value: Any) -> np.ndarray:
    """`value` as an array of float64. Raises UserError where it is none."""
    try:
        array = np.asarray(value)
        if array.dtype.kind in "biufO":  # complex numbers and texts would be converted, too
            return array.astype(np.float64, copy=False)
    # RuntimeError: a tensor with gradients
    except (OverflowError, TypeError, ValueError, RuntimeError):
        pass
    raise UserError(f"{name} must be an array of numbers, not {value!r:.60}")


def checked_seed(seed: Any) -> int | None:
    """A seed as an int, or None.

    Raises:
        UserError: it is a list of seeds, or no whole number. Gymnasium refuses negative ones.
    """
    if seed is None:
        return None
    if isinstance(seed, bool | np.bool_) or not isinstance(seed, int | np.integer):
        raise UserError(
            f"seed is {seed!r:.60}; give one whole number, which is the seed of all simulations "
            "(those of a vector environment play different episodes of it; take_rows of "
            "sandbox_envs.eval.rollouts.branching puts several into the same one)"
        )
    return int(seed)


def checked_render_mode(given: str | None, modes: Sequence[str], instead: str = "") -> str | None:
    """A render mode, which is one of these or None; `instead` ends the error otherwise."""
    if given is not None and given not in modes:
        raise UserError(f"render_mode '{given}' is not one of {', '.join(modes)} or None{instead}")
    return given


def autoreset_mode(given: AutoresetMode | str) -> AutoresetMode:
    """A mode, which may be given by its name or as Gymnasium writes it: SAME_STEP, "SameStep"."""
    if isinstance(given, AutoresetMode):
        return given
    names = {name: mode for mode in AutoresetMode for name in (mode.name, str(mode.value))}
    if given not in names:
        hint = suggest(str(given), [mode.name for mode in AutoresetMode])
        raise UserError(f"autoreset_mode is {given!r}; {hint}")
    return names[given]


def load_scenes(
    given: "SceneLike | Sequence[SceneLike] | None", overrides: Mapping[str, str | float] | None
) -> list[Scene]:
    """The scenes that an environment is made of.

    Raises:
        UserError: none is named. SceneError: one is wrong.
    """
    if given is None:
        raise UserError(
            "no scene is named; give scene='sweep/train' or another one (python -m "
            "sandbox_envs.scenes lists them), or the path of a file"
        )
    many = [given] if isinstance(given, SceneLike) else list(given)
    return [load_scene(scene, overrides) for scene in many]


def slots_to_reset(options: Mapping[str, Any], num_envs: int, first: bool) -> np.ndarray:
    """Whether a reset starts each simulation anew, (num_envs,) bool; `first`: none was before."""
    known = ("stagger", "clock", "episode", "reset_mask")
    for name in options:
        if name not in known:
            raise UserError(f"unknown reset option '{name}'; {suggest(name, known)}")
    mask = np.asarray(options.get("reset_mask", np.ones(num_envs, bool)))
    if mask.shape != (num_envs,) or mask.dtype != bool:
        raise UserError(f"reset_mask must be {num_envs} booleans, one per environment")
    if first and not mask.all():
        raise UserError("the first reset starts every simulation; leave out reset_mask")
    return mask


def first_episode(options: Mapping[str, Any]) -> int | None:
    """The number of the episode that slot 0 starts at, where a reset's options have one.

    Raises:
        UserError: it is no whole number of 0 or more.
    """
    if "episode" not in options:
        return None
    return whole_number("the reset option 'episode'", options["episode"], 0, LAST_EPISODE)


def start_clock(
    options: Mapping[str, Any], slots: Sequence[np.ndarray], steps: Sequence[int]
) -> np.ndarray:
    """Control steps that count as passed when episodes start, for every simulation.

    Args:
        options: of the reset.
        slots: the simulations of each scene.
        steps: control steps of an episode of each scene.

    Raises:
        UserError: an option is wrong.
    """
    num_envs = sum(map(len, slots))
    if options.get("stagger"):
        if "clock" in options:
            raise UserError("stagger and clock both set the clocks; give one of them")
        return np.concatenate([s * n // num_envs for s, n in zip(slots, steps, strict=True)])
    clock, most = np.asarray(options.get("clock", 0)), min(steps) - 1
    if (
        clock.shape not in ((), (num_envs,))
        or clock.dtype.kind not in "iu"
        or not ((clock >= 0) & (clock <= most)).all()
    ):
        raise UserError(
            f"clock must be a whole number of control steps from 0 to {most}, or "
            f"{num_envs} of them, one per environment"
        )
    return np.broadcast_to(clock, num_envs)
