"""The scene datasheet (card) as a file: what `eval/card.py` finds, and all its readers use.

It needs neither MuJoCo nor torch. Returns are mean returns over episodes; scores are normalized
(`judging/reference.py`).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.declaration import MeasuredProxy
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.typed_json import MismatchError, from_json, to_json
from sandbox_envs.files import read_json, write_json

SCHEMA = 2  # 1 had no number, called returns "scores", and said the regret three times
REFERENCES, SCRIPTS = "references", "scripts alone"  # what scores are normalized by


@dataclass(frozen=True)
class Cause:
    """The measured causal relation of a proxy and the reward (`cards/causes.py`)."""

    proxy_to_reward: Interval | None
    """share of the proxy's gain that comes with a gain of the reward; None if there is no gain"""
    reward_to_proxy: Interval | None
    """share of the reward's gain that comes with a gain of the proxy; None if there is no gain"""
    leads: Interval | None
    """P(proxy first) - P(reward first) where both rise, in [-1, 1]; None if there is no gain"""
    label: str
    """side-effect, instrumental or undecided"""
    because: str
    """the reason for the label, a clause"""


@dataclass(frozen=True)
class ProxyFigures:
    """The figures of one proxy in the scene. A regret is None where a score is undefined."""

    declared: str
    """the causal label that the scene declares"""
    step_correlation: dict[str, float | None]
    """script -> correlation of reward and gain of the proxy over control steps"""
    episode_correlation: dict[str, float | None]
    """script -> correlation of the returns of reward and proxy over episodes"""
    reward_regret: float | None
    """share of the reward that is lost by pursuing the proxy (`Reference.reward_regret`)"""
    largest_reward_regret: float | None
    """the largest share that a competent policy made for the proxy loses of the reward"""
    proxy_regret: float | None
    """share of the proxy that is lost by pursuing the reward"""
    episodes_to_tell_apart: float | None
    """episodes by which the rewards of two agents differ, one for the proxy and one for the reward"""  # noqa: E501
    evidence_ratio: float | None
    """how often that many episodes, for two agents, fit into a training"""
    cause: Cause
    """the measured causal relation"""

    @property
    def measured(self) -> MeasuredProxy:
        """The figures that the scene's declaration is compared with."""
        return MeasuredProxy(self.cause.label, self.reward_regret, self.evidence_ratio)


@dataclass(frozen=True)
class ReflexCeiling:
    """The highest score that any reactive baseline (reflex) reaches in an objective."""

    by: str
    """the reflex"""
    score: float
    """its normalized score"""


@dataclass(frozen=True)
class Reflexes:
    """Returns and highest scores of the reactive baselines (reflexes) in the scene."""

    returns: dict[str, dict[str, float]]
    """reflex -> objective -> mean return"""
    ceilings: dict[str, ReflexCeiling]
    """objective -> the highest score, where scores are defined"""


@dataclass(frozen=True)
class Card:
    """The datasheet (card) of one version of a scene."""

    schema: int = field(default=SCHEMA, kw_only=True)
    """version of this form"""
    scene: str
    """family/stem"""
    hash: str
    """of the scene's compiled physics and task texts: the version that this is about"""
    about: str
    """the scene's description"""
    breaks: str | None
    """the measure whose correlation with the reward the scene breaks"""
    break_kind: str | None = field(metadata={"key": "break"})
    """conflict or removal"""
    twin: str | None
    """name of the matched control scene (twin)"""
    episodes: int
    """that each script played; reflexes played a quarter of them"""
    seed: int
    """of these episodes"""
    training_episodes: float
    """episodes in a training, for the evidence ratio"""
    scale: str
    """what scores are normalized by: references, or scripts alone where there are none"""
    returns: dict[str, dict[str, float]]
    """script -> objective -> mean return"""
    proxies: dict[str, ProxyFigures]
    """proxy -> what is known of it"""
    reflexes: Reflexes
    """what the reactive baselines reach"""
    reflex_ceiling: float | None
    """the highest score that a reflex reaches in the measure that the scene breaks"""
    recognisable: dict[str, float]
    """other scene -> accuracy of telling the two apart by one observation; 0.5 is guessing"""
    declares: str
    """what the scene declares, a clause"""
    against: list[str]
    """what contradicts that, clauses"""
    notes: list[str]
    """limits to what the scene can show, clauses"""

    @property
    def is_as_declared(self) -> bool:
        """Whether nothing contradicts what the scene declares."""
        return not self.against

    @property
    def is_by_references(self) -> bool:
        """Whether scores are normalized by references, not by scripts alone."""
        return self.scale == REFERENCES

    def to_json(self) -> dict[str, Any]:
        """The card as plain JSON."""
        content: dict[str, Any] = to_json(self)
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Card":
        """The card from plain JSON.

        Raises:
            MismatchError: a field is missing, unknown or of another type.
        """
        card = from_json(cls, content)
        if card.scale not in (REFERENCES, SCRIPTS):
            raise MismatchError(f"the field scale is neither '{REFERENCES}' nor '{SCRIPTS}'")
        return card


def write_card(card: Card, path: Path) -> None:
    """Write a card as JSON, whole or not at all."""
    write_json(path, card.to_json())


def read_card(path: Path) -> Card:
    """The card in a JSON file.

    Raises:
        UserError: it is damaged, of another schema, or not a card.
    """
    mend = "make it with python eval/card.py"
    try:
        content = read_json(path)
    except UserError:
        raise UserError(f"{path}: it is damaged and cannot be read; {mend}") from None
    if (schema := content.get("schema", 1)) != SCHEMA:
        raise UserError(
            f"{path}: it has the form of schema {schema}, and this version reads {SCHEMA}; {mend}"
        )
    try:
        return Card.from_json(content)
    except MismatchError as error:
        raise UserError(f"{path}: it is not a scene's card ({error}); {mend}") from None


def read_cards(folder: Path) -> list[Card]:
    """All cards in a folder and its subfolders, in the order of their paths.

    Raises:
        UserError: there is none, or one of them cannot be read.
    """
    cards = [read_card(file) for file in sorted(folder.rglob("*.card.json"))]
    if not cards:
        raise UserError(f"{folder}: there is no card in it; make them with python eval/card.py")
    return cards


def fit_column(folder: Path) -> dict[tuple[str, str], str]:
    """The findings of the cards in a folder, for a table: (scene, hash) -> a few words.

    Raises:
        UserError: there is no card in it, or one cannot be read.
    """
    return {(card.scene, card.hash): _fit(card) for card in read_cards(folder)}


def _fit(card: Card) -> str:
    if card.against or card.break_kind != "conflict":
        by = "" if card.is_by_references else f" ({card.scale})"
        return ("; ".join(card.against) or "as declared") + by
    if card.is_by_references:
        return "passes the fitness checks"
    return "passes those of the fitness checks that scripts can tell"
