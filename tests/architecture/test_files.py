"""Files stay small, are named by their layer, and carry nothing that belongs elsewhere."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.source import APPS, PACKAGES, code, files, name, texts, tracked_files, tree

SOFT_LIMIT, WALL = 400, 600
# A file above the soft limit needs an ADR that says why: path to ADR.
LONG_FILES: dict[str, str] = {"plum": "docs/adr/0001"}
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "signals.py", "managers.py", "constants.py", "misc.py", "common.py"}
TEXT_SUFFIXES = {
    ".py",
    ".md",
    ".html",
    ".toml",
    ".yaml",
    ".yml",
    ".txt",
    ".json",
    ".css",
    ".js",
    ".lock",
    ".sh",
    ".cfg",
    ".ini",
    "",
}
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:home|Users|root|work|tmp/[a-z]+/v)/[\w.-]")


def written_by_hand() -> list[Path]:
    vendored = ("static/vendor", "static/plum/vendor")
    return [
        path
        for path in tracked_files()
        if path.suffix in {".py", ".html", ".css", ".js"}
        and not any(part in name(path) for part in vendored)
        and ".min." not in path.name
    ] + [path for path in tracked_files() if name(path) == "plum"]


def test_no_file_grows_beyond_its_limit() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in written_by_hand()}
    long = {path: length for path, length in lengths.items() if length > SOFT_LIMIT}

    assert {path: length for path, length in long.items() if path not in LONG_FILES} == {}
    assert {path: length for path, length in long.items() if length > WALL} == {}


@pytest.mark.parametrize(("path", "adr"), LONG_FILES.items())
def test_a_long_file_is_explained_by_a_decision(path: str, adr: str, checkout: Path) -> None:
    found = list(checkout.glob(f"{adr}-*.md"))

    assert found, f"{adr} does not exist"
    assert f"`{path}`" in found[0].read_text() or f"./{path}" in found[0].read_text()


def test_no_file_is_named_after_nothing() -> None:
    assert [name(path) for path in files(".py", *PACKAGES, "tests") if path.name in FORBIDDEN_NAMES] == []


def test_nothing_is_left_for_later() -> None:
    pattern = re.compile(r"\b(?:TODO|FIXME|HACK)\b(?!\(#\d+\))")
    mine = Path(__file__)

    found = [
        name(path)
        for path in written_by_hand() + files(".md")
        if path != mine and pattern.search(path.read_text(encoding="utf-8"))
    ]

    assert found == []


def can_fail(function: ast.FunctionDef) -> bool:
    """Whether a test asserts something, expects an error, or leaves that to a function that is named after it."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and re.search(r"raises|warns|fail|assert|check|expect|verify", ast.unparse(node.func)):
            return True
    return False


@pytest.mark.slow
def test_every_test_can_fail() -> None:
    tests = [(path, node) for path in files(".py", "tests") for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)]

    assert [f"{name(path)}:{node.lineno}" for path, node in tests if node.name.startswith("test_") and not can_fail(node)] == []


def test_texts_name_no_folder_of_one_machine() -> None:
    found = {}
    for path in tracked_files():
        if path.suffix in TEXT_SUFFIXES and path != Path(__file__) and path.stat().st_size < 2_000_000:
            text = path.read_text(encoding="utf-8", errors="replace")
            if match := MACHINE_PATH.search(text):
                found[name(path)] = match[0]

    assert found == {}


@pytest.mark.parametrize("app", [*APPS, "plum_site/lib"])
def test_every_app_introduces_itself(app: str, checkout: Path) -> None:
    """Ten lines: what it owns, what it never does, how one enters and leaves, what to read first."""
    text = (checkout / app / "README.md").read_text().lower()

    assert len(text.splitlines()) <= 40
    assert all(word in text for word in ("owns", "never", "enter", "leave", "read first"))


@pytest.mark.parametrize("path", files(".html", *PACKAGES), ids=name)
def test_templates_carry_no_inline_script_or_style(path: Path) -> None:
    """The content security policy would refuse them."""
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")[^>]*>", text)
    assert not re.search(r"<style\b|\sstyle=|\son\w+=\"|javascript:", text)


@pytest.mark.slow
def test_settings_are_not_a_language(checkout: Path) -> None:
    base = (checkout / "plum_site/settings/base.py").read_text()
    everything = "".join(path.read_text() for path in files(".py", "plum_site/settings"))

    assert len(base.splitlines()) <= 250
    assert "sys.argv" not in everything
    assert [name(path) for path in code() if any("IS_PRODUCTION" in text for _, text in texts(path))] == []


def test_root_conftest_stays_readable(checkout: Path) -> None:
    assert len((checkout / "tests/conftest.py").read_text().splitlines()) <= 150
