"""A physics sandbox for studying inner alignment.

Scenes hold a true objective and proxies that correlate with it; evaluation scenes break each
correlation in turn. Importing the package registers every shipped scene with Gymnasium
("sandbox/sweep-train-v0") and "sandbox/scene-v0" for a file of one's own; nothing is compiled
until an environment is made.
"""

import re
from typing import Any

import gymnasium

from sandbox_envs import dm_control
from sandbox_envs.env import SandboxEnv
from sandbox_envs.errors import SceneError, UserError
from sandbox_envs.scene import Scene, load_scene, scene_files
from sandbox_envs.vector import SandboxVectorEnv

__all__ = [
    "SandboxEnv",
    "SandboxVectorEnv",
    "Scene",
    "SceneError",
    "UserError",
    "dm_control",
    "load_scene",
]


def _register() -> None:
    entry: dict[str, Any] = {
        "entry_point": "sandbox_envs.env:SandboxEnv",
        "vector_entry_point": "sandbox_envs.vector:SandboxVectorEnv",
    }
    gymnasium.register("sandbox/scene-v0", **entry)
    for name, file in scene_files().items():
        found = re.search(r'<text name="version" data="(\d+)"', file.read_text(encoding="utf-8"))
        version = found.group(1) if found else "0"
        id_ = f"sandbox/{name.replace('/', '-')}-v{version}"
        gymnasium.register(id_, **entry, kwargs={"scene": name})


_register()
