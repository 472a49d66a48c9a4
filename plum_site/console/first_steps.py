"""The first steps of a program: what a new one still needs, told from what is there, never stored."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from activity.models import Event, Member
from offers.models import Offer
from partners.models import Partner, Program
from plum_site.lib.admin import allowed, program_of
from plum_site.lib.models import RoleGrant
from reviews.models import ReviewCycle


@dataclass(frozen=True)
class Step:
    """One step: what, why, whether it is done, and where it is done; links: (label, address) that this person may open."""

    title: str
    why: str
    is_done: bool
    links: tuple[tuple[str, str], ...]


def list_first_steps(request: HttpRequest) -> list[Step]:
    """The first steps of the current program, in their order, with the links that this person may follow."""
    program: Program = program_of(request)

    def links(*wanted: tuple[str, str, str]) -> tuple[tuple[str, str], ...]:
        return tuple((label, reverse(f"admin:{name}")) for label, name, operation in wanted if allowed(request, operation))

    files = ("Load files", "activity_import_folder", "event.load")
    has_members = Member.objects.filter(program=program).exists()
    return [
        Step(
            "Bring the partners",
            "Who supplies offers. A table of names is enough; add one by hand to try it.",
            Partner.objects.filter(program=program).exists(),
            links(
                ("Import a table", "partners_partner_import", "catalog.import"),
                ("Add one", "partners_partner_add", "catalog.edit"),
                files,
            ),
        ),
        Step(
            "Bring the offers",
            "What members can redeem, each with its partner, its type and its dates.",
            Offer.objects.filter(program=program).exists(),
            links(
                ("Import a table", "offers_offer_import", "catalog.import"),
                ("Add one", "offers_offer_add", "catalog.edit"),
                files,
            ),
        ),
        Step(
            "Bring the people",
            "Members with their attributes, from your people system. A check shows first what would change.",
            has_members,
            links(("Import people", "activity_import_people", "member.import")),
        ),
        Step(
            "Choose the reporting attributes",
            "Which attributes figures are broken down by at once. It cannot be changed once events are there.",
            bool(program.reporting_attributes),
            links(("Choose", "member_attributes", "program.read")),
        ),
        Step(
            "Send or load events",
            "What members did with offers: from files, or by a system that sends them as they happen.",
            Event.objects.filter(program=program).exists(),
            links(files, ("Make an API token", "plum_apitoken_add", "token.manage")),
        ),
        Step(
            "Open the month",
            "The review opens by itself once there is activity, and is ready after the month has ended.",
            ReviewCycle.objects.filter(program=program).exists(),
            links(("Reviews", "reviews_reviewcycle_changelist", "review.read")),
        ),
        Step(
            "Invite colleagues",
            "Partner operations, analysts and auditors get roles of their own.",
            RoleGrant.objects.filter(program_id=program.pk).values("user_id").distinct().count() > 1,
            links(("Invite somebody", "plum_user_add", "people.manage")),
        ),
    ]
