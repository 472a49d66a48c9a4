"""
A program's whole history, from a folder to closed months, proven from outside: by what the commands print and by hashlib.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
import time_machine
from django.core.management import call_command

from partners.models import Program
from plum_site.lib.models import User
from tests.factories.ledger import write_folder
from tests.factories.reviews import IN_JULY, month_of_events

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

MONTHS = ("2026-03", "2026-04", "2026-05", "2026-06")
PARTNERS = ("P1", "P2", "P3", "P4")
USUAL = {"views": 160, "unlocks": 48, "activations": 30, "redemptions": 20, "failures": 1, "reversals": 1}
FALLEN = {**USUAL, "unlocks": 4, "activations": 2, "redemptions": 1}
MORE = {"event_id": "more", "kind": "viewed", "status": "confirmed", "member": "M7", "offer": "O-P3"}


@pytest.fixture(autouse=True)
def in_july() -> Iterator[None]:
    with time_machine.travel(IN_JULY, tick=False):
        yield


@pytest.fixture
def history() -> list[dict[str, Any]]:
    """Four months of four partners, of which one falls in May; a third of what is redeemed has an amount; some is sent twice."""
    events: list[dict[str, Any]] = []
    for month in MONTHS:
        for partner in PARTNERS:
            counts = FALLEN if (partner, month) >= ("P2", "2026-05") and partner == "P2" else USUAL
            events += month_of_events(month, partner, counts)
    for event in events[::3]:
        if event["kind"] == "redeemed":
            event |= {"spend_amount": "12.50", "spend_currency": "EUR", "transaction_ref": event["event_id"]}
    return events + events[::50]


def load(folder: Path, events: Sequence[dict[str, Any]], code: str = "acme") -> None:
    """Load a folder with these events, in this order, into a program, which is made if it is new."""
    lines = [f"O-{name},{name},{name},discount,,,,2026-01-01,2026-12-31,{rank}" for rank, name in enumerate(PARTNERS, 1)]
    tables = {
        "partners": "external_id,name,category,country\n" + "".join(f"{name},{name},food,DE\n" for name in PARTNERS),
        "offers": "external_id,partner_external_id,title,offer_type,category,face_value,currency,starts_on,ends_on,rank\n"
        + "".join(f"{line}\n" for line in lines),
        "members": "external_id,region\n" + "".join(f"M{number},{'ns'[number % 2]}\n" for number in range(50)),
    }
    said = run("load_program", str(write_folder(folder, events, **tables)), "--time-zone", "Europe/Berlin", code=code)
    assert said["events"]["conflict"] == said["events"]["rejected"] == 0


def run(name: str, *words: str, code: str = "acme") -> Any:
    """The JSON that a command prints."""
    return json.loads(printed(name, *words, "--format", "json", code=code))


def printed(name: str, *words: str, code: str = "acme") -> str:
    out = StringIO()
    call_command(name, *words, "--program", code, stdout=out, stderr=StringIO())
    return out.getvalue()


def close_all(code: str = "acme") -> dict[str, str]:
    """Run and close every month; month to the digest that `run_review` prints."""
    User.objects.get_or_create(username="ada", defaults={"is_superuser": True})
    words = ("--close", "--decide-by-standing", "--as", "ada")
    return {month: run("run_review", "--month", month, *words, code=code)["digest"] for month in MONTHS}


def canonical(month: str, code: str = "acme") -> str:
    """What a digest is taken of, byte for byte, of a program that is called acme."""
    return printed("replay_review", "--month", month, "--canonical", code=code).replace(f'"program":"{code}"', '"program":"acme"')


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def test_every_closed_month_is_computed_again_with_the_digest_that_anybody_can_take(
    tmp_path: Path, history: list[dict[str, Any]]
) -> None:
    load(tmp_path, history)
    digests = close_all()

    report = run("replay_review", "--all")

    assert {name: report[name] for name in ("program", "cycles", "equal", "all_equal")} == {
        "program": "acme", "cycles": 4, "equal": 4, "all_equal": True,
    }  # fmt: skip
    assert [(line["month"], line["digest"], line["recomputed"], line["stored"]) for line in report["reviews"]] == [
        (month, digests[month], digests[month], digests[month]) for month in MONTHS
    ]
    assert {month: sha256(canonical(month)) for month in MONTHS} == digests
    assert len(set(digests.values())) == 4
    flagged = {partner for month in MONTHS for partner, said in json.loads(canonical(month))["partners"].items() if said["flags"]}
    assert flagged == {"P2"}, "a digest over no flag shows less"
    assert "acme: 4 of 4 closed reviews are the same" in printed("replay_review", "--all")


@pytest.mark.parametrize("seed", [1, 2])
def test_in_another_order_the_same_events_give_the_same_digests(tmp_path: Path, history: list[dict[str, Any]], seed: int) -> None:
    load(tmp_path / "first", history)
    digests = close_all()
    Random(seed).shuffle(history)
    load(tmp_path / "second", history, code="other")
    close_all("other")

    assert {month: sha256(canonical(month, "other")) for month in MONTHS} == digests
    assert run("replay_review", "--all", code="other")["all_equal"]


def test_one_event_of_the_month_before_the_cut_off_changes_its_digest_and_no_other(
    tmp_path: Path, history: list[dict[str, Any]]
) -> None:
    load(tmp_path / "first", history)
    digests = close_all()
    load(tmp_path / "second", [*history, {**MORE, "occurred_at": "2026-04-30T21:59:59Z"}], code="other")  # the last second
    close_all("other")

    changed = {month for month in MONTHS if sha256(canonical(month, "other")) != digests[month]}

    assert changed == {"2026-04"}
    before, after = json.loads(canonical("2026-04")), json.loads(canonical("2026-04", "other"))
    assert after["partners"]["P3"]["counts"]["views"] == before["partners"]["P3"]["counts"]["views"] + 1
    assert {name for name in PARTNERS if before["partners"][name] != after["partners"][name]} == {"P3"}


def test_a_late_event_is_listed_alone_and_moves_no_closed_month(tmp_path: Path, history: list[dict[str, Any]]) -> None:
    load(tmp_path / "first", history)
    digests = close_all()
    assert [run("diff_review", "--month", month)["late_events"] for month in MONTHS] == [[]] * 4

    load(tmp_path / "second", [{**MORE, "occurred_at": "2026-04-12T08:00:00Z"}])

    found = {month: run("diff_review", "--month", month) for month in MONTHS}
    assert [(month, said["late_count"]) for month, said in found.items() if said["late_count"]] == [("2026-04", 1)]
    [event] = found["2026-04"]["late_events"]
    assert (event["event_id"], event["partner"], event["offer"], event["kind"]) == ("more", "P3", "O-P3", "viewed")
    assert event["occurred_at"].startswith("2026-04-12T08:00:00")
    assert {row["partner"] for row in found["2026-04"]["moved"]} == {"P3"}
    views = next(row for row in found["2026-04"]["moved"] if row["figure"] == "views")
    assert (views["then"], views["now"]) == (USUAL["views"], USUAL["views"] + 1)
    assert run("replay_review", "--all")["equal"] == 4
    assert {month: sha256(canonical(month)) for month in MONTHS} == digests
    assert Program.objects.get().cycles.filter(state="closed").count() == 4
