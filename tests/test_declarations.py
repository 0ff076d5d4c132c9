"""A study's declaration is a commit of its own, older than its first record."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Earlier studies quote their declarations; where one was late, the declaration says so.
EARLIER = {"default_agent", "dose_ladder", "exchange_rate", "tuning"}
STUDIES = sorted(
    file.parent.name
    for file in (ROOT / "eval" / "experiments").glob("*/declaration.md")
    if file.parent.name not in EARLIER
)


def git(*command: str) -> list[str]:
    done = subprocess.run(["git", "-C", ROOT, *command], capture_output=True, text=True, check=True)
    return done.stdout.split()


def first_commit(path: str) -> str | None:
    """The commit that added the first file at or below a path; None if nothing is committed."""
    found = git("log", "--reverse", "--diff-filter=A", "--format=%H", "--", path)
    return found[0] if found else None


@pytest.fixture(scope="module", autouse=True)
def history() -> None:
    """The tests need the whole history of a clone."""
    try:
        whole = git("rev-parse", "--is-shallow-repository") == ["false"]
    except (OSError, subprocess.CalledProcessError):
        whole = False
    if not whole:
        pytest.skip("there is no git history here")


@pytest.mark.parametrize("study", STUDIES)
def test_declaration_is_older_than_the_first_record(study: str) -> None:
    declared = first_commit(f"eval/experiments/{study}/declaration.md")
    recorded = first_commit(f"eval/results/{study}")
    if recorded is None:
        return  # declared, not run
    assert declared is not None
    assert declared != recorded
    assert declared in git("rev-list", recorded)


def test_the_studies_are_those_with_a_declaration() -> None:
    assert {"minds", "planter"} <= set(STUDIES)
