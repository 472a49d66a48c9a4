"""What the outside is told about reviews, in the transactions of `cycles.py`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from plum_site.lib.announcements import address_of, announce
from plum_site.lib.periods import month_text
from reviews.choices import Severity
from reviews.models import ReviewCycle

TELL_WITHIN = timedelta(days=40)  # after a month's end: a history that is loaded and reviewed late alarms nobody
GRAVITY = {severity: rank for rank, severity in enumerate(Severity.values)}


def announce_closing(*, cycle: ReviewCycle, at: datetime) -> None:
    """
    A review was closed: its figures are final.

    Raises: nothing.
    Writes: what listeners write.
    """
    month = month_text(cycle.month_start_date)
    data = {
        "id": f"rev_{cycle.pk}",
        "program": cycle.program.code,
        "month": month,
        "revision": cycle.revision,
        "url": address_of("api:review", month),
    }
    announce(type="review.finalized", program_id=cycle.program_id, key=str(cycle.pk), data=data, at=at)


def announce_flags(*, cycle: ReviewCycle, opened: Mapping[str, Sequence[str]], at: datetime) -> None:
    """
    Partners crossed rules: one announcement a partner, with the rules that it had not crossed before.

    opened: external id of the partner to the codes of the new flags' rules. A rule that a later consolidation finds
    crossed, not crossed and crossed again is told once.

    Raises: nothing.
    Writes: what listeners write.
    """
    if at - cycle.ends_at > TELL_WITHIN:
        return
    month = month_text(cycle.month_start_date)
    severities = {rule["code"]: rule["severity"] for rule in cycle.config["rules"]}
    for partner, rules in sorted(opened.items()):
        data = {
            "program": cycle.program.code,
            "month": month,
            "partner": partner,
            "rules": list(rules),
            "severity": max((severities[rule] for rule in rules), key=GRAVITY.__getitem__),
            "url": address_of("api:scorecard", month, partner),
        }
        key = f"{cycle.pk}:{partner}:{','.join(rules)}"
        announce(type="partner.flagged", program_id=cycle.program_id, key=key, data=data, at=at)
