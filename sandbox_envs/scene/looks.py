"""The texts `rgba/MATERIAL`: other colours than those of the file."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError, suggest


def recolour(model: mujoco.MjModel, colours: Mapping[str, str], path: Path) -> None:
    """Give materials of a model, by name, other colours: red, green, blue and opacity, 0 to 1.

    Raises:
        SceneError: there is no such material, or its colour is not four such numbers.
    """
    known = [model.material(i).name for i in range(model.nmat)]
    for name, text in colours.items():
        where = f"{path}, text 'rgba/{name}'"
        if name not in known:
            raise SceneError(f"{where}: there is no material '{name}'; {suggest(name, known)}")
        rgba = np.array([])
        with suppress(ValueError):
            rgba = np.array(text.split(), dtype=float)
        if rgba.shape != (4,) or not ((rgba >= 0) & (rgba <= 1)).all():
            raise SceneError(
                f"{where}: '{text}' is not a colour; write red, green, blue and opacity "
                "from 0 to 1, as in 0.2 0.4 0.9 1"
            )
        model.material(name).rgba = rgba
