"""What each kind of corrective action has to be told, and the sentence that says it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plum_site.lib.errors import InvalidInput
from reviews.choices import ActionKind
from reviews.rules.pushes import check_words

Params = Mapping[str, Any]
# What a re-ranking does with its offers, and how it is said.
HOWS = {
    "top": "to the top",
    "place": "to place",
    "lower": "down by",
    "pin": "pinned at place",
    "unpin": "no longer pinned",
    "hide": "hidden",
    "show": "shown again",
}
WITH_PLACE = ("place", "lower", "pin")
SEGMENT_KINDS = frozenset({ActionKind.RERANK, ActionKind.PROMOTIONAL_PUSH, ActionKind.REPLACE_PARTNER})
CHANNELS = ("mail", "webhook")
LONGEST_SUBJECT, LONGEST_TITLE, LONGEST_TEXT, MOST_OFFERS, LAST_PLACE = 200, 300, 20_000, 200, 100_000
LARGEST_HOLD_OUT = 50  # percent
LONGEST_PAUSE = 365  # days between two pushes to one person


def check_params(kind: str, params: Params, *, is_draft: bool = False) -> dict[str, Any]:
    """
    The parameters of an action in their one form, nothing missing and nothing else in it.

    is_draft: of a proposal that a person completes before it can be approved: words may be missing still.

    Shape: JSON, by kind as docs/rules/actions.md lists it.
    Raises: InvalidInput - unknown_kind, invalid_params with a sentence for each field at fault.
    Source: docs/rules/actions.md
    """
    check = CHECKS.get(kind)
    if check is None:
        raise InvalidInput("unknown_kind", f"There is no action {kind!r}. Nothing was proposed.", {"kind": "Choose another."})
    reader = _Reader(params, is_draft)
    clean = check(reader)
    for name in sorted(set(params) - set(clean)):
        reader.fault(name, "This kind of action knows no such field.")
    if reader.faults:
        raise InvalidInput("invalid_params", "Nothing was saved: the action is not complete.", reader.faults)
    return clean


def say_action(kind: str, params: Params, partner: str, segment: str = "") -> str:
    """
    What an action does, in one sentence.

    Shape: text, with a full stop.
    """
    offers = ", ".join(params.get("offers", ())) or "no offer"
    whom = f"for {segment}" if segment else "for everyone"
    match kind:
        case ActionKind.RERANK:
            how, place = params["how"], params.get("place")
            where = f" {place}" if how in WITH_PLACE else ""
            return f"{offers} of {partner}: {HOWS[how]}{where}, {whom}."
        case ActionKind.REFRESH_LISTING:
            title = f", “{params['title']}”" if params.get("title") else ""
            return f"{offers} of {partner}: a new listing{title}."
        case ActionKind.PAUSE_OFFER:
            return f"{offers} of {partner}: paused."
        case ActionKind.CONTACT_PARTNER:
            return f"Write to {partner}: {params.get('subject') or 'no words yet'}."
        case ActionKind.PROMOTIONAL_PUSH:
            return f"A message about {offers} of {partner}, {whom}: {params.get('subject') or 'no words yet'}."
        case ActionKind.REPLACE_PARTNER:
            scope = [f"category {params['category']}"] if params.get("category") else []
            scope += [params["country"]] if params.get("country") else []
            where = f" in {', '.join(scope)}" if scope else ""
            return f"Replace {partner}{where}, {whom}."
    raise InvalidInput("unknown_kind", f"There is no action {kind!r}.")


class _Reader:
    """Reads fields one by one and keeps what is wrong with them."""

    def __init__(self, params: Params, is_draft: bool) -> None:
        self.params, self.is_draft, self.faults = params, is_draft, dict[str, str]()

    def fault(self, name: str, sentence: str) -> None:
        self.faults.setdefault(name, sentence)

    def text(self, name: str, longest: int, *, required: bool = True) -> str:
        value = self.params.get(name) or ""
        if not isinstance(value, str) or len(value) > longest or "\0" in value:
            self.fault(name, f"Text of at most {longest:,} characters.")
            return ""
        if required and not self.is_draft and not value.strip():
            self.fault(name, "Say something here.")
        return value

    def template(self, name: str, longest: int) -> str:
        value = self.text(name, longest)
        try:
            check_words(value)
        except InvalidInput as error:
            self.fault(name, error.detail)
        return value

    def number(self, name: str, lowest: int, highest: int, default: int | None = None) -> int | None:
        value = self.params.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            self.fault(name, f"A whole number from {lowest} to {highest:,}.")
            return None
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self.params.get(name, default)
        if value not in choices:
            self.fault(name, f"One of {', '.join(choices)}.")
            return default
        return str(value)

    def names(self, name: str, *, most: int, choices: Sequence[str] = ()) -> list[str]:
        values = self.params.get(name) or []
        if not isinstance(values, list | tuple) or not all(isinstance(value, str) and value for value in values):
            self.fault(name, "A list of names.")
            return []
        if len(set(values)) < len(values):
            self.fault(name, "Something is named twice.")
        if len(values) > most:
            self.fault(name, f"At most {most}.")
        if choices and not set(values) <= set(choices):
            self.fault(name, f"Only {' and '.join(choices)}.")
        if not values:
            self.fault(name, "Name at least one.")
        return list(values)


def _rerank(read: _Reader) -> dict[str, Any]:
    how = read.choice("how", list(HOWS), "top")
    clean: dict[str, Any] = {"offers": read.names("offers", most=MOST_OFFERS), "how": how}
    if how in WITH_PLACE:
        clean["place"] = read.number("place", 1, LAST_PLACE)
    return clean


def _refresh_listing(read: _Reader) -> dict[str, Any]:
    clean = {
        "offers": read.names("offers", most=1),
        "title": read.text("title", LONGEST_TITLE),
        "text": read.text("text", LONGEST_TEXT, required=False),
        "creative_url": read.text("creative_url", 500, required=False),
    }
    if read.params.get("terms") is not None:  # what is not named stays in force
        clean["terms"] = read.text("terms", LONGEST_TEXT, required=False)
    return clean


def _pause_offer(read: _Reader) -> dict[str, Any]:
    return {"offers": read.names("offers", most=MOST_OFFERS)}


def _contact_partner(read: _Reader) -> dict[str, Any]:
    return {"subject": read.text("subject", LONGEST_SUBJECT), "text": read.text("text", LONGEST_TEXT)}


def _promotional_push(read: _Reader) -> dict[str, Any]:
    return {
        "offers": read.names("offers", most=MOST_OFFERS),
        "subject": read.template("subject", LONGEST_SUBJECT),
        "text": read.template("text", LONGEST_TEXT),
        "channels": read.names("channels", most=len(CHANNELS), choices=CHANNELS),
        "hold_out_percent": read.number("hold_out_percent", 0, LARGEST_HOLD_OUT, 10),
        "pause_days": read.number("pause_days", 0, LONGEST_PAUSE, 14),
    }


def _replace_partner(read: _Reader) -> dict[str, Any]:
    return {"category": read.text("category", 200, required=False), "country": read.text("country", 2, required=False)}


CHECKS: dict[str, Callable[[_Reader], dict[str, Any]]] = {
    ActionKind.RERANK: _rerank,
    ActionKind.REFRESH_LISTING: _refresh_listing,
    ActionKind.PAUSE_OFFER: _pause_offer,
    ActionKind.CONTACT_PARTNER: _contact_partner,
    ActionKind.PROMOTIONAL_PUSH: _promotional_push,
    ActionKind.REPLACE_PARTNER: _replace_partner,
}
