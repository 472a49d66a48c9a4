"""Every test of exports has a storage of its own."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, settings: Any) -> Path:
    """The folder that packages lie in."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"
