"""Every example on the page for authors is executed, in their order, and no word lacks one."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from commands import run_command

from sandbox_envs import SandboxVectorEnv, new
from sandbox_envs.language.functions import FUNCTIONS
from sandbox_envs.language.parser import TERMS
from sandbox_envs.scene.family import load_family
from sandbox_envs.scene.labels import CAUSAL_LABELS
from sandbox_envs.scene.texts import NUMERICS, PREFIXES, TEXTS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "authoring.md"
FAMILY = "beach"
SHORT = {  # what makes a command of the page a quick one
    "sandbox_envs.play": ["--seconds", "0.2"],
    "sandbox_envs.train.ppo_lstm": ["--total-timesteps", "1024", "--num-envs", "16"],
    "sandbox_envs.eval.break_proxies": ["--episodes", "2", "--videos", "0"],
}


class Block(NamedTuple):
    line: int
    language: str
    text: str


def blocks(language: str = "") -> list[Block]:
    page = PAGE.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    every = [Block(page[: m.start()].count("\n") + 1, m[1], m[2]) for m in found]
    return [block for block in every if language in ("", block.language)]


def put(example: str, folder: Path) -> Path:
    """Put an example into the file that it names, as the page says: replacing texts of its names.

    All texts and numbers of that name leave the file first, and the example follows at its end.
    """
    found = re.match(r"<!-- (\S+) -->\n", example)
    assert found, "an example begins with the file it goes into"
    file, xml = folder / found[1], example[found.end() :]
    if xml.startswith("<mujoco"):
        file.write_text(xml)
        return file
    text = file.read_text()
    for element in ElementTree.fromstring(f"<all>{xml}</all>").iterfind("custom/*"):
        text = re.sub(f'<{element.tag} name="{element.get("name")}" data="[^"]*"/>', "", text)
    file.write_text(text.replace("</mujoco>", f"{xml}</mujoco>"))
    return file


def works(family: Path, seconds: float = 0.5) -> None:
    """Every scene of the family loads, runs and measures finite numbers."""
    for scene in load_family(family, {"episode_seconds": seconds}).values():
        envs = SandboxVectorEnv(scene, 8, num_threads=1)
        rng = np.random.default_rng(0)
        observations, _ = envs.reset(seed=0)
        for _ in range(scene.episode_steps):
            assert np.isfinite(observations).all()
            observations, rewards, _, _, info = envs.step(
                rng.uniform(-1, 1, envs.action_space.shape)
            )
        assert all(np.isfinite(info[name]).all() for name in scene.measures)
        assert np.isfinite(rewards).all() and not info["unstable"].any()


# --- the examples ----------------------------------------------------------------------------


def test_every_xml_example_works_on_top_of_those_before_it(tmp_path: Path) -> None:
    new.write_family(tmp_path / FAMILY)
    for block in blocks("xml"):
        put(block.text, tmp_path / FAMILY)
        try:
            works(tmp_path / FAMILY)
        except Exception as error:
            pytest.fail(f"{PAGE.name}, line {block.line}: {error}")
    stems = {name.partition("/")[2] for name in load_family(tmp_path / FAMILY)}
    assert stems == {"train", "noon", "morning", "evening", "night"}


def test_every_command_works_and_python_after_it(tmp_path: Path) -> None:
    for block in (b for b in blocks() if b.language in ("console", "python")):
        file = tmp_path / "block.py"
        file.write_text(block.text)
        lines = block.text.splitlines() if block.language == "console" else []
        for command in [_short(line, tmp_path)[2:] for line in lines] or [[str(file)]]:
            command = [part.replace("runs/RUN", _run(tmp_path)) for part in command]
            run_command(*command, cwd=tmp_path)
    assert (tmp_path / "beach.mp4").stat().st_size and (tmp_path / "dose.mp4").stat().st_size


def _short(line: str, folder: Path) -> list[str]:
    words = shlex.split(line)
    assert words[:2] == ["python", "-m"], f"not a command that this test knows: {line}"
    return [*words, *SHORT.get(words[2], [])]


def _run(folder: Path) -> str:
    return next((f"runs/{run.name}" for run in folder.glob("runs/*")), "runs/RUN")


# --- nothing is left out ---------------------------------------------------------------------


def examples() -> str:
    return "\n".join(block.text for block in blocks("xml"))


@pytest.mark.parametrize("function", [*FUNCTIONS, "gain", "level", "lidar", "gauge"])
def test_every_function_has_an_example(function: str) -> None:
    found = re.search(rf"\b{function}\(", examples())
    assert found, f"docs/authoring.md has no example of {function}(...); add one"


@pytest.mark.parametrize("word", [*TERMS, "effort", "outside", "facing", "yaw", "where", "range"])
def test_every_term_and_word_has_an_example(word: str) -> None:
    texts = ElementTree.fromstring(f"<all>{examples()}</all>").iter("text")
    assert any(re.search(rf"\b{word}\b", str(text.get("data"))) for text in texts)


@pytest.mark.parametrize("name", [*TEXTS, *NUMERICS, *PREFIXES])
def test_every_text_and_number_has_an_example_and_a_line_in_the_table(name: str) -> None:
    assert f'name="{name}' in examples()
    table = PAGE.read_text().split("## All texts and numbers")[1]
    assert f"`{name}" in table


@pytest.mark.parametrize("page", [PAGE, PAGE.with_name("concepts.md")])
def test_pages_define_causal_labels_as_the_linter_does(page: Path) -> None:
    text = " ".join(page.read_text().split())
    for label, what in CAUSAL_LABELS.items():
        assert re.search(rf"[*`]{label}[*`]:? (where )?{what}", text, re.IGNORECASE), label


def test_the_links_within_the_page_lead_somewhere() -> None:
    page = PAGE.read_text()
    titles = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([\w-]+)\)", page)) <= anchors


# --- what the page says of the family --------------------------------------------------------


def test_absent_leaves_are_left_out_of_the_mean(tmp_path: Path) -> None:
    """One leaf of four that are there begins in the corner; two are absent."""
    new.write_family(tmp_path / FAMILY)
    for block in blocks("xml"):
        put(block.text, tmp_path / FAMILY)
    envs = SandboxVectorEnv(tmp_path / FAMILY / "train.xml", 16)
    _, info = envs.reset(seed=0)
    np.testing.assert_allclose(info["tidied"], 1)
    np.testing.assert_allclose(info["tidiness"], 1 / 4)
