"""What scenes there are: families, what goes together in training, and how each scene breaks it.

python -m sandbox_envs.scenes                      every shipped family, as a table to read
python -m sandbox_envs.scenes sweep my_family      these, a folder being a family of one's own
python -m sandbox_envs.scenes --markdown --pictures docs/scenes    a table for a page, pictured
python -m sandbox_envs.scenes --fit eval/references    and what the scenes' cards found
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
from sandbox_envs.files import atomic_write, read_json
from sandbox_envs.scene.catalog import scene_files
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.scene import Scene

WIDTH, HEIGHT = 320, 240  # of a picture, in pixels; drawn twice as large, which smooths its edges
ON_PAGE = 120  # pixels, a picture's width in a table
SEED = 3  # of the episode whose start is pictured; one that is usual in every training scene

Row = dict[str, Any]


@dataclass
class Args:
    """List families and their scenes, what each of them breaks, and how."""

    families: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="FAMILY_OR_FOLDER")
    ] = ()
    """shipped families, or folders with a train.xml (default: all that are shipped)"""
    markdown: bool = False
    """print a Markdown table instead, with the pictures if there are any"""
    json: bool = False
    """print JSON instead: a list with an object for each scene"""
    pictures: Path | None = None
    """also write a picture of each scene into this folder, as FAMILY-SCENE.jpg"""
    fit: Path | None = None
    """a folder of scene cards, as eval/card.py keeps them (the committed ones are in
    eval/references); whether each finds its scene to be what it declares becomes a column"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Print the scenes as the arguments say, and draw their pictures where asked."""
    if args.markdown and args.json:
        raise UserError("--markdown and --json: choose one of them")
    names = args.families or sorted({name.partition("/")[0] for name in scene_files()})
    families = [load_family(name) for name in dict.fromkeys(names)]
    rows = [row for family in families for row in describe(family)]
    scenes = [scene for family in families for scene in family.values()]
    if args.fit is not None:
        found = _found_by_cards(args.fit)
        for row, scene in zip(rows, scenes, strict=True):
            row["fit"] = found.get((scene.name, scene.hash), "")
    if args.pictures is not None:
        args.pictures.mkdir(parents=True, exist_ok=True)
        for row, scene in zip(rows, scenes, strict=True):
            row["picture"] = draw(scene, args.pictures).as_posix()
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        print(_markdown(rows) if args.markdown else _text(rows, _columns()))


def describe(family: Mapping[str, Scene]) -> list[Row]:
    """What the texts of each scene say, as plain JSON.

    family: scenes by name, as `load_family` gives them. "rises_with" holds the proxies, which go
    together with the intended measure in training, with their causal labels as declared.
    """
    twins = {name: scene.twin for name, scene in family.items()}
    return [
        {
            "scene": name,
            "file": str(scene.path),
            "about": scene.texts.get("about", ""),
            "version": scene.texts.get("version", "0"),
            "intended": scene.intended,
            "rises_with": dict(scene.proxies),
            "measures": list(scene.measures),
            "breaks": scene.breaks,
            "break": scene.texts.get("break"),
            "twin": scene.twin,
            "twin_of": [other for other, twin in twins.items() if twin == name],
        }
        for name, scene in family.items()
    ]


def draw(scene: Scene, folder: Path) -> Path:
    """Write a picture of how the scene's first episode starts, from overhead; returns its file."""
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


def _found_by_cards(folder: Path) -> dict[tuple[str, str], str]:
    """What the cards in a folder found, by name and hash of the scene.

    Raises:
        UserError: there is no card in it, or a damaged one.
    """
    found = {}
    for file in sorted(folder.rglob("*.card.json")):
        card = read_json(file)
        try:
            against = "; ".join(card["against"])
            fit = "fit to judge" if card["break"] == "conflict" else "as declared"
            by = f" ({card['scale']})" if card["scale"] != "references" else ""
            found[card["scene"], card["hash"]] = (against or fit) + by
        except (KeyError, TypeError):
            raise UserError(f"{file}: this is no scene's card; eval/card.py makes one") from None
    if not found:
        raise UserError(f"--fit {folder}: there is no card in it; eval/card.py FAMILY makes them")
    return found


# --- as text ---------------------------------------------------------------------------------


def _columns() -> int:
    return max(60, shutil.get_terminal_size().columns)


def _text(rows: Sequence[Row], columns: int) -> str:
    """The scenes as a table for a terminal that is so many letters wide."""
    stems = [row["scene"].partition("/")[2] for row in rows]
    roles = [", ".join(filter(None, [_role(row), row.get("fit")])) for row in rows]
    left, middle = max(map(len, stems)) + 4, min(max(map(len, roles)) + 2, columns // 3)
    lines, before = [], None
    for row, stem, role in zip(rows, stems, roles, strict=True):
        if (family := row["scene"].partition("/")[0]) != before:
            before = family
            lines += ["", *textwrap.wrap(_headline(row, family), columns, subsequent_indent="  ")]
        one = textwrap.wrap(role, middle - 2) or [""]
        other = textwrap.wrap(row["about"], columns - left - middle) or [""]
        for i in range(max(len(one), len(other))):
            first, second, third = (part[i : i + 1] for part in ([f"  {stem}"], one, other))
            line = "".join(first).ljust(left) + "".join(second).ljust(middle) + "".join(third)
            lines.append(line.rstrip())
    return "\n".join(lines[1:])


def _headline(row: Row, family: str) -> str:
    return f"{family}: meant is {row['intended']}; in training it goes with {_proxies(row)}"


def _role(row: Row) -> str:
    """What a scene is for, in a few words."""
    if row["breaks"]:
        return f"breaks {row['breaks']} ({row['break']})"
    if row["twin_of"]:
        return f"twin of {', '.join(name.partition('/')[2] for name in row['twin_of'])}"
    return "training" if row["scene"].endswith("/train") else ""


def _proxies(row: Row, mark: str = "") -> str:
    """The proxies with their labels, the one that the scene breaks between two marks."""
    words = []
    for proxy, label in row["rises_with"].items():
        marked = f"{mark}{proxy}{mark}" if proxy == row["breaks"] else proxy
        words.append(f"{marked} ({label})")
    return ", ".join(words) or "nothing that is declared"


# --- as Markdown -----------------------------------------------------------------------------


def _markdown(rows: Sequence[Row]) -> str:
    """The scenes as a Markdown table; a column that would be empty is left out."""
    table = [_cells(row) for row in rows]
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
        "twin": f"`{row['twin']}`" if row["twin"] else twins and f"that of {twins}",
        "fit": row.get("fit", ""),
    }
    return {title: " ".join(cell.split()).replace("|", "\\|") for title, cell in cells.items()}


if __name__ == "__main__":
    main(tyro.cli(Args))
