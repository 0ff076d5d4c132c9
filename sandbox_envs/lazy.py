"""Names of a package that are imported only when they are used (PEP 562)."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A module `__getattr__` for a package's public names.

    Importing a package then costs only what is used of it: judging records, for instance, loads
    neither MuJoCo nor torch.

    Args:
        package: the package's `__name__`.
        modules: public name -> the full name of the module that defines it. A name that is itself
            the last part of its module's name stands for that module.
    """

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        module = import_module(modules[name])
        return module if modules[name] == f"{package}.{name}" else getattr(module, name)

    return load
