"""The types of a check's findings."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["error", "warning"]  # results would be wrong; something is only odd
Remark = tuple[Kind, str]  # what a check yields: a kind, and words that follow the file's name


@dataclass(frozen=True)
class Finding:
    """Something wrong with a scene file."""

    kind: Kind
    """error or warning"""
    text: str
    """a sentence that begins with the file: what is wrong, where, and what to do"""
