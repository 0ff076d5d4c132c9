"""The scenes of a run, found again where the run lies now.

A run that was moved or copied, alone or with its project, finds the scene files that it was given:
beside it as before, at the old place, or in a folder of the family's name near it. Which one is
right does not depend on the place: a scene's hash says whether it is the one trained on.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox_envs.errors import SceneError, UserError
from sandbox_envs.scene.catalog import scene_files
from sandbox_envs.scene.loading import load_scene
from sandbox_envs.scene.scene import Scene
from sandbox_envs.train.arguments import environment
from sandbox_envs.train.run_files import Training, is_file, read_training, scenes_asked
from sandbox_envs.training_envs import TrainingEnvs
from sandbox_envs.wrappers import wrappers_around

ABOVE = 4  # folders above a run in which its family is looked for


def asked_scenes(args: Mapping[str, Any]) -> list[Scene]:
    """The scenes that a trainer's arguments ask for.

    Raises:
        UserError: a scene, a setting or the reward is wrong; a reward that was given by --reward is
            not looked for in the scene's file.
    """
    names, overrides = scenes_asked(args)
    try:
        return [load_scene(name, overrides) for name in names]
    except SceneError as error:
        _, of_reward, what = str(error).partition(", text 'reward': ")
        if (reward := args.get("reward")) and of_reward:
            raise UserError(f"--reward {reward}: {what.removeprefix(f'{reward}: ')}") from None
        raise


def trained_scenes(folder: Path, places: str | Sequence[str] = ()) -> list[Scene]:
    """The scenes of a run, as it was trained on them.

    places: a name or file for each of them, where it lies now; none looks for them.

    Raises:
        UserError: this is not a run folder, or a scene has changed or gone since.
    """
    training = read_training(folder)
    places = (places,) if isinstance(places, str) and places else places
    if places and len(places) != len(training.given):
        raise UserError(
            f"{folder}: --scene was given {len(places)} times, and the run was trained on "
            f"{len(training.given)} scenes ({', '.join(name for name, _ in training.scenes)})"
        )
    return [
        _find(folder, training, i, places[i : i + 1] or _candidates(folder, training, i))
        for i in range(len(training.given))
    ]


def check_unchanged(
    folder: Path, scenes: Sequence[Scene], trained: Sequence[tuple[str, str]]
) -> None:
    """Raise UserError where a scene is not as it was when the run was started.

    trained: the name and hash of each.
    """
    for scene, (name, scene_hash) in zip(scenes, trained, strict=True):
        if scene.hash != scene_hash:
            raise UserError(
                f"{folder}: the scene {name} has changed since it was trained ({scene.path} is "
                "another one); put back the old file, or train again"
            )


def check_wrapped_alike(folder: Path, envs: TrainingEnvs, trained: Sequence[str]) -> None:
    """Raise UserError where the wrappers are not those that the run was started with.

    trained: their names, outermost first.
    """
    given = wrappers_around(envs)
    if given != list(trained):
        raise UserError(
            f"{folder}: it was trained in {environment(trained)}, and would go on in "
            f"{environment(given)}; give `main` the `wrap` of its training (docs/training.md)"
        )


def _find(folder: Path, training: Training, number: int, places: Sequence[str]) -> Scene:
    """One of the scenes, from the first place that holds it."""
    others, problems = list[Scene](), list[UserError]()
    for place in places:
        try:
            scene = load_scene(place, training.overrides[number])
        except UserError as error:
            problems.append(error)
        else:
            if scene.hash == training.scenes[number][1]:
                return scene
            others.append(scene)
    if others:
        _check_named(folder, others[0], training.scenes[number][0])
        check_unchanged(folder, others[:1], training.scenes[number : number + 1])
    gone = is_file(places[0]) and not Path(places[0]).is_file()
    advice = "; put it back, or name its new place with --scene FILE" if gone else ""
    raise UserError(f"{folder}: {problems[0]}{advice}")


def _check_named(folder: Path, scene: Scene, name: str) -> None:
    """Raise UserError where a scene that was given is another one than that of this name."""
    if scene.name != name:
        raise UserError(
            f"--scene {scene.name}: {folder} was trained on {name}, and --scene only says where "
            f"that one's file lies now; to train on another scene from these weights, start a new "
            f"run with --initial-weights {folder} in place of --resume"
        )


def _candidates(folder: Path, training: Training, number: int) -> list[str]:
    """Candidates for a scene, best first: its name, or every existing file that may be it."""
    given = training.given[number]
    if not is_file(given):
        return [given]
    places = [str(place) for place in _files(folder, given, training.files[number])]
    name = training.scenes[number][0]
    existing = [place for place in dict.fromkeys(places) if Path(place).is_file()]
    return [*existing, *([name] if name in scene_files() else [])] or [given]


def _files(folder: Path, given: str, relative: str | None) -> Iterator[Path]:
    if relative:
        yield Path(os.path.normpath(folder.resolve() / relative))
    yield Path(given)
    below = Path(*Path(given).parts[-2:])
    for start in (Path(os.path.abspath(folder)), folder.resolve()):
        for above in start.parents[:ABOVE]:
            yield above / below
    yield Path.cwd() / below


def check_control_rate(folder: Path, scene: Scene, advice: str) -> None:
    """Refuse to let a run's policy act at another rate than it was trained at.

    A run whose scenes are not found, or have changed, is taken as it is.

    advice: what to do instead, for the message.

    Raises:
        UserError: the rates differ.
    """
    try:
        trained = trained_scenes(folder)
    except UserError:
        return
    for one in trained:
        if one.control_hz != scene.control_hz:
            raise UserError(
                f"{folder}: it was trained at {one.control_hz:g} actions per second, and "
                f"{scene.name} takes {scene.control_hz:g}; {advice}"
            )
