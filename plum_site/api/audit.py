"""The audit log by API."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers

from offers.selectors import get_offer, get_segment
from partners.selectors import get_partner, get_program_by_id
from plum_site.lib import trail
from plum_site.lib.api import ListView
from plum_site.lib.audit import reference
from plum_site.lib.models import AuditEvent
from plum_site.lib.people import names_of

ENTRY = {
    "id": 4711,
    "at": "2026-07-15T09:30:00Z",
    "actor": "token:7",
    "actor_name": "token till",
    "action": "offers.save_offer",
    "object": "offers.Offer:12",
    "object_name": "OF-9",
    "before": {"ends_date": "2026-11-30"},
    "after": {"ends_date": "2026-12-31"},
    "comment": "",
}


class AuditQuery(serializers.Serializer):
    """Which entries."""

    actor = serializers.CharField(required=False, help_text='As the log has it: "user:3", "token:7", "system".')
    action = serializers.CharField(required=False, help_text='What was done, such as "offers.save_offer".')
    object = serializers.RegexField(
        r"^[a-z]+\.[A-Za-z]+(:\d{1,18})?$",
        required=False,
        help_text='"offers.Offer" for all of a kind, "offers.Offer:12" for one, as an entry names it.',
    )
    partner = serializers.CharField(required=False, help_text="External id of a partner.")
    offer = serializers.CharField(required=False, help_text="External id of an offer.")
    segment = serializers.CharField(required=False, help_text="Code of a segment.")
    to = serializers.DateField(required=False, help_text="The day after the last program day.")

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of the language, so it cannot be written as an attribute."""
        return {**super().get_fields(), "from": serializers.DateField(required=False, help_text="The first program day.")}


class AuditOutput(serializers.Serializer):
    """One change: who did what to which object, when, with the changed values before and after."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField(help_text='"user:ID", "token:ID" or "system".')
    actor_name = serializers.CharField(help_text="Whoever that is, by name.")
    action = serializers.CharField(help_text='"app.verb_noun".')
    object = serializers.CharField(source="object_ref", help_text='"app.Model:id".')
    object_name = serializers.CharField(allow_null=True, help_text="What it is called now; null where it is gone.")
    before = serializers.DictField(allow_null=True)
    after = serializers.DictField(allow_null=True)
    comment = serializers.CharField()


class AuditView(ListView):
    """
    Every change of the program, newest first: who, what, when, the values before and after. An entry is written with the
    change itself and never changes; entries that come while you read are before the first page.
    """

    operations: ClassVar = {"GET": "audit.read"}
    problems = (404,)
    Query = AuditQuery
    Output = AuditOutput
    examples: ClassVar = {"GET": (None, {"data": [ENTRY], "next_cursor": None, "has_more": False})}
    order = trail.ORDER

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[AuditEvent]:
        """Those that fit all that was asked."""
        program = get_program_by_id(self.program_id)
        rows = trail.within(trail.list_entries(program.pk), program.time_zone, query.get("from"), query.get("to"))
        rows = rows.filter(**{name: query[name] for name in ("actor", "action") if name in query})
        if "object" in query:
            one = ":" in query["object"]
            rows = rows.filter(object_ref=query["object"]) if one else rows.filter(trail.match_labels([query["object"]]))
        for name, find in (("partner", get_partner), ("offer", get_offer), ("segment", get_segment)):
            if name in query:
                rows = rows.filter(object_ref=reference(find(program.pk, query[name])))
        return rows

    def prepare_page(self, page: list[AuditEvent]) -> list[AuditEvent]:
        """With the names of whoever and whatever is on it, a few queries for the whole page."""
        people = names_of(entry.actor for entry in page)
        things = trail.name_objects(entry.object_ref for entry in page)
        for entry in page:
            cells = vars(entry)
            cells["actor_name"], cells["object_name"] = people[entry.actor], things.get(entry.object_ref)
        return page
