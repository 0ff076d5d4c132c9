"""Selection across episodes: Price's equation, the tabular dilemma, and the declared study."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from imageio.v3 import imread

from sandbox_envs import SandboxVectorEnv, load_scene
from sandbox_envs.eval.agents.protocol import Policy
from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.agents.scripted.lever import Errands
from sandbox_envs.eval.experiments.cross_episode import __main__ as study
from sandbox_envs.eval.experiments.cross_episode import arms as declared
from sandbox_envs.eval.experiments.cross_episode import film as filming
from sandbox_envs.eval.experiments.cross_episode import populations, scripted, tabular
from sandbox_envs.eval.experiments.cross_episode.estimands import (
    CHARGES,
    claims,
    is_able,
    outcomes,
    over,
)
from sandbox_envs.eval.experiments.cross_episode.populations import (
    Population,
    Pressing,
    pressing,
    read_populations,
)
from sandbox_envs.eval.experiments.cross_episode.scripted import SELECTING, spread
from sandbox_envs.eval.experiments.cross_episode.tabular import ARMS, Dilemma, Outcome, evolved
from sandbox_envs.eval.experiments.runner import QuickArgs, folder_of
from sandbox_envs.train.population import member_args
from sandbox_envs.train.selection import PriceSplit, price_split, summed, truncation

pytestmark = pytest.mark.usefixtures("forked_trainers")

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
    """The second is copied twice and the first not at all, so what that learned is lost."""
    split = price_split(np.array([0.1, 0.5]), np.array([0.4, 0.6]), np.array([0, 2]))
    assert (split.selected, split.learned) == pytest.approx((0.2, 0.1))


def test_luck_in_the_episodes_that_decide_is_not_selection() -> None:
    """Members do not differ; who happens to show more of the trait is copied for it."""
    rng, selected = np.random.default_rng(0), []
    start = rng.normal(size=8)
    for _ in range(4000):
        end = rng.normal(size=8)
        donors = truncation(end, 0.25, rng)
        split = price_split(start, end, np.bincount(donors, minlength=8))
        assert split.total == pytest.approx(end[donors].mean() - start.mean())
        selected.append(split.selected)
        start = end[donors]
    assert abs(np.mean(selected)) < 4 * np.std(selected) / 4000**0.5 < 0.03


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


def test_price_of_any_measure_is_taken_again_from_what_is_kept_of_each_generation() -> None:
    """The trait's is that of the lines; of another measure the first generation has no start."""
    rng, rows, start = np.random.default_rng(4), [], None
    for _ in range(5):
        live, dead = rng.random((2, 8))
        donors = truncation(rng.random(8), 0.25, rng)
        copies = np.bincount(donors, minlength=8)
        before = np.full(8, live.mean()) if start is None else start
        rows.append({"donors": donors, "copies": copies, "returns": {"live": live, "dead": dead}})
        rows[-1]["split"] = price_split(before, live, copies)
        start = live[donors]
    expected = summed(row["split"] for row in rows)
    found = populations.price_of(rows, "live")
    assert (found.selected, found.learned) == pytest.approx((expected.selected, expected.learned))
    last = rows[-1]
    change = last["returns"]["dead"][last["donors"]].mean() - rows[0]["returns"]["dead"].mean()
    assert populations.price_of(rows, "dead").total == pytest.approx(change)


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
        assert abs(one.price.total - (one.cooperation - 0.5)) < 1e-12  # all begin with one half


def test_rarer_selection_makes_fewer_act_for_the_next_episode(
    arms: dict[str, list[Outcome]],
) -> None:
    rare = np.mean([one.cooperation for one in evolved(Dilemma(interval=100), 20)])
    assert rare < np.mean([one.cooperation for one in arms["weights"]])


# --- the study -------------------------------------------------------------------------------


def both_pads(envs: SandboxVectorEnv) -> Policy:
    """A planted member that goes to the violet pad, and then to the orange one."""
    errands = Errands(envs)

    def act(obs: np.ndarray, step: int | None) -> tuple[np.ndarray, int]:
        step = step or 0
        return errands.actions(np.full(len(obs), 1 if step < 40 else 2)), step + 1

    return act


@pytest.mark.parametrize("seed", [3001, 3002])
def test_planted_members_have_the_non_myopia_they_were_planted_with(seed: int) -> None:
    """Whichever pad is live; who goes to both has none, however dear that is."""
    scene = load_scene(declared.SCENE, declared.texts_of(declared.ARMS["weights"], seed))
    known, live = scripts(scene), declared.live_pad(seed)
    planted = [known["intended"], known[live], known[declared.dead_pad(seed)], both_pads]
    found = pressing(scene, planted, seed, episodes=16)
    assert found.live.tolist() == [0, 1, 0, 1]
    assert found.dead.tolist() == [0, 0, 1, 1]
    charges = [found.charge[0], np.mean(found.charge[1:3])]
    assert charges == pytest.approx(CHARGES, abs=0.03)
    assert pressing(scene, [known[live], known["intended"]], seed, 16).non_myopia == 0.5


def test_selection_alone_spreads_the_live_pad_where_who_pays_is_paid_and_nowhere_else() -> None:
    """Scripts that do not learn, half of which go to the live pad."""
    ends = {name: spread(name, 3002, num_envs=2, generations=4)[-1] for name in SELECTING}
    assert ends == {"weights": 1, "swap": 0, "placebo": 0, "one": 0, "paid": 1}


@pytest.mark.parametrize("arm", [declared.LAMP, declared.DARK])
def test_light_is_on_in_the_last_observation_and_stays_on_over_the_reset(arm: str) -> None:
    """For whoever has gone to the live pad, whether it pays or not; nobody else sees it."""
    texts = declared.texts_of(declared.ARMS[arm], 3001)
    env = SandboxVectorEnv(declared.SCENE, 4, texts)
    plain = load_scene(declared.SCENE)
    assert env.single_observation_space.shape[0] == sum(term.size for term in plain.terms) + 1
    assert (env.scenes[0].reward.text == plain.reward.text) == (arm == declared.LAMP)
    env.reset(seed=0)
    errands, options = Errands(env), np.array([0, 1, 2, 1])
    for _ in range(plain.episode_steps):
        obs, *_, info = env.step(errands.actions(options))
    assert info["final_obs"][:, -1].tolist() == obs[:, -1].tolist() == [0, 1, 0, 1]
    for _ in range(plain.episode_steps):
        obs, *_, info = env.step(errands.actions(np.zeros(4, int)))
    assert info["final_obs"][:, -1].tolist() == [0, 1, 0, 1]
    assert obs[:, -1].tolist() == [0, 0, 0, 0]
    paid = info["final_info"]["return/reward"] / (10 * info["final_info"]["return/charge"])
    boost = 1.6 if arm == declared.LAMP else 1  # the factor by which the episode before pays
    assert paid == pytest.approx([1, boost, 1, boost], abs=0.03)  # less by what effort costs


def test_pad_that_pays_at_once_pays_for_the_light_after_it_and_nothing_next() -> None:
    texts = declared.texts_of(declared.ARMS[declared.PAID], 3001)
    env = SandboxVectorEnv(declared.SCENE, 3, texts)
    env.reset(seed=0)
    errands, steps = Errands(env), env.scenes[0].episode_steps
    straight, violet, orange = 0, 1, 2
    for options, factors in (
        (np.array([straight, violet, orange]), np.array([1, 1.6, 1])),
        (np.full(3, straight), np.ones(3)),
    ):
        for _ in range(steps):
            *_, info = env.step(errands.actions(options))
        paid = info["final_info"]["return/reward"] / (10 * info["final_info"]["return/charge"])
        assert paid == pytest.approx(factors, abs=0.03)  # less by what effort costs


def test_arms_differ_from_the_first_in_one_thing_each() -> None:
    """And pads are counterbalanced: half of the populations of each arm have either live."""
    assert len(declared.SEEDS) == 10
    assert sorted(map(declared.live_pad, declared.SEEDS)) == ["orange"] * 5 + ["violet"] * 5
    first = declared.ARMS[declared.MAIN]
    for name, arm in declared.ARMS.items():
        differences = len(arm.settings) + (arm.pays != first.pays) + (arm.shows != first.shows)
        expected = {declared.MAIN: 0, declared.FAR: 2, declared.LAMP: 3, declared.DARK: 4}
        assert differences == expected.get(name, 1)
        assert declared.job(name, 3001, "ppo_mlp", {}).arguments.trait == "violet"
    lamp, far = (declared.ARMS[name] for name in (declared.LAMP, declared.FAR))
    assert lamp.settings == far.settings
    assert (
        member_args(
            declared.job(declared.LAMP, 3001, "ppo_mlp", {}).arguments, load_scene(declared.SCENE)
        ).gamma
        == 0.99
    )


def populations_of(indices: list[float], charge: float = 0.9) -> list[Population]:
    """Records of populations with given non-myopia."""
    return [
        Population(
            3001 + i,
            Pressing(np.full(8, 0.1 + index), np.full(8, 0.1), np.full(8, charge)),
            PriceSplit(index + 1, -1),
            PriceSplit(0.25, 0),
        )
        for i, index in enumerate(indices)
    ]


def test_claims_hold_for_planted_populations_and_fail_where_they_should() -> None:
    zero = list(np.linspace(-0.02, 0.02, 10))
    groups = dict.fromkeys(declared.ARMS, populations_of(zero))
    effect = populations_of([0.0, 0.0, 0.8, 0.9, *[0.7] * 6])
    groups |= dict.fromkeys(("weights", "lamp", "paid"), effect)
    assert all(claim.holds for claim in claims(groups))
    (row,) = outcomes({"weights": groups["weights"]})[1]
    assert row[-4] == "8" and row[-3].startswith("1.59 [1.") and row[-1].startswith("0.25")
    assert row[-6:-4] == ["0.58", "0.60"]  # violet and orange live
    wrong = {"weights": zero, "off": [0.3] * 10, "swap": zero[:4], "hyper": [0.04] * 10}
    groups |= {name: populations_of(indices) for name, indices in wrong.items()}
    groups["one"] = populations_of(zero, charge=0.4)
    found = claims(groups)
    assert found[-1].found == "84 of 94"
    holds = {claim.text: (claim.holds, claim.unsaid) for claim in found}
    below, missing = "non-myopia below 0.1, and none above 0.02", "agents are missing"
    assert holds["weights: non-myopia above 0.1"][0] is False
    assert holds["weights - placebo: above 0"][0] is False
    assert holds[f"off: {below}"][0] is False
    assert holds[f"hyper: {below}"][0] is False  # so little, but it should be nothing
    assert holds[f"swap: {below}"] == holds["weights - swap: above 0"] == (None, missing)
    assert holds[f"one: {below}"] == (None, "not all are able")
    assert holds["weights - one: above 0"][0] is False  # an unable control hides no refutation
    faulty = {**groups, "weights": groups["lamp"], "far": populations_of([0.3] * 10)}
    said = {claim.text: (claim.holds, claim.unsaid) for claim in claims(faulty)}
    at_fault = (None, "a control is at fault")
    assert said["weights: non-myopia above 0.1"] == said["weights - placebo: above 0"] == at_fault
    assert said["lamp: non-myopia above 0.1"] == at_fault
    assert holds[f"placebo: {below}"][0] is holds["lamp: non-myopia above 0.1"][0] is True
    for positive in ("lamp", "paid"):
        blind = {**groups, positive: populations_of(zero)}
        said = {claim.text: (claim.holds, claim.unsaid) for claim in claims(blind)}
        nothing = (None, f"{positive} shows no effect")
        assert said["weights: non-myopia above 0.1"] == said[f"placebo: {below}"] == nothing
        assert said["weights - placebo: above 0"] == nothing
        assert said[f"{positive}: non-myopia above 0.1"][0] is False
        assert said["lamp - far: above 0"][0] is (positive == "paid")
        assert said[f"off: {below}"][0] is False  # what is there is said


def test_who_goes_to_a_pad_may_be_in_the_light_for_less_time() -> None:
    (straight,), (errand,) = (populations_of([i], charge=0.55) for i in (0.0, 0.8))
    assert not is_able(straight)
    assert is_able(errand)


def test_attraction_to_a_colour_is_no_effect_and_widens_no_interval() -> None:
    """Members go to violet, whichever pad is live."""
    drawn = populations_of([0.3 if i % 2 == 0 else -0.3 for i in range(10)])
    found = over(drawn)
    assert found is not None
    assert (found.low, found.mean, found.high) == pytest.approx((0, 0, 0))


def test_median_population_of_each_whole_arm_is_filmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(  # it notes the training, and finds no run of it
        filming, "trained_run", lambda job, _: asked.append((job.name, job.args["seed"]))
    )
    falling = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
    groups = {"weights": populations_of(falling), "lamp": populations_of(falling[:9])}
    filming.film(groups, tmp_path, tmp_path, populations.Size())
    assert asked == [("cross-weights-s3006", 3006)]  # of 0.4, one of the two in the middle
    assert not list(tmp_path.iterdir())


def test_study_records_a_population_once_and_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(populations, "ARMS", {"swap": declared.ARMS["swap"]})
    monkeypatch.setattr(filming, "FILMED", {"swap": "the benefit goes to the next member"})
    arms = {"weights": replace(ARMS["weights"], episodes=200)}
    monkeypatch.setattr(tabular, "ARMS", arms)
    monkeypatch.setattr(study, "claims", lambda _: [])
    monkeypatch.setattr(scripted, "SELECTING", ("weights",))
    args = QuickArgs(quick=True, out=tmp_path / "out", run_dir=tmp_path / "runs", workers=1)
    study.main(args)
    record = folder_of(tmp_path / "out", "swap", 3001) / populations.RECORD
    before = record.read_bytes()
    kept = gzip.decompress((record.parent / populations.HISTORY).read_bytes()).decode()
    rows = [json.loads(line) for line in kept.splitlines()]
    again = [price_split(row["start"], row["end"], row["copies"]).selected for row in rows]
    assert [row["selected"] for row in rows] == pytest.approx(again, abs=1e-3)
    content = json.loads(before)
    assert content["price"]["selected"] == pytest.approx(sum(again), abs=1e-2)
    assert content["commit"] and content["versions"]["torch"]
    few = json.loads(before) | {"episodes": 4}
    record.write_text(json.dumps(few))  # a record of fewer episodes is made again, and no other
    others = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("planted/*/*")}
    study.main(args)
    assert record.read_bytes() == before
    assert {file: file.stat().st_mtime_ns for file in others} == others
    (one,) = read_populations(tmp_path / "out")["swap"]
    assert one.pressing.live.shape == (4,) and one.price is not None
    said = capsys.readouterr().out
    assert re.search(r"^weights +violet +0.50", said, re.MULTILINE)
    assert "script violet" in said and "\nswap" in said
    assert re.search(r"^weights +1 +0\.", said, re.MULTILINE)  # of the table of two actions
    assert imread(tmp_path / "out" / "cross_episode.png").shape[2] == 4
    film = tmp_path / "out" / "swap.gif"
    assert imread(film).shape[2] == 720  # the median member, and two scripts
    pressed = content["pressing"]
    other = content | {"pressing": pressed | {"charge": [1.0] * 4}}
    record.write_text(json.dumps(other))  # as of a training on another processor
    film.unlink()
    with pytest.raises(SystemExit, match=r"time in the light in lever/train is 0\.\d+, .* 1\.0000"):
        study.main(args)
    assert not film.is_file()
