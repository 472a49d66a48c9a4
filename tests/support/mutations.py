"""
The mutations of the ledger, its rollups, reviews, audit log and exports that `verify` must locate, one after the other.

`docs/operations/tampering.md` shows them as a table; a test compares the two.
"""

from activity.models import Event
from tests.support.tampering import (
    Mutation,
    disable_trigger,
    edit_anchor,
    edit_file,
    rewrite_history,
    set_bytes,
    sign_with_another_key,
)


def event_column(what: str, change: str, place: str = "batch {batch}: ") -> Mutation:
    """A change of one column of one event."""
    return Mutation(what, f"UPDATE activity_event SET {change} WHERE id = {{row}}", "ledger", place)


def copy_of(to: str, program: str = "program_id") -> str:
    """A copy of the event {row} under another id."""
    columns = [f'"{each.column}"' for each in Event._meta.concrete_fields if each.column not in ("id", "program_id")]
    names = ", ".join(columns)
    source = f"SELECT {to}, {program}, {names} FROM activity_event WHERE id = {{row}}"
    return f"INSERT INTO activity_event (id, program_id, {names}) {source}"


MUTATIONS = [
    event_column("an amount, one minor unit more", "spend_minor = spend_minor + 1", "event {row} was edited"),
    event_column("an amount, one minor unit less", "spend_minor = spend_minor - 1", "event {row} was edited"),
    event_column("the currency of an amount", "spend_currency = 'USD'", "event {row} was edited"),
    event_column(
        "a reward cost where there was none", "reward_cost_minor = 1, reward_cost_currency = 'EUR'", "event {row} was edited"
    ),
    event_column("the kind", "kind = 4", "event {row} was edited"),
    event_column("the status", "status = 3", "event {row} was edited"),
    event_column("the reason code", "reason_code = 'declined'", "event {row} was edited"),
    event_column("the exact time", "occurred_at = '2026-06-15 10:00:01'", "event {row} was edited"),
    event_column("the program day", "local_date = '2026-06-16'"),
    event_column("the member", "member_id = member_id + 1", "event {row} was edited"),
    event_column("the offer", "offer_id = offer_id + 1", "event {row} was edited"),
    event_column("the attribute set", "attribute_set_id = attribute_set_id + 1"),
    event_column("the event id", "event_key = 'other'"),
    event_column("the source", "source_id = source_id + 1"),
    event_column("the transaction reference", "transaction_ref = 'T9'", "event {row} was edited"),
    event_column("the event that is reversed", "reverses = 'e9'", "event {row} was edited"),
    event_column("the medium", "medium = 'app'", "event {row} was edited"),
    event_column("the position", '"position" = 9', "event {row} was edited"),
    event_column("the nonce", "nonce = (SELECT nonce FROM activity_event WHERE id = {before})"),
    event_column("an erasure that never was, with a made-up hash", "member_id = NULL, event_key = NULL, identity_hash = nonce"),
    event_column("an edit behind the hash of an erasure", "event_key = 'other', identity_hash = nonce"),
    Mutation(
        "the content of two events, each under the other's id",
        [
            "UPDATE activity_event SET id = -1 WHERE id = {row}",
            "UPDATE activity_event SET id = {row} WHERE id = {after}",
            "UPDATE activity_event SET id = {after} WHERE id = -1",
        ],
        "ledger",
        "batch {batch}: event {row} was edited; event {after} was edited",
    ),
    Mutation(
        "two events and their identities, each in the other's place",
        [
            "UPDATE activity_event SET id = -1 WHERE id = {row}",
            "UPDATE activity_event SET id = {row} WHERE id = {after}",
            "UPDATE activity_event SET id = {after} WHERE id = -1",
            "UPDATE activity_eventidentity SET event_id = -1 WHERE event_id = {row}",
            "UPDATE activity_eventidentity SET event_id = {row} WHERE event_id = {after}",
            "UPDATE activity_eventidentity SET event_id = {after} WHERE event_id = -1",
        ],
        "ledger",
        "batch {batch}: its rows were reordered",
    ),
    Mutation("the first event deleted", "DELETE FROM activity_event WHERE id = {first}", "ledger", "event {first} was deleted"),
    Mutation(
        "an event in the middle deleted", "DELETE FROM activity_event WHERE id = {row}", "ledger", "event {row} was deleted"
    ),
    Mutation("the last event deleted", "DELETE FROM activity_event WHERE id = {last}", "ledger", "event {last} was deleted"),
    Mutation(
        "an event deleted with its identity",
        ["DELETE FROM activity_event WHERE id = {row}", "DELETE FROM activity_eventidentity WHERE event_id = {row}"],
        "ledger",
        "batch {batch}: ",
    ),
    Mutation(
        "every event of a batch deleted",
        "DELETE FROM activity_event WHERE id BETWEEN {low} AND {high}",
        "ledger",
        "batch {batch}: all of its 3 events were deleted",
    ),
    Mutation("a forged event in a batch", copy_of("{free}"), "ledger", "event {free} was inserted"),
    Mutation(
        "a forged event in a batch, with an identity",
        [
            copy_of("{free}"),
            "INSERT INTO activity_eventidentity (program_id, key, content, event_id) "
            "SELECT program_id, nonce, NULL, id FROM activity_event WHERE id = {free}",
        ],
        "ledger",
        "batch {batch}: ",
    ),
    Mutation(
        "a forged event outside every batch",
        copy_of("{nowhere}"),
        "ledger",
        "batch 999: 1 events lie in a batch that does not exist",
    ),
    Mutation("an event copied into another program", copy_of("{stranger}", "{other}"), "ledger", "event {stranger} was inserted"),
    Mutation(
        "an event moved into another program",
        "UPDATE activity_event SET program_id = {other} WHERE id = {row}",
        "ledger",
        "event {row} was deleted",
    ),
    Mutation(
        "a second identity for an event",
        "INSERT INTO activity_eventidentity (program_id, key, content, event_id) "
        "SELECT program_id, nonce, NULL, id FROM activity_event WHERE id = {row}",
        "ledger",
        "event {row} (batch {batch}) has two identities",
    ),
    Mutation(
        "an identity forgotten, so that its event could come in again",
        "DELETE FROM activity_eventidentity WHERE event_id = {row}",
        "ledger",
        "event {row} (batch {batch}) has no identity",
    ),
    Mutation(
        "the outside id of an offer",
        "UPDATE offers_offer SET external_id = 'O9' WHERE program_id = {program} AND external_id = 'O1'",
        "ledger",
        "batch {batch}: ",
    ),
    Mutation(
        "the values of an attribute set",
        'UPDATE activity_attributeset SET "values" = \'{{"region":"west"}}\' WHERE program_id = {program}',
        "ledger",
        "batch {batch}: ",
    ),
    Mutation(
        "the name of a source",
        "UPDATE activity_eventsource SET code = 'x' WHERE program_id = {program}",
        "ledger",
        "batch {batch}: ",
    ),
    Mutation(
        "the key of a member",
        "UPDATE activity_member SET key = (SELECT nonce FROM activity_event WHERE id = {row}) WHERE id = "
        "(SELECT member_id FROM activity_event WHERE id = {row})",
        "ledger",
        "batch {batch}: ",
    ),
    Mutation(
        "the root of a batch",
        "UPDATE activity_ingestbatch SET root = (SELECT root FROM activity_ingestbatch WHERE id = {first_batch}) "
        "WHERE id = {batch}",
        "ledger",
        "seal 2: batch {batch} carries another root than was sealed",
    ),
    Mutation(
        "how many events a batch accepted",
        "UPDATE activity_ingestbatch SET accepted_count = 2, rejected_count = 1 WHERE id = {batch}",
        "ledger",
        "seal 2: the chain breaks here",
    ),
    Mutation(
        "a seal taken out", "DELETE FROM activity_seal WHERE program_id = {program} AND number = 2", "ledger", "seal 2 is missing"
    ),
    Mutation(
        "a seal renumbered",
        "UPDATE activity_seal SET number = 7 WHERE batch_id = {last_batch}",
        "ledger",
        "seal 3 is missing: seal 7 follows seal 2",
    ),
    Mutation(
        "two batches in each other's place in the order",
        [
            "UPDATE activity_seal SET number = 99 WHERE batch_id = {batch}",
            "UPDATE activity_seal SET number = 2 WHERE batch_id = {last_batch}",
            "UPDATE activity_seal SET number = 3 WHERE batch_id = {batch}",
        ],
        "ledger",
        "seal 2: the chain breaks here",
    ),
    Mutation(
        "the root of a seal",
        "UPDATE activity_seal SET root = (SELECT root FROM activity_seal WHERE batch_id = {first_batch}) "
        "WHERE batch_id = {batch}",
        "ledger",
        "seal 2: batch {batch} carries another root",
    ),
    Mutation(
        "the chain of a seal",
        "UPDATE activity_seal SET chain = root WHERE batch_id = {batch}",
        "ledger",
        "seal 2: the chain breaks here",
    ),
    Mutation(
        "the tail cut off with every trace",
        [
            "DELETE FROM activity_event WHERE program_id = {program} AND id >= {tail}",
            "DELETE FROM activity_eventidentity WHERE program_id = {program} AND event_id >= {tail}",
            "DELETE FROM activity_seal WHERE batch_id = {last_batch}",
            "DELETE FROM activity_ingestbatch WHERE id = {last_batch}",
        ],
        "ledger",
        "the ledger ends at seal 2, but seal 3 was anchored",
    ),
    Mutation(
        "an amount, with root, seals and chain made anew from there on",
        rewrite_history,
        "ledger",
        "seal 2 is not the one that was anchored",
    ),
    Mutation(
        "the number in an anchor",
        edit_anchor(lambda lines: [lines[0], lines[1].replace('"number": 2', '"number": 1'), *lines[2:]]),
        "ledger",
        "line 2 of the anchor file is not a head signed",
    ),
    Mutation(
        "an anchor cut short",
        edit_anchor(lambda lines: [*lines[:2], lines[2][:50]]),
        "ledger",
        "line 3 of the anchor file is not a head signed",
    ),
    Mutation(
        "an anchor signed with another key",
        edit_anchor(sign_with_another_key),
        "ledger",
        "line 2 of the anchor file is not a head signed",
    ),
    Mutation(
        "a permit left behind",
        "INSERT INTO activity_ledgerpermit (reason, job_id, made_at) VALUES ('purge', 7, '2026-07-01 10:00:00')",
        "ledger",
        "a permit of job 7 stands since 2026-07-01",
    ),
    Mutation(
        "the protection of the ledger switched off", disable_trigger("activity_event"), "ledger", "rows of activity_event can be"
    ),
    Mutation(
        "the count of a cell by partner",
        "UPDATE activity_daypartnerrollup SET event_count = event_count + 1 WHERE program_id = {program} "
        "AND measure = 1 AND kind = 5",
        "rollups",
        "activity_daypartnerrollup at local_date 2026-06-15, kind 5, status 1, measure 1",
    ),
    Mutation(
        "the amount of a cell by offer",
        "UPDATE activity_dayofferrollup SET amount_minor = amount_minor - 1 WHERE program_id = {program} AND measure = 2",
        "rollups",
        "activity_dayofferrollup at local_date 2026-06-15, kind 5, status 1, measure 2, currency EUR",
    ),
    Mutation(
        "a cell by segment taken out",
        "DELETE FROM activity_daysegmentrollup WHERE program_id = {program} AND measure = 1 AND kind = 5",
        "rollups",
        "activity_daysegmentrollup at local_date 2026-06-15, kind 5, status 1, measure 1",
    ),
    Mutation(
        "a cell by partner that no event made",
        "INSERT INTO activity_daypartnerrollup "
        "(program_id, local_date, kind, status, measure, currency, partner_id, event_count, amount_minor) "
        "SELECT program_id, '2026-06-20', kind, status, measure, currency, partner_id, 0, 0 FROM activity_daypartnerrollup "
        "WHERE program_id = {program} AND measure = 1 AND kind = 5",
        "rollups",
        "activity_daypartnerrollup at local_date 2026-06-20",
    ),
    Mutation("the members of a set", set_bytes, "rollups", "the set lacks 1 and has 1 too many of the 1 members"),
    Mutation(
        "the count of a set",
        "UPDATE activity_daysegmentmembers SET member_count = 9 WHERE program_id = {program} AND kind = 5",
        "rollups",
        "activity_daysegmentmembers at local_date 2026-06-15",
    ),
    Mutation(
        "a set taken out",
        "DELETE FROM activity_daypartnermembers WHERE program_id = {program} AND kind = 5",
        "rollups",
        "no set, the ledger has 1 members",
    ),
    Mutation(
        "a figure of a scorecard",
        "UPDATE reviews_scorecard SET standing = 'watch' WHERE cycle_id = {cycle}",
        "cycles",
        "2026-06 revision 1: the stored scorecards do not give its digest",
    ),
    Mutation("a scorecard taken out", "DELETE FROM reviews_scorecard WHERE cycle_id = {cycle}", "cycles", "2026-06"),
    Mutation(
        "the digest of a closed review",
        "UPDATE reviews_reviewcycle SET digest = 'x' WHERE id = {cycle}",
        "cycles",
        "2026-06 revision 1 was closed with digest",
    ),
    Mutation(
        "the audit entry of a closing deleted",
        "DELETE FROM plum_auditevent WHERE action = 'reviews.close_cycle'",
        "cycles",
        "2026-06 revision 1 is closed, and nobody closed it by the audit log",
    ),
    Mutation(
        "the actor of an audit entry",
        "UPDATE plum_auditevent SET actor = 'user:999' WHERE action = 'reviews.close_cycle'",
        "audit",
        "was written by 'user:999', who is not there",
    ),
    Mutation(
        "the protection of the audit log switched off", disable_trigger("plum_auditevent"), "audit", "is missing or switched off"
    ),
    Mutation(
        "the manifest of an export",
        edit_file("datapackage.json", lambda text: text.replace(b"2026-06-01", b"2026-06-02")),
        "exports",
        "acme/{uuid}: datapackage.json is not the one that was written",
    ),
    Mutation(
        "a file of an export", edit_file("data/events-*", lambda text: text.replace(b"EUR", b"USD")), "exports", "acme/{uuid}: "
    ),
    Mutation("a file of an export removed", edit_file("data/events-*", None), "exports", "acme/{uuid}: "),
    Mutation(
        "how many rows an export has",
        "UPDATE exports_export SET rows = rows + 1 WHERE id = {export}",
        "exports",
        "acme/{uuid}: its row says",
    ),
]
