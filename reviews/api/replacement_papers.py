"""The API of what stands beside a replacement: what was spoken with partners, files, and who holds an offer that goes."""

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header
from rest_framework.request import Request
from rest_framework.response import Response

from plum_site.lib import clock
from plum_site.lib.access import actor_of
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.api_writes import WritingView
from reviews.api import replacement_examples as examples
from reviews.api.actions import LARGEST_ID
from reviews.api.replacement_inputs import LARGEST_TEXT, ContactInput, FileInput
from reviews.api.replacement_serializers import ContactOutput, FileOutput, HolderOutput
from reviews.api.replacements import find_replacement
from reviews.filters import HolderFilter
from reviews.models import Replacement, ReplacementContact, ReplacementFile, ReplacementHolder
from reviews.selectors.replacements import list_contact_log, list_files
from reviews.selectors.replacements.holders import list_notices
from reviews.services.replacements.references import resolve_holders
from reviews.services.replacements.terms import add_contact, add_file, read_file

ROOM = 2048  # for what stands around a file in the body
OCTETS = "application/octet-stream"


class PaperList(ListView):
    """What every list that belongs to one replacement shares."""

    order = ("id",)

    @property
    def replacement(self) -> Replacement:
        """The one in the address."""
        return find_replacement(self.program_id, self.kwargs["replacement_id"])


class ReplacementContactsView(WritingView, PaperList):
    """
    What was spoken with partners in a replacement: calls, mails, meetings and notes, oldest first. What is kept is never changed
    nor removed.
    """

    operations: ClassVar = {"GET": "review.read", "POST": "action.propose"}
    bodies: ClassVar = {"POST": ContactInput}
    outcomes: ClassVar = {"POST": {201: "It is kept."}}
    examples: ClassVar = {"POST": (examples.CONTACT, examples.KEPT_CONTACT)}
    Output = ContactOutput

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[ReplacementContact]:
        """All of them."""
        return list_contact_log(self.replacement.pk)

    def post(self, request: Request, replacement_id: int) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            row = add_contact(replacement_id=self.replacement.pk, actor=self.actor, at=clock.now(), **given)
            return Response(ContactOutput(row).data, 201)

        return self.write(request, act)


class ReplacementFilesView(WritingView, PaperList):
    """
    The files of a replacement, such as signed terms, oldest first: at most 20, each of at most 5 MB. The same bytes again are the
    file that is there. A file is kept as it came, never changed nor removed, and given out as a download.
    """

    operations: ClassVar = {"GET": "review.read", "POST": "action.propose"}
    bodies: ClassVar = {"POST": FileInput}
    outcomes: ClassVar = {"POST": {200: "It was there already.", 201: "It is kept."}}
    examples: ClassVar = {"POST": (examples.FILE, examples.KEPT_FILE)}
    renamed: ClassVar = {"file": ""}
    Output = FileOutput
    largest_body = LARGEST_TEXT + ROOM

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[ReplacementFile]:
        """All of them."""
        return list_files(self.replacement.pk)

    def post(self, request: Request, replacement_id: int) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            replacement, content, at = self.replacement, base64.b64decode(given["content"]), clock.now()
            known = set(list_files(replacement.pk).values_list("pk", flat=True))
            row = add_file(replacement_id=replacement.pk, name=given["name"], content=content, actor=self.actor, at=at)
            status = 200 if row.pk in known else 201
            place = reverse("api:replacement_file", args=[replacement.pk, row.pk])
            return Response(FileOutput(row).data, status, headers={"Location": place})

        return self.write(request, act)


class ReplacementFileView(ApiView):
    """One file of a replacement, as it was brought. Every reading is in the audit log."""

    operations: ClassVar = {"GET": "review.read"}
    media_type = OCTETS
    successes: ClassVar = {200: "Its bytes, as a download."}

    def get(self, request: Request, replacement_id: int, file_id: int) -> HttpResponse:
        """Log it, then send it."""
        self.read_query(request)
        row = read_file(
            replacement_id=find_replacement(self.program_id, replacement_id).pk,
            file_id=min(file_id, LARGEST_ID),
            actor=actor_of(request).name,
            at=clock.now(),
        )
        headers = {
            "Content-Disposition": content_disposition_header(True, row.name) or "attachment",
            "X-Content-Type-Options": "nosniff",
        }
        return HttpResponse(bytes(row.content), content_type=OCTETS, headers=headers)


class ReplacementHoldersView(PaperList):
    """
    Who had unlocked an offer that goes and not activated it before the cutover, by outside id, with the references of the webhook
    `holders.notice_requested`: your own messenger tells those of the state `announced`. Those that nobody can reach, because no
    outside id is known, are not among them. Every reading is in the audit log.
    """

    operations: ClassVar = {"GET": "replacement.resolve"}
    Output = HolderOutput
    filterset_class = HolderFilter

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[ReplacementHolder]:
        """Whoever was found at the cutover, and in what arrived late."""
        return list_notices(self.replacement.pk)

    def prepare_page(self, page: list[ReplacementHolder]) -> list[Any]:
        """By one service call, which notes that they were read."""
        if not page:
            return []
        return resolve_holders(replacement=self.replacement, rows=page, actor=actor_of(self.request).name, at=clock.now())
