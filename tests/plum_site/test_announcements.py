"""Announcements are made in a transaction, of types that are known, with the data that receivers rely on."""

from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from plum_site.lib import announcements
from plum_site.lib.announcements import TYPES, Announcement, address_of, announce

pytestmark = pytest.mark.django_db

FINALIZED = TYPES["review.finalized"].example


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Announcement]:
    """What a listener of its own hears."""
    kept: list[Announcement] = []
    monkeypatch.setattr(announcements, "LISTENERS", [kept.append])
    return kept


def tell(at: datetime, **changes: Any) -> None:
    announce(**({"type": "review.finalized", "program_id": 1, "key": "42", "data": FINALIZED, "at": at} | changes))


def test_listeners_hear_what_was_announced(heard: list[Announcement], at: datetime) -> None:
    tell(at)

    assert heard == [Announcement("review.finalized", 1, "42", FINALIZED, at)]


@pytest.mark.parametrize("kind", ["review.invented", "offer.published"])
def test_what_no_code_announces_is_refused(kind: str, heard: list[Announcement], at: datetime) -> None:
    with pytest.raises(ValueError, match=kind):
        tell(at, type=kind)

    assert heard == []


@pytest.mark.parametrize("data", [{}, FINALIZED | {"member": "M1"}])
def test_data_has_the_keys_that_receivers_were_promised(data: dict, heard: list[Announcement], at: datetime) -> None:
    with pytest.raises(ValueError, match="carries"):
        tell(at, data=data)

    assert heard == []


@pytest.mark.django_db(transaction=True)
def test_nothing_is_announced_outside_a_transaction(heard: list[Announcement], at: datetime) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        tell(at)
    with transaction.atomic():
        tell(at)

    assert len(heard) == 1


def test_every_type_has_a_title_and_an_example_of_codes_and_addresses() -> None:
    for kind in TYPES.values():
        assert kind.title
        assert kind.example["program"] == "acme"
        assert not {"member", "members", "email", "name"} & set(kind.example), kind.name


def test_addresses_are_whole(settings: Any) -> None:
    settings.BASE_URL = "https://plum.example.org/"

    assert address_of("api:review", "2026-06") == "https://plum.example.org/api/v1/reviews/2026-06"
