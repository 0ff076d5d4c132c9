"""Measures drawn over frames: names, values and bars."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

# colours of bars: lightened from Okabe and Ito's, which colour-blind people can tell apart
NEUTRAL: Colour = (220, 220, 225)
INTENDED: Colour = (0, 190, 140)
PROXIES: tuple[Colour, ...] = ((240, 170, 40), (100, 190, 240), (214, 130, 180), (240, 228, 66))
_PANEL, _TEXT, _TRACK = (16, 20, 28, 205), (245, 246, 248), (255, 255, 255, 60)


@dataclass(frozen=True)
class Bar:
    """A measure in an overlay; its bar runs from zero, or the end nearest to zero, to the value."""

    name: str
    """shown above the bar"""
    value: float
    """in the measure's own unit"""
    low: float = 0.0
    """value at the left end of the scale"""
    high: float = 1.0
    """value at the right end of the scale"""
    mark: float | None = None
    """value drawn as a line across the bar, for comparison"""
    colour: Colour = NEUTRAL
    """of the bar, (red, green, blue) from 0 to 255"""


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

    draw: a Pillow drawing in mode "RGBA". The row is 2 letters high, with half a letter below.
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
    """The typeface of all overlays, in letters of `size` pixels."""
    return ImageFont.load_default(size)
