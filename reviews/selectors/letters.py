"""Reads of letters to partners and of what they answered."""

from django.db.models import QuerySet

from partners.choices import ContactRole
from partners.models import Contact, Partner
from partners.selectors import list_contacts
from reviews.models import CorrectiveAction, PartnerAnswer, PartnerLink, ReviewCycle, Scorecard
from reviews.selectors.worklist import find_newest_cards


def list_recipients(partner: Partner) -> list[Contact]:
    """
    Who is written to at a partner: its account managers, or all its contacts where it names none.

    Shape: Contacts by name; empty where the partner has none.
    """
    contacts = list(list_contacts(partner.pk))
    return [contact for contact in contacts if contact.role == ContactRole.ACCOUNT] or contacts


def find_cycle_to_show(action: CorrectiveAction) -> ReviewCycle | None:
    """
    The review whose card a letter shows: the one that the action answers, else the partner's newest; None where there is none.

    Shape: one ReviewCycle or None.
    """
    if action.cycle is not None:
        return action.cycle
    card = find_newest_cards(action.program_id, [action.partner_id]).get(action.partner_id)
    return card.cycle if card else None


def find_linked_card(link: PartnerLink) -> Scorecard | None:
    """
    The card that a link shows, as it stands now.

    Shape: one Scorecard with cycle, program, category and flags, or None.
    """
    cards = Scorecard.objects.select_related("cycle__program", "partner__category")
    return cards.prefetch_related("flags__rule_version__rule").filter(cycle=link.cycle_id, partner=link.action.partner_id).first()


def list_partner_links(program_id: int) -> QuerySet[PartnerLink]:
    """
    The letters of a program.

    Shape: PartnerLinks with action, partner and contact, newest first.
    """
    related = ("action__partner", "action__program", "contact")
    return PartnerLink.objects.filter(action__program=program_id).select_related(*related).order_by("-sent_at", "-id")


def list_partner_answers(partner_id: int) -> QuerySet[PartnerAnswer]:
    """
    What a partner answered to letters about it.

    Shape: PartnerAnswers with their notes and actions, newest first.
    """
    rows = PartnerAnswer.objects.filter(link__action__partner=partner_id)
    return rows.select_related("note__action__partner").order_by("-id")
