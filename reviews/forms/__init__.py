"""Forms: they collect, services decide."""

from reviews.forms.actions import ActionForm, ActionNoteForm, ActionStepForm, begin_with
from reviews.forms.rules import PolicyForm, RuleForm, WrittenRule
from reviews.forms.steps import CompareForm, DecisionForm, FlagOwnerForm, FlagStepForm, SubscriptionForm, WithdrawalForm

__all__ = [
    "ActionForm",
    "ActionNoteForm",
    "ActionStepForm",
    "CompareForm",
    "DecisionForm",
    "FlagOwnerForm",
    "FlagStepForm",
    "PolicyForm",
    "RuleForm",
    "SubscriptionForm",
    "WithdrawalForm",
    "WrittenRule",
    "begin_with",
]
