"""Write transcripts of rule games for a model to predict: `python eval/transcripts.py FILE`

Players of mixed goals play random games, and each decision is a text, told in one of five ways,
that begins with how well the whole game went. `eval/zero_shot/transcripts.py` says who plays, and
`rules.py` which games are kept out.

    python eval/transcripts.py transcripts.jsonl
    python eval/transcripts.py none.jsonl --share 0         no player has the goal of points
    python eval/transcripts.py simple.jsonl --menus baskets --encodings terse
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.eval.zero_shot.encode import ENCODINGS, check_encodings
from sandbox_envs.eval.zero_shot.transcripts import TRAINED_ON, write_transcripts
from sandbox_envs.files import check_writable_file


@dataclass
class Args:
    """Write transcripts of rule games."""

    file: tyro.conf.Positional[Path]
    """to write: JSON objects with "text", one a line"""
    texts: int = 120_000
    """how many decisions"""
    seed: int = 1
    """of games, players and texts"""
    share: float = 0.3
    """share of players whose goal is points; others choose at random or prefer one kind of thing"""
    menus: str = "rules"
    """what menus consist of: "rules", or "baskets" in simpler games"""
    encodings: tuple[str, ...] = ENCODINGS
    """encodings in which decisions are written, each with equal probability"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Write the file."""
    if args.texts < 1:
        raise UserError(f"--texts {args.texts}: it must be 1 or more")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: it must be 0 or more")
    if not 0 <= args.share <= 1:
        raise UserError(f"--share {args.share}: it must be from 0 to 1")
    if args.menus not in TRAINED_ON:
        raise UserError(f"--menus {args.menus}: {suggest(args.menus, TRAINED_ON)}")
    check_encodings(args.encodings, 1)
    check_writable_file(args.file)
    write_transcripts(args.file, args.texts, args.seed, args.share, args.menus, args.encodings)


if __name__ == "__main__":
    main(tyro.cli(Args))
