"""Writing to a partner: a letter to its contacts, with a link to its own card, by which it may answer."""

from datetime import datetime

from partners.models import Contact
from reviews.models import CorrectiveAction
from reviews.selectors.letters import list_recipients
from reviews.services.actions.kinds.base import Applied, Change, Handling, Preview, UnableToExecute
from reviews.services.actions.letters import LIFE, send_letter


def preview(action: CorrectiveAction, at: datetime) -> Preview:
    """Who would be written to, and what."""
    changes = [Change(str(contact), "", action.params["subject"]) for contact in _contacts(action)]
    card = f"Each letter carries a link to the partner's own card, good for {LIFE.days} days, by which it may answer."
    return Preview(tuple(changes), notes=(action.params["text"], card, "What went out cannot be taken back."))


def apply(action: CorrectiveAction, at: datetime) -> Applied:
    """Write to them."""
    letters = [send_letter(action=action, contact=contact, at=at).pk for contact in _contacts(action)]
    return Applied({"letters": []}, {"letters": letters})


def _contacts(action: CorrectiveAction) -> list[Contact]:
    contacts = list_recipients(action.partner)
    if not contacts:
        sentence = f"{action.partner} has no contact. Nobody was written to. Add one on the partner's page."
        raise UnableToExecute("no_contact", sentence)
    return contacts


CONTACT_PARTNER = Handling(preview, apply, undo=None)
