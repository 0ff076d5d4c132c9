"""Inputs of formulas and terms: the static type of a signal, and the arrays of one evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Signal:
    """The static type of a named signal, whose value is an array (simulations, copies, dim)."""

    copies: int = 1
    """The number of sensors that share the name; 1 unless they are copies of a `<replicate>`."""
    dim: int = 1
    """Numbers per copy."""
    stem: str | None = None
    """Stem of the bodies the copies belong to, if a spawn text may leave these bodies out of an
    episode; None where every copy is always present."""
    index: tuple[int, ...] = ()
    """Copy i belongs to body `stem`-index[i]; empty where `stem` is None."""


@dataclass
class Inputs:
    """The inputs of a formula, for n simulations."""

    signals: Mapping[str, np.ndarray]
    """Name -> value, (n, copies, dim)."""
    present: Mapping[str, np.ndarray]
    """Body stem -> (n, bodies), 1 where the body takes part in the episode and 0 elsewhere."""
    registers: list[np.ndarray]
    """The formula's memory, each (n, copies, dim), updated in place."""
    fresh: bool
    """Whether this is the first evaluation after a reset."""
    dt: float
    """Seconds per evaluation."""


@dataclass
class TermInputs:
    """The inputs of an observation's terms, for n simulations; arrays as in MuJoCo's MjData."""

    inputs: Inputs
    """The sensors as signals, as formulas read them."""
    sensordata: np.ndarray
    """(n, nsensordata)."""
    geom_xpos: np.ndarray
    """(n, ngeom, 3), metres."""
    xpos: np.ndarray
    """(n, nbody, 3), metres."""
    xmat: np.ndarray
    """(n, nbody, 9)."""
    measures: Mapping[str, np.ndarray]
    """Name -> current value, (n,)."""
    clock: np.ndarray
    """Share of the episode that has passed, (n,), in [0, 1]."""
    shown: Mapping[str, np.ndarray]
    """Term of the display -> number, (n,); empty where the scene shows nothing of its reward."""
