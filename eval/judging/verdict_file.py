"""verdict.json: what was found of one agent in every scene of a family, with all that it rests on.

The file is an `AgentVerdict` as JSON. Everything downstream (tables, pages, films, experiments)
reads it through `read_verdict` and uses these types.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.eval.judging.thresholds import Thresholds
from sandbox_envs.eval.judging.typed_json import MismatchError, as_text, from_json, to_json
from sandbox_envs.files import atomic_write, read_json

FILE = "verdict.json"
# Goes up with every change of a field, those of `Thresholds` among them.
# 1 had no number, and held copies of the references. 2 had no `pursuit`.
SCHEMA = 3


@dataclass(frozen=True)
class AgentMetadata:
    """The agent that was judged. Only its name is known if it is not from a run folder."""

    name: str
    """the run's folder, or the name given to `judge`"""
    trainer: str | None = None
    """the name of its trainer"""
    seed: int | None = None
    """of its training"""
    steps: int | None = None
    """environment steps that it has learned from"""
    unfinished: bool = False
    """whether its training was stopped before its end"""
    trained_on: dict[str, str] = field(default_factory=dict)
    """scene -> hash"""
    args: dict[str, Any] = field(default_factory=dict)
    """the trainer's arguments, but for those that say where its files are"""
    versions: dict[str, str] | None = None
    """package -> version, in training"""
    commit: str | None = None
    """git commit of the code that it was trained with"""


@dataclass(frozen=True)
class Evaluation:
    """The settings of an agent's evaluation."""

    episodes: int
    """in each scene"""
    seed: int
    """of these episodes"""
    confidence: float
    """of all intervals"""
    resamples: int
    """of the bootstrap"""
    overrides: dict[str, str] | None = None
    """text or numeric -> the value that replaced it in every scene; None if the scenes are as they
    are in their files"""


@dataclass(frozen=True)
class Goalless:
    """The policy without a goal that does most for an objective."""

    by: str
    """its name"""
    score: Interval
    """of the reward the normalized score, of the proxy how far it is pursued"""


@dataclass(frozen=True)
class UsedReference:
    """The part of a scene's reference in a verdict. Figures are by objective, and returns."""

    hash: str
    """version of the scene"""
    episodes: int | None = None
    """that each candidate played; None if no reference was used"""
    best: dict[str, float] = field(default_factory=dict)
    """the highest mean return of any candidate"""
    best_by: dict[str, str] = field(default_factory=dict)
    """the candidate that reaches it"""
    floor: dict[str, float] = field(default_factory=dict)
    """the mean return of doing nothing"""
    best_policy_returns: dict[str, float] = field(default_factory=dict)
    """what the best candidate for the reward returns in every objective"""
    largest_reward_regret_in_training: Interval | None = None
    """of pursuing the broken proxy (`Reference.largest_reward_regret`)"""
    reward_regret: float | None = None
    """of a conflict: share of the reward lost by pursuing the proxy (`Reference.reward_regret`)"""
    proxy_regret: float | None = None
    """of a conflict: share of the proxy lost by pursuing the reward"""
    pursuit_scale: tuple[float, float] | None = None
    """of a conflict: the proxy scores from which and to which its pursuit is counted"""
    goalless: dict[str, Goalless] = field(default_factory=dict)
    """of a conflict: objective -> the most that a policy without a goal does for it"""
    reflex_ceiling: float | None = None
    """of a conflict: the highest proxy score of a reflex, where measured"""
    fit: bool | None = None
    """of a conflict: whether the scene is fit to judge"""
    exclusion_reason: str | None = None
    """why it is not"""


@dataclass(frozen=True)
class SceneVerdict:
    """An agent's verdict and results in a scene. `scores` are normalized, None where undefined."""

    about: str
    """the scene's description"""
    breaks: str | None
    """the measure that the scene breaks"""
    break_kind: str | None = field(metadata={"key": "break"})
    """conflict or removal"""
    twin: str | None
    """the matched control scene"""
    scores: dict[str, float | None]
    """objective -> normalized score"""
    limits: dict[str, tuple[float, float]]
    """objective -> interval of its score, of those that are defined"""
    returns: dict[str, float]
    """objective -> mean return"""
    return_limits: dict[str, tuple[float, float]]
    """objective -> interval of its mean return"""
    competent: bool | None
    """whether it earns enough reward here to be called competent; None where that is undefined"""
    verdict: str
    """intended, neglect, harm, incapable, mixed, cannot tell, habit or none"""
    proxy: str | None
    """the proxy that the verdict is about"""
    habit: str | None
    """of a habit: persists, in part, stops, cannot tell, not seen or incapable"""
    reason: str
    """why, in a clause"""
    episodes: int
    """that the agent played here"""
    unstable: int
    """of them, how many ended because the physics became unstable"""
    beaten: list[str]
    """objectives in which the agent is better than the best reference"""
    pursuit: Interval | None = None
    """how far the proxy is pursued (`Reference.pursuit`), where that is known"""


@dataclass(frozen=True)
class AgentVerdict:
    """The content of verdict.json. Objects by scene have the scenes' names as keys."""

    schema: int = field(default=SCHEMA, kw_only=True)
    """version of this form"""
    agent: AgentMetadata
    """the agent that was judged"""
    family: str
    """the family of scenes it was judged in"""
    intended: str
    """the measure that the family's reward is for"""
    proxies: dict[str, str]
    """proxy -> declared causal label"""
    evaluation: Evaluation
    """how it was played"""
    thresholds: Thresholds
    """the thresholds that were used"""
    references: dict[str, UsedReference]
    """by scene: what it was compared with"""
    scenes: dict[str, SceneVerdict]
    """by scene: what it did"""
    conclusion: str
    """one sentence on the agent as a whole"""

    @property
    def is_mostly_unstable(self) -> bool:
        """Whether most of its episodes ended because the physics became unstable."""
        scenes = self.scenes.values()
        return 2 * sum(here.unstable for here in scenes) > sum(here.episodes for here in scenes)

    def to_json(self) -> dict[str, Any]:
        """It as plain JSON."""
        content: dict[str, Any] = to_json(self)
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "AgentVerdict":
        """It from plain JSON.

        Raises:
            MismatchError: a field is missing, unknown or of another type.
        """
        verdict = from_json(cls, content)
        if verdict.scenes.keys() - verdict.references.keys():
            raise MismatchError("a scene has no entry in the field references")
        return verdict


def write_verdict(folder: Path, verdict: AgentVerdict) -> None:
    """Write the folder's verdict.json, whole or not at all."""
    with atomic_write(folder / FILE) as temporary:
        temporary.write_text(as_text(verdict.to_json()) + "\n")


def read_verdict(folder: Path) -> AgentVerdict:
    """The verdict in a run's folder.

    Raises:
        UserError: there is none, or it is damaged or of another version.
    """
    content = _read(folder)
    schema = content.get("schema", 1)
    if schema != SCHEMA:
        raise UserError(
            f"{folder / FILE}: it has the form of schema {schema}, and this version reads "
            f"{SCHEMA}; run python eval/rejudge.py {folder}"
        )
    try:
        return AgentVerdict.from_json(content)
    except MismatchError as error:
        raise _damaged(folder, error) from None


@dataclass(frozen=True)
class Basis:
    """The basis of a verdict: enough to judge the same records again."""

    agent: AgentMetadata
    """the agent that was judged"""
    episodes: int
    """in each scene"""
    hashes: dict[str, str]
    """scene -> version of it"""
    overrides: dict[str, str] | None = None
    """what was changed in the scenes"""


def read_basis(folder: Path) -> Basis:
    """Read the basis of a verdict of this or an earlier schema.

    Raises:
        UserError: there is no verdict, or it is damaged.
    """
    content = _read(folder)
    try:
        usual = {"unfinished": False, "trained_on": {}, "args": {}}  # schema 1 left them out
        agent = from_json(AgentMetadata, {**usual, **content["agent"]}, "agent")
        hashes = {name: content["references"][name]["hash"] for name in content["scenes"]}
        if not all(isinstance(hash_, str) for hash_ in hashes.values()):
            raise MismatchError("a hash is not text")
        evaluation = content["evaluation"]
        overrides = evaluation.get("overrides")
        if not isinstance(overrides, dict | None):
            raise MismatchError("the field evaluation.overrides is not an object")
        return Basis(agent, int(evaluation["episodes"]), hashes, overrides)
    except (
        MismatchError,
        AttributeError,
        KeyError,
        OverflowError,
        TypeError,
        ValueError,
    ) as error:
        raise _damaged(folder, error) from None


def _read(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / FILE)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{folder}: it has no {FILE}; judge the run first, with python eval/break_proxies.py"
        ) from None
    except UserError:
        raise _damaged(folder, ValueError("it is not a JSON object")) from None


def _damaged(folder: Path, error: Exception) -> UserError:
    """The error about a file whose content is wrong; a missing key speaks of itself."""
    why = f"the field {error} is missing" if isinstance(error, KeyError) else str(error)
    return UserError(
        f"{folder / FILE}: it is damaged ({why}); run python eval/break_proxies.py on the run again"
    )
