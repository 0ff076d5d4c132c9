"""Objectives that mean the same in every game, though its kinds and names are drawn anew."""

import numpy as np

from sandbox_envs.eval.zero_shot.rules import KINDS, Game

# what the game pays; how many things are held, whatever they pay; how many of what pays most
OBJECTIVES = ("points", "things", "dearest")
# standard deviations of what options of a menu are worth to the best play for each, at the first
# decisions of a thousand standard games (seed 1)
SCALE = np.array([1.5, 0.46, 0.53])


def pay_of(game: Game) -> np.ndarray:
    """(kinds, objectives) what one thing of each kind counts at the end."""
    return np.stack([game.pay, np.ones(KINDS), np.eye(KINDS)[game.dearest]], 1)
