"""A program's own season, where no index is given: what the same months of last year had. docs/rules/season.md."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, fsum, log, pi
from statistics import fmean, median

from reviews.rules.measures import DECIMALS

LONGEST = 7  # months of last year that are compared: the reviewed one and the six before it
SHORTEST = 4  # of them that must be known
SEASON_MONTHS = LONGEST + 1  # months of last year that are read: the one in which somebody begins is not a whole one
FEWEST_TELLERS = 5  # partners that a season is told by: the middle of fewer may be one partner's fault
LEAST_EVENTS = 10  # of a partner, in each of the months
BEYOND_CHANCE = 3.0  # so many times more than by chance must months differ before it is a season
LEAST_REPEATED = 0.5  # share of last year's profile that must have come again this year
LEAST_SEASON = 0.01  # a season that moves no month by more is none
BEST_KNOWN = 1e6  # what a season is worth at most, in events
NORMAL_SPREAD = 1.4826  # the standard deviation over the median distance from the middle


@dataclass(frozen=True)
class History:
    """
    What one partner had. recent: events of the months before the reviewed one, newest first, None without figures.

    last_year: events of the reviewed calendar month a year ago and of the months before that one, newest first; one more than
    are compared, to know who had begun before them.
    """

    partner: str
    category: str
    recent: Sequence[int | None]
    last_year: Sequence[int]


@dataclass(frozen=True)
class OwnSeason:
    """
    How much volume a calendar month has ("01" to "12") against the others that are known; those that are not stay away.

    worth: how many events the knowledge of the reviewed month against the ones before is worth.
    """

    factors: Mapping[str, float]
    worth: float


@dataclass(frozen=True)
class _Profile:
    """The logarithm of each month's volume against the mean of all, of the middle partner, and how unsure it is (variance)."""

    levels: Sequence[float]
    variances: Sequence[float]


def days_of(month: str) -> int:
    """How many days a month has, given as YYYY-MM."""
    return monthrange(int(month[:4]), int(month[5:]))[1]


def year_before(month: str) -> str:
    """The same month of the year before, as YYYY-MM."""
    return f"{int(month[:4]) - 1:04d}{month[4:]}"


def find_own_seasons(months: Sequence[str], histories: Sequence[History]) -> dict[str, OwnSeason | None]:
    """
    The season of each category that has one of its own or follows the program's; "" is for the others. None: no season.

    months: YYYY-MM of the reviewed month and those before it, newest first. Empty where last year says too little.
    Source: docs/rules/season.md
    """
    ordered = sorted(histories, key=lambda history: history.partner)
    count = _months_known(ordered, min(LONGEST, len(months)))
    tellers = [history for history in ordered if _tells(history, count)] if count else []
    everybody = _profile_of(tellers, months, count)
    if everybody is None:
        return {}
    nothing = _Profile([0.0] * count, [0.0] * count)
    common = _draw_towards(everybody, nothing) or nothing
    groups: dict[str, list[History]] = {}
    for history in tellers:
        groups.setdefault(history.category, []).append(history)
    apart = _variance_between(tellers, everybody, months)
    found = {"": _season_of(common, everybody, tellers, months, apart)}
    for category, members in groups.items():
        own = _profile_of(members, months, count)
        if own is not None:
            drawn = _draw_towards(own, common)
            found[category] = _season_of(drawn or common, own if drawn else everybody, members if drawn else tellers, months)
    return found


def _months_known(histories: Sequence[History], longest: int) -> int:
    """How many months of last year are compared: the most that at least half of those can tell of who tell of the fewest."""
    telling = {count: sum(_tells(history, count) for history in histories) for count in range(SHORTEST, longest + 1)}
    enough = max(FEWEST_TELLERS, telling.get(SHORTEST, 0) / 2)
    return max((count for count, tellers in telling.items() if tellers >= enough), default=0)


def _tells(history: History, count: int) -> bool:
    """Whether a partner had enough in each of the months, had begun before them, and has enough in those of this year."""
    then, now = history.last_year[:count], history.recent[: count - 1]
    return (
        len(history.last_year) > count
        and len(now) == count - 1
        and min(then) >= LEAST_EVENTS
        and history.last_year[count] > 0
        and all(events is not None and events >= LEAST_EVENTS for events in now)
    )


def _profile_of(tellers: Sequence[History], months: Sequence[str], count: int) -> _Profile | None:
    """Last year's profile of a group; None where it is too small."""
    if len(tellers) < FEWEST_TELLERS:
        return None
    rows = [_centred(history.last_year[:count], _last_year(months)) for history in tellers]
    levels, variances = [], []
    for place in range(count):
        values = [row[place] for row in rows]
        middle = median(values)
        spread = (NORMAL_SPREAD * median(abs(value - middle) for value in values)) ** 2
        by_chance = median(1 / history.last_year[place] for history in tellers)
        levels.append(round(middle, DECIMALS))
        variances.append(round(pi / 2 * max(spread, by_chance) / len(tellers), DECIMALS))
    return _Profile(levels, variances)


def _last_year(months: Sequence[str]) -> list[str]:
    return [year_before(month) for month in months]


def _centred(events: Sequence[int | None], months: Sequence[str]) -> list[float]:
    """Logarithms of events a day, against their mean."""
    logs = [log((number or 1) / days_of(month)) for number, month in zip(events, months, strict=False)]
    middle = fmean(logs)
    return [value - middle for value in logs]


def _draw_towards(profile: _Profile, target: _Profile) -> _Profile | None:
    """A profile drawn towards another the more, the less sure it is; None where it does not differ from it beyond chance."""
    distances = [own - other for own, other in zip(profile.levels, target.levels, strict=True)]
    surplus = fsum(distance**2 / variance for distance, variance in zip(distances, profile.variances, strict=True))
    if surplus < BEYOND_CHANCE * (len(distances) - 1):
        return None
    differs = fmean(distance**2 for distance in distances) - fmean(profile.variances)
    if differs <= 0:
        return None
    kept = [differs / (differs + variance) for variance in profile.variances]
    return _Profile(
        [other + share * distance for other, share, distance in zip(target.levels, kept, distances, strict=True)],
        [
            share * own + (1 - share) ** 2 * other
            for share, own, other in zip(kept, profile.variances, target.variances, strict=True)
        ],
    )


def _season_of(
    drawn: _Profile, raw: _Profile, tellers: Sequence[History], months: Sequence[str], apart: float = 0.0
) -> OwnSeason | None:
    """What is expected of this year: the profile as far as the months before the reviewed one repeated it."""
    share = _share_repeated(raw, tellers, months)
    levels = [share * level for level in drawn.levels]
    if share < LEAST_REPEATED or max(abs(level) for level in levels) < LEAST_SEASON:
        return None
    unsure = [
        share**2 * variance + share * (1 - share) * level**2
        for level, variance in zip(drawn.levels, drawn.variances, strict=True)
    ]
    variance = unsure[0] + fmean(unsure[1:]) + apart
    factors = {month[5:]: round(exp(level), DECIMALS) for month, level in zip(months, levels, strict=False)}
    return OwnSeason(factors, round(min(BEST_KNOWN, 1 / variance) if variance > 0 else BEST_KNOWN, DECIMALS))


def _share_repeated(raw: _Profile, tellers: Sequence[History], months: Sequence[str]) -> float:
    """
    How much of last year's profile came again in the months before the reviewed one, 0 to 1.

    Where these did not differ last year, they cannot say; the more they did, compared with the month that is asked about,
    the more it counts whether they did so again. A program that grew in its first months has no season.
    """
    then = _around_mean(raw.levels[1:])
    rows = [_centred(history.recent[: len(then)], months[1:]) for history in tellers]
    now = [median(row[place] for row in rows) for place in range(len(then))]
    signal = max(0.0, fsum(level**2 for level in then) - fsum(raw.variances[1:]))
    if signal == 0:
        return 1.0
    repeated = fsum(one * other for one, other in zip(then, _around_mean(now), strict=True)) / signal
    weight = signal**2 / (signal**2 + raw.levels[0] ** 4)
    return round(weight * min(1.0, max(0.0, repeated)) + 1 - weight, DECIMALS)


def _around_mean(values: Sequence[float]) -> list[float]:
    middle = fmean(values)
    return [value - middle for value in values]


def _variance_between(tellers: Sequence[History], profile: _Profile, months: Sequence[str]) -> float:
    """How much partners differ in the reviewed calendar month beyond chance: what a category may that is too small to tell."""
    count, then = len(profile.levels), _last_year(months)
    distances = [abs(_centred(history.last_year[:count], then)[0] - profile.levels[0]) for history in tellers]
    by_chance = median(1 / history.last_year[0] for history in tellers)
    return max(0.0, pi / 2 * fmean(distances) ** 2 - by_chance)
