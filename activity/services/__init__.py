"""Writes of members and the ledger, and the proofs over them."""

from activity.services.anchors import signed_head
from activity.services.ingest import Receipt, Result, UnableToRecordEvents, record_events
from activity.services.partitions import prepare_partitions
from activity.services.people import MemberRow, PeopleCounts, find_member, save_members
from activity.services.sealing import seal_ledger
from activity.services.vault import Person, find_members, open_external_id
from activity.services.verification import verify_ledger, verify_rollups

__all__ = [
    "MemberRow",
    "PeopleCounts",
    "Person",
    "Receipt",
    "Result",
    "UnableToRecordEvents",
    "find_member",
    "find_members",
    "open_external_id",
    "prepare_partitions",
    "record_events",
    "save_members",
    "seal_ledger",
    "signed_head",
    "verify_ledger",
    "verify_rollups",
]
