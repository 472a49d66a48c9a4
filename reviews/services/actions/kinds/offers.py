"""The offers that an action names, as they are now."""

from collections.abc import Sequence

from offers.models import Offer
from offers.selectors import list_offers
from reviews.models import CorrectiveAction
from reviews.services.actions.kinds.base import UnableToExecute


def named_offers(action: CorrectiveAction) -> list[Offer]:
    """
    The offers of an action's parameters, in their order.

    Raises: UnableToExecute - unknown_offer, other_partner.
    """
    names: Sequence[str] = action.params.get("offers", ())
    found = {offer.external_id: offer for offer in list_offers(action.program_id).filter(external_id__in=names)}
    missing = [name for name in names if name not in found]
    if missing:
        raise UnableToExecute("unknown_offer", f"There is no offer {missing[0]!r} in this program. Nothing was changed.")
    foreign = [name for name in names if found[name].partner_id != action.partner_id]
    if foreign:
        sentence = f"Offer {foreign[0]!r} is another partner's. Nothing was changed: one action is about one partner."
        raise UnableToExecute("other_partner", sentence)
    return [found[name] for name in names]
