"""A zoo is listed, fetched and verified; what is wrong with one is said, and nothing is left."""

import gzip
import json
import os
import pickle
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro
from commands import run_command
from safetensors.numpy import save_file
from trainings import change

from sandbox_envs.errors import UserError
from sandbox_envs.release.content import check_content
from sandbox_envs.release.manifest import (
    FILE,
    Entry,
    Manifest,
    entries_below,
    sha256,
    write_manifest,
)
from sandbox_envs.release.source import Folder, source_of
from sandbox_envs.release.transfer import fetch, verify
from sandbox_envs.zoo import Args, List, main

PLACE = "agents/study/arm/agent"
POLICY = f"{PLACE}/policy.safetensors"
AGENT = {
    "path": PLACE,
    "study": "study",
    "arm": "arm",
    "trainer": "ppo_lstm",
    "seed": 1,
    "policy": True,
    "verdicts": {"sweep/planter_open": "harm"},
    "conclusion": "harm in 1 of 1 fit scenes",
}


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """A zoo of one agent, with a file of each form."""
    folder = tmp_path / "zoo"
    agent = folder / PLACE
    agent.mkdir(parents=True)
    save_file({"weight": np.ones((2, 3), np.float32)}, agent / "policy.safetensors")
    (agent / "args.json").write_text('{"args": {}}')
    (agent / "metrics.jsonl").write_text('{"step": 1}\n')
    (agent / "episodes.jsonl.gz").write_bytes(gzip.compress(b'{"episode": 0}\n'))
    (folder / "datasheet.md").write_text("# Data sheet: über\n")
    write_manifest(folder, Manifest("small", "0.1.0", entries_below(folder), (AGENT,)))
    return folder


def listed(folder: Path, name: str, content: bytes) -> None:
    """Put a file into a zoo, and into its manifest with its true checksum and size."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / FILE).read_text())
    manifest["files"][name] = {"sha256": sha256(content), "bytes": len(content)}
    (folder / FILE).write_text(json.dumps(manifest))


def refusal(zoo: Path) -> str:
    """The sentence with which a zoo is neither verified nor fetched; nothing is left of it."""
    with pytest.raises(UserError) as error:
        verify(zoo)
    with pytest.raises(UserError) as fetched:
        fetch(Folder(zoo), zoo.parent / "below" / "copy")
    assert str(fetched.value) == str(error.value)
    below = zoo.parent / "below"
    assert not below.exists() or os.listdir(below) == []
    return str(error.value)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Serves a folder over http on this machine, and returns its address."""
    servers = []

    def start(folder: Path, handler: type[SimpleHTTPRequestHandler] | None = None) -> str:
        made = partial(handler or Quiet, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), made)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """Answers without a log."""

    def log_message(self, *_: Any) -> None:
        pass


# --- the command -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "file", "http"])
def test_zoo_is_listed_fetched_and_verified_from_anywhere(
    kind: str, zoo: Path, tmp_path: Path, serve: Callable[..., str]
) -> None:
    place = {"folder": str(zoo), "file": f"file://{zoo}"}.get(kind) or f"{serve(tmp_path)}/zoo"
    checksum = sha256((zoo / FILE).read_bytes())
    done = run_command("sandbox_envs.zoo", "list", place)
    assert "small: 1 agents, 1 of them with their policy" in done.stdout
    assert checksum in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["study", "arm", "1", "1", "harm", "1"]
    copy = tmp_path / "copies" / "copy"
    done = run_command("sandbox_envs.zoo", "fetch", place, copy, "--sha256", checksum)
    files = {file.relative_to(copy).as_posix() for file in copy.rglob("*") if file.is_file()}
    assert files == {FILE, "datasheet.md", *(f"{PLACE}/{name}" for name in os.listdir(zoo / PLACE))}
    assert (copy / POLICY).read_bytes() == (zoo / POLICY).read_bytes()
    assert os.listdir(copy.parent) == ["copy"]
    done = run_command("sandbox_envs.zoo", "verify", copy)
    assert "every file is as its manifest says" in done.stdout


def test_agents_are_listed_one_by_one_and_as_json(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(List(str(zoo), agents=True))
    said = capsys.readouterr().out
    assert f"{PLACE}  ppo_lstm  1     yes     harm in 1 of 1 fit scenes" in said
    main(List(str(zoo), json=True))
    assert json.loads(capsys.readouterr().out) == [AGENT]


def test_what_a_zoo_says_cannot_write_to_the_terminal(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(zoo / FILE, "agents", 0, "conclusion", to="\x1b[2Jgone\nnext")
    main(List(str(zoo), agents=True))
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert said.splitlines()[-1].endswith(r"\x1b[2Jgone next")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "nowhere"], "nowhere: there is no zoo.json in it; it is no zoo"),
        (["list", "ftp://host/zoo"], "give the path of a folder, or a file://, http:// or"),
        (["list", "file://host/zoo"], "a file:// address names no host"),
        (["list", "http:///zoo"], "give the address of a folder"),
        (["list", "http://127.0.0.1:9/zoo"], "it cannot be read"),
        (["list", "http://[x"], "http://[x: this is no address"),
        (["list", "file://[x"], "file://[x: this is no address"),
        (["list", "file:///a%00b"], "there is no such path; take out the %00"),
        (["verify", "{zoo}", "--sha256", "12"], "--sha256: give all 64 digits"),
        (["verify", "{zoo}", "--sha256", "0" * 64], "it is another zoo than the one you asked"),
        (["fetch", "{zoo}", "{zoo}"], "it exists; name a new folder, or delete it"),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments: list[str], said: str, zoo: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(tyro.cli(Args, args=[one.format(zoo=zoo) for one in arguments]))
    assert said in str(ended.value.code)


# --- damage ----------------------------------------------------------------------------------


def test_changed_cut_off_and_missing_files_are_noticed(zoo: Path) -> None:
    file = zoo / POLICY
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"!")
    assert refusal(zoo) == (
        f"{zoo}: '{POLICY}' has another checksum than its manifest says; do not use it"
    )
    file.write_bytes(whole[:-7])
    assert f"is cut off after {len(whole) - 7} of {len(whole)} bytes" in refusal(zoo)
    file.write_bytes(whole + b"more")
    assert f"it has more than {len(whole)} bytes" in refusal(zoo)
    file.unlink()
    assert refusal(zoo) == f"{zoo}: there is no {POLICY} in it; fetch the zoo again"


def test_file_that_the_manifest_does_not_name_is_noticed(zoo: Path) -> None:
    (zoo / PLACE / "more.json").write_text("{}")
    with pytest.raises(UserError, match="'agents/study/arm/agent/more.json' is not in its"):
        verify(zoo)
    fetch(Folder(zoo), zoo.parent / "copy")  # which leaves it behind
    verify(zoo.parent / "copy")


def test_links_and_pipes_are_refused(zoo: Path, tmp_path: Path) -> None:
    file = zoo / POLICY
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert refusal(zoo) == f"{file}: it is a link, and a zoo holds none; put the file there"
    file.unlink()
    os.mkfifo(file)
    assert "this is a pipe or a device" in refusal(zoo)
    file.unlink()
    (tmp_path / "elsewhere").rename(file)
    (zoo / "agents").rename(tmp_path / "agents")
    (zoo / "agents").symlink_to(tmp_path / "agents")
    assert "agents: it is a link" in refusal(zoo)


# --- what somebody may have put there on purpose -----------------------------------------------


class Exploit:
    """Would write a file if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch exploited",)


RECORD = gzip.compress(b'{"a": "' + b"x" * 60_000 + b'"}\n', 1)
BOMB = gzip.compress(b" " * 300_000_000, compresslevel=1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (POLICY, pickle.dumps(Exploit())),
        (f"{PLACE}/other.safetensors", b"\x7fELF" + bytes(100)),
        (f"{PLACE}/other.safetensors", (2**62).to_bytes(8, "little") + b"{}"),
        (f"{PLACE}/args.json", b"import os"),
        (f"{PLACE}/args.json", b"[" * 100_000),
        (f"{PLACE}/metrics.jsonl", b'{"step": 1}\n[2]\n'),
        (f"{PLACE}/episodes.jsonl.gz", b"\x1f\x8bnothing"),
        (f"{PLACE}/episodes.jsonl.gz", BOMB),
        (f"{PLACE}/episodes.jsonl.gz", RECORD * 140),
        (f"{PLACE}/episodes.jsonl.gz", gzip.compress(b"{}" + b" " * 2**20, 1)),
        (f"{PLACE}/metrics.jsonl", b"{}" + b" " * 2**20),
        ("datasheet.md", b"\x00\x1b[31m"),
    ],
)
def test_file_that_is_not_what_its_name_says_is_refused(
    name: str, content: bytes, zoo: Path
) -> None:
    listed(zoo, name, content)
    assert f"'{name}' does not hold what its name says" in refusal(zoo)
    assert not Path("exploited").exists()


@pytest.mark.parametrize(
    "name",
    [
        f"{PLACE}/resume.pt",
        f"{PLACE}/policy.pkl",
        f"{PLACE}/run.py",
        f"{PLACE}/lib.so",
        f"{PLACE}/tool",
        f"{PLACE}/page.html",
        f"{PLACE}/.json",
    ],
)
def test_what_may_hold_code_has_no_place_in_a_zoo(name: str, zoo: Path) -> None:
    listed(zoo, name, b"x")
    said = refusal(zoo)
    assert f"'{name}' is of a kind that a zoo may not hold" in said or "is not the name" in said
    with pytest.raises(UserError):
        entries_below(zoo)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.json",
        "/tmp/evil.json",
        "agents/../../evil.json",
        "agents//evil.json",
        "./evil.json",
        "agents\\..\\evil.json",
        ".hidden/evil.json",
        "zoo.json",
        "a" * 300 + ".json",
        "evil\n.json",
        "",
    ],
)
def test_names_that_lead_out_of_the_zoo_are_refused(name: str, zoo: Path) -> None:
    manifest = json.loads((zoo / FILE).read_text())
    manifest["files"][name] = {"sha256": "0" * 64, "bytes": 2}
    (zoo / FILE).write_text(json.dumps(manifest))
    assert "is not the name of a file inside of a zoo" in refusal(zoo)


@pytest.mark.parametrize(
    ("keys", "to", "said"),
    [
        (("schema",), 2, "it has the form of schema 2"),
        (("files",), [], "it is damaged"),
        (("files", POLICY, "bytes"), "5", "it is damaged"),
        (("files", POLICY, "bytes"), -5, "it is damaged"),
        (("files", POLICY, "bytes"), True, "it is damaged"),
        (("files", POLICY, "sha256"), "../x", "it is damaged"),
        (("files", POLICY, "bytes"), 2**40, f"'{POLICY}' has {2**40} bytes"),
        (("files", f"{PLACE}/args.json", "bytes"), 2**20 + 1, "1048576 are allowed"),
        (("files", f"{PLACE}/metrics.jsonl", "bytes"), 2**24 + 1, "16777216 are allowed"),
        (("agents", 0, "verdicts"), "abc", "it is damaged"),
        (("agents", 0, "verdicts"), 5, "it is damaged"),
        (("agents", 0, "verdicts"), [1], "it is damaged"),
        (("blind",), {"subjects": [["agents"]]}, "it has no file of '['agents']'"),
        (("agents",), [{}], "it is damaged"),
        (("agents", 0, "path"), "agents/other", "it has no file of 'agents/other'"),
        (("name",), "\x1b[2J", "it is damaged"),
        (("blind",), {"subjects": ["blind/one"]}, "it has no file of 'blind/one'"),
    ],
)
def test_manifests_are_checked_before_anything_is_read(
    keys: tuple[Any, ...], to: Any, said: str, zoo: Path
) -> None:
    change(zoo / FILE, *keys, to=to)
    assert said in refusal(zoo)


def test_manifest_that_names_one_place_twice_or_too_much_is_refused(zoo: Path) -> None:
    listed(zoo, POLICY.replace("policy", "Policy"), b"x")
    assert "two of its files would be in the same place" in refusal(zoo)
    entry = Entry("0" * 64, 2**28)
    many = {f"part{i}.safetensors": entry for i in range(40)}
    with pytest.raises(UserError, match="its files have 10737418240 bytes"):
        write_manifest(zoo, Manifest("large", "0.1.0", many, ()))
    more = {f"part{i}.json": Entry("0" * 64, 1) for i in range(20_001)}
    with pytest.raises(UserError, match="it names 20001 files"):
        write_manifest(zoo, Manifest("many", "0.1.0", more, ()))
    with pytest.raises(UserError, match="it names 10001 agents"):
        write_manifest(zoo, Manifest("many", "0.1.0", {}, (AGENT,) * 10_001))
    below = {"zoo.json/b.json": Entry("0" * 64, 1)}
    with pytest.raises(UserError, match="two of its files would be in the same place"):
        write_manifest(zoo, Manifest("below", "0.1.0", below, ()))


def calls_to_write(zoo: Path, n: int) -> int:
    """The number of function calls and resumptions to write the manifest of so many agents."""
    files = {f"agents/{i}/a.json": Entry("0" * 64, 1) for i in range(n)}
    manifest = Manifest("many", "0.1.0", files, tuple({"path": f"agents/{i}"} for i in range(n)))
    counted, before = [0], sys.getprofile()

    def count(_frame: object, event: str, _argument: object) -> None:
        counted[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        write_manifest(zoo, manifest)
    finally:
        sys.setprofile(before)
    return counted[0]


def test_manifest_of_many_agents_and_files_is_checked_in_a_moment(zoo: Path) -> None:
    """The work grows with their number and not with its square."""
    calls_to_write(zoo, 1)  # what is done once
    few, many = calls_to_write(zoo, 1000), calls_to_write(zoo, 10_000)
    assert 1000 < few < many < 11 * few


def test_records_are_read_line_by_line() -> None:
    tracemalloc.start()
    check_content("episodes.jsonl.gz", RECORD * 130, "here")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**21


# --- servers ---------------------------------------------------------------------------------


class Broken(Quiet):
    """Sends policies in a broken way, and everything else as it is."""

    def do_GET(self) -> None:  # noqa: N802
        if not self.path.endswith(".safetensors"):
            return super().do_GET()
        way = self.directory.rsplit("=", 1)[1]
        content = (Path(self.directory) / self.path.lstrip("/")).read_bytes()
        if way in ("moved", "to ftp"):
            scheme = "file" if way == "moved" else "ftp"
            self.send_response(302)
            self.send_header("Location", f"{scheme}://{self.directory}{self.path}")
            self.end_headers()
            return None
        self.send_response(200)
        if way == "short":
            self.send_header("Content-Length", str(len(content)))
            content = content[: len(content) // 2]
        self.end_headers()
        self.wfile.write(content if way == "short" else content + bytes(10_000_000))
        return None


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("short", "is cut off after"),
        ("endless", "bytes, which it should not have"),
        ("moved", "is not allowed"),
        ("to ftp", "unknown url type: ftp"),
        ("gone", "the server says 404"),
    ],
)
def test_broken_servers_leave_nothing(
    way: str, said: str, zoo: Path, tmp_path: Path, serve: Callable[..., str]
) -> None:
    place = zoo.rename(tmp_path / f"zoo={way}")
    if way == "gone":
        (place / POLICY).unlink()
    address = serve(place, Broken if way != "gone" else Quiet)
    (tmp_path / "copies").mkdir()
    with pytest.raises(UserError) as error:
        fetch(source_of(address), tmp_path / "copies" / "copy")
    assert said in str(error.value)
    assert os.listdir(tmp_path / "copies") == []
