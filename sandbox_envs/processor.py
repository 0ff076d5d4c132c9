"""The processor of this machine, and how many cores and threads a process may use.

The same seed draws differently on another kind of processor; the number of threads changes nothing.
"""

import os
import platform
from pathlib import Path


def processor() -> str:
    """The processor's name, which Python knows on few systems only."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def available_cores() -> int:
    """Cores that this process may use: a scheduler, a container or `taskset` may keep some back."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count() -> int:
    """Threads for the physics where none are asked for: a core each, OMP_NUM_THREADS at most.

    The variable is OpenMP's, which schedulers and Ray set for what they start. As there, a value
    that is no positive number is passed over, and of a list the first number counts.
    """
    cores = available_cores()
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(int(asked), cores) if asked.isdecimal() and int(asked) > 0 else cores
