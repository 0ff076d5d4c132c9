"""Selection across episodes: Price's equation, and the tabular dilemma whose answers are known."""

import numpy as np
import pytest

from sandbox_envs.eval.experiments.cross_episode.tabular import ARMS, Dilemma, Outcome, evolved
from sandbox_envs.train.selection import price_split, summed, truncation

# --- who is copied, and what it changes --------------------------------------------------------


def test_the_worst_become_copies_of_the_best_and_the_others_stay() -> None:
    fitness = np.array([5.0, 1.0, 9.0, 4.0, 2.0, 8.0, 3.0, 7.0])
    donors = truncation(fitness, 0.25, np.random.default_rng(0))
    assert {donors[1], donors[4]} == {2, 5}
    assert [donors[i] for i in (0, 2, 3, 5, 6, 7)] == [0, 2, 3, 5, 6, 7]


def test_equal_members_are_replaced_at_random() -> None:
    rng, replaced = np.random.default_rng(0), np.zeros(8)
    for _ in range(400):
        replaced += truncation(np.zeros(8), 0.25, rng) != np.arange(8)
    assert np.abs(replaced / 400 - 0.25).max() < 0.09  # four standard errors


def test_price_split_by_hand() -> None:
    """The second is copied twice and the first not at all; both learned 0.1."""
    split = price_split(np.array([0.1, 0.5]), np.array([0.2, 0.6]), np.array([0, 2]))
    assert (split.selected, split.learned) == pytest.approx((0.2, 0.1))


def test_price_split_sums_to_the_whole_change_over_generations() -> None:
    """Of a trait that changes in any way, with any numbers of copies: the telescope is exact."""
    rng = np.random.default_rng(0)
    first = trait = rng.normal(size=12)
    splits = []
    for _ in range(500):
        end = trait + rng.normal(size=12) * rng.choice([0, 1, 10])
        donors = rng.integers(12, size=12)
        splits.append(price_split(trait, end, np.bincount(donors, minlength=12)))
        assert abs(splits[-1].total - (end[donors].mean() - trait.mean())) < 1e-12
        trait = end[donors]
    assert abs(summed(splits).total - (trait.mean() - first.mean())) < 1e-12


def test_without_copies_all_change_is_learned() -> None:
    rng = np.random.default_rng(1)
    assert price_split(rng.normal(size=9), rng.normal(size=9), np.ones(9)).selected == 0


@pytest.mark.parametrize(("end", "copies"), [([1.0], [1.0, 1.0]), ([1.0, 2.0], [0.0, 0.0])])
def test_generations_that_do_not_fit_are_refused(end: list[float], copies: list[float]) -> None:
    with pytest.raises(ValueError, match="one length, and a copy"):
        price_split(np.zeros(2), np.array(end), np.array(copies))


# --- the dilemma as a table --------------------------------------------------------------------


@pytest.fixture(scope="module")
def arms() -> dict[str, list[Outcome]]:
    """20 populations of each arm; 4 seconds."""
    return {name: evolved(arm, 20) for name, arm in ARMS.items()}


def test_only_selection_of_weights_makes_members_act_for_the_next_episode(
    arms: dict[str, list[Outcome]],
) -> None:
    means = {name: np.mean([one.cooperation for one in found]) for name, found in arms.items()}
    assert means.pop("weights") >= 0.15
    assert max(means.values()) <= 0.05


def test_selection_works_against_learning_there(arms: dict[str, list[Outcome]]) -> None:
    price = summed(one.price for one in arms["weights"])
    assert price.selected > 0 > price.learned
    assert {one.price.selected for one in arms["hyperparameters"]} == {0.0}


def test_both_parts_sum_to_the_change_of_every_population(arms: dict[str, list[Outcome]]) -> None:
    for one in (one for found in arms.values() for one in found):
        assert abs(one.price.total - (one.cooperation - one.before)) < 1e-12


def test_rarer_selection_makes_fewer_act_for_the_next_episode(
    arms: dict[str, list[Outcome]],
) -> None:
    rare = np.mean([one.cooperation for one in evolved(Dilemma(interval=100), 20)])
    assert rare < np.mean([one.cooperation for one in arms["weights"]])
