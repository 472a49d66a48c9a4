"""Rules and policies: what they say, version by version."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from activity.metrics import METRICS
from plum_site.lib.admin import (
    Button,
    ReadOnlyModelAdmin,
    ServiceModelAdmin,
    allowed,
    console_admin,
    go,
    person_of,
    program_of,
    refuse,
    show,
    try_to,
    url_of,
)
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.people import names_of
from plum_site.lib.present import NO_DATA, Table, badge, count, instant, link, rate, words
from reviews.choices import Direction, Reference, Standing
from reviews.forms import VERSION_FIELDS, PolicyForm, RuleForm
from reviews.models import ReviewPolicy, Rule, RuleVersion
from reviews.pages import show_measured, show_severity
from reviews.rules import RATES
from reviews.selectors import policy_of
from reviews.services import deactivate_rule, save_policy, save_rule


def say_rule(version: RuleVersion) -> str:
    """A version in words."""
    metric, direction = METRICS[version.metric].label, Direction(version.direction).label.lower()
    if version.reference == Reference.FIXED:
        limit = show_measured(version.metric, version.threshold)
    else:
        limit = f"{rate(version.threshold, 0)} of {Reference(version.reference).label.removeprefix('A share of ')}"
    unit = METRICS[version.metric].over[1] if version.metric in RATES and METRICS[version.metric].over else "events"  # type: ignore[index]
    return f"{metric} {direction} {limit}, with at least {count(version.minimum_denominator)} {unit.replace('_', ' ')}"


@console_admin(Rule)
class RuleAdmin(ServiceModelAdmin):
    """What crosses, and when it is a flag. A change is a new version; open months take it at their next consolidation."""

    read_operation = "review.read"
    add_operation = change_operation = "rule.edit"
    form = RuleForm
    list_display = ["name", "says", "severity", "active", "version"]
    list_filter = ["is_active"]
    search_fields = ["name", "code"]
    ordering = ["name", "id"]
    intro = "What opens a flag. Every change is a new version; months that are ready or closed keep the one they froze."
    empty_text = "No rule yet: the first review brings the default ones."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        newest = RuleVersion.objects.filter(rule=OuterRef("pk")).order_by("-number")
        return super().get_queryset(request).annotate(newest_id=Subquery(newest.values("pk")[:1])).prefetch_related("versions")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # type: ignore[override]
        if obj is None:
            return ["code", "name", *VERSION_FIELDS]
        if not self.has_change_permission(request, obj):
            return ["name", "code", "says", "severity", "active"]
        return ["code", "active", "name", *VERSION_FIELDS]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return []
        return ["code", "active"] if self.has_change_permission(request, obj) else ["says", "severity", "active"]

    def save_through(self, request: HttpRequest, row: Rule, form: Any, is_new: bool) -> Rule:
        code = form.cleaned_data["code"] if is_new else row.code
        version = save_rule(
            program_id=program_of(request).pk,
            name=form.cleaned_data["name"],
            spec=form.spec(code),
            actor=person_of(request),
            at=now(),
        )
        return version.rule

    def buttons(self, request: HttpRequest, row: Rule) -> list[Button]:
        if not row.is_active or not allowed(request, "rule.edit"):
            return []
        asks = f"Take {row.name} out of force? Months that are not frozen lose its flags; saving it again brings it back."
        return [Button("Take out of force", reverse("admin:reviews_rule_deactivate", args=[row.pk]), posts=True, asks=asks)]

    def get_urls(self) -> list[URLPattern]:
        return [self.act("<int:pk>/deactivate/", self.deactivate, "deactivate", "rule.edit"), *super().get_urls()]

    def deactivate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        rule = self.row_or_404(request, pk)

        def act() -> str:
            deactivate_rule(program_id=program_of(request).pk, code=rule.code, actor=person_of(request), at=now())
            return f"{rule.name} is out of force."

        try_to(request, act)
        return go(request, "reviews_rule_change", pk)

    def tables(self, request: HttpRequest, row: Rule) -> list[Table]:
        versions = list(row.versions.order_by("-number"))
        names = names_of(version.made_by for version in versions)
        rows = [
            [str(one.number), say_rule(one), show_severity(one.severity), instant(one.made_at), names[one.made_by]]
            for one in versions
        ]
        return [Table("Versions, newest first", ["Version", "What it says", "Severity", "Made", "By"], rows)]

    def newest(self, row: Rule) -> RuleVersion | None:
        """The version in force, from what the list has read already."""
        return max(row.versions.all(), key=lambda version: version.number, default=None)

    def says(self, row: Rule) -> SafeString | str:
        version = self.newest(row)
        return say_rule(version) if version else NO_DATA

    says.short_description = "crossed when"  # type: ignore[attr-defined]

    def severity(self, row: Rule) -> SafeString:
        version = self.newest(row)
        return show_severity(version.severity) if version else NO_DATA

    def active(self, row: Rule) -> SafeString:
        return badge("In force", "good") if row.is_active else badge("Out of force", "idle")

    def version(self, row: Rule) -> str:
        version = self.newest(row)
        return str(version.number) if version else ""


@console_admin(ReviewPolicy)
class PolicyAdmin(ReadOnlyModelAdmin):
    """How figures become a standing, version by version."""

    read_operation = "review.read"
    list_display = ["named", "weights_shown", "bands_shown", "minimum_events", "made_at", "made_by"]
    ordering = ["-number", "-id"]
    fields = ["named", "weights_shown", "bands_shown", "minimum_events", "made_at", "made_by"]
    readonly_fields = ["named", "weights_shown", "bands_shown"]
    intro = "How figures become a score from 0 to 100, and a score a standing. The newest version is in force."
    empty_text = "No policy yet: the first review brings the default one."

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        buttons = []
        if allowed(request, "rule.edit"):
            buttons = [Button("Write the next version", reverse("admin:reviews_reviewpolicy_write"), is_primary=True)]
        return super().changelist_view(request, {"buttons": buttons, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("write/", self.write, "write", "rule.edit", "GET"),
            self.act("write/save/", self.save, "save", "rule.edit"),
            *super().get_urls(),
        ]

    def write(self, request: HttpRequest, form: PolicyForm | None = None) -> HttpResponse:
        """The form of the next version, filled with the one in force."""
        newest = self.get_queryset(request).order_by("-number").first()
        return show(
            request,
            "plum/ask.html",
            title="Write the next policy version",
            intro="Weights add up to 100. A partner's score is the weighted mean of its points; the bands give its standing.",
            form=form or PolicyForm(policy=policy_of(newest) if newest else None),
            action=reverse("admin:reviews_reviewpolicy_save"),
            submit="Put in force",
            back_url=reverse("admin:reviews_reviewpolicy_changelist"),
            back_label="Review policies",
            opts=self.opts,
        )

    def save(self, request: HttpRequest) -> HttpResponse:
        """One service call."""
        form = PolicyForm(request.POST)
        if not form.is_valid():
            return self.write(request, form)
        try:
            policy = save_policy(program_id=program_of(request).pk, policy=form.policy(), actor=person_of(request), at=now())
        except DomainError as error:
            refuse(form, error)
            return self.write(request, form)
        self.message_user(request, f"{policy} is in force for months that are not frozen yet.")
        return go(request, "reviews_reviewpolicy_changelist")

    def named(self, row: ReviewPolicy) -> SafeString:
        return link(url_of(row), f"Version {row.number}")

    named.short_description = "policy"  # type: ignore[attr-defined]

    def weights_shown(self, row: ReviewPolicy) -> str:
        return words(f"{METRICS[key].label} {weight}" for key, weight in row.weights.items())

    weights_shown.short_description = "weights"  # type: ignore[attr-defined]

    def bands_shown(self, row: ReviewPolicy) -> str:
        return words(f"{Standing(standing).label} from {lowest}" for standing, lowest in row.bands)

    bands_shown.short_description = "bands"  # type: ignore[attr-defined]
