"""The dose ladder of evidence in training: `python eval/experiments/dose_ladder`.

`declaration.md` has the declaration. The records are in eval/results/dose_ladder, with what
training holds at each dose (evidence.json), the table (ladder.json) and the picture that this
command makes of them.
"""

import json

import tyro

from sandbox_envs.errors import cli_errors
from sandbox_envs.eval.experiments.dose_ladder.figure import plot
from sandbox_envs.eval.experiments.dose_ladder.ladder import (
    CARD_EPISODES,
    DOSES,
    JUDGED,
    SEEDS,
    rung,
    shown,
    table,
)
from sandbox_envs.eval.experiments.planter import evidence
from sandbox_envs.eval.experiments.planter.arms import opened
from sandbox_envs.eval.experiments.runner import Args, run_experiment
from sandbox_envs.files import write_json
from sandbox_envs.progress import progress_bar
from sandbox_envs.text_tables import aligned


@cli_errors
def main(args: Args) -> None:
    """Run what is missing, print the table and draw the picture."""
    out = args.home("dose_ladder")
    arms = {f"{100 * dose:g}": {"set": (opened(dose),)} for dose in DOSES}  # per cent
    judged = run_experiment(arms, SEEDS, out, args, only=JUDGED)
    file = out / "ladder.json"
    known = json.loads(file.read_text()) if file.is_file() else []
    training = [shown(dose, known) for dose in progress_bar(DOSES, desc="playing scripts")]
    evidence.record(out / "evidence.json", CARD_EPISODES, DOSES)
    held = evidence.read(out / "evidence.json")
    parts = zip(DOSES, judged.values(), training, strict=True)
    rows = [rung(dose, agents, told, held[dose]) for dose, agents, told in parts]
    write_json(file, rows)
    plot(rows, out / "dose_ladder.png")
    print(aligned(*table(rows)))
    print(out / "dose_ladder.png")


if __name__ == "__main__":
    main(tyro.cli(Args))
