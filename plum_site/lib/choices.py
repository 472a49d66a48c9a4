from django.db import models


class Role(models.TextChoices):
    """What a person may be in one program; `plum_site/permissions.yaml` says what each may do."""

    PROGRAM_ADMIN = "program_admin", "Program admin"
    PARTNER_OPS = "partner_ops", "Partner operations"
    ANALYST = "analyst", "Analyst"
    AUDITOR = "auditor", "Auditor"


class Scope(models.TextChoices):
    """What an API token may do in its program."""

    EVENTS_WRITE = "events:write", "Send events"
    EVENTS_READ = "events:read", "Read single events, with pseudonyms in place of members"
    CATALOG_READ = "catalog:read", "Read partners, offers, listings, segments and rankings"
    METRICS_READ = "metrics:read", "Read metrics"
    REVIEWS_READ = "reviews:read", "Read reviews, scorecards, flags, corrective actions and rules"
    REVIEWS_WRITE = "reviews:write", "Work on flags, and accept data gaps"
    ACTIONS_PROPOSE = "actions:propose", "Propose, edit and cancel corrective actions, for whoever made the token"
    ACTIONS_APPROVE = "actions:approve", "Approve, reject and revert corrective actions, for whoever made the token"
    RULES_WRITE = "rules:write", "Write rules, approvals and the playbook, and take rules out of force"
    EXPORTS_CREATE = "exports:create", "Ask for raw exports, without outside ids, and download them"
    TIMELINES_READ = "timelines:read", "Read a member's timeline (each reading is logged)"
    WEBHOOKS_READ = "webhooks:read", "Read webhooks and what became of their messages"
    CATALOG_WRITE = "catalog:write", "Draft partners, offers, listings, audiences and segments"
    CATALOG_PUBLISH = "catalog:publish", "Publish, pause, re-rank and retire"
    AUDIT_READ = "audit:read", "Read the audit log"
    TOKENS_MANAGE = "tokens:manage", "Make and revoke API tokens, with no more rights than its own"


class JobState(models.TextChoices):
    """Due jobs wait, running ones hold a lease, done and dead ones are history."""

    DUE = "due", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    DEAD = "dead", "Given up"


class OutboxState(models.TextChoices):
    """Where an outgoing message stands."""

    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    DEAD = "dead", "Given up"


class AttemptStatus(models.TextChoices):
    """How one attempt to deliver a message ended."""

    OK = "ok", "Delivered"
    LATER = "later", "Will be tried again"
    REFUSED = "refused", "Refused"
