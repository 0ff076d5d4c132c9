"""Write the generated tables of README.md and docs/ from scenes, datasheets and committed records.

    python docs/generate.py            write them
    python docs/generate.py --check    change nothing; exit 1 if a page is out of date

A page marks where a table goes with `<!-- generated: NAME -->` and `<!-- end -->`; NAME is a key of
`BLOCKS`. Everything else on a page is written by hand. Nothing is trained or played.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from docstring_parser import parse_from_object

from sandbox_envs.eval.calibration.matrix import GOALLESS, Calibration, Judged, Rate
from sandbox_envs.eval.cards.card_file import Card, fit_column, read_card
from sandbox_envs.eval.experiments.amount import estimands as amount
from sandbox_envs.eval.experiments.arrow import estimands as arrow
from sandbox_envs.eval.experiments.arrow import searching
from sandbox_envs.eval.experiments.arrow.agents import read_agents as read_arrow
from sandbox_envs.eval.experiments.arrow.agents import read_scripts as read_arrow_scripts
from sandbox_envs.eval.experiments.arrow.arms import ARMS as ARMS_OF_ARROW
from sandbox_envs.eval.experiments.capability import __main__ as capability
from sandbox_envs.eval.experiments.capability import estimands as of_capability
from sandbox_envs.eval.experiments.colour_rule import __main__ as colour_rule
from sandbox_envs.eval.experiments.counterfactuals import __main__ as counterfactuals
from sandbox_envs.eval.experiments.cross_episode import estimands as cross_episode
from sandbox_envs.eval.experiments.cross_episode import scripted, tabular
from sandbox_envs.eval.experiments.cross_episode.populations import read_populations
from sandbox_envs.eval.experiments.defect import __main__ as defect
from sandbox_envs.eval.experiments.dose_ladder import ladder
from sandbox_envs.eval.experiments.estimates import (
    Condition,
    conditions_table,
    counted,
    mean_over,
    shown,
)
from sandbox_envs.eval.experiments.exchange_rate import __main__ as exchange_rate
from sandbox_envs.eval.experiments.grid import __main__ as grid
from sandbox_envs.eval.experiments.inference import __main__ as inference
from sandbox_envs.eval.experiments.load import __main__ as load
from sandbox_envs.eval.experiments.load import agents as load_agents
from sandbox_envs.eval.experiments.minds import table as minds
from sandbox_envs.eval.experiments.minds.agents import FEW, VARIANTS
from sandbox_envs.eval.experiments.mitigation import table as mitigation
from sandbox_envs.eval.experiments.mitigation.agents import Arms, baselines
from sandbox_envs.eval.experiments.near_exits import __main__ as near_exits
from sandbox_envs.eval.experiments.near_exits import agents as near_exits_agents
from sandbox_envs.eval.experiments.planter import agents as planter
from sandbox_envs.eval.experiments.planter import estimands, evidence, other_thresholds
from sandbox_envs.eval.experiments.planter.again import Figures, read_again
from sandbox_envs.eval.experiments.planter.arms import (
    BROKEN,
    HEADLINE,
    INTENDED,
    MORE_EVIDENCE,
    SEEKING,
    TWIN,
    arms,
)
from sandbox_envs.eval.experiments.planter.arms import SEEDS as SEEDS_OF_PLANTER
from sandbox_envs.eval.experiments.planter_minds import tables as planter_minds
from sandbox_envs.eval.experiments.planter_minds.agents import END
from sandbox_envs.eval.experiments.planter_minds.agents import SEEDS as SEEDS_OF_MINDS
from sandbox_envs.eval.experiments.prevalence import agents as rooms
from sandbox_envs.eval.experiments.prevalence import estimands as prevalence
from sandbox_envs.eval.experiments.schedule import __main__ as schedule
from sandbox_envs.eval.experiments.side_channel import estimands as side_channel
from sandbox_envs.eval.experiments.side_channel.__main__ import read as read_displays
from sandbox_envs.eval.experiments.side_channel.arms import SECOND
from sandbox_envs.eval.experiments.simplicity import __main__ as simplicity
from sandbox_envs.eval.experiments.solvable import __main__ as solvable
from sandbox_envs.eval.experiments.suboptimality import __main__ as suboptimality
from sandbox_envs.eval.experiments.tuning.comparison import changes
from sandbox_envs.eval.experiments.worst_case import __main__ as worst_case
from sandbox_envs.eval.experiments.zero_shot import table as zero_shot
from sandbox_envs.eval.experiments.zero_shot.making import read_calibrations
from sandbox_envs.eval.judging.fitness import beyond, cannot_show, exclusion_reason
from sandbox_envs.eval.judging.reference import (
    IDLE,
    REWARD,
    TRAINED_ON_MIXTURE,
    Reference,
    made_for,
)
from sandbox_envs.eval.judging.reference_store import load_reference, read_reference
from sandbox_envs.eval.judging.statistics import Interval, mean_interval
from sandbox_envs.eval.judging.thresholds import THRESHOLDS, Thresholds
from sandbox_envs.eval.judging.verdict import NEGLECTS, Verdict
from sandbox_envs.eval.judging.verdict_file import AgentVerdict, read_verdict
from sandbox_envs.eval.pages.verdict_table import over_agents
from sandbox_envs.eval.pages.verdict_table import table as verdict_table
from sandbox_envs.eval.zero_shot.planted import Calibration as WordCalibration
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.scenes import describe
from sandbox_envs.spaces import action_rows, colour_text, observation_rows, seen_colours
from sandbox_envs.text_tables import cell, markdown

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "eval" / "results"
REFERENCES = ROOT / "eval" / "references"
DEFAULT_AGENT = RESULTS / "default_agent"
JUDGED = ("sweep", "patrol", "keeper", "maze")  # families with references and default agents
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"<!-- generated: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
PICTURE_WIDTH = 120  # pixels

Json = dict[str, Any]


# --- committed files -------------------------------------------------------------------------


@cache
def verdicts(folder: Path) -> list[AgentVerdict]:
    """The verdicts of the agents in a folder, in the order of their seeds."""
    agents = sorted(folder.glob("s*"), key=lambda agent: int(agent.name[1:]))
    return [read_verdict(agent) for agent in agents]


@cache
def family_scenes(family: str) -> dict[str, Scene]:
    """The scenes of a family, by name."""
    return load_family(family)


def scores(family: str, scene: str, objective: str) -> list[float]:
    """The normalised scores of a family's default agents in a scene."""
    agents = verdicts(DEFAULT_AGENT / family)
    found = [agent.scenes[scene].scores[objective] for agent in agents]
    return [score for score in found if score is not None]


@cache
def reference(scene: str) -> Reference:
    """The committed reference of a scene."""
    return read_reference(REFERENCES / f"{scene}.json")


def conflicts() -> list[Reference]:
    """The references of all scenes that break a proxy by conflict."""
    files = [f for family in JUDGED for f in sorted((REFERENCES / family).glob("*.json"))]
    names = [f"{f.parent.name}/{f.stem}" for f in files if not f.stem.endswith(".card")]
    return [known for known in map(reference, names) if known.break_kind == "conflict"]


@cache
def datasheet(scene: str) -> Card:
    """The committed datasheet (card) of a scene."""
    return read_card(REFERENCES / f"{scene}.card.json")


@cache
def findings() -> dict[tuple[str, str], str]:
    """The findings of the committed datasheets, by scene and hash."""
    return fit_column(REFERENCES)


# --- Markdown --------------------------------------------------------------------------------


def code(name: str | None) -> str:
    """A name in code font; nothing for None."""
    return f"`{name}`" if name else ""


# --- README ----------------------------------------------------------------------------------


def headline() -> str:
    """One result: arms of the demonstration, behind glass and with the planter open."""
    found, rows = planter_agents(), []
    for arm, said in (
        (HEADLINE, "3 % of episodes: the headline"),
        ("none_0", "never"),
        (MORE_EVIDENCE, "10 % of episodes"),
        (INTENDED, "always"),
        (SEEKING, "3 %, rewarded for the dustpan"),
    ):
        scores = [
            estimands.mean_score(found, arm, TWIN),
            estimands.mean_score(found, arm, BROKEN),
            estimands.mean_score(found, arm, BROKEN, estimands.PROXY),
        ]
        rows.append([said, *map(shown, scores), counted(estimands.words(found, arm))])
    head = ["behind glass: reward", "open: reward", "open: dustpan", "verdicts on 20 agents"]
    return markdown(["planter open in training", *head], rows)


# --- docs/scenes.md --------------------------------------------------------------------------


def family_table(family: str) -> str:
    """A family's scenes with pictures, what each breaks, and what its datasheet found."""
    scenes = family_scenes(family)
    described = describe(scenes)
    first = described[0]
    proxies = ", ".join(f"`{proxy}` ({label})" for proxy, label in first["rises_with"].items())
    rows = [
        [_picture(row["scene"]), code(row["scene"]), cell(row["about"]), _breaks(row)]
        + [_twin(row), _finding(row["scene"], scenes[row["scene"]].hash)]
        for row in described
    ]
    head = ["picture", "scene", "what it is", "breaks", "twin", "datasheet"]
    intended = f"Intended measure: `{first['intended']}`."
    correlated = f"Correlated with it in training: {proxies}." if proxies else "It has no proxy."
    return f"{intended} {correlated}\n\n{markdown(head, rows)}"


def spaces(family: str) -> str:
    """The meaning of each number of an action and of an observation, and a retina's colours."""
    scenes = list(family_scenes(family).values())
    parts = []
    for title, rows in (("action", action_rows), ("observation", observation_rows)):
        lines = [f"| {row.numbers} | `{row.name}` | {row.what} |" for row in rows(scenes[0])]
        parts.append("\n".join([f"| {title} | name | what it is |", "| --- | --- | --- |", *lines]))
    seen = {kind: c for scene in scenes for kind, c in seen_colours(scene).items()}
    if seen:
        kinds = ", ".join(f"`{kind}` ({colour_text(c)})" for kind, c in seen.items())
        parts.append(f"What its retina sees, with red, green and blue: {kinds}.")
    return "\n\n".join(parts)


def _picture(scene: str) -> str:
    file = f"scenes/{scene.replace('/', '-')}.jpg"
    return f'<img src="{file}" width="{PICTURE_WIDTH}" alt="{scene}">'


def _breaks(row: Json) -> str:
    return f"`{row['breaks']}`, {row['break']}" if row["breaks"] else ""


def _twin(row: Json) -> str:
    if row["twin"]:
        return code(row["twin"])
    others = ", ".join(code(name) for name in row["twin_of"])
    return f"is the twin of {others}" if others else ""


def _finding(scene: str, hash_: str) -> str:
    """The finding of the datasheet of this version of a scene, in a few words."""
    return cell(findings().get((scene, hash_), "none for this version"))


# --- docs/results -------------------------------------------------------------------------


def default_agents(family: str) -> str:
    """The verdicts on a family's default agents."""
    table = verdict_table(verdicts(DEFAULT_AGENT / family), as_markdown=True)
    return re.sub(r"^\| (\w+/\w+)", r"| `\1`", table, flags=re.MULTILINE)


def families() -> str:
    """The number of agents, the steps of training and the reward earned in it, for each family."""
    rows = []
    for family in JUDGED:
        agents = verdicts(DEFAULT_AGENT / family)
        steps = f"{agents[0].agent.args['total_timesteps'] / 1e6:g} million"
        earned = over_agents(scores(family, f"{family}/train", REWARD))
        rows.append([code(family), str(len(agents)), steps, earned])
    return markdown(["family", "agents", "steps", "reward in training"], rows)


def controls() -> str:
    """Scores of references and reflexes in each conflict, to compare the agents with."""
    head = ["scene", "proxy", "idle: reward", "reflex: reward", "reflex: proxy"]
    head += ["best for the reward: proxy", "trained on the proxy in training: proxy"]
    head += ["half in training: reward", "half in training: proxy"]
    rows = []
    for known in conflicts():
        rows.append([code(known.scene), code(known.breaks), *_controls(known)])
    return markdown(head, rows)


def _controls(known: Reference) -> list[str]:
    reflexes, proxy = datasheet(known.scene).reflexes.ceilings, str(known.breaks)

    def of(candidate: str, objective: str) -> str:
        return f"{known.score(candidate, objective):.2f}" if candidate in known.candidates else ""

    return [
        of(IDLE, REWARD),
        *(f"{reflexes[k].score:.2f} ({reflexes[k].by})" for k in (REWARD, proxy)),
        of(known.best_by(REWARD), proxy),
        _interval(known.alike(proxy, proxy)),
        *(of(TRAINED_ON_MIXTURE, k) for k in (REWARD, proxy)),
    ]


@cache
def minds_groups(variants: bool = False) -> list[minds.Group]:
    """The agents of the study of minds, or of its variants."""
    which = (VARIANTS, FEW) if variants else ()
    return minds.read_groups(RESULTS / "minds", *which)


def minds_table(table: tuple[list[str], minds.Rows]) -> str:
    """A table of the study of minds, with the names of scenes in code font."""
    head, rows = table
    return markdown(head, [[code(x) if x in minds.JUDGED else x for x in row] for row in rows])


# --- docs/method.md --------------------------------------------------------------------------


def proxies() -> str:
    """The cost in training of pursuing each declared proxy, by references."""
    rows = []
    for family in JUDGED:
        known = reference(f"{family}/train")
        for proxy, label in known.proxies.items():
            script = f"script {proxy}"
            is_known = script in known.candidates
            by_script = f"{1 - known.score(script, REWARD):.1%}" if is_known else ""
            agents = known.regret_of_trained(proxy, THRESHOLDS.competent)
            trained = known.alike(proxy, proxy) or [known.score(made_for(proxy)[1], proxy)]
            reached = [score >= THRESHOLDS.competent for score in trained]
            rows.append(
                [
                    code(family),
                    code(proxy),
                    label,
                    by_script,
                    _share(agents),
                    f"{sum(reached)} of {len(reached)}",
                    _is_proxy(known.largest_reward_regret(proxy, THRESHOLDS.competent)),
                ]
            )
    head = ["family", "measure", "label", "reward lost by the script", "reward lost by agents"]
    return markdown([*head, "trainings that reach it", "counts as a proxy"], rows)


def _share(interval: Interval | None) -> str:
    if interval is None:
        return "not learned"
    if interval.low == interval.high:
        return f"{interval.mean:.1%}"
    return f"{interval.mean:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def _is_proxy(regret: Interval | None) -> str:
    if regret is None:
        return "not known"
    most = THRESHOLDS.reward_regret
    return "yes" if regret.high <= most else "no" if regret.low > most else "undecided"


def separations() -> str:
    """Reward lost by pursuing the proxy, and proxy lost by pursuing the reward, by conflict."""
    rows = []
    for known in conflicts():
        k = str(known.breaks)
        pairs = ((REWARD, k), (k, REWARD))
        lost = [f"{known.regret(of, pursuing=other):.0%}" for of, other in pairs]
        rows.append([code(known.scene), code(k), *lost])
    head = ["scene", "proxy", "reward lost by pursuing the proxy"]
    return markdown([*head, "proxy lost by pursuing the reward"], rows)


def instrument() -> str:
    """The goals that each conflict can show, by agents trained in training and goalless ones."""
    rows = []
    for known in conflicts():
        k = str(known.breaks)
        family = {name: reference(name) for name in family_scenes(known.scene.partition("/")[0])}
        skill = family[str(known.twin)].alike(REWARD, REWARD)
        base = known.score(known.best_by(REWARD), k)
        taken = [score - base for score in known.alike(k, k)]
        lost = [1 - score for score in known.alike(k, REWARD)]
        silent = {k: "", REWARD: ""}
        if known.goalless:
            for goal in silent:
                if bar := beyond(known, goal):
                    silent[goal] = f"{bar[1].mean:.2f} ({bar[0]})"
        why = exclusion_reason(known, family)
        shows = [g for g in (REWARD, k) if not why and not cannot_show(known, g)]
        figures = [_interval(skill), _interval(taken), _interval(lost), silent[REWARD], silent[k]]
        can = f"shows {' and '.join(shows)}" if shows else f"no verdicts: {why}"
        rows.append([code(known.scene), code(k), *figures, cell(can)])
    head = [
        "scene",
        "proxy",
        "reward in the twin, trained on it",
        "more of the proxy, trained on it",
    ]
    head += ["less reward, trained on the proxy", "most reward without a goal"]
    return markdown([*head, "most pursuit without a goal", "what it can show"], rows)


def _interval(values: list[float]) -> str:
    if not values:
        return ""
    found = mean_interval(values, THRESHOLDS.confidence)
    return str(found)


def matrices() -> list[dict[str, Any]]:
    """The committed calibrations, by family."""
    files = sorted((RESULTS / "calibration").glob("*.matrix.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def planted(matrix: dict[str, Any]) -> list[Judged]:
    """The planted agents of a calibration that count."""
    return [
        Judged(one["agent"], one["goal"], one["scene"], Verdict(one["verdict"], "", one["proxy"]))
        for one in matrix["agents"]
        if not one["challenge"]
    ]


def calibration() -> str:
    """The verdicts on planted agents, by conflict and goal."""
    rows = []
    for matrix in matrices():
        found: dict[tuple[str, str], Counter[str]] = {}
        for one in planted(matrix):
            found.setdefault((one.scene, one.goal or GOALLESS), Counter())[one.found] += 1
        for (scene, goal), words in found.items():
            rows.append([code(scene), goal, str(words.total()), counted(words.elements())])
    return markdown(["conflict", "goal", "planted agents", "found"], rows)


def rates() -> str:
    """The rates of planted agents found, and of goalless ones judged to pursue something."""
    rows = []
    for matrix in matrices():
        counted = Calibration(planted(matrix), [tuple(pair) for pair in matrix["cannot_show"]])
        proxy = [one for one in counted.counted if one.goal not in (None, REWARD)]
        proxy = [one for one in proxy if one.verdict.word != "incapable"]
        goalless = [one for one in counted.counted if one.goal is None]
        named = Rate(sum(one.verdict.word in NEGLECTS for one in goalless), len(goalless))
        able = sum(one.verdict.word != "incapable" for one in goalless)
        found = Rate(sum(one.found == one.goal for one in proxy), len(proxy))
        sides = ((counted.false_proxy_seeking, 1), (counted.recall, 0), (named, 1), (found, 0))
        cells = [
            f"{rate.count} of {rate.n} (at {'most' if side else 'least'} {rate.limits[side]:.3f})"
            for rate, side in sides
        ]
        outcome = "; ".join(counted.failures) or "passed"
        rows.append([code(matrix["family"]), *cells, str(able), outcome])
    head = ["family", "without a goal, judged to pursue something", "with a goal, found by it"]
    head += ["without a goal, judged to pursue the proxy", "for the proxy, found by it"]
    head += ["competent without a goal", "outcome"]
    return markdown(head, rows)


def thresholds() -> str:
    """Every number that a verdict depends on, with what its docstring says."""
    values, documented = asdict(THRESHOLDS), parse_from_object(Thresholds).params
    meaning = {parameter.arg_name: parameter.description or "" for parameter in documented}
    rows = [[code(k), f"{v:g}", cell(meaning[k])] for k, v in values.items()]
    return markdown(["name", "value", "meaning"], rows)


# --- docs/demonstration.md -------------------------------------------------------------------


@cache
def planter_agents() -> dict[str, list[planter.Agent]]:
    """The judged agents of every arm of the demonstration."""
    return {arm: planter.read_agents(RESULTS / "planter", arm, SEEDS_OF_PLANTER) for arm in arms()}


def planter_state() -> str:
    """The progress of the study, in a sentence."""
    return _state(sum(map(len, planter_agents().values())), len(arms()) * len(SEEDS_OF_PLANTER))


def _state(judged: int, declared: int) -> str:
    if judged == declared:
        return f"All {declared} declared agents are judged."
    return (
        f"**Interim**: {judged} of {declared} declared agents are judged. Nothing is concluded "
        "before the last one."
    )


def rivals() -> str:
    """The rival explanations of the headline, each with the condition that speaks against it."""
    of_planter = estimands.conditions(planter_agents(), len(SEEDS_OF_PLANTER))
    of_load = load.conditions(loads())
    found = {
        "They are not able": ("the twin, behind glass", of_planter[1]),
        "Any training on the reward does it": ("the arm `reward_100`", of_planter[3]),
        "What training shows does not matter": ("the arm `none_10`", of_planter[4]),
        "They approach what has soil's colour": ("the scene `placebo`", of_planter[5]),
        "They cannot deal with the planter's bed": ("the scene `planter_dirt`", of_planter[6]),
        "A policy without a goal is judged so": (
            "[calibration](method.md#calibration)",
            no_goal_judged(BROKEN),
        ),
        "A reflex fills the pan as much": (
            "[reflexes](results.md#what-else-scores-in-the-conflicts)",
            more_than_reflexes(),
        ),
        "A habit of moving explains their choices": (
            "[inferred objectives](results/inference.md)",
            goal_beyond_habits(),
        ),
        "They repeat movements": (
            "[a moved planter](results/counterfactuals.md)",
            counterfactuals.conditions(confirming())[0],
        ),
        "They lack a sensor of the load": ("[the load in sight](results/load.md)", of_load[0]),
        "Only LSTMs do it": (
            "[other minds](results/other_minds.md)",
            planter_minds.conditions(*other_minds(), len(SEEDS_OF_MINDS))[0],
        ),
        "It is a matter of this room alone": (
            "[drawn rooms](results/prevalence.md)",
            prevalence.conditions(drawn_rooms())[3],
        ),
        "The same, where the soil was in sight": (
            "[drawn rooms](results/prevalence.md)",
            prevalence.conditions(drawn_rooms())[2],
        ),
        "Training was too short": (
            "[longer training](results/amount.md)",
            amount.conditions(amounts())[-1],
        ),
        "They clear whatever is in view": ("[its load withheld](results/load.md)", of_load[-1]),
    }
    conditions = conditions_table([condition for _, condition in found.values()])[1]
    rows = [
        [rival, by, *row] for (rival, (by, _)), row in zip(found.items(), conditions, strict=True)
    ]
    return markdown(["rival", "tested by", "what speaks against it", "found", "holds"], rows)


def no_goal_judged(scene: str) -> Condition:
    """The condition that able agents without a goal are not judged to pursue a scene's proxy."""
    every = [one for matrix in matrices() for one in planted(matrix) if one.scene == scene]
    goalless = [one.verdict.word for one in every if one.goal is None]
    able = [word for word in goalless if word != "incapable"]
    named = Rate(sum(word in NEGLECTS for word in able), len(able))
    return Condition(
        "no able planted agent without a goal is judged neglect or harm",
        f"{named.count} of {named.n} (at most {named.limits[1]:.3f})",
        False if named.count else None,
        "hardly tested: none takes much more than a cleaner",
    )


def goal_beyond_habits() -> Condition:
    """The condition that a goal explains the headline's choices better than any rival."""
    agents = read_again(RESULTS / "inference", (), inference.AGENTS)[HEADLINE]
    beyond = mean_over([one["beyond"]["mean"] for one in agents])
    named = sum(bool(one["pursued"]) for one in agents)
    return Condition(
        f"a goal explains choices of {HEADLINE} better than each rival (nats per decision)",
        f"{shown(beyond)}; a goal is seen in {named} of {len(agents)}",
        beyond is not None and beyond.low > 0,
    )


def more_than_reflexes() -> Condition:
    """The condition that the headline's agents fill the pan more than any reflex."""
    pan = estimands.mean_score(planter_agents(), HEADLINE, BROKEN, estimands.PROXY)
    known = load_reference(BROKEN, load_scene(BROKEN).hash, REFERENCES)
    ceiling = known.reflex_ceiling if known else None
    assert pan is not None and ceiling is not None
    return Condition(
        f"{HEADLINE} fills the pan more than the best reflex",
        f"{pan}, reflex {ceiling:.2f}",
        pan.low > ceiling,
    )


@cache
def confirming() -> dict[str, list[Figures]]:
    """The agents of the confirmation of the counterfactuals."""
    return read_again(RESULTS / "counterfactuals", (), counterfactuals.CONFIRMING)


@cache
def other_minds() -> tuple[planter_minds.Stages, planter_minds.Notes]:
    """The demonstration's agents with other minds, and what was noted of them."""
    own = RESULTS / "planter_minds"
    return planter_minds.read_stages(own, RESULTS / "planter"), planter_minds.read_notes(own)


def other_minds_state() -> str:
    """The progress of the study of other minds, in a sentence."""
    found = other_minds()[1][END]
    return _state(sum(map(len, found.values())), len(found) * len(SEEDS_OF_MINDS))


def study_table(table: tuple[list[str], list[list[str]]]) -> str:
    """A table of a study; the names of arms and scripts in its first column in code font."""
    head, rows = table
    return markdown(
        head, [[code(row[0]) if row[0] in arms() else row[0], *row[1:]] for row in rows]
    )


def declared(conditions: Sequence[Condition]) -> str:
    """The declared conditions of a study, and whether they hold."""
    return study_table(conditions_table(conditions))


def looked_again(study: Any, name: str) -> str:
    """The table of a study that looked at agents of the demonstration again."""
    groups = read_again(RESULTS / name, study.PLANTED, study.AGENTS)
    return study_table(study.table(groups))


@cache
def worst_cases() -> worst_case.Groups:
    """Bounds, searches and the shield's price for agents of the demonstration."""
    return read_again(RESULTS / "worst_case", worst_case.PLANTED, worst_case.AGENTS)


def coded_table(table: tuple[list[str], list[list[str]]]) -> str:
    """A table of a study with the whole first column in code font."""
    head, rows = table
    return markdown(head, [[code(row[0]), *row[1:]] for row in rows])


@cache
def loads() -> load_agents.Groups:
    """The agents that observe their load, both ways, and those they are compared with."""
    return load_agents.read_groups(RESULTS / "load", RESULTS / "planter")


@cache
def solvables() -> solvable.Groups:
    """The verdicts on agents that were trained in a conflict."""
    return solvable.read_groups(RESULTS / "solvable")


@cache
def schedules() -> schedule.Groups:
    """The feedforward agents with the LSTMs' schedule, and those they are compared with."""
    return schedule.read_groups(RESULTS / "schedule", RESULTS)


@cache
def amounts() -> amount.Groups:
    """The agents of the study of the amount of training, and those of its scales."""
    return amount.read_groups(RESULTS / "amount", RESULTS / "planter")


@cache
def amounts_alike() -> amount.Groups:
    """The same with agents of one kind of processor alone."""
    return amount.read_alike(RESULTS / "amount", RESULTS / "planter")


@cache
def arrow_arms() -> arrow.Arms:
    """The agents of the study of the green arrow."""
    return {arm: read_arrow(RESULTS / "arrow", arm) for arm in ARMS_OF_ARROW}


@cache
def arrow_scripts() -> dict[str, arrow.Agent]:
    """The scripts in the scenes of that study."""
    return read_arrow_scripts(RESULTS / "arrow")


@cache
def near_exits_players() -> near_exits_agents.Players:
    """The agents in mazes with near exits, and planted players."""
    return near_exits_agents.read_players(RESULTS / "near_exits")


@cache
def grid_arms() -> grid.Arms:
    """The agents in the grid."""
    return grid.read_arms(RESULTS / "grid")


@cache
def simplicity_cells() -> simplicity.Cells:
    """The agents of the study of simplicity and ease."""
    return simplicity.read_cells(RESULTS / "simplicity")


@cache
def simplicity_measures() -> Json:
    """The recorded measures of simplicity and ease, taken without these agents."""
    return simplicity.read_measures(RESULTS / "simplicity")


@cache
def drawn_rooms() -> list[rooms.Found]:
    """The rooms that nobody picked, as far as they are recorded."""
    return rooms.read(RESULTS / "prevalence", prevalence.SEEDS)


def pictures(study: str, drawn: Mapping[str, str]) -> str:
    """The pictures and films of a study that are there so far; drawn: file -> what it shows."""
    lines = [
        f"![{what}](../../eval/results/{study}/{name})"
        for name, what in drawn.items()
        if (RESULTS / study / name).is_file()
    ]
    return "\n\n".join(lines) or "No picture is drawn yet."


@cache
def colour_rule_arms() -> grid.Arms:
    """The agents of the study of the colour rule."""
    return colour_rule.read_arms(RESULTS / "colour_rule")


@cache
def suboptimality_records() -> tuple[suboptimality.Planted | None, suboptimality.Arms]:
    """Planners and trained agents of the study of suboptimality alignment."""
    folder = RESULTS / "suboptimality"
    return suboptimality.read_planted(folder), suboptimality.read_arms(folder)


@cache
def defect_agents() -> defect.Agents:
    """The planted agents of the study of defects off distribution."""
    return defect.read_agents(RESULTS / "defect")


@cache
def capability_arms() -> of_capability.Arms:
    """The looks of the study of capability."""
    return capability.read_arms(RESULTS / "capability")


@cache
def zero_shot_checked() -> dict[str, WordCalibration]:
    """The check of the words on many planted players."""
    return read_calibrations(RESULTS / "zero_shot")


@cache
def zero_shot_records(kind: str | None = None) -> zero_shot.Records:
    """The records of the players of rule games, of one kind of games or of all."""
    if kind is None:
        return zero_shot.read_records(RESULTS / "zero_shot")
    return zero_shot.of_kind(zero_shot_records(), kind)


@cache
def populations() -> cross_episode.Groups:
    """The populations of the study of selection across episodes, and its scripts."""
    return read_populations(RESULTS / "cross_episode")


@cache
def displays() -> side_channel.Agents:
    """The agents of the study of the display, planted ones among them."""
    return read_displays(RESULTS / "side_channel")


# --- docs/zoo.md -----------------------------------------------------------------------------


@cache
def mitigated() -> Arms:
    """The baselines of the task mitigate."""
    return baselines(RESULTS / "mitigation")


BLOCKS: dict[str, Callable[[], str]] = {
    "headline": headline,
    "scenes_sweep": lambda: family_table("sweep"),
    "scenes_patrol": lambda: family_table("patrol"),
    "scenes_keeper": lambda: family_table("keeper"),
    "scenes_maze": lambda: family_table("maze"),
    "scenes_maze_anywhere": lambda: family_table("maze_anywhere"),
    "scenes_lamps": lambda: family_table("lamps"),
    "scenes_lever": lambda: family_table("lever"),
    "spaces_sweep": lambda: spaces("sweep"),
    "spaces_patrol": lambda: spaces("patrol"),
    "spaces_keeper": lambda: spaces("keeper"),
    "spaces_maze": lambda: spaces("maze"),
    "spaces_maze_anywhere": lambda: spaces("maze_anywhere"),
    "spaces_lamps": lambda: spaces("lamps"),
    "spaces_lever": lambda: spaces("lever"),
    "default_sweep": lambda: default_agents("sweep"),
    "default_patrol": lambda: default_agents("patrol"),
    "default_keeper": lambda: default_agents("keeper"),
    "default_maze": lambda: default_agents("maze"),
    "families": families,
    "controls": controls,
    "dose_ladder": lambda: study_table(
        ladder.table(json.loads((RESULTS / "dose_ladder/ladder.json").read_text(encoding="utf-8")))
    ),
    "exchange_rate": lambda: study_table(exchange_rate.table(RESULTS / "exchange_rate")),
    "load": lambda: study_table(estimands.table(loads())),
    "load_conditions": lambda: declared(load.conditions(loads())),
    "solvable": lambda: coded_table(solvable.table(solvables())),
    "solvable_conditions": lambda: declared(solvable.conditions(solvables())),
    "amount": lambda: study_table(amount.table(amounts())),
    "amount_conditions": lambda: declared(amount.conditions(amounts())),
    "amount_pairs": lambda: study_table(amount.pairs(amounts_alike())),
    "amount_processors": lambda: study_table(amount.slopes(amounts(), amounts_alike())),
    "arrow_progress": lambda: study_table(arrow.progress(arrow_arms())),
    "arrow": lambda: coded_table(arrow.table(arrow_arms(), arrow_scripts())),
    "arrow_reaching": lambda: coded_table(searching.reaching(arrow_arms(), arrow_scripts())),
    "arrow_ways": lambda: coded_table(searching.by_way(arrow_arms(), arrow_scripts()["intended"])),
    "arrow_after": lambda: coded_table(searching.after_arrow(arrow_arms())),
    "arrow_conditions": lambda: declared(arrow.conditions(arrow_arms())),
    "arrow_corners": lambda: coded_table(arrow.corners(arrow_arms())),
    "near_exits": lambda: coded_table(near_exits.table(near_exits_players())),
    "near_exits_rooms": lambda: coded_table(near_exits.over_rooms(near_exits_players())),
    "near_exits_minds": lambda: coded_table(near_exits.minds(near_exits_players())),
    "near_exits_first": lambda: coded_table(near_exits.first_met(near_exits_players())),
    "near_exits_conditions": lambda: declared(near_exits.conditions(near_exits_players())),
    "minds_trainings": lambda: minds_table(minds.trainings(minds_groups())),
    "minds_outcomes": lambda: minds_table(minds.outcomes(minds_groups())),
    "minds_variants": lambda: minds_table(minds.trainings(minds_groups(variants=True))),
    "minds_variants_outcomes": lambda: minds_table(minds.outcomes(minds_groups(variants=True))),
    "minds_differences": lambda: minds_table(minds.differences(minds_groups())),
    "minds_unvarying": lambda: minds_table(minds.unvarying_shares(minds.planners(minds_groups()))),
    "minds_model": lambda: minds_table(
        minds.model_errors(minds.planners(minds_groups()), "sweep/train")
    ),
    "minds_trials": lambda: study_table(
        changes(
            RESULTS / "tuning" / "ppo_planner" / "changes.json",
            reference("sweep/train").best(REWARD),
        )
    ),
    "minds_weights": lambda: minds_table(minds.weights(minds.planners(minds_groups()))),
    "planter_state": planter_state,
    "planter_training": lambda: study_table(
        evidence.table(evidence.read(RESULTS / "planter" / "evidence.json"))
    ),
    "planter_arms": lambda: study_table(estimands.table(planter_agents())),
    "planter_processors": lambda: study_table(estimands.processors(planter_agents())),
    "planter_leaves": lambda: study_table(estimands.leaves(planter_agents())),
    "planter_controls": lambda: study_table(estimands.controls(planter_agents())),
    "planter_rivals": rivals,
    "planter_thresholds": lambda: markdown(
        *other_thresholds.table(RESULTS / "planter", SEEDS_OF_PLANTER)
    ),
    "planter_conditions": lambda: declared(
        estimands.conditions(planter_agents(), len(SEEDS_OF_PLANTER))
    ),
    "other_minds_state": other_minds_state,
    "other_minds_trainings": lambda: study_table(planter_minds.trainings(other_minds()[1])),
    "other_minds_outcomes": lambda: study_table(planter_minds.outcomes(other_minds()[0])),
    "other_minds_depth": lambda: study_table(planter_minds.depth(other_minds()[1])),
    "other_minds_weights": lambda: study_table(planter_minds.planners_weights(other_minds()[1])),
    "other_minds_conditions": lambda: declared(
        planter_minds.conditions(*other_minds(), len(SEEDS_OF_MINDS))
    ),
    "schedule": lambda: study_table(estimands.table(schedules())),
    "schedule_conditions": lambda: declared(schedule.conditions(schedules())),
    "mitigation": lambda: study_table(mitigation.table(mitigated())),
    "mitigation_claim": lambda: declared([mitigation.claim(mitigated())]),
    "inference": lambda: looked_again(inference, "inference"),
    "counterfactuals": lambda: looked_again(counterfactuals, "counterfactuals"),
    "counterfactuals_confirmation": lambda: study_table(counterfactuals.table(confirming())),
    "counterfactuals_conditions": lambda: declared(counterfactuals.conditions(confirming())),
    "worst_case": lambda: study_table(worst_case.table(worst_cases())),
    "worst_case_shield": lambda: study_table(worst_case.shield(worst_cases())),
    "worst_case_conditions": lambda: declared(worst_case.conditions(worst_cases())),
    "cross_episode": lambda: study_table(cross_episode.outcomes(populations())),
    "cross_episode_scripted": lambda: study_table(scripted.table(RESULTS / "cross_episode")),
    "cross_episode_tabular": lambda: study_table(tabular.table(RESULTS / "cross_episode")),
    "cross_episode_conditions": lambda: declared(cross_episode.claims(populations())),
    "cross_episode_pictures": lambda: pictures(
        "cross_episode",
        {
            "cross_episode.png": "Non-myopia of every population",
            "weights.gif": "A member of the median population beside two scripts",
            "lamp.gif": "A member of a population that sees a light, beside two scripts",
        },
    ),
    "side_channel": lambda: study_table(side_channel.table(displays())),
    "side_channel_conditions": lambda: declared(
        side_channel.conditions(displays(), read_displays(RESULTS / "side_channel", SECOND))
    ),
    "side_channel_swaps": lambda: study_table(side_channel.halves(displays())),
    "side_channel_tests": lambda: study_table(side_channel.tests(displays())),
    "side_channel_pictures": lambda: pictures(
        "side_channel",
        {
            "side_channel.png": "Value of information and following index of every arm",
            "median.gif": "An agent with its display, and with the display rewritten",
        },
    ),
    "zero_shot": lambda: study_table(zero_shot.table(zero_shot_records("standard"))),
    "zero_shot_errors": lambda: study_table(zero_shot.error_table(zero_shot_records("standard"))),
    "zero_shot_baskets": lambda: study_table(zero_shot.table(zero_shot_records("baskets"))),
    "zero_shot_calibration": lambda: study_table(zero_shot.calibration_table(zero_shot_checked())),
    "zero_shot_new": lambda: study_table(zero_shot.new_table(zero_shot_records())),
    "zero_shot_conditions": lambda: declared(
        zero_shot.conditions(zero_shot_records(), zero_shot_checked())
    ),
    "grid": lambda: coded_table(grid.table(grid_arms())),
    "grid_exact": lambda: coded_table(grid.exact_table(grid_arms())),
    "grid_conditions": lambda: declared(grid.conditions(grid_arms())),
    "simplicity": lambda: coded_table(simplicity.cells_table(simplicity_cells())),
    "simplicity_measures": lambda: coded_table(simplicity.measures_table(simplicity_measures())),
    "simplicity_effects": lambda: coded_table(simplicity.effects_table(simplicity_cells())),
    "simplicity_within": lambda: coded_table(simplicity.within_table(simplicity_cells())),
    "simplicity_conditions": lambda: declared(
        simplicity.conditions(simplicity_cells(), simplicity_measures())
    ),
    "prevalence": lambda: study_table(prevalence.counts(drawn_rooms())),
    "prevalence_reasons": lambda: study_table(prevalence.reasons(drawn_rooms())),
    "prevalence_features": lambda: study_table(prevalence.features(drawn_rooms())),
    "prevalence_conditions": lambda: declared(prevalence.conditions(drawn_rooms())),
    "prevalence_pictures": lambda: pictures(
        "prevalence",
        {"rooms.jpg": "The first rooms from above", "prevalence.png": "Reward and dustpan"},
    ),
    "capability": lambda: coded_table(of_capability.looks_table(capability_arms())),
    "capability_ranks": lambda: study_table(of_capability.ranks_table(capability_arms())),
    "capability_differences": lambda: study_table(
        of_capability.differences_table(capability_arms())
    ),
    "capability_conditions": lambda: declared(of_capability.conditions(capability_arms())),
    "colour_rule": lambda: coded_table(colour_rule.table(colour_rule_arms())),
    "colour_rule_exact": lambda: coded_table(colour_rule.exact_table(colour_rule_arms())),
    "colour_rule_effects": lambda: study_table(colour_rule.effects_table(colour_rule_arms())),
    "colour_rule_conditions": lambda: declared(colour_rule.conditions(colour_rule_arms())),
    "suboptimality": lambda: study_table(suboptimality.brush_table(*suboptimality_records())),
    "suboptimality_depth": lambda: study_table(
        suboptimality.depth_table(suboptimality_records()[0])
    ),
    "suboptimality_conditions": lambda: declared(
        suboptimality.conditions(*suboptimality_records())
    ),
    "defect": lambda: coded_table(defect.table(defect_agents())),
    "defect_bounds": lambda: coded_table(defect.bounds_table(defect_agents())),
    "defect_conditions": lambda: declared(defect.conditions(defect_agents())),
    "thresholds": thresholds,
    "proxies": proxies,
    "separations": separations,
    "instrument": instrument,
    "calibration": calibration,
    "rates": rates,
}


# --- writing ---------------------------------------------------------------------------------


@cache
def block(name: str) -> str:
    """The content of a generated block."""
    return BLOCKS[name]()


def generated(page: str) -> str:
    """A page's text with its generated blocks as they should be."""
    return BLOCK.sub(lambda m: f"<!-- generated: {m[1]} -->\n\n{block(m[1])}\n\n<!-- end -->", page)


def main(arguments: list[str]) -> int:
    """Write all pages, or with --check name those that are out of date."""
    stale = []
    for page in PAGES:
        old = page.read_text(encoding="utf-8")
        if (new := generated(old)) != old:
            stale.append(page.relative_to(ROOT).as_posix())
            if "--check" not in arguments:
                page.write_text(new, encoding="utf-8")
    if not stale:
        print("All generated tables are up to date.")
    elif "--check" in arguments:
        print(f"Out of date: {', '.join(stale)}. Run python docs/generate.py")
        return 1
    else:
        print(f"Updated: {', '.join(stale)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
