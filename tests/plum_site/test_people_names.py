"""Logs keep "user:ID"; people see names."""

from types import SimpleNamespace

import pytest

from offers.models import RankingRevision
from offers.services import save_ranking
from partners.workflow import SYSTEM_TRANSITIONS, TRANSITIONS
from plum_site.lib.admin import make_log
from plum_site.lib.models import User
from plum_site.lib.people import person_behind
from tests.factories.ledger import make_stocked_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def test_a_list_is_annotated_with_the_person_behind_a_column(at):
    program, ada = make_stocked_program(), User.objects.create(username="ada")
    ids = list(program.offers.order_by("-external_id").values_list("id", flat=True))
    save_ranking(program_id=program.pk, segment_id=None, offer_ids=ids, actor=ada, at=at)
    revisions = RankingRevision.objects.annotate(person=person_behind("made_by")).order_by("id")
    assert [(row.made_by, row.person) for row in revisions][-1] == (f"user:{ada.pk}", "ada")
    assert {row.person for row in revisions if row.made_by == "system"} == {None}


def test_a_log_names_people_states_and_transitions(at):
    ada = User.objects.create(username="ada")
    log = [
        SimpleNamespace(at=at, name="put_on_notice", to_state="on_notice", actor=f"user:{ada.pk}", comment="late"),
        SimpleNamespace(at=at, name="create", to_state="strange", actor="system", comment=""),
    ]
    table = make_log(log, {"on_notice": "On notice"}, TRANSITIONS, SYSTEM_TRANSITIONS)
    assert [row[1:] for row in table.rows] == [["Put on notice", "On notice", "ada", "late"], ["Create", "strange", "system", ""]]
