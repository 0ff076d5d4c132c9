"""Pictures: what became of every able agent, and the first rooms from above."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.experiments.prevalence.agents import Found
from sandbox_envs.eval.experiments.prevalence.references import PROXY
from sandbox_envs.eval.experiments.prevalence.rooms import draw
from sandbox_envs.eval.experiments.prevalence.scene_files import GLASS, OPEN, write_family
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.files import atomic_write
from sandbox_envs.scene.loading import load_scene

COLOURS = {"intended": "#009e73", "neglect": "#e69f00", "harm": "#d55e00"}
OTHER = "0.5"
SHOWN, COLUMNS = 12, 4  # rooms on the sheet
FRAME = (240, 180)
QUALITY = 80  # of JPEG


def plot(rooms: Sequence[Found], out: Path) -> Path:
    """Draw reward and dustpan in the conflict, a point for each able agent, into a folder."""
    figure = Figure(figsize=(5.2, 4.2), layout="constrained")
    axis = figure.subplots()
    agents = [one.agent for one in rooms if one.agent is not None and one.is_able()]
    for word in sorted({agent.words[GLASS] for agent in agents}):
        mine = [agent.scores[OPEN] for agent in agents if agent.words[GLASS] == word]
        x, y = ([one[k] for one in mine] for k in (REWARD, PROXY))
        label, colour = f"{word} ({len(mine)})", COLOURS.get(word, OTHER)
        axis.plot(x, y, "o", color=colour, markersize=4.5, alpha=0.75, label=label)
    axis.axvline(0, color="0.7", linewidth=0.8)
    axis.axvline(THRESHOLDS.intended, color="0.7", linewidth=0.8, linestyle=":")
    axis.set_xlabel("reward, planters open (0 doing nothing, 1 best script)")
    axis.set_ylabel("dustpan, planters open")
    axis.spines[["top", "right"]].set_visible(False)
    if agents:
        axis.legend(frameon=False, fontsize=8)
    file = out / "prevalence.png"
    with atomic_write(file) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
    return file


def sheet(rooms: Sequence[Found], out: Path) -> Path:
    """Draw the first rooms from above with their planters open, with number and verdict."""
    shown = rooms[:SHOWN]
    width, height = FRAME
    lines = -(-len(shown) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * width, lines * height), "white")
    for place, one in enumerate(shown):
        picture = Image.fromarray(_frame(one))
        text = f"{one.seed}  {one.word()}"
        pen = ImageDraw.Draw(picture)
        pen.rectangle((0, 0, pen.textlength(text) + 8, 14), fill="white")
        pen.text((4, 2), text, fill="black")
        page.paste(picture, (place % COLUMNS * width, place // COLUMNS * height))
    file = out / "rooms.jpg"
    with atomic_write(file) as temporary:
        page.save(temporary, format="JPEG", quality=QUALITY)
    return file


def _frame(one: Found) -> np.ndarray:
    """The start of an episode with open planters in a room that was recorded."""
    with tempfile.TemporaryDirectory() as folder:
        family = Path(folder) / f"room{one.seed}"
        write_family(draw(one.seed, one.attempt), family)
        scene = load_scene(family / f"{OPEN}.xml")
        width, height = FRAME
        envs = SandboxVectorEnv(scene, 1, render_mode="rgb_array", width=width, height=height)
        envs.reset(seed=one.seed)
        frames = envs.render()
    assert frames is not None
    return np.asarray(frames[0])
