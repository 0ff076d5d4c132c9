"""A language model behind a server that speaks OpenAI's chat completions, asked by urllib alone."""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import numpy as np

from sandbox_envs.errors import UserError, one_line
from sandbox_envs.files import append_line, read_lines

KEY = "OPENAI_API_KEY"  # the environment variable
LONGEST_WAIT = 120.0  # seconds that a server may ask for before the next try
ENOUGH = 8  # prompts after which a model that never named an option is given up


@dataclass(frozen=True)
class _Answer:
    """A server's answer to one prompt."""

    said: list[str]
    """the text of each choice"""
    tops: dict[str, float]
    """the likeliest first words of the first one and their log-probabilities; may be empty"""


class _NoRedirects(HTTPRedirectHandler):
    """A server that sends elsewhere is an error: the key is for this one alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass
class Endpoint:
    """A server that speaks OpenAI's chat completions: llama.cpp, vLLM, Ollama and others.

    Where it gives log-probabilities of the first word, they are taken, and else the shares of
    sampled answers. The key is taken from the environment variable OPENAI_API_KEY alone, and is
    neither written nor printed.
    """

    url: str
    """up to and including /v1"""
    model: str
    """its name there"""
    cache: Path | None = None
    """file of answers, by which a run is repeated without the server"""
    samples: int = 16
    """answers, where the server gives no log-probabilities"""
    timeout: float = 60.0
    """seconds that one answer may take"""
    tries: int = 5
    """of one request"""
    pause: float = 1.0
    """seconds before the second try; twice as many before each further one"""
    known: dict[str, list[float]] = field(default_factory=dict, init=False, repr=False)
    ties: int = field(default=0, init=False)
    """prompts, of those asked so far, whose options all have the same score: none was named"""
    prompts: int = field(default=0, init=False)
    """prompts asked so far"""

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            is_web = parts.scheme in ("http", "https")
            is_address = is_web and bool(parts.hostname) and parts.port != 0
        except ValueError:  # such as half of an IPv6 address, or a port that is no number
            raise UserError("--endpoint: give it like http://localhost:8080/v1") from None
        if not is_address:
            raise UserError(f"--endpoint {self._shown}: give it like http://localhost:8080/v1")
        if parts.username or parts.password:
            raise UserError(f"--endpoint: a key belongs in the environment variable {KEY} alone")
        if not os.environ.get(KEY, "").isprintable() or not os.environ.get(KEY, "").isascii():
            raise UserError(f"{KEY}: the key has a character that no key has; set it anew")
        if self.cache and self.cache.exists():
            for line in read_lines(self.cache):
                self.known[str(line.get("key"))] = _checked(self.cache, line.get("scores"))

    @property
    def _shown(self) -> str:
        return self.url.rpartition("@")[2]

    def scores(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[np.ndarray]:
        """(answers,) log-probabilities of the answers to each prompt, asked for one by one."""
        return [self.score(*one) for one in asked]

    def score(self, prompt: str, answers: Sequence[str]) -> np.ndarray:
        """(answers,) log-probabilities; those that are known already are not asked for again.

        Raises:
            UserError: the server refuses, or fails again and again.
        """
        asked = json.dumps([self.url, self.model, prompt, list(answers), self.samples])
        key = hashlib.sha256(asked.encode()).hexdigest()
        if len(self.known.get(key, ())) != len(answers):
            scores = self._asked(prompt, answers)
            self.known[key] = scores.tolist()
            if self.cache:
                append_line(self.cache, {"key": key, "scores": self.known[key]})
        scores = np.array(self.known[key])
        self.prompts += 1
        self.ties += int(np.ptp(scores) == 0)
        if self.ties == self.prompts == ENOUGH:
            raise UserError(
                f"{self._shown}: {self.model} named no option in its first {ENOUGH} answers; take "
                "a model that answers at once, without thinking aloud"
            )
        return scores

    def _asked(self, prompt: str, answers: Sequence[str]) -> np.ndarray:
        wanted = f"{prompt}\n\nReply with one of these and nothing else: {', '.join(answers)}"
        body = {"model": self.model, "messages": [{"role": "user", "content": wanted}], "seed": 1}
        first = self._post({**body, "max_tokens": 1, "logprobs": True, "top_logprobs": 20})
        if first.tops:
            return _by_words(first.tops, answers)
        said: list[str] = []
        while len(said) < self.samples:
            more = {"n": self.samples - len(said), "seed": 1 + len(said), "temperature": 1.0}
            said += self._post({**body, "max_tokens": 8, **more}).said
        return _by_shares(said, answers)

    @cached_property
    def _opener(self) -> Any:
        return build_opener(_NoRedirects)

    def _post(self, body: Mapping[str, Any]) -> _Answer:
        """One answer of the server, tried again while it may come."""
        reason, asked_for = "", 0.0
        for number in range(self.tries):
            if number:
                time.sleep(max(self.pause * 2 ** (number - 1), asked_for))
                asked_for = 0.0  # it was of the last answer alone
            try:
                return self._once(body)
            except HTTPError as error:
                reason = f"status {error.code}"
                if error.code != 429 and error.code < 500:
                    raise UserError(f"{self._shown}: {reason}: {self._said(error)}") from None
                asked_for = _retry_after(error)
            except (URLError, TimeoutError, OSError, HTTPException) as error:
                reason = str(getattr(error, "reason", error)) or type(error).__name__
            except (ValueError, KeyError, IndexError, TypeError, RecursionError):
                reason = "its answer is no chat completion"
        raise UserError(f"{self._shown}: {reason}, {self.tries} times in a row; try again later")

    def _once(self, body: Mapping[str, Any]) -> _Answer:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        address = f"{self.url.rstrip('/')}/chat/completions"
        request = Request(address, json.dumps(body).encode(), headers)
        end = time.monotonic() + self.timeout
        with self._opener.open(request, timeout=self.timeout) as answer:
            parts = []
            while part := answer.read1():  # one that comes in drops never times out by itself
                parts.append(part)
                if time.monotonic() > end:
                    raise TimeoutError("timed out")
        found = json.loads(b"".join(parts))
        said = [str(one["message"]["content"] or "") for one in found["choices"]]
        return _Answer(said, _top_words(found["choices"][0]))

    def _said(self, error: HTTPError) -> str:
        """The server's error message, without the key, in one line of at most 200 characters."""
        try:
            text = error.read(10_000).decode(errors="replace")
        except OSError:
            text = ""
        key = os.environ.get(KEY)
        return one_line(text.replace(key, "***") if key else text)[:200]


def _checked(cache: Path, scores: Any) -> list[float]:
    """The scores in a line of the cache; raises UserError if these are none."""
    is_list = isinstance(scores, list) and all(isinstance(one, float | int) for one in scores)
    if not is_list or not np.isfinite(scores).all():
        raise UserError(f"--cache {cache}: a line in it is damaged; delete the file, or the line")
    return list(scores)


def _retry_after(error: HTTPError) -> float:
    """The seconds that a server asks to wait before the next try; 0 if it does not say."""
    try:
        seconds = float(error.headers.get("Retry-After") or 0)
    except ValueError:  # a date
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _top_words(choice: Mapping[str, Any]) -> dict[str, float]:
    """The likeliest first words of an answer and their log-probabilities; empty if not given.

    Raises:
        ValueError: one of them is no log-probability.
    """
    try:
        tops = choice["logprobs"]["content"][0]["top_logprobs"]
        found = {str(one["token"]): float(one["logprob"]) for one in tops}
    except (KeyError, IndexError, TypeError):
        return {}
    if not all(log_p < 1e-3 for log_p in found.values()):  # also nan; rounding may exceed 0
        raise ValueError("no log-probability")
    return found


def _by_words(tops: Mapping[str, float], answers: Sequence[str]) -> np.ndarray:
    """(answers,) of the words that an answer begins with; of one that is not told, a little less.

    A word counts for an answer if no other one begins with it.
    """
    p = np.zeros(len(answers))
    for word, log_p in tops.items():
        begun = [i for i, x in enumerate(answers) if word.strip() and x.startswith(word.strip())]
        if len(begun) == 1:
            p[begun[0]] += np.exp(log_p)
    least = np.exp(min(tops.values())) / 2  # what is not among the likeliest is less than they are
    return np.log(np.maximum(p, max(least, 1e-12)))


def _by_shares(said: Sequence[str], answers: Sequence[str]) -> np.ndarray:
    """(answers,) of the shares of samples, each with half a sample more (Krichevsky-Trofimov)."""
    words = [text.strip().strip(".,:;\"'()*").split(maxsplit=1)[:1] for text in said]
    counts = np.array([words.count([answer]) for answer in answers], float) + 0.5
    return np.log(counts / counts.sum())
