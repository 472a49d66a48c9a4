"""What is said about sources: by a program admin how often something is expected, by the sender how far it is complete."""

from datetime import datetime

from django.db import transaction

from activity.choices import Rhythm
from activity.models import EventSource
from activity.rules import FUTURE_SKEW
from activity.rules.events import EARLIEST, LONGEST
from activity.services.sources import name_sources
from partners.models import Program
from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import User


def set_rhythm(*, source_id: int, rhythm: str, actor: User | str, at: datetime) -> EventSource:
    """
    Say how often something of a source is expected. Saying the same again changes nothing.

    Raises: InvalidInput ("unknown_rhythm").
    Writes: activity_eventsource, plum_auditevent; one transaction.
    """
    if rhythm not in Rhythm.values:
        sentence = f"{rhythm!r} is none of {', '.join(Rhythm.values)}. Nothing was changed."
        raise InvalidInput("unknown_rhythm", sentence, {"rhythm": sentence})
    with transaction.atomic():
        source = EventSource.objects.select_for_update().get(pk=source_id)
        before = source.rhythm
        if before == rhythm:
            return source
        source.rhythm = rhythm
        source.save(update_fields=["rhythm"])
        audit.record(
            program_id=source.program_id,
            actor=actor,
            action="activity.set_rhythm",
            row=source,
            at=at,
            before={"rhythm": before},
            after={"rhythm": rhythm},
        )
    return source


def state_complete_through(
    *, program: Program, code: str, complete_through: datetime | None, actor: User | str, at: datetime
) -> EventSource:
    """
    Keep what a sender says of itself: everything that happened before this instant was sent. None takes it back, so that
    the last event says it again. The source is made if nothing has come from it yet; a quiet day is news too.

    Raises: InvalidInput ("invalid_source", "time_in_future", "before_1990").
    Writes: activity_eventsource, plum_auditevent where it differs; one transaction.
    """
    if not 0 < len(code) <= LONGEST["source"] or not code.isprintable():
        raise InvalidInput("invalid_source", "A source is 1 to 200 characters that can be printed. Nothing was changed.")
    check_complete_through(complete_through=complete_through, at=at)
    with transaction.atomic():
        [source_id] = name_sources(program=program, codes=[code], at=at).values()
        source = EventSource.objects.select_for_update().get(pk=source_id)
        before = source.complete_through_at
        if before == complete_through:
            return source
        source.complete_through_at = complete_through
        source.stated_at = at if complete_through else None
        source.save(update_fields=["complete_through_at", "stated_at"])
        audit.record(
            program_id=program.pk,
            actor=actor,
            action="activity.state_complete_through",
            row=source,
            at=at,
            before={"complete_through": before.isoformat() if before else None},
            after={"complete_through": complete_through.isoformat() if complete_through else None},
        )
    return source


def check_complete_through(*, complete_through: datetime | None, at: datetime) -> None:
    """
    Whether an instant can be one up to which a source is complete.

    Raises: InvalidInput ("time_in_future", "before_1990").
    Writes: nothing.
    """
    if complete_through is None:
        return
    if complete_through > at + FUTURE_SKEW:
        sentence = "complete_through lies more than 10 minutes in the future, where nothing can be complete. Nothing was changed."
        raise InvalidInput("time_in_future", sentence, {"complete_through": sentence})
    if complete_through < EARLIEST:
        sentence = "complete_through lies before 1990. Nothing was changed."
        raise InvalidInput("before_1990", sentence, {"complete_through": sentence})
