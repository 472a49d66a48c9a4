"""The benchmarks that start processes of their own: each runs once with a few events, and what it says can be believed."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.db import connection

from activity.models import Event, IngestBatch
from activity.rules import FILE_COLUMNS
from plum_site.bench.copying import FIELDS, Copying, as_text
from plum_site.bench.ingest import measure_ingest
from plum_site.bench.lab import Lab
from plum_site.bench.load import measure_load
from plum_site.bench.posting import Sending, Summary
from plum_site.bench.single import measure_single
from plum_site.bench.site import database_url, send
from plum_site.bench.traffic import RequestsFile, as_batch, as_single, in_parts, list_traffic, write_events
from plum_site.bench.usage import family, largest_peak, processor_seconds, server_process
from plum_site.lib.errors import InvalidInput
from plum_site.lib.verify import run

pytestmark = pytest.mark.slow


def make_lab(folder: Path, events: int) -> Lab:
    return Lab(events=events, rounds=1, folder=folder, say=lambda text: None)


@pytest.fixture
def served() -> Iterator[tuple[int, list[bytes]]]:
    """A web server that refuses every third request with 422; its port, and the bodies it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            answer = b'{"code": "no"}' if len(bodies) % 3 == 0 else b"{}"
            self.send_response(422 if len(bodies) % 3 == 0 else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, bodies
    server.shutdown()
    thread.join()
    server.server_close()


def prepared(folder: Path, requests: int, at_once: int = 1):
    file = RequestsFile(folder, "some", path="/", body_of=as_batch)
    for part in in_parts(list_traffic(requests * at_once, 10), at_once):
        file.add(part)
    return file.close()


def test_the_client_sends_each_request_once_and_times_it(tmp_path: Path, served: tuple[int, list[bytes]]) -> None:
    port, bodies = served

    answer = send(prepared(tmp_path, 5, at_once=700), port=port, connections=2, first=1, count=2)

    ids = [event["id"] for body in sorted(bodies) for event in json.loads(body)]
    assert ids == [event.event_id for event in list_traffic(3500, 10)][700:2100]
    assert answer["statuses"] == {"200": 2}
    assert len(answer["seconds"]) == 2
    assert 0 < max(answer["seconds"]) <= answer["ended"] - answer["began"]


def test_a_request_that_is_refused_ends_the_benchmark_with_the_answer(tmp_path: Path, served: tuple[int, list[bytes]]) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)Not every request was taken .*'422': 1.*\{\"code\": \"no\"\}"):
        send(prepared(tmp_path, 4), port=served[0], connections=1)


def test_the_client_says_why_it_could_not_send(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ConnectionRefusedError"):
        send(prepared(tmp_path, 1), port=1, connections=1)


def test_a_single_event_is_no_list() -> None:
    [event] = list_traffic(1, 1)

    assert json.loads(as_single([event])) == json.loads(as_batch([event]))[0]


def test_a_folder_has_the_events_in_columns_of_the_contract(tmp_path: Path) -> None:
    write_events(tmp_path / "events.csv", list_traffic(50, 10))
    lines = (tmp_path / "events.csv").read_text().splitlines()

    assert len(lines) == 51
    assert set(lines[0].split(",")) <= set(FILE_COLUMNS)


def test_what_a_process_and_its_children_spend_is_counted() -> None:
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    told = (
        f"import subprocess, sys; input(); subprocess.run([sys.executable, '-c', {burn!r}]); print('burnt', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", told], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        before = processor_seconds(child.pid)
        child.stdin.write(b"now\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"burnt\n"
        assert processor_seconds(child.pid) - before >= 0.4
        assert family(child.pid)[0] == child.pid
        assert largest_peak([child.pid]) > 1
        child.communicate(b"\n")
    assert server_process(child.pid) is None


def test_medians_and_percentiles_of_sendings() -> None:
    rounds = [Sending(100, 1.0, 2.0, [0.1] * 98 + [0.5, 0.9], {"web": 0.001}) for _ in range(3)]
    summary = Summary(rounds)

    assert (summary.answered_rate, summary.sealed_rate) == (100, 50)
    assert (summary.request_ms(50), summary.request_ms(99)) == (100, 500)
    assert (summary.cost_us("web"), summary.cost_us("PostgreSQL")) == (10, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, r"\N"),
        (b"\x00\xff", r"\\x00ff"),
        (datetime(2026, 5, 1, 12, tzinfo=UTC), "2026-05-01 12:00:00+00:00"),
        (date(2026, 5, 1), "2026-05-01"),
        ("a\tb\\c\nd", r"a\tb\\c\nd"),
        (7, "7"),
    ],
)
def test_values_are_written_as_copy_reads_them(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.django_db
def test_what_needs_postgresql_says_so_and_makes_nothing(tmp_path: Path) -> None:
    if connection.vendor == "postgresql":
        assert database_url().startswith("postgres://")
        return
    for measure in (measure_ingest, measure_single):
        with pytest.raises(InvalidInput, match="Nothing was measured"):
            measure(make_lab(tmp_path, 100))


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_ingest_sends_measures_and_stores(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, 400)

    small, large, drf, memory = measure_ingest(lab)

    assert lab.programs == {"bench": Event.objects.count()} == {"bench": 400}
    assert not IngestBatch.objects.filter(seal__isnull=True).exists()
    assert [finding.violations for area in ("ledger", "rollups") for finding in run(area) if finding.violations] == []
    assert 0 < small.ratio <= small.details["ratio_answered"] < 10
    assert (large.goal, large.floor) == (0.33, 0.16)
    assert drf.ratio > 0.1
    assert 40 < memory.ratio < 1000
    assert {row[0] for row in lab.tables[0]["rows"]} == {"1,000 a request", "5,000 a request", "DRF", "COPY", "COPY, narrow"}
    assert small.details["cpu_us_per_event"]["web"] > 0
    assert [table for table in connection.introspection.table_names() if "reference_" in table or "bench_" in table] == []


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_single_events_are_all_stored(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, 120)

    speed, tail = measure_single(lab)

    assert lab.programs == {"bench": Event.objects.count()} == {"bench": 120}
    assert not IngestBatch.objects.filter(seal__isnull=True).exists()
    assert speed.ratio > 0.01
    assert tail.better == "lower"
    assert 0 < speed.details["request_ms"]["p50"] <= speed.details["request_ms"]["p99"]


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_load_measures_the_real_command(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, 300)

    speed, memory = measure_load(lab)

    assert lab.programs == {"bench0": Event.objects.count()} == {"bench0": 300}
    assert 0 < speed.ratio < 1
    assert speed.details["ratio_with_people"] < speed.ratio
    assert 40 < memory.ratio < 1000


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_copy_has_the_rows_of_the_ledger_and_leaves_nothing(tmp_path: Path) -> None:
    program = make_lab(tmp_path, 400).make_ledger(400)

    with closing(Copying(tmp_path, database_url())) as copying:
        copying.prepare(program.pk, 350)
        copying.run()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*), min(event_key), sum(spend_minor) FROM bench_bare_whole")
            copied = cursor.fetchone()
        copying.empty()
    rows = Event.objects.order_by("pk")[:350]
    spent = sum(row.spend_minor or 0 for row in rows)

    assert copied == (350, min(row.event_key for row in rows), spent)
    assert spent
    assert len((tmp_path / "whole.copy").read_text().splitlines()[0].split("\t")) == len(FIELDS)
    assert "bench_bare_whole" not in connection.introspection.table_names()
