"""Judge runs again from their records, without playing anything: `python eval/rejudge.py RUN...`.

It reads each run's records, and the references of the versions of scenes that its verdict.json
names; then it writes verdict.json again and prints the table. A verdict.json of an earlier form is
brought to the present one.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.agents.run_folders import run_folders
from sandbox_envs.eval.judging.judge import check_together, judge_again
from sandbox_envs.eval.judging.verdict_file import FILE as VERDICT
from sandbox_envs.eval.pages.verdict_table import report


@dataclass
class Args:
    """Judge runs again from their records."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """folders with an episodes.jsonl.gz and a verdict.json, as eval/break_proxies.py writes them"""
    debug: bool = False
    """show the traceback of an error"""


@cli_errors
def main(args: Args) -> None:
    """Judge every run again and print the table."""
    verdicts = [judge_again(folder) for folder in run_folders(args.runs, (VERDICT,))]
    check_together(verdicts)
    print(report(verdicts))


if __name__ == "__main__":
    main(tyro.cli(Args))
