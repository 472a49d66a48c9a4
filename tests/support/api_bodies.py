"""What each address of the API is sent, so that it is not refused for what is in it."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

from plum_site.lib.clock import now
from reviews.choices import ActionKind
from reviews.rules.ladder import LadderRule
from tests.factories.events import make_event
from tests.factories.offers import picture

# What stands for the names in an address: in the caller's own program, in another one, and nowhere.
OWN, FOREIGN, UNKNOWN = 0, 1, 2

LISTING = {"title": "Half price"}
OFFER = {"partner": "P1", "offer_type": "discount", "listing": {"title": "Offer O1"}}  # as it reads: other words are published
SEGMENT = {"name": "North", "rule": [{"attribute": "region", "operator": "is", "values": ["north"]}]}
RULE = {
    "name": "Unlock rate low",
    "metric": "unlock_rate",
    "direction": "below",
    "reference": "fixed",
    "threshold": 0.1,
    "minimum_denominator": 100,
}
# What a request must say to succeed in the caller's own program.
BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/partners": {"external_id": "new", "name": "New"},
    "PUT /api/v1/partners/{external_id}": {"name": "Changed"},
    "PATCH /api/v1/partners/{external_id}": {"name": "Changed"},
    "POST /api/v1/offers": {"external_id": "new", **OFFER},
    "PUT /api/v1/offers/{external_id}": OFFER,
    "PATCH /api/v1/offers/{external_id}": {"face_value": "20%"},
    "POST /api/v1/offers/{external_id}/listings": LISTING,
    "POST /api/v1/offers/{external_id}/listings/restore": {"number": 1, "replaces": 1},
    "PUT /api/v1/offers/{external_id}/draft": LISTING,
    "POST /api/v1/offers/{external_id}/terms": {"text": "Never on Sundays.", "starts_on": "2998-01-01"},
    "POST /api/v1/creatives": {"picture": b64encode(picture()).decode()},
    "POST /api/v1/offers/{external_id}/audiences": {"countries": ["DE"]},
    "POST /api/v1/segments": {"code": "new", **SEGMENT},
    "PUT /api/v1/segments/{code}": SEGMENT,
    "PUT /api/v1/sources/{code}": {"complete_through": "2026-06-30T00:00:00Z"},
    "POST /api/v1/rankings": {"offers": ["D1", "O1"]},
    "POST /api/v1/rankings/steps": {"steps": [{"do": "move", "offer": "O1", "number": 1}]},
    "POST /api/v1/rankings/undo": {"number": 2},
    "POST /api/v1/rankings/restore": {"number": 1},
    "PUT /api/v1/rankings/priority": {"segments": []},
    "POST /api/v1/exports": {"from": "2026-06-01", "to": "2026-07-01"},
    "POST /api/v1/tokens": {"name": "new", "scopes": ["tokens:manage"]},
    "POST /api/v1/events": make_event(),
    "POST /api/v1/data-gaps/{gap_id}/transitions": {"name": "accept", "comment": "Known."},
    "POST /api/v1/rules": {"code": "new", **RULE},
    "PUT /api/v1/rules/{code}": RULE,
    "POST /api/v1/rules/{code}/transitions": {"name": "deactivate"},
    "POST /api/v1/flags/{flag_id}/transitions": {"name": "acknowledge"},
    "POST /api/v1/reviews/{month}/restatements": {"reason": "Late files."},
    "POST /api/v1/actions": {"partner": "P1", "kind": "pause_offer", "params": {"offers": ["O1"]}},
    "PATCH /api/v1/actions/{action_id}": {"reason": "Another one."},
    "POST /api/v1/actions/{action_id}/notes": {"text": "See the ticket."},
    "POST /api/v1/actions/approve": {"actions": [{"id": 5001, "revision": 1}]},
    "POST /api/v1/replacements/{replacement_id}/candidates": {"partner": "C1"},
    "POST /api/v1/replacements/{replacement_id}/contacts": {"partner": "P1", "kind": "call", "text": "They agree."},
    "POST /api/v1/replacements/{replacement_id}/files": {"name": "terms.txt", "content": "QWdyZWVkLg=="},
    "PUT /api/v1/replacements/{replacement_id}/mapping": {"pairs": [{"old": "O1", "new": None}]},
    "PUT /api/v1/replacements/{replacement_id}/tasks/{step}": {"owner": None, "due_date": "2026-09-01"},
    "PUT /api/v1/approvals": {"approvals": dict.fromkeys(ActionKind.values, "two"), "push_limit": 10, "solo_mode": False},
    "POST /api/v1/approvals/requests/{request_id}/transitions": {"name": "refuse", "comment": "Not now."},
    "PUT /api/v1/playbook": {"lines": []},
    "PUT /api/v1/ladder": LadderRule(is_on=False).as_json(),
    "PUT /api/v1/ladder/holds/{external_id}": {"until": f"{now() + timedelta(days=30):%Y-%m-%d}", "reason": "Wait."},
}
# A step of a lifecycle needs the scope of that step: one for those who may decide, one for those who may only draft.
