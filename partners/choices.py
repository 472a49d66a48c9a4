from django.db import models


class ProgramKind(models.TextChoices):
    """Whom a program serves, and so what its members are called on screen."""

    EMPLOYEE = "employee", "Employee recognition"
    CHANNEL = "channel", "Channel partner incentive"
    LOYALTY = "loyalty", "Customer loyalty"


MEMBER_NOUNS = {ProgramKind.EMPLOYEE: "employees", ProgramKind.CHANNEL: "participants", ProgramKind.LOYALTY: "customers"}


class Stage(models.TextChoices):
    """The stages of an offer interaction, in the order of a view-first program."""

    IMPRESSION = "impression", "Impression"
    VIEWED = "viewed", "Viewed"
    UNLOCKED = "unlocked", "Unlocked"
    ACTIVATED = "activated", "Activated"
    REDEEMED = "redeemed", "Redeemed"


class StageOrder(models.TextChoices):
    """Which of viewing and unlocking comes first in a program's funnel."""

    VIEW_FIRST = "view_first", "Viewed, then unlocked"
    UNLOCK_FIRST = "unlock_first", "Unlocked, then viewed"


class PartnerState(models.TextChoices):
    """The lifecycle of a partner."""

    PROSPECT = "prospect", "Prospect"
    ONBOARDING = "onboarding", "Onboarding"
    ACTIVE = "active", "Active"
    ON_NOTICE = "on_notice", "On notice"
    IMPROVEMENT_PLAN = "improvement_plan", "Improvement plan"
    REPLACING = "replacing", "Being replaced"
    RETIRED = "retired", "Retired"
    PAUSED = "paused", "Paused"
    REJECTED = "rejected", "Rejected"


# In the other states a partner's offers are not in the catalog, whatever their own state.
SUPPLYING = frozenset({PartnerState.ACTIVE, PartnerState.ON_NOTICE, PartnerState.IMPROVEMENT_PLAN, PartnerState.REPLACING})


# Whoever is in one of these was taken out of the catalog by somebody, with every offer.
WITHDRAWN = frozenset({PartnerState.PAUSED, PartnerState.RETIRED})


class ContactRole(models.TextChoices):
    """What a contact of a partner is written to about."""

    ACCOUNT = "account", "Account manager"
    FINANCE = "finance", "Finance"
    TECHNICAL = "technical", "Technical"
    LEGAL = "legal", "Legal"
