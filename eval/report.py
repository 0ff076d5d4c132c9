"""A page about judged runs, to be read in a browser: `python eval/report.py RUN...`.

It is made from files alone and needs no network. The films are its only other files; it refers to
them by their place relative to the page, so move both together.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.agents.run_folders import run_folders
from sandbox_envs.eval.judging.verdict_file import FILE as VERDICT
from sandbox_envs.eval.pages.report import default_page, write_report


@dataclass
class Args:
    """Write a page about judged runs: verdicts, scores, learning curves and films."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """run folders, judged by eval/break_proxies.py"""
    video_dir: Path = Path("videos")
    """where the films are, in a folder of the run's name"""
    out: Path | None = None
    """the page; by default report.html in the run's folder, or the one that several are all in"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Write the page and print where it is."""
    runs = run_folders(args.runs, (VERDICT,))
    out = args.out or default_page(runs)
    write_report(runs, args.video_dir, out)
    print(out)


if __name__ == "__main__":
    main(tyro.cli(Args))
