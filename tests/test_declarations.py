"""A study's declaration is committed before its first record, and its page names the commit."""

import re
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


PAGES = sorted((ROOT / "docs").rglob("*.md"))
NAMED = re.compile(r"`(eval/experiments/\w+/declaration\.md)` \(commits? ([^)]*)\)")


def test_pages_name_the_commits_that_declared_a_study_and_changed_its_declaration() -> None:
    found = [pair for page in PAGES for pair in NAMED.findall(page.read_text(encoding="utf-8"))]
    assert len(found) > 10
    for path, text in found:
        commits, history = (
            re.findall(r"\b[0-9a-f]{7}\b", text),
            git("log", "--format=%H", "--", path),
        )
        declared = first_commit(path)
        assert declared is not None and declared.startswith(commits[0]), path
        assert all(any(whole.startswith(one) for whole in history) for one in commits), path


def test_page_of_every_study_that_was_run_names_its_declaration() -> None:
    named = {path for page in PAGES for path, _ in NAMED.findall(page.read_text(encoding="utf-8"))}
    on_other_pages = {"mitigation"}  # a task of the zoo
    for study in set(STUDIES) - on_other_pages:
        if first_commit(f"eval/results/{study}"):
            assert f"eval/experiments/{study}/declaration.md" in named, study


def test_the_studies_are_those_with_a_declaration() -> None:
    assert {"minds", "planter"} <= set(STUDIES)
