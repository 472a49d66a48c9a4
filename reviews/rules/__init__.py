"""What a review computes, without a database: flags, standings, scorecards, digests, coverage. See docs/rules."""

from reviews.rules.cards import Card, PartnerInput, ReviewInput, digest_cards, find_peers, make_cards, season_ratio
from reviews.rules.coverage import EVENTS, LIVE, Gap, Outcome, find_gaps
from reviews.rules.defaults import NamedRule, default_policy, default_rules
from reviews.rules.digest import Verdict, canonical_json, hash_json, number_text, review_content, review_digest
from reviews.rules.flags import Crossing, Month, RuleSpec, check_rule, evaluate, months_needed
from reviews.rules.measures import COUNTS, DECIMALS, MONEY, RATES, Figures, count_interval, measure, rate_interval
from reviews.rules.sentences import say_rule, say_share, say_threshold
from reviews.rules.standing import (
    Candidate,
    PolicySpec,
    Prior,
    Scored,
    check_policy,
    find_band,
    fit_prior,
    has_no_activity,
    points_of,
    score_partners,
    shrink,
)

__all__ = [
    "COUNTS",
    "DECIMALS",
    "EVENTS",
    "LIVE",
    "MONEY",
    "RATES",
    "Candidate",
    "Card",
    "Crossing",
    "Figures",
    "Gap",
    "Month",
    "NamedRule",
    "Outcome",
    "PartnerInput",
    "PolicySpec",
    "Prior",
    "ReviewInput",
    "RuleSpec",
    "Scored",
    "Verdict",
    "canonical_json",
    "check_policy",
    "check_rule",
    "count_interval",
    "default_policy",
    "default_rules",
    "digest_cards",
    "evaluate",
    "find_band",
    "find_gaps",
    "find_peers",
    "fit_prior",
    "has_no_activity",
    "hash_json",
    "make_cards",
    "measure",
    "months_needed",
    "number_text",
    "points_of",
    "rate_interval",
    "review_content",
    "review_digest",
    "say_rule",
    "say_share",
    "say_threshold",
    "score_partners",
    "season_ratio",
    "shrink",
]
