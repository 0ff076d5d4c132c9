"""Progress bars that move on a terminal and leave few lines in a log file."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

SECONDS = 10.0  # between two lines of a bar whose output is no terminal


def progress_bar(things: Iterable[Any] | None = None, **options: Any) -> tqdm:
    """A bar over some things, or over the `total` that `update` is called for.

    options: those of tqdm. Without a standard error there is no bar.
    """
    if sys.stderr is None:
        return tqdm(things, **{**options, "disable": True})
    if not sys.stderr.isatty():
        options = {"mininterval": SECONDS, "maxinterval": 2 * SECONDS, **options}
    return tqdm(things, **options)
