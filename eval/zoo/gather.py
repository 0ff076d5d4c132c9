"""The agents of a zoo: records and verdicts of studies, with the policies that are at hand.

A record and a run are of one agent if the verdict says exactly of its agent what the run says of
itself: trainer, arguments, seed, steps, scenes, versions, commit. Names alone do not tell. Where
two runs say the same of themselves, neither is taken.
"""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.agents.trained import metadata_of
from sandbox_envs.eval.judging.records import FILE as RECORDS
from sandbox_envs.eval.judging.records import read_records
from sandbox_envs.eval.judging.verdict import UNJUDGED
from sandbox_envs.eval.judging.verdict_file import FILE as VERDICT
from sandbox_envs.eval.judging.verdict_file import AgentMetadata, AgentVerdict, read_verdict
from sandbox_envs.files import make_folder, read_json, write_json
from sandbox_envs.train.arguments import OF_RUNS, fingerprint
from sandbox_envs.train.jobs import learned_with
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.run_files import is_file, read_training
from sandbox_envs.train.run_folder import MEMBERS

COPIED = ("metrics.jsonl", "policy.safetensors")  # of a run, beside args.json and agent.json
_SEED = re.compile(r"s\d+")
Json = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """An agent of a study."""

    folder: Path
    """of its records"""
    study: str
    """the study's name"""
    arm: str
    """what the study calls its kind of agent"""
    verdict: AgentVerdict
    """on it"""
    run: Path | None
    """its run, with the policy; None where it is not at hand"""

    @property
    def place(self) -> str:
        """Its folder in a zoo, whose last part is its name."""
        parts = ("agents", self.study, *self.arm.split("/"), self.verdict.agent.name)
        return "/".join(re.sub(r"[^A-Za-z0-9_.+-]+|^[.+-]+", "_", part) for part in parts)


def recorded(results: Path, runs: Sequence[Path]) -> list[Recorded]:
    """Every agent that has a verdict below a folder of results, which has a folder per study.

    Args:
        results: such as eval/results.
        runs: run folders, or folders above them.

    Raises:
        UserError: there is no verdict, or a record or a run is damaged.
    """
    known: dict[str, Path | None] = {}
    for one in _runs(runs):
        name = identity(metadata_of(one))
        known[name] = None if name in known else one
    found = []
    for file in sorted(results.rglob(VERDICT)):
        parts = file.parent.relative_to(results).parts
        if not parts:
            raise UserError(f"{results}: it is the folder of an agent; name one of studies")
        verdict = read_verdict(file.parent)
        arm = "/".join(part for part in parts[1:] if not _SEED.fullmatch(part)) or "all"
        run = known.get(identity(verdict.agent))
        found.append(Recorded(file.parent, parts[0], arm, verdict, run))
    if not found:
        raise UserError(f"{results}: no {VERDICT} is below it; name the folder of studies' records")
    return found


def put(agent: Recorded, zoo: Path) -> Json:
    """Copy an agent's data to a zoo that is being built; returns what its manifest says of it.

    The folder is a run folder, which commands take as any other; it cannot be resumed.

    Raises:
        UserError: its records or its policy are damaged, or it is there already.
    """
    folder = zoo / agent.place
    if folder.exists():
        raise UserError(f"{agent.folder}: an agent of this name is in the arm {agent.arm} already")
    make_folder(folder)
    read_records(agent.folder)
    shutil.copyfile(agent.folder / RECORDS, folder / RECORDS)
    said = read_json(agent.folder / VERDICT)
    write_json(folder / VERDICT, {**said, "agent": _with_short_scenes(said["agent"])})
    if agent.run is not None:
        load_policy(agent.run)
        for name in COPIED:
            shutil.copyfile(agent.run / name, folder / name)
        described, about = _without_places(agent.run)
        write_json(folder / "args.json", described)
        write_json(folder / "agent.json", about)
    verdict = agent.verdict
    words = {name: here.verdict for name, here in verdict.scenes.items()}
    return {
        "path": agent.place,
        "study": agent.study,
        "arm": agent.arm,
        "trainer": verdict.agent.trainer,
        "seed": verdict.agent.seed,
        "steps": verdict.agent.steps,
        "trained_on": verdict.agent.trained_on,
        "policy": agent.run is not None,
        "verdicts": {name: word for name, word in words.items() if word not in UNJUDGED},
        "conclusion": verdict.conclusion,
    }


def _runs(given: Sequence[Path]) -> Iterator[Path]:
    """Every run at or below some folders, once, and the checkpoints that they kept.

    Members of a population are left out: they say the same of themselves as each other.
    """
    seen = set()
    for top in given:
        if not top.is_dir():
            raise UserError(f"{top}: there is no such folder; name folders of runs")
        files = sorted(top.rglob("args.json"))
        if not files:
            raise UserError(f"{top}: no run folder is in it")
        for run in (file.parent for file in files if (file.parent / COPIED[-1]).is_file()):
            place = run.resolve()
            if place not in seen and place.parent.name != MEMBERS:
                seen.add(place)
                yield run


def identity(agent: AgentMetadata) -> str:
    """A text for all that is known of an agent, the same for the same one."""
    return json.dumps(asdict(agent), sort_keys=True)


def _without_places(run: Path) -> tuple[Json, Json]:
    """A run's args.json and agent.json without the places of its maker's files.

    Nothing that was learned changes. Of another run its name is left, by which comparisons know it;
    of a scene's file its family and name.
    """
    described, about = read_json(run / "args.json"), read_json(run / "agent.json")
    training = read_training(run)
    described = _with_short_scenes(described)
    args, learned = described["args"], learned_with(training)
    args.update({"run_dir": "runs"} if "run_dir" in args else {})
    args.update({"wandb_entity": None} if "wandb_entity" in args else {})
    for name in (name for name in OF_RUNS if args.get(name)):
        args[name] = learned[name]["run"]
        described[name] = learned[name]
    if isinstance(described["scenes"], list):
        described["scenes"] = [
            {**scene, **{key: _short(scene[key]) for key in ("given", "file")}}
            for scene in described["scenes"]
        ]
    if described.get("scene_files"):  # as earlier versions wrote it
        described["scene_files"] = [_short(file) for file in described["scene_files"]]
    if "arguments" in about:
        about["arguments"] = fingerprint(training.trainer, args)
    return described, about


def _with_short_scenes(said: Json) -> Json:
    """A dict with "args", in which scenes' files are told without their place."""
    args = dict(said.get("args") or {})
    if scenes := args.get("scene"):
        args["scene"] = _short(scenes) if isinstance(scenes, str) else [_short(s) for s in scenes]
    return {**said, "args": args}


def _short(scene: str | None) -> str | None:
    """A scene's name, or the last two parts of its file's path, as those of its name."""
    return "/".join(Path(scene).parts[-2:]) if scene and is_file(scene) else scene
