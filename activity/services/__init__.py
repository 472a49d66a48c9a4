"""Writes of members and the ledger, and the proofs over them."""

from activity.rules import MemberRow, PeopleFault, Person
from activity.services.anchors import signed_head
from activity.services.ingest import record_events
from activity.services.partitions import prepare_partitions
from activity.services.people import apply_people, find_member
from activity.services.people_report import PeopleReport, UnableToApplyPeople
from activity.services.receipts import Receipt, Result, UnableToRecordEvents
from activity.services.sealing import seal_ledger
from activity.services.vault import find_members, open_external_id
from activity.services.verification import verify_ledger, verify_rollups

__all__ = [
    "MemberRow",
    "PeopleFault",
    "PeopleReport",
    "Person",
    "Receipt",
    "Result",
    "UnableToApplyPeople",
    "UnableToRecordEvents",
    "apply_people",
    "find_member",
    "find_members",
    "open_external_id",
    "prepare_partitions",
    "record_events",
    "seal_ledger",
    "signed_head",
    "verify_ledger",
    "verify_rollups",
]
