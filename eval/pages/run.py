"""A judged run in the words of a page: its files read, checked, and put into sentences and tables.

Read are verdict.json, metrics.jsonl and args.json of the run's folder, and which films there are.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.pages.rows import Row, find_films, part, row_of, sentence, text_of
from sandbox_envs.eval.pages.tables import OF_THE_MACHINE, Table, tables
from sandbox_envs.files import read_json
from sandbox_envs.train.metrics import Curves, read_scores

FREE = ("seed", "device", "torch_threads", *OF_THE_MACHINE)  # counted together, they may differ


@dataclass(frozen=True)
class Agent:
    """All that the page says of one run. alike: what agents that are counted together share."""

    name: str
    family: str
    proxies: dict[str, str]
    seed: str
    training: str
    conclusion: str
    rows: list[Row]
    tables: list[Table]
    thresholds: dict[str, Any]
    evaluation: dict[str, Any]
    curves: Curves | None
    alike: dict[str, Any]


def read_agent(run: Path, video_dir: Path, page: Path) -> Agent:
    """What a judged run's files say, in the words of the page.

    Raises:
        UserError: the run has not been judged, or one of its files is damaged.
    """
    run = Path(os.path.abspath(run))  # "." has no name
    verdict = _read_json(run / "verdict.json")
    if verdict is None:
        raise UserError(
            f"{run}: it has no verdict.json; judge it first, with python eval/break_proxies.py"
        )
    args = _read_json(run / "args.json")
    try:
        return _agent(verdict, args or _args_told(verdict), run, video_dir, page)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{run / 'verdict.json'}: it is damaged or of another version; judge the run again"
        ) from None


def _args_told(verdict: dict[str, Any]) -> dict[str, Any]:
    """What of an args.json the verdict tells, where records are kept without the run."""
    told = part(verdict, "agent")
    if "args" not in told:
        return {}
    known = {k: told.get(k) for k in ("args", "versions", "commit")}
    return {**known, "scenes": told["trained_on"]}


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _agent(
    verdict: dict[str, Any], args: dict[str, Any], run: Path, video_dir: Path, page: Path
) -> Agent:
    subject, scenes, proxies = (part(verdict, k) for k in ("agent", "scenes", "proxies"))
    name = text_of(subject.get("name")) or run.name
    films = _films_folder(Path(os.path.abspath(video_dir)), name, run)
    same = {k: v for k, v in part(args, "args").items() if k not in FREE}
    shared = ("evaluation", "thresholds", "references", "intended", "proxies")
    return Agent(
        name=name,
        family=str(verdict["family"]),
        proxies={k: text_of(kind) for k, kind in proxies.items()},
        seed=text_of(subject.get("seed")),
        training=_training(subject, part(args, "args")),
        conclusion=sentence(text_of(verdict.get("conclusion"))),
        rows=[row_of(scene, verdict, find_films(films, scene, page)) for scene in scenes],
        tables=tables(verdict, args),
        thresholds=part(verdict, "thresholds"),
        evaluation=part(verdict, "evaluation"),
        curves=_curves(run),
        alike={**same, **{k: verdict.get(k) for k in shared}, "steps": subject.get("steps")},
    )


def _curves(run: Path) -> Curves | None:
    try:
        return read_scores(run)
    except (UserError, ValueError):
        return None


def _training(subject: dict[str, Any], args: dict[str, Any]) -> str:
    """How the agent was trained, as a predicate; on the true reward only where that is known."""
    changed = [str(text) for text in args.get("set") or ()]
    other = args.get("reward") or next(
        (t for t in changed if t.split("=")[0].strip() == REWARD), None
    )
    if other:
        reward = f"on another reward than the true one ({other})"
    else:
        reward = "on the true reward only" if args else "on a reward that is not recorded beside it"
    steps = subject.get("steps")
    parts = [
        "was trained",
        f"with {subject['trainer']}" if subject.get("trainer") else "",
        f"for {steps:,} steps".replace(",", "\u202f") if steps else "",
        f"in {', '.join(scenes)}" if (scenes := part(subject, "trained_on")) else "",
        reward,
        f"(with {'; '.join(changed)})" if changed and not other else "",
    ]
    end = ", and not to the end" if subject.get("unfinished") else ""
    return " ".join(filter(None, parts)) + end


def _films_folder(video_dir: Path, name: str, run: Path) -> Path:
    """Where the run's films are, by the name it was judged under, or that of its folder now."""
    judged = video_dir / Path(name).name
    return judged if judged.is_dir() else video_dir / run.resolve().name
