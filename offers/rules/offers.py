"""What an offer row must look like. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from offers.rules.lifecycle import Days, Instants
from partners.rules import check_country, check_text, field_error
from plum_site.lib.errors import InvalidInput
from plum_site.lib.money import exponent, parse_minor

REQUIRED_COLUMNS = (
    "external_id",
    "partner_external_id",
    "title",
    "offer_type",
    "category",
    "face_value",
    "currency",
    "starts_on",
    "ends_on",
    "rank",
)
OPTIONAL_COLUMNS = ("audience", "countries", "terms", "creative_url", "reward_cost")


@dataclass(frozen=True)
class OfferRow:
    """
    One offer as a file, the API or a form names it.

    currency: of face_value, may be empty. starts_date, ends_date: program days, both included. rank: seeds the ranking.
    The last six are None where the source does not speak of them: what is stored then stays. audience: a segment
    code, "" for everyone. countries: empty for every country. reward_cost: "12.50 EUR" or "". text: of the listing.
    """

    external_id: str
    partner_external_id: str
    title: str
    offer_type: str
    category: str = ""
    face_value: str = ""
    currency: str = ""
    starts_date: date | None = None
    ends_date: date | None = None
    rank: int | None = None
    audience: str | None = None
    countries: tuple[str, ...] | None = None
    terms: str | None = None
    creative_url: str | None = None
    reward_cost: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class OfferFacts:
    """
    What ingest and review need to know of an offer. `live`: half-open ranges of program days, in order.

    `for_all`: those of them on which it was more than a trial with a share of members.
    `withdrawn`: when it, or its partner, was paused or retired; half-open ranges of instants, which may overlap.
    """

    id: int
    external_id: str
    partner_id: int
    offer_type: str
    live: tuple[Days, ...]
    for_all: tuple[Days, ...]
    withdrawn: tuple[Instants, ...] = ()


def check_offer(row: OfferRow) -> None:
    """
    Refuse an offer row that cannot be stored.

    Raises: InvalidInput, with the column at fault.
    """
    check_text("external_id", row.external_id, 200, required=True)
    check_text("partner_external_id", row.partner_external_id, 200, required=True)
    check_text("title", row.title, 300, required=True)
    check_text("offer_type", row.offer_type, 100, required=True)
    check_text("category", row.category, 200)
    check_text("face_value", row.face_value, 60)
    check_text("text", row.text or "", 100_000)
    check_text("terms", row.terms or "", 100_000)
    check_url(row.creative_url or "")
    if row.currency:
        check_currency("currency", row.currency)
    if row.starts_date and row.ends_date and row.ends_date < row.starts_date:
        raise field_error("invalid_period", "ends_on", f"The last day {row.ends_date} is before the first, {row.starts_date}.")
    for country in row.countries or ():
        check_country("countries", country)
    parse_cost(row.reward_cost or "")


def check_url(value: str) -> None:
    """InvalidInput (code "invalid_url") unless `value` is empty or an address on the web that fits the table."""
    check_text("creative_url", value, 500)
    if value and not (re.fullmatch(r"https?://[^\s/?#]+\S*", value) and urlsplit(value).hostname):
        raise field_error("invalid_url", "creative_url", f"{value!r} is not an address that begins with https:// or http://.")


def check_currency(field: str, code: str) -> None:
    """InvalidInput (code "invalid_currency") unless `code` is in ISO 4217."""
    try:
        exponent(code)
    except InvalidInput as error:
        raise field_error(error.code, field, error.detail) from None


def parse_cost(text: str) -> tuple[int | None, str]:
    """
    "12.50 EUR" as minor units and currency; (None, "") for empty text.

    Raises: InvalidInput, with the field reward_cost.
    """
    if not text:
        return None, ""
    amount, _, currency = text.partition(" ")
    try:
        minor = parse_minor(amount, currency)
    except InvalidInput as error:
        raise field_error(error.code, "reward_cost", f"{error.detail} Write amount and currency, such as 12.50 EUR.") from None
    if minor < 0:
        raise field_error("invalid_amount", "reward_cost", "A cost is not negative.")
    return minor, currency


def parse_offer(fields: Mapping[str, str | None]) -> OfferRow:
    """
    A row of offers.csv (canonical columns, text) as an OfferRow; blanks around values are dropped.

    A column of OPTIONAL_COLUMNS that is not in `fields` leaves what is stored as it is.
    Raises: InvalidInput, with the column at fault.
    """
    text = {name: (value or "").strip() for name, value in fields.items()}
    row = OfferRow(
        external_id=text.get("external_id", ""),
        partner_external_id=text.get("partner_external_id", ""),
        title=text.get("title", ""),
        offer_type=text.get("offer_type", ""),
        category=text.get("category", ""),
        face_value=text.get("face_value", ""),
        currency=text.get("currency", ""),
        starts_date=parse_day("starts_on", text.get("starts_on", "")),
        ends_date=parse_day("ends_on", text.get("ends_on", "")),
        rank=parse_rank(text.get("rank", "")),
        audience=text.get("audience"),
        countries=tuple(sorted(set(re.split(r"[\s;|,]+", text["countries"])) - {""})) if "countries" in text else None,
        terms=text.get("terms"),
        creative_url=text.get("creative_url"),
        reward_cost=text.get("reward_cost"),
    )
    check_offer(row)
    return row


def parse_day(field: str, text: str) -> date | None:
    """An ISO date, or None for empty text; InvalidInput (code "invalid_date") otherwise."""
    if not text:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise field_error("invalid_date", field, f"{text!r} is not a date. Write it as YYYY-MM-DD.") from None


def parse_rank(text: str) -> int | None:
    """A whole number from 1, or None for empty text; InvalidInput (code "invalid_rank") otherwise."""
    if not text:
        return None
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise field_error("invalid_rank", "rank", f"{text!r} is not a rank. Write a whole number from 1, or nothing.")
    return int(text)
