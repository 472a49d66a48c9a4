from django.db import models


class OfferState(models.TextChoices):
    """
    What people decided about an offer. What it is today follows from this and its dates: see PresentState.
    """

    DRAFT = "draft", "Draft"
    IN_REVIEW = "in_review", "In review"
    PUBLISHED = "published", "Published"
    PAUSED = "paused", "Paused"
    RETIRED = "retired", "Retired"


# Taken out of the catalog by somebody: no new unlocks, while what members hold is honoured.
WITHDRAWN = frozenset({OfferState.PAUSED, OfferState.RETIRED})


class DraftState(models.TextChoices):
    """Where the next version of a listing stands. Of published versions all but the newest are superseded."""

    DRAFT = "draft", "Draft"
    IN_REVIEW = "in_review", "In review"
    PUBLISHED = "published", "Published"
    DISCARDED = "discarded", "Discarded"


OPEN_DRAFT = (DraftState.DRAFT, DraftState.IN_REVIEW)


class PresentState(models.TextChoices):
    """The lifecycle as people see it on one day; scheduled, live and expired follow from a published offer's dates."""

    DRAFT = "draft", "Draft"
    IN_REVIEW = "in_review", "In review"
    SCHEDULED = "scheduled", "Scheduled"
    LIVE = "live", "Live"
    PAUSED = "paused", "Paused"
    EXPIRED = "expired", "Expired"
    RETIRED = "retired", "Retired"


class SegmentOperator(models.TextChoices):
    """How a segment rule compares an attribute with its values."""

    IS = "is", "is one of"
    IS_NOT = "is_not", "is none of"


class OrderStep(models.TextChoices):
    """What may be done with one offer of an order."""

    MOVE = "move", "Move to place"
    LOWER = "lower", "Lower by"
    SURFACE = "surface", "Raise by"
    PIN = "pin", "Pin to place"
    UNPIN = "unpin", "Unpin"
    HIDE = "hide", "Hide"
    SHOW = "show", "Show again"


class OrderChange(models.TextChoices):
    """How an offer stands in one order, against another."""

    UP = "up", "Up"
    DOWN = "down", "Down"
    NEW = "new", "New"
    GONE = "gone", "No longer named"
    PINNED = "pinned", "Pinned"
    UNPINNED = "unpinned", "No longer pinned"
    HIDDEN = "hidden", "Hidden"
    SHOWN = "shown", "Shown again"
