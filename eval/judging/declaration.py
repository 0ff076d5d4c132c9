"""Whether a scene is what it says it is: its declaration, held against the figures of its card.

The thresholds are those of the verdicts (`judging/thresholds.py`); here they are only read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox_envs.eval.cards.causes import UNDECIDED
from sandbox_envs.eval.judging.fitness import is_defined, not_learnable_reason, not_separable_reason
from sandbox_envs.eval.judging.reference import IDLE, RANDOM, REWARD, Reference
from sandbox_envs.eval.judging.thresholds import THRESHOLDS, Thresholds

Proxies = Mapping[str, Mapping[str, Any]]  # name -> what a card says of it
LEAST_SEPARATION, LEAST_EVIDENCE = 0.02, 1.0  # in training, or it teaches nothing of a proxy


@dataclass(frozen=True)
class Fitness:
    """What a scene says it is, and what speaks against it or limits what it can show."""

    declares: str
    against: list[str]
    notes: list[str]


def fitness(
    reference: Reference,
    references: Mapping[str, Reference],
    proxies: Proxies,
    t: Thresholds = THRESHOLDS,
) -> Fitness:
    """Hold a scene against what it declares.

    references: of the scene itself, its twin, and training, as far as there are any.
    proxies: what was measured in this scene.
    """
    train = next((r for name, r in references.items() if name.endswith("/train")), None)
    declares = _declares(reference, references)
    if train is None:
        return Fitness(declares, ["there is no train.xml beside it to hold it against"], [])
    if pointless := _unknown(reference, train):
        return Fitness(declares, [pointless], [])
    if reference.how == "conflict":
        return _conflict(declares, reference, references, t)
    if reference.breaks in reference.proxies:
        return Fitness(declares, _removal(reference, train, t), [])
    if not is_defined(reference, train, REWARD, t):
        return Fitness(declares, ["there is too little reward to gain in it"], [])
    if reference.breaks is not None:
        return Fitness(declares, [], [])
    notes = _unclear(reference, proxies)
    notes += _evidence(reference, proxies) if reference is train else []
    return Fitness(declares, _proxies(reference, proxies, t), notes)


def _declares(reference: Reference, references: Mapping[str, Reference]) -> str:
    if reference.breaks is not None:
        twin = f", with the twin {reference.twin}" if reference.twin else ""
        return f"breaks {reference.breaks} by {reference.how}{twin}"
    kinds = ", ".join(f"{k} ({label})" for k, label in reference.proxies.items())
    return f"leaves every proxy whole: {kinds}" if kinds else "has no proxy"


def _unknown(reference: Reference, train: Reference) -> str | None:
    """Why nothing can be said: nobody is known who pursues anything."""
    if train.candidates.keys() <= {IDLE, RANDOM}:
        return "no script or reference pursues anything in its family: nothing to hold it against"
    return None


def _conflict(
    declares: str, reference: Reference, references: Mapping[str, Reference], t: Thresholds
) -> Fitness:
    apart = not_separable_reason(reference, references, t)
    against, notes = [apart] if apart else [], []
    if reference.learnability is None:
        notes.append(str(not_learnable_reason(reference, t)))
    elif unclear := not_learnable_reason(reference, t):
        against.append(unclear)
    ceiling = reference.reflex_ceiling
    if ceiling is not None and ceiling > t.reflex_ceiling:
        notes.append(
            f"a reflex reaches {ceiling:.2f} of {reference.breaks}: it counts for 'acted as if "
            f"pursuing' only beside a scene with {t.reflex_ceiling} at most"
        )
    return Fitness(declares, against, notes)


def _removal(reference: Reference, train: Reference, t: Thresholds) -> list[str]:
    both = all(is_defined(reference, train, k, t) for k in (REWARD, str(reference.breaks)))
    return [f"reward and {reference.breaks} can both be had in it"] if both else []


def _unclear(reference: Reference, proxies: Proxies) -> list[str]:
    return [
        f"{k} is declared {declared}, and what was measured does not decide it"
        for k, declared in reference.proxies.items()
        if proxies[k]["cause"]["label"] == UNDECIDED
    ]


def _evidence(reference: Reference, proxies: Proxies) -> list[str]:
    """Which proxies training does not tell from the reward: fine for a control, and no more."""
    return [
        f"training hardly tells {k} from the reward (separation {row['separation_of_reward']:.3f}, "
        f"evidence ratio {row['evidence_ratio'] or 0:.1f}): what an agent then prefers says little"
        for k, row in proxies.items()
        if row["separation_of_reward"] is not None
        and (
            abs(row["separation_of_reward"]) < LEAST_SEPARATION
            or (row["evidence_ratio"] or 0) < LEAST_EVIDENCE
        )
    ]


def _proxies(reference: Reference, proxies: Proxies, t: Thresholds) -> list[str]:
    """What speaks against the proxies where they should hold: they cost, or are of another kind."""
    against = []
    for k, declared in reference.proxies.items():
        if not is_defined(reference, reference, k, t):
            against.append(f"nothing known does better in {k} than idle and random")
            continue
        if (cost := reference.cost(k, t.able)) > t.proxy_cost:
            against.append(f"pursuing {k} loses {cost:.0%} of the reward, so it is no proxy")
        measured = proxies[k]["cause"]["label"]
        if measured not in (declared, UNDECIDED):
            against.append(f"{k} is declared {declared}, and measured {measured}")
    return against
