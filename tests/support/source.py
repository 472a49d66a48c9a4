"""The checkout as text and as syntax trees, for tests about the code itself."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("partners", "offers", "activity", "reviews", "exports")
PACKAGES = (*APPS, "plum_site")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file of the checkout that is, or is about to be, under version control; where git is missing, every file."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        skipped = {".venv", ".git", "var", "__pycache__"}
        return tuple(path for path in sorted(ROOT.rglob("*")) if path.is_file() and not skipped & set(path.parts))
    return tuple(path for path in (ROOT / name for name in names) if path.is_file())


def files(suffix: str, *folders: str) -> list[Path]:
    """The tracked files with one suffix under some folders (none: everywhere)."""
    under = [ROOT / folder for folder in folders] or [ROOT]
    return [path for path in tracked_files() if path.suffix == suffix and any(path.is_relative_to(folder) for folder in under)]


def code(*, migrations: bool = False) -> list[Path]:
    """The Python files of Plum itself, tests left out."""
    return [path for path in files(".py", *PACKAGES) if migrations or "migrations" not in path.parts]


def name(path: Path) -> str:
    """A path as it is written in messages and documents."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def calls(path: Path) -> tuple[ast.Call, ...]:
    """Every call in one file."""
    return tuple(node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every text constant in one file, with its line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def module_of(path: Path) -> str:
    """The dotted name under which a file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
