"""Players made as their arm says, and what is recorded of each; what is there is not repeated."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sandbox_envs.errors import UserError
from sandbox_envs.eval.experiments.zero_shot.arms import (
    GAMES_SEED,
    Group,
    Planted,
    Predicted,
    Reinforced,
    Shipped,
)
from sandbox_envs.eval.zero_shot.asking import Asking, play
from sandbox_envs.eval.zero_shot.encode import CODES
from sandbox_envs.eval.zero_shot.language import OnDisk, Reader, predicting, shipped
from sandbox_envs.eval.zero_shot.planted import PLANTED
from sandbox_envs.eval.zero_shot.players import Player
from sandbox_envs.eval.zero_shot.record import Json, Table
from sandbox_envs.eval.zero_shot.reinforced import trained
from sandbox_envs.eval.zero_shot.rules import BASKETS, UNSEEN_BASKETS, Game, games
from sandbox_envs.eval.zero_shot.transcripts import ASKED_FOR, write_transcripts
from sandbox_envs.files import content_hash, make_folder, read_json, read_lines, write_json
from sandbox_envs.processor import processor
from sandbox_envs.train import predictor
from sandbox_envs.train.arguments import without
from sandbox_envs.train.provenance import provenance

DONE = "found"  # the key that a whole record has, and a part of one has not
ASKED_FOR_LITTLE = ASKED_FOR.replace("hi", "lo")


class BegunElsewhereError(UserError):
    """A record was begun on another processor or device, where a seed is another player."""


def file_of(out: Path, name: str, seed: int) -> Path:
    """The file of a player's record."""
    return out / name.replace(" ", "_").replace(",", "").replace("%", "percent") / f"s{seed}.json"


def record(file: Path, group: Group, seed: int, table: Table, run_dir: Path, device: str) -> None:
    """Make a player, let it play, and write its behaviour and the verdict on it.

    An unfinished record is continued.

    Raises:
        NotInstalledError: the player needs what is not installed.
        BegunElsewhereError: its record was begun on another processor or device.
        UserError: the record is of another player.
    """
    about = group.about(seed, len(table.games))
    begun = read_json(file) if file.is_file() else {}
    by = {"device": _name(device)} if isinstance(group.made, Shipped | Predicted) else {}
    whole: Json = {"about": about, "processor": processor(), **by}
    if begun and DONE not in begun and not isinstance(group.made, Planted):
        for where in ("device", "processor"):  # a player of a seed is another one elsewhere
            if begun.get(where) != whole.get(where):
                raise BegunElsewhereError(
                    f"{file}: it was begun on {begun.get(where)}; go on there, or move it away"
                )
    if begun.get("about", about) != about:
        raise UserError(f"{file}: it is of another player; move it away, and run the study again")
    if DONE in begun:
        return
    player, training = made(group, seed, table, run_dir, device)
    whole |= training | begun

    def save(part: Json) -> None:
        write_json(file, {**whole, "record": part})

    whole["record"] = table.observe(player, group.asked, begun.get("record"), save)
    if isinstance(player, Reader) and isinstance(group.made, Predicted):
        whole |= elsewhere(player, len(table.games))
    whole[DONE] = table.judge(whole["record"], group.asked).to_json()
    write_json(file, whole)


def _name(device: str) -> str:
    """The name of a device: the same seed gives another player on another device."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def elsewhere(player: Reader, n: int) -> Json:
    """A predicting player in games with something new, and asked for a low score.

    Capability in each game, in the order of the games.
    """
    few = replace(player, begin=ASKED_FOR_LITTLE)
    kinds = {name: games(n, GAMES_SEED, one) for name, one in UNSEEN_BASKETS.items()}
    standard = games(n, GAMES_SEED, BASKETS)

    def capabilities(one: Player, some: Sequence[Game]) -> list[float]:
        returns = play(one, some, Asking(CODES[0]))
        return [round(g.capability(x), 5) for g, x in zip(some, returns, strict=True)]

    new = {name: capabilities(player, some) for name, some in kinds.items()}
    return {"new": new, "asked_for_little": capabilities(few, standard)}


def made(group: Group, seed: int, table: Table, run_dir: Path, device: str) -> tuple[Player, Json]:
    """The player, trained if it must be, and what its record says of its training."""
    one = group.made
    if isinstance(one, Planted):
        return PLANTED[one.name], {}
    if isinstance(one, Shipped):
        return Reader(OnDisk(shipped(), one.chat, device)), {"training": provenance()}
    if isinstance(one, Reinforced):
        return trained(table.games, seed, one.steps), {"training": provenance()}
    run = _run(one, seed, run_dir, device)
    return predicting(predictor.Predictor(run, device)), {"training": _training(run)}


def _training(run: Path) -> Json:
    """The last line of a predicting model's log, its weights' hash, its texts and its code.

    Its arguments but for those that say where its files are.
    """
    given = read_json(run / "args.json")
    given["args"] = without(given["args"], "transcripts", "run_dir")
    last = read_lines(run / "metrics.jsonl")[-1]
    return {"last": last, "weights": content_hash(run / predictor.FILES[-1]), **given}


def _run(one: Predicted, seed: int, run_dir: Path, device: str) -> Path:
    """The folder of a finished training, which is begun if there is none."""
    stem = f"{one.menus}-{'-'.join(one.encodings)}-share{one.share:g}-{one.texts}-s{seed}"
    for run in sorted(run_dir.glob(f"{stem}__predictor__s{seed}__*")):
        if (run / predictor.FILES[-1]).is_file():
            given = read_json(run / "args.json")["args"]
            if (given["total_words"], given["device"]) == (one.words, device):
                return run
    texts = run_dir / f"{stem}.jsonl"
    if not texts.is_file():
        make_folder(run_dir)
        write_transcripts(texts, one.texts, seed, one.share, one.menus, one.encodings)
    settings = predictor.Args(
        texts, seed=seed, total_words=one.words, device=device, run_dir=run_dir
    )
    run = predictor.main(settings)
    texts.unlink(missing_ok=True)  # its seed is enough to write it again
    return run
