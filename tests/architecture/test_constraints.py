"""Every constraint of every model is attacked here, on both engines, and holds."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from activity.choices import MemberState
from activity.models import (
    AttributeSet,
    DayOfferRollup,
    DayPartnerMembers,
    DayPartnerRollup,
    DaySegmentMembers,
    DaySegmentRollup,
    DaySourceRollup,
    Event,
    EventIdentity,
    EventSource,
    Import,
    IngestBatch,
    Member,
    MemberMessage,
    MemberVersion,
    MessageBatch,
    MessageOffer,
    QuarantinedEvent,
    Seal,
    VaultEntry,
)
from exports.choices import EndpointState, ExportState
from exports.models import Export, ExportDownload, WebhookDelivery, WebhookEndpoint
from offers.models import (
    Audience,
    AudienceExclusion,
    CatalogDay,
    CatalogTrial,
    CatalogTrialOffer,
    Creative,
    Listing,
    ListingDraft,
    Offer,
    RankingRevision,
    Segment,
)
from partners.models import Category, Contact, ContractTerms, Partner, Program, SeasonalIndex
from plum_site.lib.choices import JobState, OutboxState
from plum_site.lib.models import ApiToken, Job, KeptAnswer, Outbox, OutboxAttempt, RoleGrant, User
from reviews.choices import ActionState, CycleState, FlagState, ReplacementState, RestatementState
from reviews.models import (
    ActionNote,
    ApprovalPolicy,
    ApprovalRequest,
    CorrectiveAction,
    DataGap,
    Decision,
    Flag,
    FlagCase,
    LadderHold,
    LadderMove,
    LadderVersion,
    PartnerAnswer,
    PartnerLink,
    Playbook,
    PushRecipient,
    PushStop,
    Replacement,
    ReplacementCandidate,
    ReplacementContact,
    ReplacementFile,
    ReplacementHolder,
    ReplacementOffer,
    ReplacementTask,
    Restatement,
    ReviewCycle,
    ReviewPolicy,
    Rule,
    RuleVersion,
    Scorecard,
    Subscription,
)
from tests.support.rows import AT, LATER, Rows

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

LOCAL_APPS = ("plum", "partners", "offers", "activity", "reviews", "exports")
MODELS = [model for label in LOCAL_APPS for model in apps.get_app_config(label).get_models()]
CONSTRAINTS = {constraint.name: (model, constraint) for model in MODELS for constraint in model._meta.constraints}
UNIQUE_FIELDS = [
    (model, field)
    for model in MODELS
    for field in model._meta.concrete_fields
    if field.unique and not field.primary_key and not isinstance(field, models.OneToOneField)
]

# name of the check constraint: the model and the values of a row that breaks it
# An action that somebody gave leave for, and one that was carried out.
LEAVE: dict[str, Any] = {"approver": lambda rows: rows.the(User), "approved_at": AT}
APPROVED: dict[str, Any] = LEAVE | {"mapper": lambda rows: rows.make(User)}
DONE: dict[str, Any] = {"executed_at": AT, "before": {}, "after": {}}

BREAKS_CHECK: dict[str, tuple[type[models.Model], dict[str, Any]]] = {
    "plum_rolegrant_role_known": (RoleGrant, {"program_id": 1, "role": "emperor"}),
    "plum_apitoken_both_revoked_at_and_revoked_by_set": (ApiToken, {"revoked_at": AT}),
    "plum_apitoken_expires_after_creation": (ApiToken, {"created_at": LATER, "expires_at": AT}),
    "plum_job_state_known": (Job, {"state": "lost"}),
    "plum_job_running_has_lease": (Job, {"state": JobState.RUNNING, "lease_until": None}),
    "plum_job_ended_has_finished_at": (Job, {"state": JobState.DEAD, "finished_at": None}),
    "plum_outbox_state_known": (Outbox, {"state": "lost"}),
    "plum_outbox_sent_has_sent_at": (Outbox, {"state": OutboxState.SENT, "sent_at": None}),
    "plum_outboxattempt_status_known": (OutboxAttempt, {"status": "perhaps"}),
    "partners_program_kind_known": (Program, {"kind": "club"}),
    "partners_program_stage_order_known": (Program, {"stage_order": "any"}),
    "partners_program_minimum_group_positive": (Program, {"minimum_group": 0}),
    "partners_program_days_in_order": (Program, {"ready_day": 6, "report_day": 5}),
    "partners_seasonalindex_positive": (SeasonalIndex, {"expected_index": Decimal(0)}),
    "partners_partner_state_known": (Partner, {"state": "lost"}),
    "partners_contact_role_known": (Contact, {"role": "friend"}),
    "partners_contractterms_ends_after_start": (
        ContractTerms,
        {"starts_date": date(2026, 7, 2), "ends_date": date(2026, 7, 1)},
    ),
    "partners_contractterms_commission_is_percent": (ContractTerms, {"commission_percent": Decimal("100.01")}),
    "offers_offer_state_known": (Offer, {"state": "lost"}),
    "offers_offer_ends_after_start": (Offer, {"starts_date": date(2026, 7, 2), "ends_date": date(2026, 7, 1)}),
    "offers_offer_reward_cost_has_currency": (Offer, {"reward_cost_minor": 100, "reward_cost_currency": ""}),
    "offers_listing_number_from_one": (Listing, {"number": 0}),
    "offers_listingdraft_state_known": (ListingDraft, {"state": "lost"}),
    "offers_listingdraft_published_as": (ListingDraft, {"state": "published", "listing": None}),
    "offers_creative_extension_known": (Creative, {"extension": "svg"}),
    "offers_catalogtrial_share_in_range": (CatalogTrial, {"share_percent": 51}),
    "offers_catalogtrial_has_salt": (CatalogTrial, {"salt": ""}),
    "offers_catalogtrial_both_ended_at_and_ended_by_set": (CatalogTrial, {"ended_at": LATER, "ended_by": ""}),
    "offers_catalogtrial_ends_after_start": (CatalogTrial, {"started_at": LATER, "ended_at": AT, "ended_by": "user:1"}),
    "offers_catalogtrialoffer_names_one": (CatalogTrialOffer, {"old": None, "new": None}),
    "offers_catalogtrialoffer_differ": (CatalogTrialOffer, {"new": lambda rows: rows.the(Offer)}),
    "offers_catalogtrialoffer_only_new_is_fresh": (CatalogTrialOffer, {"is_fresh": True}),
    "activity_ingestbatch_outcomes_add_up": (IngestBatch, {"received_count": 3, "accepted_count": 1, "rejected_count": 1}),
    "activity_ingestbatch_fits": (IngestBatch, {"received_count": 8193, "accepted_count": 8193}),
    "activity_ingestbatch_origin_known": (IngestBatch, {"origin": "dream"}),
    "activity_ingestbatch_warns_of_accepted": (IngestBatch, {"received_count": 1, "rejected_count": 1, "warning_count": 1}),
    "activity_eventsource_rhythm_known": (EventSource, {"rhythm": "at times"}),
    "activity_eventsource_stated_with_its_instant": (EventSource, {"complete_through_at": AT, "stated_at": None}),
    "activity_messagebatch_outcomes_add_up": (MessageBatch, {"received_count": 3, "accepted_count": 1, "rejected_count": 1}),
    "activity_messagebatch_origin_known": (MessageBatch, {"origin": "dream"}),
    "activity_membermessage_kind_known": (MemberMessage, {"kind": 5}),
    "activity_quarantinedevent_noun_known": (QuarantinedEvent, {"noun": "letter"}),
    "activity_quarantinedevent_origin_known": (QuarantinedEvent, {"origin": "dream"}),
    "activity_quarantinedevent_expires_later": (QuarantinedEvent, {"kept_at": LATER, "expires_at": AT}),
    "activity_quarantinedevent_refused_when_tried": (QuarantinedEvent, {"refusal_code": "conflict", "tried_at": None}),
    "activity_event_kind_known": (Event, {"kind": 6}),
    "activity_event_status_known": (Event, {"status": 0}),
    "activity_event_spend_has_currency": (Event, {"spend_minor": 100, "spend_currency": None}),
    "activity_event_reward_cost_has_currency": (Event, {"reward_cost_minor": -1, "reward_cost_currency": "EUR"}),
    "activity_seal_number_from_one": (Seal, {"number": 0}),
    "activity_member_inactive_has_deactivated_at": (Member, {"state": MemberState.INACTIVE, "deactivated_at": None}),
    "activity_import_kind_known": (Import, {"kind": "letter"}),
    "activity_import_mode_known": (Import, {"mode": "half"}),
    "activity_import_state_known": (Import, {"state": "lost"}),
    "activity_import_both_confirmed_at_and_confirmed_by_set": (Import, {"confirmed_at": AT}),
    "activity_import_applied_is_confirmed": (Import, {"state": "applied"}),
    "reviews_ruleversion_direction_known": (RuleVersion, {"direction": "sideways"}),
    "reviews_ruleversion_reference_known": (RuleVersion, {"reference": "feeling"}),
    "reviews_ruleversion_persistence_positive": (RuleVersion, {"persistence": 0}),
    "reviews_policy_recency_within_a_year": (ReviewPolicy, {"recency_months": 13}),
    "reviews_cycle_state_known": (ReviewCycle, {"state": "lost", "cutoff": 1, "consolidated_at": AT, "digest": "d"}),
    "reviews_cycle_ends_after_start": (ReviewCycle, {"starts_at": LATER, "ends_at": AT}),
    "reviews_cycle_starts_on_first": (ReviewCycle, {"month_start_date": date(2026, 7, 2)}),
    "reviews_cycle_ready_is_frozen": (ReviewCycle, {"state": CycleState.READY, "cutoff": None}),
    "reviews_cycle_both_closed_at_and_closed_by_set": (ReviewCycle, {"closed_at": AT}),
    "reviews_flagcase_end_is_complete": (
        FlagCase,
        {"state": FlagState.DISMISSED, "ended_at": AT, "ended_month_date": date(2026, 6, 1), "reason": ""},
    ),
    "reviews_flagcase_months_in_order": (
        FlagCase,
        {"first_month_date": date(2026, 7, 1), "newest_month_date": date(2026, 6, 1)},
    ),
    "reviews_flagcase_ended_in_a_month": (FlagCase, {"ended_month_date": date(2026, 6, 1)}),
    "reviews_datagap_ends_after_start": (DataGap, {"starts_at": LATER, "ends_at": AT}),
    "reviews_datagap_both_accepted_at_and_accepted_by_set": (
        DataGap,
        {"accepted_at": AT, "accepted_by": "somebody", "reason": ""},
    ),
    "reviews_approvalrequest_state_known": (ApprovalRequest, {"state": "lost", "answered_at": AT}),
    "reviews_approvalrequest_due_after_asked": (ApprovalRequest, {"due_at": AT}),
    "reviews_approvalrequest_answered_at_set": (ApprovalRequest, {"answered_at": AT}),
    "reviews_approvalrequest_says_why": (ApprovalRequest, {"state": "refused", "answered_at": AT, "answer": ""}),
    "reviews_approvalrequest_by_two_people_or_time": (
        ApprovalRequest,
        {
            "state": "in_force",
            "asker": lambda rows: rows.the(User),
            "answerer": lambda rows: rows.the(User),
            "answered_at": LATER,
        },
    ),
    "reviews_restatement_state_known": (Restatement, {"state": "lost", "answered_by": "b", "answered_at": AT}),
    "reviews_restatement_has_reason": (Restatement, {"reason": ""}),
    "reviews_restatement_both_answered_at_and_answered_by_set": (
        Restatement,
        {"state": RestatementState.REFUSED, "answered_at": None},
    ),
    "reviews_restatement_by_two_people": (
        Restatement,
        {"state": RestatementState.REFUSED, "asked_by": "a", "answered_by": "a", "answered_at": AT},
    ),
    "reviews_action_state_known": (CorrectiveAction, {"state": "lost"} | LEAVE),
    "reviews_action_kind_known": (CorrectiveAction, {"kind": "sing"}),
    "reviews_action_verdict_known": (CorrectiveAction, {"verdict": "splendid"}),
    "reviews_action_revision_from_one": (CorrectiveAction, {"revision": 0}),
    "reviews_action_both_approved_at_and_approver_set": (CorrectiveAction, {"approved_at": AT}),
    "reviews_action_both_edited_at_and_editor_set": (CorrectiveAction, {"edited_at": AT}),
    "reviews_action_nothing_unapproved_goes_on": (CorrectiveAction, {"state": ActionState.SCHEDULED}),
    "reviews_action_by_two_people": (CorrectiveAction, LEAVE | {"needs_two": True}),
    "reviews_action_done_has_before_and_after": (CorrectiveAction, LEAVE | {"state": ActionState.EXECUTED, "executed_at": AT}),
    "reviews_action_reverted_at_set": (CorrectiveAction, LEAVE | DONE | {"state": ActionState.REVERTED}),
    "reviews_action_both_reverted_at_and_reverted_by_set": (
        CorrectiveAction,
        LEAVE | DONE | {"state": ActionState.REVERTED, "reverted_at": AT},
    ),
    "reviews_action_measured_has_verdict": (CorrectiveAction, LEAVE | DONE | {"state": ActionState.MEASURED}),
    "reviews_action_failed_says_why": (CorrectiveAction, LEAVE | {"state": ActionState.FAILED}),
    "reviews_laddermove_name_known": (LadderMove, {"name": "fly"}),
    "reviews_laddermove_outcome_known": (LadderMove, {"outcome": "lost", "to_state": "prospect"}),
    "reviews_laddermove_moved_or_not": (LadderMove, {"outcome": "held"}),
    "reviews_ladderhold_says_why": (LadderHold, {"reason": ""}),
    "reviews_ladderhold_both_ended_at_and_ended_by_set": (LadderHold, {"ended_at": AT}),
    "reviews_actionnote_says_something": (ActionNote, {"text": ""}),
    "reviews_partnerlink_version_from_one": (PartnerLink, {"version": 0}),
    "reviews_partnerlink_expires_after_sent": (PartnerLink, {"sent_at": LATER, "expires_at": AT}),
    "reviews_pushrecipient_arm_known": (PushRecipient, {"arm": "both"}),
    "reviews_pushrecipient_channel_known": (PushRecipient, {"channel": "drum"}),
    "reviews_pushrecipient_held_out_gets_nothing": (PushRecipient, {"arm": "held_out"}),
    "reviews_pushrecipient_settled_has_settled_at": (PushRecipient, {"state": "queued"}),
    "reviews_pushstop_has_reason": (PushStop, {"reason": ""}),
    "reviews_replacement_state_known": (Replacement, APPROVED | {"state": "lost"}),
    "reviews_replacement_revision_from_one": (Replacement, {"revision": 0}),
    "reviews_replacement_successor_is_another": (
        Replacement,
        {"is_without": True, "successor": lambda rows: rows.make(Partner)},
    ),
    "reviews_replacement_both_approved_at_and_approver_set": (Replacement, {"approved_at": AT}),
    "reviews_replacement_nothing_unapproved_goes_on": (Replacement, {"state": ReplacementState.APPROVED}),
    "reviews_replacement_by_two_people": (Replacement, LEAVE | {"mapper": lambda rows: rows.the(User)}),
    "reviews_replacement_on_trial_has_trial": (Replacement, APPROVED | {"state": ReplacementState.TRIALLING}),
    "reviews_replacement_cut_over_has_before_and_after": (Replacement, APPROVED | {"state": ReplacementState.CUT_OVER}),
    "reviews_replacement_ended_has_ended_at": (Replacement, {"state": ReplacementState.CANCELLED}),
    "reviews_replacement_last_activation_within_a_year": (Replacement, {"last_activation_days": 0}),
    "reviews_replacementtask_step_known": (ReplacementTask, {"step": "wait"}),
    "reviews_replacementcandidate_refused_says_why": (ReplacementCandidate, {"refused_at": AT}),
    "reviews_replacementcontact_kind_known": (ReplacementContact, {"kind": "drum"}),
    "reviews_replacementcontact_says_something": (ReplacementContact, {"text": ""}),
    "reviews_replacementoffer_names_one": (ReplacementOffer, {"old": None, "new": None}),
    "reviews_replacementholder_state_known": (ReplacementHolder, {"state": "lost", "settled_at": AT}),
    "reviews_replacementholder_settled_has_settled_at": (ReplacementHolder, {"state": "mailed"}),
    "reviews_scorecard_standing_known": (Scorecard, {"standing": "splendid"}),
    "reviews_scorecard_score_in_range": (Scorecard, {"score": Decimal("100.01")}),
    "exports_export_state_known": (Export, {"state": "lost"}),
    "exports_export_format_known": (Export, {"format": "stone"}),
    "exports_export_ends_after_start": (Export, {"starts_date": date(2026, 7, 1), "ends_date": date(2026, 7, 1)}),
    "exports_export_identified_has_reason": (Export, {"is_identified": True, "reason": ""}),
    "exports_export_running_has_cutoff": (Export, {"state": ExportState.RUNNING, "started_at": AT, "cutoff": None}),
    "exports_export_written_is_described": (Export, {"state": ExportState.EXPIRED, "rows": None}),
    "exports_export_only_ready_has_files": (Export, {"state": ExportState.REQUESTED, "package": "exports/a"}),
    "exports_export_only_failed_has_error": (Export, {"state": ExportState.FAILED, "error": ""}),
    "exports_exportdownload_names_what": (ExportDownload, {"what": ""}),
    "exports_webhookendpoint_state_known": (WebhookEndpoint, {"state": "lost"}),
    "exports_webhookendpoint_disabled_has_reason": (WebhookEndpoint, {"state": EndpointState.DISABLED, "reason": ""}),
    "reviews_decision_kind_known": (Decision, {"kind": "maybe"}),
    "reviews_subscription_state_known": (Subscription, {"state": "asleep"}),
    "reviews_subscription_scope_is_complete": (Subscription, {"scope": "owned", "user": None}),
}

# name of the unique constraint: the model and the values that only one row may have (called with the maker of rows)
BREAKS_UNIQUE: dict[str, tuple[type[models.Model], dict[str, Any]]] = {
    "plum_rolegrant_once": (RoleGrant, {"program_id": 1, "role": "analyst"}),
    "plum_keptanswer_once": (KeptAnswer, {"key_digest": "k"}),
    "partners_category_once": (Category, {"code": "food"}),
    "partners_seasonalindex_once": (SeasonalIndex, {"month_start_date": date(2026, 7, 1)}),
    "partners_partner_once": (Partner, {"external_id": "p1"}),
    "partners_contact_once": (Contact, {"email": "a@example.org", "role": "account"}),
    "offers_segment_once": (Segment, {"code": "north"}),
    "offers_offer_once": (Offer, {"external_id": "o1"}),
    "offers_listing_number_once": (Listing, {"number": 1}),
    "offers_listingdraft_one_at_a_time": (ListingDraft, {"state": "draft"}),
    "offers_creative_once": (Creative, {"sha256": "a" * 64}),
    "offers_catalogday_once": (CatalogDay, {"local_date": date(2026, 7, 1)}),
    "offers_audience_one_a_day": (Audience, {"starts_date": date(2026, 7, 1)}),
    "offers_audience_one_open_start": (Audience, {"starts_date": None}),
    "offers_audienceexclusion_once": (AudienceExclusion, {}),
    "offers_catalogtrialoffer_old_once": (CatalogTrialOffer, {}),
    "offers_ranking_number_once": (RankingRevision, {"number": 1, "segment": lambda rows: rows.the(Segment)}),
    "offers_ranking_global_number_once": (RankingRevision, {"number": 1, "segment": None}),
    "activity_eventsource_once": (EventSource, {"code": "shop"}),
    "activity_messageoffer_once": (MessageOffer, {}),
    "activity_quarantinedevent_once": (QuarantinedEvent, {"key": b"k" * 16}),
    "activity_seal_number_once": (Seal, {"number": 1, "batch": lambda rows: rows.make(IngestBatch)}),
    "activity_vaultentry_lookup_once": (VaultEntry, {"lookup": b"l" * 32, "member": lambda rows: rows.make(Member)}),
    "activity_attributeset_once": (AttributeSet, {"digest": b"d" * 32}),
    "activity_memberversion_once": (MemberVersion, {"valid_from": AT}),
    "activity_memberversion_one_open_start": (MemberVersion, {"valid_from": None}),
    "activity_daysegmentrollup_cell": (DaySegmentRollup, {"offer_type": "coupon"}),
    "activity_dayofferrollup_cell": (DayOfferRollup, {}),
    "activity_daypartnerrollup_cell": (DayPartnerRollup, {}),
    "activity_daysourcerollup_cell": (DaySourceRollup, {}),
    "activity_daysegmentmembers_cell": (DaySegmentMembers, {"offer_type": "coupon"}),
    "activity_daypartnermembers_cell": (DayPartnerMembers, {}),
    "reviews_policy_number_once": (ReviewPolicy, {"number": 1}),
    "reviews_approvalpolicy_number_once": (ApprovalPolicy, {"number": 1}),
    "reviews_approvalrequest_one_at_a_time": (ApprovalRequest, {}),
    "reviews_playbook_number_once": (Playbook, {"number": 1}),
    "reviews_ladderversion_number_once": (LadderVersion, {"number": 1}),
    "reviews_laddermove_once": (LadderMove, {}),
    "reviews_ladderhold_one_at_a_time": (LadderHold, {"ended_at": None}),
    "reviews_action_proposed_once": (CorrectiveAction, {"proposal_key": "1:1:rerank:"}),
    "reviews_partnerlink_once": (PartnerLink, {"contact": lambda rows: rows.the(Contact)}),
    "reviews_pushrecipient_once": (PushRecipient, {}),
    "reviews_replacementtask_once": (ReplacementTask, {"step": "map"}),
    "reviews_replacementcandidate_once": (ReplacementCandidate, {}),
    "reviews_replacementfile_once": (ReplacementFile, {"sha256": "a" * 64}),
    "reviews_replacementoffer_old_once": (ReplacementOffer, {}),
    "reviews_replacementholder_once": (ReplacementHolder, {}),
    "reviews_rule_once": (Rule, {"code": "fall"}),
    "reviews_ruleversion_number_once": (RuleVersion, {"number": 1}),
    "reviews_cycle_once": (ReviewCycle, {"revision": 1}),
    "reviews_scorecard_once": (Scorecard, {}),
    "reviews_flag_once": (Flag, {}),
    "reviews_flagcase_one_at_a_time": (FlagCase, {"target_key": "o1"}),
    "reviews_datagap_once": (DataGap, {"starts_at": AT}),
    "reviews_restatement_one_at_a_time": (Restatement, {"reason": "late files"}),
    "exports_webhookendpoint_url_once": (WebhookEndpoint, {"url": "https://hooks.example.org/"}),
    "reviews_subscription_once": (Subscription, {"email": "a@example.org", "scope_value": ""}),
}


@pytest.fixture
def rows() -> Rows:
    return Rows()


def test_every_constraint_is_attacked() -> None:
    """A new constraint needs a line above: the values of a row that only this constraint refuses."""
    assert set(BREAKS_CHECK) | set(BREAKS_UNIQUE) == set(CONSTRAINTS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_row_that_breaks_nothing_is_stored(model: type[models.Model], rows: Rows) -> None:
    with transaction.atomic():
        assert rows.make(model)._state.adding is False
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", BREAKS_CHECK)
def test_check_constraint_holds(name: str, rows: Rows) -> None:
    model, values = BREAKS_CHECK[name]

    with pytest.raises(IntegrityError, match=rf"\b{name}\b"), transaction.atomic():
        rows.make(model, **values)


@pytest.mark.parametrize("name", BREAKS_UNIQUE)
def test_unique_constraint_holds(name: str, rows: Rows) -> None:
    model, given = BREAKS_UNIQUE[name]

    def values() -> dict[str, Any]:
        return {key: value(rows) if callable(value) else value for key, value in given.items()}

    rows.make(model, **values())
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        rows.make(model, **values())

    _names(refusal, name)


@pytest.mark.parametrize(("model", "field"), UNIQUE_FIELDS, ids=str)
def test_unique_field_holds(model: type[models.Model], field: models.Field, rows: Rows) -> None:
    first = rows.make(model)

    with pytest.raises(IntegrityError), transaction.atomic():
        rows.make(model, **{field.name: getattr(first, field.attname)})


def test_one_event_id_has_one_identity(rows: Rows) -> None:
    rows.make(EventIdentity, program_id=1, key=b"k" * 16)
    rows.make(EventIdentity, program_id=2, key=b"k" * 16)

    with pytest.raises(IntegrityError), transaction.atomic():
        rows.make(EventIdentity, program_id=1, key=b"k" * 16)


@pytest.mark.parametrize(
    ("model", "key"),
    [(Seal, "batch"), (Decision, "scorecard"), (VaultEntry, "member"), (WebhookDelivery, "message"), (PartnerAnswer, "note")],
)
def test_one_to_one_holds(model: type[models.Model], key: str, rows: Rows) -> None:
    first = rows.make(model)

    with pytest.raises(IntegrityError), transaction.atomic():
        rows.make(model, **{key: getattr(first, key)})


def test_user_name_is_taken_once() -> None:
    User.objects.create(username="ada")

    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username="ada")


def _names(refusal: pytest.ExceptionInfo[IntegrityError], name: str) -> None:
    """PostgreSQL names the constraint, SQLite its columns."""
    model, constraint = CONSTRAINTS[name]
    if connection.vendor == "postgresql":
        assert name in str(refusal.value)
    else:
        columns = [f"{model._meta.db_table}.{model._meta.get_field(field).column}" for field in constraint.fields]
        assert ", ".join(columns) in str(refusal.value)
