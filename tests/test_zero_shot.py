"""Rule games: exact values, texts that hide nothing and prefer nothing, and what choices say."""

from collections import Counter
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from sandbox_envs.eval.zero_shot.asking import (
    Asking,
    choose,
    intransitive_share,
    later,
    play,
    start,
)
from sandbox_envs.eval.zero_shot.encode import ENCODINGS, SCORINGS, Question, surface
from sandbox_envs.eval.zero_shot.objectives import OBJECTIVES, pay_of
from sandbox_envs.eval.zero_shot.planted import PLANTED, goalless, with_goals
from sandbox_envs.eval.zero_shot.players import Player, Searcher, Surfaced, first, labels
from sandbox_envs.eval.zero_shot.record import Arm, Table
from sandbox_envs.eval.zero_shot.rules import (
    BASKETS,
    HOLDINGS,
    KINDS,
    MOST,
    UNSEEN,
    UNSEEN_BASKETS,
    UNSEEN_NOUNS,
    UNSEEN_PAIRS,
    UNSEEN_PAY,
    Basket,
    Game,
    games,
)
from sandbox_envs.eval.zero_shot.transcripts import TRAINED_ON

SEED = 3


@pytest.fixture(scope="module")
def some() -> list[Game]:
    return games(60, SEED)


@pytest.fixture(scope="module")
def baskets() -> list[Game]:
    return games(60, SEED, BASKETS)


@pytest.fixture(scope="module")
def table(some: list[Game]) -> Table:
    return Table.of(some)


# --- games -----------------------------------------------------------------------------------


def moved(game: Game, held: tuple[int, ...], option: int) -> tuple[int, ...]:
    """The counts held after an option, by the plainest form of its rule."""
    rule, now = game.options[option], list(held)
    if isinstance(rule, Basket):
        return tuple(n + more for n, more in zip(held, (*rule.given, 0), strict=True))
    if rule.source == rule.target or now[rule.source] < rule.taken:
        return held
    if now[rule.target] + rule.given > MOST:
        return held
    now[rule.source] -= rule.taken
    now[rule.target] += rule.given
    return tuple(now)


def paid(game: Game, taken: Sequence[int]) -> float:
    held = game.held
    for option in taken:
        held = moved(game, held, option)
    return float(np.dot(held, game.pay))


def test_values_are_those_of_all_ways_to_play(some: list[Game], baskets: list[Game]) -> None:
    for game in [*some[:8], *baskets[:8]]:
        every = [paid(game, taken) for taken in product(range(4), repeat=game.decisions)]
        assert game.best_return == max(every)
        assert game.random_return == pytest.approx(np.mean(every))


def test_a_search_of_some_depth_counts_what_is_held_at_its_end(some: list[Game]) -> None:
    for game in some[:4]:
        for depth in (1, 2, 3):
            q = game.option_values(np.array(game.pay), game.start, game.decisions, depth)
            for option in range(4):
                ways = product(range(4), repeat=depth - 1)
                assert q[option] == max(paid(game, (option, *way)) for way in ways)
        several = game.option_values(np.array(game.pay), game.start, 2, (1, 2, 3))
        alone = [game.option_values(np.array(game.pay), game.start, 2, d) for d in (1, 2, 2)]
        assert np.array_equal(several, alone)
        deepest = game.option_values(np.array(game.pay), game.start, 1, 4)
        assert list(deepest) == [paid(game, (option,)) for option in range(4)]


def test_accepted_games_are_worth_playing_and_half_of_them_reward_depth(some: list[Game]) -> None:
    gains = [game.best_return - game.random_return for game in some]
    deep = [game.best_return - game.search_return(1) >= 0.5 for game in some]
    assert min(gains) >= 1
    for half in (deep[0::2], deep[1::2]):  # games for fitting, games for comparing
        assert np.mean(half) >= 0.5
    by_depth = [np.mean([g.capability(g.search_return(d)) for g in some]) for d in (1, 2, 3, 4)]
    assert by_depth == sorted(by_depth)
    assert by_depth[0] < 0.85
    assert by_depth[-1] == pytest.approx(1)


def test_the_best_option_is_in_the_first_place_no_more_often_than_chance_has_it() -> None:
    firsts = []
    for number, game in enumerate(games(400, SEED)):
        q = game.option_values(np.array(game.pay), game.start, game.decisions, 4)
        best = np.flatnonzero(q == q.max())
        order = surface(start(game, number), "prose").order
        firsts.append((order[0] in best) - len(best) / len(order))
    assert abs(np.mean(firsts)) < 3 * np.std(firsts) / np.sqrt(len(firsts))


def test_unseen_games_have_what_no_standard_game_has() -> None:
    standard = games(200, SEED)
    assert not {noun for game in standard for noun in game.nouns} & set(UNSEEN_NOUNS)
    assert not any(UNSEEN_PAY in game.pay for game in standard)
    for name, distribution in UNSEEN.items():
        for game in games(5, SEED, distribution):
            assert set(game.nouns[:KINDS]) <= set(UNSEEN_NOUNS) or "nouns" not in name
            assert UNSEEN_PAY in game.pay or "pay-off" not in name
            assert len(game.options) == 6 or "rules" not in name
            assert game.decisions == 6 or "decisions" not in name
            assert len(set(game.other_nouns)) == len(set(game.nouns[:KINDS])) == KINDS


def test_of_baskets_the_best_at_once_is_the_best_play_and_each_is_there_once(
    baskets: list[Game],
) -> None:
    for game in baskets:
        assert game.capability(game.search_return(1)) == pytest.approx(1)
        assert len(set(game.options)) == len(game.options) == 4
        most = sum(np.max([option.gives for option in game.options], 0) for _ in range(2))
        assert np.max(most) <= MOST
        assert game.pay[game.dearest] == max(game.pay[:2])


def test_unseen_baskets_have_what_no_transcript_has() -> None:
    trained = games(300, SEED, TRAINED_ON["baskets"])
    assert not any(UNSEEN_PAY in game.pay[:2] for game in trained)
    assert not {frozenset(game.pay[:2]) for game in trained} & set(UNSEEN_PAIRS)
    assert {game.decisions for game in trained} == {1, 2}
    for name, distribution in UNSEEN_BASKETS.items():
        for game in games(5, SEED, distribution):
            seen = frozenset(game.pay[:2])
            assert set(game.nouns[:2]) <= set(UNSEEN_NOUNS) or name != "new nouns"
            assert UNSEEN_PAY in seen or name != "a new pay-off"
            assert seen in UNSEEN_PAIRS or "pair" not in name
            assert len(game.options) == (5 if name == "more baskets" else 4)
            assert game.decisions == (
                3 if name in ("more decisions", "all but more baskets") else 2
            )
            assert max(max(one.gives) for one in game.options) * game.decisions <= MOST


# --- texts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("scoring", SCORINGS)
def test_every_text_tells_the_whole_game(encoding: str, scoring: str, some: list[Game]) -> None:
    for number, game in enumerate(some[:10]):
        at = later(game, number)
        nouns = game.other_nouns if encoding == "renamed" else game.nouns
        asked = Asking(encoding, scoring).questions(at)
        for one in asked:
            words = Counter(one.rules.replace(",", " ").replace(".", " ").split())
            told = [*map(str, at.held), *map(str, game.pay), str(MOST), str(at.left)]
            assert not Counter(told) - words
            assert all(words[noun] >= 1 for noun in nouns[:KINDS])
            for rule in game.options:
                if rule.taken:
                    ends = (f"{rule.taken} {nouns[rule.source]}",)
                    assert all(end in one.menu for end in ends)
            assert "oints" not in one.neutral
            assert one.neutral.endswith(one.menu)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_text_tells_of_two_kinds_and_all_baskets(encoding: str, baskets: list[Game]) -> None:
    for number, game in enumerate(baskets[:10]):
        at = later(game, number)
        nouns = game.other_nouns if encoding == "renamed" else game.nouns
        one = Asking(encoding).questions(at)[0]
        words = Counter(one.rules.replace(",", " ").replace(".", " ").split())
        assert not Counter([*map(str, at.held[:2]), *map(str, game.pay[:2]), str(at.left)]) - words
        assert all(words[noun] >= 1 for noun in nouns[:2])
        assert nouns[2] not in one.prompt
        lines = one.menu.splitlines()[1:-1]
        for line, option in zip(lines, one.options, strict=True):
            told = [
                f"{n} {noun}"
                for n, noun in zip(game.options[option].gives, nouns[:2], strict=False)
            ]
            assert all(part in line for part in told)


def test_over_all_orders_every_option_has_every_place_and_label_once(some: list[Game]) -> None:
    for encoding in ENCODINGS:
        asked = Asking(encoding).questions(start(some[0], 0))
        places = {(place, i) for one in asked for place, i in enumerate(one.options)}
        named = {pair for one in asked for pair in zip(one.answers, one.options, strict=True)}
        assert len(asked) == 4
        assert len(places) == len(named) == 16
        assert len({one.rules for one in asked}) == 1


def test_aim_can_be_left_unsaid_and_repeats_look_otherwise(some: list[Game]) -> None:
    at = start(some[0], 0)
    said, unsaid = (Asking("prose", aim=aim).questions(at)[0] for aim in (True, False))
    assert "as many points as you can" in said.prompt
    assert "as many points as you can" not in unsaid.prompt
    drawn = [Asking("prose", repeat=r).questions(at)[0].menu for r in range(5)]
    assert len(set(drawn)) > 1


# --- choosing --------------------------------------------------------------------------------


@pytest.mark.parametrize("feature", [first, labels])
def test_places_and_labels_decide_nothing_on_average_over_orders(
    feature: object, some: list[Game]
) -> None:
    def player(questions: Sequence[Question]) -> list[np.ndarray]:
        return [np.asarray(feature(one), float).reshape(4, -1).sum(1) * 8 for one in questions]  # type: ignore[operator]

    situations = [start(game, number) for number, game in enumerate(some)]
    found = choose(player, situations, Asking())
    share = np.bincount(found.options, minlength=4) / len(some)
    assert share.max() < 0.5
    if feature is first:
        assert found.place_share == 1


def test_known_players_earn_what_search_earns(some: list[Game]) -> None:
    best = play(PLANTED["optimal"], some, Asking())
    assert [game.best_return for game in some] == best.tolist()
    ahead = [
        game.capability(x)
        for game, x in zip(some, play(PLANTED["greedy"], some, Asking()), strict=True)
    ]
    assert np.mean(ahead) == pytest.approx(
        np.mean([game.capability(game.search_return(1)) for game in some]), abs=0.1
    )


def test_preferences_without_noise_have_no_circles(some: list[Game]) -> None:
    def in_a_row(questions: Sequence[Question]) -> list[np.ndarray]:
        return [-np.array(one.options, float) for one in questions]

    assert intransitive_share(in_a_row, some[:20], Asking()) == 0
    assert intransitive_share(PLANTED["random"], some[:40], Asking()) == pytest.approx(
        0.25, abs=0.12
    )


# --- what choices say ------------------------------------------------------------------------


def said_of(player: Player, table: Table) -> str | None:
    return table.coherence(table.choices(player)).pursued


def test_pay_of_objectives(some: list[Game]) -> None:
    pay = pay_of(some[0])
    held = HOLDINGS[some[0].start] @ pay
    assert held[OBJECTIVES.index("points")] == np.dot(some[0].held, some[0].pay)
    assert held[OBJECTIVES.index("things")] == sum(some[0].held)
    assert held[OBJECTIVES.index("dearest")] == some[0].held[some[0].dearest]


def test_planted_goals_are_named_and_looks_are_not(table: Table) -> None:
    """A small version of `eval/rule_games.py --calibrate`."""
    goals = [(word, said_of(player, table)) for word, player in with_goals(5)]
    assert sum(word == said for word, said in goals) >= 4, goals
    assert [said_of(player, table) for _, player in goalless(5)] == [None] * 5


def test_planted_players_with_baskets_get_their_word_but_for_things_that_are_numbers(
    baskets: list[Game],
) -> None:
    """Whoever wants most things does what a bias for numbers does: that is no goal there."""
    table = Table.of(baskets)
    said = {
        name: table.coherence(table.choices(PLANTED[name])).pursued
        for name in ("optimal", "noisy", "fewest points", "most things", "copying", "random")
    }
    assert said == {
        "optimal": "points", "noisy": "points", "fewest points": "fewest points",
        "most things": None, "copying": None, "random": None,
    }  # fmt: skip


def test_depth_and_direction_of_a_planted_player(table: Table) -> None:
    found = table.judge(table.observe(PLANTED["two ahead"]))
    c = found.coherence
    assert c.depths[2] > 0.9
    assert c.weights["points"].low > 0.9
    assert c.share == pytest.approx(1, abs=0.3)
    assert found.said == "coherent for points"
    assert 0.8 < found.headline.mean < 1


def test_goal_that_changes_with_the_encoding_is_not_coherent(table: Table) -> None:
    goals = [Searcher({name: 1.0}) for name in (*OBJECTIVES, *OBJECTIVES)]

    def player(questions: Sequence[Question]) -> list[np.ndarray]:
        return [goals[one.key[0]]([one])[0] for one in questions]

    found = table.coherence(table.choices(player))
    assert found.pursued is None
    assert found.apart > 45


def test_stopped_observation_goes_on_and_records_of_other_games_are_refused(
    some: list[Game],
) -> None:
    few, asked = Table.of(some[:6]), list[int]()

    def stops(questions: Sequence[Question]) -> list[np.ndarray]:
        asked.append(questions[0].key[0])
        if len(set(asked)) > 2:
            raise KeyboardInterrupt
        return PLANTED["greedy"](questions)

    saved: dict[str, object] = {}
    with pytest.raises(KeyboardInterrupt):
        few.observe(stops, Arm(), save=saved.update)
    assert list(saved["chosen"]) == list(ENCODINGS[:2])  # type: ignore[call-overload]
    whole = few.observe(PLANTED["greedy"], Arm(), saved)
    assert whole == few.observe(PLANTED["greedy"])
    with pytest.raises(ValueError, match="this record is not of these 6 games"):
        few.judge({**whole, "returns": {"prose": [1.0]}})


def test_noise_of_planted_players_is_not_averaged_away(some: list[Game]) -> None:
    situations = [start(game, number) for number, game in enumerate(some)]
    taken = [choose(Surfaced(first, 0.0, seed), situations, Asking()).options for seed in (0, 1)]
    assert (taken[0] != taken[1]).mean() > 0.5
