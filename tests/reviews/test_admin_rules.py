"""Rules and the policy are changed in two steps: a form in words, and a preview of what the change means; only then saved."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from partners.models import Program
from plum_site.lib.choices import JobState
from plum_site.lib.models import Job
from reviews.choices import CycleState
from reviews.models import ReviewPolicy, Rule, RuleVersion
from reviews.selectors import find_version_in_force, spec_of
from reviews.services import save_rule
from tests.factories.jobs import run_due
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import APRIL, GOOD, JUNE, MAY, make_reviewable_program, record_month, reviewed
from tests.support.pages import errors_of, list_inline, sign_in, text_of

pytestmark = pytest.mark.slow

FALLEN = {**GOOD, "unlocks": 15}
NEW = {
    "code": "unlock_rate_low",
    "name": "Unlock rate low",
    "target": "partner",
    "metric": "unlock_rate",
    "window_days": "",
    "direction": "below",
    "threshold": "15 %",
    "reference": "fixed",
    "lookback_months": "6",
    "minimum_denominator": "100",
    "persistence": "1",
    "persistence_unit": "cycles",
    "cooldown": "0",
    "cooldown_unit": "cycles",
    "severity": "warning",
    "owner": "",
}
WRITE, PLAN = "admin:reviews_rule_write", "admin:reviews_rule_plan"
PREVIEW, SAVE = "admin:reviews_rule_preview", "admin:reviews_rule_save"


@pytest.fixture
def program(db: None) -> Program:
    program = make_reviewable_program("P1", "P2")
    record_month(program, "2026-04", {"P1": GOOD, "P2": GOOD})
    record_month(program, "2026-05", {"P1": GOOD, "P2": FALLEN})
    record_month(program, "2026-06", {"P1": GOOD, "P2": GOOD})
    for month in (APRIL, MAY, JUNE):
        reviewed(program, month, CycleState.CLOSED)
    Job.objects.all().delete()
    return program


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


def ask_new(client: Client, **changes: str) -> Any:
    return client.post(reverse("admin:reviews_rule_plan_new"), {**NEW, **changes})


def previewed(client: Client, **changes: str) -> Job:
    """The job of a preview that was asked for and has run."""
    answer = ask_new(client, **changes)
    assert answer.status_code == 302, errors_of(answer)
    job = Job.objects.latest("pk")
    assert answer["Location"] == reverse(PREVIEW, args=[job.pk])
    assert run_due(name="reviews.backtest_rule") == ["done"]
    return job


def test_the_form_explains_every_part_and_saves_nothing(client: Client, program: Program) -> None:
    page = client.get(reverse("admin:reviews_rule_write_new"))

    said = text_of(page)
    assert all(field.help_text or field.name == "direction" or field.name == "cooldown_unit" for field in page.context["form"])
    for heading in ("What it looks at", "When it is crossed", "When it is a flag", "Who is told, and what it is called"):
        assert heading in said
    assert "Nothing is saved yet" in said
    assert not list_inline(page.content.decode())


def test_a_new_rule_is_seen_as_a_sentence_with_its_back_test_and_then_saved(client: Client, program: Program) -> None:
    person = make_member_of_staff(program, "partner_ops")
    assert ask_new(client, owner=str(person.pk)).status_code == 302
    job = Job.objects.latest("pk")
    waiting = client.get(reverse(PREVIEW, args=[job.pk]))
    assert "plum-progress" in waiting.content.decode()
    assert "Save as version" not in text_of(waiting)

    run_due(name="reviews.backtest_rule")

    said = text_of(client.get(reverse(PREVIEW, args=[job.pk])))
    assert "Flag a partner when its unlock rate in the month is below 15 %, with at least 100 views." in said
    assert "May 2026" in said
    assert "recovered unaided" in said
    assert "1 of 1" in said
    assert "Save as version 1" in said
    assert not Rule.objects.filter(code=NEW["code"]).exists(), "looking saves nothing"

    answer = client.post(reverse(SAVE, args=[job.pk]))

    version = RuleVersion.objects.get(rule__code=NEW["code"])
    assert answer["Location"] == reverse("admin:reviews_rule_change", args=[version.rule_id])
    assert (version.threshold, version.owner, version.number) == (Decimal("0.15"), person, 1)
    assert version.backtest["totals"]["flags"] == 1
    assert version.backtest["totals"]["recovered_unaided"] == 1
    shown = text_of(client.get(answer["Location"]))
    assert "1 flag in 3 closed months, 1 recovered unaided" in shown
    assert person.username in shown


def test_there_is_no_saving_without_a_preview(client: Client, program: Program) -> None:
    ask_new(client)
    job = Job.objects.latest("pk")

    refused = client.post(reverse(SAVE, args=[job.pk]), follow=True)

    assert "not ready yet" in text_of(refused)
    Job.objects.filter(pk=job.pk).update(state=JobState.DEAD, finished_at=job.created_at)
    assert "The preview failed" in text_of(client.get(reverse(PREVIEW, args=[job.pk])))
    assert "The preview failed" in text_of(client.post(reverse(SAVE, args=[job.pk]), follow=True))
    assert not Rule.objects.filter(code=NEW["code"]).exists()
    other = Job.objects.create(name="other", key="x", program_id=program.pk, due_at=job.due_at, created_at=job.created_at)
    assert client.post(reverse(SAVE, args=[other.pk])).status_code == 404


def test_a_change_begins_with_what_is_in_force(client: Client, program: Program) -> None:
    rule = Rule.objects.get(program=program, code="reversal_rate_high")
    page = client.get(reverse(WRITE, args=[rule.pk]))
    form = page.context["form"]
    values = {name: "" if form[name].value() is None else form[name].value() for name in form.fields}
    assert (values["threshold"], "code" in values) == ("10 %", False)

    answer = client.post(reverse(PLAN, args=[rule.pk]), {**values, "is_strict": "", "threshold": "12%", "name": "Too many"})
    run_due(name="reviews.backtest_rule")
    said = text_of(client.get(answer["Location"]))
    assert "above 12 %" in said
    assert "Now in force" in said
    assert "above 10 %" in said
    job = Job.objects.latest("pk")
    again = client.get(reverse(WRITE, args=[rule.pk]), {"preview": job.pk}).context["form"]
    assert (again["threshold"].value(), again["name"].value()) == ("12 %", "Too many")

    client.post(reverse(SAVE, args=[job.pk]))

    version = find_version_in_force(program.pk, rule.code)
    assert version is not None
    assert (version.number, version.rule.name, spec_of(version).threshold) == (2, "Too many", Decimal("0.12"))
    client.post(reverse(SAVE, args=[job.pk]))
    assert rule.versions.count() == 2, "saved twice is saved once"


def test_what_was_changed_meanwhile_is_not_overwritten(client: Client, program: Program) -> None:
    job = previewed(client)
    spec = spec_of(find_version_in_force(program.pk, "views_fall"))  # type: ignore[arg-type]
    save_rule(program_id=program.pk, name="Mine", spec=replace(spec, code=NEW["code"]), actor="system", at=job.created_at)

    said = text_of(client.post(reverse(SAVE, args=[job.pk]), follow=True))

    assert "was changed after this preview" in said
    assert RuleVersion.objects.filter(rule__code=NEW["code"]).count() == 1


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"metric": "happiness"}, "metric", "happiness"),
        ({"threshold": "60"}, "threshold", "60 would be 6000 %"),
        ({"threshold": "sixty"}, "threshold", "is no number"),
        ({"threshold": "0,6"}, "threshold", "with a decimal point"),
        ({"threshold": "-5 %"}, "threshold", "Write a number from 0"),
        ({"metric": "views", "threshold": "5 %"}, "threshold", "without %"),
        ({"window_days": "3"}, "window_days", "7 to 92 days"),
        ({"lookback_months": "13"}, "lookback_months", "1 to 12 months"),
        ({"persistence": "32", "persistence_unit": "days", "window_days": "30"}, "persistence", "1 to 31 days"),
        ({"persistence": "2", "persistence_unit": "days"}, "persistence_unit", "last days"),
        ({"cooldown": "13"}, "cooldown", "0 to 12 months"),
        ({"minimum_denominator": "0"}, "minimum_denominator", "no activity"),
        ({"name": ""}, "name", "required"),
        ({"code": "a b"}, "code", "letters, digits"),
        ({"code": "views_fall"}, "code", "already"),
        ({"owner": "999999"}, "owner", "valid choice"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_what_was_written_stays(
    client: Client, program: Program, changes: dict[str, str], field: str, said: str
) -> None:
    answer = ask_new(client, **changes)

    assert said in " ".join(errors_of(answer)[field])
    assert answer.context["form"]["name"].value() == changes.get("name", NEW["name"])
    assert not Job.objects.filter(name="reviews.backtest_rule").exists()


def test_a_rule_goes_out_of_force_and_comes_back(client: Client, program: Program) -> None:
    rule = Rule.objects.get(program=program, code="views_fall")
    page = reverse("admin:reviews_rule_change", args=[rule.pk])

    client.post(reverse("admin:reviews_rule_deactivate", args=[rule.pk]))
    assert "Put in force again" in text_of(client.get(page))
    client.post(reverse("admin:reviews_rule_activate", args=[rule.pk]))

    rule.refresh_from_db()
    assert rule.is_active
    assert "Take out of force" in text_of(client.get(page))


def test_the_list_says_every_rule_in_words(client: Client, program: Program) -> None:
    said = text_of(client.get(reverse("admin:reviews_rule_changelist")))

    assert "Flag a partner when its reversal rate in the month is above 10 %, with at least 20 redemptions." in said
    assert "Write a rule" in said


def test_an_analyst_reads_rules_and_changes_none(program: Program) -> None:
    client = sign_in(make_member_of_staff(program, "analyst"))
    rule = Rule.objects.filter(program=program).first()
    assert rule is not None

    page = client.get(reverse("admin:reviews_rule_change", args=[rule.pk]))

    assert page.status_code == 200
    assert "Change it" not in text_of(page)
    assert client.get(reverse(WRITE, args=[rule.pk])).status_code == 403
    assert ask_new(client).status_code == 403


def test_a_program_without_closed_months_may_save_all_the_same(db: None) -> None:
    program = make_reviewable_program("P1", code="fresh")
    client = sign_in(make_member_of_staff(program, "program_admin"))

    job = previewed(client)

    assert "No month is closed yet" in text_of(client.get(reverse(PREVIEW, args=[job.pk])))
    client.post(reverse(SAVE, args=[job.pk]))
    shown = client.get(reverse("admin:reviews_rule_change", args=[Rule.objects.get(program=program).pk]))
    assert "no closed month to try it on" in text_of(shown)


# --- the policy ---


def policy_values(client: Client) -> dict[str, Any]:
    form = client.get(reverse("admin:reviews_reviewpolicy_write")).context["form"]
    return {name: form[name].value() for name in form.fields}


def test_a_policy_is_in_force_only_after_everybody_whom_it_moves_was_shown(client: Client, program: Program) -> None:
    strict = {**policy_values(client), "band_excellent": 100, "band_on_track": 99, "band_watch": 98}
    answer = client.post(reverse("admin:reviews_reviewpolicy_plan"), strict)
    job = Job.objects.get(name="reviews.preview_policy")
    assert "Put version" not in text_of(client.get(answer["Location"]))
    assert run_due(name="reviews.preview_policy") == ["done"]

    said = text_of(client.get(answer["Location"]))

    assert job.program_id == program.pk
    assert "of 2 partners in June 2026" in said
    assert "Whose standing changes" in said
    assert ReviewPolicy.objects.filter(program=program).count() == 1
    save = reverse("admin:reviews_reviewpolicy_save", args=[job.pk])
    assert "is in force" in text_of(client.post(save, follow=True))
    newest = ReviewPolicy.objects.filter(program=program).order_by("-number").first()
    assert newest is not None
    assert newest.bands[0] == ["excellent", 100]
    client.post(save)
    assert ReviewPolicy.objects.filter(program=program).count() == 2


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"weight_reversal_rate": 90}, "__all__", "75 too many"),
        ({"weight_reversal_rate": 5}, "__all__", "10 are missing"),
        ({"band_watch": 70}, "band_watch", "Must begin below 62"),
        ({"band_excellent": 101}, "band_excellent", "100"),
        ({"minimum_events": 0}, "minimum_events", "1"),
        ({"recency_months": 13}, "recency_months", "12"),
        ({"recency_months": -1}, "recency_months", "0"),
    ],
)
def test_a_policy_that_leaves_gaps_is_refused_where_it_is_wrong(
    client: Client, program: Program, changes: dict[str, int], field: str, said: str
) -> None:
    answer = client.post(reverse("admin:reviews_reviewpolicy_plan"), {**policy_values(client), **changes})

    assert said in " ".join(errors_of(answer)[field])
    assert not Job.objects.filter(name="reviews.preview_policy").exists()


def test_how_far_back_a_policy_looks_is_said_in_words(client: Client, program: Program) -> None:
    assert policy_values(client)["recency_months"] == 0
    looks_back = {**policy_values(client), "recency_months": 3}
    answer = client.post(reverse("admin:reviews_reviewpolicy_plan"), looks_back)
    assert run_due(name="reviews.preview_policy") == ["done"]
    said = "he month, and the 3 before it by 75 %, 50 % and 25 %"

    assert f"T{said}." in text_of(client.get(answer["Location"]))
    job = Job.objects.get(name="reviews.preview_policy")
    client.post(reverse("admin:reviews_reviewpolicy_save", args=[job.pk]))
    listed = text_of(client.get(reverse("admin:reviews_reviewpolicy_changelist")))

    assert f"t{said}" in listed
    assert "the month alone" in listed
    assert policy_values(client)["recency_months"] == 3


def test_the_sum_of_the_weights_is_shown(client: Client, program: Program) -> None:
    page = client.get(reverse("admin:reviews_reviewpolicy_write"))

    assert "The weights add up to 100 of 100" in text_of(page)
    assert not list_inline(page.content.decode())
