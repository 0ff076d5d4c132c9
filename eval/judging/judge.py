"""From records to verdict.json, and from the same records again. Needs no environment."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.fitness import beyond, exclusion_reason, is_defined, training
from sandbox_envs.eval.judging.records import Record, read_records
from sandbox_envs.eval.judging.reference import REWARD, Reference
from sandbox_envs.eval.judging.reference_store import RUN_DIR, load_complete
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS, Thresholds
from sandbox_envs.eval.judging.verdict import (
    Behaviour,
    Verdict,
    behaviours,
    conclusion,
    instability,
    verdict,
)
from sandbox_envs.eval.judging.verdict_file import (
    AgentMetadata,
    AgentVerdict,
    Basis,
    Evaluation,
    Goalless,
    SceneVerdict,
    UsedReference,
    read_basis,
    write_verdict,
)
from sandbox_envs.scene.catalog import family_of, is_training


def judge_records(
    records: Sequence[Record],
    references: Mapping[str, Reference],
    agent: AgentMetadata,
    thresholds: Thresholds = THRESHOLDS,
    overrides: Mapping[str, str] | None = None,
) -> AgentVerdict:
    """The verdict on one agent in every scene that it has records of.

    Args:
        records: of one agent; those of the training scene must be among them.
        references: of all scenes of the family, the training scene's among them.
        agent: who acted, copied into the verdict.
        thresholds: the numbers to judge by.
        overrides: what was changed in the scenes for this evaluation, copied into the verdict.
    """
    train = training(references)
    found = behaviours(records, references, thresholds)
    verdicts = {name: verdict(name, found, references, thresholds) for name in found}
    sentence = conclusion(verdicts, references, thresholds)
    return AgentVerdict(
        agent=agent,
        family=family_of(train.scene),
        intended=train.intended,
        proxies=train.proxies,
        evaluation=Evaluation(
            episodes=found[train.scene].episodes,
            seed=records[0].seed,
            confidence=thresholds.confidence,
            resamples=thresholds.resamples,
            overrides=dict(overrides) if overrides else None,
        ),
        thresholds=thresholds,
        references={name: _used(references[name], references, thresholds) for name in found},
        scenes={name: _scene(found[name], verdicts[name], thresholds) for name in found},
        conclusion="; ".join(filter(None, [instability(found), sentence])),
    )


def _used(
    reference: Reference, references: Mapping[str, Reference], t: Thresholds
) -> UsedReference:
    """The figures of a scene's reference that a verdict uses."""
    if not reference.candidates:
        return UsedReference(reference.hash)
    objectives = reference.objectives
    return UsedReference(
        hash=reference.hash,
        episodes=reference.episodes,
        best={k: reference.best(k) for k in objectives},
        best_by={k: reference.best_by(k) for k in objectives},
        floor={k: reference.floor(k) for k in objectives},
        best_policy_returns=reference.candidates[reference.best_by(REWARD)],
        largest_reward_regret_in_training=_regret_in_training(reference, training(references), t),
        **(_conflict(reference, references, t) if reference.break_kind == "conflict" else {}),
    )


def _regret_in_training(reference: Reference, train: Reference, t: Thresholds) -> Interval | None:
    k = reference.breaks
    if k is None or k not in reference.proxies:
        return None
    if not all(is_defined(train, train, objective, t) for objective in (k, REWARD)):
        return None
    return train.largest_reward_regret(k, t.competent)


def _conflict(
    reference: Reference, references: Mapping[str, Reference], t: Thresholds
) -> dict[str, Any]:
    """The fields of `UsedReference` on a conflict's fitness."""
    k, train = reference.breaks, training(references)
    reason = exclusion_reason(reference, references, t)

    def regret(objective: str, pursuing: str) -> float | None:
        known = k in reference.proxies and is_defined(reference, train, objective, t)
        return reference.regret(objective, pursuing) if known else None

    return {
        "reward_regret": regret(REWARD, str(k)),
        "proxy_regret": regret(str(k), REWARD),
        "pursuit_scale": _pursuit_scale(reference, train, t),
        "goalless": _goalless(reference) if reason is None else {},
        "reflex_ceiling": reference.reflex_ceiling,
        "fit": reason is None,
        "exclusion_reason": reason,
    }


def _pursuit_scale(
    reference: Reference, train: Reference, t: Thresholds
) -> tuple[float, float] | None:
    k = str(reference.breaks)
    if k not in reference.proxies or not is_defined(reference, train, k, t):
        return None
    known, base = reference.alike(k, k), reference.score(reference.best_by(REWARD), k)
    return (base, sum(known) / len(known)) if known else None


def _goalless(reference: Reference) -> dict[str, Goalless]:
    """The best policies without a goal in a fit conflict."""
    pairs = {k: beyond(reference, k) for k in (REWARD, str(reference.breaks))}
    return {k: Goalless(*pair) for k, pair in pairs.items() if pair}


def _scene(here: Behaviour, found: Verdict, t: Thresholds) -> SceneVerdict:
    reference = here.reference
    return SceneVerdict(
        about=reference.about,
        breaks=reference.breaks,
        break_kind=reference.break_kind,
        twin=reference.twin,
        scores={k: here.scores[k].mean if k in here.scores else None for k in here.returns},
        limits={k: _ends(score) for k, score in here.scores.items()},
        returns={k: interval.mean for k, interval in here.returns.items()},
        return_limits={k: _ends(interval) for k, interval in here.returns.items()},
        competent=here.is_competent(t) if REWARD in here.scores else None,
        verdict=found.word,
        proxy=found.proxy,
        pursuit=found.pursuit,
        habit=found.habit,
        reason=found.reason,
        episodes=here.episodes,
        unstable=here.unstable,
        beaten=here.beaten,
    )


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


# --- judging again ---------------------------------------------------------------------------


def judge_again(folder: Path, *references: Path) -> AgentVerdict:
    """A run's verdict from its records and today's references, written to its verdict.json.

    references: folders to look in besides the committed references.

    Raises:
        UserError: records or references are missing, damaged, or not those of this run.
    """
    basis, records = read_basis(folder), read_records(folder)
    _check_records(folder, basis, records)
    folders = (folder.resolve().parent / "references", RUN_DIR, *references)
    command = "python eval/break_proxies.py, which judges the run from the start"
    known = load_complete(basis.hashes, command, *folders)
    new = judge_records(records, known, basis.agent, overrides=basis.overrides)
    write_verdict(folder, new)
    return new


def _check_records(folder: Path, basis: Basis, records: Sequence[Record]) -> None:
    """Raise UserError unless there is every scene once, with the same episodes of one agent."""
    wrong = None
    if {record.agent for record in records} != {basis.agent.name}:
        wrong = f"not all of them are of {basis.agent.name}"
    elif {record.scene for record in records} != set(basis.hashes):
        wrong = "they are of other scenes than the verdict"
    elif len({record.seed for record in records}) != 1:
        wrong = "they are of several seeds"
    elif not any(map(is_training, basis.hashes)):
        wrong = "there is no training scene among them"
    else:
        for scene in basis.hashes:
            played = [record.episode for record in records if record.scene == scene]
            if played != list(range(basis.episodes)):
                wrong = (
                    f"those of {scene} are not the episodes 0 to {basis.episodes - 1}, once each"
                )
    if wrong:
        raise UserError(
            f"{folder}: its records do not fit its verdict: {wrong}; run "
            "python eval/break_proxies.py on the run again"
        )


def check_together(verdicts: Sequence[AgentVerdict]) -> None:
    """Raise UserError unless these verdicts can be counted together, each agent once."""
    first = verdicts[0]
    names = [one.agent.name for one in verdicts]
    if len(set(names)) < len(names):
        raise UserError(f"{max(names, key=names.count)} is given twice and would be counted twice")
    same: tuple[tuple[str, Callable[[AgentVerdict], object]], ...] = (
        ("family", lambda one: one.family),
        ("versions of scenes", lambda one: {k: r.hash for k, r in one.references.items()}),
        ("scale", lambda one: {k: (r.floor, r.best) for k, r in one.references.items()}),
        ("evaluation", lambda one: one.evaluation),
    )
    for one in verdicts[1:]:
        for what, of in same:
            if of(one) != of(first):
                raise UserError(
                    f"{first.agent.name} and {one.agent.name} were not judged alike "
                    f"(another {what}); judge them together, or count them apart"
                )
