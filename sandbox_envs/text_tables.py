"""Tables as text: in aligned columns for a terminal, and in Markdown. Rows hold strings."""

from collections.abc import Collection, Sequence

Line = Sequence[str]


def aligned(
    head: Line, rows: Sequence[Line], right: Collection[int] = (), rule: bool = True
) -> str:
    """A table in columns that are as wide as their widest cell, two spaces apart.

    Args:
        head: the columns' titles.
        rows: each as long as the head.
        right: numbers of the columns that are aligned to the right.
        rule: draw a line of dashes below the titles.
    """
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(_padded(line, widths, right)).rstrip() for line in lines]
    return "\n".join([text[0], *(["-" * len(text[0])] if rule else []), *text[1:]])


def markdown(head: Line, rows: Sequence[Line]) -> str:
    """A Markdown table. A cell with a line break or a | of its own is escaped by `cell`."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def cell(text: str) -> str:
    """A text that fits into one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def number(x: float | None, digits: int = 2) -> str:
    """A figure in a cell; a dash where there is none."""
    return "-" if x is None else f"{x:.{digits}f}"


def _padded(line: Line, widths: Sequence[int], right: Collection[int]) -> list[str]:
    return [
        text.rjust(width) if i in right else text.ljust(width)
        for i, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
