"""An environment's `spec`, in words that JSON has."""

import copy
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec

from sandbox_envs.scene.scene import Scene


class PlainSpec:
    """The attribute `spec` of an environment: how Gymnasium made it, in words that JSON has.

    None where Gymnasium did not make it.
    """

    def __get__(self, env: Any, kind: type | None = None) -> EnvSpec | None:
        return None if env is None else vars(env).get("spec")

    def __set__(self, env: Any, spec: EnvSpec | None) -> None:
        vars(env)["spec"] = plain_spec(spec)


def plain_spec(spec: EnvSpec | None) -> EnvSpec | None:
    """A copy of a spec whose arguments are text, numbers, lists and mappings.

    A Scene becomes its file, and what was replaced in it joins the argument `overrides`. Only
    scenes with different replacements in one environment stay as they are, as no text says that.
    """
    if spec is None:
        return None
    arguments = dict(spec.kwargs)
    scene = arguments.get("scene")
    scenes = list(scene) if isinstance(scene, list | tuple) else [scene]
    replaced = [dict(s.overrides) if isinstance(s, Scene) else {} for s in scenes]
    same = all(one == replaced[0] for one in replaced)
    if same and any(replaced):
        arguments["overrides"] = {**replaced[0], **(arguments.get("overrides") or {})}
    plain = copy.copy(spec)
    plain.kwargs = {
        name: value if name == "scene" and not same else _plain(value)
        for name, value in arguments.items()
    }
    return plain


def _plain(value: Any) -> Any:
    match value:
        case Scene():
            return str(value.path)
        case Path():
            return str(value)
        case Enum():
            return value.value
        case np.generic() | np.ndarray():
            return value.tolist()
        case Mapping():
            return {name: _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
    return value
