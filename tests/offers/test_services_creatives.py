"""Pictures of the catalog: kept under their hash, fetched by everybody, tidied where nothing shows them."""

import os
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from offers.models import Creative, Offer
from offers.selectors import creative_url
from offers.services import bring_creative, publish_listing, save_draft, tidy_creatives
from partners.models import Program
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_draft, make_offer, picture
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client, make_token
from tests.offers.test_api_writes import faults, send

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
LATER = AT + timedelta(days=8)


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media" / "creatives"


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


@pytest.fixture
def offer(program: Program) -> Offer:
    return make_offer(program)


def bring(program: Program, content: bytes = b"", at: datetime = AT) -> Creative:
    return bring_creative(program_id=program.pk, content=content or picture(), actor="system", at=at)


def fetch(creative: Creative, *, small: bool = False, **headers: str) -> Any:
    path = "/" + creative_url(creative, small=small).split("/", 3)[3]
    return Client().get(path, headers=headers)


def files(media: Path) -> list[str]:
    return sorted(path.name for path in media.glob("*/*"))


def age(media: Path, days: int) -> None:
    """As if everything had been written so many days before the sweep."""
    then = (LATER - timedelta(days=days)).timestamp()
    for path in media.glob("*/*"):
        os.utime(path, (then, then))


def test_everybody_fetches_it_for_ever(program: Program) -> None:
    creative = bring(program)

    answer = fetch(creative)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in answer
    assert len(answer.content) == creative.size_bytes
    assert fetch(creative, small=True).content.startswith(b"\xff\xd8")
    assert fetch(creative, if_none_match=answer["ETag"]).status_code == 304


@pytest.mark.parametrize("name", ["x.jpg", "../../plum.sqlite3", "a" * 64 + ".svg", "a" * 64 + ".jpg", "a" * 64 + ".jpg.html"])
def test_no_other_file_is_reached(program: Program, name: str) -> None:
    bring(program)

    assert Client().get(f"/creatives/{name}").status_code == 404


def test_the_same_picture_is_one_row_of_a_program_and_one_file(program: Program, media: Path) -> None:
    first, again = bring(program), bring(program)
    other = bring(make_program("other"))

    assert first == again
    assert other != first
    assert files(media) == sorted([first.name, f"{first.sha256}-small.jpg"])
    assert AuditEvent.objects.filter(action="offers.bring_creative").count() == 2


def test_nobody_else_on_the_machine_reads_the_files(program: Program, media: Path) -> None:
    bring(program)

    assert {path.stat().st_mode & 0o077 for path in media.rglob("*")} == {0}


def test_what_nothing_shows_goes_after_a_week(program: Program, media: Path) -> None:
    creative = bring(program)

    assert tidy_creatives(at=AT + timedelta(days=6)) == {"creatives": 0, "files": 0}
    age(media, 8)
    assert tidy_creatives(at=LATER) == {"creatives": 1, "files": 2}
    assert files(media) == []
    assert fetch(creative).status_code == 404
    assert tidy_creatives(at=LATER) == {"creatives": 0, "files": 0}


@pytest.mark.parametrize("shown_by", ["a listing", "an earlier listing", "a draft"])
def test_what_is_shown_stays(program: Program, offer: Offer, media: Path, shown_by: str) -> None:
    url = creative_url(bring(program))
    if shown_by == "a draft":
        make_draft(offer, creative_url=url)
    else:
        publish_listing(offer_id=offer.pk, title="With picture", creative_url=url, actor="system", at=AT)
    if shown_by == "an earlier listing":
        publish_listing(offer_id=offer.pk, title="Without", actor="system", at=AT)
    age(media, 8)

    assert tidy_creatives(at=LATER) == {"creatives": 0, "files": 0}
    assert len(files(media)) == 2


def test_a_change_of_the_sites_address_loses_no_picture(program: Program, offer: Offer, media: Path, settings: Any) -> None:
    publish_listing(offer_id=offer.pk, title="x", creative_url=creative_url(bring(program)), actor="system", at=AT)
    settings.BASE_URL = "https://moved.example.org"
    age(media, 8)

    assert tidy_creatives(at=LATER) == {"creatives": 0, "files": 0}


def test_files_that_a_crash_left_go_and_new_ones_wait_for_their_row(program: Program, offer: Offer, media: Path) -> None:
    creative = bring(program)
    make_draft(offer, creative_url=creative_url(creative))
    (media / "ab").mkdir()
    (media / "ab" / f"{'ab' * 32}.jpg").write_bytes(b"left")
    (media / "ab" / ".0123.part").write_bytes(b"half")
    age(media, 2)  # written on 21 July

    assert tidy_creatives(at=LATER - timedelta(days=1, hours=1)) == {"creatives": 0, "files": 0}
    assert tidy_creatives(at=LATER - timedelta(hours=20))["files"] == 2
    assert files(media) == sorted([creative.name, f"{creative.sha256}-small.jpg"])


def test_a_listing_shows_only_pictures_that_are_there(program: Program, offer: Offer) -> None:
    foreign = creative_url(bring(make_program("other")))

    with pytest.raises(InvalidInput) as refused:
        save_draft(offer_id=offer.pk, title="x", creative_url=foreign, actor="system", at=AT)

    assert refused.value.code == "unknown_picture"


def test_by_api(program: Program) -> None:
    client = make_client(program, "catalog:write")
    body = {"picture": b64encode(picture(800, 600)).decode()}

    answer = send(client, "POST", "creatives", body)

    creative = Creative.objects.get()
    assert (answer.status_code, answer.body["url"], answer.body["width"]) == (200, creative_url(creative), 800)
    small = Client().get("/" + answer.body["small_url"].split("/", 3)[3])
    assert small.content.startswith(b"\xff\xd8")
    assert send(client, "POST", "creatives", body, Idempotency_Key="k1").body["url"] == answer.body["url"]
    bad = send(client, "POST", "creatives", {"picture": b64encode(b"<svg/>").decode()})
    assert (bad.status_code, bad.body["code"], list(faults(bad))) == (422, "not_a_picture", ["/picture"])
    assert send(client, "POST", "creatives", {"picture": "#"}).status_code == 422
    assert send(client, "POST", "creatives", {"picture": "A" * 7_100_000}).status_code == 413
    assert send(make_client(program, "catalog:read"), "POST", "creatives", body).status_code == 403


def test_a_rehearsal_keeps_no_row(program: Program) -> None:
    sandbox = TokenClient(make_token(program, "catalog:write", is_sandbox=True)[1])

    assert send(sandbox, "POST", "creatives", {"picture": b64encode(picture()).decode()}).status_code == 200
    assert not Creative.objects.exists()
