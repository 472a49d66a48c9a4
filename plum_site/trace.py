"""The way of one event through Plum, read from the rows it left behind (docs/tour.md tells the same in words)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from activity.models import (
    DayOfferRollup,
    DayPartnerRollup,
    DaySegmentRollup,
    Event,
    EventIdentity,
    EventSource,
    IngestBatch,
    Seal,
)
from activity.models.ledger import POSITIONS
from activity.rules import identity_keys
from partners.models import Program
from plum_site.lib import keys
from plum_site.lib.audit import reference
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import AuditEvent
from plum_site.lib.periods import month_start
from reviews.models import ReviewCycle, Scorecard

AUDIT_SHOWN = 20  # newest rows about the objects that the event touched


@dataclass(frozen=True)
class Step:
    """One station: its name, one sentence, and the figures behind it."""

    name: str
    sentence: str
    facts: dict[str, Any]


def find_event(event_id: str, program: Program | None) -> Event:
    """
    The event with this row number, or with this id at any of its sources.

    Raises: NotFound, or DomainError "event_ambiguous" where several sources used the same id.
    """
    events = Event.objects.select_related("program", "offer__partner", "source", "attribute_set")
    if program:
        events = events.filter(program=program)
    # No real row number is longer than 19 digits; a longer one would not fit the column.
    if event_id.isdecimal() and len(event_id) < 19 and (event := events.filter(pk=int(event_id)).first()):
        return event
    sources = EventSource.objects.select_related("program").order_by("pk")
    found: list[int] = []
    for source in sources.filter(program=program) if program else sources:
        forms = identity_keys(keys.program_key(source.program.uuid, "identity"), source.code, event_id)
        found += EventIdentity.objects.filter(program_id=source.program_id, key__in=forms).values_list("event_id", flat=True)
    matches = list(events.filter(pk__in=found).order_by("pk")[:20])
    if not matches:
        raise NotFound("event", event_id)
    if len(matches) > 1:
        rows = ", ".join(f"{event.pk} ({event.program.code}, {event.source.code})" for event in matches)
        raise DomainError("event_ambiguous", f"Several events have the id {event_id!r}. Name one by its row number: {rows}.")
    return matches[0]


def list_steps(event: Event) -> Iterator[Step]:
    """Every station that the event has reached, in order."""
    batch = IngestBatch.objects.select_related("source").get(pk=event.pk // POSITIONS)
    seal = Seal.objects.filter(batch=batch).first()
    yield _identity(event)
    yield _event(event)
    yield _batch(event, batch)
    yield _seal(seal)
    yield _rollups(event)
    cards = _cards(event)
    yield _reviews(event, seal, cards)
    yield _audit(event, cards)


def _identity(event: Event) -> Step:
    identity = EventIdentity.objects.filter(program_id=event.program_id, event_id=event.pk).first()
    if identity is None:
        return Step("identity", "its identity is missing: `verify ledger` names this as a violation", {})
    content = "known" if identity.content else "blanked by purge or erasure"
    return Step("identity", f"kept once for ever in {event.program.code}; content {content}", {"key": bytes(identity.key).hex()})


def _event(event: Event) -> Step:
    facts = {
        "id": event.pk,
        "event_id": event.event_key,
        "source": event.source.code,
        "kind": event.get_kind_display(),
        "status": event.get_status_display(),
        "occurred_at": event.occurred_at,
        "program_day": event.local_date,
        "offer": event.offer.external_id,
        "partner": event.offer.partner.external_id,
        "attributes": event.attribute_set.values,
        "spend_minor": event.spend_minor,
        "spend_currency": event.spend_currency,
        "reward_cost_minor": event.reward_cost_minor,
        "reward_cost_currency": event.reward_cost_currency,
    }
    sentence = f"{facts['status']} {facts['kind']} of {facts['offer']} ({facts['partner']}) on {event.local_date}"
    return Step("event", sentence, facts)


def _batch(event: Event, batch: IngestBatch) -> Step:
    counts = {name: getattr(batch, f"{name}_count") for name in ("received", "accepted", "duplicate", "conflict", "rejected")}
    position = event.pk % POSITIONS
    facts = {"batch": batch.pk, "position": position, "origin": batch.origin, "token": batch.token_id, **counts}
    place = f"number {position + 1} of {batch.accepted_count} in batch {batch.pk}"
    sentence = f"{place} by {batch.origin}, {batch.recorded_at:%Y-%m-%d %H:%M:%S} UTC"
    return Step("batch", sentence, facts | {"recorded_at": batch.recorded_at, "root": bytes(batch.root).hex()})


def _seal(seal: Seal | None) -> Step:
    if seal is None:
        return Step("seal", "not sealed yet: the next sweep does it", {})
    facts = {"number": seal.number, "sealed_at": seal.sealed_at, "chain": bytes(seal.chain).hex()}
    return Step("seal", f"sealed as number {seal.number} on {seal.sealed_at:%Y-%m-%d %H:%M:%S} UTC", facts)


def _rollups(event: Event) -> Step:
    cell = {"program_id": event.program_id, "local_date": event.local_date, "kind": event.kind, "status": event.status}
    grains: dict[str, Any] = {
        "day × offer": DayOfferRollup.objects.filter(**cell, offer_id=event.offer_id),
        "day × partner": DayPartnerRollup.objects.filter(**cell, partner_id=event.offer.partner_id),
        "day × segment": DaySegmentRollup.objects.filter(
            **cell, offer_type=event.offer.offer_type, attribute_set_id=event.attribute_set_id
        ),
    }
    fields = ("measure", "currency", "event_count", "amount_minor")
    facts = {name: list(rows.order_by("measure", "currency").values(*fields)) for name, rows in grains.items()}
    counted = ", ".join(
        f"{name}: {rows[0]['event_count']} events" if rows else f"{name}: not yet" for name, rows in facts.items()
    )
    return Step("rollups", f"counted in {counted}", facts)


def _cards(event: Event) -> list[Scorecard]:
    cards = Scorecard.objects.filter(
        cycle__program_id=event.program_id,
        cycle__month_start_date=month_start(event.local_date),
        partner_id=event.offer.partner_id,
    )
    return list(cards.select_related("cycle", "partner", "decision").prefetch_related("flags__rule_version__rule").order_by("pk"))


def _reviews(event: Event, seal: Seal | None, cards: list[Scorecard]) -> Step:
    month = f"{event.local_date:%Y-%m}"
    if not cards:
        state = ReviewCycle.objects.filter(program_id=event.program_id, month_start_date=month_start(event.local_date)).exists()
        return Step("review", f"{month} {'has no card of this partner' if state else 'has not been reviewed yet'}", {})
    rows: list[dict[str, Any]] = []
    for card in cards:
        cutoff = card.cycle.cutoff
        counts = None if cutoff is None or seal is None else seal.number <= cutoff
        rows.append(
            {
                "revision": card.cycle.revision,
                "state": card.cycle.state,
                "cutoff": cutoff,
                "event_counts": counts,
                "standing": card.standing,
                "flags": [flag.rule_version.rule.code for flag in card.flags.all()],
                "decision": card.decision.kind if hasattr(card, "decision") else None,
            }
        )
    last = rows[-1]
    part = {True: "counted", False: "came after the cut-off", None: "counts once it is sealed"}[last["event_counts"]]
    flags = f", flags {', '.join(last['flags'])}" if last["flags"] else ""
    sentence = (
        f"{part} in the review of {month} ({last['state']}): {last['standing']}{flags}, decision {last['decision'] or 'open'}"
    )
    return Step("review", sentence, {"cards": rows})


def _audit(event: Event, cards: list[Scorecard]) -> Step:
    objects = [event.offer, event.offer.partner, *cards, *(card.cycle for card in cards)]
    about = AuditEvent.objects.filter(object_ref__in={reference(row) for row in objects})
    entries = [
        {"at": entry.at, "actor": entry.actor, "action": entry.action, "object": entry.object_ref}
        for entry in about.order_by("-pk")[:AUDIT_SHOWN]
    ]
    sentence = f"{len(entries)} newest changes of its offer, partner and review" if entries else "nothing about it was changed"
    return Step("audit", sentence, {"entries": entries})
