"""What is answered to whoever sent events: an outcome for each, and why where it was not taken."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from activity.choices import Outcome
from activity.rules import IncomingEvent, Rejection
from activity.rules.messages import IncomingMessage
from plum_site.lib.errors import DomainError


@dataclass(slots=True)
class Result:
    """What became of one event: its place in the input, its id, the outcome, and why where it was not taken."""

    index: int
    event_id: str
    outcome: Outcome
    code: str = ""
    field: str = ""
    detail: str = ""
    warning: str = ""


@dataclass(slots=True)
class Receipt:
    """
    The answer to one call: received = accepted + duplicate + conflict + rejected.

    notable: the results, in order, of which there is more to say than that the event was accepted. events: what was sent.
    """

    received: int
    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    notable: list[Result] = field(repr=False)
    events: Sequence[IncomingEvent | IncomingMessage | Rejection] = field(repr=False)

    @property
    def results(self) -> list[Result]:
        """A result for every event, in order."""
        told = {result.index: result for result in self.notable}
        return [told.get(index) or Result(index, event.event_id, Outcome.ACCEPTED) for index, event in enumerate(self.events)]


class UnableToRecordEvents(DomainError):
    """Strict handling was asked for and not every event could be taken; nothing was stored. `receipt` says why."""

    status = 422

    def __init__(self, receipt: Receipt) -> None:
        bad = receipt.rejected + receipt.conflict
        super().__init__("not_all_accepted", f"{bad} of {receipt.received} events cannot be taken, so none was stored.")
        self.receipt = receipt


def receipt_of(*, events: Sequence[IncomingEvent | IncomingMessage | Rejection], told: dict[int, Result]) -> Receipt:
    """
    The receipt of some events; those of which nothing is told were accepted.

    Raises: nothing of its own.
    Writes: nothing.
    """
    notable = [told[index] for index in sorted(told)]
    duplicate = sum(result.outcome is Outcome.DUPLICATE for result in notable)
    conflict = sum(result.outcome is Outcome.CONFLICT for result in notable)
    rejected = sum(result.outcome is Outcome.REJECTED for result in notable)
    accepted = len(events) - duplicate - conflict - rejected
    return Receipt(len(events), accepted, duplicate, conflict, rejected, notable, events)
