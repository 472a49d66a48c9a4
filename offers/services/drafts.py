"""The next version of a listing: drafted by whoever may edit, published or sent back by whoever may publish."""

from datetime import datetime

from django.db import transaction

from offers.choices import OPEN_DRAFT, DraftState
from offers.models import ListingDraft, ListingDraftTransition
from offers.services.listings import WORDS, append_version, check_replaces, check_words, find_newest, lock_offer
from offers.workflow import DRAFT_TRANSITIONS
from plum_site.lib import audit
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import User
from plum_site.lib.transitions import take_transition
from plum_site.lib.workflow import find_transition


@transaction.atomic
def save_draft(
    *, offer_id: int, title: str, text: str = "", creative_url: str = "", terms: str = "", actor: User | str, at: datetime
) -> tuple[ListingDraft, str]:
    """
    Begin the next version of an offer's listing, or change the one that is worked on; with it "created", "changed" or
    "unchanged". Saving takes note of the version that is published now.

    Raises: NotFound, InvalidInput, DomainError (code "draft_in_review").
    Writes: offers_listingdraft, offers_listingdrafttransition, plum_auditevent.
    """
    offer, newest = lock_offer(offer_id), find_newest(offer_id)
    words = {"title": title, "text": text, "creative_url": creative_url, "terms": terms}
    check_words(offer.program_id, words)
    number = newest.number if newest else 0
    draft = ListingDraft.objects.select_for_update(of=("self",)).filter(offer=offer, state__in=OPEN_DRAFT).first()
    if draft is not None and draft.state != DraftState.DRAFT:
        sentence = "The draft is in review. Nothing was changed. Have it sent back first, or discard it."
        raise DomainError("draft_in_review", sentence)
    before = {name: getattr(draft, name) for name in (*WORDS, "based_on")} if draft else None
    after = {**words, "based_on": number}
    if draft is not None and before == after:
        return draft, "unchanged"
    if draft is None:
        draft = ListingDraft(offer=offer)
    for name, value in after.items():
        setattr(draft, name, value)
    draft.edited_at, draft.edited_by = at, audit.actor_name(actor)
    draft.save()
    if before is None:
        ListingDraftTransition.objects.create(
            listingdraft=draft, name="begin", from_state="", to_state=draft.state, actor=draft.edited_by, at=at
        )
    audit.record(
        program_id=offer.program_id,
        actor=actor,
        action="offers.save_draft",
        row=draft,
        at=at,
        before={name: value for name, value in before.items() if value != after[name]} if before else None,
        after={name: value for name, value in after.items() if before is None or value != before[name]},
    )
    return draft, "changed" if before else "created"


@transaction.atomic
def change_draft_state(
    *, draft_id: int, name: str, actor: User | str, at: datetime, comment: str = "", source_ref: str = ""
) -> ListingDraft:
    """
    Take one named transition of a draft. Publishing makes it the version that members read, in the same transaction.

    Raises: NotFound, DomainError ("transition_refused"; "listing_changed_since" where another version was published since
    the draft was saved), InvalidInput ("comment_required").
    Writes: offers_listingdraft, offers_listingdrafttransition, plum_auditevent; publishing also what publish_listing does.
    """
    offer_id = ListingDraft.objects.values_list("offer_id", flat=True).filter(pk=draft_id).first()
    if offer_id is None:
        raise NotFound("listing draft", draft_id)
    offer = lock_offer(offer_id)  # before the draft, as everywhere
    draft = ListingDraft.objects.select_for_update(of=("self",)).get(pk=draft_id)
    draft.offer = offer
    transition = find_transition(DRAFT_TRANSITIONS, name, draft.state)
    if transition.target == DraftState.PUBLISHED:
        publish_words(draft, actor, at, comment, source_ref)
    take_transition(
        row=draft,
        log=ListingDraftTransition,
        table=DRAFT_TRANSITIONS,
        name=name,
        action="offers.change_draft_state",
        actor=actor,
        at=at,
        comment=comment,
        told={"transition": name},
        source_ref=source_ref,
    )
    return draft


def publish_words(draft: ListingDraft, actor: User | str, at: datetime, comment: str, source_ref: str) -> None:
    """
    Make a draft's words the next version; words that members read already stay the version that they are.

    Raises: DomainError (code "listing_changed_since"), InvalidInput.
    Writes: offers_listingdraft and what publish_listing does, in the caller's transaction.
    """
    newest = find_newest(draft.offer_id)
    check_replaces(newest, draft.based_on)
    words = {name: getattr(draft, name) for name in WORDS}
    draft.listing = append_version(draft.offer, newest, words, actor, at, comment, source_ref)
    draft.save(update_fields=["listing"])
