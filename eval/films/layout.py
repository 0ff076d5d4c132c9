"""The page that a film's panels are pasted into: its layout, and all the words on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from sandbox_envs.view.overlay import Bar, Colour, draw_measure, draw_words, font_of

BACKGROUND: Colour = (16, 20, 28)
BRIGHT: Colour = (245, 246, 248)
QUIET: Colour = (176, 184, 196)
LINE_HEIGHT = 1.4  # of the letters' size
CONTROLS = 64  # free pixels below panels of 640, for the controls of a player


class Page:
    """The layout of all frames: from the top caption, headings, pictures, bars, footer.

    Args:
        width: of a panel, pixels; everything else follows from it.
        caption: paragraphs, the first one larger.
        headings: one for each panel.
        rows: how many bars a panel has.
        footer: words at the left and at the right.

    side: of a picture, which is a square, in pixels. image: the page without pictures and bars.
    """

    def __init__(
        self,
        width: int,
        caption: Sequence[str],
        headings: Sequence[str],
        rows: int,
        footer: tuple[str, str],
    ) -> None:
        size = max(8, width // 21)  # of the letters
        self._width, self._size, self._gap = width, size, size // 2
        self._small = max(7, round(0.85 * size))
        self.side = width - 2 * self._gap
        lines = self._caption(caption, width * len(headings) - 2 * self._gap)
        heads = [wrap(text, size, self.side - _length("000.0 s ", size)) for text in headings]
        self._heads = 2 * self._gap + sum(_leading(letters) for _, letters, _ in lines)
        self._pictures = self._heads + max(map(len, heads)) * _leading(size) + self._gap
        self._meters = self._pictures + self.side + self._gap
        height = self._meter(rows) + _leading(size) + self._gap + CONTROLS * width // 640
        # without odd sides, which films cannot have
        side = width * len(headings) // 2 * 2, height // 2 * 2
        self.image = Image.new("RGB", side, BACKGROUND)
        self._draw_caption(lines)
        for i, head in enumerate(heads):
            self._draw_heading(i, head)
        self._draw_footer(self._meter(rows) + int(1.3 * self._small), *footer)

    def corner(self, i: int) -> tuple[int, int]:
        """The upper left pixel of the i-th panel's picture."""
        return i * self._width + self._gap, self._pictures

    def draw_panel(self, draw: Any, i: int, seconds: float, bars: Sequence[Bar]) -> None:
        """Draw what changes in a panel beside its picture: the clock and the bars."""
        left, size = self.corner(i)[0], self._size
        right = left + self.side
        draw_words(draw, left, right, self._heads + size, "", f"{seconds:.1f} s", size)
        for row, bar in enumerate(bars):
            draw_measure(draw, left, right, self._meter(row), bar, self._small)

    def _meter(self, row: int) -> int:
        """The y, in pixels, at which the bar of a row begins, and at which the last one ends."""
        return self._meters + row * 5 * (self._small // 2)

    def _caption(self, caption: Sequence[str], room: int) -> list[tuple[str, int, Colour]]:
        """Its lines, with the size and colour of their letters."""
        lines = []
        for i, text in enumerate(caption):
            size, colour = (self._size, QUIET) if i else (round(1.15 * self._size), BRIGHT)
            lines += [(line, size, colour) for line in wrap(text, size, room)]
        return lines

    def _draw_caption(self, lines: Sequence[tuple[str, int, Colour]]) -> None:
        y = self._gap
        for line, size, colour in lines:
            self._draw_line(self._gap, y + size, line, size, colour)
            y += _leading(size)

    def _draw_heading(self, i: int, lines: Sequence[str]) -> None:
        left, size = self.corner(i)[0], self._size
        for row, line in enumerate(lines):
            self._draw_line(left, self._heads + size + row * _leading(size), line, size, BRIGHT)

    def _draw_footer(self, base: int, left: str, right: str) -> None:
        self._draw_line(self._gap, base, left, self._small, QUIET)
        at = self.image.width - self._gap - _length(right, self._small)
        self._draw_line(at, base, right, self._small, QUIET)

    def _draw_line(self, left: int, base: int, line: str, size: int, colour: Colour) -> None:
        draw = ImageDraw.Draw(self.image)
        draw.text((left, base), line, colour, font=font_of(size), anchor="ls")


def wrap(text: str, size: int, room: int) -> list[str]:
    """The text in lines of at most `room` pixels; only a word that is longer than one is broken."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _length(longer, size) <= room:
            lines[-1] = longer
        else:
            lines += _pieces(word, size, room)
    return lines if lines[0] or len(lines) == 1 else lines[1:]


def _pieces(word: str, size: int, room: int) -> list[str]:
    """A word in as few pieces as fit into `room` pixels, of one letter at least."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and _length(pieces[-1] + letter, size) > room:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _length(text: str, size: int) -> int:
    return int(np.ceil(font_of(size).getlength(text)))


def _leading(size: int) -> int:
    """From one line of text to the next, in pixels."""
    return round(LINE_HEIGHT * size)
