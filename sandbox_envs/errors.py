"""User-facing errors, reported as one sentence."""

import errno
import functools
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches

_FREE_SPACE = "free some space or choose another folder, then try again"
_PERMISSIONS = "check its permissions or choose another place"
_ADVICE = {  # by the number of an error of the operating system
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a part of this path is a file; check the path",
    errno.EISDIR: "this is a folder; give the name of a file",
    errno.EEXIST: "choose another name",
    errno.ENOTEMPTY: "choose another name",
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EROFS: "this place is read-only; choose another one",
}


class UserError(ValueError):
    """A user's input is wrong; the message says what is wrong, where, and what to do."""


class Terminated(KeyboardInterrupt):  # noqa: N818
    """SIGTERM, where a command handles it as it handles Ctrl-C."""


class SceneError(UserError):
    """A scene file, one of its texts, or an override of one is wrong."""


def suggest(name: str, valid: Iterable[str]) -> str:
    """A hint to end an error about an unknown `name`: the most similar valid name, or all."""
    names = sorted(valid)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"valid: {', '.join(names)}" if names else "there is none to choose from"


def cli_errors(main: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command's `main(args, ...)`: an expected error ends it with a sentence and status 1.

    Expected are UserError and errors of the operating system, such as a full disk or a missing
    permission. Any other exception is a bug and keeps its traceback, and `args.debug` shows the
    traceback of every error.
    """

    @functools.wraps(main)
    def wrapped(args: object, *more: object) -> None:
        try:
            main(args, *more)
        except (UserError, OSError) as error:
            if getattr(args, "debug", False):
                raise
            sys.exit(f"error: {_sentence(error)}")
        except KeyboardInterrupt as stop:
            print("stopped", file=sys.stderr)
            sys.exit(143 if isinstance(stop, Terminated) else 130)  # as shells count signals

    return wrapped


def _sentence(error: Exception) -> str:
    """What is wrong, where, and, where the cause is known, what to do."""
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        advice = _ADVICE.get(error.errno or 0)
        return f"{error.strerror}{place}" + (f"; {advice}" if advice else "")
    return " ".join(str(error).split())
