"""The policy: how figures become a standing, version by version; the next one is seen before it is in force."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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
from plum_site.lib.present import link, words
from reviews.admin.previews import show_policy_preview
from reviews.choices import Standing
from reviews.forms import PolicyForm
from reviews.models import ReviewPolicy
from reviews.rules import say_recency
from reviews.selectors import get_policy_preview, policy_of
from reviews.services import plan_policy_preview, save_previewed_policy


def say_weights(weights: Mapping[str, int]) -> str:
    """The weights in words."""
    return words(f"{METRICS[key].label} {weight}" for key, weight in weights.items())


def say_bands(bands: Iterable[Sequence[Any]]) -> str:
    """The bands in words."""
    return words(f"{Standing(standing).label} from {lowest}" for standing, lowest in bands)


@console_admin(ReviewPolicy)
class PolicyAdmin(ReadOnlyModelAdmin):
    """How figures become a standing, version by version."""

    read_operation = "review.read"
    list_display = ["named", "weights_shown", "bands_shown", "recency_shown", "minimum_events", "made_at", "made_by"]
    ordering = ["-number", "-id"]
    fields = ["named", "weights_shown", "bands_shown", "recency_shown", "minimum_events", "made_at", "made_by"]
    readonly_fields = ["named", "weights_shown", "bands_shown", "recency_shown"]
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
            self.act("preview/", self.plan, "plan", "rule.edit"),
            self.act("previews/<int:pk>/", self.preview, "preview", "rule.edit", "GET"),
            self.act("previews/<int:pk>/save/", self.save, "save", "rule.edit"),
            *super().get_urls(),
        ]

    def write(self, request: HttpRequest, form: PolicyForm | None = None) -> HttpResponse:
        """The form of the next version, filled with the one in force; `?preview=` fills it as it was previewed."""
        newest = self.get_queryset(request).order_by("-number").first()
        asked = request.GET.get("preview", "")
        policy = policy_of(newest) if newest else None
        if asked.isdecimal() and len(asked) < 19:
            policy = get_policy_preview(program_of(request).pk, int(asked)).policy
        return show(
            request,
            "reviews/policy_form.html",
            title="Write the next policy version",
            intro="A partner's score is the weighted mean of its points, 0 to 100; the bands give its standing. Nothing is in "
            "force before you have seen whose standing changes.",
            form=form or PolicyForm(policy=policy),
            action=reverse("admin:reviews_reviewpolicy_plan"),
            back_url=reverse("admin:reviews_reviewpolicy_changelist"),
            back_label="Review policies",
            opts=self.opts,
        )

    def plan(self, request: HttpRequest) -> HttpResponse:
        """Have the policy tried on the newest month; the page of the preview then shows how far that is."""
        form = PolicyForm(request.POST)
        if form.is_valid():
            try:
                job = plan_policy_preview(
                    program_id=program_of(request).pk, policy=form.policy(), actor=person_of(request), at=now()
                )
                return go(request, "reviews_reviewpolicy_preview", job.pk)
            except DomainError as error:
                refuse(form, error)
        return self.write(request, form)

    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Whose standing would change; only from here it can be put in force."""
        seen = get_policy_preview(program_of(request).pk, pk)
        policy = seen.policy
        return show(
            request,
            "reviews/preview.html",
            title=f"Preview of policy version {seen.number + 1}",
            sentences=[
                {"title": "Weights", "text": say_weights(policy.weights)},
                {"title": "Bands", "text": say_bands(policy.bands), "note": f"Scored from {policy.minimum_events} events on."},
                {"title": "What counts", "text": f"{say_recency(policy.recency_months).capitalize()}."},
            ],
            save_url=reverse("admin:reviews_reviewpolicy_save", args=[pk]),
            save_label=f"Put version {seen.number + 1} in force",
            again_url=f"{reverse('admin:reviews_reviewpolicy_write')}?preview={pk}",
            back_url=reverse("admin:reviews_reviewpolicy_changelist"),
            back_label="Review policies",
            opts=self.opts,
            **show_policy_preview(program_of(request), seen),
        )

    def save(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        get_policy_preview(program_of(request).pk, pk)  # 404 for what is none

        def act() -> str:
            policy = save_previewed_policy(program_id=program_of(request).pk, job_id=pk, actor=person_of(request), at=now())
            return f"{policy} is in force for months that are not frozen yet."

        if try_to(request, act):
            return go(request, "reviews_reviewpolicy_changelist")
        return go(request, "reviews_reviewpolicy_preview", pk)

    def named(self, row: ReviewPolicy) -> SafeString:
        return link(url_of(row), f"Version {row.number}")

    named.short_description = "policy"  # type: ignore[attr-defined]

    def weights_shown(self, row: ReviewPolicy) -> str:
        return say_weights(row.weights)

    weights_shown.short_description = "weights"  # type: ignore[attr-defined]

    def bands_shown(self, row: ReviewPolicy) -> str:
        return say_bands(row.bands)

    bands_shown.short_description = "bands"  # type: ignore[attr-defined]

    def recency_shown(self, row: ReviewPolicy) -> str:
        return say_recency(row.recency_months)

    recency_shown.short_description = "what counts"  # type: ignore[attr-defined]
