"""The API of replacements: from the action that asks for one to its completion and back, and everything that is refused."""

import json
from datetime import timedelta
from typing import Any

import pytest

from partners.models import Program
from plum_site.lib import clock
from plum_site.lib.models import User
from reviews.api.replacements import STEPS
from reviews.models import Replacement, ReplacementTransition
from reviews.rules.replacements import Pair
from reviews.services.replacements.approving import approve_replacement
from reviews.services.replacements.cutover import cut_over
from reviews.workflow import REPLACEMENT_TRANSITIONS
from tests.factories.action_clients import client_of, get, send, step
from tests.factories.actions import AT
from tests.factories.jobs import run_due
from tests.factories.offers import make_offer
from tests.factories.programs import make_program
from tests.factories.replacement_clients import Hands, offered, reach, take, taken
from tests.factories.replacements import (
    CUT_OVER_AT,
    MAPPING,
    catalog,
    happens,
    lead,
    make_pair,
    make_replaceable_program,
    offer_state,
    open_replacement,
    partner_state,
)
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

PAIRS = [{"old": pair.old, "new": pair.new} for pair in MAPPING]
REPLACE = {"partner": "P1", "kind": "replace_partner", "params": {}, "reason": "It fell for three months."}


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


@pytest.fixture
def ben(program: Program, pair: tuple[User, User]) -> TokenClient:
    return client_of(program, pair[1])


def test_the_whole_way_and_back(program: Program, anna: TokenClient, ben: TokenClient, hands: Hands) -> None:
    happens(program, ("unlocked", "M0", "O1"), ("unlocked", "M1", "O2"), ("activated", "M1", "O2"))
    before = catalog(program, at=AT)
    action = send(anna, "POST", "actions", REPLACE).json()["id"]
    assert get(anna, f"actions/{action}")["replacement"] is None
    step(ben, action, "approve")
    assert run_due(hands.at, name="reviews.execute_action") == ["done"]

    pk = get(anna, f"actions/{action}")["replacement"]
    path = f"replacements/{pk}"
    opened = get(anna, path)
    assert (opened["state"], opened["action"], opened["partner"], opened["next"]["step"]) == ("opened", action, "P1", "compare")
    assert (offered(opened), len(opened["tasks"])) == (["compare", "cancel"], 8)

    compared = taken(anna, pk, "compare", comment="Who is there?")
    assert [row["partner"] for row in compared["comparison"]["candidates"]] == ["P2", "P3"]
    assert [row["is_possible"] for row in compared["candidates"]] == [True, True]
    assert taken(anna, pk, "choose", partner="P2")["successor_name"] == "Partner P2"
    agreed = taken(anna, pk, "agree", terms="12 % for a year.", last_activation_days=14)
    assert (agreed["terms"], agreed["last_activation_days"], agreed["pairs"]) == ("12 % for a year.", 14, [])

    mapping = {"pairs": PAIRS, "revision": agreed["revision"]}
    saved = send(anna, "PUT", f"{path}/mapping", mapping).json()
    assert (saved["pairs"], saved["revision"], saved["gaps"]) == (PAIRS, agreed["revision"] + 1, [])
    assert {(loss["group"], loss["before"], loss["after"]) for loss in saved["losses"]} >= {("", 5, 4)}
    mapped = taken(anna, pk, "map", gaps=[], revision=saved["revision"])
    assert (mapped["mapper"], mapped["needs_two"], "approve" in offered(mapped)) == ("anna", True, False)

    approved = taken(ben, pk, "approve", revision=mapped["revision"], comment="Go on.")
    assert (approved["approver"], offered(approved)[0]) == ("ben", "schedule")
    taken(ben, pk, "schedule", scheduled_at=CUT_OVER_AT.isoformat(), tells_partners=False)
    assert catalog(program, at=AT) == before, "nothing changes before the cutover"

    hands.at = CUT_OVER_AT
    assert run_due(hands.at, name="reviews.cut_over") == ["done"]
    assert run_due(hands.at, name="reviews.tell_holders") == ["done"]
    done = get(anna, path)
    assert (done["state"], done["failure"], done["losses"], done["gaps"]) == ("cut_over", "", None, None)
    assert (done["last_activation_date"], done["holders"]["mailed"]) == ("2026-07-25", 1)
    assert catalog(program)[:2] == ["N1", "N2"]

    assert taken(anna, pk, "verify")["checks"]
    assert offered(get(ben, path)) == ["verify", "complete", "roll_back"]
    completed = taken(ben, pk, "complete")
    assert (completed["state"], completed["next"], partner_state("P1"), offer_state("O1")) == (
        "completed",
        None,
        "retired",
        "retired",
    )
    assert get(anna, f"actions/{action}")["executed_at"]

    back = taken(ben, pk, "roll_back", comment="They never delivered.")
    assert (back["state"], catalog(program), partner_state("P1")) == ("rolled_back", before, "active")
    assert offered(back) == [], "its action is over"
    assert [row["name"] for row in back["history"]][-3:] == ["verify", "complete", "roll_back"]


def test_every_step_of_the_table_can_be_taken() -> None:
    assert set(STEPS) == set(REPLACEMENT_TRANSITIONS)


def test_the_mapper_approves_by_no_token(program: Program, pair: tuple[User, User], anna: TokenClient) -> None:
    pk = reach(program, pair, "mapped")
    second = client_of(program, pair[0], "reviews:read", "actions:approve")
    revision = get(anna, f"replacements/{pk}")["revision"]

    answers = [take(one, pk, "approve", revision=revision) for one in (anna, second)]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(409, "same_person")] * 2
    assert offered(get(second, f"replacements/{pk}")) == ["send_back"]
    assert Replacement.objects.get().state == "mapped"


def test_to_approve_one_says_what_one_saw(program: Program, pair: tuple[User, User], anna: TokenClient, ben: TokenClient) -> None:
    pk = reach(program, pair, "mapped")
    shown = ben.get(f"/api/v1/replacements/{pk}")
    unseen = take(ben, pk, "approve")
    assert (unseen.status_code, unseen.json()["code"], unseen["ETag"]) == (428, "precondition_required", shown["ETag"])

    taken(anna, pk, "back_to_mapping", comment="One more look.")
    taken(anna, pk, "map")
    path = f"replacements/{pk}/transitions"
    late = send(ben, "POST", path, {"name": "approve"}, If_Match=shown["ETag"])
    stale = take(ben, pk, "approve", revision=shown.json()["revision"])

    assert (late.status_code, stale.status_code, stale.json()["code"]) == (412, 422, "changed_since")
    assert Replacement.objects.get().state == "mapped"
    now = ben.get(f"/api/v1/replacements/{pk}")["ETag"]
    assert send(ben, "POST", path, {"name": "approve"}, If_Match=now).json()["state"] == "approved"


def test_gaps_are_accepted_one_by_one(program: Program, pair: tuple[User, User], anna: TokenClient, ben: TokenClient) -> None:
    pk = open_replacement(program, *pair, category="wine").pk
    gaps = taken(anna, pk, "compare")["gaps"]
    assert {"group": "", "category": "wine"} in gaps

    for given in ({}, {"gaps": gaps[1:]}):
        refused = take(anna, pk, "go_without", comment="Nobody drinks it.", **given)
        assert (refused.status_code, refused.json()["code"]) == (422, "gaps_not_accepted")
        assert refused.json()["errors"][0]["pointer"] == "/gaps"

    gone = taken(anna, pk, "go_without", comment="Nobody drinks it.", gaps=gaps)
    assert (gone["state"], gone["is_without"], gone["pairs"]) == ("mapped", True, [{"old": "O3", "new": None}])
    assert sorted(map(json.dumps, gone["accepted_gaps"])) == sorted(map(json.dumps, gaps))
    assert {"send_back", "back_to_mapping", "back_to_terms"}.isdisjoint(offered(get(ben, f"replacements/{pk}")))


def test_there_is_one_cutover(program: Program, pair: tuple[User, User], ben: TokenClient, hands: Hands) -> None:
    pk = reach(program, pair, "scheduled")
    hands.at = CUT_OVER_AT
    revision = Replacement.objects.get().revision
    run_due(hands.at, name="reviews.cut_over")
    rows = ReplacementTransition.objects.count()

    cut_over(replacement_id=pk, revision=revision, at=hands.at)
    again = take(ben, pk, "schedule", scheduled_at=hands.move(days=1).isoformat())

    assert (again.status_code, again.json()["code"]) == (409, "transition_refused")
    assert ReplacementTransition.objects.count() == rows
    second = send(ben, "POST", "actions", REPLACE)
    assert second.json()["preview"]["is_possible"] is False


def test_a_rollback_over_what_somebody_changed_shows_three_versions(
    program: Program, pair: tuple[User, User], anna: TokenClient, ben: TokenClient, hands: Hands
) -> None:
    pk = reach(program, pair, "cut_over")
    hands.at = CUT_OVER_AT
    owner = make_client(program, "catalog:write", "catalog:publish", created_by=pair[1])
    assert send(owner, "POST", "offers/N1/transitions", {"name": "pause", "comment": "Sold out."}).status_code == 200

    answer = take(ben, pk, "roll_back", comment="Back.")

    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "changed_since")
    assert [body["versions"][name]["offers"]["N1"] for name in ("before", "after", "now")] == ["draft", "published", "paused"]
    assert get(anna, f"replacements/{pk}")["state"] == "cut_over"
    hands.move(days=31)
    assert "roll_back" not in offered(get(ben, f"replacements/{pk}"))


def test_it_is_tried_with_a_share_of_members(
    program: Program, pair: tuple[User, User], anna: TokenClient, ben: TokenClient, hands: Hands
) -> None:
    replacement = open_replacement(program, *pair)
    assert get(anna, f"replacements/{replacement.pk}/trial") == {"trial": None}
    lead(replacement, *pair, "approved")
    replacement.refresh_from_db()

    assert take(ben, replacement.pk, "start_trial", share_percent=51, revision=replacement.revision).status_code == 422
    started = take(ben, replacement.pk, "start_trial", share_percent=50, revision=replacement.revision)
    assert (started.status_code, started.json()["state"]) == (200, "trialling")
    first = get(anna, f"replacements/{replacement.pk}/trial")["trial"]
    assert (first["share_percent"], first["is_over"], first["figures"]) == (50, False, [])
    assert "no whole day yet" in first["sentence"]

    hands.at = AT + timedelta(days=4)
    found = get(anna, f"replacements/{replacement.pk}/trial")["trial"]
    assert (found["sentence"], found["starts_on"], found["ends_on"]) == ("", "2026-07-11", "2026-07-14")
    members = [figure["champion"]["members"] + figure["challenger"]["members"] for figure in found["figures"]]
    assert set(members) == {12}
    assert take(ben, replacement.pk, "end_trial").json()["state"] == "approved"
    assert get(anna, f"replacements/{replacement.pk}/trial")["trial"]["is_over"]


def test_checks_look_and_change_nothing(program: Program, pair: tuple[User, User], anna: TokenClient, hands: Hands) -> None:
    happens(program, ("unlocked", "M0", "O1"))
    replacement = open_replacement(program, *pair)
    assert get(anna, f"replacements/{replacement.pk}/checks")["checks"][0]["sentence"] == "There was no cutover yet."
    lead(replacement, *pair, "cut_over")
    hands.at = CUT_OVER_AT

    found = get(anna, f"replacements/{replacement.pk}/checks")
    refused = take(anna, replacement.pk, "verify")

    assert [row["check"] for row in found["checks"] if not row["holds"]] == ["nobody_stranded"]
    assert (found["holds"], refused.status_code, refused.json()["code"]) == (False, 409, "not_verified")
    assert Replacement.objects.get().state == "cut_over"


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"name": "choose"}, 422, "/partner"),
        ({"name": "choose", "partner": "P9"}, 422, "/partner"),
        ({"name": "choose", "partner": "P2", "terms": "x"}, 422, "/terms"),
        ({"name": "choose", "partner": "P2", "colour": "red"}, 422, "/colour"),
        ({"name": "compare", "revision": 1}, 422, "/revision"),
        ({"name": "agree", "terms": "x", "last_activation_days": 366}, 422, "/last_activation_days"),
        ({"name": "schedule"}, 422, "/scheduled_at"),
        ({"name": "cancel"}, 422, "/comment"),
        ({"name": "go_without", "comment": "x", "gaps": [{"group": ""}]}, 422, "/gaps/0/category"),
        ({"name": "map"}, 422, ""),
        ({"name": "verify"}, 409, None),
        ({"name": "cut_over"}, 409, None),
        ({}, 422, "/name"),
    ],
)
def test_a_step_that_is_wrong_says_where(
    program: Program, pair: tuple[User, User], anna: TokenClient, body: dict[str, Any], status: int, pointer: str | None
) -> None:
    pk = reach(program, pair, "compared")
    answer = send(anna, "POST", f"replacements/{pk}/transitions", body)
    assert answer.status_code == status, answer.content
    assert pointer in [row["pointer"] for row in answer.json().get("errors", [{"pointer": None}])]
    assert Replacement.objects.get().state == "compared"


def test_a_time_that_is_over_is_refused(program: Program, pair: tuple[User, User], ben: TokenClient) -> None:
    pk = reach(program, pair, "approved")
    answer = take(ben, pk, "schedule", scheduled_at=(AT - timedelta(minutes=1)).isoformat())
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/scheduled_at")


def test_a_mapping_that_is_wrong_names_the_offers(program: Program, pair: tuple[User, User], anna: TokenClient) -> None:
    pk = reach(program, pair, "agreed")
    wrong = [{"old": "O1", "new": "O9"}, {"old": "O1", "new": None}, {"old": "O2", "new": None}]
    answer = send(anna, "PUT", f"replacements/{pk}/mapping", {"pairs": wrong})
    said = [row["detail"] for row in answer.json()["errors"]]
    assert (answer.status_code, {row["pointer"] for row in answer.json()["errors"]}) == (422, {"/pairs"})
    assert [text.partition(":")[0] for text in said] == ["O9", "O1", "O3"]

    first, again = (send(anna, "PUT", f"replacements/{pk}/mapping", {"pairs": PAIRS}) for _ in range(2))
    assert (first.json()["revision"], first["ETag"]) == (again.json()["revision"], again["ETag"])
    stale = send(anna, "PUT", f"replacements/{pk}/mapping", {"pairs": PAIRS, "revision": 1})
    assert (stale.status_code, stale.json()["code"]) == (422, "changed_since")


def test_candidates_are_named_made_and_refuse(program: Program, pair: tuple[User, User], anna: TokenClient) -> None:
    pk = reach(program, pair, "compared")
    path = f"replacements/{pk}/candidates"
    new = {"external_id": "P77", "name": "Tea House", "country": "DE"}
    refused = send(anna, "POST", path, new)
    assert (refused.status_code, "catalog:write" in refused.json()["detail"]) == (403, True)
    writer = client_of(program, pair[0], "reviews:read", "actions:propose", "catalog:write")
    assert send(writer, "POST", path, new).status_code == 201
    assert partner_state("P77") == "prospect"
    assert send(writer, "POST", path, new).json()["errors"][0]["pointer"] == "/external_id"
    named = send(anna, "POST", path, {"partner": "P9"}).json()["candidates"]
    assert [(row["partner"], row["added_by"] != "") for row in named[:2]] == [("P9", True), ("P77", True)]
    for wrong in ({}, {"partner": "P9", **new}, {"name": "x"}, {"partner": "P1"}, {"partner": "P404"}):
        assert send(anna, "POST", path, wrong).status_code == (404 if wrong.get("partner") == "P404" else 422), wrong

    taken(anna, pk, "choose", partner="P9")
    last = taken(anna, pk, "refuse_terms", comment="Too dear.")["candidates"][-1]
    assert (last["partner"], last["is_possible"], last["refusal"]) == ("P9", False, "Too dear.")
    asked = send(anna, "POST", path, {"partner": "P9"}).json()["candidates"][0]
    assert (asked["is_possible"], asked["refused_at"]) == (True, None)


@pytest.mark.parametrize(
    ("query", "found"),
    [("", 2), ("?state=opened", 1), ("?state=cancelled", 1), ("?partner=P1", 2), ("?partner=P2", 0)],
)
def test_filters(program: Program, pair: tuple[User, User], anna: TokenClient, query: str, found: int) -> None:
    taken(anna, reach(program, pair, "opened"), "cancel", comment="They improved.")
    reach(program, pair, "opened")
    assert len(get(anna, f"replacements{query}")["data"]) == found
    assert anna.get("/api/v1/replacements?state=gone").status_code == 400


def test_pages_ask_the_database_no_more_for_more_rows(
    program: Program, pair: tuple[User, User], anna: TokenClient, django_assert_max_num_queries: Any
) -> None:
    make_offer(program, "O5", category="tea")
    made = [open_replacement(program, *pair, category=name).pk for name in ("wine", "tea")]
    first = get(anna, "replacements?limit=1")
    second = get(anna, f"replacements?limit=1&cursor={first['next_cursor']}")
    assert [row["id"] for page in (first, second) for row in page["data"]] == made[::-1]
    with django_assert_max_num_queries(8):
        get(anna, "replacements")


def test_a_step_with_a_key_is_taken_once_and_a_sandbox_takes_none(
    program: Program, pair: tuple[User, User], anna: TokenClient
) -> None:
    pk = reach(program, pair, "opened")
    sandbox = client_of(program, pair[0], is_sandbox=True)
    assert taken(sandbox, pk, "compare")["state"] == "compared"
    assert Replacement.objects.get().state == "opened"

    path = f"replacements/{pk}/transitions"
    first, again = (send(anna, "POST", path, {"name": "compare"}, Idempotency_Key="r-1") for _ in range(2))
    assert (first.status_code, again["Idempotent-Replayed"]) == (200, "true")
    assert ReplacementTransition.objects.filter(name="compare").count() == 1


def test_another_program_s_replacement_is_unknown(program: Program, pair: tuple[User, User]) -> None:
    replacement = open_replacement(program, *pair)
    stranger = make_client(make_program("other"), created_by=pair[0])
    for part in ("", "/checks", "/contacts", "/files", "/files/1", "/holders"):
        assert stranger.get(f"/api/v1/replacements/{replacement.pk}{part}").status_code == 404, part
    for method, part, body in (
        ("POST", "transitions", {"name": "compare"}),
        ("POST", "candidates", {"partner": "P2"}),
        ("PUT", "mapping", {"pairs": []}),
        ("PUT", "tasks/map", {"owner": None, "due_date": None}),
        ("POST", "contacts", {"partner": "P2", "kind": "call", "text": "x"}),
        ("POST", "files", {"name": "a.txt", "content": "QQ=="}),
    ):
        assert send(stranger, method, f"replacements/{replacement.pk}/{part}", body).status_code == 404, part
    assert get(stranger, "replacements")["data"] == []
    assert ReplacementTransition.objects.count() == 1


def test_a_token_that_only_reads_is_offered_nothing_nor_one_that_nobody_stands_behind(
    program: Program, pair: tuple[User, User], ben: TokenClient
) -> None:
    pk = reach(program, pair, "mapped", mapping=[Pair("O1", "N1"), Pair("O2", None), Pair("O3", None)])
    reader = client_of(program, pair[1], "reviews:read")
    nobody = make_client(program)
    assert offered(get(reader, f"replacements/{pk}")) == offered(get(nobody, f"replacements/{pk}")) == []
    assert take(reader, pk, "cancel", comment="x").status_code == 403
    assert take(client_of(program, pair[1], "actions:propose"), pk, "approve", revision=5).status_code == 403
    approve_replacement(replacement_id=pk, actor=pair[1], at=AT)
    assert get(ben, f"replacements/{pk}")["approver"] == "ben"
