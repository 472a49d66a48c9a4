"""Rules: what they say, version by version, and changing them: form, preview with its back-test, save."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from activity.metrics import METRICS
from plum_site.lib.admin import (
    Button,
    ReadOnlyModelAdmin,
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
from plum_site.lib.present import NO_DATA, Table, badge, instant, link
from reviews.admin.previews import show_backtest, show_rule_preview, summarise_backtest
from reviews.forms import RuleForm, WrittenRule
from reviews.models import Rule, RuleVersion
from reviews.pages.flags import show_severity
from reviews.selectors import get_rule_preview, say_version, spec_of
from reviews.services import activate_rule, deactivate_rule, plan_rule_preview, save_previewed_rule


@console_admin(Rule)
class RuleAdmin(ReadOnlyModelAdmin):
    """What crosses, and when it is a flag. A change is a new version; open months take it at their next consolidation."""

    read_operation = "review.read"
    list_display = ["named", "says", "severity", "active", "version"]
    list_display_links = None
    list_filter = ["is_active"]
    search_fields = ["name", "code"]
    ordering = ["name", "id"]
    fields = ["says", "code", "active", "severity", "told", "metric"]
    readonly_fields = ["says", "active", "severity", "told", "metric"]
    intro = "What opens a flag. Every change is a new version; months that are ready or closed keep the one they froze."
    empty_text = "No rule yet: the first review brings the default ones."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        newest = RuleVersion.objects.filter(rule=OuterRef("pk")).order_by("-number")
        rows = super().get_queryset(request).annotate(newest_id=Subquery(newest.values("pk")[:1]))
        return rows.prefetch_related("versions__owner", "versions__rule")

    def get_urls(self) -> list[URLPattern]:
        return [
            self.act("write/", self.write, "write_new", "rule.edit", "GET"),
            self.act("preview/", self.plan, "plan_new", "rule.edit"),
            self.act("<int:pk>/write/", self.write, "write", "rule.edit", "GET"),
            self.act("<int:pk>/preview/", self.plan, "plan", "rule.edit"),
            self.act("previews/<int:pk>/", self.preview, "preview", "rule.edit", "GET"),
            self.act("previews/<int:pk>/save/", self.save, "save", "rule.edit"),
            self.act("<int:pk>/deactivate/", self.deactivate, "deactivate", "rule.edit"),
            self.act("<int:pk>/activate/", self.activate, "activate", "rule.edit"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        buttons = []
        if allowed(request, "rule.edit"):
            buttons = [Button("Write a rule", reverse("admin:reviews_rule_write_new"), is_primary=True)]
        return super().changelist_view(request, {"buttons": buttons, **(extra_context or {})})

    # --- writing ---

    def write(self, request: HttpRequest, pk: int | None = None, form: RuleForm | None = None) -> HttpResponse:
        """The form of a new rule, or of the next version of one; `?preview=` fills it as it was previewed."""
        rule = self.row_or_404(request, pk) if pk is not None else None
        newest = rule.newest if rule is not None else None
        if form is None:
            form = self.make_form(request, rule, self.begin_with(request, rule, newest))
        return show(
            request,
            "reviews/rule_form.html",
            title=f"Change {rule.name}" if rule is not None else "Write a rule",
            intro="A rule says what is looked at, when it is crossed and when that is a flag. Nobody is flagged by chance: a "
            "crossing that is not certain shows as crossed, not confirmed.",
            form=form,
            sentence=say_version(newest) if newest else "",
            sentence_title=f"Version {newest.number}, now in force"
            if newest and rule and rule.is_active
            else "The newest version",
            action=reverse("admin:reviews_rule_plan", args=[pk]) if pk is not None else reverse("admin:reviews_rule_plan_new"),
            back_url=url_of(rule) if rule is not None else reverse("admin:reviews_rule_changelist"),
            back_label=rule.name if rule is not None else "Rules",
            opts=self.opts,
        )

    def begin_with(self, request: HttpRequest, rule: Rule | None, newest: RuleVersion | None) -> WrittenRule | None:
        """What was previewed, where the person comes back from there; else the newest version."""
        asked = request.GET.get("preview", "")
        if asked.isdecimal() and len(asked) < 19:
            seen = get_rule_preview(program_of(request).pk, int(asked))
            if rule is None or seen.rule.code == rule.code:
                return WrittenRule(seen.name, seen.rule, seen.owner_id)
        return WrittenRule(rule.name, spec_of(newest), newest.owner_id) if rule is not None and newest is not None else None

    def make_form(self, request: HttpRequest, rule: Rule | None, begins: WrittenRule | None = None) -> RuleForm:
        """The form for the program; with what was sent, if anything was."""
        data = request.POST if request.method == "POST" else None
        return RuleForm(data, program=program_of(request), rule=begins, code=rule.code if rule is not None else "")

    def plan(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """Have the rule tried on the closed months; the page of the preview then shows how far that is."""
        rule = self.row_or_404(request, pk) if pk is not None else None
        form = self.make_form(request, rule)
        if form.is_valid():
            try:
                job = plan_rule_preview(
                    program_id=program_of(request).pk,
                    name=form.cleaned_data["name"],
                    spec=form.spec(),
                    owner=form.cleaned_data["owner"],
                    actor=person_of(request),
                    at=now(),
                    is_new=rule is None,
                )
                return go(request, "reviews_rule_preview", job.pk)
            except DomainError as error:
                refuse(form, error)
        return self.write(request, pk, form)

    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The rule as a sentence, and what it would have flagged; only from here it can be saved."""
        seen = get_rule_preview(program_of(request).pk, pk)
        rule = self.get_queryset(request).filter(code=seen.rule.code).first()
        again = reverse("admin:reviews_rule_write", args=[rule.pk]) if rule else reverse("admin:reviews_rule_write_new")
        return show(
            request,
            "reviews/preview.html",
            title=f"Preview of {seen.name}",
            save_url=reverse("admin:reviews_rule_save", args=[pk]),
            save_label=f"Save as version {seen.number + 1}",
            again_url=f"{again}?preview={pk}",
            back_url=url_of(rule) if rule else reverse("admin:reviews_rule_changelist"),
            back_label=rule.name if rule else "Rules",
            opts=self.opts,
            **show_rule_preview(program_of(request), seen),
        )

    def save(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        get_rule_preview(program_of(request).pk, pk)  # 404 for what is none
        saved: list[RuleVersion] = []

        def act() -> str:
            saved.append(save_previewed_rule(program_id=program_of(request).pk, job_id=pk, actor=person_of(request), at=now()))
            return f"{saved[0]} is in force for months that are not frozen yet."

        if try_to(request, act):
            return go(request, "reviews_rule_change", saved[0].rule_id)
        return go(request, "reviews_rule_preview", pk)

    # --- in force and out of force ---

    def buttons(self, request: HttpRequest, row: Rule) -> list[Button]:
        if not allowed(request, "rule.edit"):
            return []
        change = Button("Change it", reverse("admin:reviews_rule_write", args=[row.pk]), is_primary=True)
        if not row.is_active:
            return [change, Button("Put in force again", reverse("admin:reviews_rule_activate", args=[row.pk]), posts=True)]
        asks = f"Take {row.name} out of force? Months that are not frozen lose its flags. It can be put in force again."
        url = reverse("admin:reviews_rule_deactivate", args=[row.pk])
        return [change, Button("Take out of force", url, posts=True, asks=asks)]

    def deactivate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        rule = self.row_or_404(request, pk)

        def act() -> str:
            deactivate_rule(program_id=program_of(request).pk, code=rule.code, actor=person_of(request), at=now())
            return f"{rule.name} is out of force."

        try_to(request, act)
        return go(request, "reviews_rule_change", pk)

    def activate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        rule = self.row_or_404(request, pk)

        def act() -> str:
            activate_rule(program_id=program_of(request).pk, code=rule.code, actor=person_of(request), at=now())
            return f"{rule.name} is in force again, for months that are not frozen yet."

        try_to(request, act)
        return go(request, "reviews_rule_change", pk)

    # --- what is shown ---

    def tables(self, request: HttpRequest, row: Rule) -> list[Table]:
        versions = row.newest_first
        names = names_of(version.made_by for version in versions)
        rows = [
            [
                str(one.number),
                say_version(one),
                show_severity(one.severity),
                self.name_told(one),
                summarise_backtest(one.backtest),
                instant(one.made_at),
                names[one.made_by],
            ]
            for one in versions
        ]
        headers = ["Version", "What it says", "Severity", "Told", "Shown before saving", "Made", "By"]
        newest = versions[0] if versions else None
        tried = newest.backtest if newest is not None else None
        shown = show_backtest(program_of(request), tried)["tables"] if tried and tried["months"] else []
        return [Table("Versions, newest first", headers, rows), *shown]

    def name_told(self, version: RuleVersion) -> str:
        """Who is told of its flags."""
        return version.owner.get_full_name() or version.owner.username if version.owner else "the owner of the partner"

    def named(self, row: Rule) -> SafeString:
        return link(url_of(row), row.name)

    named.short_description = "rule"  # type: ignore[attr-defined]
    named.admin_order_field = "name"  # type: ignore[attr-defined]

    def says(self, row: Rule) -> SafeString | str:
        version = row.newest
        return say_version(version) if version else NO_DATA

    says.short_description = "what it says"  # type: ignore[attr-defined]

    def severity(self, row: Rule) -> SafeString:
        version = row.newest
        return show_severity(version.severity) if version else NO_DATA

    def told(self, row: Rule) -> SafeString | str:
        version = row.newest
        return self.name_told(version) if version else NO_DATA

    told.short_description = "who is told"  # type: ignore[attr-defined]

    def metric(self, row: Rule) -> SafeString | str:
        version = row.newest
        return f"{METRICS[version.metric].label}: {METRICS[version.metric].formula}" if version else NO_DATA

    def active(self, row: Rule) -> SafeString:
        return badge("In force", "good") if row.is_active else badge("Out of force", "idle")

    def version(self, row: Rule) -> str:
        version = row.newest
        return str(version.number) if version else ""
