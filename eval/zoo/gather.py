"""The agents of a zoo: records and verdicts of studies, with the policies that are at hand.

A record and a run are of one agent if the verdict says exactly of its agent what the run says of
itself: trainer, arguments, seed, steps, scenes, versions, commit. Names alone do not tell.
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
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.run_files import progress, read_training

OF_A_RUN = ("agent.json", "metrics.jsonl", "policy.safetensors")  # beside args.json
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
    known = {identity(agent): run for run in _runs(runs) for agent in (_metadata(run),)}
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
    for name in (RECORDS, VERDICT):
        shutil.copyfile(agent.folder / name, folder / name)
    if agent.run is not None:
        load_policy(agent.run)
        for name in OF_A_RUN:
            shutil.copyfile(agent.run / name, folder / name)
        write_json(folder / "args.json", _without_places(read_json(agent.run / "args.json")))
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
    """Every run at or below some folders, and the checkpoints that they kept."""
    for top in given:
        if not top.is_dir():
            raise UserError(f"{top}: there is no such folder; name folders of runs")
        files = sorted(top.rglob("args.json"))
        if not files:
            raise UserError(f"{top}: no run folder is in it")
        yield from (file.parent for file in files if (file.parent / OF_A_RUN[-1]).is_file())


def _metadata(run: Path) -> AgentMetadata:
    kept = read_training(run).kept
    name = f"{kept}__step{progress(run)[0]}" if kept else run.resolve().name
    return metadata_of(run, name)


def identity(agent: AgentMetadata) -> str:
    """A text for all that is known of an agent, the same for the same one."""
    return json.dumps(asdict(agent), sort_keys=True)


def _without_places(described: Json) -> Json:
    """args.json without the place of its maker's files; nothing that was learned changes."""
    args = dict(described["args"])
    args.update({"run_dir": "runs"} if "run_dir" in args else {})
    args.update({"wandb_entity": None} if "wandb_entity" in args else {})
    return {**described, "args": args}
