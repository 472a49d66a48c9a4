"""The monthly review: rules and policies by version, cycles, scorecards, flags and decisions, data gaps, subscriptions."""

from reviews.models.cycles import CycleTransition, Decision, Flag, Restatement, ReviewCycle, Scorecard
from reviews.models.flags import FlagCase, FlagTransition
from reviews.models.gaps import DataGap
from reviews.models.rules import ReviewPolicy, Rule, RuleVersion
from reviews.models.subscriptions import Subscription

__all__ = [
    "CycleTransition",
    "DataGap",
    "Decision",
    "Flag",
    "FlagCase",
    "FlagTransition",
    "Restatement",
    "ReviewCycle",
    "ReviewPolicy",
    "Rule",
    "RuleVersion",
    "Scorecard",
    "Subscription",
]
