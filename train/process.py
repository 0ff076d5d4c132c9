"""Process-level handling in a training, apart from signals: torch's settings, lack of memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sandbox_envs.errors import UserError

_SEEDING = threading.Lock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's random numbers follow from the seed in the block, and then go on as before it.

    Torch has one generator for the whole process, so trainings in several threads take turns.
    """
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def check_device(device: str) -> None:
    """Raises a UserError where torch cannot compute on a device, such as "cuda" without a GPU."""
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--device {device}: torch cannot use it: {reason}") from None


@contextmanager
def own_settings() -> Iterator[None]:
    """Put the number of torch's threads back at the end; too little memory is a UserError."""
    threads = torch.get_num_threads()
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        raise UserError(
            "there is too little memory for this training; lower --num-envs, --num-steps or "
            "--hidden-size"
        ) from None
    finally:
        torch.set_num_threads(threads)
