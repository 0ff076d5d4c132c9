"""The archives of the searches as a picture: where regret is large, for each kind of agent."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sandbox_envs.eval.pages.figures import save
from sandbox_envs.eval.regret.box import BOX, THIRDS, read_box

Groups = Mapping[str, Sequence[dict[str, Any]]]


def plot(groups: Groups, out: Path) -> None:
    """Largest regrets found, the mean over the agents of a group; grey where nothing was tried."""
    shown = {name: agents for name, agents in groups.items() if agents}
    box = read_box(BOX)
    rows = list(product(*(map(str, box.variables[name].range) for name in box.niches[:-1])))
    last = box.variables[box.niches[-1]]
    low, high = last.range
    columns = [last.niche(low + (high - low) * (i + 0.5) / THIRDS) for i in range(THIRDS)]
    grids = {name: _grid(agents, rows, columns) for name, agents in shown.items()}
    top = max((np.nanmax(grid) for grid in grids.values() if not np.isnan(grid).all()), default=1.0)
    size = (1.6 * len(shown) + 2.6, 0.36 * len(rows) + 1.2)
    figure = Figure(figsize=size, layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(shown), sharey=True))
    for axis, (name, grid) in zip(axes, grids.items(), strict=True):
        axis.set_facecolor("0.85")
        picture = axis.imshow(grid, vmin=0, vmax=top, cmap="magma", aspect="auto")
        axis.set_title(name, fontsize=8)
        axis.set_xticks(range(THIRDS), columns, fontsize=6)
        axis.set_xlabel(box.niches[-1], fontsize=7)
    axes[0].set_yticks(range(len(rows)), [", ".join(map(_short, row)) for row in rows], fontsize=6)
    figure.colorbar(picture, ax=axes, label="largest regret found", shrink=0.8)
    save(figure, out)


def _short(value: str) -> str:
    return value.replace("gate_", "planter ").replace("door_", "garden ")


def _grid(
    agents: Sequence[dict[str, Any]], rows: Sequence[tuple[str, ...]], columns: Sequence[str]
) -> np.ndarray:
    found = np.full((len(agents), len(rows), len(columns)), np.nan)
    for number, agent in enumerate(agents):
        for one in agent["search"]["archive"]:
            *row, column = one["niche"]
            found[number, rows.index(tuple(row)), columns.index(column)] = one["regret"]
    tried = ~np.isnan(found)
    total = np.where(tried, found, 0.0).sum(0)
    return np.where(tried.any(0), total / np.maximum(tried.sum(0), 1), np.nan)
