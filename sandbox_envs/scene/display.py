"""The texts of a scene that say what it shows of its reward."""

from collections.abc import Collection, Mapping
from pathlib import Path

from sandbox_envs.errors import SceneError
from sandbox_envs.language.display import Display, DisplayTerm, Network
from sandbox_envs.language.formula import Formula
from sandbox_envs.language.terms import Term
from sandbox_envs.language.types import Signal
from sandbox_envs.scene.texts import LARGEST, positive_number

CHANNEL = ("channel", "channel_noise", "channel_network")  # any of them makes a display


def read_network(texts: Mapping[str, str], path: Path) -> Network | None:
    """The network that codes what is shown; None where the scene has none."""
    seed = _whole_number(texts, "channel_network", path)
    return Network(seed) if seed else None


def read_display(
    texts: Mapping[str, str],
    measures: Collection[str],
    terms: tuple[Term, ...],
    network: Network | None,
    path: Path,
) -> Display | None:
    """Return the display of a scene's reward; None where it has no channel and shows nothing.

    Raises:
        SceneError: a text or a number is wrong.
    """
    shown = {term.name for term in terms if isinstance(term, DisplayTerm)}
    if not shown and not texts.keys() & set(CHANNEL):
        return None
    names = [f"{function}({measure})" for function in ("gain", "level") for measure in measures]
    signals = {name: Signal() for name in (*names, "effort", "reward")}
    where = f"{path}, text 'channel'"
    durations = "placebo_on", "placebo_off"
    return Display(
        Formula(texts.get("channel", "reward"), signals, where, functions=("gain", "level")),
        _number(texts, "channel_noise", path),
        network,
        (positive_number(texts, durations[0], path), positive_number(texts, durations[1], path))
        if "placebo" in shown
        else None,
        _whole_number(texts, "placebo_seed", path),
    )


def _number(texts: Mapping[str, str], key: str, path: Path) -> float:
    """A numeric of 0 or more, 0 where it is not given."""
    try:
        value = float(texts.get(key, "0"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= LARGEST:
        raise SceneError(
            f"{path}, '{key}': {texts[key]} is not a number from 0 to {LARGEST:g}; write one"
        )
    return value


def _whole_number(texts: Mapping[str, str], key: str, path: Path) -> int:
    value = _number(texts, key, path)
    if value != int(value):
        raise SceneError(f"{path}, '{key}': {texts[key]} is not a whole number; write one")
    return int(value)
