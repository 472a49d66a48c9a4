"""Replacements over HTTP: the clock that the API reads, and the steps as clients send them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from partners.models import Program
from plum_site.lib.models import User
from tests.factories.action_clients import send
from tests.factories.actions import AT
from tests.factories.replacements import lead, open_replacement
from tests.factories.tokens import TokenClient


@dataclass
class Hands:
    """The hands of the clock that the API reads."""

    at: datetime = AT

    def move(self, **by: float) -> datetime:
        """Later by so much."""
        self.at += timedelta(**by)
        return self.at


def take(client: TokenClient, pk: int, name: str, **given: Any) -> Any:
    """The answer to one step with a replacement."""
    return send(client, "POST", f"replacements/{pk}/transitions", {"name": name, **given})


def taken(client: TokenClient, pk: int, name: str, **given: Any) -> Any:
    """The replacement after one step that succeeded."""
    answer = take(client, pk, name, **given)
    assert answer.status_code == 200, answer.content
    return answer.json()


def offered(shown: Any) -> list[str]:
    """The names of the steps that an answer offers."""
    return [step["name"] for step in shown["allowed_actions"]]


def reach(program: Program, pair: tuple[User, User], state: str, **fields: Any) -> int:
    """The id of a replacement that services led to a state."""
    return lead(open_replacement(program, *pair), *pair, state, **fields).pk
