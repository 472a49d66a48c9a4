"""`manage.py verify creatives`: a picture whose file is gone or was changed is named, with what to do."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from offers.models import Creative
from offers.selectors.creatives import SMALL, creative_file
from offers.services import bring_creative
from offers.verify import check_creatives
from partners.models import Program
from tests.factories.offers import picture
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def creative(program: Program) -> Creative:
    at = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
    bring_creative(program_id=program.pk, content=picture(400, 300), actor="system", at=at)
    return bring_creative(program_id=program.pk, content=picture(), actor="system", at=at)


def faults() -> list[str]:
    [finding] = check_creatives()
    assert (finding.check, finding.checked) == ("acme: pictures", 2)
    return finding.violations


def small_of(creative: Creative) -> Path:
    return creative_file(f"{creative.sha256}{SMALL}.{creative.extension}")


def test_what_was_brought_is_found_whole(creative: Creative) -> None:
    assert faults() == []


def test_a_missing_file_is_named(creative: Creative) -> None:
    creative_file(creative.name).unlink()
    [fault] = faults()
    assert fault.startswith(f"the file of picture {creative.pk} is missing: ")
    assert "bring the same picture again" in fault


def test_a_single_changed_byte_is_found(creative: Creative) -> None:
    path = creative_file(creative.name)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    [fault] = faults()
    assert fault.startswith(f"the file of picture {creative.pk} is damaged: ")
    assert str(path) in fault


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_small_form_that_is_missing_or_empty_is_named(creative: Creative, harm: Any) -> None:
    harm(small_of(creative))
    [fault] = faults()
    assert fault.startswith(f"the small form of picture {creative.pk} is missing or empty: ")


def test_bringing_the_same_picture_again_heals_it(program: Program, creative: Creative) -> None:
    creative_file(creative.name).unlink()
    small_of(creative).unlink()
    bring_creative(program_id=program.pk, content=picture(), actor="system", at=datetime(2026, 7, 16, tzinfo=UTC))
    assert faults() == []
