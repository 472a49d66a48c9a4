"""What every model owes its readers: names that carry meaning, pairs that stay together, no clock of its own."""

import re

import pytest
from django.apps import apps
from django.db import models

LOCAL_APPS = ("plum", "partners", "offers", "activity", "reviews", "exports")
MODELS = [model for label in LOCAL_APPS for model in apps.get_app_config(label).get_models()]
FIELDS = [(model, field) for model in MODELS for field in model._meta.concrete_fields]
DJANGO_OWN = {"last_login", "date_joined"}  # the base class of User
# Instants that nobody in particular sets, or whose person stands in the log of the transition.
WITHOUT_PERSON = {
    "at": "a log row: `actor` stands beside it",
    "created_at": "creation is an audit row",
    "opened_at": "opened by the schedule; the transition log says by whom",
    "consolidated_at": "by the schedule",
    "sealed_at": "by the sealer",
    "recorded_at": "the batch row names source and token",
    "received_at": "a file's own claim",
    "occurred_at": "when it happened",
    "latest_occurred_at": "when the latest of some events happened",
    "complete_through_at": "a point in time that a sender names; naming it is an audit row",
    "stated_at": "by a sender, an audit row",
    "proposed_at": "`proposer`, and the log of the action",
    "edited_at": "`editor`, and the log of the action",
    "approved_at": "`approver`, and the log of the action",
    "asked_at:ApprovalRequest": "`asker`, and an audit row",
    "answered_at:ApprovalRequest": "`answerer`, or by its time; an audit row",
    "scheduled_at": "a plan",
    "executed_at": "by a worker",
    "measured_at": "by a worker",
    "kept_at": "by the request itself",
    "tried_at": "by a worker",
    "starts_at": "a period",
    "ends_at": "a period",
    "ended_at": "its transitions say by whom",
    "found_at": "by the review",
    "mapped_at": "`mapper`, and the log of the replacement",
    "cut_over_at": "by a worker",
    "refused_at": "the log of the replacement says by whom",
    "recalled_at": "by a worker, or with the rollback that the log names",
    "unlocked_at": "when it happened",
    "expires_at": "a limit",
    "due_at": "a plan",
    "last_used_at": "by the token itself",
    "claimed_at": "by the request itself",
    "started_at": "by a worker",
    "finished_at": "by a worker",
    "sent_at": "by a worker",
    "settled_at": "by a worker; of a push that was stopped, its stop says by whom",
    "seen_at": "by the process itself",
    "woken_at": "by the sweep",
    "swept_at": "by the sweep",
    "deactivated_at": "by people sync, an audit row",
    "first_failed_at": "by a worker",
    "turned_at": "by the clock",
    "made_at:LedgerPermit": "its job names the person",
}


def label(model: type[models.Model], field: models.Field) -> str:
    return f"{model._meta.label}.{field.name}"


def test_every_by_has_its_at_and_every_at_its_by_or_a_reason() -> None:
    """
    `approved_by` never stands without `approved_at`, nor the other way round.

    | x_at | x_by | allowed |
    | --- | --- | --- |
    | yes | yes | yes |
    | no | yes | never |
    | yes | no | only with a reason above |
    """
    alone = []
    for model in MODELS:
        names = {field.name for field in model._meta.concrete_fields}
        alone += [f"{model._meta.label}.{by}" for by in names if by.endswith("_by") and by[:-3] + "_at" not in names]
        for at in names:
            if at.endswith("_at") or at == "at":
                explained = at in WITHOUT_PERSON or f"{at}:{model.__name__}" in WITHOUT_PERSON
                if at[:-3] + "_by" not in names and not explained:
                    alone.append(f"{model._meta.label}.{at}")

    assert alone == []


def test_optional_pairs_are_tied_by_a_constraint() -> None:
    loose = []
    for model, field in FIELDS:
        stem = field.name[:-3]
        if field.name.endswith("_at") and field.null and any(other.name == f"{stem}_by" for other in model._meta.concrete_fields):
            constraints = {constraint.name for constraint in model._meta.constraints}
            if not any(name.endswith(f"_both_{stem}_at_and_{stem}_by_set") for name in constraints):
                loose.append(label(model, field))

    assert loose == []


def test_names_of_instants_and_dates_say_which_they_are() -> None:
    instants = [label(m, f) for m, f in FIELDS if isinstance(f, models.DateTimeField) and f.name not in DJANGO_OWN]
    dates = [label(m, f) for m, f in FIELDS if type(f) is models.DateField]
    exempt = {
        "activity.IngestBatch.day",
        "activity.MessageBatch.day",
        "activity.MemberVersion.valid_from",
        "plum.Job.lease_until",
        "plum.Outbox.lease_until",
    }

    assert [name for name in instants if not re.search(r"(?:_at|\.at)$", name) and name not in exempt] == []
    assert [name for name in dates if not name.endswith("_date") and name not in exempt] == []


def test_names_of_amounts_say_their_unit() -> None:
    amounts = {(m, f.name) for m, f in FIELDS if f.name.endswith("_minor")}
    lonely = [
        f"{model._meta.label}.{name}"
        for model, name in amounts
        if not {name.replace("_minor", "_currency"), "currency"} & {field.name for field in model._meta.concrete_fields}
    ]

    assert lonely == []
    assert [label(m, f) for m, f in FIELDS if isinstance(f, models.FloatField)] == [], "a float is never exact"
    assert [label(m, f) for m, f in FIELDS if re.search(r"(?:^|_)(?:amount|spend|cost|price)$", f.name)] == []


def test_no_field_reads_the_clock() -> None:
    own = [(m, f) for m, f in FIELDS if isinstance(f, models.DateField) and f.name not in DJANGO_OWN]

    assert [label(m, f) for m, f in own if f.auto_now or f.auto_now_add or f.has_default()] == []


def test_every_constraint_and_index_is_named_after_its_table() -> None:
    wrong = [
        item.name
        for model in MODELS
        for item in [*model._meta.constraints, *model._meta.indexes]
        if not item.name.startswith(f"{model._meta.app_label}_")
    ]

    assert wrong == []


def test_every_choice_is_held_by_a_constraint_or_by_the_log_that_writes_it() -> None:
    """A state that code can compare with is one the database knows."""
    loose = []
    for model, field in FIELDS:
        if field.choices and field.name in {"state", "status", "kind", "standing"}:
            texts = [
                str(constraint.condition)
                for constraint in model._meta.constraints
                if isinstance(constraint, models.CheckConstraint)
            ]
            if not any(f"'{field.name}" in text for text in texts):
                loose.append(label(model, field))

    rollups_are_copies_of_the_ledger = {name for name in loose if name.startswith("activity.Day")}
    assert set(loose) - rollups_are_copies_of_the_ledger == set()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_model_says_what_one_row_is(model: type[models.Model]) -> None:
    assert model.__doc__, "a docstring: what one row is, who creates it, when it changes, when it dies"
    assert not model.__doc__.startswith(f"{model.__name__}("), "Django's own docstring is none"
    assert model.__str__ is not models.Model.__str__ or model.__name__.endswith(("Rollup", "Members", "Identity", "Heartbeat"))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_foreign_key_leads_out_of_the_house(model: type[models.Model]) -> None:
    order = {label: rank for rank, label in enumerate(LOCAL_APPS)}
    targets = [field.remote_field.model for field in model._meta.concrete_fields if field.is_relation]

    assert all(order[target._meta.app_label] <= order[model._meta.app_label] for target in targets)
