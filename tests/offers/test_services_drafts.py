"""Versions of listings: drafted, reviewed, published, restored; what was published never changes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from offers.choices import DraftState
from offers.models import Listing, ListingDraft, ListingDraftTransition, Offer, OfferTerms
from offers.selectors import compare_listings, find_draft
from offers.services import change_draft_state, publish_listing, restore_listing, save_draft
from partners.models import Program
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_draft, make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


@pytest.fixture
def offer(program: Program) -> Offer:
    return make_offer(program)


def publish(offer: Offer, title: str, **words: Any) -> Listing:
    return publish_listing(offer_id=offer.pk, title=title, actor="system", at=AT, **words)


def step(draft: ListingDraft, name: str, comment: str = "as a test asks") -> ListingDraft:
    return change_draft_state(draft_id=draft.pk, name=name, actor="user:7", at=AT, comment=comment)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(DomainError) as refused:
        call()
    return refused.value.code


def titles(offer: Offer) -> list[str]:
    return list(Listing.objects.filter(offer=offer).order_by("number").values_list("title", flat=True))


def test_nobody_reads_a_draft_before_it_is_published(program: Program, offer: Offer) -> None:
    revision = program.catalog_revision
    draft = make_draft(offer, title="Better", text="More", terms="Once.")
    program.refresh_from_db()

    assert titles(offer) == ["Offer O1"]
    assert (draft.state, draft.based_on, draft.listing) == ("draft", 1, None)
    step(draft, "submit")
    published = step(draft, "publish")

    newest = Listing.objects.get(offer=offer, number=2)
    assert (newest.title, newest.text, newest.terms, newest.published_by) == ("Better", "More", "Once.", "user:7")
    assert (published.state, published.listing) == ("published", newest)
    program.refresh_from_db()
    assert program.catalog_revision > revision
    assert find_draft(offer.pk) is None
    log = ListingDraftTransition.objects.filter(listingdraft=draft).order_by("id").values_list("name", flat=True)
    assert list(log) == ["begin", "submit", "publish"]
    assert AuditEvent.objects.filter(action="offers.change_draft_state").count() == 2


def test_a_draft_is_saved_again_and_says_what_changed(offer: Offer) -> None:
    draft = make_draft(offer, title="Better")

    again, outcome = save_draft(offer_id=offer.pk, title="Better", text="More", actor="user:7", at=AT)
    _, nothing = save_draft(offer_id=offer.pk, title="Better", text="More", actor="user:8", at=AT)

    assert (again.pk, outcome, nothing) == (draft.pk, "changed", "unchanged")
    change = AuditEvent.objects.filter(action="offers.save_draft").latest("id")
    assert (change.actor, change.before, change.after) == ("user:7", {"text": ""}, {"text": "More"})


def test_in_review_it_stands_still_until_it_is_sent_back(offer: Offer) -> None:
    draft = make_draft(offer, state=DraftState.IN_REVIEW)

    assert code_of(lambda: save_draft(offer_id=offer.pk, title="Other", actor="system", at=AT)) == "draft_in_review"
    assert code_of(lambda: step(draft, "send_back", comment="")) == "comment_required"
    assert step(draft, "send_back").state == "draft"
    _, outcome = save_draft(offer_id=offer.pk, title="Other", actor="system", at=AT)
    assert outcome == "changed"


def test_a_discarded_draft_makes_room_for_another(offer: Offer) -> None:
    first = make_draft(offer, state=DraftState.DISCARDED)
    second = make_draft(offer, title="Second")

    assert first.pk != second.pk
    assert titles(offer) == ["Offer O1"]
    assert code_of(lambda: step(first, "submit")) == "transition_refused"


def test_words_that_came_meanwhile_are_not_published_over(offer: Offer) -> None:
    draft = make_draft(offer, title="Mine", state=DraftState.IN_REVIEW)
    publish(offer, "Somebody else's")

    assert code_of(lambda: step(draft, "publish")) == "listing_changed_since"
    draft.refresh_from_db()
    assert (draft.state, draft.listing, titles(offer)) == ("in_review", None, ["Offer O1", "Somebody else's"])

    step(draft, "send_back")
    save_draft(offer_id=offer.pk, title="Mine", actor="system", at=AT)
    step(draft, "submit")
    step(draft, "publish")
    assert titles(offer) == ["Offer O1", "Somebody else's", "Mine"]


def test_a_draft_that_says_nothing_new_becomes_the_version_there_is(offer: Offer) -> None:
    draft = make_draft(offer, title="Offer O1", state=DraftState.IN_REVIEW)

    assert step(draft, "publish").listing == Listing.objects.get(offer=offer)


@pytest.mark.parametrize(
    ("words", "code"),
    [({"title": ""}, "required"), ({"title": "x", "creative_url": "javascript:alert(1)"}, "invalid_url")],
)
def test_words_that_cannot_be_stored_are_refused_in_the_draft(offer: Offer, words: dict[str, str], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        save_draft(offer_id=offer.pk, actor="system", at=AT, **words)

    assert refused.value.code == code
    assert not ListingDraft.objects.exists()


def test_publishing_at_once_names_its_cause_and_leaves_terms_alone(offer: Offer) -> None:
    publish(offer, "With terms", terms="Once a day.")

    listing = publish(offer, "Without a word about terms", source_ref="reviews.CorrectiveAction:7", comment="It was stale.")

    assert (listing.terms, listing.source_ref) == ("Once a day.", "reviews.CorrectiveAction:7")
    assert OfferTerms.objects.count() == 1
    assert AuditEvent.objects.filter(action="offers.publish_listing").latest("id").comment == "It was stale."


def test_publishing_over_what_one_has_not_seen_is_refused(offer: Offer) -> None:
    assert code_of(lambda: publish(offer, "Mine", replaces=0)) == "listing_changed_since"
    assert publish(offer, "Mine", replaces=1).number == 2


def test_going_back_is_a_new_version_with_the_old_words_and_terms(offer: Offer) -> None:
    first = publish(offer, "First", text="a", terms="Old terms.")
    publish(offer, "Second", text="b", terms="New terms.")

    back = restore_listing(offer_id=offer.pk, listing_id=first.pk, replaces=3, actor="system", at=AT, source_ref="reviews.X:1")

    assert (back.number, back.title, back.text, back.terms, back.source_ref) == (4, "First", "a", "Old terms.", "reviews.X:1")
    assert OfferTerms.objects.order_by("id").last().text == "Old terms."
    again = restore_listing(offer_id=offer.pk, listing_id=first.pk, replaces=4, actor="system", at=AT)
    assert again == back


def test_going_back_refuses_where_something_came_between(offer: Offer) -> None:
    first = Listing.objects.get(offer=offer)
    publish(offer, "Second")
    publish(offer, "Third")

    refused = code_of(lambda: restore_listing(offer_id=offer.pk, listing_id=first.pk, replaces=2, actor="system", at=AT))

    assert refused == "listing_changed_since"
    assert titles(offer) == ["Offer O1", "Second", "Third"]


def test_only_a_version_of_the_offer_is_restored(program: Program, offer: Offer) -> None:
    other = Listing.objects.get(offer=make_offer(program, "O2"))

    with pytest.raises(NotFound):
        restore_listing(offer_id=offer.pk, listing_id=other.pk, replaces=1, actor="system", at=AT)


def test_two_versions_are_compared_field_by_field(offer: Offer) -> None:
    first = Listing.objects.get(offer=offer)
    second = publish(offer, "Offer O1", text="Now with words")

    assert [(one.field, one.differs) for one in compare_listings(first, second)] == [
        ("title", False),
        ("text", True),
        ("creative_url", False),
        ("terms", False),
    ]
