from django.db import models


class CycleState(models.TextChoices):
    """Open cycles are consolidated daily; at ready the cut-off is frozen and people decide; closed never changes."""

    OPEN = "open", "Open"
    READY = "ready", "Ready to decide"
    CLOSED = "closed", "Closed"


class Standing(models.TextChoices):
    """How a partner did in one month."""

    EXCELLENT = "excellent", "Excellent"
    ON_TRACK = "on_track", "On track"
    WATCH = "watch", "Watch"
    UNDERPERFORMING = "underperforming", "Underperforming"
    INSUFFICIENT_DATA = "insufficient_data", "Insufficient data"
    NO_ACTIVITY = "no_activity", "No activity"
    INCOMPLETE = "incomplete", "Incomplete"
    EXEMPT = "exempt", "Exempt"


class DecisionKind(models.TextChoices):
    """What was decided about a partner in one cycle."""

    PASS = "pass", "Pass"
    MONITOR = "monitor", "Monitor"
    ACT = "act", "Act"
    EXEMPT = "exempt", "Exempt"


class RuleTarget(models.TextChoices):
    """What a rule looks at."""

    PARTNER = "partner", "Partner"
    OFFER = "offer", "Offer"
    PARTNER_SEGMENT = "partner_segment", "Partner in a segment"


class Direction(models.TextChoices):
    """On which side of the threshold trouble lies."""

    BELOW = "below", "Falls below"
    ABOVE = "above", "Rises above"


class Reference(models.TextChoices):
    """What a rule's threshold is measured against."""

    FIXED = "fixed", "A fixed value"
    PREVIOUS = "previous", "A share of the previous month"
    CATEGORY_MEDIAN = "category_median", "A share of the category's median"
    TRAILING = "trailing", "A share of the trailing months"


class RuleState(models.TextChoices):
    """Whether months that are not frozen yet are judged by a rule."""

    ACTIVE = "active", "In force"
    INACTIVE = "inactive", "Out of force"


class Severity(models.TextChoices):
    """How much it matters."""

    NOTICE = "notice", "Notice"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"


class ReportKind(models.TextChoices):
    """The monthly report goes out on the report day whatever the state, and once more when the month is closed."""

    PRELIMINARY = "preliminary", "Preliminary"
    FINAL = "final", "Final"


class SubscriptionScope(models.TextChoices):
    """Which partners a recipient of the monthly report is told about."""

    WHOLE = "whole", "The whole program"
    CATEGORY = "category", "Partners of one category"
    COUNTRY = "country", "Partners of one country"
    OWNED = "owned", "Partners that the person owns"


class SubscriptionState(models.TextChoices):
    """Only active subscriptions get the report; whoever unsubscribed did so by the link in a mail, or was ended here."""

    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"
    UNSUBSCRIBED = "unsubscribed", "Unsubscribed"


class TimeUnit(models.TextChoices):
    """What persistence and cooldown are counted in; never in evaluations."""

    CYCLES = "cycles", "Months"
    DAYS = "days", "Days"


class FlagState(models.TextChoices):
    """What becomes of a flag."""

    OPEN = "open", "Open"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    RESOLVED = "resolved", "Resolved"
    DISMISSED = "dismissed", "Dismissed"


class Resolution(models.TextChoices):
    """What resolved a flag."""

    DATA = "data", "By the data"
    ACTION = "action", "By an action"


class Cause(models.TextChoices):
    """Why a partner falls behind."""

    AWARENESS = "awareness", "Awareness"
    DELIVERY = "delivery", "Delivery"
    RELEVANCE = "relevance", "Relevance"
    FRICTION = "friction", "Friction"
    REVERSALS = "reversals", "Reversals"
    MARKET_WIDE = "market_wide", "Market-wide"
    POSITION = "position", "Position"
    MIXED = "mixed", "Mixed"
    TOO_LITTLE_DATA = "too_little_data", "Too little data"


class GapState(models.TextChoices):
    """Whether somebody has said that months may be judged without what is missing; relied on: one was closed with it."""

    OPEN = "open", "Not accepted"
    ACCEPTED = "accepted", "Accepted"
    RELIED_ON = "relied_on", "Accepted, and a month is closed with it"


class RestatementState(models.TextChoices):
    """A restatement of a closed review is asked for by one person and approved by another."""

    ASKED = "asked", "Asked for"
    APPROVED = "approved", "Approved"
    REFUSED = "refused", "Refused"


class ApprovalRequestState(models.TextChoices):
    """Approvals that ask for less are asked for by one person, and take force by another one's leave or after a day."""

    ASKED = "asked", "Asked for"
    IN_FORCE = "in_force", "In force"
    REFUSED = "refused", "Refused"
    WITHDRAWN = "withdrawn", "Withdrawn"


class ActionKind(models.TextChoices):
    """What may be done for a partner that falls behind."""

    RERANK = "rerank", "Re-rank"
    REFRESH_LISTING = "refresh_listing", "Refresh the listing"
    PROMOTIONAL_PUSH = "promotional_push", "Promotional push"
    REPLACE_PARTNER = "replace_partner", "Replace the partner"
    PAUSE_OFFER = "pause_offer", "Pause the offer"
    CONTACT_PARTNER = "contact_partner", "Contact the partner"


class ActionState(models.TextChoices):
    """How far a corrective action is."""

    PROPOSED = "proposed", "Proposed"
    APPROVED = "approved", "Approved"
    SCHEDULED = "scheduled", "Scheduled"
    EXECUTING = "executing", "Executing"
    EXECUTED = "executed", "Executed"
    MEASURING = "measuring", "Measuring"
    MEASURED = "measured", "Measured"
    REJECTED = "rejected", "Rejected"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"
    REVERTED = "reverted", "Reverted"


class Verdict(models.TextChoices):
    """What the measurement of an action says."""

    WORKED = "worked", "Worked"
    NO_EVIDENCE = "no_evidence", "No evidence"
    HARMED = "harmed", "Harmed"
    CANNOT_TELL = "cannot_tell", "Cannot tell"


class LadderName(models.TextChoices):
    """What the ladder's rule asks for when a review is closed."""

    PUT_ON_NOTICE = "put_on_notice", "Put on notice"
    START_IMPROVEMENT_PLAN = "start_improvement_plan", "Start improvement plan"
    REPLACEMENT_DUE = "replacement_due", "Replacing is due"
    RESTORE = "restore", "Restore"


class LadderOutcome(models.TextChoices):
    """What became of it. Held: somebody had said that the partner is not to be moved up; due: somebody has to decide."""

    MOVED = "moved", "Moved"
    HELD = "held", "Held"
    DUE = "due", "Due"


class Approval(models.TextChoices):
    """How many people a kind of action needs."""

    ONE = "one", "One person, with an undo of 30 days"
    TWO = "two", "Two different people"


class PushArm(models.TextChoices):
    """Whether a member of a push's audience is written to, or held out to tell its effect."""

    TREATED = "treated", "Written to"
    HELD_OUT = "held_out", "Held out"


class PushChannel(models.TextChoices):
    """How a push reaches a member: by a mail from here, or by the organisation's own messenger."""

    MAIL = "mail", "E-mail"
    WEBHOOK = "webhook", "Own messenger"


class RecipientState(models.TextChoices):
    """How far a push is for one member."""

    WAITING = "waiting", "Waiting"
    QUEUED = "queued", "On the way"
    STOPPED = "stopped", "Stopped"
    SKIPPED = "skipped", "Skipped"
    HELD_OUT = "held_out", "Held out"


class ReplacementState(models.TextChoices):
    """How far the replacement of a partner is."""

    OPENED = "opened", "Opened"
    COMPARED = "compared", "Candidates compared"
    CHOSEN = "chosen", "Candidate chosen"
    AGREED = "agreed", "Terms agreed"
    MAPPED = "mapped", "Offers mapped"
    APPROVED = "approved", "Approved"
    TRIALLING = "trialling", "On trial"
    SCHEDULED = "scheduled", "Cutover scheduled"
    CUT_OVER = "cut_over", "Cut over"
    VERIFIED = "verified", "Verified"
    COMPLETED = "completed", "Completed"
    ROLLED_BACK = "rolled_back", "Rolled back"
    CANCELLED = "cancelled", "Cancelled"


class ReplacementStep(models.TextChoices):
    """What has to be done in a replacement, each by somebody and by a day."""

    COMPARE = "compare", "Compare the candidates"
    CHOOSE = "choose", "Choose a candidate"
    AGREE = "agree", "Agree the terms"
    MAP = "map", "Map the offers"
    APPROVE = "approve", "Approve"
    CUT_OVER = "cut_over", "Cut over"
    VERIFY = "verify", "Verify"
    COMPLETE = "complete", "Complete"


class ContactKind(models.TextChoices):
    """How one spoke with a partner in a replacement."""

    CALL = "call", "Call"
    MAIL = "mail", "E-mail"
    MEETING = "meeting", "Meeting"
    NOTE = "note", "Note"


class HolderState(models.TextChoices):
    """Whether a member who holds an unlocked offer that goes was told until when it can be activated."""

    WAITING = "waiting", "Waiting"
    MAILED = "mailed", "E-mail sent off"
    ANNOUNCED = "announced", "Handed to the own messenger"
    SKIPPED = "skipped", "Not needed any more"
    UNREACHABLE = "unreachable", "Cannot be reached"
