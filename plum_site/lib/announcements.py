"""
Announcements: what happened in a program that the outside may want to know, such as a review that was closed.

A service calls `announce` in the transaction of the change; apps higher up listen and put messages into the outbox, in
the same transaction. So there is no announcement without its change and no change without its announcement, and the
service knows nobody who listens. Data is thin: codes, months and an address where more can be read, never personal data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse


@dataclass(frozen=True)
class AnnouncementType:
    """
    One kind of announcement. example: data as receivers get it; every announcement has exactly its keys.

    is_made: whether this version of Plum announces it; what is not made yet cannot be chosen.
    """

    name: str
    title: str
    example: dict[str, Any]
    is_made: bool = False


@dataclass(frozen=True)
class Announcement:
    """One thing that happened. key: which one, within its type and program; the same one is announced once."""

    type: str
    program_id: int
    key: str
    data: dict[str, Any]
    at: datetime


Listener = Callable[[Announcement], None]

_REVIEW = {
    "id": "rev_42",
    "program": "acme",
    "month": "2026-10",
    "revision": 1,
    "url": "https://plum.example.org/api/v1/reviews/2026-10",
}
_ACTION = {
    "id": "act_7",
    "program": "acme",
    "partner": "P-17",
    "kind": "rerank",
    "revision": 1,
    "state": "proposed",
    "url": "https://plum.example.org/api/v1/actions/7",
}
_REPLACEMENT = {
    "id": "rep_3",
    "program": "acme",
    "partner": "P-17",
    "successor": "P-99",
    "revision": 4,
    "state": "opened",
    "url": "https://plum.example.org/api/v1/replacements/3",
}
_OFFER = {"program": "acme", "offer": "O-100", "url": "https://plum.example.org/api/v1/offers/O-100"}
_DAY = {"program": "acme", "partner": "P-17", "offer": "O-100", "day": "2026-10-01", "url": _OFFER["url"]}
_EXPORT = {
    "id": "0198f3a2-7c1e-7d7c-9a4b-3f6f0d1e2b10",
    "program": "acme",
    "from": "2026-10-01",
    "to": "2026-11-01",
    "rows": 125_000,
    "url": "https://plum.example.org/api/v1/exports/0198f3a2-7c1e-7d7c-9a4b-3f6f0d1e2b10",
}
_SYNC = {"program": "acme", "changed": 12, "url": "https://plum.example.org/console/"}

TYPES: dict[str, AnnouncementType] = {
    row.name: row
    for row in (
        AnnouncementType("review.finalized", "A monthly review was closed", _REVIEW, is_made=True),
        AnnouncementType(
            "partner.ladder_moved",
            "The closing of a review moved a partner on the ladder, or says that replacing it is due",
            {
                "program": "acme",
                "month": "2026-10",
                "partner": "P-17",
                "step": "put_on_notice",
                "from": "active",
                "to": "on_notice",
                "url": "https://plum.example.org/api/v1/ladder/partners/P-17",
            },
            is_made=True,
        ),
        AnnouncementType(
            "partner.flagged",
            "A partner crossed rules that it had not crossed before in this month's review",
            {
                "program": "acme",
                "month": "2026-10",
                "partner": "P-17",
                "rules": ["activation_fall"],
                "severity": "warning",
                "url": "https://plum.example.org/api/v1/reviews/2026-10/scorecards/P-17",
            },
            is_made=True,
        ),
        AnnouncementType("export.ready", "An export can be downloaded", _EXPORT, is_made=True),
        AnnouncementType("export.failed", "An export could not be made", _EXPORT),
        AnnouncementType("review.opened", "A monthly review was opened", _REVIEW),
        AnnouncementType("offer.started", "An offer went live on its first day", _DAY, is_made=True),
        AnnouncementType("offer.ended", "An offer's last day is over", _DAY, is_made=True),
        AnnouncementType("offer.published", "An offer went live", _OFFER),
        AnnouncementType("offer.retired", "An offer was retired", _OFFER),
        AnnouncementType("event.rejected", "Events were rejected", {"program": "acme", "source": "shop", "rejected": 3}),
        AnnouncementType(
            "push.requested",
            "Your own messenger is asked to write to members",
            {
                "id": "act_7",
                "program": "acme",
                "push": "push_7",
                "references": ["6f1c0b3a9d2e4f5088a1b2c3d4e5f607"],
                "url": "https://plum.example.org/api/v1/actions/7/recipients",
            },
            is_made=True,
        ),
        AnnouncementType("action.proposed", "A corrective action was proposed", _ACTION, is_made=True),
        AnnouncementType(
            "action.edited",
            "A corrective action was edited: it waits for an approval, whatever it had",
            _ACTION | {"revision": 2},
            is_made=True,
        ),
        AnnouncementType("action.approved", "A corrective action was approved", _ACTION | {"state": "approved"}, is_made=True),
        AnnouncementType("action.executed", "A corrective action was carried out", _ACTION | {"state": "executed"}, is_made=True),
        AnnouncementType(
            "action.failed", "A corrective action could not be carried out", _ACTION | {"state": "failed"}, is_made=True
        ),
        AnnouncementType("action.reverted", "A corrective action was reverted", _ACTION | {"state": "reverted"}, is_made=True),
        AnnouncementType(
            "action.measured",
            "The effect of a corrective action was measured",
            _ACTION | {"state": "measured", "verdict": "worked"},
            is_made=True,
        ),
        AnnouncementType("replacement.opened", "The replacement of a partner was opened", _REPLACEMENT, is_made=True),
        AnnouncementType("replacement.scheduled", "A cutover was scheduled", _REPLACEMENT | {"state": "scheduled"}, is_made=True),
        AnnouncementType(
            "replacement.cut_over", "A partner's offers gave way to others", _REPLACEMENT | {"state": "cut_over"}, is_made=True
        ),
        AnnouncementType(
            "replacement.completed", "A replacement was completed", _REPLACEMENT | {"state": "completed"}, is_made=True
        ),
        AnnouncementType(
            "replacement.rolled_back", "A cutover was taken back", _REPLACEMENT | {"state": "rolled_back"}, is_made=True
        ),
        AnnouncementType(
            "replacement.cancelled", "A replacement was called off", _REPLACEMENT | {"state": "cancelled"}, is_made=True
        ),
        AnnouncementType(
            "holders.notice_requested",
            "Your own messenger is asked to tell members who hold an offer that goes",
            {
                "id": "rep_3",
                "program": "acme",
                "partner": "P-17",
                "what": "ends",
                "last_day": "2026-11-30",
                "references": ["6f1c0b3a9d2e4f5088a1b2c3d4e5f607"],
                "url": "https://plum.example.org/api/v1/replacements/3/holders",
            },
            is_made=True,
        ),
        AnnouncementType("people_sync.completed", "Members were brought up to date", _SYNC),
        AnnouncementType("people_sync.blocked", "A change of members waits for a person", _SYNC),
        AnnouncementType("reconciliation.completed", "A statement was reconciled", {"program": "acme", "statement": "S-9"}),
        AnnouncementType(
            "endpoint.disabled",
            "Another webhook was disabled because its receiver did not answer",
            {
                "program": "acme",
                "endpoint": "5b0f7a3e-2f53-4a8e-9c5d-7d1f1c0a9b42",
                "reason": "Every attempt has failed since 2026-10-01 08:00 UTC.",
                "url": "https://plum.example.org/console/exports/webhookendpoint/3/change/",
            },
            is_made=True,
        ),
    )
}
LISTENERS: list[Listener] = []


def listener(function: Listener) -> Listener:
    """Register what hears every announcement, inside the announcing transaction: it writes rows and sends nothing."""
    LISTENERS.append(function)
    return function


def announce(*, type: str, program_id: int, key: str, data: dict[str, Any], at: datetime) -> None:
    """
    Tell the listeners that something happened, in the transaction in which it does.

    key: which one, so that the same thing told twice is one announcement. data: JSON with the keys of the type's example.
    Writes: what the listeners write.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"{type}: what happened is announced in the transaction of its change")
    known = TYPES.get(type)
    if known is None or not known.is_made:
        raise ValueError(f"{type} is not announced: enter it into plum_site/lib/announcements.py")
    if set(data) != set(known.example):
        raise ValueError(f"{type} carries {sorted(known.example)}, not {sorted(data)}: receivers rely on it")
    announcement = Announcement(type, program_id, key, data, at)
    for hear in LISTENERS:
        hear(announcement)


def address_of(name: str, *values: object) -> str:
    """The whole address of a page or an API resource by its URL name, for people and machines outside."""
    return settings.BASE_URL.rstrip("/") + reverse(name, args=[str(value) for value in values])
