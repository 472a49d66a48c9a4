"""Forms: they collect, services decide."""

from reviews.forms.actions import ActionForm, ActionNoteForm, ActionStepForm, begin_with
from reviews.forms.approvals import ApprovalsForm, LineForm, PlacingForm, begin_line, read_number
from reviews.forms.ladder import HoldForm, LadderForm
from reviews.forms.rules import PolicyForm, RuleForm, WrittenRule
from reviews.forms.steps import (
    CompareForm,
    DecisionForm,
    FlagOwnerForm,
    FlagStepForm,
    SubscriptionForm,
    VerdictsForm,
    WithdrawalForm,
)

__all__ = [
    "ActionForm",
    "ActionNoteForm",
    "ActionStepForm",
    "ApprovalsForm",
    "CompareForm",
    "DecisionForm",
    "FlagOwnerForm",
    "FlagStepForm",
    "HoldForm",
    "LadderForm",
    "LineForm",
    "PlacingForm",
    "PolicyForm",
    "RuleForm",
    "SubscriptionForm",
    "VerdictsForm",
    "WithdrawalForm",
    "WrittenRule",
    "begin_line",
    "begin_with",
    "read_number",
]
