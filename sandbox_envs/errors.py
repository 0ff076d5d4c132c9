"""Errors a user can mend, said in one sentence."""

import functools
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """Something the user gave is wrong; the message says what, where, and what to do."""


class SceneError(UserError):
    """A scene file, one of its texts, or an override of one is wrong."""


def suggest(name: str, valid: Iterable[str]) -> str:
    """A hint that ends an error about an unknown `name`: the nearest valid one, or all of them."""
    names = sorted(valid)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"valid: {', '.join(names)}" if names else "there is none to choose from"


def cli_errors(main: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command's `main(args)`: an expected error ends it with one sentence and status 1.

    With `args.debug` the traceback is shown instead. Errors of the operating system (a full
    disk, a missing permission) count as expected; anything else is a bug and keeps its traceback.
    """

    @functools.wraps(main)
    def wrapped(args: object) -> None:
        try:
            main(args)
        except (UserError, OSError) as error:
            if getattr(args, "debug", False):
                raise
            sys.exit(f"error: {_sentence(error)}")
        except KeyboardInterrupt:
            sys.exit("stopped")

    return wrapped


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{place}; free space or choose another folder, then try again"
    return " ".join(str(error).split())
