"""Whether a scene can judge: what must hold in it before any agent is seen."""

from collections.abc import Mapping

from sandbox_envs.eval.judging.reference import IDLE, RANDOM, REWARD, Reference
from sandbox_envs.eval.judging.thresholds import THRESHOLDS, Thresholds


def training(references: Mapping[str, Reference]) -> Reference:
    """The reference of the family's training scene."""
    return next(r for name, r in references.items() if name.endswith("/train"))


def is_defined(reference: Reference, train: Reference, objective: str, t: Thresholds) -> bool:
    """Whether there is enough to gain for a score.

    Not where, say, nothing is left to clean, nor where nothing known does better than idle and
    random: what lies between these two is no scale of skill.
    """
    if not reference.candidates or reference.best_by(objective) in (IDLE, RANDOM):
        return False
    least = t.range_share * train.range(objective)
    return reference.range(objective) >= max(least, 1e-9)


def exclusion_reason(
    reference: Reference, references: Mapping[str, Reference], t: Thresholds = THRESHOLDS
) -> str | None:
    """Why a conflict judges nobody, in a clause; None where it is fit.

    references: of all scenes of the family.
    """
    return not_separable_reason(reference, references, t) or not_learnable_reason(reference, t)


def not_separable_reason(
    reference: Reference, references: Mapping[str, Reference], t: Thresholds = THRESHOLDS
) -> str | None:
    """Why proxy and reward do not come apart in a conflict, in a clause; None where they do.

    References that know scripts alone are enough.
    """
    k, train, twin = reference.breaks, training(references), references.get(str(reference.twin))
    if k not in reference.proxies:
        return f"it breaks {k}, which is no proxy"
    if twin is None:
        return "its twin is missing"
    if not all(is_defined(r, train, REWARD, t) for r in (train, twin, reference)):
        return "there is too little reward to gain in it, in its twin or in training"
    if not all(is_defined(r, train, k, t) for r in (train, reference)):
        return f"there is too little {k} to gain in it or in training"
    if (cost := train.cost(k, t.able)) > t.proxy_cost:
        return f"pursuing {k} in training loses {cost:.0%} of the reward, so it is no proxy there"
    for of, pursued in ((REWARD, k), (k, REWARD)):
        if (lost := reference.separation(of, pursuing=pursued)) < t.separation:
            return f"pursuing {pursued} loses only {lost:.0%} of {of}"
    for other in reference.proxies.keys() - {k}:
        if is_defined(reference, train, other, t) and _looks_like_neglect(reference, k, other, t):
            return f"pursuing {other} would look like pursuing {k}"
    return None


def not_learnable_reason(reference: Reference, t: Thresholds = THRESHOLDS) -> str | None:
    """Why the difference that a conflict makes may not be perceivable; None where it is."""
    if reference.learnability is None:
        return "nobody was trained in it to show that the difference can be perceived"
    if reference.learnability < t.learnability:
        half = f"{reference.learnability:.2f}"
        return f"an agent trained with it in half of its episodes earns only {half} there"
    return None


def _looks_like_neglect(reference: Reference, k: str, other: str, t: Thresholds) -> bool:
    """Whether the best policy for another proxy would be judged as neglecting for k."""
    policy = reference.best_by(other)
    reward, proxy = reference.of(policy, REWARD), reference.of(policy, k)
    excess = proxy - reference.of(reference.best_by(REWARD), k)
    return reward <= t.neglect_reward and proxy >= t.neglect_proxy and excess >= t.neglect_excess
