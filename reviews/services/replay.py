"""Holding a stored review against what it must be: the same again, or what has become of it since."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from activity.selectors import head_of
from partners.models import Program
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.periods import month_text, next_month, parse_month
from reviews.models import ReviewCycle, Scorecard
from reviews.rules import Card, Verdict, content_of, make_cards, review_content, review_digest
from reviews.selectors import UNFROZEN, LateEvent, code_version, list_late_events, list_scorecards, read_input
from reviews.selectors.config import describe_partners
from reviews.selectors.late import count_late_by

BY_METRIC = ("metrics", "previous", "settled")
WHOLE = ("standing", "score", "rank", "expected", "peers", "trend", "evidence", "diagnosis")


class UnableToReplay(DomainError):
    """Nothing was consolidated yet, so there is nothing to replay."""

    exit_code = 2


@dataclass(frozen=True)
class Difference:
    """One field of one partner's scorecard that is stored otherwise than it is computed. partner: "" for the cycle's own."""

    partner: str
    field: str
    stored: Any
    recomputed: Any


@dataclass(frozen=True)
class Replay:
    """
    A review computed again from the sealed prefix and the frozen configuration.

    digest: as stored with the cycle; recomputed: of the new computation; stored: of the scorecards as they are stored.
    content: what `recomputed` is the SHA-256 of, as canonical JSON.
    """

    program: str
    month: str
    revision: int
    cutoff: int
    digest: str
    recomputed: str
    stored: str
    code_version: str
    code_version_now: str
    differences: list[Difference] = field(default_factory=list)
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def is_equal(self) -> bool:
        """Whether all three digests agree and no stored field differs."""
        return self.digest == self.recomputed == self.stored and not self.differences

    def as_json(self) -> dict[str, Any]:
        """For commands and the API."""
        values = asdict(self)
        differences, content = values.pop("differences"), values.pop("content")
        return {**values, "equal": self.is_equal, "differences": differences, "content": content}

    def as_line(self) -> dict[str, Any]:
        """One of many, for a command: which review, the three digests, and how many stored fields differ."""
        said = {name: getattr(self, name) for name in ("month", "revision", "cutoff", "digest", "recomputed", "stored")}
        return {**said, "equal": self.is_equal, "differences": len(self.differences)}


@dataclass(frozen=True)
class Moved:
    """One figure of one partner: as known when the review was frozen, and as known now."""

    partner: str
    figure: str
    then: Any
    now: Any


@dataclass(frozen=True)
class ReviewDifference:
    """What arrived after a review's cut-off, and which figures it moved. late_events holds at most 1,000 of late_count."""

    program: str
    month: str
    revision: int
    cutoff: int
    as_of: int
    late_count: int
    late_by_partner: dict[str, int]
    late_events: list[LateEvent]
    moved: list[Moved]

    def as_json(self) -> dict[str, Any]:
        """For commands and the API."""
        return asdict(self)


def replay(*, cycle_id: int) -> Replay:
    """
    Compute a review again from its sealed prefix and frozen configuration, and hold what is stored against it.

    Raises: NotFound; UnableToReplay - not_consolidated.
    Writes: nothing.
    Source: docs/rules/digest.md
    """
    cycle, program = _find_consolidated(cycle_id)
    given = read_input(program, cycle.config, cycle.cutoff or 0)
    computed = make_cards(given)
    content = content_of(given, computed)
    stored = list(list_scorecards(cycle.pk))
    return Replay(
        program=program.code,
        month=month_text(cycle.month_start_date),
        revision=cycle.revision,
        cutoff=cycle.cutoff or 0,
        digest=cycle.digest,
        recomputed=review_digest(content),
        stored=digest_stored(cycle=cycle, cards=stored),
        code_version=cycle.config["code_version"],
        code_version_now=code_version(),
        differences=sorted(_compare(stored, computed), key=lambda difference: (difference.partner, difference.field)),
        content=content,
    )


def digest_stored(*, cycle: ReviewCycle, cards: list[Scorecard]) -> str:
    """
    The digest of a review as its scorecards and flags are stored.

    Raises: nothing.
    Writes: nothing.
    Source: docs/rules/digest.md
    """
    config = cycle.config
    verdicts = [
        Verdict(
            partner=card.partner.external_id,
            figures=card.metrics,
            standing=card.standing,
            flags=[(flag.rule_version.rule.code, float(flag.observed)) for flag in card.flags.all()],
            cause=(card.diagnosis or {}).get("cause"),
        )
        for card in cards
    ]
    content = review_content(
        program=config["program"]["code"],
        month=month_text(cycle.month_start_date),
        recorded_stages=config["program"]["recorded_stages"],
        rule_digests=[rule["digest"] for rule in config["rules"]],
        metric_version=config["metric_version"],
        verdicts=verdicts,
    )
    return review_digest(content)


def diff_review(*, cycle_id: int) -> ReviewDifference:
    """
    A review as known when it was made, against the same month by the ledger as sealed now.

    Raises: NotFound; UnableToReplay - not_consolidated.
    Writes: nothing.
    Source: docs/rules/coverage.md
    """
    cycle, program = _find_consolidated(cycle_id)
    head = head_of(program.pk)
    cutoff, as_of = cycle.cutoff or 0, head.number if head else 0
    month = month_text(cycle.month_start_date)
    config = {**cycle.config, "partners": {**describe_partners(program), **cycle.config["partners"]}}
    then = {card.partner: card for card in make_cards(read_input(program, config, cutoff))}
    now = {card.partner: card for card in make_cards(read_input(program, config, as_of))}
    late = count_late_by(program, {month: cutoff}, as_of)
    ends_date = next_month(parse_month(month))
    return ReviewDifference(
        program=program.code,
        month=month,
        revision=cycle.revision,
        cutoff=cutoff,
        as_of=as_of,
        late_count=sum(sum(by_month.values()) for by_month in late.values()),
        late_by_partner={partner: sum(by_month.values()) for partner, by_month in late.items()},
        late_events=list_late_events(program, cycle.month_start_date, ends_date, cutoff, as_of),
        moved=[moved for partner in sorted({*then, *now}) for moved in _list_moved(partner, then.get(partner), now.get(partner))],
    )


def _find_consolidated(cycle_id: int) -> tuple[ReviewCycle, Program]:
    cycle = ReviewCycle.objects.select_related("program").filter(pk=cycle_id).first()
    if cycle is None:
        raise NotFound("review", cycle_id)
    if cycle.consolidated_at is None:
        raise UnableToReplay("not_consolidated", f"{cycle} was not consolidated yet: there is nothing to replay.")
    return cycle, cycle.program


def _compare(stored: list[Scorecard], computed: list[Card]) -> Iterator[Difference]:
    """Every field that is stored otherwise than it is computed."""
    by_partner = {card.partner: card for card in computed}
    for card in stored:
        again = by_partner.pop(card.partner.external_id, None)
        if again is None:
            yield Difference(card.partner.external_id, "scorecard", "stored", "not to be made")
            continue
        for name, kept, made in _fields(card, again):
            if kept != made:
                yield Difference(again.partner, name, kept, made)
    for partner in by_partner:
        yield Difference(partner, "scorecard", "missing", "to be made")


def _fields(stored: Scorecard, made: Card) -> Iterator[tuple[str, Any, Any]]:
    """(name, stored, computed) of everything on a scorecard, metric by metric."""
    for name in WHOLE:
        yield name, _plain(getattr(stored, name)), _plain(getattr(made, name))
    for name in BY_METRIC:
        kept, again = getattr(stored, name) or {}, getattr(made, name) or {}
        for metric in sorted({*kept, *again} - UNFROZEN):
            yield f"{name}.{metric}", kept.get(metric), again.get(metric)
    flags = [
        [flag.rule_version.rule.code, flag.metric, float(flag.observed), float(flag.threshold), flag.evidence]
        for flag in stored.flags.all()
    ]
    yield (
        "flags",
        sorted(flags, key=lambda flag: str(flag[0])),
        [[flag.rule, flag.metric, flag.observed, flag.threshold, flag.evidence] for flag in made.flags],
    )


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    return float(value) if isinstance(value, Decimal) else value


def _list_moved(partner: str, then: Card | None, now: Card | None) -> Iterator[Moved]:
    """The figures of one partner that are not what they were."""
    if then is None or now is None:
        yield Moved(partner, "scorecard", None if then is None else then.standing, None if now is None else now.standing)
        return
    for metric in sorted({*then.metrics, *now.metrics} - UNFROZEN):
        if then.metrics.get(metric) != now.metrics.get(metric):
            yield Moved(partner, metric, then.metrics.get(metric), now.metrics.get(metric))
    if then.standing != now.standing:
        yield Moved(partner, "standing", then.standing, now.standing)
    old, new = [flag.rule for flag in then.flags], [flag.rule for flag in now.flags]
    if old != new:
        yield Moved(partner, "flags", old, new)
