"""List the commands: python -m sandbox_envs."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from sandbox_envs.errors import suggest
from sandbox_envs.version import __version__

FOLDERS = ("", "train", "eval")  # of the package, with the commands in them


def commands() -> Iterator[tuple[str, str]]:
    """The full name of each module that is a command, and what it does in a line."""
    top = Path(__file__).parent
    for folder in FOLDERS:
        for file in sorted((top / folder).glob("[!_]*.py")):
            text = file.read_text(encoding="utf-8")
            if '\nif __name__ == "__main__":' in text:
                about = ast.get_docstring(ast.parse(text)) or ""
                yield ".".join(filter(None, ("sandbox_envs", folder, file.stem))), _line(about)


def _line(about: str) -> str:
    """The first sentence of a docstring, without the example that may follow a colon."""
    return " ".join(about.partition("\n\n")[0].split()).partition(": `python")[0].rstrip(".")


def main(arguments: list[str]) -> None:
    """Print the list; any argument but --help and --version ends in an error."""
    if arguments == ["--version"]:
        print(__version__)
        return
    found = dict(commands())
    if arguments and arguments[0] not in ("--help", "-h"):
        names = [name.removeprefix("sandbox_envs.") for name in found]
        if (name := arguments[0]) in names:
            sys.exit(f"error: '{name}' is a module of its own: python -m sandbox_envs.{name}")
        sys.exit(
            f"error: unknown argument '{name}'; write a command as python -m "
            f"sandbox_envs.NAME; {suggest(name, names)}"
        )
    print(f"sandbox_envs {__version__}\n\nCommands, each with --help:")
    width = max(map(len, found))
    for name, about in found.items():
        print(f"  python -m {name:{width}}  {about}")


if __name__ == "__main__":
    main(sys.argv[1:])
