"""Films of recorded episodes that explain themselves: a caption, one clock, bars on one scale.

A film has one panel or several, side by side. The usual three are the agent in the twin, the agent
in the conflict, and the intended script there. What differs between the scenes is outlined first;
all other differences come from behaviour.

    Film([panel("agent", twin), panel("agent", broken), panel("best script", broken)],
         caption=[scene.about, "agent 3 of 10"], idle_reward=0.0).write("film.mp4")
"""

import copy
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, repeat
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from sandbox_envs.errors import UserError
from sandbox_envs.eval.films.changes import find_changes, outline
from sandbox_envs.eval.films.layout import Page
from sandbox_envs.eval.rollouts.episodes import Trajectory
from sandbox_envs.files import atomic_write, make_folder
from sandbox_envs.view.camera import View, find_camera, find_view
from sandbox_envs.view.overlay import INTENDED, PROXIES, Bar
from sandbox_envs.view.render import Renderer
from sandbox_envs.view.video import write_video

OUTLINED_SECONDS, END_SECONDS = 1.5, 1.0  # of film: how long changes are outlined, the end is held
SLICES = 20  # around round bodies: at this size their corners are not seen
CRF = 27  # 15 s of film in 1 MB, and small letters still crisp
GIF_FPS = 8.0  # frames per second: a GIF of more would be large
LEGEND = "white line: reward of doing nothing"


@dataclass(frozen=True)
class Panel:
    """A recorded episode with its heading."""

    trajectory: Trajectory
    """the recorded episode"""
    heading: str
    """who acts where, in plain words"""


def panel(who: str, trajectory: Trajectory) -> Panel:
    """A panel whose heading is `who` and the scene's name, as in "agent, planter open"."""
    return Panel(trajectory, f"{who}, {_plain(trajectory.scene.path.stem)}")


class Moment(NamedTuple):
    """The content of one or several successive frames."""

    time: float
    """simulated seconds"""
    outlined: bool
    """whether changes are outlined"""
    frames: int = 1
    """how many frames show it"""


@dataclass(frozen=True)
class Film:
    """Episodes side by side on one clock; the shorter ones hold their last frame."""

    panels: Sequence[Panel]
    """from left to right"""
    caption: Sequence[str] = ()
    """paragraphs above the panels, the first one larger; they wrap and are never cut off"""
    idle_reward: float | None = None
    """what doing nothing earns: a line across the bars of the reward"""
    best_reward: float = 0.0
    """the least length of these bars' scale, so that a small reward does not fill them"""
    changed: bool = True
    """outline at first what stands elsewhere in one panel than in the others"""
    speed: float = 2.0
    """simulated seconds per second of film"""
    width: int = 640
    """of a panel, pixels"""
    fps: float = 20.0
    """frames per second of film"""
    camera: str | None = None
    """its name; by default "overhead", or a free camera if there is none"""

    def __post_init__(self) -> None:
        if not self.panels:
            raise UserError("a film needs at least one panel")
        if not (self.speed > 0 and self.fps > 0 and self.width >= 120):
            raise UserError(
                "a film needs a positive speed and fps, and panels of 120 pixels or more"
            )

    @property
    def seconds(self) -> float:
        """Simulated seconds of the longest episode."""
        return max(float(panel.trajectory.times[-1]) for panel in self.panels)

    def times(self) -> np.ndarray:
        """The simulated time that each frame shows, up to the end of the longest episode."""
        step = self.speed / self.fps
        frames = int(np.ceil(self.seconds / step - 1e-6))
        return np.minimum(np.arange(frames + 1) * step, self.seconds)

    def moments(self) -> list[Moment]:
        """The moments that the frames show, in order; the last is held for a second."""
        end = OUTLINED_SECONDS * self.speed
        shown = groupby(self.times().tolist(), lambda time: (self._steps(time), time < end))
        runs = [list(times) for _, times in shown]
        moments = [Moment(times[0], times[0] < end, len(times)) for times in runs]
        held = moments[-1].frames + round(END_SECONDS * self.fps)
        return [*moments[:-1], moments[-1]._replace(frames=held)]

    def draw(self, moments: Iterable[Moment]) -> Generator[np.ndarray, None, None]:
        """A frame (height, width of all panels, 3) uint8 for each moment."""
        stage = _Stage(self)
        try:
            for moment in moments:
                yield stage.frame(moment.time, moment.outlined)
        finally:
            stage.close()

    def frames(self) -> Iterator[np.ndarray]:
        """All frames, (height, width of all panels, 3) uint8."""
        moments = self.moments()
        with closing(self.draw(moments)) as frames:
            for moment, frame in zip(moments, frames, strict=True):
                yield from repeat(frame, moment.frames)

    def still(self, seconds: float | None = None, outlined: bool = False) -> np.ndarray:
        """One frame, by default the last: (height, width of all panels, 3) uint8."""
        moment = Moment(self.seconds if seconds is None else seconds, outlined)
        with closing(self.draw([moment])) as frames:
            return next(frames)

    def write(self, path: str | Path) -> None:
        """Write it as an mp4, and its last frame beside it; errors are those of `write_video`."""
        write_film(path, self.frames(), self.fps)

    def _steps(self, time: float) -> list[int]:
        """The control step that each panel shows at a simulated time."""
        return [_step(panel.trajectory, time) for panel in self.panels]


def write_film(path: str | Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write frames as an mp4 and the last one, as its poster, as a PNG of the same name.

    Raises:
        UserError, OSError: as `write_video` does.
    """
    last: list[np.ndarray] = []
    write_video(path, _noted(frames, last), fps, CRF)
    with atomic_write(Path(path).with_suffix(".png")) as partial:
        Image.fromarray(last[0]).save(partial, "PNG")


def _noted(frames: Iterable[np.ndarray], last: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames; `last` then holds the one that came last."""
    for frame in frames:
        last[:] = [frame]
        yield frame


def write_gif(path: str | Path, frames: Iterable[np.ndarray], fps: float, width: int = 720) -> None:
    """Write frames (height, width, 3) uint8 as a small endless GIF, `width` pixels wide.

    Raises:
        UserError: there are no frames.
    """
    small = [_narrow(Image.fromarray(frame), width) for frame in frames]
    if not small:
        raise UserError(f"{path}: there are no frames to write")
    # one palette for all frames: what does not move is then the same, and costs nothing; and an
    # octree has a place for rare colours, such as those of bars
    sample = np.concatenate([np.asarray(image) for image in small[:: -max(1, len(small) // 6)]])
    palette = Image.fromarray(sample).quantize(255, Image.Quantize.FASTOCTREE)
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in small]
    # a GIF counts in hundredths of a second
    ends = 10 * np.round(np.arange(1, len(images) + 1) * 100 / fps).astype(int)
    shown = np.diff(ends, prepend=0).tolist()
    path = Path(path)
    make_folder(path.parent)
    with atomic_write(path) as partial:
        images[0].save(
            partial, "GIF", save_all=True, append_images=images[1:], duration=shown, loop=0
        )


def _narrow(image: Image.Image, width: int) -> Image.Image:
    height = round(image.height * width / image.width)
    return image.resize((width, height), Image.Resampling.LANCZOS)


# --- what stays and what moves ---------------------------------------------------------------


class _Stage:
    """The panels of a film, and the page that they are pasted into."""

    def __init__(self, film: Film) -> None:
        self._film, self._page = film, _page(film)
        models = {id(p.trajectory.scene.model): p.trajectory.scene.model for p in film.panels}
        side = self._page.side
        self._renderers = {  # each takes as long to make as several frames
            key: Renderer(_quick(model), film.camera, side, side) for key, model in models.items()
        }
        trajectories = [p.trajectory for p in film.panels]
        self._changes = find_changes(trajectories, film.camera) if film.changed else []
        self._shots = [
            _Shot(p.trajectory, self._renderers[id(p.trajectory.scene.model)]) for p in film.panels
        ]
        self._scales = _scales(film)

    def frame(self, time: float, outlined: bool) -> np.ndarray:
        """The frame of a simulated time."""
        image = self._page.image.copy()
        draw = ImageDraw.Draw(image, "RGBA")
        for i, (panel, shot) in enumerate(zip(self._film.panels, self._shots, strict=True)):
            step = _step(panel.trajectory, time)
            picture = shot.picture(step)
            if outlined:
                picture = outline(picture, shot.view(self._film.camera, step), self._changes)
            image.paste(picture, self._page.corner(i))
            self._page.draw_panel(
                draw, i, panel.trajectory.times[step], self._bars(panel.trajectory, step)
            )
        return np.array(image)

    def close(self) -> None:
        """Free what OpenGL holds."""
        for renderer in self._renderers.values():
            renderer.close()

    def _bars(self, trajectory: Trajectory, step: int) -> list[Bar]:
        """The reward and the proxies after `step`, on the scales that all panels share."""
        low, high = self._scales["reward"]
        reward = float(trajectory.reward_so_far[step])
        bars = [Bar("reward so far", reward, low, high, self._film.idle_reward, INTENDED)]
        for i, name in enumerate(self._film.panels[0].trajectory.scene.proxies):
            value, colour = float(trajectory.values[name][step]), PROXIES[i % len(PROXIES)]
            bars.append(Bar(f"{_plain(name)} (proxy)", value, *self._scales[name], colour=colour))
        return bars


def _page(film: Film) -> Page:
    legend = "" if film.idle_reward is None else LEGEND
    speed = "" if film.speed == 1 else f"{film.speed:g}x speed"
    headings = [panel.heading for panel in film.panels]
    rows = 1 + len(film.panels[0].trajectory.scene.proxies)
    return Page(film.width, film.caption, headings, rows, (legend, speed))


def _scales(film: Film) -> dict[str, tuple[float, float]]:
    """The ends of each bar, the same in all panels; proxies, mostly shares, reach at least 1."""
    trajectories = [panel.trajectory for panel in film.panels]
    idle = 0.0 if film.idle_reward is None else film.idle_reward
    ends = [0.0, idle, film.best_reward]
    reward = np.concatenate([ends, *(trajectory.reward_so_far for trajectory in trajectories)])
    margin = 0.05 * np.ptp(reward) + 1e-3
    scales = {"reward": (reward.min() - margin, reward.max() + margin)}
    for name in trajectories[0].scene.proxies:
        level = np.concatenate(
            [[0.0, 1.0], *(trajectory.values[name] for trajectory in trajectories)]
        )
        scales[name] = level.min(), level.max()
    return {name: (float(low), float(high)) for name, (low, high) in scales.items()}


def _step(trajectory: Trajectory, time: float) -> int:
    """The control step of a trajectory at a simulated time, at most its last one."""
    return int(min(round(time * trajectory.scene.control_hz), len(trajectory.times) - 1))


def _quick(model: mujoco.MjModel) -> mujoco.MjModel:
    """The model as films show it: smoothed edges and shadows are three quarters of the time."""
    model = copy.copy(model)
    quality = model.vis.quality
    quality.offsamples = quality.shadowsize = 0
    quality.numslices, quality.numstacks = SLICES, SLICES // 2
    return model


class _Shot:
    """Pictures of one trajectory, drawn again only if the step has changed."""

    def __init__(self, trajectory: Trajectory, renderer: Renderer) -> None:
        self._trajectory, self._renderer = trajectory, renderer
        self._data = mujoco.MjData(trajectory.scene.model)
        self._step, self._picture = -1, Image.new("RGB", (1, 1))

    def picture(self, step: int) -> Image.Image:
        """The state after `step`; to be copied before it is drawn on."""
        if step != self._step:
            self._trajectory.show(self._data, step)
            self._step, self._picture = step, Image.fromarray(self._renderer.frame(self._data))
        return self._picture

    def view(self, camera: str | None, step: int) -> View:
        """The view of a camera of the state after `step`, in a square picture."""
        model = self._trajectory.scene.model
        self._trajectory.show(self._data, step)
        mujoco.mj_fwdPosition(model, self._data)
        return find_view(model, self._data, find_camera(model, camera), 1.0)


def _plain(name: str) -> str:
    return name.replace("_", " ")
