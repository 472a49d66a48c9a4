"""The service behind each step that people take with a replacement."""

from collections.abc import Callable, Mapping
from functools import partial

from reviews.models import Replacement
from reviews.services.replacements.approving import approve_replacement, schedule_cutover, send_back
from reviews.services.replacements.candidates import choose_candidate, compare_replacement, go_without, refuse_terms
from reviews.services.replacements.ending import (
    BACK,
    cancel_replacement,
    complete_replacement,
    go_back,
    roll_back_replacement,
    verify_replacement,
)
from reviews.services.replacements.mapping import map_offers
from reviews.services.replacements.terms import agree_terms
from reviews.services.replacements.trying import end_replacement_trial, start_replacement_trial

STEPS: Mapping[str, Callable[..., Replacement]] = {
    "compare": compare_replacement,
    "choose": choose_candidate,
    "go_without": go_without,
    "refuse_terms": refuse_terms,
    "agree": agree_terms,
    "map": map_offers,
    "approve": approve_replacement,
    "send_back": send_back,
    "start_trial": start_replacement_trial,
    "end_trial": end_replacement_trial,
    "schedule": schedule_cutover,
    "verify": verify_replacement,
    "complete": complete_replacement,
    "roll_back": roll_back_replacement,
    **{name: partial(go_back, name=name) for name in BACK},
    "cancel": cancel_replacement,
}
