"""Records of studies that are one dataclass per file."""

from pathlib import Path
from typing import TypeVar

from sandbox_envs.errors import UserError
from sandbox_envs.eval.judging.typed_json import MismatchError, from_json
from sandbox_envs.files import read_json

T = TypeVar("T")


def read_record(kind: type[T], file: Path) -> T:
    """A dataclass from the file that holds it. Raises UserError where the file is damaged."""
    try:
        return from_json(kind, read_json(file))
    except MismatchError as error:
        raise UserError(f"{file}: it is damaged, or of another version: {error}") from None
