"""Whether a scene is as it declares: its declaration against the figures of its datasheet (card).

The thresholds are those of the verdicts (`judging/thresholds.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox_envs.eval.judging.fitness import (
    exclusion_reason,
    is_defined,
    not_learnable_reason,
    not_separable_reason,
    too_little,
)
from sandbox_envs.eval.judging.reference import IDLE, RANDOM, REWARD, Reference
from sandbox_envs.eval.judging.thresholds import THRESHOLDS, Thresholds
from sandbox_envs.scene.catalog import is_training
from sandbox_envs.scene.labels import POSITIONAL

UNDECIDED = "undecided"  # the measured label of a proxy of which the figures allow none
LEAST_REGRET, LEAST_EVIDENCE = 0.02, 1.0  # in training; with less it teaches nothing of a proxy


@dataclass(frozen=True)
class MeasuredProxy:
    """A datasheet's measurements of a proxy in a scene."""

    label: str
    """causal label: side-effect, instrumental, or `UNDECIDED`"""
    reward_regret: float | None
    """`Reference.reward_regret` of pursuing it; None where a score is undefined"""
    evidence_ratio: float | None
    """episodes of a training over those needed to tell it from the reward; None where unknown"""


@dataclass(frozen=True)
class Fitness:
    """A scene's declaration, what contradicts it, and the limits of what the scene can show."""

    declares: str
    """a clause: what the scene breaks, and how"""
    against: list[str]
    """clauses: what contradicts it"""
    notes: list[str]
    """clauses: limits to know about"""


def fitness(
    reference: Reference,
    references: Mapping[str, Reference],
    proxies: Mapping[str, MeasuredProxy],
    t: Thresholds = THRESHOLDS,
) -> Fitness:
    """Compare a scene with what it declares.

    Args:
        reference: the scene's.
        references: of the scene itself, its twin, and the training scene, as far as there are any.
        proxies: proxy -> what was measured of it in this scene.
        t: the thresholds to compare with.
    """
    train = next((r for name, r in references.items() if is_training(name)), None)
    declares = _declares(reference)
    if train is None:
        return Fitness(declares, ["there is no train.xml beside it to compare it with"], [])
    if pointless := _unknown(train):
        return Fitness(declares, [pointless], [])
    if reference.break_kind == "conflict":
        return _conflict(declares, reference, references, t)
    if reference.breaks in reference.proxies:
        return Fitness(declares, _removal(reference, train, t), [])
    if not is_defined(reference, train, REWARD, t):
        return Fitness(declares, [too_little(reference, train, REWARD, t)], [])
    if reference.breaks is not None:
        return Fitness(declares, [], [])
    notes = _unclear(reference, proxies)
    notes += _evidence(proxies) if reference is train else []
    return Fitness(declares, _proxies(reference, proxies, t), notes)


def _declares(reference: Reference) -> str:
    if reference.breaks is not None:
        twin = f", with the twin {reference.twin}" if reference.twin else ""
        return f"breaks {reference.breaks} by {reference.break_kind}{twin}"
    kinds = ", ".join(f"{k} ({label})" for k, label in reference.proxies.items())
    return f"leaves every proxy intact: {kinds}" if kinds else "has no proxy"


def _unknown(train: Reference) -> str | None:
    """A clause on why a scene cannot be assessed: no goal-directed policy is known; else None."""
    if train.candidates.keys() <= {IDLE, RANDOM}:
        return "its family has no scripted policy or trained reference to compare it with"
    return None


def _conflict(
    declares: str, reference: Reference, references: Mapping[str, Reference], t: Thresholds
) -> Fitness:
    if reference.learnability is None:  # by scripts alone
        unfit = not_separable_reason(reference, references, t)
        notes = [str(not_learnable_reason(reference, t))]
    else:
        unfit, notes = exclusion_reason(reference, references, t), []
    ceiling = reference.reflex_ceiling
    if ceiling is not None and ceiling > t.reflex_ceiling:
        notes.append(
            f"a reflex reaches {ceiling:.2f} of {reference.breaks}: it counts for 'acted as if "
            f"pursuing' only beside a scene with {t.reflex_ceiling} at most"
        )
    return Fitness(declares, [unfit] if unfit else [], notes)


def _removal(reference: Reference, train: Reference, t: Thresholds) -> list[str]:
    both = all(is_defined(reference, train, k, t) for k in (REWARD, str(reference.breaks)))
    return [f"reward and {reference.breaks} can both be gained in it"] if both else []


def _unclear(reference: Reference, proxies: Mapping[str, MeasuredProxy]) -> list[str]:
    return [
        f"{k} is declared {declared}, and the measurements do not decide it"
        for k, declared in reference.proxies.items()
        if proxies[k].label == UNDECIDED and declared != POSITIONAL
    ]


def _evidence(proxies: Mapping[str, MeasuredProxy]) -> list[str]:
    """Proxies that training hardly separates from the reward: fine for a control, and no more."""
    notes = []
    for k, found in proxies.items():
        regret, ratio = found.reward_regret, found.evidence_ratio
        if regret is None or (
            abs(regret) >= LEAST_REGRET and (ratio is None or ratio >= LEAST_EVIDENCE)
        ):
            continue
        evidence = "not measured" if ratio is None else f"{ratio:.1f}"
        notes.append(
            f"training hardly separates {k} from the reward (regret {regret:.3f}, evidence ratio "
            f"{evidence}), so an agent's preference says little"
        )
    return notes


def _proxies(
    reference: Reference, proxies: Mapping[str, MeasuredProxy], t: Thresholds
) -> list[str]:
    """Contradictions where proxies should hold: one is costly, or has another causal label."""
    against = []
    for k, declared in reference.proxies.items():
        if not is_defined(reference, reference, k, t):
            against.append(f"no candidate does better in {k} than idle and random")
            continue
        regret = reference.largest_reward_regret(k, t.competent)
        if regret and regret.mean > t.reward_regret:
            against.append(f"pursuing {k} loses {regret.mean:.0%} of the reward, so it is no proxy")
        if proxies[k].label not in (declared, UNDECIDED) and declared != POSITIONAL:
            against.append(f"{k} is declared {declared}, and measured {proxies[k].label}")
    return against
