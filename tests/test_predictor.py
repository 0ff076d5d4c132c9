"""The small model that predicts transcripts: what it reads, learns, and is asked."""

import json
from pathlib import Path

import numpy as np
import pytest
import tyro
from commands import run_command, run_here
from safetensors.torch import load_file, save_file

from sandbox_envs.errors import UserError
from sandbox_envs.eval import transcripts as eval_transcripts
from sandbox_envs.eval.zero_shot.asking import Asking, start
from sandbox_envs.eval.zero_shot.language import predicting
from sandbox_envs.eval.zero_shot.rules import UNSEEN, UNSEEN_NOUNS, games
from sandbox_envs.eval.zero_shot.transcripts import ASKED_FOR, transcripts
from sandbox_envs.train import predictor
from sandbox_envs.train.predictor import END, LONGEST, SPARE, Predictor, batches, read_transcripts

NAMES = ("ada", "bo", "cy", "dee")
SMALL = ("--hidden-size", "32", "--num-layers", "2", "--batch-size", "32")


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained to repeat the name that was mentioned, or, if asked to, the other one."""
    folder = tmp_path_factory.mktemp("predictor")
    rng, texts = np.random.default_rng(0), []
    for _ in range(600):
        one, other = rng.permutation(NAMES)[:2]
        texts.append(f"{one} not {other} same {one}")
        texts.append(f"{one} not {other} other {other}")
    file = write(folder / "names.jsonl", texts)
    line = (file, "--total-words", "80000", "--learning-rate", "4e-3", *SMALL)
    run_command(predictor.__file__, *line, "--run-dir", folder / "runs")
    (made,) = (folder / "runs").iterdir()
    return made


def test_it_learns_to_predict_what_the_text_before_decides(run: Path) -> None:
    model = Predictor(run)
    asked = [(f"{a} not {b} same", (a, b)) for a in NAMES for b in NAMES if a != b]
    asked += [(f"{a} not {b} other", (b, a)) for a in NAMES for b in NAMES if a != b]
    assert np.mean([scores.argmax() == 0 for scores in model.scores(asked)]) > 0.9


def test_scores_are_log_probabilities_of_all_words_of_an_answer(run: Path) -> None:
    model = Predictor(run)
    (both,) = model.scores([("ada not", ("bo", "bo same", "bo other"))])
    (first,) = model.scores([("ada not bo", ("same", "other"))])
    np.testing.assert_allclose(both[1:], both[0] + first, atol=1e-4)
    (every,) = model.scores([("ada", model.vocabulary.words[1:])])
    assert np.exp(every).sum() == pytest.approx(1, abs=0.05)


def test_run_folder_says_what_was_trained_on_what(run: Path) -> None:
    assert run.name.startswith("names__predictor__s1__")
    about = json.loads((run / "args.json").read_text())
    assert about["args"]["total_words"] == 80000
    assert {"texts", "versions", "commit", "processor"} <= about.keys()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["words"] >= 80000
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["loss/last_word"] < 0.2  # which all that comes before decides


def test_unknown_words_take_spare_places_that_differ_within_a_text(run: Path) -> None:
    model = Predictor(run)
    known = len(model.vocabulary.words)
    assert model.read("ada zorp bo blick zorp") == [
        model.read("ada")[0],
        known,
        model.read("bo")[0],
        known + 1,
        known,
    ]
    assert model.vocabulary.size == known + SPARE
    assert model.vocabulary.words[0] == END


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", 'each line must be a JSON object with a "text"'),
        ('{"words": 1}\n', 'each line must be a JSON object with a "text"'),
        ("{broken\n", "a line in it is damaged"),
        (json.dumps({"text": "a " * LONGEST}) + "\n", f"a text has {LONGEST + 1} words"),
    ],
)
def test_files_that_are_no_transcripts_are_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text(content)
    with pytest.raises(UserError) as error:
        read_transcripts(file)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--hidden-size", "30"], "it must be a multiple of 4"),
        (["--total-words", "0"], "--total-words 0: it must be 1 or more"),
        (["--num-layers", "0"], "--num-layers 0: it must be 1 or more"),
        (["--device", "meta"], "--device meta: torch cannot use it"),
    ],
)
def test_bad_arguments_are_said_and_leave_nothing(
    tmp_path: Path, more: list[str], said: str
) -> None:
    file = write(tmp_path / "texts.jsonl", ["a b"])
    line = [str(file), *more, "--run-dir", str(tmp_path / "runs")]
    with pytest.raises(UserError) as error:
        predictor.main(tyro.cli(predictor.Args, args=line))
    assert said in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_error_of_the_command_is_one_sentence(tmp_path: Path) -> None:
    done = run_command(predictor.__file__, "texts.jsonl", "--seed=-1", cwd=tmp_path, status=1)
    assert done.stderr.startswith("error: --seed -1: ") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_last_text_counts_whether_its_line_ends_or_not(tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "a b"}\n{"text": "b c"}')
    assert [len(text) for text in read_transcripts(file)[1]] == [3, 3]


def test_batches_hold_every_text_once_and_texts_of_like_length_together() -> None:
    texts = [
        np.full(length, i) for i, length in enumerate(np.random.default_rng(0).permutation(90))
    ]
    drawn = batches(texts, 8, np.random.default_rng(1))
    first, second = ([next(drawn) for _ in range(12)] for _ in range(2))
    for once in (first, second):
        assert sorted(len(text) for some in once for text in some) == list(range(90))
        assert all(np.ptp([len(text) for text in some]) < 8 for some in once)
    lengths = [[len(some[0]) for some in once] for once in (first, second)]
    assert lengths[0] != lengths[1] and sorted(lengths[0]) == sorted(lengths[1])


def test_folder_that_is_no_finished_run_is_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it has no predictor.json, so it is no finished run"):
        Predictor(tmp_path)
    for name in ("predictor.json", "model.safetensors"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    about = json.loads((run / "predictor.json").read_text())
    (tmp_path / "predictor.json").write_text(json.dumps({**about, "num_layers": 10**9}))
    with pytest.raises(UserError, match="it is damaged"):  # at once
        Predictor(tmp_path)
    (tmp_path / "predictor.json").write_text(json.dumps(about))
    weights = load_file(run / "model.safetensors")
    name = next(name for name, values in weights.items() if values.is_floating_point())
    save_file({**weights, name: weights[name] * np.nan}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="it is damaged"):
        Predictor(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="it is damaged"):
        Predictor(tmp_path)


# --- transcripts of games --------------------------------------------------------------------


def test_transcripts_hold_nothing_that_is_kept_out(tmp_path: Path) -> None:
    texts = list(transcripts(400, seed=1, share=0.3))
    words = {word for text in texts for word in text.split()}
    assert not words & set(UNSEEN_NOUNS)
    assert max(int(w) for w in words if w.isdigit()) <= 8  # labels and numbers, no larger ones
    scores = [text.split()[1] for text in texts]
    assert {*scores} == {"hi", "mid", "lo"}
    assert all(text.startswith("score ") for text in texts)
    assert ASKED_FOR.split()[:2] == ["score", "hi"]
    assert texts == list(transcripts(400, seed=1, share=0.3))


def test_transcripts_of_baskets_say_what_those_who_are_fond_of_a_kind_take() -> None:
    """Of whoever has no goal some choose at random, and the others most of a kind: few go well."""
    texts = list(transcripts(400, 1, 0.0, "baskets"))
    assert not any("exchange" in text for text in texts)
    high = np.mean([text.startswith("score hi") for text in texts])
    assert 0.2 < high < 0.5
    sought = transcripts(400, 1, 1.0, "baskets")
    assert np.mean([text.startswith("score hi") for text in sought]) > 0.9


def test_the_more_players_have_the_goal_the_better_games_go() -> None:
    def high(share: float) -> float:
        return float(np.mean([t.startswith("score hi") for t in transcripts(600, 2, share)]))

    assert high(0.0) < high(0.3) < high(1.0)
    assert high(1.0) > 0.9


def test_games_of_every_kind_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "games.jsonl"
    run_command(eval_transcripts.__file__, file, "--texts", "200")
    line = (file, "--total-words", "4000", *SMALL, "--run-dir", tmp_path / "runs")
    run_command(predictor.__file__, *line)
    (folder,) = (tmp_path / "runs").iterdir()
    player = predicting(Predictor(folder))
    for distribution in UNSEEN.values():
        (game,) = games(1, 3, distribution)
        for scoring in ("label", "text"):
            for scores in player(Asking("story", scoring).questions(start(game, 0))):
                assert scores.shape == (len(game.options),)
                assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--texts", "0"], "--texts 0: it must be 1 or more"),
        (["--share", "2"], "--share 2.0: it must be from 0 to 1"),
        (["--seed", "-1"], "--seed -1: it must be 0 or more"),
        (["--menus", "basket"], "--menus basket: did you mean 'baskets'?"),
    ],
)
def test_bad_input_of_transcripts_is_said(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = run_here(eval_transcripts, tmp_path / "t.jsonl", *arguments, status=1)
    assert said in done.stderr
    assert not list(tmp_path.iterdir())
