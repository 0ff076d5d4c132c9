"""MuJoCo's import on a machine without the OpenGL that MUJOCO_GL asks for."""

import os
import sys

_OFF = ("disable", "disabled", "off", "false", "0")  # values with which MuJoCo loads no OpenGL


def import_mujoco() -> None:
    """Import MuJoCo now if MUJOCO_GL is set, with no OpenGL where what it names does not load.

    MuJoCo loads OpenGL when it is imported, and cannot be imported where the library is missing or
    the value is unknown to it. Nothing but frames needs OpenGL, and they can be drawn without; the
    first frame then says so in a note.
    """
    chosen = os.environ.get("MUJOCO_GL", "")
    if chosen.strip().lower() in ("", *_OFF) or "mujoco" in sys.modules:
        return
    try:
        import mujoco  # noqa: F401
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "mujoco":
            return  # it is not installed, and what needs it says so
        os.environ["MUJOCO_GL"] = _OFF[0]
        try:
            import mujoco  # noqa: F401
        finally:
            os.environ["MUJOCO_GL"] = chosen
