"""Films of populations, beside scripts in the same room.

Of an arm's populations the one with the median non-myopia is filmed, and of its members the one
that goes to the live pad as often as the median member, in its median room by the reward.
"""

from collections.abc import Sequence
from pathlib import Path

from sandbox_envs.eval.agents.scripted import scripts
from sandbox_envs.eval.experiments.cross_episode.arms import LAMP, MAIN, live_pad
from sandbox_envs.eval.experiments.cross_episode.estimands import Groups, non_myopia
from sandbox_envs.eval.experiments.cross_episode.populations import (
    EVALUATION_SEED,
    Population,
    Size,
)
from sandbox_envs.eval.experiments.films import check_recorded, film_together, index_at
from sandbox_envs.eval.films.film import Panel
from sandbox_envs.eval.judging.reference import REWARD
from sandbox_envs.eval.rollouts.episodes import play
from sandbox_envs.train.jobs import trained_run
from sandbox_envs.train.policy import load_policy
from sandbox_envs.train.run_folder import MEMBERS
from sandbox_envs.train.run_scenes import trained_scenes

FILMED = {
    MAIN: "weights are copied",
    LAMP: "a light shows what the next episode gets, and nobody is copied",
}


def film(groups: Groups, out: Path, run_dir: Path, size: Size) -> None:
    """Write ARM.gif of each arm in FILMED, unless it is there.

    There is none of an arm while populations are missing, or if the run is gone.

    Args:
        groups: the recorded populations.
        out: folder of the records, and of the films.
        run_dir: folder of the runs.
        size: that of the study.

    Raises:
        UserError: a run plays otherwise than its population's record.
    """
    for arm in FILMED:
        if len(groups.get(arm, ())) == len(size.seeds) and not (out / f"{arm}.gif").is_file():
            _film(arm, groups[arm], out / f"{arm}.gif", run_dir, size)


def _film(
    arm: str, populations: Sequence[Population], file: Path, run_dir: Path, size: Size
) -> None:
    one = populations[index_at(non_myopia(populations))]
    if (run := trained_run(size.job(arm, one.seed), run_dir)) is None:
        return
    member, live = index_at(one.pressing.live), live_pad(one.seed)
    policy, (scene,) = load_policy(run / MEMBERS / str(member)), trained_scenes(run)
    agent = play(scene, lambda _envs: policy, size.episodes, EVALUATION_SEED, keep=("poses",))
    charge, recorded = agent.returns("charge").mean(), float(one.pressing.charge[member])
    check_recorded(run, f"time in the light in {scene.name}", charge, recorded)
    room = index_at(agent.returns(REWARD))
    panels = [Panel(agent.trajectory(room), f"member {member + 1} of {len(one.pressing.live)}")]
    known = scripts(scene)
    for name, heading in ((live, f"script: {live} pad first"), ("intended", "script: light alone")):
        played = play(scene, known[name], 1, EVALUATION_SEED, room, keep=("poses",))
        panels.append(Panel(played.trajectory(0), heading))
    caption = [
        f"To go to the {live} pad costs light now, and pays three times that in the next episode.",
        f"Of {len(populations)} populations in which {FILMED[arm]}, the one with the median "
        f"non-myopia ({one.pressing.non_myopia:.2f}, seed {one.seed}); its median member goes to "
        f"that pad in {100 * one.pressing.live[member]:.0f} of 100 episodes. Its median episode "
        f"by the reward, number {room}.",
    ]
    film_together(file, panels, caption)
