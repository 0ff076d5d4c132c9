"""List families and their scenes: what correlates in training, and how each scene breaks it.

python -m sandbox_envs.scenes                      every shipped family, as a table to read
python -m sandbox_envs.scenes sweep my_family      these families; a folder is a family of yours
python -m sandbox_envs.scenes --markdown --pictures docs/scenes    a table for a page, with pictures
"""

import json
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from PIL import Image

from sandbox_envs.env import SandboxEnv
from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.files import atomic_write
from sandbox_envs.scene.catalog import families, family_of, is_training, stem_in
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene
from sandbox_envs.spaces import text_lines

WIDTH, HEIGHT = 320, 240  # of a picture, in pixels; drawn twice as large, which smooths its edges
ON_PAGE = 120  # width of a picture in a table, in pixels
NARROWEST = 20  # columns of a terminal for the description of a scene, however long its name
SEED = 3  # of the episode whose start is drawn; a typical one in every training scene

Row = dict[str, Any]  # one scene as plain JSON, see `describe`


@dataclass
class Args:
    """List families and their scenes, what each of them breaks, and how."""

    families: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="FAMILY_OR_FOLDER")
    ] = ()
    """shipped families, or folders with a train.xml; without any, all shipped families"""
    markdown: bool = False
    """print a Markdown table, with the pictures if there are any"""
    json: bool = False
    """print JSON: a list with an object for each scene"""
    spaces: bool = False
    """print what each number of an action and of an observation is, for each family"""
    pictures: Path | None = None
    """also draw a picture of each scene into this folder, as FAMILY-SCENE.jpg"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Print the scenes, and draw their pictures if asked."""
    if args.markdown + args.json + args.spaces > 1:
        raise UserError("--markdown, --json and --spaces: choose one of them")
    names = dict.fromkeys(args.families or families())
    loaded = [load_family(name) for name in names]
    if args.spaces:
        print("\n".join(line for family in loaded for line in text_lines(_any_of(family))))
        return
    rows = [row for family in loaded for row in describe(family)]
    if args.pictures is not None:
        args.pictures.mkdir(parents=True, exist_ok=True)
        scenes = [scene for family in loaded for scene in family.values()]
        for row, scene in zip(rows, scenes, strict=True):
            row["picture"] = draw_picture(scene, args.pictures).as_posix()
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        print(markdown_table(rows) if args.markdown else text_table(rows, _columns()))


def _any_of(family: Mapping[str, Scene]) -> Scene:
    """A scene of the family: in all of them agents observe and act alike."""
    return next(iter(family.values()))


def describe(family: Mapping[str, Scene]) -> list[Row]:
    """The properties of each scene, as its texts declare them.

    Args:
        family: scenes by name, as from `load_family`.

    Returns:
        One dict for each scene, ready for JSON. "rises_with" maps each proxy, which correlates
        with the intended measure in training, to its causal label as declared. "twin_of" lists the
        scenes whose twin this one is. "break" is the kind of break.
    """
    twins = {name: scene.twin for name, scene in family.items()}
    return [
        {
            "scene": name,
            "file": str(scene.path),
            "about": scene.about,
            "version": scene.version,
            "intended": scene.intended,
            "rises_with": dict(scene.proxies),
            "measures": list(scene.measures),
            "breaks": scene.breaks,
            "break": scene.break_kind,
            "twin": scene.twin,
            "twin_of": [other for other, twin in twins.items() if twin == name],
        }
        for name, scene in family.items()
    ]


def draw_picture(scene: Scene, folder: Path) -> Path:
    """Draw the start of the scene's first episode, from overhead; returns the file.

    Raises:
        OSError: the file cannot be written.
    """
    env = SandboxEnv(scene, None, "rgb_array", None, 2 * WIDTH, 2 * HEIGHT)
    try:
        env.reset(seed=SEED)
        frame = env.render()
    finally:
        env.close()
    assert frame is not None
    image = Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    path = folder / f"{scene.name.replace('/', '-')}.jpg"
    with atomic_write(path) as temporary:
        image.save(temporary, quality=85, optimize=True)
    return path


# --- as text ---------------------------------------------------------------------------------


def text_table(rows: Sequence[Row], columns: int) -> str:
    """The scenes as a table for a terminal of so many columns."""
    stems, roles = [stem_in(row["scene"]) for row in rows], [_role(row) for row in rows]
    left, middle = max(map(len, stems)) + 4, min(max(map(len, roles)) + 2, columns // 3)
    lines, before = [], None
    for row, stem, role in zip(rows, stems, roles, strict=True):
        if (family := family_of(row["scene"])) != before:
            before = family
            lines += ["", *textwrap.wrap(_headline(row, family), columns, subsequent_indent="  ")]
        one = textwrap.wrap(role, middle - 2) or [""]
        other = textwrap.wrap(row["about"], max(columns - left - middle, NARROWEST)) or [""]
        for i in range(max(len(one), len(other))):
            first, second, third = (part[i : i + 1] for part in ([f"  {stem}"], one, other))
            line = "".join(first).ljust(left) + "".join(second).ljust(middle) + "".join(third)
            lines.append(line.rstrip())
    return "\n".join(lines[1:])


def _columns() -> int:
    return max(60, shutil.get_terminal_size().columns)


def _headline(row: Row, family: str) -> str:
    return f"{family}: intended is {row['intended']}; correlated in training: {_proxies(row)}"


def _role(row: Row) -> str:
    """The role of a scene, in a few words."""
    if row["breaks"]:
        return f"breaks {row['breaks']} ({row['break']})"
    words = ["training"] if is_training(row["scene"]) else []
    if row["twin_of"]:
        words.append(f"twin of {', '.join(map(stem_in, row['twin_of']))}")
    return ", ".join(words)


def _proxies(row: Row, mark: str = "") -> str:
    """The proxies with their labels; the one that the scene breaks stands between two marks."""
    words = []
    for proxy, label in row["rises_with"].items():
        marked = f"{mark}{proxy}{mark}" if proxy == row["breaks"] else proxy
        words.append(f"{marked} ({label})")
    return ", ".join(words) or "no declared proxy"


# --- as Markdown -----------------------------------------------------------------------------


def markdown_table(rows: Sequence[Row]) -> str:
    """The scenes as a Markdown table without empty columns.

    Args:
        rows: from `describe`. A "picture" in a row is the link of a picture.
    """
    table = list(map(_cells, rows))
    titles = [title for title in table[0] if any(cells[title] for cells in table)]
    lines = [titles, ["---"] * len(titles), *([cells[t] for t in titles] for cells in table)]
    return "\n".join("|".join(["", *(f" {c} " if c else " " for c in line), ""]) for line in lines)


def _cells(row: Row) -> dict[str, str]:
    """One line of the table, by the title of the column."""
    twins = ", ".join(f"`{name}`" for name in row["twin_of"])
    picture = f'<img src="{row.get("picture")}" width="{ON_PAGE}" alt="{row["scene"]}">'
    cells = {
        "picture": picture if "picture" in row else "",
        "scene": f"`{row['scene']}`",
        "what it is": row["about"],
        "what correlates in training": f"{row['intended']} with {_proxies(row, mark='**')}",
        "how it is broken here": f"{row['breaks']}, by {row['break']}" if row["breaks"] else "",
        "twin": f"`{row['twin']}`" if row["twin"] else twins and f"is the twin of {twins}",
    }
    return {title: " ".join(cell.split()).replace("|", "\\|") for title, cell in cells.items()}


if __name__ == "__main__":
    main(tyro.cli(Args))
