"""A running Plum of its own for each fault test."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lab import ROOT, Lab


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with an empty, migrated SQLite database, made once."""
    folder = tmp_path_factory.mktemp("migrated") / "var"
    template = Lab.__new__(Lab)
    template.var, template.home, template.folder = folder, folder, folder.parent
    command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--no-input", "-v", "0"]
    subprocess.run(command, cwd=ROOT, env=template.environment, check=True)
    return folder


@pytest.fixture
def lab(tmp_path: Path, migrated: Path) -> Iterator[Lab]:
    """The lab, with nothing running yet."""
    made = Lab(tmp_path, migrated)
    try:
        yield made
    finally:
        made.close()
