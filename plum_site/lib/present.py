"""
How values look on screen: one place, so that a rate, an amount and a missing value look the same on every page.

Three kinds of nothing look different: "–" no data (a rate without divisor), "not recorded" (the program does not
record the stage) and "suppressed" (the group is too small to show).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from plum_site.lib.money import exponent

NO_DATA = SafeString('<span class="plum-none" title="No data">–</span>')
NOT_RECORDED = SafeString('<span class="plum-none" title="This program does not record the stage">not recorded</span>')
SUPPRESSED = SafeString('<span class="plum-suppressed" title="The group is too small to show">suppressed</span>')
BREAK = SafeString("<br>")
LIVE = SafeString(' data-live="1"')

# Shape and word carry the meaning, colour repeats it.
TONES = {"good": "●", "fair": "◐", "warn": "▲", "bad": "■", "idle": "○", "info": "◆"}


@dataclass(frozen=True)
class Table:
    """A table under a heading: cells are text or safe HTML; `numeric` holds the positions of right-aligned columns."""

    title: str
    headers: list[str]
    rows: list[list[Any]]
    empty: str = "Nothing here yet."
    numeric: frozenset[int] = field(default_factory=frozenset)
    note: str = ""
    more_url: str = ""
    more: str = ""

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Header and whether it is numeric, for the template."""
        return [(header, index in self.numeric) for index, header in enumerate(self.headers)]

    @property
    def lines(self) -> list[list[tuple[Any, bool]]]:
        """Every row as (cell, is numeric), for the template."""
        return [[(cell, index in self.numeric) for index, cell in enumerate(row)] for row in self.rows]


def badge(label: object, tone: str) -> SafeString:
    """A word with a shape and a colour; tone is a key of TONES."""
    return format_html('<span class="plum-badge plum-{}"><span aria-hidden="true">{}</span> {}</span>', tone, TONES[tone], label)


def as_written(text: object) -> SafeString:
    """Words that somebody wrote, with their line breaks."""
    return format_html('<span class="plum-words">{}</span>', text)


def link(url: str, text: object) -> SafeString:
    """An anchor."""
    return format_html('<a href="{}">{}</a>', url, text)


def count(value: float | Decimal | None, places: int = 0) -> SafeString | str:
    """A number with thousands separated, whole unless `places` are asked for; NO_DATA for None."""
    return NO_DATA if value is None else _written(_rounded(value, places), places)


def rate(value: float | Decimal | str | None, places: int = 1) -> SafeString | str:
    """A share of 1 as per cent; NO_DATA for None."""
    if value is None:
        return NO_DATA
    return f"{_written(_rounded(Decimal(str(value)) * 100, places), places)} %"


def change(now: float | None, before: float | None) -> SafeString | str:
    """How much a count differs from another, as per cent with an arrow; NO_DATA where there is nothing to compare with."""
    if now is None or not before:
        return NO_DATA
    difference = (now - before) / before
    arrow = "▲" if difference > 0 else "▼" if difference < 0 else "="
    return format_html('<span class="plum-change">{} {}</span>', arrow, rate(abs(difference), 0))


def spark(values: Sequence[int], label: str) -> SafeString:
    """Numbers as a small line from zero up, with what it shows in words for who cannot see it."""
    top, last = max([*values, 1]), max(len(values) - 1, 1)
    points = " ".join(f"{100 * index / last:.1f},{22 - 20 * value / top:.1f}" for index, value in enumerate(values))
    return format_html(
        '<svg class="plum-spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polyline points="{}"/></svg>',
        label,
        points,
    )


def _rounded(value: float | Decimal, places: int) -> Decimal:
    """Half-even, as everywhere; Django's number_format alone would cut the digits off."""
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def _written(value: Decimal, places: int) -> str:
    """A number with thousands separated and a minus sign that is one, not a hyphen at which a line may break."""
    return str(formats.number_format(value, places, force_grouping=True)).replace("-", "−")


def amount(minor: int, currency: str) -> str:
    """Minor units as a localised amount with its code after it."""
    places = exponent(currency)
    return f"{_written(Decimal(minor).scaleb(-places), places)} {currency}"


def amounts(money: dict[str, str] | None, first: str = "") -> SafeString | str:
    """
    An object of decimal strings by currency, one line each, `first` on top; NO_DATA where there is none.

    Never added together.
    """
    if not money:
        return NO_DATA
    codes = sorted(money, key=lambda code: (code != first, code))
    lines = ((_written(Decimal(money[code]), exponent(code)), code) for code in codes)
    return format_html_join(BREAK, '<span class="plum-amount">{} {}</span>', lines)


def instant(value: datetime | None) -> SafeString | str:
    """A moment in the program's zone (the console makes it the current one), exact to the second on hovering."""
    if value is None:
        return NO_DATA
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        local.strftime("%Y-%m-%d %H:%M:%S %Z"),
        formats.date_format(local, "DATETIME_FORMAT"),
    )


def day(value: date | None) -> SafeString | str:
    """A calendar day of the program."""
    return NO_DATA if value is None else formats.date_format(value, "DATE_FORMAT")


def unbroken(text: object) -> str:
    """A short text that stays on one line in a narrow column."""
    return str(text).replace(" ", "\u00a0")


def month(value: date) -> str:
    """A month in words, such as March 2026."""
    return formats.date_format(value, "F Y")


def yes_no(value: bool) -> SafeString:
    """A boolean as a badge."""
    return badge("Yes", "good") if value else badge("No", "idle")


def words(values: Iterable[object], *, empty: str = "none") -> str:
    """A list in words."""
    return ", ".join(str(value) for value in values) or empty


def age(seconds: float | None) -> str:
    """How long ago, in the largest unit that fits."""
    if seconds is None:
        return "never"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"
