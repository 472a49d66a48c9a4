"""The partners API: read, create, change, and take the steps of the lifecycle; rules and errors are those of the console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from partners.api.serializers import NewPartnerInput, PartnerInput, PartnerOutput
from partners.choices import PartnerState
from partners.filters import PartnerFilter
from partners.models import Partner
from partners.selectors import find_partner, get_partner, list_partners
from partners.services import change_partner_state, save_partner
from partners.workflow import TRANSITIONS
from plum_site.lib import clock
from plum_site.lib.access import actor_of, check
from plum_site.lib.api import ListView
from plum_site.lib.api_writes import TransitionInput, WritingView
from plum_site.lib.errors import DomainError

EXAMPLE = {"external_id": "P-1001", "name": "Northwind Coffee", "category": "food", "country": "DE"}
ANSWER = {
    **EXAMPLE,
    "state": "prospect",
    "allowed_actions": [{"name": "onboard", "label": "Start onboarding", "needs_comment": False}],
    "created_at": "2026-07-15T09:30:00Z",
}


class ApiPartnerFilter(PartnerFilter):
    """As in the console, but for the owner: who works here is no business of an API token."""

    owner = None


class PartnerWriting(WritingView):
    """What every address that writes a partner shares."""

    Output: ClassVar[type[serializers.Serializer] | None] = PartnerOutput

    def describe(self, row: Partner) -> dict[str, Any]:
        """As read."""
        return dict(PartnerOutput(row, context={"request": self.request}).data)

    def store(self, external_id: str, given: Mapping[str, Any]) -> Response:
        """One service call: 201 for a new partner, else 200."""
        partner, outcome = save_partner(
            program_id=self.program_id,
            external_id=external_id,
            name=given["name"],
            category=given["category"],
            country=given["country"],
            actor=self.actor,
            at=clock.now(),
            state=PartnerState.PROSPECT,
        )
        if outcome == "created":
            return self.answer(partner, 201, {"Location": reverse("api:partner", args=[external_id])})
        return self.answer(partner)


class PartnersView(PartnerWriting, ListView):
    """The partners of the token's program, in every state, by external id. A new one begins as a prospect."""

    operations: ClassVar = {"GET": "catalog.read", "POST": "catalog.edit"}
    bodies: ClassVar = {"POST": NewPartnerInput}
    outcomes: ClassVar = {"POST": {201: "The partner was created."}}
    examples: ClassVar = {"POST": (EXAMPLE, ANSWER)}
    filterset_class = ApiPartnerFilter

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Partner]:
        """Every partner."""
        return list_partners(self.program_id)

    def post(self, request: Request) -> Response:
        """A new one; 409 if there is one with this id."""

        def act(given: dict[str, Any]) -> Response:
            external_id = given.pop("external_id")
            if find_partner(self.program_id, external_id) is not None:
                sentence = f"There is a partner {external_id!r} already. Nothing was changed. Change it with PUT or PATCH."
                raise DomainError("already_exists", sentence, {"external_id": sentence})
            return self.store(external_id, given)

        return self.write(request, act)


class PartnerView(PartnerWriting):
    """One partner, by its external id. PUT creates it if there is none; PATCH changes what it names."""

    operations: ClassVar = {"GET": "catalog.read", "PUT": "catalog.edit", "PATCH": "catalog.edit"}
    bodies: ClassVar = {"PUT": PartnerInput, "PATCH": PartnerInput}
    outcomes: ClassVar = {
        "PUT": {200: "It is as sent now.", 201: "There was none: it was created, as a prospect."},
        "PATCH": {200: "It is as sent now, in what was named."},
    }
    examples: ClassVar = {"PUT": ({key: EXAMPLE[key] for key in ("name", "category", "country")}, ANSWER)}

    def find_current(self) -> Partner | None:
        """The one in the address."""
        return find_partner(self.program_id, self.kwargs["external_id"])

    def get(self, request: Request, external_id: str) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(get_partner(self.program_id, external_id))

    def put(self, request: Request, external_id: str) -> Response:
        """Create or replace."""
        return self.write(request, lambda given: self.store(external_id, given))

    def patch(self, request: Request, external_id: str) -> Response:
        """Change what is named; the rest stays."""

        def act(given: dict[str, Any]) -> Response:
            partner = get_partner(self.program_id, external_id)
            stored = {"name": partner.name, "category": partner.category.code, "country": partner.country}
            return self.store(external_id, stored | given)

        return self.write(request, act)


class PartnerTransitionsView(PartnerWriting):
    """
    Take one step of a partner's lifecycle: one of its `allowed_actions`. Steps that take offers in or out of the catalog
    need the scope `catalog:publish`, the others `catalog:write`.
    """

    operations: ClassVar = {"POST": "catalog.step"}
    bodies: ClassVar = {"POST": TransitionInput}
    outcomes: ClassVar = {"POST": {200: "The step was taken."}}
    examples: ClassVar = {"POST": ({"name": "onboard", "comment": "Contract signed."}, {**ANSWER, "state": "onboarding"})}

    def find_current(self) -> Partner | None:
        """The one in the address."""
        return find_partner(self.program_id, self.kwargs["external_id"])

    def post(self, request: Request, external_id: str) -> Response:
        """One service call, after the step's own operation was checked."""

        def act(given: dict[str, Any]) -> Response:
            partner = get_partner(self.program_id, external_id)
            if given["name"] in TRANSITIONS:
                check(actor_of(request), TRANSITIONS[given["name"]].operation, self.program_id)
            change_partner_state(partner_id=partner.pk, actor=self.actor, at=clock.now(), **given)
            return self.answer(get_partner(self.program_id, external_id))

        return self.write(request, act)
