"""The version of the package, of a clone or of what is installed."""

import configparser
from importlib import metadata
from pathlib import Path


def _version() -> str:
    """Of the clone that this file is in, whose installed metadata may be of an older commit."""
    settings = configparser.ConfigParser()
    settings.read(Path(__file__).resolve().parents[1] / "setup.cfg", encoding="utf-8")
    if settings.get("metadata", "name", fallback="") == "sandbox_envs":
        return settings.get("metadata", "version")
    return metadata.version("sandbox_envs")


__version__ = _version()
