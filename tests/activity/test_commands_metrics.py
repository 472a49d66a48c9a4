"""The commands metrics and member_timeline: what they print is a contract."""

import json
from datetime import date
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from activity.metrics import METRICS
from activity.selectors import summarise
from activity.services import seal_ledger
from partners.models import Program
from plum_site.lib.models import AuditEvent
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

JUNE = ["--program", "acme", "--from", "2026-06-01", "--to", "2026-07-01"]


@pytest.fixture
def program() -> Program:
    program = make_stocked_program(recorded_stages=["viewed", "redeemed"], minimum_group=1)
    record(
        program,
        [
            event(1),
            event(2, member="M2"),
            event(3, offer="O3"),
            event(4, "redeemed", spend_amount="12.50", spend_currency="EUR", member="M3"),
        ],
    )
    seal_ledger(program_id=program.pk, at=RECORDED_AT)
    return program


def printed(*words: str) -> str:
    """What a command writes to standard output."""
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue()


def answer(*words: str) -> Any:
    """The JSON that a command prints."""
    return json.loads(printed(*words, "--format", "json"))


class TestMetrics:
    def test_json_is_the_contract(self, program: Program) -> None:
        found = answer("metrics", *JUNE, "--by", "month,business_unit")
        assert list(found) == ["as_of", "recorded_stages", "rows"]
        assert (found["as_of"], found["recorded_stages"]) == (1, ["viewed", "redeemed"])
        assert [(row["month"], row["business_unit"], row["suppressed"]) for row in found["rows"]] == [
            ("2026-06", "", False),
            ("2026-06", "cards", False),
            ("2026-06", "loans", False),
        ]
        unknown = found["rows"][0]
        assert set(METRICS) < set(unknown)
        assert (unknown["redemptions"], unknown["unlocks"], unknown["spend"], unknown["reward_cost"]) == (
            1,
            0,
            {"EUR": "12.50"},
            {},
        )
        assert unknown["redemptions_per_view"] is unknown["unlock_rate"] is None

    def test_same_rows_as_the_selector(self, program: Program) -> None:
        rows = answer(
            "metrics", *JUNE, "--by", "partner", "--where", "business_unit=cards,loans", "--where", "offer_type=discount"
        )
        expected = summarise(
            program=program,
            starts_date=date(2026, 6, 1),
            ends_date=date(2026, 7, 1),
            by=["partner"],
            where={"business_unit": ["cards", "loans"], "offer_type": ["discount"]},
        )
        assert rows["rows"] == expected.rows
        assert [row["views"] for row in rows["rows"]] == [2, 1]

    def test_one_member_is_read_in_the_timeline_only(self, program: Program) -> None:
        with pytest.raises(CommandError, match="Open the member's timeline"):
            answer("metrics", *JUNE, "--where", f"member={'0' * 32}")

    def test_an_empty_value_is_the_unknown_group(self, program: Program) -> None:
        [row] = answer("metrics", *JUNE, "--where", "business_unit=")["rows"]
        assert (row["members_any"], row["redemptions"]) == (1, 1)

    def test_suppressed_rows_say_so(self, program: Program) -> None:
        Program.objects.filter(pk=program.pk).update(minimum_group=5)
        rows = answer("metrics", *JUNE, "--by", "business_unit")["rows"]
        assert [row["suppressed"] for row in rows] == [True, True, True]
        assert all(row[key] is None for row in rows for key in METRICS)
        assert printed("metrics", *JUNE, "--by", "business_unit").count("suppressed") >= 3

    def test_table_shows_the_main_figures(self, program: Program) -> None:
        text = printed("metrics", *JUNE, "--by", "partner")
        assert "P1" in text
        assert "12.50 EUR" in text
        assert "as of seal 1" in text

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--by", "shoe_size"], "shoe_size"),
            (["--where", "region"], "name=value"),
            (["--where", "day=2026-06-01"], "no filter"),
        ],
    )
    def test_wrong_questions_are_explained(self, program: Program, words: list[str], said: str) -> None:
        with pytest.raises(CommandError, match=said):
            call_command("metrics", *JUNE, *words, stdout=StringIO(), stderr=StringIO())

    def test_unknown_program(self) -> None:
        with pytest.raises(CommandError, match="acme") as caught:
            call_command("metrics", *JUNE, stdout=StringIO())
        assert caught.value.returncode == 2


class TestMemberTimeline:
    def test_json_is_the_contract(self, program: Program) -> None:
        found = answer("member_timeline", "--program", "acme", "--member", "M3")
        assert list(found) == ["member", "events"]
        [row] = found["events"]
        assert found["member"] == "M3"
        assert (row["event_id"], row["source"], row["occurred_at"]) == ("e4", "file", "2026-06-15T10:00:00Z")
        assert (row["recorded_at"], row["spend_amount"], row["spend_currency"]) == ("2026-07-15T09:30:00Z", "12.50", "EUR")
        assert row["transaction_ref"] is None

    def test_microseconds_are_kept(self, program: Program) -> None:
        record(program, [event(9, member="M4", occurred_at="2026-06-15T10:00:00.120000Z")])
        [row] = answer("member_timeline", "--program", "acme", "--member", "M4")["events"]
        assert row["occurred_at"] == "2026-06-15T10:00:00.120000Z"

    @pytest.mark.parametrize(("words", "reason"), [([], "command line"), (["--reason", "asked by M3"], "asked by M3")])
    def test_each_reading_is_logged(self, program: Program, words: list[str], reason: str) -> None:
        assert "12.50" in printed("member_timeline", "--program", "acme", "--member", "M3", *words)
        row = AuditEvent.objects.get(action="activity.read_timeline")
        assert (row.comment, row.actor, row.program_id) == (reason, "system", program.pk)

    def test_somebody_unknown_is_an_error_and_not_logged(self, program: Program) -> None:
        with pytest.raises(CommandError, match="M9") as caught:
            call_command("member_timeline", "--program", "acme", "--member", "M9", stdout=StringIO())
        assert caught.value.returncode == 2
        assert not AuditEvent.objects.filter(action="activity.read_timeline").exists()
