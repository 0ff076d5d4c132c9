"""Statistics that training logs and scene datasheets share."""

from collections.abc import Sequence

import numpy as np


def pearson(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> float | None:
    """Pearson's correlation over all numbers of x and y, or None where one of them is constant.

    With fewer than three pairs there is none either: two points always lie on a line.
    """
    a, b = np.ravel(x), np.ravel(y)
    if len(a) < 3 or a.std() < 1e-9 or b.std() < 1e-9:
        return None
    return float(np.corrcoef(a, b)[0, 1])
