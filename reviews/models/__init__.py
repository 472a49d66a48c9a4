"""The monthly review: rules and policies, cycles, scorecards, flags and decisions, data gaps, actions, subscriptions."""

from reviews.models.actions import ActionNote, ActionTransition, CorrectiveAction, Playbook
from reviews.models.approvals import ApprovalPolicy, ApprovalRequest
from reviews.models.cycles import CycleTransition, Decision, Flag, Restatement, ReviewCycle, Scorecard
from reviews.models.flags import FlagCase, FlagTransition
from reviews.models.gaps import DataGap
from reviews.models.ladder import LadderHold, LadderMove, LadderVersion
from reviews.models.letters import PartnerAnswer, PartnerLink
from reviews.models.pushes import PushOptOut, PushRecipient, PushStop
from reviews.models.replacements import (
    Replacement,
    ReplacementCandidate,
    ReplacementContact,
    ReplacementFile,
    ReplacementHolder,
    ReplacementOffer,
    ReplacementTask,
    ReplacementTransition,
)
from reviews.models.rules import ReviewPolicy, Rule, RuleVersion
from reviews.models.subscriptions import Subscription

__all__ = [
    "ActionNote",
    "ActionTransition",
    "ApprovalPolicy",
    "ApprovalRequest",
    "CorrectiveAction",
    "CycleTransition",
    "DataGap",
    "Decision",
    "Flag",
    "FlagCase",
    "FlagTransition",
    "LadderHold",
    "LadderMove",
    "LadderVersion",
    "PartnerAnswer",
    "PartnerLink",
    "Playbook",
    "PushOptOut",
    "PushRecipient",
    "PushStop",
    "Replacement",
    "ReplacementCandidate",
    "ReplacementContact",
    "ReplacementFile",
    "ReplacementHolder",
    "ReplacementOffer",
    "ReplacementTask",
    "ReplacementTransition",
    "Restatement",
    "ReviewCycle",
    "ReviewPolicy",
    "Rule",
    "RuleVersion",
    "Scorecard",
    "Subscription",
]
