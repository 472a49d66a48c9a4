"""The front door, `./plum`, as a module: the running one if this is its process, else a copy that was loaded here."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

PATH = Path(__file__).resolve().parent.parent.parent / "plum"


def find_door() -> ModuleType:
    """The module; one per process, so that its exceptions can be caught by their class."""
    main = sys.modules["__main__"]
    if Path(getattr(main, "__file__", None) or "").resolve() == PATH:
        return main
    loader = SourceFileLoader("plum_front_door", str(PATH))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    if spec is None:
        raise ImportError(f"{PATH} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


door = find_door()
