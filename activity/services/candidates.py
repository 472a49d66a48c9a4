"""
From checked events to candidates: the offer each is about, its program day, and how it is recognised again. Only reads.

Whatever is found wrong is told in `Draft.told`; what is not told of was accepted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

import msgspec

from activity.choices import Kind, Origin, Outcome, Status
from activity.rules import IncomingEvent, Rejection
from activity.rules.days import DayBook
from activity.rules.identities import content_digester, hashed_key, own_bytes
from activity.rules.leaves import microseconds
from activity.services.receipts import Result
from offers.rules import OfferFacts, is_within
from partners.models import Program
from plum_site.lib import keys

WITHDRAWN = (
    "The offer, or its partner, was withdrawn before this unlock, and the program refuses such. It was not recorded. "
    "What members unlocked before is honoured: activations, redemptions and reversals are taken."
)
KNOWN_OTHERWISE = "This event id was recorded with other content, which stays. Send a correction under a new id."


@dataclass(slots=True)
class Submission:
    """
    What one sender sent at once. strict: nothing of it is stored unless every event can be. keeps_strangers: whether what
    is about people whom the program does not know waits in quarantine; of what is strict nothing does.
    """

    events: Sequence[IncomingEvent | Rejection]
    origin: Origin
    token_id: int | None = None
    strict: bool = False
    keeps_strangers: bool = True


@dataclass(slots=True)
class Batch:
    """One batch in the making: how many events of one source and sender there are, and how many had which outcome."""

    source: str
    origin: Origin
    token_id: int | None
    id: int = 0
    number: int = 0  # its place among the batches of the transaction
    positions: int = 0  # given out so far
    received: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)


@dataclass(slots=True)
class Draft:
    """
    A submission while it is worked on. told: by place, the results of which there is something to say. batches: by source.
    """

    submission: Submission
    told: dict[int, Result] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)

    def reject(self, index: int, event: IncomingEvent | Rejection, code: str, at_field: str, detail: str) -> None:
        """Say why an event is not taken."""
        self.told[index] = Result(index, event.event_id, Outcome.REJECTED, code, at_field, detail)


class Candidate(msgspec.Struct, gc=False):
    """
    One event on its way in. position: its place in its batch, once it has one.

    Invisible to the garbage collector, of which every large request would otherwise make several rounds: nothing that a
    candidate leads to may lead back to it.
    """

    draft: Draft
    index: int
    event: IncomingEvent
    offer_id: int
    at: int  # occurred_at in microseconds since 1970
    day: date
    day_text: str
    key: bytes
    content: bytes
    position: int = 0
    is_refused: bool = False  # an unlock of a withdrawn offer where the program refuses it; a repeat is still a repeat

    def refuse(self) -> None:
        """Say that it is an unlock of an offer that was withdrawn."""
        self.draft.reject(self.index, self.event, "offer_withdrawn", "offer", WITHDRAWN)

    def repeat(self, first_content: bytes | None) -> None:
        """Say that its id was seen before: a duplicate if it said the same, or if what it said is no longer known."""
        if first_content is None or first_content == self.content:
            self.draft.told[self.index] = Result(self.index, self.event.event_id, Outcome.DUPLICATE)
        else:
            self.draft.told[self.index] = Result(
                self.index, self.event.event_id, Outcome.CONFLICT, "conflict", "event_id", KNOWN_OTHERWISE
            )

    def repeats_untaken(self, first: "Candidate") -> None:
        """Say of a repeat what was said of the first, which was not taken: nothing is a duplicate of what is not stored."""
        told = first.draft.told[first.index]
        self.draft.told[self.index] = Result(self.index, self.event.event_id, told.outcome, told.code, told.field, told.detail)


def read_candidates(
    *, program: Program, drafts: Sequence[Draft], catalog: dict[str, OfferFacts], months: set[date] | None = None
) -> list[Candidate]:
    """
    A candidate for each event that is well formed and about a known offer, in order; the others are told of in their draft.

    months: the UTC months that the candidates fall into are added to it.
    Raises: nothing of its own.
    Writes: nothing.
    """
    digest = content_digester(keys.program_key(program.uuid, "content"))
    identity_key = keys.program_key(program.uuid, "identity")
    days = day_book(program.time_zone)
    refuses = program.refuses_withdrawn_unlocks
    met: set[date] = set() if months is None else months
    candidates = []
    for draft in drafts:
        for index, event in enumerate(draft.submission.events):
            if isinstance(event, Rejection):
                draft.reject(index, event, event.code, event.field, event.detail)
                continue
            offer = catalog.get(event.offer)
            if offer is None:
                detail = f"There is no offer {event.offer!r} in this program. Add it to the catalog and send the event again."
                draft.reject(index, event, "unknown_offer", "offer", detail)
                continue
            at = microseconds(event.occurred_at)
            day, day_text, month = days.at(at)
            met.add(month)
            for start, end in offer.live:
                if (start is None or start <= day) and (end is None or day < end):
                    break
            else:
                draft.told[index] = Result(index, event.event_id, Outcome.ACCEPTED, warning="outside_offer_dates")
            late = bool(offer.withdrawn) and is_late_unlock(event, offer)
            if late:
                draft.told[index] = Result(index, event.event_id, Outcome.ACCEPTED, warning="after_withdrawal")
            key = own_bytes(event.event_id) or hashed_key(identity_key, event.source, event.event_id)
            candidate = Candidate(draft, index, event, offer.id, at, day, day_text, key, digest(event, at))
            candidate.is_refused = late and refuses
            candidates.append(candidate)
    return candidates


def is_late_unlock(event: IncomingEvent, offer: OfferFacts) -> bool:
    """Whether an event says that a member unlocked an offer while it was withdrawn; one that failed is as it should be."""
    is_unlock = event.kind == Kind.UNLOCKED and event.status == Status.CONFIRMED
    return is_unlock and is_within(offer.withdrawn, event.occurred_at)


def open_batches(drafts: Sequence[Draft]) -> list[Batch]:
    """The batches of one transaction, one for each source and sender, in the order of their sources; each draft knows its own."""
    batches: dict[tuple[str, int, Origin], Batch] = {}
    for draft in drafts:
        sent = draft.submission
        for source, count in Counter([event.source for event in sent.events]).items():
            batch = batches.setdefault((source, sent.token_id or 0, sent.origin), Batch(source, sent.origin, sent.token_id))
            batch.received += count
            draft.batches[source] = batch
    ordered = [batches[name] for name in sorted(batches)]
    for number, batch in enumerate(ordered):
        batch.number = number
    return ordered


@lru_cache(maxsize=100)
def day_book(time_zone: str) -> DayBook:
    """The day book of a time zone that this process keeps."""
    return DayBook(time_zone)


def first_of_each(candidates: Sequence[Candidate]) -> tuple[dict[bytes, Candidate], list[Candidate]]:
    """The first candidate of each key, and the rest, which repeat one of them."""
    first: dict[bytes, Candidate] = {}
    rest = [candidate for candidate in candidates if first.setdefault(candidate.key, candidate) is not candidate]
    return first, rest


def other_form(*, program: Program, candidate: Candidate) -> bytes:
    """The form of a candidate's key that erasure leaves behind; its own for an id that has no other."""
    return hashed_key(keys.program_key(program.uuid, "identity"), candidate.event.source, candidate.event.event_id)
