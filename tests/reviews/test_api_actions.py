"""The API of corrective actions: proposed, edited, approved by another token, carried out by a worker, reverted."""

from datetime import date
from typing import Any

import pytest

from offers.choices import OfferState
from offers.models import Offer
from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.clock import now
from plum_site.lib.models import AuditEvent, Job, User
from reviews.models import ActionTransition, CorrectiveAction, FlagCase
from reviews.services.actions import edit_action
from tests.factories.action_clients import PAUSE, client_of, get, proposed, send, step
from tests.factories.actions import AT, WORDS, carry_out, make_correctable_program, propose
from tests.factories.flags import make_case, watch_alone
from tests.factories.jobs import run_due
from tests.factories.offers import make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

STEPS = ["propose", "approve", "schedule", "begin", "finish", "watch", "measure", "revert"]
RERANK = {"offers": ["O3"], "how": "top"}


@pytest.fixture
def program() -> Program:
    return make_correctable_program()


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


@pytest.fixture
def ben(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "ben")


@pytest.fixture
def client(program: Program, anna: User) -> TokenClient:
    return client_of(program, anna)


def work() -> list[str]:
    """Everything that is due, as a worker does it."""
    return run_due(now(), name="reviews.execute_action")


def shown(program: Program) -> list[str]:
    rows = get(make_client(program, "catalog:read"), "catalog")["data"]
    return [row["offer"] for row in rows]


def test_from_a_proposal_to_its_revert(program: Program, client: TokenClient, ben: User) -> None:
    before = shown(program)
    answer = send(client, "POST", "actions", {**PAUSE, "kind": "rerank", "params": RERANK, "reason": "Nobody sees it."})
    body = answer.json()
    assert (answer.status_code, answer["Location"]) == (201, f"/api/v1/actions/{body['id']}")
    assert (body["state"], body["proposer"], body["revision"], body["needs_two"]) == ("proposed", "anna", 1, False)
    assert body["sentence"] == "O3 of Partner P1: to the top, for everyone."
    assert body["preview"]["changes"] == [{"what": "O3", "before": "place 3", "after": "place 1"}]
    assert [one["name"] for one in body["allowed_actions"]] == ["approve", "reject", "cancel"]
    assert shown(program) == before

    other = client_of(program, ben)
    approved = step(other, body["id"], "approve", "Go on.").json()  # type: ignore[attr-defined]
    assert (approved["state"], approved["approver"]) == ("scheduled", "ben")
    assert shown(program) == before, "nothing is done before the job runs"

    assert work() == ["done"]
    done = get(client, f"actions/{body['id']}")
    assert (done["state"], done["verdict"], shown(program)[0], done["preview"]) == ("measured", "cannot_tell", "O3", None)
    assert done["before"] != done["after"]

    back = step(other, body["id"], "revert", "It did not help.").json()  # type: ignore[attr-defined]
    assert (back["state"], shown(program)) == ("reverted", before)
    assert [row["name"] for row in back["history"]] == STEPS
    assert back["history"][1]["actor"].startswith("token:")


def test_a_revert_over_what_somebody_changed_shows_three_versions(program: Program, client: TokenClient, anna: User) -> None:
    action = carry_out(propose(program, anna, "rerank", params=RERANK), anna, at=now())
    carry_out(propose(program, anna, "rerank", params={"offers": ["O2"], "how": "top"}), anna, at=now())

    answer: Any = step(client, action.pk, "revert", "Back.")

    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "changed_since")
    revisions = [body["versions"][name]["revision"] for name in ("before", "after", "now")]
    assert revisions == [revisions[0], revisions[0] + 1, revisions[0] + 2]
    action.refresh_from_db()
    assert (action.state, action.reverted_at) == ("measured", None)


def test_an_edit_is_another_revision_and_the_same_again_is_none(program: Program, client: TokenClient) -> None:
    pk = proposed(client)
    first = client.get(f"/api/v1/actions/{pk}")

    same = send(client, "PATCH", f"actions/{pk}", {"params": {"offers": ["O1"]}})
    assert (same.json()["revision"], same["ETag"]) == (1, first["ETag"])

    edited = send(client, "PATCH", f"actions/{pk}", {"params": {"offers": ["O2"]}}, If_Match=first["ETag"])
    assert (edited.status_code, edited.json()["revision"], edited.json()["editor"]) == (200, 2, "anna")

    late = send(client, "PATCH", f"actions/{pk}", {"params": {"offers": ["O3"]}}, If_Match=first["ETag"])
    assert late.status_code == 412
    assert CorrectiveAction.objects.get().params == {"offers": ["O2"]}


def test_notes_and_the_present_catalog_do_not_change_what_was_seen(program: Program, client: TokenClient) -> None:
    pk = proposed(client, params={"offers": ["O1", "O2"]})
    etag = client.get(f"/api/v1/actions/{pk}")["ETag"]

    noted = send(client, "POST", f"actions/{pk}/notes", {"text": "See the ticket.", "url": "https://example.org/1"})
    Offer.objects.filter(external_id="O2").update(state=OfferState.PAUSED)

    assert noted.status_code == 201
    assert [(note["text"], note["url"]) for note in noted.json()["notes"]] == [("See the ticket.", "https://example.org/1")]
    assert step(client, pk, "approve", etag=etag).status_code == 200


def test_to_approve_one_says_what_one_saw(program: Program, client: TokenClient, anna: User) -> None:
    pk = proposed(client)
    for headers in ({}, {"If_Match": "*"}):
        unseen = send(client, "POST", f"actions/{pk}/transitions", {"name": "approve"}, **headers)
        assert (unseen.status_code, unseen.json()["code"]) == (428, "precondition_required")
    etag = unseen["ETag"]
    edit_action(action_id=pk, actor=anna, at=AT, params={"offers": ["O2"]})

    late: Any = step(client, pk, "approve", etag=etag)

    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert CorrectiveAction.objects.get().state == "proposed"


def test_in_bulk_each_is_told_what_became_of_it(program: Program, client: TokenClient) -> None:
    good, edited, impossible = proposed(client), proposed(client), proposed(client, kind="rerank", params=RERANK)
    send(client, "PATCH", f"actions/{edited}", {"reason": "Because."})
    CorrectiveAction.objects.filter(pk=impossible).update(params={"offers": ["O9"], "how": "top"})
    named = [good, edited, impossible, 987, 10**30]

    answer = send(client, "POST", "actions/approve", {"actions": [{"id": pk, "revision": 1} for pk in named]})

    results = answer.json()["results"]
    assert [row["id"] for row in results] == named
    assert [row["code"] for row in results] == ["", "changed_since", "unknown_offer", "not_found", "not_found"]
    assert [row["is_approved"] for row in results] == [True, False, False, False, False]
    assert "revision 2 stands, not 1" in results[1]["detail"]
    states = dict(CorrectiveAction.objects.values_list("pk", "state"))
    assert states == {good: "scheduled", edited: "proposed", impossible: "proposed"}


def test_a_proposal_that_is_sent_twice_with_a_key_is_one(program: Program, client: TokenClient) -> None:
    first, again = (send(client, "POST", "actions", PAUSE, Idempotency_Key="a-1") for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert again["Idempotent-Replayed"] == "true"
    assert CorrectiveAction.objects.count() == 1


def test_a_sandbox_token_rehearses_and_nothing_stays(program: Program, anna: User, client: TokenClient) -> None:
    pk = proposed(client)
    sandbox = client_of(program, anna, is_sandbox=True)
    counts = (ActionTransition.objects.count(), AuditEvent.objects.count())

    assert send(sandbox, "POST", "actions", PAUSE).status_code == 201
    rehearsed: Any = step(sandbox, pk, "approve")
    bulk = send(sandbox, "POST", "actions/approve", {"actions": [{"id": pk, "revision": 1}]})

    assert (rehearsed.status_code, rehearsed["Plum-Sandbox"], rehearsed.json()["state"]) == (200, "true", "scheduled")
    assert bulk.json()["results"][0]["is_approved"]
    assert (ActionTransition.objects.count(), AuditEvent.objects.count()) == counts
    assert not Job.objects.filter(name="reviews.execute_action").exists()
    assert CorrectiveAction.objects.get().state == "proposed"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 3),
        ("?state=proposed", 2),
        ("?state=measured", 1),
        ("?kind=rerank", 1),
        ("?partner=P1", 3),
        ("?partner=P2", 0),
        ("?segment=north", 1),
        ("?month=2026-06", 0),
        ("?owner=otis", 1),
        ("?verdict=worked", 0),
        ("?verdict=cannot_tell", 1),
        ("?flag=4001", 1),
        ("?flag=1", 0),
    ],
)
def test_filters(program: Program, anna: User, query: str, found: int) -> None:
    otis = make_member_of_staff(program, Role.PARTNER_OPS, "otis")
    make_segment(program, "north")
    watch_alone(program)
    case = make_case(program, 4001, date(2026, 6, 1))
    propose(program, anna, owner=otis, case=case)
    propose(program, anna, "rerank", params=RERANK, segment="north")
    carry_out(propose(program, anna), anna, at=now())

    assert len(get(make_client(program, "reviews:read"), f"actions{query}")["data"]) == found


@pytest.mark.parametrize("query", ["?state=gone", "?month=June", "?kind=dance", "?flag=x", "?flag=0", "?colour=red"])
def test_a_filter_that_is_none_is_refused(client: TokenClient, query: str) -> None:
    assert client.get(f"/api/v1/actions{query}").status_code == 400


def test_pages(client: TokenClient) -> None:
    made = [proposed(client) for _ in range(3)]
    first = get(client, "actions?limit=2")
    second = get(client, f"actions?limit=2&cursor={first['next_cursor']}")
    assert [row["id"] for page in (first, second) for row in page["data"]] == made[::-1]


def test_a_list_asks_the_database_no_more_for_more_rows(
    client: TokenClient, django_assert_max_num_queries: Any, program: Program, anna: User
) -> None:
    for _ in range(3):
        action = propose(program, anna)
        CorrectiveAction.objects.filter(pk=action.pk).update(needs_two=True)
    get(client, "actions")
    with django_assert_max_num_queries(8):
        get(client, "actions")


def test_what_cannot_be_done_now_says_why(program: Program, client: TokenClient) -> None:
    paused = proposed(client)
    Offer.objects.filter(external_id="O1").update(state=OfferState.PAUSED)
    draft = propose(program, "system", "refresh_listing", params={"offers": ["O1"]})

    first, second = (get(client, f"actions/{pk}")["preview"] for pk in (paused, draft.pk))

    assert (first["is_possible"], first["changes"]) == (False, [])
    assert "None of these offers is published" in first["refusal"]
    assert "title: Say something here." in second["refusal"]


def test_what_a_rule_proposed_is_taken_up(program: Program, client: TokenClient) -> None:
    action = propose(program, "system", "refresh_listing", params={"offers": ["O1"]}, reason="Seen, not liked.")
    before = get(client, f"actions/{action.pk}")
    assert (before["proposer"], before["allowed_actions"][0]["name"]) == (None, "take_up")

    taken: Any = step(client, action.pk, "take_up", "Mine.")
    edited = send(client, "PATCH", f"actions/{action.pk}", {"params": {"offers": ["O1"], **WORDS}})

    assert (taken.json()["proposer"], taken.json()["history"][-1]["comment"]) == ("anna", "Mine.")
    assert "take_up" not in [one["name"] for one in taken.json()["allowed_actions"]]
    assert edited.json()["preview"]["is_possible"]


def test_an_action_that_failed_says_why_and_is_tried_again(program: Program, client: TokenClient) -> None:
    pk = proposed(client)
    step(client, pk, "approve")
    Offer.objects.filter(external_id="O1").update(state=OfferState.PAUSED)
    work()
    failed = get(client, f"actions/{pk}")
    assert (failed["state"], failed["preview"]["is_possible"]) == ("failed", False)
    assert "None of these offers is published" in failed["failure"]
    assert [one["name"] for one in failed["allowed_actions"]] == ["retry"]

    Offer.objects.filter(external_id="O1").update(state=OfferState.PUBLISHED)
    again: Any = step(client, pk, "retry", "Put right.")
    work()

    assert again.json()["history"][-1]["comment"] == "Put right."
    assert get(client, f"actions/{pk}")["executed_at"]


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"params": {"offers": []}}, 422, "/params/offers"),
        ({"params": {"offers": ["O9"]}}, 409, None),
        ({"partner": "P9"}, 404, None),
        ({"kind": "dance"}, 422, "/kind"),
        ({"segment": "north"}, 422, "/segment"),
        ({"owner": "nobody"}, 422, "/owner"),
        ({"owner": "stranger"}, 422, "/owner"),
        ({"flag": 10**30}, 404, None),
        ({"colour": "red"}, 422, "/colour"),
        ({"reason": "x" * 4001}, 422, "/reason"),
        ({"due_date": "tomorrow"}, 422, "/due_date"),
    ],
)
def test_a_proposal_that_is_wrong_says_where(
    program: Program, client: TokenClient, changes: dict[str, Any], status: int, pointer: str | None
) -> None:
    make_member_of_staff(make_program("other"), Role.PROGRAM_ADMIN, "stranger")

    answer = send(client, "POST", "actions", PAUSE | changes)

    assert answer.status_code == status, answer.content
    assert "othing was" in answer.json()["detail"] or status == 404
    assert pointer in [row["pointer"] for row in answer.json().get("errors", [{"pointer": None}])]
    assert not CorrectiveAction.objects.exists()


def test_an_action_answers_a_flag_of_its_partner(program: Program, client: TokenClient) -> None:
    watch_alone(program)
    case = make_case(program, 4002, date(2026, 6, 1))
    assert get(client, f"actions/{proposed(client, flag=4002)}")["flag"] == 4002

    FlagCase.objects.filter(pk=case.pk).update(partner=program.partners.get(external_id="P2"))
    answer = send(client, "POST", "actions", PAUSE | {"flag": 4002})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/flag")
    assert CorrectiveAction.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "reject"}, 422, "comment_required"),
        ({"name": "revert", "comment": "Back."}, 409, "transition_refused"),
        ({"name": "edit"}, 409, "transition_refused"),
        ({"name": "finish"}, 409, "transition_refused"),
        ({"name": "take_up"}, 422, "taken_up"),
        ({}, 422, "invalid"),
    ],
)
def test_a_step_that_is_refused_changes_nothing(client: TokenClient, body: dict[str, str], status: int, code: str) -> None:
    pk = proposed(client)
    answer = send(client, "POST", f"actions/{pk}/transitions", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ActionTransition.objects.count() == 1


def test_a_token_that_only_reads_is_offered_nothing(program: Program, client: TokenClient) -> None:
    pk = proposed(client)
    reader = make_client(program, "reviews:read")
    assert get(reader, f"actions/{pk}")["allowed_actions"] == []
    for method, path, body in (
        ("POST", "actions", PAUSE),
        ("PATCH", f"actions/{pk}", {"reason": "x"}),
        ("POST", f"actions/{pk}/notes", {"text": "x"}),
        ("POST", f"actions/{pk}/transitions", {"name": "cancel", "comment": "x"}),
        ("POST", "actions/approve", {"actions": [{"id": pk, "revision": 1}]}),
        ("PUT", "approvals", {}),
        ("PUT", "playbook", {"lines": []}),
    ):
        assert send(reader, method, path, body).status_code == 403, path


def test_an_owner_and_dates_are_changed_and_taken_away(program: Program, client: TokenClient) -> None:
    otis = make_member_of_staff(program, Role.PARTNER_OPS, "otis")
    pk = proposed(client)
    given = {"owner": "otis", "due_date": "2026-11-20", "scheduled_at": "2026-11-21T08:00:00Z"}

    edited = send(client, "PATCH", f"actions/{pk}", given)

    assert edited.status_code == 200, edited.content
    assert {name: edited.json()[name] for name in given} == given
    assert CorrectiveAction.objects.get(pk=pk).owner == otis
    assert send(client, "PATCH", f"actions/{pk}", given).json()["revision"] == edited.json()["revision"], "nothing differs"

    emptied = send(client, "PATCH", f"actions/{pk}", dict.fromkeys(given))

    assert {name: emptied.json()[name] for name in given} == dict.fromkeys(given)
    assert emptied.json()["revision"] == edited.json()["revision"] + 1
    assert send(client, "PATCH", f"actions/{pk}", {"owner": None}).json()["revision"] == emptied.json()["revision"]


@pytest.mark.parametrize(
    ("owner", "said"),
    [("nemo", "There is nobody called 'nemo'."), ("olga", "olga works in no role in this program.")],
)
def test_an_owner_who_does_not_work_here_is_refused(program: Program, client: TokenClient, owner: str, said: str) -> None:
    make_member_of_staff(make_program("other"), Role.PROGRAM_ADMIN, "olga")
    pk = proposed(client)

    refused = send(client, "PATCH", f"actions/{pk}", {"owner": owner})

    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_owner")
    assert said in refused.json()["detail"]
    assert "Nothing was changed." in refused.json()["detail"]
    assert CorrectiveAction.objects.get(pk=pk).revision == 1
