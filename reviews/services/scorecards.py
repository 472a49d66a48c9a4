"""Storing what a consolidation found: scorecards, flags, and the decisions that survive it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import Model

from partners.models import Partner
from plum_site.lib import audit
from plum_site.lib.models import User
from reviews.models import Decision, Flag, ReviewCycle, RuleVersion, Scorecard
from reviews.rules import Card

FIGURES = ("standing", "score", "rank", "metrics", "previous", "settled", "expected", "peers", "trend", "evidence", "diagnosis")
FLAG_FIGURES = ("target", "metric", "observed", "threshold", "evidence")


def replace_scorecards(*, cycle: ReviewCycle, cards: Sequence[Card], actor: User | str, at: datetime) -> dict[str, list[str]]:
    """
    Make the stored scorecards and flags of a cycle that is not closed those of a new consolidation.

    Returns the flags that were not there before: external id of the partner to the codes of their rules, in order.

    Rows of partners and rules that are still there are kept, with their ids and the instant at which a flag was opened.
    Decisions made by rule go; those made by people go where standing or flags changed, each with an audit row.
    Runs in the transaction of the consolidation, under the cycle's lock.

    Raises: nothing.
    Writes: reviews_scorecard, reviews_flag, reviews_decision, plum_auditevent.
    """
    old = {
        card.partner.external_id: (str(card.standing), sorted(flag.rule_version.rule.code for flag in card.flags.all()))
        for card in Scorecard.objects.filter(cycle=cycle).select_related("partner").prefetch_related("flags__rule_version__rule")
    }
    new = {card.partner: (card.standing, sorted(flag.rule for flag in card.flags)) for card in cards}
    changed = [partner for partner, verdict in old.items() if new.get(partner) != verdict]
    decisions = Decision.objects.filter(scorecard__cycle=cycle)
    decisions.filter(is_by_rule=True).delete()
    overtaken = decisions.filter(scorecard__partner__external_id__in=changed)
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
    gone = set(old) - set(new)
    if gone:
        Flag.objects.filter(scorecard__cycle=cycle, scorecard__partner__external_id__in=gone).delete()
        Scorecard.objects.filter(cycle=cycle, partner__external_id__in=gone).delete()
    partners = dict(Partner.objects.filter(program_id=cycle.program_id).values_list("external_id", "id"))
    _upsert(
        Scorecard,
        [
            Scorecard(
                cycle=cycle,
                partner_id=partners[card.partner],
                standing=card.standing,
                score=card.score,
                rank=card.rank,
                metrics=card.metrics,
                previous=card.previous,
                settled=card.settled,
                expected=card.expected,
                peers=card.peers,
                trend=card.trend,
                evidence=card.evidence,
                diagnosis=card.diagnosis,
            )
            for card in cards
        ],
        ["cycle", "partner"],
        FIGURES,
    )
    _replace_flags(cycle, cards, at)
    opened = {partner: sorted(set(rules) - set(old[partner][1] if partner in old else ())) for partner, (_, rules) in new.items()}
    return {partner: rules for partner, rules in opened.items() if rules}


def _replace_flags(cycle: ReviewCycle, cards: Sequence[Card], at: datetime) -> None:
    rules = [(rule["code"], rule["number"]) for rule in cycle.config["rules"]]
    versions = {
        (version.rule.code, version.number): version
        for version in RuleVersion.objects.filter(rule__program_id=cycle.program_id).select_related("rule")
    }
    version_of = {code: versions[code, number] for code, number in rules}
    ids = dict(Scorecard.objects.filter(cycle=cycle).values_list("partner__external_id", "id"))
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
    kept = {(flag.scorecard_id, flag.rule_version_id, flag.target_key) for flag in flags}
    stored = Flag.objects.filter(scorecard__cycle=cycle).values_list("id", "scorecard_id", "rule_version_id", "target_key")
    Flag.objects.filter(pk__in=[pk for pk, *key in stored if tuple(key) not in kept]).delete()
    _upsert(Flag, flags, ["scorecard", "rule_version", "target_key"], FLAG_FIGURES)


def _upsert(model: type[Model], rows: Sequence[Model], key: Sequence[str], figures: Sequence[str]) -> None:
    model._default_manager.bulk_create(rows, batch_size=200, update_conflicts=True, unique_fields=key, update_fields=figures)
