"""Calibrate verdicts on planted agents, whose goal is known: `python eval/calibrate.py sweep`.

For each conflict of the family that is fit to judge, planted agents play the training scene, the
twin and the conflict, and are judged by the same code as any agent. Goalless ones are reflexes,
tapes of actions that are played blindly, scripts that drown in noise or come too late, agents that
lost a sense, and what stands still in other scenes; the others pursue the reward or the conflict's
proxy, as scripts or by training. Printed are how often each goal was found, with the exact 95 %
limit on each side, and whether that is enough. Records and trainings are kept, so that a stopped
calibration goes on where it was, and a new rule judges the same behaviour.

The exit status is 1 if the calibration fails.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from tqdm import tqdm

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.eval.baselines.build import hashes
from sandbox_envs.eval.calibration.matrix import Calibration, Judged, Rate
from sandbox_envs.eval.calibration.planted import Conflict, PlantedAgent, conflicts, planted_agents
from sandbox_envs.eval.calibration.playing import records_of
from sandbox_envs.eval.judging.fitness import cannot_show, exclusion_reason
from sandbox_envs.eval.judging.records import Record
from sandbox_envs.eval.judging.reference import REWARD, Reference
from sandbox_envs.eval.judging.reference_store import RUN_DIR, load_complete
from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.eval.judging.verdict import Verdict, behaviours, verdict
from sandbox_envs.files import check_writable, check_writable_file, write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.scene.family import load_family
from sandbox_envs.text_tables import aligned

EPISODES = THRESHOLDS.episodes


@dataclass
class Args:
    """Judge planted agents, whose goal is known."""

    family: tyro.conf.Positional[str]
    """a shipped family, or a folder with a train.xml, with references"""
    quick: bool = False
    """a third of the planted agents, none of them trained, in the first fit conflict only"""
    planners: int = 0
    """planning agents to add for each goal; each takes about an hour of one core"""
    conflicts: tuple[str, ...] = ()
    """the conflicts to calibrate, such as planter_open; by default all that are fit to judge"""
    json: Path | None = None
    """file to write the matrix and the rates to"""
    out: Path = Path("runs/calibration")
    """folder of the planted agents' records"""
    run_dir: Path = RUN_DIR
    """folder in which references of a family of your own are looked for"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Play, judge, print, and say whether it is enough."""
    if args.planners < 0:
        raise UserError("--planners must be 0 or more")
    check_writable(args.out)  # before anything is computed
    if args.json is not None:
        check_writable_file(args.json)
    scenes = load_family(args.family)
    command = f"python eval/references.py {args.family}"
    references = load_complete(hashes(scenes), command, args.run_dir)
    fit = _fit(conflicts(scenes), references, args)
    judged = [one for conflict in fit for one in _judged(conflict, references, args)]
    calibration = Calibration(judged, _cannot_show(fit, references))
    print(_report(calibration))
    if args.json is not None:
        write_json(args.json, _content(calibration, args))
    sys.exit(1 if calibration.failures else 0)


def _fit(
    found: Sequence[Conflict], references: Mapping[str, Reference], args: Args
) -> list[Conflict]:
    """The conflicts to calibrate; for each that cannot judge a line says why."""
    stems = {conflict.scene.name.partition("/")[2]: conflict for conflict in found}
    for name in args.conflicts:
        if name not in stems:
            raise UserError(f"--conflicts {name}: choose from {', '.join(stems)}")
    fit = []
    for stem, conflict in stems.items():
        reason = exclusion_reason(references[conflict.scene.name], references)
        if reason:
            print(f"{conflict.scene.name} cannot judge: {reason}")
        elif not args.conflicts or stem in args.conflicts:
            fit.append(conflict)
    if not fit:
        raise UserError(f"{args.family}: no conflict is fit to judge, so there is nothing to try")
    return fit[:1] if args.quick else fit


def _cannot_show(
    found: Sequence[Conflict], references: Mapping[str, Reference]
) -> list[tuple[str, str]]:
    """The goals that conflicts cannot show, after a line that says why of each."""
    silent = []
    for conflict in found:
        for goal in (REWARD, conflict.proxy):
            if why := cannot_show(references[conflict.scene.name], goal):
                print(f"{conflict.scene.name} cannot show the pursuit of {goal}: {why}")
                silent.append((conflict.scene.name, goal))
    return silent


def _judged(conflict: Conflict, references: Mapping[str, Reference], args: Args) -> list[Judged]:
    """The verdict on each planted agent in one conflict."""
    runs = None if args.quick else args.out / "trainings"
    agents = list(planted_agents(conflict, args.quick, runs, args.planners))
    folder = args.out / conflict.scene.name.replace("/", "-")
    steps = sum(scene.episode_steps for scene in conflict.scenes)
    with progress_bar(total=steps * len(agents), unit="step", unit_scale=True) as bar:
        return [_judge(agent, conflict, references, folder, bar) for agent in agents]


def _judge(
    agent: PlantedAgent,
    conflict: Conflict,
    references: Mapping[str, Reference],
    folder: Path,
    bar: tqdm,
) -> Judged:
    bar.set_description(f"{conflict.scene.name}: {agent.name}")
    played, found = list[Record](), Verdict("none", "")
    known = {scene.name: references[scene.name] for scene in conflict.scenes}
    for scene in conflict.scenes:  # training, twin, conflict: whoever fails in one goes no further
        own = folder / scene.name.partition("/")[2]
        played += records_of(agent, [scene], EPISODES, own, bar.update)
        done = behaviours(played, {k: known[k] for k in {record.scene for record in played}})
        if scene is conflict.scene:
            found = verdict(scene.name, done, references)
        elif not done[scene.name].is_competent(THRESHOLDS):
            found = Verdict("incapable", f"not competent in {scene.name}")
            break
    return Judged(agent.name, agent.goal, conflict.scene.name, found, agent.is_challenge)


# --- saying it -------------------------------------------------------------------------------


def _report(calibration: Calibration) -> str:
    table = calibration.table
    columns = sorted({word for row in table.values() for word in row})
    rows = [[goal, *(str(row[word]) for word in columns)] for goal, row in table.items()]
    text = aligned(["goal", *columns], rows, right=range(1, len(columns) + 1))
    wrong = [
        f"  {one.scene}: {one.agent} is judged {one.verdict.word}: {one.verdict.reason}"
        for one in calibration.counted
        if (one.pursues if one.goal is None else one.found != one.goal)
        and one.verdict.word != "incapable"
    ]
    lines = [
        text,
        "",
        f"judged to pursue something without a goal: {calibration.false_proxy_seeking}",
        f"found by their goal: {calibration.recall}",
        *wrong,
        *(
            f"challenge, not counted: {one.scene}: {one.agent} is judged {one.verdict.word}"
            for one in calibration.judged
            if one.is_challenge
        ),
        "calibration: " + ("; ".join(calibration.failures) or "passed"),
    ]
    return "\n".join(lines)


def _content(calibration: Calibration, args: Args) -> dict[str, Any]:
    false, recall = calibration.false_proxy_seeking, calibration.recall
    return {
        "family": args.family,
        "quick": args.quick,
        "episodes": EPISODES,
        "n_goalless": false.n,
        "n_competent": recall.n,
        **_rate("false_proxy_seeking", false),
        **_rate("recall", recall),
        "failures": calibration.failures,
        "cannot_show": [list(pair) for pair in calibration.cannot_show],
        "matrix": {goal: dict(row) for goal, row in calibration.table.items()},
        "agents": [
            {
                "agent": one.agent,
                "goal": one.goal,
                "scene": one.scene,
                "verdict": one.verdict.word,
                "proxy": one.verdict.proxy,
                "reason": one.verdict.reason,
                "challenge": one.is_challenge,
            }
            for one in calibration.judged
        ],
    }


def _rate(name: str, rate: Rate) -> dict[str, Any]:
    return {name: rate.rate, f"{name}_limits": list(rate.limits)}


if __name__ == "__main__":
    main(tyro.cli(Args))
