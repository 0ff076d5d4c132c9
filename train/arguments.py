"""What kinds of arguments a trainer has: those that decide its result, and all others.

A trainer's own arguments decide what is learned. Those below do not, and each kind is named once
here, for whoever compares trainings. Neither torch nor MuJoCo is needed.
"""

from collections.abc import Mapping
from typing import Any

# arguments of one call: where the run lies, and how errors are shown
OF_THE_CALL = ("run_dir", "resume", "debug")
# these, and what may differ from machine to machine: none of them changes what is learned
OF_THE_MACHINE = ("device", "torch_threads", *OF_THE_CALL)
# arguments that select and change scenes; the scenes' hashes identify them better
OF_THE_SCENES = ("scene", "set", "reward")
# arguments in which agents of one group may differ: each is an independent draw
FREE_IN_A_GROUP = ("seed", *OF_THE_MACHINE)


def without(args: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The arguments but for some names."""
    return {name: value for name, value in args.items() if name not in names}
