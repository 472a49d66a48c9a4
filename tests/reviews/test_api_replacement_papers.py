"""The API of what stands beside a replacement: who does what, contacts, files, and who holds an offer that goes."""

import pytest

from partners.models import Program
from plum_site.lib import clock
from plum_site.lib.models import AuditEvent, Outbox, User
from tests.factories.action_clients import client_of, get, send
from tests.factories.jobs import run_due
from tests.factories.replacement_clients import Hands, reach
from tests.factories.replacements import CUT_OVER_AT, happens, make_pair, make_replaceable_program
from tests.factories.tokens import TokenClient, make_client
from tests.factories.webhooks import make_endpoint

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    found = Hands()
    monkeypatch.setattr(clock, "now", lambda: found.at)
    return found


@pytest.fixture
def program(hands: Hands) -> Program:
    return make_replaceable_program()


@pytest.fixture
def pair(program: Program) -> tuple[User, User]:
    return make_pair(program)


@pytest.fixture
def anna(program: Program, pair: tuple[User, User]) -> TokenClient:
    return client_of(program, pair[0])


def test_tasks_have_owners_and_days(program: Program, pair: tuple[User, User], anna: TokenClient) -> None:
    pk = reach(program, pair, "opened")
    path = f"replacements/{pk}/tasks"
    body = {"owner": "ben", "due_date": "2026-09-01"}
    answer = send(anna, "PUT", f"{path}/compare", body)
    assert answer.json()["next"] == {"step": "compare", **body, "is_next": True}
    assert send(anna, "PUT", f"{path}/compare", {"owner": None, "due_date": None}).json()["next"]["owner"] is None
    wrong = send(anna, "PUT", f"{path}/compare", {**body, "owner": "nobody"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/owner")
    assert send(anna, "PUT", f"{path}/dance", body).status_code == 404


def test_contacts_are_kept(program: Program, pair: tuple[User, User], anna: TokenClient) -> None:
    path = f"replacements/{reach(program, pair, 'opened')}/contacts"
    spoken = {"partner": "P2", "kind": "call", "text": "They would."}
    made = [send(anna, "POST", path, spoken | {"text": text}) for text in ("They would.", "They will.")]
    assert [one.status_code for one in made] == [201, 201]
    page = get(anna, f"{path}?limit=1")
    rest = get(anna, f"{path}?limit=1&cursor={page['next_cursor']}")
    assert [row["text"] for one in (page, rest) for row in one["data"]] == ["They would.", "They will."]
    for wrong in ({"kind": "dance"}, {"text": " "}, {"partner": "P404"}):
        assert send(anna, "POST", path, spoken | wrong).status_code in (404, 422)


def test_files_are_kept_and_given_out_as_downloads(program: Program, pair: tuple[User, User], anna: TokenClient) -> None:
    path = f"replacements/{reach(program, pair, 'opened')}/files"
    body = {"name": "../Ünterms.txt", "content": "QWdyZWVkLg=="}
    made = send(anna, "POST", path, body)
    assert (made.status_code, made.json()["size_bytes"], made.json()["name"]) == (201, 7, "Ünterms.txt")
    again = send(anna, "POST", path, body)
    assert (again.status_code, again.json()["id"], len(get(anna, path)["data"])) == (200, made.json()["id"], 1)

    file = anna.get(made["Location"])
    assert (file.content, file["Content-Type"], file["X-Content-Type-Options"]) == (
        b"Agreed.",
        "application/octet-stream",
        "nosniff",
    )
    assert file["Content-Disposition"] == "attachment; filename*=utf-8''%C3%9Cnterms.txt"
    assert AuditEvent.objects.filter(action="reviews.read_replacement_file", actor__startswith="token:").count() == 1
    for wrong in ({"name": "terms.exe", "content": "Tk8="}, {"content": ""}, {"content": "not base64!"}, {"name": ""}):
        answer = send(anna, "POST", path, body | wrong)
        assert answer.status_code == 422, wrong
    assert anna.get(f"/api/v1/{path}/{10**30}").status_code == 404


def test_holders_are_named_to_whoever_may_know(
    program: Program, pair: tuple[User, User], anna: TokenClient, hands: Hands
) -> None:
    make_endpoint(program, types=["holders.notice_requested"])
    happens(program, ("unlocked", "M0", "O1"), ("unlocked", "M1", "O2"))
    pk = reach(program, pair, "cut_over")
    run_due(CUT_OVER_AT, name="reviews.tell_holders")
    path = f"replacements/{pk}/holders"

    assert anna.get(f"/api/v1/{path}").status_code == 403
    messenger = make_client(program, "timelines:read")
    rows = get(messenger, path)["data"]

    assert [(row["member"], row["offer"], row["state"]) for row in rows] == [("M0", "O1", "mailed"), ("M1", "O2", "mailed")]
    assert len({row["reference"] for row in rows}) == 2
    assert get(messenger, f"{path}?state=announced")["data"] == []
    assert AuditEvent.objects.filter(action="reviews.read_replacement_holders").count() == 1
    assert not Outbox.objects.filter(channel="webhook").exists(), "who has an address is named to nobody"
