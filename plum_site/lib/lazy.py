"""Large libraries that few requests need, loaded when they are first used: a process that only takes events stays small."""

from importlib import import_module
from typing import Any


class _Lazy:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


def lazily(name: str) -> Any:
    """What stands for a module until one of its names is asked for, and for that module from then on."""
    return _Lazy(name)
