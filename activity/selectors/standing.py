"""As of when figures are: one cheap question for every screen that shows any."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from activity.selectors.ledger import LOOK_BACK

SQL = """
SELECT h.number, h.sealed_at,
  (SELECT n.recorded_at FROM activity_ingestbatch n WHERE n.program_id = %(program)s AND n.accepted_count > 0
    ORDER BY n.id DESC LIMIT 1),
  (SELECT min(u.recorded_at) FROM activity_ingestbatch u WHERE u.program_id = %(program)s AND u.accepted_count > 0
    AND u.id > coalesce(h.batch_id, 0) - %(look_back)s
    AND NOT EXISTS (SELECT 1 FROM activity_seal z WHERE z.batch_id = u.id))
FROM (SELECT 1 AS one) o LEFT JOIN
  (SELECT number, sealed_at, batch_id FROM activity_seal WHERE program_id = %(program)s ORDER BY number DESC LIMIT 1) h ON 1 = 1
"""


@dataclass(frozen=True)
class Standing:
    """
    The state of the ledger that figures are made from: everything committed, whether sealed or not.

    number, sealed_at: of the newest seal (0 and None while there is none). newest_at: when the newest event was recorded.
    unsealed_since: when the oldest event was recorded that is not sealed yet; None where all are.
    """

    number: int
    sealed_at: datetime | None
    newest_at: datetime | None
    unsealed_since: datetime | None

    def age_of_newest(self, at: datetime) -> timedelta | None:
        """How long ago the newest event was recorded; None where there is none."""
        return None if self.newest_at is None else max(at - self.newest_at, timedelta())

    def age_of_unsealed(self, at: datetime) -> timedelta | None:
        """For how long the oldest unsealed event has waited; None where none does."""
        return None if self.unsealed_since is None else max(at - self.unsealed_since, timedelta())


def read_standing(program_id: int) -> Standing:
    """
    As of when a program's figures are, and how fresh.

    Shape: one Standing.
    """
    with connection.cursor() as cursor:
        cursor.execute(SQL, {"program": program_id, "look_back": LOOK_BACK})
        number, sealed_at, newest_at, unsealed_since = cursor.fetchone()
    return Standing(number or 0, _instant(sealed_at), _instant(newest_at), _instant(unsealed_since))


def _instant(value: Any) -> datetime | None:
    """An instant as PostgreSQL gives it, or as SQLite keeps it: UTC without an offset, as text where it was worked out."""
    if value is None:
        return None
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
