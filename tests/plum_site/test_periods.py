"""Program months tile time in every zone, midnights that do not exist or come twice included."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plum_site.lib import periods
from plum_site.lib.errors import InvalidInput

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
ODD_ZONES = [
    "America/Havana",
    "America/Asuncion",
    "America/St_Johns",
    "Africa/Cairo",
    "Antarctica/Casey",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
]
days = st.dates(date(1990, 1, 1), date(2036, 12, 31))
instants = st.datetimes(datetime(1990, 1, 1), datetime(2036, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC))
zones = st.sampled_from(ODD_ZONES) | st.sampled_from(ZONES)


def first_instant_by_search(day: date, time_zone: str) -> datetime:
    """The same answer found the slow way: every minute, from well before."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    while moment.astimezone(ZoneInfo(time_zone)).date() < day:
        moment += timedelta(minutes=1)
    return moment


@pytest.mark.parametrize(
    ("time_zone", "day", "expected"),
    [
        ("UTC", date(2026, 7, 1), "2026-07-01T00:00"),
        ("Asia/Kolkata", date(2026, 7, 1), "2026-06-30T18:30"),
        # 01:00 falls back to 00:00: midnight comes twice, the month begins with the first
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00"),
        # 00:00 jumps to 01:00: there is no midnight
        ("America/Asuncion", date(2023, 10, 1), "2023-10-01T04:00"),
        ("Africa/Cairo", date(2023, 4, 28), "2023-04-27T22:00"),
        # 00:01 falls back to 23:01 of the day before: the new day shows for one minute first
        ("America/St_Johns", date(2006, 10, 29), "2006-10-29T02:30"),
        ("America/St_Johns", date(2026, 11, 1), "2026-11-01T02:30"),
        # 02:00 falls back to 23:00 of the day before, three hours
        ("Antarctica/Casey", date(2010, 3, 5), "2010-03-04T13:00"),
        # the day that never was begins, and ends, when the next one does
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00"),
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00"),
        ("Pacific/Kiritimati", date(2026, 1, 1), "2025-12-31T10:00"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T13:00"),
    ],
)
def test_first_instant_of_a_day(time_zone: str, day: date, expected: str) -> None:
    assert periods.first_instant(day, time_zone) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@given(day=days, time_zone=zones)
def test_first_instant_agrees_with_a_search_minute_by_minute(day: date, time_zone: str) -> None:
    assert periods.first_instant(day, time_zone) == first_instant_by_search(day, time_zone)


@given(instant=instants, time_zone=zones)
def test_every_instant_lies_in_exactly_one_day(instant: datetime, time_zone: str) -> None:
    day = periods.local_date(instant, time_zone)

    assert periods.first_instant(day, time_zone) <= instant < periods.first_instant(day + timedelta(days=1), time_zone)


@pytest.mark.slow
@pytest.mark.parametrize("time_zone", ODD_ZONES)
def test_months_tile_time_over_47_years(time_zone: str) -> None:
    months = periods.months_between(date(1990, 1, 1), date(2036, 12, 1))

    bounds = [periods.month_bounds(month, time_zone) for month in months]

    assert len(bounds) == 47 * 12
    assert all(earlier[1] == later[0] for earlier, later in pairwise(bounds))
    assert all(timedelta(days=26) < ends_at - starts_at < timedelta(days=32) for starts_at, ends_at in bounds)


@pytest.mark.long
def test_months_tile_time_in_every_zone() -> None:
    months = periods.months_between(date(1990, 1, 1), date(2036, 12, 1))
    for time_zone in ZONES:
        zone = ZoneInfo(time_zone)
        for month in months:
            starts_at = periods.first_instant(month, time_zone)
            before, after = starts_at - timedelta(hours=30), starts_at + timedelta(hours=30)
            if before.astimezone(zone).utcoffset() == after.astimezone(zone).utcoffset():
                midnight = datetime(month.year, month.month, 1, tzinfo=zone)
                assert starts_at == midnight, (time_zone, month)
            else:
                assert starts_at == first_instant_by_search(month, time_zone), (time_zone, month)
            assert periods.local_date(starts_at - timedelta(microseconds=1), time_zone) < month


def test_second_showing_of_an_old_date_belongs_to_the_new_day() -> None:
    shown_again = datetime(2006, 10, 29, 3, 0, tzinfo=UTC)  # the clock on the wall says 28 October, 23:30

    assert shown_again.astimezone(ZoneInfo("America/St_Johns")).date() == date(2006, 10, 28)
    assert periods.local_date(shown_again, "America/St_Johns") == date(2006, 10, 29)


@given(day=days, count=st.integers(-300, 300))
def test_next_month_goes_back_the_way_it_came(day: date, count: int) -> None:
    month = periods.month_start(day)

    assert month.day == 1
    assert periods.next_month(periods.next_month(month, count), -count) == month
    assert periods.next_month(day, 1) > day


def test_months_between_names_each_month_once_and_nothing_backwards() -> None:
    assert periods.months_between(date(2025, 11, 20), date(2026, 2, 1)) == [
        date(2025, 11, 1),
        date(2025, 12, 1),
        date(2026, 1, 1),
        date(2026, 2, 1),
    ]
    assert periods.months_between(date(2026, 2, 1), date(2026, 1, 31)) == []


@given(day=days)
def test_a_month_as_text_reads_back(day: date) -> None:
    assert periods.parse_month(periods.month_text(day)) == periods.month_start(day)


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "2026-1", "26-01", "2026-01-01", "", " 2026-01", "2026-01\n", "0000-01", "9999-12", "٢٠٢٦-01"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        periods.parse_month(text)

    assert refusal.value.code == "invalid_month"
