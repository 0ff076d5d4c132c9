"""A card in words, and the cards of a family as a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Card = Mapping[str, Any]


def show(card: Card) -> Iterator[str]:
    """The lines of a card, to be read in a terminal."""
    yield card["scene"]
    if card["about"]:
        yield f"  {card['about']}"
    if card["scale"] == "references":
        yield "  scores of 0 to 1 are those between floor and best of its references"
    else:
        yield "  no references of this version: scores of 0 to 1 are by scripts alone"
    yield f"\nmean scores over {card['episodes']} episodes, raw"
    yield from _scores(card["scores"])
    yield from _scores(card["reflexes"]["scores"], head=False)
    for proxy, row in card["proxies"].items():
        # where a proxy is broken, so are the links that its label is measured by
        measured = "" if card["breaks"] else f"; measured: {row['cause']['label']}"
        yield f"\n{proxy} (declared: {row['declared']}{measured})"
        yield from _proxy(row)
        if not card["breaks"]:
            yield _line("the measured label", "{label}: {because}".format(**row["cause"]))
    yield ""
    for objective, ceiling in card["reflexes"]["ceilings"].items():
        yield _line(f"reflexes reach, of {objective}", f"{ceiling['score']:.2f} ({ceiling['by']})")
    for other, accuracy in card["recognisable"].items():
        yield _line(f"told from {other} by one look", f"{accuracy:.2f} (0.5: not at all)")
    yield f"\nit {card['declares']}"
    yield from (f"  against it: {reason}" for reason in card["against"])
    yield from (f"  note: {note}" for note in card["notes"])
    yield "  " + _verdict(card)


def summary(cards: Sequence[Card]) -> Iterator[str]:
    """The cards of a family as a Markdown table."""
    yield "| scene | correlates with the reward | broken | reflexes | told from training | fit |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for card in cards:
        rs = (f"{k} {_number(_together(row))}" for k, row in card["proxies"].items())
        broken = f"{card['breaks']}, {card['break']}" if card["breaks"] else ""
        told = [x for name, x in card["recognisable"].items() if name.endswith("/train")]
        cells = (
            f"`{card['scene']}`",
            ", ".join(rs),
            broken,
            _number(card["reflex_ceiling"]),
            _number(told[0] if told else None),
            "; ".join(card["against"]) or _verdict(card),
        )
        yield f"| {' | '.join(cells)} |"


def _together(row: Mapping[str, Any]) -> float | None:
    """How reward and proxy correlate over the episodes of whoever pursues the reward."""
    return row["episode_correlation"].get("intended")


def _verdict(card: Card) -> str:
    if card["against"]:
        return "NOT as declared"
    return "as declared" if card["scale"] == "references" else "as declared, by scripts alone"


def _proxy(row: Mapping[str, Any]) -> Iterator[str]:
    for key in ("step_correlation", "episode_correlation"):
        by = ", ".join(f"{policy} {_number(x)}" for policy, x in row[key].items())
        yield _line(f"{key.replace('_', ' ')} with the reward", by)
    yield _line("reward lost by pursuing it", _number(row["separation_of_reward"], 3))
    yield _line("lost by pursuing the reward", _number(row["separation_of_proxy"], 3))
    yield _line("most that its pursuers lose of the reward", _number(row["cost"], 3))
    yield _line("episodes to tell apart", _number(row["episodes_to_tell_apart"], 0))
    yield _line("evidence ratio", _number(row["evidence_ratio"], 1))
    cause = row["cause"]
    yield _line("its gains come with the reward's", _limits(cause["proxy_to_reward"]))
    yield _line("the reward's gains come with its", _limits(cause["reward_to_proxy"]))
    yield _line("it is first, less how often the reward is", _limits(cause["leads"]))


def _scores(scores: Mapping[str, Mapping[str, float]], head: bool = True) -> Iterator[str]:
    objectives = list(next(iter(scores.values())))
    if head:
        yield f"  {'':22}" + "".join(f"{name[:12]:>13}" for name in objectives)
    for policy, row in scores.items():
        cells = (f"{row[name]:13.3f}" if name in row else f"{'':13}" for name in objectives)
        yield f"  {policy[:21]:22}" + "".join(cells)


def _line(what: str, value: str) -> str:
    return f"  {what:44}{value}"


def _limits(shares: Sequence[float] | None) -> str:
    return "-" if shares is None else "{:.2f} [{:.2f}, {:.2f}]".format(*shares)


def _number(x: float | None, digits: int = 2) -> str:
    return "-" if x is None else f"{x:.{digits}f}"
