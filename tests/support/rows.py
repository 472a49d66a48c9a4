"""
Rows made straight in the database, for tests that attack what the database itself must refuse.

Everywhere else rows are reached through services (tests/factories).
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from django.db import models

from activity.models import IngestBatch, MessageBatch, QuarantinedEvent
from exports.models import Export, WebhookDelivery
from offers.models import CatalogTrial, CatalogTrialOffer, Creative, Offer
from partners.models import Partner, Program
from plum_site.lib.fields import CountryField, CurrencyField
from plum_site.lib.models import ApiToken, AuditEvent, Outbox, User
from reviews.choices import ActionKind, ActionState, ReplacementState
from reviews.models import (
    ApprovalPolicy,
    ApprovalRequest,
    CorrectiveAction,
    LadderMove,
    Replacement,
    ReplacementFile,
    ReplacementOffer,
    Restatement,
    ReviewCycle,
)
from reviews.rules.actions import default_approvals

AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
LATER = datetime(2026, 8, 15, 9, 30, tzinfo=UTC)

OUTCOMES = dict.fromkeys(("received_count", "accepted_count", "duplicate_count", "conflict_count", "rejected_count"), 0)

# Where a field's type alone does not lead to a row that every constraint accepts.
VALID: dict[type[models.Model], dict[str, Any]] = {
    ApiToken: {"expires_at": LATER},
    ApprovalPolicy: {"approvals": dict(default_approvals().approvals), "push_limit": 0},
    ApprovalRequest: {"approvals": dict(default_approvals().approvals), "replaces": 0, "due_at": LATER},
    AuditEvent: {"object_ref": "partners.Partner:1"},
    CatalogTrial: {"share_percent": 10},
    CatalogTrialOffer: {"old": lambda rows: rows.the(Offer)},
    Creative: {"extension": "jpg"},
    IngestBatch: OUTCOMES,
    MessageBatch: OUTCOMES,
    QuarantinedEvent: {"expires_at": LATER},
    Export: {"starts_date": AT.date(), "ends_date": LATER.date()},
    LadderMove: {"to_state": "on_notice"},
    Outbox: {"channel": "mail"},
    ReplacementOffer: {"old": lambda rows: rows.the(Offer)},
    Restatement: {"reason": "late files"},
    ReviewCycle: {"ends_at": LATER},
    WebhookDelivery: {"message": lambda rows: rows.make(Outbox, program_id=rows.the(Program).pk)},
}
# What must stand beside a value that is asked for.
BESIDE: dict[str, dict[str, Any]] = {"revoked_by_token": {"revoked_at": AT}}


class Rows:
    """One world of valid rows, with one program: what a row must refer to is made once in it and shared."""

    numbers = count(1)  # of all worlds, so that two of them never collide

    def __init__(self) -> None:
        self.shared: dict[type[models.Model], models.Model] = {}

    def make(self, model: type[models.Model], **values: Any) -> Any:
        """One stored row that breaks no constraint, unless `values` makes it."""
        beside = {name: value for key in values for name, value in BESIDE.get(key, {}).items()}
        given = VALID.get(model, {}) | beside | values
        filled = {name: value(self) if callable(value) else value for name, value in given.items()}
        for field in model._meta.concrete_fields:
            if field.name not in filled and field.attname not in filled and not self._fills_itself(field):
                filled[field.name] = self._value(field)
        return model._default_manager.create(**filled)

    def the(self, model: type[models.Model]) -> models.Model:
        """The one row of `model` that others refer to."""
        if model not in self.shared:
            self.shared[model] = self.make(model)
        return self.shared[model]

    def _fills_itself(self, field: models.Field) -> bool:
        generated = isinstance(field, models.AutoField | models.CompositePrimaryKey)
        return generated or field.has_default() or field.null or (field.blank and field.empty_strings_allowed)

    def _value(self, field: models.Field) -> Any:
        number = next(self.numbers)
        if isinstance(field, models.ForeignKey):
            return self.the(field.remote_field.model)
        if field.name == "program_id":
            return self.the(Program).pk
        if field.choices:
            return field.choices[0][0]
        match field:
            case CountryField():
                return "DE"
            case CurrencyField():
                return "EUR"
            case models.EmailField():
                return f"person{number}@example.org"
            case models.CharField() | models.TextField():
                return f"x{number}"
            case models.BinaryField():
                return number.to_bytes(field.max_length or 16)
            case models.DateTimeField():
                return AT
            case models.DateField():
                return date(2026, 7, 1)
            case models.DecimalField():
                return Decimal(1)
            case models.BooleanField():
                return False
            case models.JSONField():
                return []
            case models.IntegerField():
                return number
        raise NotImplementedError(f"tests/support/rows.py cannot fill {field}")


def make_replacements(partner: Partner, approver: User, mark: int) -> None:
    """Two replacements of a partner, each with a file of the same id: 6000 + mark is mapped, 6100 + mark is agreed."""
    for number, state in ((6000 + mark, ReplacementState.MAPPED), (6100 + mark, ReplacementState.AGREED)):
        rows, own = Rows(), {"program": partner.program, "partner": partner}
        begun = {"state": ActionState.EXECUTING, "needs_two": False, "approver": approver, "approved_at": AT}
        action = rows.make(CorrectiveAction, pk=number, kind=ActionKind.REPLACE_PARTNER, params={}, **own, **begun)
        made = rows.make(Replacement, pk=number, action=action, state=state, **own)
        rows.make(ReplacementFile, pk=number, replacement=made)
