from django.db import models


class Kind(models.IntegerChoices):
    """What a member did with an offer. The code is what the ledger stores; the name, in lower case, is what is shown."""

    IMPRESSION = 1, "impression"
    VIEWED = 2, "viewed"
    UNLOCKED = 3, "unlocked"
    ACTIVATED = 4, "activated"
    REDEEMED = 5, "redeemed"


class Status(models.IntegerChoices):
    """How it ended."""

    CONFIRMED = 1, "confirmed"
    FAILED = 2, "failed"
    REVERSED = 3, "reversed"


class MemberState(models.TextChoices):
    """An inactive member has left; the history stays."""

    ACTIVE = "active", "Active"
    INACTIVE = "inactive", "Inactive"


class PeopleMode(models.TextChoices):
    """Whether rows about people name some of them, or all."""

    DELTA = "delta", "Some people: those it does not name stay as they are"
    FULL = "full", "Everyone: active members it does not name have left"


class ImportKind(models.TextChoices):
    """What files are brought for."""

    PEOPLE = "people", "People"
    FOLDER = "folder", "Partners, offers, people and events"


class ImportState(models.TextChoices):
    """Where files stand that somebody brought. Only what is ready can be confirmed."""

    RECEIVING = "receiving", "Receiving"
    CHECKING = "checking", "Being checked"
    READY = "ready", "Checked, waits for you"
    REFUSED = "refused", "Refused"
    APPLYING = "applying", "Being applied"
    APPLIED = "applied", "Applied"
    DISCARDED = "discarded", "Discarded"
    EXPIRED = "expired", "Expired"


class Origin(models.TextChoices):
    """By which door a batch came in."""

    FILE = "file", "File"
    API = "api", "API"
    CONSOLE = "console", "Console"
    QUARANTINE = "quarantine", "Quarantine"


class Outcome(models.TextChoices):
    """What became of one event that was sent. Every event has exactly one."""

    ACCEPTED = "accepted", "Accepted"
    DUPLICATE = "duplicate", "Duplicate"
    CONFLICT = "conflict", "Conflict"
    REJECTED = "rejected", "Rejected"


class Measure(models.IntegerChoices):
    """What a rollup cell adds up: events, or the amounts in one currency that some of them carry."""

    EVENTS = 1, "events"
    SPEND = 2, "spend"
    REWARD_COST = 3, "reward_cost"


class Rhythm(models.TextChoices):
    """How often something from a source is expected."""

    NONE = "none", "Learnt from what it sends"
    HOURLY = "hourly", "Hourly"
    DAILY = "daily", "Daily"
    WEEKLY = "weekly", "Weekly"
    MONTHLY = "monthly", "Monthly"


class Noun(models.TextChoices):
    """What a sender tells: what a member did with an offer, or what became of a message to a member."""

    EVENT = "event", "Event"
    MESSAGE = "message", "Message"


class MessageKind(models.IntegerChoices):
    """What became of a message that an organisation's own messenger sent. The name, in lower case, is what is shown."""

    SENT = 1, "sent"
    DELIVERED = 2, "delivered"
    BOUNCED = 3, "bounced"
    OPENED = 4, "opened"
