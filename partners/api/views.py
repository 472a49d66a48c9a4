"""The partners API: reads only; partners are kept in the console and by import."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from partners.api.serializers import PartnerOutput
from partners.filters import PartnerFilter
from partners.models import Partner
from partners.selectors import get_partner, list_partners
from plum_site.lib.api import ApiView, ListView


class ApiPartnerFilter(PartnerFilter):
    """As in the console, but for the owner: who works here is no business of an API token."""

    owner = None


class PartnersView(ListView):
    """The partners of the token's program, in every state, by external id."""

    operations: ClassVar = {"GET": "catalog.read"}
    Output = PartnerOutput
    filterset_class = ApiPartnerFilter

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Partner]:
        """Every partner."""
        return list_partners(self.program_id)


class PartnerView(ApiView):
    """One partner."""

    operations: ClassVar = {"GET": "catalog.read"}
    Output = PartnerOutput

    def get(self, request: Request, external_id: str) -> Response:
        """By its external id."""
        self.read_query(request)
        return Response(PartnerOutput(get_partner(self.program_id, external_id)).data)
