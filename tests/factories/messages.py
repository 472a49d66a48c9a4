"""Messages of an organisation's own messenger, checked."""

from typing import Any

from activity.rules.messages import IncomingMessage, check_message
from tests.factories.ledger import RECORDED_AT


def message(number: int | str = 1, kind: str = "sent", **fields: Any) -> IncomingMessage:
    """One message: to M1, about O1, of the push "spring", a June morning."""
    given = {
        "event_id": f"m{number}",
        "source": "messenger",
        "occurred_at": "2026-06-15T10:00:00Z",
        "kind": kind,
        "member": "M1",
        "offers": ["O1"],
        "push_ref": "spring",
        **fields,
    }
    checked = check_message(given, at=RECORDED_AT)
    assert isinstance(checked, IncomingMessage), checked
    return checked
