"""The data sheet of a zoo, by the questions of Gebru et al. (2021), "Datasheets for Datasets"."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sandbox_envs.eval.judging.thresholds import THRESHOLDS
from sandbox_envs.text_tables import cell, markdown

FILE = "datasheet.md"
Json = dict[str, Any]


def datasheet(name: str, package: str, agents: Sequence[Json], blind: Json | None) -> str:
    """The data sheet of a zoo, in Markdown.

    Args:
        name: of the zoo.
        package: version of this package.
        agents: what the manifest says of each.
        blind: what it says of the blind subjects; None without any.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"{FILE}.j2").render(
        name=name,
        package=package,
        agents=len(agents),
        studies=len({one["study"] for one in agents}),
        policies=sum(one["policy"] for one in agents),
        table=_table(agents),
        blind=blind,
        episodes=THRESHOLDS.episodes,
    )


def _table(agents: Sequence[Json]) -> str:
    counts = Counter((one["study"], one["arm"]) for one in agents)
    policies = Counter((one["study"], one["arm"]) for one in agents if one["policy"])
    rows = [
        [cell(study), cell(arm), str(n), str(policies[study, arm])]
        for (study, arm), n in counts.items()
    ]
    return markdown(["study", "arm", "agents", "with their policy"], rows)
