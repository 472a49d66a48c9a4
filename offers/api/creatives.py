"""Pictures by API: brought as base64, answered with the address that members' apps fetch."""

import base64
import binascii
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from offers.models import Creative
from offers.selectors import creative_url
from offers.services import MOST_BYTES, bring_creative
from plum_site.lib import clock
from plum_site.lib.api_writes import Body, WritingView

ROOM = 1024  # for what stands around the picture in the body
LARGEST_TEXT = (MOST_BYTES + 2) // 3 * 4
PIXEL = "iVBORw0KGgo="


class CreativeInput(Body):
    """A picture."""

    picture = serializers.CharField(
        max_length=LARGEST_TEXT,
        trim_whitespace=False,
        help_text="A JPEG, PNG or WebP file of at most 5 MB and 25 million pixels, in base64.",
    )

    def validate_picture(self, text: str) -> str:
        """Only base64."""
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise serializers.ValidationError("This is not base64.") from None
        return text


class CreativeOutput(serializers.Serializer):
    """A picture as it was re-encoded: nothing of the file but its pixels."""

    url = serializers.SerializerMethodField(help_text="Use it as `creative_url` of a listing. What is there never changes.")
    small_url = serializers.SerializerMethodField(help_text="The same, at most 480 pixels long.")
    width = serializers.IntegerField(help_text="In pixels.")
    height = serializers.IntegerField(help_text="In pixels.")
    size_bytes = serializers.IntegerField()
    brought_at = serializers.DateTimeField()

    def get_url(self, creative: Creative) -> str:
        """For everybody."""
        return creative_url(creative)

    def get_small_url(self, creative: Creative) -> str:
        """For everybody."""
        return creative_url(creative, small=True)


class CreativesView(WritingView):
    """
    Bring a picture for a listing. It is decoded, made at most 1,600 pixels long and encoded anew; the same picture again is
    answered with the same address. What no listing shows a week later is removed.
    """

    operations: ClassVar = {"POST": "catalog.edit"}
    bodies: ClassVar = {"POST": CreativeInput}
    outcomes: ClassVar = {"POST": {200: "It is at this address."}}
    examples: ClassVar = {
        "POST": (
            {"picture": PIXEL},
            {
                "url": "https://plum.example.org/creatives/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.jpg",
                "small_url": "https://plum.example.org/creatives/"
                "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08-small.jpg",
                "width": 1600,
                "height": 900,
                "size_bytes": 182044,
                "brought_at": "2026-07-15T09:30:00Z",
            },
        )
    }
    Output = CreativeOutput
    largest_body = LARGEST_TEXT + ROOM

    def describe(self, row: Creative) -> dict[str, Any]:
        """As read."""
        return dict(CreativeOutput(row).data)

    def post(self, request: Request) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            content = base64.b64decode(given["picture"])
            creative = bring_creative(program_id=self.program_id, content=content, actor=self.actor, at=clock.now())
            return self.answer(creative)

        return self.write(request, act)
