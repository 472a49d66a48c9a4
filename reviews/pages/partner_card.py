"""A partner's own card, as the partner sees it by the link in a letter: nobody else's figures, and nothing about members."""

from typing import Any

from plum_site.lib.periods import local_date
from plum_site.lib.present import month
from reviews.choices import Cause, CycleState, RuleTarget
from reviews.models import PartnerLink, Scorecard
from reviews.pages import make_headlines, make_rates, show_standing, stages_of
from reviews.pages.flags import say_flag
from reviews.rules.diagnosis import MEANINGS
from reviews.selectors.letters import find_linked_card

SEGMENT = RuleTarget.PARTNER_SEGMENT


def show_partner_card(link: PartnerLink) -> dict[str, Any]:
    """
    What a partner reads: the letter, its own figures against its own past and the median of its category, flags and why.

    A median stands for five partners at least. What is said of groups of members is left out, however large they are: a
    partner knows some of its customers by name.
    """
    action, card = link.action, find_linked_card(link)
    answers = [
        {"text": answer.note.text, "at": answer.note.made_at} for answer in link.answers.select_related("note").order_by("id")
    ]
    letter = {
        "link": link,
        "partner": action.partner,
        "program": action.program,
        "subject": action.params["subject"],
        "text": action.params["text"],
        "until": local_date(link.expires_at, action.program.time_zone),
        "answers": answers,
    }
    return letter | (_show_figures(card) if card else {})


def _show_figures(card: Scorecard) -> dict[str, Any]:
    stages, flags = stages_of(card.cycle), list(card.flags.all())
    told = [flag for flag in flags if flag.target != SEGMENT]
    return {
        "card": card,
        "month": month(card.cycle.month_start_date),
        "is_preliminary": card.cycle.state != CycleState.CLOSED,
        "standing": show_standing(card.standing),
        "headlines": make_headlines(card, stages),
        "rates": make_rates(card, stages),
        "flag_lines": [say_flag(flag) for flag in told],
        "has_untold_flags": len(told) < len(flags),
        "sentence": say_why(card),
    }


def say_why(card: Scorecard) -> str:
    """The sentence of the diagnosis; only what it means, without figures, where it names groups of members."""
    told = card.diagnosis
    if not told:
        return ""
    parts = [*told["evidence"], *told["carriers"]]
    if any(part["target"] == SEGMENT for part in parts):
        meaning = MEANINGS.get(told["cause"], Cause(told["cause"]).label)
        return f"{meaning}."
    return str(told["sentence"])
