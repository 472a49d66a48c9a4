"""The API of pushes: who is behind the references that a `push.requested` message names."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers

from plum_site.lib import clock
from plum_site.lib.access import actor_of
from plum_site.lib.api import ListView
from reviews.models import CorrectiveAction, PushRecipient
from reviews.selectors.actions import get_action
from reviews.selectors.pushes import list_announced
from reviews.services.actions import resolve_recipients


class PushRecipientOutput(serializers.Serializer):
    """One member whom the organisation's own messenger is asked to write to."""

    reference = serializers.CharField(help_text="As the webhook `push.requested` names them.")
    member = serializers.CharField(help_text="The member's outside id.")


class PushRecipientsView(ListView):
    """
    Whom your own messenger is asked to write to by one push: outside ids, by the references of `push.requested`. Members who
    get a mail from here, who are held out or who want no messages are not among them. Every reading is in the audit log.
    """

    operations: ClassVar = {"GET": "push.resolve"}
    Output = PushRecipientOutput
    order = ("id",)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[PushRecipient]:
        """Those who were announced."""
        return list_announced(self.action.pk)

    @property
    def action(self) -> CorrectiveAction:
        """The push of the program; others are unknown."""
        return get_action(self.program_id, self.kwargs["action_id"])

    def prepare_page(self, page: list[PushRecipient]) -> list[Any]:
        """By one service call, which notes that they were read."""
        if not page:
            return []
        return resolve_recipients(action=self.action, rows=page, actor=actor_of(self.request).name, at=clock.now())
