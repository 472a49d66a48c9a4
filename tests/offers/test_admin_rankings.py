"""The order of the catalog in the console: steps that wait, revisions, somebody faster, and whose ranking holds."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from offers.models import Offer, RankingRevision, Segment
from offers.selectors import find_ranking, list_ranked_segments
from offers.services import save_ranking
from partners.models import Program
from plum_site.lib.models import User
from tests.factories.offers import make_offer, make_segment, order_in_force, reach_offer_state
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.support.pages import sign_in, text_of

pytestmark = pytest.mark.slow

NAMES = ["O1", "O2", "O3", "O4"]


@pytest.fixture
def program(db: None) -> Program:
    program = make_program()
    make_partner(program, "P1")
    for name in NAMES:
        make_offer(program, name)
    return program


@pytest.fixture
def person(program: Program) -> User:
    return make_member_of_staff(program, "program_admin")


@pytest.fixture
def client(person: User) -> Client:
    return sign_in(person)


@pytest.fixture
def segment(program: Program) -> Segment:
    return make_segment(program)


def see(client: Client, query: str = "") -> Any:
    return client.get(reverse("admin:ranking_order") + query)


def named(answer: Any) -> list[str]:
    return [line.offer.external_id for line in answer.context["lines"]]


def step(client: Client, name: str, do: str, number: str = "", segment: str = "", **more: str) -> Any:
    offer = Offer.objects.get(external_id=name)
    values = {"offer": offer.pk, "do": do, "number": number, "segment": segment, **more}
    return client.post(reverse("admin:ranking_step"), values, follow=True)


def save(client: Client, comment: str = "", segment: str = "") -> Any:
    return client.post(reverse("admin:ranking_save"), {"comment": comment, "segment": segment}, follow=True)


def in_force(program: Program, segment: Segment | None = None) -> list[str]:
    names = dict(program.offers.values_list("pk", "external_id"))
    return [names[pk] for pk in order_in_force(program, segment)]


class TestSteps:
    def test_wait_until_they_are_saved_as_one_revision(self, client: Client, program: Program, person: User) -> None:
        before = RankingRevision.objects.count()
        assert "not saved" not in text_of(see(client))

        step(client, "O4", "move", "1")
        step(client, "O3", "pin", "2")
        page = step(client, "O1", "hide")

        assert named(page) == ["O4", "O3", "O2"]
        assert "3 changes not saved yet" in text_of(page)
        assert "O3 pinned to place 2" in text_of(page)
        assert (RankingRevision.objects.count(), in_force(program)) == (before, NAMES)
        page = save(client, "for autumn")
        newest = RankingRevision.objects.latest("pk")
        assert (newest.comment, newest.made_by, newest.number) == ("for autumn", f"user:{person.pk}", before + 1)
        names = {offer.pk: offer.external_id for offer in program.offers.all()}
        assert ({names[pk]: at for pk, at in newest.pins.items()}, [names[pk] for pk in newest.hidden]) == ({"O3": 2}, ["O1"])
        assert "not saved yet" not in text_of(page)
        assert "for autumn" in text_of(page)

    @pytest.mark.parametrize(
        ("do", "number", "order"),
        [
            ("surface:1", "", ["O1", "O3", "O2", "O4"]),
            ("lower:1", "", ["O1", "O2", "O4", "O3"]),
            ("surface", "", ["O3", "O1", "O2", "O4"]),
            ("move", "4", ["O1", "O2", "O4", "O3"]),
        ],
    )
    def test_buttons_and_typed_places(self, client: Client, do: str, number: str, order: list[str]) -> None:
        assert named(step(client, "O3", do, number)) == order

    @pytest.mark.parametrize(
        ("do", "number", "said"),
        [
            ("move", "9", "There is no place 9. Nothing was changed. Write a place from 1 to 4."),
            ("move", "", "needs a number"),
            ("move", "-1", "needs a number"),
            ("unpin", "", "not pinned"),
            ("jump", "", "no step"),
        ],
    )
    def test_one_that_cannot_be_taken_says_why(self, client: Client, do: str, number: str, said: str) -> None:
        step(client, "O4", "move", "1")
        page = step(client, "O3", do, number)
        assert said in text_of(page)
        assert "1 change not saved yet" in text_of(page)

    def test_about_nothing_or_about_an_offer_of_another_program(self, client: Client) -> None:
        other = make_program("other")
        make_partner(other, "P1")
        url = reverse("admin:ranking_step")
        assert "No offer was named. Nothing was changed." in text_of(client.post(url, {"do": "hide"}, follow=True))
        for offer in (str(make_offer(other, "X1").pk), "0", "first"):
            assert client.post(url, {"offer": offer, "do": "hide"}).status_code == 404

    def test_are_taken_back_one_by_one_or_all(self, client: Client) -> None:
        step(client, "O4", "move", "1")
        step(client, "O3", "move", "1")
        draft = reverse("admin:ranking_draft")
        assert named(client.post(draft, {"do": "last"}, follow=True)) == ["O4", "O1", "O2", "O3"]
        page = client.post(draft, {"do": "all"}, follow=True)
        assert (named(page), "not saved yet" in text_of(page)) == (NAMES, False)
        assert "No change is waiting" in text_of(client.post(draft, {"do": "all"}, follow=True))
        assert "nothing to save" in text_of(save(client))

    def test_keep_the_search_and_the_page(self, client: Client) -> None:
        answer = step(client, "O3", "pin", "1", q="O3", show="all")
        assert answer.redirect_chain[-1][0].startswith(f"{reverse('admin:ranking_order')}?q=O3&show=all")
        assert named(answer) == ["O3"]

    def test_belong_to_one_ranking(self, client: Client, segment: Segment) -> None:
        step(client, "O4", "move", "1", segment="cards")
        assert named(see(client)) == NAMES
        assert named(see(client, "?segment=cards")) == ["O4", "O1", "O2", "O3"]


class TestList:
    def test_narrows(self, client: Client, program: Program) -> None:
        reach_offer_state(program, "draft", "O9")
        step(client, "O1", "hide")
        step(client, "O2", "pin", "1")
        found = {show: named(see(client, f"?show={show}")) for show in ("catalog", "pinned", "hidden", "absent", "all")}
        assert found == {
            "catalog": ["O2", "O3", "O4"],
            "pinned": ["O2"],
            "hidden": ["O1"],
            "absent": ["O9"],
            "all": ["O1", "O2", "O3", "O4", "O9"],
        }
        assert named(see(client, "?q=offer+o3")) == ["O3"]
        assert "Nothing fits" in text_of(see(client, "?q=nowhere"))

    def test_has_pages(self, client: Client, program: Program) -> None:
        for number in range(5, 60):
            make_offer(program, f"O{number}")
        page = see(client, "?page=2")
        assert [line.place for line in page.context["lines"]] == list(range(51, 60))
        assert "51 to 59 of 59" in text_of(page)

    def test_who_may_only_read_sees_no_buttons(self, program: Program) -> None:
        analyst = sign_in(make_member_of_staff(program, "analyst"))
        page = see(analyst)
        assert named(page) == NAMES
        assert reverse("admin:ranking_step") not in page.content.decode()

    def test_a_segment_that_there_is_not(self, client: Client) -> None:
        assert see(client, "?segment=nothing").status_code == 404


class TestSegment:
    def test_begins_with_the_order_for_everyone_and_can_be_given_up(
        self, client: Client, program: Program, segment: Segment
    ) -> None:
        assert "No ranking of its own" in text_of(see(client, "?segment=cards"))
        step(client, "O4", "move", "1", segment="cards")
        save(client, "their favourite", segment="cards")
        assert (in_force(program, segment), in_force(program)) == (["O4", "O1", "O2", "O3"], NAMES)

        own = find_ranking(program.pk, segment.pk)
        assert own is not None
        page = client.post(reverse("admin:offers_rankingrevision_end", args=[own.pk]), follow=True)
        assert "no ranking of its own" in text_of(page)
        assert find_ranking(program.pk, segment.pk) is None
        client.post(reverse("admin:offers_rankingrevision_restore", args=[own.pk]))
        assert in_force(program, segment) == ["O4", "O1", "O2", "O3"]
        stale = client.post(reverse("admin:offers_rankingrevision_end", args=[own.pk]), follow=True)
        assert "Revision 3 is in force, not 1. Nothing was changed." in text_of(stale)

    def test_which_ranking_holds_is_a_list_that_people_order(
        self, client: Client, program: Program, segment: Segment, at: datetime
    ) -> None:
        assert "No segment has a ranking of its own" in text_of(client.get(reverse("admin:ranking_priority")))
        north = make_segment(program, "north", "region", ("north",))
        for one in (segment, north):
            save_ranking(program_id=program.pk, segment_id=one.pk, offer_ids=[], actor="system", at=at)
        assert list_ranked_segments(program.pk) == [north, segment]
        url = reverse("admin:ranking_save_priority")
        page = client.post(url, {"segment": "cards", "place": "1"}, follow=True)
        assert list_ranked_segments(program.pk) == [segment, north]
        assert "The ranking of Cards is at place 1." in text_of(page)
        for place in ("3", "0", "first", ""):
            assert "Write a place from 1 to 2." in text_of(client.post(url, {"segment": "cards", "place": place}, follow=True))
        assert client.post(url, {"segment": "nothing", "place": "1"}).status_code == 404
        assert "No segment was named. Nothing was changed." in text_of(client.post(url, {"place": "1"}, follow=True))


class TestSomebodyFaster:
    @pytest.fixture
    def conflict(self, client: Client, program: Program, at: datetime) -> Any:
        """Mine: O4 first, O1 to place 3. Theirs, saved meanwhile: O4 hidden."""
        step(client, "O4", "move", "1")
        step(client, "O1", "move", "3")
        ids = order_in_force(program)
        save_ranking(program_id=program.pk, offer_ids=ids, hidden=[ids[3]], actor="system", at=at, comment="out of stock")
        return save(client, "mine")

    def test_nothing_is_saved_and_nothing_lost(self, client: Client, program: Program, conflict: Any) -> None:
        said = text_of(conflict)
        assert "Your changes were not saved, and none is lost" in said
        assert "out of stock" in said
        assert "This offer is hidden and has no place." in said
        assert [row[0] for row in conflict.context["tables"][0].rows] == ["O4 to place 1", "O1 to place 3"]
        assert RankingRevision.objects.latest("pk").comment == "out of stock"

    def test_what_still_fits_is_taken_over(self, client: Client, program: Program, conflict: Any) -> None:
        draft = reverse("admin:ranking_draft")
        page = client.post(draft, {"do": "rebase"}, follow=True)
        assert "1 of your changes is on top of what is in force now, 1 no longer fits." in text_of(page)
        assert named(page) == ["O2", "O3", "O1"]
        save(client, "mine")
        newest = RankingRevision.objects.latest("pk")
        assert (newest.comment, len(newest.hidden)) == ("mine", 1)
        assert in_force(program) == ["O2", "O3", "O1", "O4"]

    def test_or_dropped(self, client: Client, program: Program, conflict: Any) -> None:
        page = client.post(reverse("admin:ranking_draft"), {"do": "all"}, follow=True)
        assert named(page) == ["O1", "O2", "O3"]
        assert "not saved yet" not in text_of(page)


class TestRevisions:
    @pytest.fixture
    def newest(self, client: Client, program: Program) -> RankingRevision:
        step(client, "O4", "pin", "1")
        step(client, "O1", "hide")
        save(client, "why not")
        return RankingRevision.objects.latest("pk")

    def test_are_compared(self, client: Client, newest: RankingRevision) -> None:
        page = client.get(reverse("admin:ranking_compare"))
        [table] = page.context["tables"]
        assert table.rows[0][2:4] == ["4", "1"]
        said = text_of(page)
        assert f"From revision {newest.number - 1} to revision {newest.number}" in said
        assert "hidden" in said
        assert "both say the same" in text_of(client.get(reverse("admin:ranking_compare") + "?before=2&after=2"))
        assert client.get(reverse("admin:ranking_compare") + "?before=404").status_code == 404
        assert client.get(reverse("admin:ranking_compare") + "?segment=nothing").status_code == 404

    def test_show_what_they_changed_and_what_they_pin(self, client: Client, newest: RankingRevision) -> None:
        said = text_of(client.get(reverse("admin:offers_rankingrevision_change", args=[newest.pk])))
        assert "Pinned to 1" in said
        assert "Undo this revision" in said
        assert "Put this revision back" not in said

    def test_are_undone_and_put_back(self, client: Client, program: Program, newest: RankingRevision) -> None:
        client.post(reverse("admin:offers_rankingrevision_undo", args=[newest.pk]))
        assert in_force(program) == NAMES
        client.post(reverse("admin:offers_rankingrevision_restore", args=[newest.pk]))
        again = RankingRevision.objects.latest("pk")
        assert (again.offer_ids, again.pinned, again.hidden) == (newest.offer_ids, newest.pinned, newest.hidden)

    def test_one_of_a_ranking_is_in_force(self, client: Client, newest: RankingRevision) -> None:
        page = text_of(client.get(reverse("admin:offers_rankingrevision_changelist")))
        assert (page.count("● In force"), page.count("○ Replaced")) == (1, newest.number - 1)
