"""README and docs: generated tables are up to date, figures come from them, and examples run."""

import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import tyro
from commands import run_command

ROOT = Path(__file__).resolve().parents[1]
HAND_WRITTEN = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/api.md",
    "docs/instruments.md",
    "docs/logs.md",
    "docs/method.md",
    "docs/training.md",
)  # authoring.md has its own test
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FINDINGS = [  # pages that say what agents did
    *(ROOT / name for name in ("README.md", "docs/claims.md", "docs/results.md")),
    *sorted((ROOT / "docs" / "results").glob("*.md")),
]
QUICK = {  # a smaller family with the same number of actions, and two episodes
    'judge(policy, "sweep")': 'judge(policy, "patrol", episodes=2)',
    "sweep/planter_open": "patrol/heap_elsewhere",
    'Path("eval/': f'Path("{ROOT}/eval/',
    '"keeper", wrap=wrap)': '"keeper", wrap=wrap, episodes=2)',
}
TYPES = """[mypy]
ignore_missing_imports = True
follow_imports = silent
cache_dir = /dev/null
[mypy-gymnasium.*,jinja2.*,mujoco.*,numpy.*,PIL.*,safetensors.*,scipy.*,torch.*]
follow_imports = skip
"""  # others' types are left out, as they take mypy half a minute
INTERVAL = re.compile(r"(?:-?\d+\.\d\d )?\[-?\d+\.\d\d, -?\d+\.\d\d\]")  # with its mean
FIGURE = re.compile(r"(?<![\d.,-])(?<!Python )-?\d+\.\d\d(?![\d.])")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def commands() -> Iterator[tuple[str, str]]:
    """Every command line in shell examples and in inline code, with the page it is on."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = "".join([*blocks(page, "sh"), *blocks(page, "console")]).splitlines()
        for line in [*lines, *re.findall(r"`((?:python|make) [^`\n]*)`", text)]:
            if line.strip():
                yield page.name, line.partition("  #")[0].strip()


# --- generated tables ------------------------------------------------------------------------


def test_generated_tables_are_up_to_date(generate: ModuleType) -> None:
    stale = [p.name for p in generate.PAGES if generate.generated(p.read_text()) != p.read_text()]
    assert not stale, f"run python docs/generate.py: {stale}"


def test_every_generated_table_is_on_a_page(generate: ModuleType) -> None:
    used = {name for page in generate.PAGES for name in generate.BLOCK.findall(page.read_text())}
    assert used == set(generate.BLOCKS)


@pytest.mark.parametrize("page", FINDINGS, ids=lambda page: page.name)
def test_figures_in_prose_occur_in_a_generated_table(page: Path, generate: ModuleType) -> None:
    """Of the page itself, if it is of one study; intervals whole."""
    pages = [page] if page.parent.name == "results" else generate.PAGES
    tables = "\n".join(m[0] for p in pages for m in generate.BLOCK.finditer(p.read_text()))
    prose = without_code(generate.BLOCK.sub("", page.read_text()))
    prose = re.sub(r"`[^`\n]*`", "", prose)
    for kind in (FIGURE, INTERVAL):
        assert set(kind.findall(prose)) <= set(kind.findall(tables))


def test_thresholds_in_prose_are_those_of_the_table(generate: ModuleType) -> None:
    prose = generate.BLOCK.sub("", (ROOT / "docs" / "method.md").read_text())
    values = {f"{value:g}" for value in vars(generate.THRESHOLDS).values()}
    assert set(re.findall(r"(?<![\d.])0\.\d(?!\d)", prose)) <= values


# --- links -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, heading in re.findall(r'(?:\]\(|src=")([^)"#]*)#?([^)"]*)', text):
        if "://" not in target:
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {target}"
            assert not heading or heading in _anchors(file), f"{page.name}: {target}#{heading}"


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and Sphinx make them, without the #."""
    text = without_code(page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- examples --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", sorted({c for c in commands() if c[1].startswith("python")}))
def test_command_lines_are_accepted(command: tuple[str, str]) -> None:
    """The module exists and its arguments parse; tests of the commands run them."""
    words = shlex.split(command[1])[1:]
    name, rest = (words[1], words[2:]) if words[0] == "-m" else (words[0], words[1:])
    if name.startswith(("docs/", "tests/")):
        assert (ROOT / name).is_file()
        return
    dotted = name if words[0] == "-m" else _installed_name(name)
    if dotted == "sandbox_envs":  # the list of commands
        assert not rest
        return
    module = importlib.import_module(dotted)
    arguments = module.Args if hasattr(module, "Args") else module.QuickArgs
    tyro.cli(arguments, args=[word for word in rest if word not in ("RUN...", "--help")])


def _installed_name(file: str) -> str:
    assert (ROOT / file).exists(), file
    dotted = ".".join(Path(file).with_suffix("").parts)
    if (ROOT / file).is_dir():
        dotted += ".__main__"
    return dotted if dotted.startswith("sandbox_envs") else f"sandbox_envs.{dotted}"


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page, line in commands():
        found = re.search(r"\bmake ([a-z]+)$|\bmake ([a-z]+) ", f"{line} ")
        if line.startswith("make") and found:
            target = found[1] or found[2]
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: {line}"


@pytest.mark.parametrize(
    "code",
    [
        code
        for page in HAND_WRITTEN
        for code in blocks(ROOT / page, "python")
        if not code.startswith("# train/")  # a whole trainer, which test_trainers.py runs
    ],
    ids=lambda code: code.splitlines()[0],
)
def test_python_examples_run(code: str, tmp_path: Path) -> None:
    for written, quick in QUICK.items():
        code = code.replace(written, quick)
    (tmp_path / "example.py").write_text(code)
    run_command(tmp_path / "example.py", cwd=tmp_path)


def test_logs_of_another_environment_are_judged_without_mujoco_or_torch(tmp_path: Path) -> None:
    (code,) = blocks(ROOT / "docs/logs.md", "python")
    code += "import sys\nprint({'mujoco', 'torch'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert re.match(r"neglect: earns 0\.\d\d \[.*\nset\(\)$", done.stdout.strip(), re.DOTALL)


def test_python_examples_pass_a_type_checker(tmp_path: Path) -> None:
    """As far as our own types go: the documented call forms are those that they promise."""
    config = tmp_path / "mypy.ini"
    config.write_text(TYPES)
    for page in PAGES:
        for number, code in enumerate(blocks(page, "python")):
            (tmp_path / f"{page.stem}_{number}.py").write_text(code, encoding="utf-8")
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from sandbox_envs.train.policy import load_policy\n"
        "from sandbox_envs.train.ppo_lstm import Args\n"
        'Args(scene="patrol/train")\n'
        'load_policy("runs/RUN").agent.lstm\n'
    )
    files = map(str, tmp_path.glob("*.py"))
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [line for line in errors if not line.startswith(str(wrong))] == [], done.stderr
    assert len(errors) == 2, done.stdout  # so that the types above were found
