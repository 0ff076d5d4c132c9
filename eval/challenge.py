"""Three tasks with what simple methods reach: `python eval/challenge.py mitigate|detect|break`.

    python eval/challenge.py mitigate runs/RUN...                       agents trained another way
    python eval/challenge.py detect answers.json --zoo ZOO --key KEY    goals named from behaviour
    python eval/challenge.py detect                                     a practice set
    python eval/challenge.py break --agent runs/RUN --scenes found.json a scene of large regret

Without a submission each prints what its baselines reach. docs/zoo.md has the rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import tyro

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.agents.scripted.asked import asked_agents
from sandbox_envs.eval.challenges import breaking, detect, mitigate
from sandbox_envs.eval.experiments.estimates import Rows
from sandbox_envs.eval.experiments.mitigation import table as mitigation
from sandbox_envs.eval.experiments.mitigation.agents import SEEDS, baselines, complete, study
from sandbox_envs.eval.experiments.mitigation.score import Score
from sandbox_envs.eval.experiments.runner import RESULTS
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.regret.box import BOX, read_box
from sandbox_envs.eval.zoo.blind import QUICK, Size, put_subjects
from sandbox_envs.files import check_writable, check_writable_file, write_json
from sandbox_envs.release.manifest import Manifest, entries_below, write_manifest
from sandbox_envs.text_tables import aligned
from sandbox_envs.version import __version__

PRACTICE = 1  # what the practice set's random choices follow from
YOURS = "yours"


@dataclass
class Mitigate:
    """Score agents that were trained to pursue the dustpan less, at a dose and a budget."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """run folders of one way of training"""
    complete: bool = False
    """train and judge the agents of the curriculum that are missing, some minutes each"""
    quick: bool = False
    """one short agent of the curriculum and few rooms, to see that all of it works"""
    records: Path = Path("runs/challenge")
    """folder of the submitted agents' records"""
    run_dir: Path = Path("runs/experiments")
    """folder of the trainings of the curriculum; what was stopped there goes on"""
    json: Path | None = None
    """file to write the figures to"""
    debug: bool = False
    """show the traceback of an error"""


@dataclass
class Detect:
    """Score answers on what blind subjects pursue."""

    answers: tyro.conf.Positional[Path | None] = None
    """file with an answer for each subject"""
    zoo: Path | None = None
    """the zoo with the subjects; without, a practice set is made"""
    key: Path | None = None
    """the key to it; without, only the baseline's answers can be written"""
    baseline: Path | None = None
    """file to write the baseline's answers to"""
    practice: int = 12
    """subjects of the practice set"""
    quick: bool = False
    """a quick test: record only a little of each subject"""
    json: Path | None = None
    """file to write the figures to"""
    debug: bool = False
    """show the traceback of an error"""


@dataclass
class Break:
    """Score scenes in which an agent does badly."""

    agent: Path | None = None
    """the agent's run folder"""
    planted: str | None = None
    """a script or reflex instead: "script dustpan" """
    scenes: Path | None = None
    """file with the scenes that were found"""
    box: Path = BOX
    """file that declares which scenes there are; `eval/regret/box.py` says how"""
    candidates: int = 60
    """scenes that each baseline tries"""
    episodes: int = 16
    """rooms of each of these"""
    again: int = 5
    """how many of a baseline's scenes with the largest regrets are replayed in fresh rooms"""
    fresh: int = THRESHOLDS.episodes
    """fresh rooms of each scene that is scored"""
    quick: bool = False
    """few scenes and rooms, to see that all of it works"""
    json: Path | None = None
    """file to write the figures to"""
    debug: bool = False
    """show the traceback of an error"""


Args = (
    Annotated[Mitigate, tyro.conf.subcommand("mitigate")]
    | Annotated[Detect, tyro.conf.subcommand("detect")]
    | Annotated[Break, tyro.conf.subcommand("break")]
)


@cli_errors
def main(args: Mitigate | Detect | Break) -> None:
    """Score what was submitted, beside the baselines."""
    if args.json is not None:
        check_writable_file(args.json)
    torch.set_num_threads(1)  # one step of a small network is too little work for more
    if isinstance(args, Mitigate):
        shown, figures = score_mitigation(args)
    elif isinstance(args, Detect):
        shown, figures = score_detection(args)
    else:
        shown, figures = score_break(args)
    if shown is not None:
        print(aligned(*shown))
    if args.json is not None:
        write_json(args.json, figures)


Scored = tuple[tuple[list[str], Rows] | None, dict[str, Any]]


def score_mitigation(args: Mitigate) -> Scored:
    """The table of the task, and its figures."""
    agents = mitigate.submitted(args.runs) if args.runs else []
    out = (Path("runs/quick") if args.quick else RESULTS) / "mitigation"
    seeds: Sequence[int] = SEEDS[:1] if args.quick else SEEDS
    yours: list[Score] = []
    if agents or args.complete or args.quick:
        plan = study(out, 4 if args.quick else THRESHOLDS.episodes)
        yours = mitigate.scores(agents, plan, args.records) if agents else []
    if args.complete or args.quick:
        check_writable(out)
        complete(plan, args.run_dir, seeds, {"total_timesteps": 20_000} if args.quick else {})
    arms = baselines(out, seeds) | ({YOURS: yours} if agents else {})
    return mitigation.table(arms), {k: [vars(one) for one in some] for k, some in arms.items()}


def score_detection(args: Detect) -> Scored:
    """The table of the task, and its figures; nothing to show without a key."""
    if args.baseline is not None:
        check_writable_file(args.baseline)
    if args.zoo is not None:
        return _detected(args, args.zoo, args.key)
    if args.answers is not None or args.key is not None:
        raise UserError("answers and --key are of a zoo; name it by --zoo")
    if not 3 <= args.practice <= 99:
        raise UserError(f"--practice {args.practice}: it must be 3 to 99")
    with TemporaryDirectory() as folder:
        zoo, key = Path(folder) / "zoo", Path(folder) / "key.json"
        # the baseline needs no tapes
        size = replace(QUICK if args.quick else Size(), taped=())
        about = put_subjects(zoo, key, args.practice, size=size, entropy=PRACTICE)
        manifest = Manifest("practice", __version__, entries_below(zoo), (), about)
        write_manifest(zoo, manifest)
        return _detected(args, zoo, key)


def _detected(args: Detect, zoo: Path, key: Path | None) -> Scored:
    blind = detect.read_blind(zoo)
    if args.answers is not None and key is None:
        raise UserError("to score answers takes --key FILE, which the publisher of the zoo has")
    named: dict[str, detect.Answers] = {}
    if args.answers is not None:
        named[YOURS] = detect.read_answers(args.answers, blind)
    known = None if key is None else detect.read_key(key, blind)
    if known is None and args.baseline is None:
        raise UserError("give --key FILE to score, or --baseline FILE for the baseline's answers")
    named |= detect.inferred(blind)
    if args.baseline is not None:
        write_json(args.baseline, dict(named[detect.LIKELY]))
        print(f"{args.baseline}: the baseline's answers")
    if known is None:
        return None, {}
    return detect.table(named, known), detect.to_json(named, known)


def score_break(args: Break) -> Scored:
    """The table of the task, and its figures."""
    if (args.agent is None) == (args.planted is None):
        raise UserError("name one agent to break, by --agent RUN or --planted NAME")
    if min(args.candidates, args.episodes, args.fresh) < 2 or args.again < 1:
        raise UserError("--candidates, --episodes and --fresh must be 2 or more, --again 1 or more")
    box = read_box(args.box)
    runs = () if args.agent is None else (args.agent,)
    names = () if args.planted is None else (args.planted,)
    (factory,) = asked_agents(runs, names, box.scene).values()
    given = {} if args.scenes is None else {YOURS: breaking.read_scenes(args.scenes, box)}
    few = (4, 2, 1) if args.quick else (args.candidates, args.episodes, args.again)
    found = breaking.baselines(box, factory, *few)
    fresh = 4 if args.quick else args.fresh
    scored = breaking.scored(box, {**given, **found}, factory, fresh)
    return breaking.table(box, scored), scored


if __name__ == "__main__":
    main(tyro.cli(Args))
