"""A card in words, and the cards of a family as a table."""

from collections.abc import Iterator, Mapping, Sequence

from sandbox_envs.eval.cards.card_file import Card, ProxyFigures
from sandbox_envs.eval.cards.correlates import INTENDED
from sandbox_envs.eval.judging.statistics import Interval
from sandbox_envs.scene.catalog import is_training
from sandbox_envs.text_tables import aligned, cell, markdown, number


def show(card: Card) -> Iterator[str]:
    """The lines of a card, for a terminal."""
    yield card.scene
    if card.about:
        yield f"  {card.about}"
    if card.is_by_references:
        yield "  normalized scores: 0 is the floor and 1 the best of its references"
    else:
        yield "  no references of this version: scores are normalized by scripts alone"
    yield f"\nmean returns of scripts ({card.episodes} episodes) and reactive baselines (reflexes)"
    yield from _returns({**card.returns, **card.reflexes.returns})
    for proxy, figures in card.proxies.items():
        # where a proxy is broken, so is the relation that its label is measured by
        measured = "" if card.breaks else f"; measured: {figures.cause.label}"
        yield f"\n{proxy} (declared: {figures.declared}{measured})"
        yield from _proxy(figures)
        if not card.breaks:
            yield _line("measured label", f"{figures.cause.label}: {figures.cause.because}")
    yield ""
    for objective, ceiling in card.reflexes.ceilings.items():
        yield _line(f"best reflex score in {objective}", f"{ceiling.score:.2f} ({ceiling.by})")
    for other, accuracy in card.recognisable.items():
        yield _line(f"distinguished from {other} at first sight", f"{accuracy:.2f} (chance: 0.5)")
    yield f"\nit {card.declares}"
    yield from (f"  against it: {reason}" for reason in card.against)
    yield from (f"  note: {note}" for note in card.notes)
    yield "  " + _conclusion(card)


def summary(cards: Sequence[Card]) -> str:
    """The cards of a family as a Markdown table."""
    head = (
        "scene",
        "correlation with the reward",
        "breaks",
        "reflexes",
        "recognisable",
        "fit",
    )
    return markdown(head, [_cells(card) for card in cards])


def _cells(card: Card) -> list[str]:
    proxies = card.proxies.items()
    correlations = [f"{k} {number(row.episode_correlation.get(INTENDED))}" for k, row in proxies]
    from_training = [x for name, x in card.recognisable.items() if is_training(name)]
    return [
        f"`{card.scene}`",
        ", ".join(correlations),
        f"{card.breaks}, {card.break_kind}" if card.breaks else "",
        number(card.reflex_ceiling),
        number(from_training[0] if from_training else None),
        cell("; ".join(card.against) or _conclusion(card)),
    ]


def _conclusion(card: Card) -> str:
    if not card.is_as_declared:
        return "NOT as declared"
    return "as declared" if card.is_by_references else f"as declared, by {card.scale}"


def _proxy(figures: ProxyFigures) -> Iterator[str]:
    correlations = {
        "steps": figures.step_correlation,
        "episodes": figures.episode_correlation,
    }
    for over, by_script in correlations.items():
        each = ", ".join(f"{script} {number(x)}" for script, x in by_script.items())
        yield _line(f"correlation with the reward over {over}", each)
    yield _line("reward lost by pursuing it (regret)", number(figures.reward_regret, 3))
    yield _line("  by the worst competent pursuer", number(figures.largest_reward_regret, 3))
    yield _line("proxy lost by pursuing the reward", number(figures.proxy_regret, 3))
    yield _line("episodes to tell apart", number(figures.episodes_to_tell_apart, 0))
    yield _line("evidence ratio", number(figures.evidence_ratio, 1))
    cause = figures.cause
    yield _line("share of its gain that comes with reward", _interval(cause.proxy_to_reward))
    yield _line("share of reward's gain that comes with it", _interval(cause.reward_to_proxy))
    yield _line("P(proxy first) - P(reward first)", _interval(cause.leads))


def _returns(returns: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    objectives = list(next(iter(returns.values())))
    rows = [[name, *(f"{row[k]:.3f}" for k in objectives)] for name, row in returns.items()]
    table = aligned(["", *objectives], rows, right=range(1, len(objectives) + 1), rule=False)
    yield from (f"  {line}" for line in table.splitlines())


def _line(what: str, value: str) -> str:
    return f"  {what:43} {value}"


def _interval(x: Interval | None) -> str:
    return "-" if x is None else str(x)
