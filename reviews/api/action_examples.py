"""What the description of the API shows for corrective actions; a test holds the examples against the schema."""

from typing import Any

from plum_site.lib.workflow import available
from reviews.choices import ActionState
from reviews.rules.actions import PlacingSpec, default_approvals, default_playbook, write_lines
from reviews.workflow import ACTION_TRANSITIONS

PROPOSAL = {
    "partner": "P-17",
    "kind": "rerank",
    "params": {"offers": ["O-100"], "how": "top"},
    "segment": "cards",
    "reason": "Few in the business unit have seen it.",
    "due_date": "2026-11-20",
}
NOTE = {"text": "The shop agreed by telephone.", "url": "https://tickets.example.org/81"}
SEEN = {"actions": [{"id": 7, "revision": 1}, {"id": 9, "revision": 2}], "comment": "As discussed."}
RESULTS = {
    "results": [
        {"id": 7, "is_approved": True, "code": "", "detail": ""},
        {
            "id": 9,
            "is_approved": False,
            "code": "same_person",
            "detail": "You proposed or edited this action: somebody else has to approve it. Nothing was changed.",
        },
    ]
}


def _step(name: str, before: str, after: str, actor: str, at: str, comment: str = "", revision: int = 1) -> dict[str, Any]:
    return {
        "name": name,
        "from_state": before,
        "to_state": after,
        "actor": actor,
        "at": at,
        "comment": comment,
        "revision": revision,
    }


def _allowed(state: str, *without: str) -> list[dict[str, Any]]:
    return [
        {"name": step.name, "label": step.label, "needs_comment": step.needs_comment}
        for step in available(ACTION_TRANSITIONS, state)
        if step.name not in ("edit", "take_up", *without)
    ]


PROPOSED: dict[str, Any] = {
    "id": 7,
    "kind": "rerank",
    "state": "proposed",
    "revision": 1,
    "sentence": "O-100 of Coffee Corner: to the top, for Cards.",
    "partner": "P-17",
    "partner_name": "Coffee Corner",
    "segment": "cards",
    "month": None,
    "flag": None,
    "owner": "otis",
    "due_date": "2026-11-20",
    "scheduled_at": None,
    "proposer": "anna",
    "proposed_at": "2026-11-06T09:30:00Z",
    "needs_two": False,
    "is_solo": False,
    "approver": None,
    "approved_at": None,
    "executed_at": None,
    "failure": "",
    "verdict": "",
    "allowed_actions": _allowed(ActionState.PROPOSED),
    "params": {"offers": ["O-100"], "how": "top"},
    "reason": "Few in the business unit have seen it.",
    "editor": None,
    "edited_at": None,
    "preview": {
        "is_possible": True,
        "refusal": "",
        "changes": [{"what": "O-100", "before": "place 12", "after": "place 1"}],
        "members": None,
        "notes": [],
    },
    "before": None,
    "after": None,
    "reverted_at": None,
    "reverted_by": "",
    "replacement": None,
    "design": None,
    "effect": None,
    "measured_at": None,
    "notes": [],
    "history": [_step("propose", "", "proposed", "token:4", "2026-11-06T09:30:00Z", "Few in the business unit have seen it.")],
}
NOTED: dict[str, Any] = {**PROPOSED, "notes": [{**NOTE, "made_by": "token:4", "made_at": "2026-11-06T10:00:00Z"}]}
EDITED: dict[str, Any] = {
    **PROPOSED,
    "revision": 2,
    "sentence": "O-101 of Coffee Corner: to the top, for Cards.",
    "params": {"offers": ["O-101"], "how": "top"},
    "editor": "anna",
    "edited_at": "2026-11-06T11:00:00Z",
    "preview": {**PROPOSED["preview"], "changes": [{"what": "O-101", "before": "place 9", "after": "place 1"}]},
    "history": [
        *PROPOSED["history"],
        _step("edit", "proposed", "proposed", "token:4", "2026-11-06T11:00:00Z", revision=2),
    ],
}
APPROVED: dict[str, Any] = {
    **PROPOSED,
    "state": "scheduled",
    "approver": "ben",
    "approved_at": "2026-11-07T08:00:00Z",
    "scheduled_at": "2026-11-07T08:00:00Z",
    "allowed_actions": _allowed(ActionState.SCHEDULED),
    "history": [
        *PROPOSED["history"],
        _step("approve", "proposed", "approved", "token:5", "2026-11-07T08:00:00Z", "Go on."),
        _step("schedule", "approved", "scheduled", "system", "2026-11-07T08:00:00Z"),
    ],
}
APPROVALS: dict[str, Any] = {
    "approvals": dict(default_approvals().approvals),
    "push_limit": default_approvals().push_limit,
    "solo_mode": False,
}
PLAYBOOK: dict[str, Any] = {"lines": write_lines(default_playbook()), "placing": PlacingSpec().as_json()}
REFUSED_REQUEST: dict[str, Any] = {
    "id": 2,
    "state": "refused",
    "replaces": 1,
    "approvals": dict(default_approvals().approvals),
    "push_limit": 5000,
    "solo_mode": False,
    "asked_by": "anna",
    "asked_at": "2026-11-06T09:30:00Z",
    "due_at": "2026-11-07T09:30:00Z",
    "answered_by": "ben",
    "answered_at": "2026-11-06T10:12:00Z",
    "answer": "Two of us are here.",
    "allowed_actions": [],
}
MADE = {"number": 1, "made_by": "token:4", "made_at": "2026-11-06T09:30:00Z"}
