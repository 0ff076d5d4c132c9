"""Players made as their arm says, and what is recorded of each; what is there is not repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from sandbox_envs.errors import UserError
from sandbox_envs.eval.experiments.runner import is_record_of, record_in
from sandbox_envs.eval.experiments.zero_shot.arms import (
    CALIBRATED,
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
from sandbox_envs.eval.zero_shot.planted import PLANTED, Calibration, calibrated
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

CALIBRATION = "calibration.json"
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
    if "training" in begun and _weights(begun) != _weights(training):
        raise UserError(
            f"{file}: it was begun with a model that is not in {run_dir}, and one that is trained "
            "again is another one; move the record away, and run the study again"
        )
    whole |= training | begun

    def save(part: Json) -> None:
        write_json(file, {**whole, "record": part})

    whole["record"] = table.observe(player, group.asked, begun.get("record"), save)
    if isinstance(player, Reader) and isinstance(group.made, Predicted):
        whole |= elsewhere(player, len(table.games))
    whole[DONE] = table.judge(whole["record"], group.asked).to_json()
    write_json(file, whole)


def _weights(about: Json) -> str | None:
    """The hash of a trained model's weights in what a record says of its player, if it has one."""
    found: str | None = about["training"].get("weights")
    return found


def _name(device: str) -> str:
    """The name of a device: the same seed gives another player on another device."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def calibrate(out: Path, of: Mapping[str, Table], goals: int, goalless: int) -> None:
    """Check the words on many planted players, unless that is there; of: kind -> its games."""
    file = out / CALIBRATION
    about = {"games": [len(table.games) for table in of.values()], "of": GAMES_SEED}
    about |= {"asked": list(CALIBRATED), "players": [goals, goalless]}
    if not is_record_of(file, about):
        found = {
            name: asdict(calibrated(of[kind], arm, goals, goalless))
            for name, (kind, arm) in CALIBRATED.items()
        }
        write_json(file, {**about, "found": found})


def read_calibrations(out: Path) -> dict[str, Calibration]:
    """What `calibrate` found, by games and way of asking; nothing before. Raises UserError."""
    if not (out / CALIBRATION).is_file():
        return {}
    with record_in(out / CALIBRATION) as content:
        return {
            name: Calibration(**{k: [(a, b) for a, b in pairs] for k, pairs in one.items()})
            for name, one in content["found"].items()
        }


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
