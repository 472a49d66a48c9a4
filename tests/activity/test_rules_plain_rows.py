"""The quick ways of reading events say the same as the careful ones, or nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity.api.bodies import BATCH, LINES, SINGLE
from activity.api.cloudevents import read_event
from activity.api.plain_events import read_plain
from activity.rules import FILE_COLUMNS, IncomingEvent, check_event
from activity.rules.plain_rows import row_reader
from activity.services.canonical import REQUIRED, check_table, read_rows
from activity.services.event_files import read_chunks, read_event_row

pytestmark = pytest.mark.slow

AT = datetime(2026, 6, 30, 12, tzinfo=UTC)
CELLS = {
    "event_id": ["e1", "", "e" * 100, " e"],
    "occurred_at": [
        "2026-06-01T10:00:00Z", "2026-06-01T10:00:00.123456Z", "2026-06-01T10:00:00+02:00", "2026-06-01T10:00:00", "2026-06-01",
        "2026-07-01T10:00:00Z", "1989-01-01T00:00:00Z", "", "soon", "2026-06-30T12:10:00Z", "2026-06-30T12:10:01Z",
    ],
    "kind": ["impression", "viewed", "unlocked", "activated", "redeemed", "", "bought"],
    "member": ["M1", ""],
    "offer": ["O1", ""],
    "status": ["", "confirmed", "failed", "reversed", "open"],
    "reason_code": ["", "declined", "x" * 101],
    "source": ["", "shop"],
    "spend_amount": ["", "12.50", "-1", "0", "12.505", "much", "1e3", " 1"],
    "spend_currency": ["", "EUR", "JPY", "eur", "XXX1"],
    "reward_cost_amount": ["", "3"],
    "reward_cost_currency": ["", "EUR"],
    "transaction_ref": ["", "T1"],
    "reverses": ["", "e0"],
    "medium": ["", "app", "m" * 101],
    "position": ["", "1", "0", "007", "1000000", "1000001", "-1", "1.0", "000", "x"],
    "received_at": ["", "2026-06-01T10:00:00Z", "2026-06-01T10:00:00", "later", "2026-06-01T10:00:00+01:00"],
}  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    row=st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CELLS.items()}),
    keep=st.sets(st.sampled_from(sorted(CELLS))),
)
def test_a_row_is_read_alike_by_both(row: dict[str, str], keep: set[str]) -> None:
    columns = [name for name in FILE_COLUMNS if name not in keep] + ["other"]
    cells = {name: row.get(name, "anything") for name in columns}
    quick = row_reader(columns, source="file", at=AT)(list(cells.values()))
    careful = check_event(cells, source="file", at=AT)
    assert quick is None or quick == careful


def test_ordinary_rows_are_read_the_quick_way() -> None:
    row = {name: values[0] for name, values in CELLS.items()}
    for change in (
        {},
        {"kind": "redeemed", "spend_amount": "12.50", "spend_currency": "EUR"},
        {"position": "1", "medium": "app"},
    ):
        cells = {**row, **change}
        quick = row_reader(list(cells), source="file", at=AT)(list(cells.values()))
        assert isinstance(quick, IncomingEvent)
        assert quick == check_event(cells, source="file", at=AT)


HEAD = "event_id,occurred_at,kind,member,offer\n"
ROW = "e{},2026-06-01T10:00:00Z,viewed,M1,O1\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        HEAD + ROW.format(1),
        HEAD + ROW.format(1).rstrip(),
        HEAD + ROW.format(1) + "\n" + ROW.format(2),
        HEAD + "\n" + ROW.format(1),
        HEAD + ROW.format(1) + "too,few\n" + ROW.format(2),
        HEAD + ROW.format(1) + '"e,2",2026-06-01T10:00:00Z,viewed,"M\n1",O1\n' + ROW.format(3),
        HEAD + ROW.format("é") + ROW.format(2),
        HEAD + ROW.format("\t") + ROW.format(2) + ROW.format("x" * 70_000) + ROW.format(3),
        (HEAD + ROW.format(1) + ROW.format(2)).replace("\n", "\r\n"),
        "\ufeff" + HEAD + ROW.format(1),
        HEAD.replace("offer", '"offer"') + ROW.format(1),
        HEAD
        + "".join(ROW.format(number) for number in range(40_000))
        + '"e",2026-06-01T10:00:00Z,viewed,M1,O1\n'
        + ROW.format("z"),
    ],
)
def test_a_file_is_read_alike_by_both(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events.csv"
    path.write_text(text, encoding="utf-8", newline="")
    table = check_table(path, REQUIRED["events"])
    rows = list(read_rows(table))
    chunks = list(read_chunks(table, source="file", at=AT))
    assert [event for chunk in chunks for event in chunk.events] == [read_event_row(row, "file", AT) for row in rows]
    again = [chunk.row(index) for chunk in chunks for index in range(len(chunk.events))]
    assert [(row.line, row.cells, row.text.rstrip("\r\n"), row.fault) for row in again] == [
        (row.line, row.cells, row.text.rstrip("\r\n"), row.fault) for row in rows
    ]


def envelope(**changes: object) -> dict[str, object]:
    """One plain CloudEvent."""
    data = {"member": {"external_id": "M1"}, "offer": "O1"}
    event = {"specversion": "1.0", "id": "e1", "source": "shop", "type": "offer.viewed.v1", "time": "2026-06-01T10:00:00Z"}
    return {**event, "data": data, **changes}


def test_lines_must_hold_one_event_each() -> None:
    one, two = json.dumps(envelope()), json.dumps(envelope(id="e2"))
    assert [event.event_id for event in read_plain(LINES, f"{one}\r\n\n  {two} \n".encode(), AT) or []] == ["e1", "e2"]
    for body in (one.replace(', "data"', '\n"data"'), f"{one},{two}\n", f"{one} {two}", one.replace("}", "}\n", 1)):
        assert read_plain(LINES, body.encode(), AT) is None, body


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(envelope()).replace('"id": "e1"', '"id": "e1", "id": "e1"'),
        json.dumps(envelope()).replace('"offer": "O1"', '"offer": "O1", "offer" : "O1"'),
        json.dumps(envelope(id=":e")).replace('"offer": "O1"', '"offer": "O1", "offer"\n: "O1"'),
        json.dumps(envelope(id="é")),
        json.dumps(envelope(id="é"), ensure_ascii=False),
        json.dumps(envelope(subject="s" * 300)),
        json.dumps(envelope(traceparent="00-1")),
        json.dumps(envelope()) + " " * 70,
        json.dumps(envelope(time="2026-07-01T10:00:00Z")),
        json.dumps(envelope(data={"member": {"external_id": "M1"}, "offer": "O1", "more": 1})),
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_the_careful_way(body: str) -> None:
    assert read_plain(SINGLE, body.encode(), AT) is None
    assert read_plain(BATCH, f"[{body}]".encode(), AT) is None


DATA = {
    "status": ["confirmed", "failed", "reversed", None, "", "open"],
    "reason_code": ["late", None, "", "x" * 101],
    "spend": [
        {"amount": "12.50", "currency": "EUR"},
        {"amount": "1", "currency": "JPY"},
        {"amount": "-1", "currency": "EUR"},
        {},
    ],
    "reward_cost": [{"amount": "0", "currency": "EUR"}, None],
    "transaction_ref": ["T1", ":", None],
    "medium": ["app", 1],
    "position": [1, 1_000_000, 0, True, 1.0, None],
}


@settings(max_examples=500, deadline=None)
@given(
    kind=st.sampled_from(["offer.viewed.v1", "offer.redeemed.v1", "offer.unlocked.v1", "offer.bought.v1"]),
    time=st.sampled_from(CELLS["occurred_at"]),
    data=st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in DATA.items()}),
    extra=st.fixed_dictionaries(
        {}, optional={"subject": st.sampled_from(["a", None, 1]), "datacontenttype": st.just("application/json")}
    ),
    indent=st.sampled_from([None, 2]),
)
def test_an_event_is_read_alike_by_both(kind, time, data, extra, indent) -> None:
    whole = envelope(type=kind, time=time, data={"member": {"external_id": "M1"}, "offer": "O1", **data}, **extra)
    body = json.dumps(whole, indent=indent).encode()
    careful = read_event(body, AT)
    assert read_plain(SINGLE, body, AT) in (None, [careful])
    assert read_plain(BATCH, b"[" + body + b",\n" + body + b"]", AT) in (None, [careful, careful])


def test_ordinary_events_are_read_the_quick_way() -> None:
    data = {
        "member": {"external_id": "M1"}, "offer": "O1", "status": "confirmed", "spend": {"amount": "12.50", "currency": "EUR"},
        "transaction_ref": "T1", "medium": "app", "position": 3,
    }  # fmt: skip
    whole = envelope(type="offer.redeemed.v1", subject="offer/O1", datacontenttype="application/json", data=data)
    body = json.dumps(whole, indent=2).encode()
    assert read_plain(SINGLE, body, AT) == [read_event(body, AT)]
