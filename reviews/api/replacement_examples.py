"""What the description of the API shows for replacements; a test holds the examples against the schema."""

from typing import Any

from plum_site.lib.workflow import available
from reviews.choices import HolderState, ReplacementState, ReplacementStep
from reviews.workflow import REPLACEMENT_TRANSITIONS

OPENED_AT = "2026-11-06T09:30:00Z"
DAYS = ("2026-11-09", "2026-11-13", "2026-11-27", "2026-12-01", "2026-12-04", "2026-12-11", "2026-12-13", "2026-12-18")
GAP = {"group": "region=north", "category": "coffee"}
PAIRS: list[dict[str, Any]] = [{"old": "O-100", "new": "O-881"}, {"old": "O-101", "new": None}]
MAPPING = {"pairs": PAIRS, "revision": 3}
MAPPING_STEP = {"name": "map", "gaps": [GAP], "revision": 4, "comment": "Nobody in the north redeemed any."}
CONTACT = {"partner": "P-88", "kind": "call", "text": "They want the north from January on."}
KEPT_CONTACT = {"id": 12, **CONTACT, "made_by": "token:4", "made_at": "2026-11-10T14:00:00Z"}
FILE = {"name": "terms.txt", "content": "QWdyZWVkLg=="}
KEPT_FILE = {
    "id": 3,
    "name": "terms.txt",
    "size_bytes": 7,
    "sha256": "49721faa8421febb20dcbfb1501817c14af322c3323990fead880c2c9b360363",
    "brought_by": "token:4",
    "brought_at": "2026-11-20T10:00:00Z",
}


def _step(name: str, before: str, after: str, actor: str, at: str, revision: int, comment: str = "") -> dict[str, Any]:
    said = {"name": name, "from_state": before, "to_state": after, "actor": actor, "at": at}
    return {**said, "comment": comment, "revision": revision}


def _allowed(state: str, *without: str) -> list[dict[str, Any]]:
    return [
        {"name": step.name, "label": step.label, "needs_comment": step.needs_comment}
        for step in available(REPLACEMENT_TRANSITIONS, state)
        if step.name not in without
    ]


def _plan(present: str) -> dict[str, Any]:
    tasks = [
        {"step": str(step), "owner": "otis", "due_date": day, "is_next": step == present}
        for step, day in zip(ReplacementStep, DAYS, strict=True)
    ]
    return {"tasks": tasks, "next": next(task for task in tasks if task["is_next"])}


COMPARED: dict[str, Any] = {
    "id": 5,
    "action": 7,
    "state": "compared",
    "revision": 1,
    "partner": "P-17",
    "partner_name": "Coffee Corner",
    "category": "",
    "segment": None,
    "owner": "otis",
    "opened_at": OPENED_AT,
    **_plan(ReplacementStep.CHOOSE),
    "successor": None,
    "successor_name": None,
    "is_without": False,
    "scheduled_at": None,
    "cut_over_at": None,
    "last_activation_date": None,
    "failure": "",
    "ended_at": None,
    "allowed_actions": _allowed(ReplacementState.COMPARED),
    "comparison": {
        "from": "2026-08",
        "to": "2026-10",
        "metrics": ["redemption_rate"],
        "candidates": [
            {
                "partner": "P-88",
                "name": "Tea House",
                "state": "prospect",
                "category": "coffee",
                "country": "DE",
                "offers": 0,
                "drafts": 1,
                "standing": "",
                "coverage": 0.82,
                "uncovered": ["north"],
                "gaps": [["region=north", "coffee"]],
                "metrics": {
                    "redemption_rate": {
                        "status": "suppressed",
                        "rate": None,
                        "rate_low": None,
                        "rate_high": None,
                        "shrunken": None,
                        "rank": None,
                        "of": None,
                        "denominator": None,
                    }
                },
            }
        ],
    },
    "candidates": [
        {
            "partner": "P-88",
            "partner_name": "Tea House",
            "partner_state": "prospect",
            "is_possible": True,
            "added_by": "token:4",
            "added_at": "2026-11-06T11:00:00Z",
            "refused_at": None,
            "refusal": "",
        }
    ],
    "terms": "",
    "last_activation_days": 30,
    "pairs": [],
    "losses": [
        {
            "group": "region=north",
            "label": "Region: north",
            "members": 412,
            "before": 9,
            "after": 7,
            "categories": ["coffee"],
            "redemptions": 31,
        }
    ],
    "gaps": [GAP],
    "accepted_gaps": [],
    "mapper": None,
    "mapped_at": None,
    "needs_two": True,
    "is_solo": False,
    "approver": None,
    "approved_at": None,
    "holders": dict.fromkeys(HolderState.values, 0),
    "checks": None,
    "history": [
        _step("open", "", "opened", "system", OPENED_AT, 1),
        _step("compare", "opened", "compared", "token:4", "2026-11-06T10:30:00Z", 1),
    ],
}
AGREED: dict[str, Any] = {
    **COMPARED,
    "state": "agreed",
    "revision": 4,
    **_plan(ReplacementStep.MAP),
    "successor": "P-88",
    "successor_name": "Tea House",
    "allowed_actions": _allowed(ReplacementState.AGREED),
    "terms": "12 % for a year, from January on.",
    "pairs": PAIRS,
    "losses": [{**COMPARED["losses"][0], "after": 8}],
    "history": [
        *COMPARED["history"],
        _step("choose", "compared", "chosen", "token:4", "2026-11-10T09:00:00Z", 2),
        _step("agree", "chosen", "agreed", "token:4", "2026-11-20T10:05:00Z", 3),
    ],
}
MAPPED: dict[str, Any] = {
    **AGREED,
    "state": "mapped",
    "revision": 5,
    **_plan(ReplacementStep.APPROVE),
    # Whoever put it forward may not approve it.
    "allowed_actions": _allowed(ReplacementState.MAPPED, "approve"),
    "accepted_gaps": [GAP],
    "mapper": "anna",
    "mapped_at": "2026-11-23T08:00:00Z",
    "history": [
        *AGREED["history"],
        _step("map", "agreed", "mapped", "token:4", "2026-11-23T08:00:00Z", 5, str(MAPPING_STEP["comment"])),
    ],
}
