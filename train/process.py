"""What a training does to its process beside signals: torch's settings, and memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sandbox_envs.errors import UserError


@contextmanager
def own_settings() -> Iterator[None]:
    """Put torch's threads and random numbers back at the end; too little memory is a UserError."""
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
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
