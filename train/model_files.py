"""A learned model in a run's folder: NAME.json, what it is made with, and NAME.safetensors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from sandbox_envs.errors import UserError
from sandbox_envs.files import atomic_write, content_hash, read_json, write_json

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class ModelFiles:
    """The two files of a kind of model."""

    name: str
    """of both, without their endings"""
    trainer: str
    """the command that makes them"""

    @property
    def description(self) -> str:
        """Name of the file with what a model is made with."""
        return f"{self.name}.json"

    @property
    def weights(self) -> str:
        """Name of the file with its weights."""
        return f"{self.name}.safetensors"

    def write(
        self,
        folder: Path,
        model: nn.Module,
        sizes: Mapping[str, Any],
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Write what a model is made with, then its weights: with them the run is finished.

        metadata: kept in the file of the weights.
        """
        write_json(folder / self.description, sizes)
        with atomic_write(folder / self.weights) as temporary:
            temporary.write_bytes(save(model.state_dict(), metadata=metadata))

    def read(self, folder: Path, make: Callable[..., M]) -> M:
        """The model of a run, made by `make(**sizes)`, that learns no more.

        Raises:
            UserError: this is no such run, or its files are damaged.
        """
        sizes, file = self._sizes(folder), folder / self.weights
        try:
            model = make(**sizes)
            model.load_state_dict(load_file(file))
        except (
            ArithmeticError,
            KeyError,
            OSError,
            RuntimeError,
            SafetensorError,
            TypeError,
            ValueError,
        ):
            raise UserError(
                f"{folder}: {self.description} and {self.weights} are damaged, or not of one run"
            ) from None
        if not all(values.isfinite().all() for values in model.state_dict().values()):
            raise UserError(f"{file}: not all of its numbers are finite; train it again")
        return model.requires_grad_(False).eval()

    def metadata(self, folder: Path) -> dict[str, str]:
        """The metadata in the file of a run's weights. Raises UserError where it is damaged."""
        try:
            with safe_open(folder / self.weights, "pt") as file:
                return dict(file.metadata() or {})
        except (OSError, SafetensorError):
            raise UserError(f"{folder / self.weights}: it is damaged, or there is none") from None

    def hash(self, folder: Path) -> str:
        """The first 16 digits of the SHA-256 of a model's weights.

        Raises:
            UserError: this is no such run, or it has no weights.
        """
        self._sizes(folder)
        try:
            return content_hash(folder / self.weights)
        except FileNotFoundError:
            raise UserError(
                f"{folder}: it has no {self.weights}; run {self.trainer} again"
            ) from None

    def _sizes(self, folder: Path) -> Mapping[str, Any]:
        try:
            return read_json(folder / self.description)
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{folder}: this is no run of {self.trainer}, it has no {self.description}"
            ) from None
