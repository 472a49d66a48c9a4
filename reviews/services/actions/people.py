"""Who stands behind an action: the person, who holds the right now."""

from plum_site.lib.access import Actor, check
from plum_site.lib.errors import DomainError
from plum_site.lib.models import User
from plum_site.lib.people import find_person


class UnableToDecideAction(DomainError):
    """Nobody, or the wrong person, would stand behind it; or it is not there to be decided any more."""


def person_behind(actor: User | str) -> User | None:
    """
    Who acts, as the rule of two people sees it: the person, and for a token whoever made it. None: Plum itself.

    Raises: UnableToDecideAction - nobody_behind, for a token that nobody made.
    """
    person = find_person(actor)
    if person is None and isinstance(actor, str) and actor.startswith(("token:", "user:")):
        raise UnableToDecideAction("nobody_behind", "No person stands behind this token. Nothing was changed. Use another one.")
    return person


def require_right(person: User | None, operation: str, program_id: int) -> User:
    """
    The person, if they hold the right in the program at this moment.

    Raises: NotAllowed; UnableToDecideAction - nobody_behind.
    """
    if person is None:
        raise UnableToDecideAction("nobody_behind", "A person has to do this. Nothing was changed.")
    check(Actor(user=person), operation, program_id)
    return person
