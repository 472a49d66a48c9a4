"""The benchmark runner: verdicts, taking turns, the checks afterwards, and the exit status."""

import io
import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from activity.choices import Kind
from activity.models import AttributeSet, Event
from offers.models import Offer
from partners.models import Partner
from plum_site.bench import ingest, load, registry, single
from plum_site.bench.lab import Lab
from plum_site.bench.ledger import MIX, OFFERS, list_events
from plum_site.bench.registry import Benchmark, load_benchmarks
from plum_site.bench.results import Result, median, percentile
from plum_site.lib.verify import Finding
from tests.factories.programs import make_program

pytestmark = pytest.mark.slow


def make_lab(folder: Path, **changes: Any) -> Lab:
    said: list[str] = []
    return Lab(**{"events": 200, "rounds": 3, "folder": folder, "say": said.append, **changes})


@pytest.mark.parametrize(
    ("better", "ratio", "verdict"),
    [
        ("higher", 0.9, "goal"),
        ("higher", 0.89, "floor"),
        ("higher", 0.5, "floor"),
        ("higher", 0.49, "missed"),
        ("lower", 0.5, "goal"),
        ("lower", 0.9, "floor"),
        ("lower", 0.91, "missed"),
    ],
)
def test_a_result_reaches_its_goal_its_floor_or_nothing(better: Any, ratio: float, verdict: str) -> None:
    goal, floor = (0.9, 0.5) if better == "higher" else (0.5, 0.9)

    assert Result("x", ratio, "", goal, floor, better).verdict == verdict


def test_median_and_percentile() -> None:
    assert median([3, 1, 2]) == 2
    assert percentile([5, 1, 4, 2, 3], 95) == 5
    assert percentile(list(range(1, 101)), 95) == 95
    assert percentile([7], 95) == 7


def test_the_ways_take_turns_and_the_first_round_does_not_count(tmp_path: Path) -> None:
    order: list[str] = []

    seconds = make_lab(tmp_path).interleave({"a": lambda: order.append("a"), "b": lambda: order.append("b")})

    assert order == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}


def test_memory_is_the_peak_above_the_start(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)

    assert lab.growth_of_memory(lambda: bytes(range(256)) * 200_000) > 40
    assert lab.growth_of_memory(lambda: None) < 10


def test_the_events_of_a_ledger_are_the_same_every_time() -> None:
    wanted = {"events": 4000, "starts": date(2026, 5, 1), "days": 31, "members": 40}

    events = list(list_events(**wanted))

    assert events == list(list_events(**wanted))
    assert len({event.event_id for event in events}) == 4000
    assert {event.event_id[14] for event in events} == {"7"}
    assert all(event.occurred_at.month == 5 for event in events)
    assert len({(event.kind, event.status) for event in events}) == len(MIX)


def test_the_events_of_a_ledger_have_the_stated_funnel_and_few_popular_offers() -> None:
    events = list(list_events(events=20_000, starts=date(2026, 5, 1), days=31, members=1000))

    kinds = Counter(event.kind for event in events)
    shares = [round(100 * kinds[kind] / len(events)) for kind in (Kind.VIEWED, Kind.UNLOCKED, Kind.ACTIVATED, Kind.REDEEMED)]
    assert shares == [76, 15, 7, 2]
    numbers = [int(event.offer[1:]) for event in events]
    assert {number for number in numbers if not 0 <= number < OFFERS} == set()
    assert [round(sum(number < OFFERS * part for number in numbers) / len(events), 2) for part in (0.01, 0.1)] == [0.1, 0.32]
    views = Counter(event.member for event in events if event.kind == Kind.VIEWED)
    assert len(views) == 1000  # what a member does has nothing to do with who it is


@pytest.mark.django_db
def test_a_ledger_is_recorded_sealed_and_of_the_stated_make(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)

    program = lab.make_ledger(200)

    assert Event.objects.filter(program=program).count() == 200
    assert (Partner.objects.count(), Offer.objects.count(), AttributeSet.objects.count()) == (300, 3000, 24)
    assert lab.programs == {"bench": 200}


def bench(monkeypatch: pytest.MonkeyPatch, results: list[Result], programs: dict[str, int]) -> tuple[int, dict[str, Any], str]:
    """`bench sample --here`: exit status, the JSON, what the table says."""

    def run(lab: Lab) -> list[Result]:
        lab.programs |= programs
        return results

    monkeypatch.setitem(registry.BENCHMARKS, "sample", Benchmark("sample", "A sample", 10, run))
    texts, status = [], 0
    for form in ("json", "table"):
        out = io.StringIO()
        try:
            call_command("bench", "sample", "--here", "--format", form, stdout=out, stderr=io.StringIO())
        except SystemExit as ended:
            status = int(ended.code or 0)
        except CommandError as error:
            status = error.returncode
            out.write(str(error))
        texts.append(out.getvalue())
    return status, json.loads(texts[0]), texts[1]


@pytest.mark.django_db
def test_the_report_has_ratio_goal_and_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    status, report, table = bench(monkeypatch, [Result("speed", 0.95, "× it", 0.9, 0.5)], {})

    assert status == 0
    assert (report["ratio"], report["goal"], report["floor"]) == (0.95, 0.9, 0.5)
    assert report["results"][0]["verdict"] == "goal"
    assert "0.95 × it" in table


@pytest.mark.django_db
def test_a_missed_floor_and_lost_rows_are_named_with_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    status, report, table = bench(monkeypatch, [Result("speed", 0.4, "× it", 0.9, 0.5)], {"lost": 10})

    assert status == 1
    assert [check["check"] for check in report["checks"] if not check["ok"]] == ["lost: rows stored = rows sent"]
    assert "Not reached: speed; lost: rows stored = rows sent." in table


@pytest.mark.django_db
def test_a_violation_found_afterwards_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plum_site.lib.verify.run", lambda area: iter([Finding(area, 1, ["row 7 is gone"])]))

    status, report, table = bench(monkeypatch, [Result("speed", 0.95, "× it", 0.9, 0.5)], {})

    assert status == 1
    assert not any(check["ok"] for check in report["checks"])
    assert "row 7 is gone" in table


@pytest.mark.django_db
def test_it_keeps_away_from_a_database_with_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BENCHMARKS, "sample", Benchmark("sample", "A sample", 10, lambda lab: []))
    make_program()

    with pytest.raises(CommandError, match=r"holds programs\. Nothing was measured"):
        call_command("bench", "sample", "--here", stdout=io.StringIO())


def test_an_unknown_benchmark_is_refused() -> None:
    with pytest.raises(CommandError, match="There is no benchmark 'speed'"):
        call_command("bench", "speed", stdout=io.StringIO())


def test_every_benchmark_stands_in_the_document_with_its_goals(checkout: Path) -> None:
    text = (checkout / "docs/performance.md").read_text()
    table = text[text.index("## What is measured") : text.index("## How to read")]

    assert {name for name in load_benchmarks() if f"| `{name}` |" not in table} == set()


@pytest.mark.parametrize(
    ("what", "goal", "floor"),
    [
        *((f"{size:,} events a request, until sealed | COPY |", *pair) for size, pair in ingest.GOALS.items()),
        ("until sealed | DRF `bulk_create` |", *ingest.DRF_GOALS),
        ("1M events of a CSV folder, until sealed | COPY |", *load.GOALS["postgresql"]),
        ("the same on SQLite | COPY to PostgreSQL |", *load.GOALS["sqlite"]),
        ("one event a request, 32 connections, until answered | DRF `save` |", *single.GOALS),
    ],
)
def test_the_document_names_the_goals_that_are_held(what: str, goal: float, floor: float, checkout: Path) -> None:
    [line] = [line for line in (checkout / "docs/performance.md").read_text().splitlines() if what in line]
    named = re.search(r"\| ≥ ([\d.]+) \| ([\d.]+) \|", line)

    assert named is not None
    assert [float(number) for number in named.groups()] == [goal, floor]
