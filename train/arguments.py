"""What kinds of arguments a trainer has: those that decide its result, and all others.

A trainer's own arguments decide what is learned; those below do not. Code that compares trainings
takes each kind from here. This module needs neither torch nor MuJoCo.
"""

from collections.abc import Mapping
from typing import Any

# where the run lies, and how errors are shown
OF_THE_CALL = ("run_dir", "resume", "debug")
# these and settings of the machine: none of them changes what is learned
OF_THE_MACHINE = ("device", "torch_threads", *OF_THE_CALL)
# arguments that select and change scenes; the scenes' hashes identify them better
OF_THE_SCENES = ("scene", "set", "reward")
# arguments in which agents of one group may differ: each is an independent draw
FREE_IN_A_GROUP = ("seed", *OF_THE_MACHINE)


def without(args: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The arguments except those of some names."""
    return {name: value for name, value in args.items() if name not in names}
