"""Storing what a consolidation found, where it moved: scorecards, flags, and the decisions that survive it."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet

from partners.models import Partner
from plum_site.lib import audit
from plum_site.lib.models import User
from reviews.models import Decision, Flag, ReviewCycle, RuleVersion, Scorecard
from reviews.rules import Card

FIGURES = ("standing", "score", "rank", "metrics", "previous", "settled", "expected", "peers", "trend", "evidence", "diagnosis")
FLAG_FIGURES = ("target", "metric", "observed", "threshold", "evidence")
Verdict = tuple[str, list[tuple[str, str]]]  # a standing, and the rules and target keys of the flags


def replace_scorecards(*, cycle: ReviewCycle, cards: Sequence[Card], actor: User | str, at: datetime) -> bool:
    """
    Make the stored scorecards and flags of a cycle that is not closed those of a new consolidation.

    Returns whether flags came or went. Rows of partners and rules that are still there are kept, with their ids and the
    instant at which a flag was opened, and written only where a figure moved. Decisions made by people go where standing or
    flags changed, each with an audit row; so do those made by rule, and at the end of the month all of them, to be made anew.
    Runs in the transaction of the consolidation, under the cycle's lock.

    Raises: nothing.
    Writes: reviews_scorecard, reviews_flag, reviews_decision, plum_auditevent.
    """
    stored = {row.partner.external_id: row for row in Scorecard.objects.filter(cycle=cycle).select_related("partner")}
    flags: dict[int, list[Flag]] = {}
    for flag in Flag.objects.filter(scorecard__cycle=cycle).select_related("rule_version__rule"):
        flags.setdefault(flag.scorecard_id, []).append(flag)
    old = {partner: _verdict_of(row, flags.get(row.pk, ())) for partner, row in stored.items()}
    new: dict[str, Verdict] = {
        card.partner: (card.standing, sorted((flag.rule, flag.target_key) for flag in card.flags)) for card in cards
    }
    _withdraw_decisions(cycle, [partner for partner, verdict in old.items() if new.get(partner) != verdict], actor, at)
    gone = set(old) - set(new)
    if gone:
        of_gone = _scorecards_of(cycle, gone)
        Flag.objects.filter(scorecard__in=of_gone).delete()
        of_gone.delete()
    ids = {partner: row.pk for partner, row in stored.items() if partner not in gone}
    ids |= _write_cards(cycle, [card for card in cards if _has_moved(card, stored.get(card.partner))])
    _replace_flags(cycle, cards, ids, [flag for each in flags.values() for flag in each], at)
    return _flags_of(old) != _flags_of(new)


def _verdict_of(row: Scorecard, flags: Iterable[Flag]) -> Verdict:
    return str(row.standing), sorted((flag.rule_version.rule.code, flag.target_key) for flag in flags)


def _flags_of(verdicts: dict[str, Verdict]) -> dict[str, list[tuple[str, str]]]:
    return {partner: flags for partner, (_, flags) in verdicts.items() if flags}


def _scorecards_of(cycle: ReviewCycle, partners: Iterable[str] | None) -> QuerySet[Scorecard]:
    """
    The scorecards of these partners, or of all. For `scorecard__in`: a deletion that looks through a relation is made a join of
    the table with itself, which takes minutes where PostgreSQL believes the table to be empty.
    """
    cards = Scorecard.objects.filter(cycle=cycle)
    return cards if partners is None else cards.filter(partner__external_id__in=partners)


def _withdraw_decisions(cycle: ReviewCycle, changed: Sequence[str], actor: User | str, at: datetime) -> None:
    """Take back what was decided about partners whose standing or flags changed."""
    # A running month is consolidated again and again: what still holds stays.
    overtaken_by_rule = _scorecards_of(cycle, changed if cycle.ends_at > at else None)
    Decision.objects.filter(scorecard__in=overtaken_by_rule, is_by_rule=True).delete()
    if not changed:
        return
    overtaken = Decision.objects.filter(scorecard__in=_scorecards_of(cycle, changed), is_by_rule=False)
    for decision in overtaken:
        audit.record(
            program_id=cycle.program_id,
            actor=actor,
            action="reviews.withdraw_decision",
            row=decision,
            at=at,
            before={"scorecard": decision.scorecard_id, "kind": decision.kind, "comment": decision.comment},
            comment="A new consolidation changed the standing or the flags.",
        )
    overtaken.delete()


def _has_moved(card: Card, row: Scorecard | None) -> bool:
    """Whether a scorecard says anything else than what is stored."""
    return row is None or any(_differs(getattr(card, name), getattr(row, name)) for name in FIGURES)


def _differs(found: Any, stored: Any) -> bool:
    """Whether a figure is another one than the one that came from the database, where JSON knows lists alone."""
    if found == stored:
        return False
    if found is None or isinstance(found, str | int | Decimal):
        return True
    return bool(json.loads(json.dumps(found, cls=DjangoJSONEncoder)) != stored)


def _write_cards(cycle: ReviewCycle, cards: Sequence[Card]) -> dict[str, int]:
    """Store some scorecards; external id of the partner to id of the row."""
    if not cards:
        return {}
    names = [card.partner for card in cards]
    partners = dict(Partner.objects.filter(program_id=cycle.program_id, external_id__in=names).values_list("external_id", "id"))
    rows = [
        Scorecard(cycle=cycle, partner_id=partners[card.partner], **{name: getattr(card, name) for name in FIGURES})
        for card in cards
    ]
    _upsert(Scorecard, rows, ["cycle", "partner"], FIGURES)
    return dict(Scorecard.objects.filter(cycle=cycle).values_list("partner__external_id", "id"))


def _replace_flags(cycle: ReviewCycle, cards: Sequence[Card], ids: dict[str, int], stored: Iterable[Flag], at: datetime) -> None:
    """Store the flags of the scorecards, remove those that are there no more."""
    old = {(flag.scorecard_id, flag.rule_version_id, flag.target_key): flag for flag in stored}
    if not old and not any(card.flags for card in cards):
        return
    versions = {
        (version.rule.code, version.number): version
        for version in RuleVersion.objects.filter(rule__program_id=cycle.program_id).select_related("rule")
    }
    version_of = {rule["code"]: versions[rule["code"], rule["number"]] for rule in cycle.config["rules"]}
    flags = [
        Flag(
            scorecard_id=ids[card.partner],
            rule_version=version_of[crossing.rule],
            target=crossing.target,
            target_key=crossing.target_key,
            metric=crossing.metric,
            observed=Decimal(repr(crossing.observed)),
            threshold=Decimal(repr(crossing.threshold)),
            evidence=crossing.evidence,
            opened_at=at,
        )
        for card in cards
        for crossing in card.flags
    ]
    kept = {(flag.scorecard_id, flag.rule_version_id, flag.target_key): flag for flag in flags}
    Flag.objects.filter(pk__in=[flag.pk for key, flag in old.items() if key not in kept]).delete()
    moved = [
        flag
        for key, flag in kept.items()
        if key not in old or any(_differs(getattr(flag, name), getattr(old[key], name)) for name in FLAG_FIGURES)
    ]
    _upsert(Flag, moved, ["scorecard", "rule_version", "target_key"], FLAG_FIGURES)


def _upsert(model: type[Model], rows: Sequence[Model], key: Sequence[str], figures: Sequence[str]) -> None:
    model._default_manager.bulk_create(rows, batch_size=200, update_conflicts=True, unique_fields=key, update_fields=figures)
