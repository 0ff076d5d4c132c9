"""A physics sandbox for studying inner alignment.

Scenes hold a true objective and proxies that correlate with it; evaluation scenes break each
correlation in turn. Importing the package registers every shipped scene with Gymnasium
("sandbox/sweep-train-v0") and "sandbox/scene-v0" for your own file. MuJoCo is loaded with the
first name that needs it (at once if MUJOCO_GL is set), and nothing is compiled until an environment
is made.
"""

from typing import TYPE_CHECKING, Any

import gymnasium

from sandbox_envs.errors import SceneError, UserError
from sandbox_envs.lazy import lazy_names
from sandbox_envs.opengl import import_mujoco
from sandbox_envs.scene.catalog import scene_files, version_of

if TYPE_CHECKING:
    from sandbox_envs import dm_control, sb3
    from sandbox_envs.env import SandboxEnv
    from sandbox_envs.scene.family import load_family
    from sandbox_envs.scene.loading import load_scene
    from sandbox_envs.scene.scene import Scene
    from sandbox_envs.vector import SandboxVectorEnv
    from sandbox_envs.version import __version__

__all__ = [
    "SandboxEnv",
    "SandboxVectorEnv",
    "Scene",
    "SceneError",
    "UserError",
    "__version__",
    "dm_control",
    "load_family",
    "load_scene",
    "sb3",
]

__getattr__ = lazy_names(
    __name__,
    {
        "SandboxEnv": "sandbox_envs.env",
        "SandboxVectorEnv": "sandbox_envs.vector",
        "__version__": "sandbox_envs.version",
        "Scene": "sandbox_envs.scene.scene",
        "dm_control": "sandbox_envs.dm_control",
        "load_family": "sandbox_envs.scene.family",
        "load_scene": "sandbox_envs.scene.loading",
        "sb3": "sandbox_envs.sb3",
    },
)


def _register() -> None:
    entry: dict[str, Any] = {
        "entry_point": "sandbox_envs.env:SandboxEnv",
        "vector_entry_point": "sandbox_envs.vector:SandboxVectorEnv",
    }
    gymnasium.register("sandbox/scene-v0", **entry)
    for name, file in scene_files().items():
        id_ = f"sandbox/{name.replace('/', '-')}-v{version_of(file)}"
        gymnasium.register(id_, **entry, kwargs={"scene": name})


import_mujoco()
_register()
