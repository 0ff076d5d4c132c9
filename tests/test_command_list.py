"""`python -m sandbox_envs` and the version."""

import configparser
from pathlib import Path

import pytest
from commands import run_command

import sandbox_envs

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def listed() -> str:
    done = run_command("sandbox_envs", cwd=ROOT)
    return done.stdout


def test_every_command_is_listed_with_what_it_does(listed: str) -> None:
    lines = dict(line.split(maxsplit=3)[2:] for line in listed.splitlines() if "-m" in line)
    for folder, package in (("sandbox_envs", ""), ("train", "train."), ("eval", "eval.")):
        for file in (ROOT / folder).glob("*.py"):
            command = "\nif __name__" in file.read_text() and not file.stem.startswith("_")
            name = f"sandbox_envs.{package}{file.stem}"
            assert (name in lines) == command
            assert len(lines.get(name, "It does so much.")) > 10


def test_an_unknown_argument_ends_in_a_sentence() -> None:
    done = run_command("sandbox_envs", "chek", cwd=ROOT, status=1)
    assert done.stderr == (
        "error: unknown argument 'chek'; write a command as python -m sandbox_envs.NAME; did you "
        "mean 'check'?\n"
    )
    done = run_command("sandbox_envs", "check", cwd=ROOT, status=1)
    assert done.stderr == "error: 'check' is a module of its own: python -m sandbox_envs.check\n"


def test_the_version_is_that_of_the_clone() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    assert sandbox_envs.__version__ == settings["metadata"]["version"]
    assert run_command("sandbox_envs", "--version", cwd=ROOT).stdout.strip() == (
        sandbox_envs.__version__
    )
