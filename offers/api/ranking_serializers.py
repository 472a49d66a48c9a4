"""The answers and bodies of the rankings API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from offers.choices import OrderChange, OrderStep
from offers.models import RankingRevision
from plum_site.lib.api_writes import Body

LARGEST_NUMBER = 2**31 - 1


class SegmentField(serializers.CharField):
    """Whose ranking: the code of a segment, or null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{"required": False, "default": None, "allow_null": True, "help_text": "Code; null: everyone.", **kwargs}
        )


class ReplacesField(serializers.IntegerField):
    """The revision that the caller saw in force."""

    def __init__(self, **kwargs: Any) -> None:
        text = "Number of the revision that you saw in force (0: none); 409 if there is a newer one."
        bounds = {"min_value": 0, "max_value": LARGEST_NUMBER}
        super().__init__(**{"required": False, "default": None, "allow_null": True, "help_text": text, **bounds, **kwargs})


class RankingsQuery(serializers.Serializer):
    """Parameters of the revisions of one ranking."""

    segment = serializers.CharField(required=False, help_text="Code of a segment; without it, the ranking for everyone.")


class CompareQuery(RankingsQuery):
    """Which two revisions."""

    before = serializers.IntegerField(
        required=False, min_value=0, max_value=LARGEST_NUMBER, help_text="Its number (0: no ranking yet); the one before `after`."
    )
    after = serializers.IntegerField(
        required=False, min_value=0, max_value=LARGEST_NUMBER, help_text="Its number; the one in force where it is left out."
    )


class PinOutput(serializers.Serializer):
    """An offer that keeps its place."""

    offer = serializers.CharField(help_text="External id.")
    place = serializers.IntegerField(help_text="From 1, among what is shown.")


class RankingOutput(serializers.Serializer):
    """One revision of a ranking; the newest is in force."""

    number = serializers.IntegerField()
    segment = serializers.CharField(source="segment.code", default=None, allow_null=True)
    offers = serializers.SerializerMethodField(help_text="External ids of offers, best first, the hidden ones among them.")
    pinned = serializers.SerializerMethodField(help_text="Offers that keep their place whatever else moves, by place.")
    hidden = serializers.SerializerMethodField(help_text="External ids of offers that this audience is not shown.")
    ended = serializers.BooleanField(source="is_ended", help_text="Whether there is no such ranking from this revision on.")
    undoes = serializers.IntegerField(source="undoes.number", default=None, allow_null=True)
    comment = serializers.CharField()
    made_at = serializers.DateTimeField()

    def get_offers(self, revision: Any) -> list[str]:
        """By the names in the context."""
        return self.name(revision.offer_ids)

    @extend_schema_field(PinOutput(many=True))
    def get_pinned(self, revision: Any) -> list[dict[str, Any]]:
        """By the names in the context."""
        names: dict[int, str] = self.context["names"]
        pins = sorted((place, names[pk]) for pk, place in revision.pins.items() if pk in names)
        return [{"offer": offer, "place": place} for place, offer in pins]

    def get_hidden(self, revision: Any) -> list[str]:
        """By the names in the context, in their order."""
        return sorted(self.name(revision.hidden))

    def name(self, ids: list[int]) -> list[str]:
        """External ids of offers."""
        names: dict[int, str] = self.context["names"]
        return [names[pk] for pk in ids if pk in names]


class DifferenceOutput(serializers.Serializer):
    """How one offer stands in two revisions."""

    offer = serializers.CharField(help_text="External id.")
    before = serializers.IntegerField(allow_null=True, help_text="Its place before; null where it had none.")
    after = serializers.IntegerField(allow_null=True, help_text="Its place after; null where it has none.")
    changes = serializers.ListField(child=serializers.ChoiceField(choices=OrderChange.choices))


class CompareOutput(serializers.Serializer):
    """What two revisions of one ranking differ in."""

    segment = serializers.CharField(allow_null=True)
    before = serializers.IntegerField()
    after = serializers.IntegerField()
    differences = DifferenceOutput(many=True, help_text="By the place after; offers without one last.")
    made_room = serializers.IntegerField(help_text="Offers that have another place because others were moved.")


class PinInput(Body):
    """An offer that keeps its place."""

    offer = serializers.CharField(max_length=200, help_text="External id.")
    place = serializers.IntegerField(min_value=1, max_value=LARGEST_NUMBER, help_text="From 1, among what is shown.")


class RankingInput(Body):
    """The next order of offers, for everyone or for one segment."""

    segment = SegmentField()
    offers = serializers.ListField(
        child=serializers.CharField(max_length=200),
        max_length=20_000,
        help_text="External ids, best first. Offers left out follow, by id.",
    )
    pinned = PinInput(many=True, required=False, default=list, help_text="Offers that keep their place whatever else moves.")
    hidden = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        default=list,
        max_length=20_000,
        help_text="External ids of offers that this audience is not shown.",
    )
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)
    replaces = ReplacesField()


class StepInput(Body):
    """One thing to do with one offer."""

    do = serializers.ChoiceField(choices=OrderStep.choices)
    offer = serializers.CharField(max_length=200, help_text="External id.")
    number = serializers.IntegerField(
        required=False,
        default=None,
        allow_null=True,
        max_value=LARGEST_NUMBER,
        min_value=-LARGEST_NUMBER,
        help_text="The place to move or pin to, or by how many offers to lower or surface.",
    )


class RankingStepsInput(Body):
    """Steps with single offers, taken one after the other; all of them or none."""

    segment = SegmentField()
    steps = serializers.ListField(child=StepInput(), min_length=1, max_length=500)
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)
    replaces = ReplacesField()


class UndoInput(Body):
    """Which revision to take back."""

    segment = SegmentField()
    number = serializers.IntegerField(min_value=1, max_value=LARGEST_NUMBER)
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class RestoreInput(Body):
    """Which revision to put back."""

    segment = SegmentField()
    number = serializers.IntegerField(min_value=0, max_value=LARGEST_NUMBER, help_text="0: no such ranking, as before the first.")
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)
    replaces = ReplacesField()


class PriorityOutput(serializers.Serializer):
    """Whose ranking holds for a member who is in several of these segments: the first."""

    segments = serializers.ListField(
        child=serializers.CharField(), help_text="Codes of all segments with a ranking of their own."
    )


class PriorityInput(Body):
    """Every segment with a ranking of its own, the one whose ranking holds first."""

    segments = serializers.ListField(child=serializers.SlugField(max_length=60), max_length=10_000)
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


def say_revision(revision: RankingRevision | None) -> int:
    """Its number; 0 for none."""
    return revision.number if revision else 0
