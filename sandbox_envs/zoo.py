"""List, fetch and verify a zoo of recorded agents: policies, records, verdicts, and no code.

python -m sandbox_envs.zoo list ZOO                the studies in it, by arm
python -m sandbox_envs.zoo fetch ZOO my_zoo        copy it, with every checksum and form checked
python -m sandbox_envs.zoo verify my_zoo           check a copy

ZOO is a folder, or an address that begins with file://, http:// or https://.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from sandbox_envs.errors import UserError, cli_errors, one_line
from sandbox_envs.progress import progress_bar
from sandbox_envs.release.manifest import Manifest, sha256
from sandbox_envs.release.source import read_manifest, source_of
from sandbox_envs.release.transfer import fetch, verify
from sandbox_envs.text_tables import aligned

ZOO = tyro.conf.arg(metavar="ZOO")


@dataclass
class List:
    """Say what a zoo holds, by its manifest alone."""

    zoo: Annotated[tyro.conf.Positional[str], ZOO]
    """a folder or an address"""
    agents: bool = False
    """a line for every agent"""
    json: bool = False
    """print what the manifest says of every agent, as JSON"""
    debug: bool = False
    """show the traceback of an error"""


@dataclass
class Fetch:
    """Copy a zoo whole or not at all."""

    zoo: Annotated[tyro.conf.Positional[str], ZOO]
    """a folder or an address"""
    to: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """a new folder"""
    sha256: str | None = None
    """checksum of zoo.json that its publisher states"""
    debug: bool = False
    """show the traceback of an error"""


@dataclass
class Verify:
    """Check every file of a zoo on this machine."""

    zoo: Annotated[tyro.conf.Positional[Path], ZOO]
    """a folder"""
    sha256: str | None = None
    """checksum of zoo.json that its publisher states"""
    debug: bool = False
    """show the traceback of an error"""


Args = List | Fetch | Verify


@cli_errors
def main(args: Args) -> None:
    """Do what was asked, and say what came of it."""
    if isinstance(args, List):
        _list(args)
        return
    if args.sha256 is not None and len(args.sha256) != 64:
        raise UserError("--sha256: give all 64 digits, as sha256sum zoo.json prints them")
    source = source_of(str(args.zoo))
    total = read_manifest(source)[0].total_bytes
    with progress_bar(total=total, unit="B", unit_scale=True) as bar:
        if isinstance(args, Fetch):
            place, found = args.to, fetch(source, args.to, args.sha256, bar.update)
        else:
            place, found = args.zoo, verify(args.zoo, args.sha256, bar.update)
    print(described(*found))
    print(f"{place}: every file is as its manifest says")


def _list(args: List) -> None:
    manifest, content = read_manifest(source_of(args.zoo))
    if args.json:
        print(json.dumps(list(manifest.agents), indent=2))
        return
    table = agent_table(manifest) if args.agents else arm_table(manifest)
    print(described(manifest, sha256(content)), table, sep="\n")


def described(manifest: Manifest, checksum: str) -> str:
    """A zoo in two lines."""
    policies = sum(bool(agent.get("policy")) for agent in manifest.agents)
    subjects = len((manifest.blind or {}).get("subjects", ()))
    return (
        f"{manifest.name}: {len(manifest.agents)} agents, {policies} of them with their policy; "
        f"{subjects} blind subjects; {len(manifest.files)} files, "
        f"{manifest.total_bytes / 2**20:.1f} MiB, built with sandbox_envs {manifest.package}\n"
        f"sha256 of zoo.json: {checksum}"
    )


def arm_table(manifest: Manifest) -> str:
    """A line for each arm of each study: agents, policies, verdicts."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for agent in manifest.agents:
        groups.setdefault((str(agent.get("study")), str(agent.get("arm"))), []).append(agent)
    rows = []
    for (study, arm), agents in groups.items():
        policies = sum(bool(agent.get("policy")) for agent in agents)
        words = Counter(_words(agents))
        said = ", ".join(f"{word} {n}" for word, n in words.most_common())
        rows.append((study, arm, str(len(agents)), str(policies), said))
    return _table(("study", "arm", "agents", "policies", "verdicts"), rows)


def agent_table(manifest: Manifest) -> str:
    """A line for each agent."""
    rows = []
    for agent in manifest.agents:
        policy = "yes" if agent.get("policy") else "no"
        cells = (agent.get(key) for key in ("path", "trainer", "seed"))
        rows.append((*map(str, cells), policy, str(agent.get("conclusion"))))
    return _table(("agent", "trainer", "seed", "policy", "conclusion"), rows)


def _words(agents: list[dict[str, Any]]) -> list[str]:
    """The verdicts on some agents in scenes that give one."""
    found = [word for agent in agents for word in agent.get("verdicts", {}).values()]
    return [str(word) for word in found]


def _table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    safe = [[one_line(text) for text in row] for row in rows]  # anybody may have written the file
    return aligned(head, safe, rule=False)


if __name__ == "__main__":
    main(tyro.cli(Args))
