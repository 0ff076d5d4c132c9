"""User-facing errors, reported as one sentence."""

import dataclasses
import errno
import functools
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path

from sandbox_envs.stopping import Terminated, sigterm_as_interrupt

LONGEST = 1500  # characters of a message
_BREAK = re.compile(r"\s*[^\S ]\s*")  # white space with more in it than blanks
_FREE_SPACE = "free some space or choose another folder, then try again"
BROKEN_PIPE = 128 + signal.SIGPIPE  # exit status
_PERMISSIONS = "check its permissions or choose another place"
_ADVICE = {  # by the number of an error of the operating system
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "a limit of this system or shell (ulimit -f) is too small for it",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a part of this path is a file; check the path",
    errno.EISDIR: "this is a folder; give the name of a file",
    errno.EEXIST: "choose another name",
    errno.ENOTEMPTY: "choose another name",
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EROFS: "this place is read-only; choose another one",
    errno.ELOOP: "a symbolic link in this path leads back to itself; remove it",
    errno.ENAMETOOLONG: "choose a shorter name",
}


class UserError(ValueError):
    """A user's input is wrong; the message says what is wrong, where, and what to do.

    It quotes what users and files say. So it is made one line that any terminal shows: blanks for
    line breaks, escapes for what is not printable, and dots for the middle of a very long one.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class SceneError(UserError):
    """A scene file, one of its texts, or an override of one is wrong."""


def one_line(text: str) -> str:
    """A text as one line of printable characters, not much longer than a screen has room for."""
    line = _BREAK.sub(" ", text).strip()
    if len(line) > LONGEST:
        line = f"{line[: LONGEST * 2 // 3]} ... {line[-LONGEST // 4 :]}"
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def suggest(name: str, valid: Iterable[str]) -> str:
    """A hint to end an error about an unknown `name`: the most similar valid name, or all."""
    names = sorted(valid)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    if not names:
        return "there is none to choose from"
    between = "; " if any("," in name for name in names) else ", "
    return f"valid: {between.join(names)}"


def cli_errors(main: Callable[..., object]) -> Callable[..., None]:
    """Wrap a command's `main(args, ...)`: an expected error ends it with a sentence and status 1.

    Expected are UserError and errors of the operating system, such as a full disk or a missing
    permission, and an empty text among the arguments, as an unset variable of a shell gives it. Any
    other exception is a bug and keeps its traceback, and `args.debug` shows the traceback of every
    error. Ctrl-C ends it with status 130, and SIGTERM with 143.
    """

    @functools.wraps(main)
    def wrapped(args: object, *more: object) -> None:
        try:
            with sigterm_as_interrupt():
                _check_given(args)
                main(args, *more)
                _flush()
        except BrokenPipeError:  # the reader, such as `head`, has seen enough
            _drop_unwritable()
            sys.exit(BROKEN_PIPE)
        except (UserError, OSError) as error:
            _drop_unwritable()
            if getattr(args, "debug", False):
                raise
            sys.exit(f"error: {sentence_of(error)}")
        except KeyboardInterrupt as stop:
            print("stopped", file=sys.stderr)
            sys.exit(143 if isinstance(stop, Terminated) else 130)  # as shells count signals

    return wrapped


def _check_given(args: object) -> None:
    """Raise UserError where an argument's text is empty, which would pass for one left out."""
    for field in dataclasses.fields(args) if dataclasses.is_dataclass(args) else ():
        value = getattr(args, field.name)
        texts = value if isinstance(value, tuple) else (value,)
        if any(_is_empty(text) for text in texts):
            raise UserError(f"{field.name}: its text is empty; give one, or leave it out")


def _is_empty(value: object) -> bool:
    """Whether an argument was given as an empty text; for a path, which then reads as "."."""
    if isinstance(value, Path):
        given = (re.sub(r"^--[\w-]+=", "", text) for text in sys.argv[1:])
        return value == Path() and "" in given
    return isinstance(value, str) and not value.strip()


def _flush() -> None:
    """Flush standard output while a write error can still be reported."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _drop_unwritable() -> None:
    """Forget what was printed if it cannot be written: the interpreter would try it again."""
    try:
        _flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def sentence_of(error: Exception) -> str:
    """The sentence for an error: what is wrong, where, and, if the cause is known, what to do."""
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        advice = _ADVICE.get(error.errno or 0)
        return one_line(f"{error.strerror}{place}" + (f"; {advice}" if advice else ""))
    return one_line(str(error))
