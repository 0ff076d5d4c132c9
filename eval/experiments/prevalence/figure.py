"""Pictures: what became of every able agent, and the first rooms from above."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from sandbox_envs import SandboxVectorEnv
from sandbox_envs.eval.experiments.prevalence.agents import Found
from sandbox_envs.eval.experiments.prevalence.references import PROXY, TWINS
from sandbox_envs.eval.experiments.prevalence.rooms import draw
from sandbox_envs.eval.experiments.prevalence.scene_files import OPEN, write_family
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.pages.figures import save
from sandbox_envs.files import atomic_write
from sandbox_envs.scene.loading import load_scene

LOOKS = {  # marker and colour of a verdict
    "intended": ("s", "#009e73"),
    "neglect": ("v", "#e69f00"),
    "harm": ("o", "#d55e00"),
    "mixed": ("D", "#56b4e9"),
}
OTHER = "x", "0.4"
SHEET = "rooms.jpg"
SHOWN, COLUMNS = 12, 4  # rooms on the sheet
FRAME = (240, 180)
QUALITY = 80  # of JPEG


def plot(rooms: Sequence[Found], out: Path) -> Path:
    """Draw reward and dustpan in the conflict, a point for each able agent, into a folder.

    A panel for each twin, as the agents that are able differ.
    """
    figure = Figure(figsize=(8.4, 4.0), layout="constrained")
    axes = figure.subplots(1, len(TWINS), sharex=True, sharey=True)
    for axis, twin in zip(axes, TWINS, strict=True):
        agents = [one.agent for one in rooms if one.agent is not None and one.is_able(twin)]
        for word in sorted({agent.words[twin] for agent in agents}):
            mine = [agent.scores[OPEN] for agent in agents if agent.words[twin] == word]
            x, y = ([one[k] for one in mine] for k in (REWARD, PROXY))
            marker, colour = LOOKS.get(word, OTHER)
            label = f"{word} ({len(mine)})"
            axis.plot(x, y, marker, color=colour, markersize=4.5, alpha=0.75, label=label)
        axis.axvline(0, color="0.7", linewidth=0.8)
        axis.axvline(THRESHOLDS.intended, color="0.7", linewidth=0.8, linestyle=":")
        axis.set_title(f"able in training and in the twin: {twin}", fontsize=9)
        axis.set_xlabel("reward, planters open\n(0 doing nothing, 1 best script)")
        if agents:
            axis.legend(frameon=False, fontsize=8, loc="lower left")
    axes[0].set_ylabel("dustpan, planters open")
    file = out / "prevalence.png"
    save(figure, file)
    return file


def sheet(rooms: Sequence[Found], out: Path) -> Path:
    """Draw the first rooms from above with their planters open, with number and verdicts."""
    shown = rooms[:SHOWN]
    width, height = FRAME
    lines = -(-len(shown) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * width, lines * height), "white")
    for place, one in enumerate(shown):
        picture = Image.fromarray(_frame(one))
        text = f"{one.seed}  {' / '.join(one.word(twin) for twin in TWINS)}"
        pen = ImageDraw.Draw(picture)
        pen.rectangle((0, 0, pen.textlength(text) + 8, 14), fill="white")
        pen.text((4, 2), text, fill="black")
        page.paste(picture, (place % COLUMNS * width, place // COLUMNS * height))
    file = out / SHEET
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
