"""The form of a corrective action: for each kind its own fields. It collects; services and kinds judge."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django import forms
from django.utils import timezone

from offers.selectors import list_segments
from partners.models import Partner
from plum_site.lib.admin import SuggestInput
from plum_site.lib.models import User
from reviews.choices import ActionKind
from reviews.forms.people import list_people
from reviews.models import CorrectiveAction
from reviews.rules.actions import SEGMENT_KINDS, WITH_PLACE
from reviews.selectors.replacements import list_old_offers

FEW_OFFERS = 12  # more of them, and there is a search above them
MOST_OFFERS_SHOWN = 40
COMMON = ("reason", "owner", "due_date", "scheduled_at")
HOW_CHOICES = [
    ("top", "To the top, above all that is not pinned"),
    ("place", "To a place"),
    ("lower", "Down by some places"),
    ("pin", "Pinned at a place"),
    ("unpin", "No longer pinned"),
    ("hide", "Hidden from members"),
    ("show", "Shown again"),
]
CHANNEL_CHOICES = [("mail", "By e-mail from Plum"), ("webhook", "By your own messenger, told by webhook")]
INSTANT = "%Y-%m-%dT%H:%M"

Offers = Sequence[tuple[str, str]]


def _text(label: str, help_text: str = "", *, rows: int = 0, longest: int = 20_000) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput(attrs={"class": "vLargeTextField"})
    return forms.CharField(label=label, help_text=help_text, required=False, max_length=longest, widget=widget, strip=False)


def _several(offers: Offers) -> forms.Field:
    return forms.MultipleChoiceField(label="Offers", choices=offers, required=False, widget=forms.CheckboxSelectMultiple)


def _rerank(partner: Partner, offers: Offers) -> dict[str, forms.Field]:
    return {
        "offers": _several(offers),
        "how": forms.ChoiceField(label="What happens with them", choices=HOW_CHOICES, initial="top"),
        "place": forms.IntegerField(
            label="Place or number of places",
            required=False,
            min_value=1,
            help_text="Only where the line above names a place: 1 is the first; several offers take the places behind it.",
        ),
    }


def _refresh_listing(partner: Partner, offers: Offers) -> dict[str, forms.Field]:
    return {
        "offers": forms.ChoiceField(label="Offer", choices=[("", "–"), *offers], required=False),
        "title": _text("Title", longest=300),
        "text": _text("Text", "What members read below the title.", rows=4),
        "creative_url": _text("Picture", "An address that begins with https://.", longest=500),
        "terms": _text("Terms", "From the day of the execution on. Empty: the terms in force stay.", rows=3),
    }


def _pause_offer(partner: Partner, offers: Offers) -> dict[str, forms.Field]:
    return {"offers": _several(offers)}


def _contact_partner(partner: Partner, offers: Offers) -> dict[str, forms.Field]:
    return {
        "subject": _text("Subject", longest=200),
        "text": _text("Text", "What the partner reads. Its own card is linked below.", rows=8),
    }


def _promotional_push(partner: Partner, offers: Offers) -> dict[str, forms.Field]:
    return {
        "offers": _several(offers),
        "subject": _text("Subject", longest=200),
        "text": _text("Text", rows=8),
        "channels": forms.MultipleChoiceField(
            label="Sent", choices=CHANNEL_CHOICES, initial=["mail"], required=False, widget=forms.CheckboxSelectMultiple
        ),
        "hold_out_percent": forms.IntegerField(
            label="Held out, per cent",
            initial=10,
            min_value=0,
            max_value=50,
            help_text="So many of the audience are left alone, by chance, so that the effect can be told.",
        ),
        "pause_days": forms.IntegerField(
            label="Days between two pushes",
            initial=14,
            min_value=0,
            max_value=365,
            help_text="Whoever had a push within so many days gets none.",
        ),
    }


def _replace_partner(partner: Partner, offers: Offers) -> dict[str, forms.Field]:
    supplied = list_old_offers(partner.program_id, partner, "").exclude(category="")
    codes = supplied.order_by("category").values_list("category", flat=True).distinct()
    countries = partner.program.partners.exclude(country="").order_by("country").values_list("country", flat=True).distinct()
    fields: dict[str, forms.Field] = {
        "category": forms.ChoiceField(
            label="What is replaced",
            choices=[("", "The whole partner: all its offers"), *((code, f"Only its offers of {code}") for code in codes)],
            required=False,
        ),
        "country": _text("Only for members in", "The code of a country, such as DE. Empty: in all of them.", longest=2),
    }
    fields["country"].widget = SuggestInput(list(countries))
    return fields


FIELDS: dict[str, Callable[[Partner, Offers], dict[str, forms.Field]]] = {
    ActionKind.RERANK: _rerank,
    ActionKind.REFRESH_LISTING: _refresh_listing,
    ActionKind.PAUSE_OFFER: _pause_offer,
    ActionKind.CONTACT_PARTNER: _contact_partner,
    ActionKind.PROMOTIONAL_PUSH: _promotional_push,
    ActionKind.REPLACE_PARTNER: _replace_partner,
}


class ActionForm(forms.Form):
    """One action of one kind for one partner: what its kind is told, then reason, owner and dates."""

    def __init__(self, data: Any = None, *, partner: Partner, kind: str, offers: Offers, begins: Mapping[str, Any]) -> None:
        """offers: (external id, words) of the partner. begins: what the form begins with."""
        super().__init__(data, initial=dict(begins))
        self.kind, self.all_offers = kind, offers
        self.own = FIELDS[kind](partner, offers)
        self.fields.update(self.own)
        if kind in SEGMENT_KINDS:
            segments = [(segment.code, segment.name) for segment in list_segments(partner.program_id)]
            self.fields["segment"] = forms.ChoiceField(
                label="For", choices=[("", "Everyone"), *segments], required=False, help_text="Everyone, or one segment."
            )
        self.fields["reason"] = forms.CharField(
            label="Why",
            required=False,
            max_length=4000,
            widget=forms.Textarea(attrs={"rows": 3}),
            help_text="Whoever approves it reads this; it stays with the action.",
        )
        self.fields["owner"] = forms.ModelChoiceField(
            list_people(partner.program),
            required=False,
            empty_label="the owner of the flag, else of the partner",
            help_text="Who sees to it that it is decided and done.",
        )
        self.fields["due_date"] = forms.DateField(
            label="Due",
            required=False,
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            help_text="The day by which it should be done. The next review shows what was overdue.",
        )
        self.fields["scheduled_at"] = forms.DateTimeField(
            label="Not before",
            required=False,
            input_formats=[INSTANT],
            widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=INSTANT),
            help_text="In the program's time zone. Empty: as soon as it is approved.",
        )

    @property
    def find(self) -> str:
        """What offers are searched for."""
        return str(self.data.get("find", "")).strip()

    @property
    def ticks_offers(self) -> bool:
        """Whether the kind is about several offers, to be ticked."""
        return isinstance(self.own.get("offers"), forms.MultipleChoiceField)

    @property
    def has_search(self) -> bool:
        """Whether there are so many offers that they need a search."""
        return len(self.all_offers) > FEW_OFFERS

    def boxes(self) -> list[tuple[str, str, bool]]:
        """The offers to tick (external id, words, ticked): those ticked first, then what is searched for."""
        ticked = set(self["offers"].value() or ())
        chosen = [(pk, words, True) for pk, words in self.all_offers if pk in ticked]
        others = [
            (pk, words, False) for pk, words in self.all_offers if pk not in ticked and self.find.casefold() in words.casefold()
        ]
        return chosen + others[:MOST_OFFERS_SHOWN]

    def count_unshown(self) -> int:
        """How many offers are not among those to tick."""
        return len(self.all_offers) - len(self.boxes())

    def own_fields(self) -> list[forms.BoundField]:
        """The fields of the kind beside offers that are ticked."""
        names = [name for name in (*self.own, "segment") if name in self.fields]
        return [self[name] for name in names if name != "offers" or not self.ticks_offers]

    def common_fields(self) -> list[forms.BoundField]:
        """The fields that every kind has."""
        return [self[name] for name in COMMON]

    def clean(self) -> dict[str, Any]:
        """A place where the kind of move names one."""
        given: dict[str, Any] = super().clean() or {}
        if given.get("how") in WITH_PLACE and not given.get("place") and "place" not in self.errors:
            self.add_error("place", "Write a whole number from 1.")
        return given

    def params(self) -> dict[str, Any]:
        """What the kind is told, as the service takes it."""
        given = {name: self.cleaned_data.get(name) for name in self.own}
        if isinstance(given.get("offers"), str):
            given["offers"] = [given["offers"]] if given["offers"] else []
        if given.get("how") not in WITH_PLACE:
            given.pop("place", None)
        if not given.get("terms"):
            given.pop("terms", None)
        return {name: "" if value is None else value for name, value in given.items()}

    def segment(self) -> str:
        """The code of the segment; "" for everyone."""
        return str(self.cleaned_data.get("segment") or "")

    def rest(self) -> dict[str, Any]:
        """What every kind is told, as the service takes it."""
        reason, owner, due, not_before = (self.cleaned_data[name] for name in COMMON)
        rest: dict[str, User | date | datetime | str | None] = {"reason": reason, "owner": owner, "due_date": due}
        return {**rest, "scheduled_at": not_before}


def begin_with(action: CorrectiveAction) -> dict[str, Any]:
    """What the form of an action that stands begins with."""
    offers = action.params.get("offers", [])
    one = action.kind == ActionKind.REFRESH_LISTING
    return {
        **action.params,
        "offers": next(iter(offers), "") if one else offers,
        "segment": action.segment.code if action.segment else "",
        "reason": action.reason,
        "owner": action.owner_id,
        "due_date": action.due_date,
        "scheduled_at": timezone.localtime(action.scheduled_at) if action.scheduled_at else None,
    }


class ActionNoteForm(forms.Form):
    """A comment on an action, with a link to evidence."""

    text = forms.CharField(label="Comment", required=False, max_length=10_000, widget=forms.Textarea(attrs={"rows": 3}))
    url = forms.CharField(
        label="Evidence", required=False, max_length=500, help_text="An address that begins with https://, if there is one."
    )


class ActionStepForm(forms.Form):
    """Why; and which revision was looked at."""

    comment = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), required=False, max_length=2000, help_text="Kept in the log of the action."
    )
    replaces = forms.IntegerField(widget=forms.HiddenInput, required=False)
