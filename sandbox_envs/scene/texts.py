"""The custom texts of a scene file: read, overridden and checked name by name."""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from keyword import iskeyword
from pathlib import Path

import mujoco
import numpy as np

from sandbox_envs.errors import SceneError, UserError, suggest
from sandbox_envs.language.formula import Formula
from sandbox_envs.scene.catalog import files_in

# the names that custom texts and numerics may have; a prefix is followed by a name of the author's
TEXTS = (
    *("about", "breaks", "break", "twin", "intended", "reward", "observe", "start", "version"),
    "channel",
)
NUMERICS = (
    *("episode_seconds", "control_hz"),
    *("channel_noise", "channel_network", "placebo_on", "placebo_off", "placebo_seed"),
)
PREFIXES = ("measure/", "proxy/", "start/", "spawn/", "range/", "conserved/", "carry/", "rgba/")
# not for measures: what else is in `info`, what wrappers put there, and a word of the text `breaks`
RESERVED = (
    *("return", "length", "episode_index", "unstable", "reward", "capability"),
    *("final_obs", "final_info", "final_observation", "terminal_observation", "episode"),
)
LARGEST = 1e9  # of a numeric, in its unit; the smallest is the inverse
BREAK_KINDS = ("conflict", "removal")


def parse_overrides(settings: tuple[str, ...]) -> dict[str, str]:
    """The overrides in command-line settings of the form NAME=VALUE.

    Raises:
        UserError: a setting has another form, or two give one name different values.
    """
    pairs: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (name and equals):
            raise UserError(f"--set {setting}: write it as NAME=VALUE, e.g. episode_seconds=5")
        name, value = name.strip(), value.strip()
        if pairs.setdefault(name, value) != value:
            raise UserError(f"--set {setting}: {name} is given as {pairs[name]}, too; keep one")
    return pairs


def read_texts(model: mujoco.MjModel, path: Path) -> dict[str, str]:
    """The author's custom texts and numerics by name, numbers written out.

    Raises:
        SceneError: a text and a numeric have the same name.
    """
    texts = {}
    for i in range(model.ntext):
        start = model.text_adr[i]
        raw = model.text_data[start : start + model.text_size[i]]
        name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_TEXT, i) or ""
        text = bytes(raw).rstrip(b"\0").decode()
        if not _is_of_a_composite(name, text):
            texts[name] = text
    for i in range(model.nnumeric):
        numeric = model.numeric(i)
        if numeric.name in texts:
            raise SceneError(
                f"{path}: '{numeric.name}' is a text and a numeric; remove one of the two"
            )
        texts[numeric.name] = " ".join(repr(float(x)) for x in numeric.data)
    return texts


def _is_of_a_composite(name: str, text: str) -> bool:
    """Whether MuJoCo itself has written this text, for a <composite>, perhaps in an attached model.

    It writes the text "rope_PREFIX" with the name "composite_PREFIX".
    """
    return re.search(f"composite_{re.escape(text.removeprefix('rope_'))}$", name) is not None


def apply_overrides(
    texts: dict[str, str], overrides: Mapping[str, str], path: Path
) -> dict[str, str]:
    """The texts with overrides applied; raises SceneError where an override has no such name."""
    known = {*texts, *TEXTS, *NUMERICS}
    for name in overrides:
        if name not in known and not name.startswith(PREFIXES):
            raise SceneError(f"{path}: cannot override '{name}'; {suggest(name, known)}")
    merged = {**texts, **overrides}
    for name in merged.keys() & overrides.keys() & set(NUMERICS):
        with suppress(ValueError):  # 15 and 15.0 are one scene, with one hash, as in a file
            merged[name] = repr(float(merged[name]))
    return merged


def unread_carries(texts: Mapping[str, str]) -> list[str]:
    """The texts of what is left to the next episode that no text reads there."""
    read = re.findall(r"\bcarried\s*\(\s*(\w+)\s*\)", " ".join(texts.values()))
    return [k for k in texts if k.startswith("carry/") and k.removeprefix("carry/") not in read]


def check_names(texts: Mapping[str, str], path: Path) -> None:
    """Raise SceneError where a text has a name that the format does not know."""
    for name in texts:
        if not name.startswith(PREFIXES) and name not in (*TEXTS, *NUMERICS):
            hint = suggest(name, (*TEXTS, *NUMERICS, *PREFIXES))
            raise SceneError(f"{path}: unknown text '{name}'; {hint}")


def check_roles(
    texts: Mapping[str, str],
    measures: Mapping[str, Formula],
    proxies: Mapping[str, str],
    path: Path,
) -> None:
    """Raise SceneError where a measure, proxy, breaks, break or twin has a name it cannot have."""
    for name in measures:
        check_formula_name(name, f"{path}, text 'measure/{name}'")
        if name in RESERVED:
            raise SceneError(f"{path}, text 'measure/{name}': the name is reserved; choose another")
    for proxy in proxies:
        if proxy not in measures:
            hint = suggest(proxy, measures)
            raise SceneError(f"{path}, text 'proxy/{proxy}': there is no such measure; {hint}")
    if texts.keys() & {"breaks", "break"}:
        chosen(texts, "breaks", [*proxies, "capability"], path)
        chosen(texts, "break", BREAK_KINDS, path)
    _check_twin(texts, path)


def check_formula_name(name: str, where: str) -> None:
    """Raise SceneError, beginning with `where`, for a name that formulas could not use."""
    if not name:
        raise SceneError(
            f"{where}: the name after the / is missing; write one, as in measure/speed"
        )
    if not (name.isascii() and name.isidentifier()) or name.startswith("_") or iskeyword(name):
        raise SceneError(
            f"{where}: '{name}' is not a name that formulas can use; write letters, digits and "
            "underscores, and begin with a letter"
        )


def _check_twin(texts: Mapping[str, str], path: Path) -> None:
    """Raise SceneError unless a conflict has a twin, and a twin is another scene of the family."""
    twin = texts.get("twin")
    if twin is None and texts.get("break") == "conflict":
        raise SceneError(
            f"{path}: a conflict needs a matched control scene; add a text 'twin' with the name of "
            "the scene in this folder that is the same without the conflict"
        )
    if twin == path.stem:
        raise SceneError(f"{path}, text 'twin': it names the scene itself; name another one")
    if twin is not None:
        others = {file.stem for file in files_in(path.parent)} - {path.stem}
        chosen(texts, "twin", sorted(others), path)


def with_prefix(texts: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The texts whose names begin with a prefix, by the rest of the name."""
    return {k.removeprefix(prefix): v for k, v in texts.items() if k.startswith(prefix)}


def chosen(texts: Mapping[str, str], key: str, valid: Collection[str], path: Path) -> str:
    """The value of the text `key`; raises SceneError unless it is one of the valid names."""
    value = texts.get(key)
    if value is None:
        raise SceneError(
            f"{path}: the text '{key}' is missing; add it with one of {', '.join(valid)}"
            if valid
            else f"{path}: there are no measures; add a text 'measure/NAME' with a formula"
        )
    if value not in valid:
        raise SceneError(f"{path}, text '{key}': unknown '{value}'; {suggest(value, valid)}")
    return value


def read_ranges(
    texts: Mapping[str, str], measures: Mapping[str, Formula], path: Path
) -> dict[str, tuple[float, float]]:
    """The least and greatest value of each measure whose range is declared."""
    ranges = {}
    for name, text in with_prefix(texts, "range/").items():
        where = f"{path}, text 'range/{name}'"
        if name not in measures:
            raise SceneError(f"{where}: there is no such measure; {suggest(name, measures)}")
        try:
            low, high = map(float, text.split())
        except ValueError:
            low = high = np.nan
        if not low < high:
            raise SceneError(
                f"{where}: '{text}' is not a range; write a lower and an upper bound, as in 0 1"
            )
        ranges[name] = low, high
    return ranges


def positive_number(texts: Mapping[str, str], key: str, path: Path) -> float:
    """The number that a numeric holds; raises SceneError unless it is positive and ordinary."""
    try:
        value = float(texts[key])
    except KeyError:
        raise SceneError(f"{path}: the numeric '{key}' is missing; add it to <custom>") from None
    except ValueError:
        raise SceneError(f"{path}, '{key}': '{texts[key]}' is not a number; write one") from None
    if not (np.isfinite(value) and value > 0):
        raise SceneError(f"{path}, '{key}': {texts[key]} is not a positive number; write one")
    if not 1 / LARGEST <= value <= LARGEST:
        raise SceneError(
            f"{path}, '{key}': {texts[key]} is not between {1 / LARGEST:g} and {LARGEST:g}; write "
            "an ordinary number"
        )
    return value
