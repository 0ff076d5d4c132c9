"""A small model that predicts text, word by word: the whole algorithm in one file.

A causal Transformer (Vaswani et al. 2017) over the words of transcripts, trained to predict each
next word of each text and nothing else. It knows of no game and no goal: what it reads is a file of
texts, one a line, as JSON objects with "text". eval/transcripts.py writes transcripts of players of
rule games, and eval/rule_games.py asks what a model trained on them plays.

    python eval/transcripts.py transcripts.jsonl
    python train/predictor.py transcripts.jsonl

It takes minutes, so a run that is stopped is begun anew and leaves nothing.
"""

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from sandbox_envs.errors import UserError, cli_errors
from sandbox_envs.files import (
    append_line,
    atomic_write,
    content_hash,
    read_json,
    read_lines,
    write_json,
)
from sandbox_envs.progress import progress_bar
from sandbox_envs.train.arguments import check_ranges
from sandbox_envs.train.divergence import finite_loss
from sandbox_envs.train.process import check_device, own_settings, seeded
from sandbox_envs.train.provenance import provenance
from sandbox_envs.train.run_folder import new_folder, removed_if_failed

WORD = re.compile(r"-?\d+|\w+|[^\w\s]")
END = "<end>"
SPARE = 16  # words that are in no transcript have embeddings that were never trained
LONGEST = 256  # words of a text
BETAS = (0.9, 0.98)  # of AdamW, as in Vaswani et al. 2017
BUCKET = 32  # batches of texts that are sorted by length among each other
LOG_EVERY = 50  # steps of the optimiser
FILES = ("predictor.json", "model.safetensors")


@dataclass
class Args:
    """Train a small model to predict the words of transcripts."""

    transcripts: tyro.conf.Positional[Path]
    """file of texts, one JSON object with "text" on each line"""
    seed: int = 1
    """seed of the initial weights and the order of the texts"""
    total_words: int = 24_000_000
    """words to train on; texts are repeated where there are fewer"""
    batch_size: int = 32
    """texts at a time"""
    learning_rate: float = 2e-3
    """AdamW's largest step size; it rises for a twentieth of the training, then falls to 0"""
    hidden_size: int = 96
    """width of the model; a multiple of 4, as it has four heads"""
    num_layers: int = 3
    """layers of the model"""
    device: str = "cpu"
    """where the model lives: cpu, cuda, ..."""
    torch_threads: int = 1
    """CPU threads"""
    run_dir: Path = Path("runs")
    """the folder in which the run makes its own folder"""
    debug: bool = False
    """show the traceback of an error"""


class Model(nn.Module):
    """Words (n, t) -> logits of the next word (n, t, words)."""

    def __init__(self, words: int, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, hidden_size)
        self.place = nn.Embedding(LONGEST, hidden_size)
        nn.init.normal_(self.embed.weight, std=hidden_size**-0.5)
        nn.init.normal_(self.place.weight, std=hidden_size**-0.5)
        self.blocks = nn.ModuleList(Block(hidden_size) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_size)

    def forward(self, words: Tensor) -> Tensor:
        """Logits of the next words."""
        return self.logits(self.features(words))

    def features(self, words: Tensor) -> Tensor:
        """(n, t) -> (n, t, width), what the next words are predicted from."""
        x = self.embed(words) + self.place(torch.arange(words.shape[1], device=words.device))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def logits(self, features: Tensor) -> Tensor:
        """(..., width) -> (..., words); the embedding of a word is also the weight of its logit."""
        return features @ self.embed.weight.T


class Block(nn.Module):
    """Causal attention with four heads, and two layers, each normalised before."""

    heads = 4

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.read, self.write = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, t, width) -> the same."""
        n, t, width = x.shape
        parts = self.read(self.before(x)).view(n, t, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.write(seen.transpose(1, 2).reshape(n, t, width))
        return x + self.think(self.between(x))


# --- words -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Vocabulary:
    """Words of some texts, and spare places for others."""

    words: tuple[str, ...]
    """those of the texts; the first ends a text"""

    @property
    def size(self) -> int:
        """The number of embeddings: one for each word, and `SPARE` others."""
        return len(self.words) + SPARE

    def reader(self) -> Callable[[str], list[int]]:
        """Text -> numbers of its words.

        The words that are not known take the spare places one after the other, for this text.
        """
        known = {word: i for i, word in enumerate(self.words)}

        def read(text: str) -> list[int]:
            new: dict[str, int] = {}
            found = []
            for word in WORD.findall(text):
                if word not in known:
                    new.setdefault(word, len(self.words) + len(new) % SPARE)
                found.append(known.get(word, new.get(word, 0)))
            return found

        return read


def read_transcripts(path: Path) -> tuple[Vocabulary, list[np.ndarray]]:
    """The words of a file of texts, and every text as their numbers, with its end.

    Raises:
        UserError: it is no such file, or a text is too long.
    """
    texts = [line.get("text") for line in read_lines(path, unfinished=False)]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise UserError(
            f'{path}: each line must be a JSON object with a "text"; write such a file with '
            "python eval/transcripts.py FILE"
        )
    split = [WORD.findall(str(text)) for text in texts]
    vocabulary = Vocabulary((END, *sorted({word for words in split for word in words})))
    number = {word: i for i, word in enumerate(vocabulary.words)}
    found = [np.array([*(number[word] for word in words), 0], np.int64) for words in split]
    if (longest := max(map(len, found))) > LONGEST:
        raise UserError(f"{path}: a text has {longest} words; at most {LONGEST} can be read")
    return vocabulary, found


def batch(texts: Sequence[np.ndarray], device: str) -> tuple[Tensor, Tensor]:
    """Texts as words (n, t) and the next words (n, t), of which those beyond an end are -100."""
    longest = max(map(len, texts)) - 1
    words = np.zeros((len(texts), longest), np.int64)
    following = np.full((len(texts), longest), -100)
    for row, text in enumerate(texts):
        words[row, : len(text) - 1] = text[:-1]
        following[row, : len(text) - 1] = text[1:]
    return torch.as_tensor(words, device=device), torch.as_tensor(following, device=device)


def batches(
    texts: Sequence[np.ndarray], size: int, rng: np.random.Generator
) -> Iterator[list[np.ndarray]]:
    """Texts in a random order without end, some at a time.

    Those of a batch are nearly of one length, so that little is computed beyond the ends of texts.
    """
    lengths = np.array([len(text) for text in texts])
    while True:
        order = rng.permutation(len(texts))
        for begin in range(0, len(order), BUCKET * size):
            some = order[begin : begin + BUCKET * size]
            some = some[np.argsort(lengths[some], kind="stable")]
            parts = [some[first : first + size] for first in range(0, len(some), size)]
            for part in rng.permutation(len(parts)):
                yield [texts[i] for i in parts[part]]


# --- training --------------------------------------------------------------------------------


def train(args: Args, vocabulary: Vocabulary, texts: Sequence[np.ndarray], folder: Path) -> None:
    """Train, and write the run's files; the weights last, so that a run with them is whole.

    The loss, in nats, is logged for all words and for the last of each text, which is the choice.
    """
    sizes = {"hidden_size": args.hidden_size, "num_layers": args.num_layers}
    torch.set_num_threads(args.torch_threads)
    with seeded(args.seed):
        model = Model(vocabulary.size, **sizes).to(args.device)
    optimizer = torch.optim.AdamW(model.parameters(), args.learning_rate, BETAS, fused=True)
    drawn = batches(texts, args.batch_size, np.random.default_rng(args.seed))
    described = {"words": vocabulary.words, **sizes}
    write_json(folder / FILES[0], described)
    began, done, losses = time.monotonic(), 0, list[tuple[float, float]]()
    with progress_bar(total=args.total_words, unit="word", unit_scale=True) as bar:
        while done < args.total_words:
            some = next(drawn)
            words, following = batch(some, args.device)
            optimizer.param_groups[0]["lr"] = args.learning_rate * rate(done / args.total_words)
            surprise = cross_entropy(model(words).transpose(1, 2), following, reduction="none")
            loss = surprise.sum() / (following >= 0).sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            ends = (following > 0).sum(1) - 1  # where a text's last word is predicted
            losses.append((loss.item(), surprise[range(len(some)), ends].mean().item()))
            done += (more := int((following >= 0).sum()))
            bar.update(more)
            if len(losses) == LOG_EVERY or done >= args.total_words:
                mean, last = np.mean(losses, 0).tolist()
                row = {"words": done, "loss": mean, "loss/last_word": last}
                append_line(folder / "metrics.jsonl", row | {"seconds": time.monotonic() - began})
                losses.clear()
                finite_loss(mean)
    weights = {name: values.cpu().contiguous() for name, values in model.state_dict().items()}
    with atomic_write(folder / FILES[1]) as temporary:
        temporary.write_bytes(save(weights))


def rate(share: float) -> float:
    """Of the largest step size, after a share of the training: up, then down as half a cosine."""
    return share / 0.05 if share < 0.05 else 0.5 * (1 + math.cos(math.pi * (share - 0.05) / 0.95))


# --- asking a trained model ------------------------------------------------------------------


class Predictor:
    """A trained model, read from its run's folder.

    Raises:
        UserError: it is no such folder, or its files are damaged.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        try:
            about = read_json(folder / FILES[0])
            sizes = {name: about[name] for name in ("hidden_size", "num_layers")}
            self.vocabulary = Vocabulary(tuple(about["words"]))
            weights = load((folder / FILES[1]).read_bytes())
            if sizes["num_layers"] > len(weights):  # before so many are built
                raise ValueError("there are fewer weights than layers")
            self.model = Model(self.vocabulary.size, **sizes).to(device)
            self.model.load_state_dict(weights)
            if not all(values.isfinite().all() for values in weights.values()):
                raise ValueError("not all weights are finite")
        except FileNotFoundError as error:
            raise UserError(
                f"{folder}: it has no {Path(error.filename).name}, so it is no finished run of "
                "train/predictor.py"
            ) from None
        except UserError:
            raise
        except (ArithmeticError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError):
            raise UserError(f"{folder}: it is damaged, or of another version") from None
        self.read, self.device = self.vocabulary.reader(), device

    @torch.no_grad()
    def scores(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[np.ndarray]:
        """(answers,) log-probabilities of the answers to each prompt.

        asked: prompts with their answers, of any number of words.
        """
        found = [np.zeros(len(every)) for _, every in asked]
        # what is read, and of which answers to which prompts the next word counts
        rows: list[tuple[list[int], list[tuple[int, int, int]]]] = []
        for number, (prompt, every) in enumerate(asked):
            begin = len(self.read(prompt))
            whole = [self.read(f"{prompt} {answer}") for answer in every]
            firsts = [(number, i, words[begin]) for i, words in enumerate(whole)]
            rows.append((whole[0][:begin], firsts))  # all first words at once
            for i, words in enumerate(whole):
                rows += [
                    (words[:at], [(number, i, words[at])]) for at in range(begin + 1, len(words))
                ]
        for first in range(0, len(rows), 256):
            some = rows[first : first + 256]
            log_p = self._last([words for words, _ in some])
            for row, (_, wanted) in zip(log_p, some, strict=True):
                for number, i, word in wanted:
                    found[number][i] += row[word]
        return found

    def _last(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """(texts, words) log-probabilities of the word after each text."""
        lengths = torch.tensor([len(text) for text in texts], device=self.device)
        words, _ = batch([np.array([*text, 0]) for text in texts], self.device)
        ends = self.model.features(words)[torch.arange(len(texts)), lengths - 1]
        return np.asarray(torch.log_softmax(self.model.logits(ends), -1).cpu().numpy())


def main(args: Args) -> Path:
    """Train, and return the run's folder.

    Raises:
        UserError: an argument is wrong.
    """
    check_ranges(args)
    check_device(args.device)
    if args.hidden_size % Block.heads:
        raise UserError(f"--hidden-size {args.hidden_size}: it must be a multiple of 4")
    for name in ("total_words", "batch_size"):
        if getattr(args, name) < 1:
            raise UserError(
                f"--{name.replace('_', '-')} {getattr(args, name)}: it must be 1 or more"
            )
    vocabulary, texts = read_transcripts(args.transcripts)
    name = f"{args.transcripts.stem}__predictor__s{args.seed}__{time.strftime('%Y%m%d-%H%M%S')}"
    folder = new_folder(args.run_dir, name)
    with removed_if_failed(folder), own_settings():
        values: dict[str, Any] = {**asdict(args), "run_dir": str(args.run_dir)}
        values["transcripts"] = str(args.transcripts)
        about = {"args": values, "texts": content_hash(args.transcripts)}
        write_json(folder / "args.json", {**about, **provenance()})
        train(args, vocabulary, texts, folder)
    print(f"{folder}: finished")
    return folder


if __name__ == "__main__":
    cli_errors(main)(tyro.cli(Args))
