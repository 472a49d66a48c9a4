"""Which program day an instant belongs to, for many instants: asked of the time zone once an hour, not once an event."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from plum_site.lib.periods import local_date

HOUR = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_HOURS = 20_000  # remembered; two years and more


class Moment(NamedTuple):
    """What an event needs to know of its instant: its program day, that day as text, and the first of its UTC month."""

    day: date
    text: str
    month: date


class DayBook:
    """
    The program days of one time zone.

    Days tile time (`periods.local_date`), so an hour whose first and last instant lie on one day lies on it as a whole.
    """

    def __init__(self, time_zone: str) -> None:
        self.time_zone = time_zone
        self._hours: dict[int, Moment | None] = {}

    def at(self, microseconds: int) -> Moment:
        """The moment of an instant, given in whole microseconds since 1970."""
        hour = microseconds // HOUR
        try:
            moment = self._hours[hour]
        except KeyError:
            moment = self._learn(hour)
        return moment or self._look(microseconds)

    def _learn(self, hour: int) -> Moment | None:
        first, last = self._look(hour * HOUR), self._look(hour * HOUR + HOUR - 1)
        if len(self._hours) >= MOST_HOURS:
            self._hours.clear()
        moment = self._hours[hour] = first if first == last else None
        return moment

    def _look(self, microseconds: int) -> Moment:
        instant = EPOCH + timedelta(microseconds=microseconds)
        day = local_date(instant, self.time_zone)
        return Moment(day, day.isoformat(), instant.date().replace(day=1))
