"""Which processor this machine has: the same seed draws differently on another kind."""

import platform
from pathlib import Path


def processor() -> str:
    """The processor's name, which Python knows on few systems only."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
