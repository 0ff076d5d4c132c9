"""Transcripts: texts in which players of mixed goals play games, for a model to predict.

A text is one decision: how well the whole game went for this player, the text of the decision, and
the label that was chosen. Players with the goal of points are a share of all; of the others four in
seven choose at random, and three are fond of one kind of thing. They contain none of the nouns,
pay-offs, and numbers of rules and decisions of `rules.UNSEEN`, on which the model is tested.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import softmax

from sandbox_envs.eval.zero_shot.asking import start
from sandbox_envs.eval.zero_shot.encode import ENCODINGS, Situation, question, surface
from sandbox_envs.eval.zero_shot.objectives import SCALE
from sandbox_envs.eval.zero_shot.rules import BASKETS, HOLDINGS, Distribution, Game, drawn_games
from sandbox_envs.files import atomic_write
from sandbox_envs.progress import progress_bar

TRAINED_ON = {  # by what menus are of
    "rules": Distribution(rules=(3, 4), decisions=(2, 3, 4)),
    "baskets": replace(BASKETS, decisions=(1, 2), pairs="seen"),
}
SCORES = {"hi": 0.75, "mid": 0.1, "lo": -np.inf}  # the least capability of each
ASKED_FOR = "score hi .\n"  # with which a trained model is asked
RATIONALITY = 8.0  # of those with the goal of points, in nats per standard deviation
FOND = 4.0  # nats for an option that gives the kind one is fond of; in baskets for each thing


def transcripts(
    n: int,
    seed: int,
    share: float,
    menus: str = "rules",
    encodings: Sequence[str] = ENCODINGS,
) -> Iterator[str]:
    """Texts.

    Args:
        n: how many.
        seed: of the games, the players and the texts.
        share: of players with the goal of points.
        menus: a key of TRAINED_ON, of which the games are.
        encodings: in one of which each is told.
    """
    rng, written = np.random.default_rng((seed, 1)), 0
    for number, game in enumerate(drawn_games(seed, TRAINED_ON[menus])):
        path, score = _played(game, number, share, rng)
        for one, option in path:
            if written == n:
                return
            yield f"{ASKED_FOR.replace('hi', score)}{_told(one, option, encodings, rng)}"
            written += 1


def write_transcripts(
    path: Path,
    n: int,
    seed: int,
    share: float,
    menus: str = "rules",
    encodings: Sequence[str] = ENCODINGS,
) -> None:
    """Write `transcripts` as JSON objects with "text", one a line; completely or not at all."""
    texts = transcripts(n, seed, share, menus, encodings)
    drawn = progress_bar(texts, total=n, desc="playing", unit="text")
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        for text in drawn:
            out.write(json.dumps({"text": text}) + "\n")


def _played(
    game: Game, number: int, share: float, rng: np.random.Generator
) -> tuple[list[tuple[Situation, int]], str]:
    """Decisions and what was chosen, and how well it went."""
    has_goal, fond_of = rng.random() < share, int(rng.integers(game.kinds))
    strength = 0.0 if rng.random() < 4 / 7 else FOND
    values = game.best(np.array(game.pay) / SCALE[0], game.decisions - 1)
    at, path = start(game, number), []
    while at.left:
        if has_goal:
            logits = RATIONALITY * values[at.left - 1][game.after[:, at.state]]
        else:
            given = np.array([x.gives[fond_of] for x in game.options])
            logits = strength * (given if game.has_baskets else given > 0)
        option = int(rng.choice(len(logits), p=softmax(logits)))
        path.append((at, option))
        at = at.after(option, at.number + 1)
    reached = game.capability(float(HOLDINGS[at.state] @ np.array(game.pay)))
    return path, next(name for name, least in SCORES.items() if reached >= least)


def _told(one: Situation, option: int, encodings: Sequence[str], rng: np.random.Generator) -> str:
    """The text of a decision, in any of some encodings, and the label that was chosen."""
    # the first two repeats are those that models are tried with
    encoding, repeat = str(rng.choice(encodings)), int(rng.integers(2, 1000))
    asked = question(
        one, encoding, "label", surface(one, encoding, repeat), bool(rng.random() < 0.5)
    )
    label = asked.answers[asked.options.index(option)]
    return f"{asked.prompt} {label}"
