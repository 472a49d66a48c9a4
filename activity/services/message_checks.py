"""Whether messages are what came in: each has its identity and each identity its message. Nothing hashes them."""

from heapq import merge
from itertools import groupby

from activity.models import EventIdentity, MemberMessage
from activity.services.verification import Verdict
from partners.models import Program

AT_ONCE = 8192
MOST_NAMED = 20


def verify_messages(*, program: Program) -> Verdict:
    """
    Compare the messages of a program with their identities: what is deleted, or inserted by no door, shows here.

    Raises: nothing of its own.
    Writes: nothing.
    """
    stored = MemberMessage.objects.filter(program=program).order_by("pk").values_list("pk", flat=True)
    known = EventIdentity.objects.filter(program_id=program.pk, event_id__lt=0).order_by("-event_id")
    # Two sorted streams, merged: neither has to fit into memory.
    rows = ((pk, "message") for pk in stored.iterator(chunk_size=AT_ONCE))
    identities = ((-event_id, "identity") for event_id in known.values_list("event_id", flat=True).iterator(chunk_size=AT_ONCE))
    checked, wrong = 0, []
    for pk, found in groupby(merge(rows, identities), key=lambda one: one[0]):
        sides = [side for _, side in found]
        checked += 1
        if "message" not in sides:
            wrong.append(f"message {pk} is known by its identity but is gone")
        elif "identity" not in sides:
            wrong.append(f"message {pk} has no identity: it came in by no door")
        elif len(sides) > 2:
            wrong.append(f"message {pk} has two identities")
    return Verdict("messages", checked, wrong[:MOST_NAMED])
