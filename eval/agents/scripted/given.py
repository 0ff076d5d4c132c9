"""Check what a caller gives as a policy, before anything is played."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from sandbox_envs.errors import UserError, suggest
from sandbox_envs.eval.agents.protocol import Policy, PolicyFactory
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.scene.scene import Scene

PAIR = "(observations, state) -> (actions, state)"


def factory_of(given: Any, scene: Scene, scripted: bool) -> PolicyFactory:
    """The factory of the policy that acts in a scene.

    Args:
        given: a policy, the name of a script, or with `scripted` a function that is called with
            the scene's environment and returns a policy.

    Raises:
        UserError: it is none of these.
    """
    if isinstance(given, str | Path):
        return _script(str(given), scene)
    if not callable(given):
        hint = "; sandbox_envs.sb3.policy(model) makes one" if hasattr(given, "predict") else ""
        kind = type(given).__name__
        raise UserError(f"policy is of type {kind}; it must be a callable {PAIR}{hint}")
    if scripted:
        if not _takes(given, 1):
            raise UserError(
                "the policy cannot be called with one argument; a script is called with the "
                "environment alone"
            )
        return lambda envs: _made(given(envs))
    if not _takes(given, 2):
        _refuse(given)
    return lambda _envs: given


def _script(name: str, scene: Scene) -> PolicyFactory:
    known = scripts(scene)
    if name in known:
        return known[name]
    if Path(name, "agent.json").is_file():
        raise UserError(
            f"{name} is a run folder; give sandbox_envs.train.policy.load_policy('{name}'), or "
            "judge it with eval/break_proxies.py"
        )
    raise UserError(f"{scene.name} has no script '{name}'; {suggest(name, known)}")


def _made(policy: Any) -> Policy:
    """Return the policy that a script returned; raise UserError if it is none."""
    if not callable(policy):
        kind = type(policy).__name__
        raise UserError(
            f"the script returned an object of type {kind}; it must return a callable {PAIR}"
        )
    return policy


def _refuse(given: Callable[..., Any]) -> NoReturn:
    """Raise UserError about what cannot be called as a policy is, and may be a factory of one."""
    if _takes(given, 1):
        raise UserError(
            "the policy takes one argument: if it makes a policy for an environment, as what "
            f"planned(...) returns does, add scripted=True; a policy itself takes two, {PAIR}"
        )
    raise UserError(
        f"the policy cannot be called with two arguments, as a policy is: {PAIR}; with "
        "scripted=True a function of the environment that returns a policy is taken, too"
    )


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments; if it does not tell, it can."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # some functions that are not written in Python
        pass
    return True
