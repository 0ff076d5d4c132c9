"""Films of episodes: measures drawn over frames, and frames written as mp4."""

import errno
import functools
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sandbox_envs.errors import UserError
from sandbox_envs.files import whole_file

Colour = tuple[int, int, int]

# the colours of bars: Okabe and Ito's, lightened, which colour-blind people can tell apart
NEUTRAL: Colour = (220, 220, 225)
INTENDED: Colour = (0, 190, 140)
PROXIES: tuple[Colour, ...] = ((240, 170, 40), (100, 190, 240), (214, 130, 180), (240, 228, 66))
_PANEL, _TEXT, _TRACK = (16, 20, 28, 205), (245, 246, 248), (255, 255, 255, 60)


@dataclass(frozen=True)
class Bar:
    """A measure in an overlay.

    low, high: the values at the ends of its bar, which is drawn from zero or the end nearest it.
    mark: a value drawn as a line across the bar, for comparison.
    """

    name: str
    value: float
    low: float = 0.0
    high: float = 1.0
    mark: float | None = None
    colour: Colour = NEUTRAL


def overlay(
    frame: np.ndarray, bars: Sequence[Bar], title: str = "", seconds: float | None = None
) -> np.ndarray:
    """The frame with a panel of measures in its upper left corner, as a new array.

    Args:
        frame: (height, width, 3) uint8.
        bars: one row each: name, value, and a bar.
        title: a line above the bars, with the time in `seconds` at its right.
    """
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image, "RGBA")  # this mode blends translucent colours
    size = max(10, round(frame.shape[0] / 36))  # of the letters, pixels; the unit of the layout
    gap = size // 2
    left, right = 2 * gap, 14 * size
    head = 2 * size if title or seconds is not None else gap
    panel = (gap, gap, right + gap, gap + head + len(bars) * 5 * gap)
    draw.rounded_rectangle(panel, gap, fill=_PANEL)
    if head > gap:
        time_ = "" if seconds is None else f"{seconds:.1f} s"
        draw_words(draw, left, right, gap + int(1.4 * size), title, time_, size)
    for i, bar in enumerate(bars):
        draw_measure(draw, left, right, gap + head + i * 5 * gap, bar, size)
    return np.array(image)


def draw_measure(draw: Any, left: int, right: int, top: int, bar: Bar, size: int) -> None:
    """Name, value and bar of a measure, from `left` to `right`, in letters of `size` pixels.

    draw: a Pillow drawing in mode "RGBA". It takes 2 letters' height, and half of one below.
    """
    gap = size // 2
    draw_words(draw, left, right, top + size, bar.name, f"{bar.value:.2f}", size)
    _bar(draw, (left, top + 3 * gap, right, top + 4 * gap), bar)


def draw_words(
    draw: Any, left: int, right: int, base: int, name: str, value: str, size: int
) -> None:
    """A name at the left and a value at the right; the name is shortened to fit."""
    font = font_of(size)
    room = right - left - draw.textlength(value + " ", font=font)
    full = name
    while name and draw.textlength(name, font=font) > room:
        full = full[:-1]
        name = full and full + "…"
    draw.text((left, base), name, _TEXT, font=font, anchor="ls")
    draw.text((right, base), value, _TEXT, font=font, anchor="rs")


def _bar(draw: Any, box: tuple[int, int, int, int], bar: Bar) -> None:
    left, top, right, bottom = box

    def at(value: float) -> float:
        share = (value - bar.low) / (bar.high - bar.low)
        return left + (right - left) * min(max(share, 0.0), 1.0)

    draw.rectangle(box, fill=_TRACK)
    ends = sorted((at(0), at(bar.value)))
    if ends[1] - ends[0] >= 1:
        draw.rectangle((ends[0], top, ends[1], bottom), fill=bar.colour)
    for value, width in ((0.0, 1), (bar.mark, 2)):
        if value is not None and bar.low < value < bar.high:
            line = (at(value), top - 2, at(value), bottom + 2)
            draw.line(line, fill=_PANEL, width=width + 2)
            draw.line(line, fill=_TEXT, width=width)


@functools.cache
def font_of(size: int) -> Any:
    """The one typeface, in letters of `size` pixels."""
    return ImageFont.load_default(size)


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float, crf: int = 20) -> None:
    """Write frames (height, width, 3) uint8 as an mp4 (H.264, yuv420p) that any browser plays.

    The file appears when it is whole: until then it has another name, and an error or an
    interruption leaves nothing. Frames with odd sides lose a row or column.

    Args:
        frames: all of the same size.
        crf: how coarse the picture may be; 6 more halve the file, about.

    Raises:
        UserError: the name does not end in .mp4, or there are no frames.
        OSError: the file cannot be written.
    """
    path = check_video_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        try:
            partial.touch()  # says in plain words what is wrong with the place, if anything is
            _encode(partial, frames, fps, crf)
        except OSError as error:
            if error.filename == str(partial):
                error.filename = str(path)  # the name that the user gave
            raise


def check_video_path(path: str | Path) -> Path:
    """The path, if a film can be called that.

    Raises:
        UserError: it does not end in .mp4, or is a folder.
    """
    path = Path(path)
    if path.suffix != ".mp4":
        raise UserError(f"{path}: films are written as mp4; give a name that ends in .mp4")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file in it")
    return path


def _encode(path: Path, frames: Iterable[np.ndarray], fps: float, crf: int) -> None:
    """Pipe the frames through ffmpeg, whose own process and errors are watched."""
    process: subprocess.Popen[bytes] | None = None
    shape: tuple[int, ...] = ()
    try:
        for frame in frames:
            even = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]
            if process is None:
                shape, process = even.shape, _ffmpeg(path, even.shape[1], even.shape[0], fps, crf)
            if even.shape != shape:
                raise ValueError(f"a frame has shape {even.shape}, and those before it {shape}")
            assert process.stdin is not None
            process.stdin.write(even.tobytes())
        if process is None:
            raise UserError(f"{path.stem}: there are no frames to write")
        _, message = process.communicate()
    except BrokenPipeError:
        assert process is not None
        _, message = process.communicate()
    finally:
        if process is not None:
            process.kill()
            process.wait()
    if process.returncode:
        reason = message.decode(errors="replace").strip().splitlines() or ["ffmpeg failed"]
        words = re.sub(r"^\[.*?\] ", "", reason[-1])  # without the name of ffmpeg's part
        raise OSError(errno.EIO, words, str(path))


def _ffmpeg(path: Path, width: int, height: int, fps: float, crf: int) -> "subprocess.Popen[bytes]":
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}"]
    # its default preset takes twice the time for a tenth of the size
    film = ["-c:v", "libx264", "-preset", "veryfast", "-crf", f"{crf}", "-pix_fmt", "yuv420p"]
    film += ["-movflags", "+faststart"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *raw, "-i", "-"]
    return subprocess.Popen(
        [*command, *film, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # an interruption from the keyboard is ours to handle
    )
