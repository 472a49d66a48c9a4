"""Members, pseudonymous: inside they are a number; who they are outside is not shown here."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from activity.choices import MemberState
from activity.models import Member, MemberVersion
from plum_site.lib.admin import Button, KeysetModelAdmin, allowed, console_admin, url_of
from plum_site.lib.present import Table, badge, instant, link, words


def attributes_in_words(values: dict[str, str] | None) -> str:
    """A member's attributes as one line."""
    return words((f"{name.replace('_', ' ')}: {value or 'unknown'}" for name, value in sorted((values or {}).items())))


@console_admin(Member)
class MemberAdmin(KeysetModelAdmin):
    """People by their inside number."""

    read_operation = "member.read"
    list_display = ["named", "state_now", "attributes", "joined_date", "created_at"]
    list_filter = ["state"]
    intro = "Members are shown by a number of ours. To look one up by the id your own systems use, give a reason; it is logged."
    empty_text = "No member yet. They come with a people file, or with their first event."
    fields = ["named", "state_now", "attributes", "joined_date", "created_at", "deactivated_at"]
    readonly_fields = ["named", "state_now", "attributes"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        newest = MemberVersion.objects.filter(member=OuterRef("pk")).order_by("-id").values("values")[:1]
        return super().get_queryset(request).annotate(current=Subquery(newest))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        buttons = []
        if allowed(request, "timeline.read"):
            buttons = [Button("Look up a member…", reverse("admin:find_member"), is_primary=True)]
        if allowed(request, "member.import"):
            buttons.append(Button("Import people…", reverse("admin:activity_import_people")))
        return super().changelist_view(request, {"buttons": buttons, **(extra_context or {})})

    def buttons(self, request: HttpRequest, row: Member) -> list[Button]:
        if not allowed(request, "timeline.read"):
            return []
        return [Button("Open the timeline…", reverse("admin:ask_timeline", args=[row.pk]), is_primary=True)]

    def tables(self, request: HttpRequest, row: Member) -> list[Table]:
        versions = [
            [instant(one.valid_from) if one.valid_from else "the beginning", attributes_in_words(one.values)]
            for one in row.versions.order_by("-id")
        ]
        return [Table("Attributes over time", ["From", "Attributes"], versions, "Nothing is known of this member.")]

    def named(self, row: Member) -> SafeString:
        return link(url_of(row), f"Member {row.pk}")

    named.short_description = "member"  # type: ignore[attr-defined]

    def attributes(self, row: Any) -> str:
        return attributes_in_words(row.current)

    def state_now(self, row: Member) -> SafeString:
        return badge(row.get_state_display(), "good" if row.state == MemberState.ACTIVE else "idle")

    state_now.short_description = "state"  # type: ignore[attr-defined]
