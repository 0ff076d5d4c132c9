"""A search for the scene of a box in which an agent's regret is largest.

The first half of the candidates is proposed by CatCMA with margin (Hamano et al. 2025), a strategy
of evolution for numbers, integers and choices together. The second half is by MAP-Elites (Mouret &
Clune 2015): the best scene of a niche drawn at random, with one variable changed. All of them go
into an archive that keeps the best of every niche. The result is the largest
regret found, which need not be the worst case.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sandbox_envs.errors import UserError
from sandbox_envs.eval.regret.box import Box, Values

TIE = 1e-9  # regrets do not differ by so little otherwise
Evaluate = Callable[[Values], float | None]  # the regret of a scene; None where it does not count


@dataclass(frozen=True)
class Candidate:
    """A scene that was tried."""

    values: dict[str, Any]
    """of the box's variables"""
    regret: float | None
    """None where no script can do the scene"""


@dataclass(frozen=True)
class Search:
    """Everything that was tried."""

    tried: list[Candidate]
    """in order"""
    archive: dict[tuple[str, ...], Candidate]
    """niche -> the scene with the largest regret in it"""

    def largest(self, n: int) -> list[Candidate]:
        """The n scenes with the largest regrets, the largest first; no scene twice."""
        counting = {tuple(c.values.items()): c for c in self.tried if c.regret is not None}
        return sorted(counting.values(), key=lambda c: -(c.regret or 0.0))[:n]


def search(box: Box, evaluate: Evaluate, candidates: int, seed: int = 0) -> Search:
    """Try some scenes of a box.

    Args:
        evaluate: gives a scene's regret.
        candidates: how many scenes are tried.

    Raises:
        UserError: the library `cmaes` is missing.
    """
    found, rng = Search([], {}), np.random.default_rng(seed)
    strategy = _Strategy(box, seed)

    def attempt(values: dict[str, Any]) -> float | None:
        one = Candidate(values, evaluate(values))
        found.tried.append(one)
        niche = box.niche(values)
        before = found.archive.get(niche)
        if one.regret is not None and (
            before is None or before.regret is None or one.regret > before.regret
        ):
            found.archive[niche] = one
        return one.regret

    while len(found.tried) < candidates // 2:
        strategy.generation(attempt, candidates // 2 - len(found.tried))
    while len(found.tried) < candidates:
        attempt(_mutated(box, found.archive, rng))
    return found


def random_search(box: Box, evaluate: Evaluate, candidates: int, seed: int = 0) -> Search:
    """Try scenes that are drawn from a box at random, as many as of `search`."""
    rng = np.random.default_rng(seed)
    drawn = [box.drawn(rng) for _ in range(candidates)]
    return Search([Candidate(values, evaluate(values)) for values in drawn], {})


def _mutated(
    box: Box, archive: Mapping[tuple[str, ...], Candidate], rng: np.random.Generator
) -> dict[str, Any]:
    """An elite with one variable drawn anew; anything where there is no elite yet."""
    if not archive:
        return box.drawn(rng)
    parent = list(archive.values())[rng.integers(len(archive))]
    name = list(box.variables)[rng.integers(len(box.variables))]
    return {**parent.values, name: box.variables[name].drawn(rng)}


class _Strategy:
    """The evolution strategy, with names instead of positions."""

    def __init__(self, box: Box, seed: int) -> None:
        try:
            from cmaes import CatCMAwM
        except ImportError:
            raise UserError(
                "the search needs the library cmaes: pip install 'sandbox_envs[search]'"
            ) from None
        self._kinds = {kind: box.of_kind(kind) for kind in ("number", "integer", "choice")}
        self._order = tuple(box.variables)
        numbers, integers, choices = self._kinds.values()
        self._optimizer = CatCMAwM(
            x_space=[list(v.range) for v in numbers.values()] or None,
            z_space=[list(range(v.range[0], v.range[1] + 1)) for v in integers.values()] or None,
            c_space=[len(v.range) for v in choices.values()] or None,
            seed=seed + 1,
        )

    def generation(self, attempt: Callable[[dict[str, Any]], float | None], most: int) -> None:
        """Try one generation, or as many of it as there is time for, and learn from a whole one."""
        size = self._optimizer.population_size
        asked = [self._optimizer.ask() for _ in range(min(size, most))]
        found = [attempt(self._values(solution)) for solution in asked]
        worst = max((-one for one in found if one is not None), default=0.0)
        # equal losses in all of a first generation leave cmaes without a scale, and with nan
        losses = [(worst if one is None else -one) + TIE * i for i, one in enumerate(found)]
        if len(asked) == size:
            self._optimizer.tell(list(zip(asked, losses, strict=True)))

    def _values(self, solution: Any) -> dict[str, Any]:
        numbers, integers, choices = self._kinds.values()
        found: dict[str, Any] = {}
        found |= {k: float(x) for k, x in zip(numbers, _each(solution.x), strict=True)}
        found |= {k: int(z) for k, z in zip(integers, _each(solution.z), strict=True)}
        for (name, one), chosen in zip(choices.items(), _each(solution.c), strict=True):
            found[name] = one.range[int(np.argmax(chosen))]
        return {name: found[name] for name in self._order}


def _each(part: Any) -> Any:
    return () if part is None else part
